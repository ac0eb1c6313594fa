"""A temporary cgroup for one look, on a host with none below the root (a fresh cgroup2 host before its first
container).
"""

from __future__ import annotations

import errno
import posix

from shim.host.cgroup_files import put
from shim.host.view import error_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from shim.host.facts import Placement
    from shim.host.view import View

    Answer = tuple[Optional[bool], str]

PREFIX = "cgshim-probe-"


def look(view: View, mount: str, files: dict[str, Placement]) -> dict[str, Answer]:
    """Return each file -> (present, evidence); (None, reason) if the kernel refused the look.

    The cgroup is always removed. A controller that had to be enabled in the root stays enabled: the runtime enables it
    next, and disabling it could remove the limits of a container that started meanwhile.
    """
    path = f"{mount}/{PREFIX}{posix.getpid()}"
    missing = {place.controller for place in files.values() if place.version == 2 and place.controller}
    refused = _enable(view, mount, sorted(missing))
    try:
        posix.mkdir(view.path(path))
    except FileExistsError:
        pass  # left by a killed process with our pid; it is empty and can be used
    except OSError as error:
        return {name: (None, _why("mkdir", path, error)) for name in files}
    found: dict[str, Answer] = {}
    try:
        for name, place in files.items():
            found[name] = _answer(view, path, name, refused.get(place.controller))
    finally:
        left = _remove(view, path)
    return {name: (value, evidence + left) for name, (value, evidence) in found.items()} if left else found


def _answer(view: View, path: str, name: str, refused: str | None) -> Answer:
    if refused:
        return None, refused
    if view.exists(f"{path}/{name}"):
        return True, f"{path}/{name}: present"
    return False, view.why(f"{path}/{name}")


def _enable(view: View, mount: str, controllers: list[str]) -> dict[str, str]:
    """Return the controllers that could not be enabled for the children of `mount`, each with the reason."""
    control, root = f"{mount}/cgroup.subtree_control", view.identity(mount)
    enabled = (view.text(control) or "").split() if controllers else []
    refused = {}
    for name in controllers:
        if name not in enabled:
            try:
                put(view.path(control), f"+{name}", root.device if root else -1)
            except OSError as error:
                refused[name] = _why(f"writing +{name}", control, error)
    return refused


def _remove(view: View, path: str) -> str:
    try:
        posix.rmdir(view.path(path))
    except OSError as error:
        return f"; {_why('rmdir', path, error)}"
    return ""


def _why(action: str, path: str, error: OSError) -> str:
    return f"{path}: {action}: {error_name(error.errno or errno.EIO)}"
