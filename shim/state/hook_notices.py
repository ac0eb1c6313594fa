"""What our createRuntime hook has to tell although it lets the container start: it has no channel of its own.

Runtimes throw the words of a successful hook away. So it leaves them in cgshim's state directory, and the cgshim
whose `run` it belongs to takes them to the engine's log when the runtime returns.
"""

from __future__ import annotations

from shim.state import files
from shim.system import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from shim.errors import Level, Notice

PLACE = "notices"
MOST = 200  # files: of runs whose cgshim was killed


def leave(container: str, notices: list[Notice], environment: Mapping[str, str]) -> None:
    """Keep (level, text) notices about a container, or that there are none. Never fatal."""
    place, name = join(files.directory(environment), PLACE), files.name_of(container)
    try:
        if notices:
            files.write(place, name, {"notices": [list(notice) for notice in notices]}, MOST)
        else:
            files.drop(place, name)
    except (OSError, ValueError):
        return


def take(container: str, environment: Mapping[str, str]) -> list[Notice]:
    """The notices about a container, which are then gone; [] where there are none."""
    place, name = join(files.directory(environment), PLACE), files.name_of(container)
    found = (files.read(place, name) or {}).get("notices")
    files.drop(place, name)
    pairs = found if isinstance(found, list) else []
    return [(_level(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _level(found: object) -> Level:
    return "info" if found == "info" else "warning"
