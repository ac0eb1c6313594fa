"""Notices of our createRuntime hook about a container that may start: the hook itself cannot show them.

Runtimes discard the output of a successful hook. So the hook keeps its notices in cgshim's state directory. The cgshim
of that `run` moves them to the engine's log when the runtime returns.
"""

from __future__ import annotations

from shim.state import files
from shim.system import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from shim.errors import Level, Notice

PLACE = "notices"
MOST = 200  # files: left by runs whose cgshim was killed


def leave(container: str, notices: list[Notice], environment: Mapping[str, str]) -> None:
    """Keep (level, text) notices about a container, or an empty list. Never raises OSError."""
    place, name = join(files.directory(environment), PLACE), files.name_of(container)
    try:
        if notices:
            files.write(place, name, {"notices": [list(notice) for notice in notices]}, MOST)
        else:
            files.drop(place, name)
    except (OSError, ValueError):
        return


def take(container: str, environment: Mapping[str, str]) -> list[Notice]:
    """Return and remove the notices about a container; [] if there are none."""
    place, name = join(files.directory(environment), PLACE), files.name_of(container)
    found = (files.read(place, name) or {}).get("notices")
    files.drop(place, name)
    pairs = found if isinstance(found, list) else []
    return [(_level(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _level(found: object) -> Level:
    return "info" if found == "info" else "warning"
