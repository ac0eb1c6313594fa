"""The existing cgroup below which a container will be made, as far as its configuration tells."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

    from shim.host.view import View


def expand(target: str, own: str, *, as_user: bool = False) -> str:
    """Return a `cgroupsPath` as a path in the hierarchy, "" if it does not tell where.

    Absolute paths stay; systemd's `slice:prefix:name` becomes the slice's path, inside the user manager's part of the
    tree when `own` (this process's cgroup) is in one. Relative paths are placed differently by each runtime.
    as_user: no privileges, so systemd means the user's own manager, also for a session beside it.
    """
    if target.startswith("/"):
        return _clean(target)
    parts = target.split(":")
    if len(parts) != 3:
        return ""
    user = delegated_to_user(own) or (beside_session(own) if as_user else "")
    return user + _slice(parts[0] or ("user.slice" if user else "system.slice"))


def delegated_to_user(own: str) -> str:
    """Return `/user.slice/user-1000.slice/user@1000.service` from a path below it: the part that systemd delegates to a
    user.
    """
    components = own.split("/")
    for index, component in enumerate(components):
        if component.startswith("user@") and component.endswith(".service"):
            return "/".join(components[: index + 1])
    return ""


def beside_session(own: str) -> str:
    """Return the cgroup of the user's manager for a login session: `/user.slice/user-1000.slice/session-2.scope` is
    root's, the manager's `user@1000.service` beside it is the user's. "" for any other path.
    """
    above, _, name = own.strip("/").rpartition("/")
    number = above[len("user.slice/user-") : -len(".slice")]
    session = name.startswith("session-") and name.endswith(".scope")
    if not session or not number.isdigit() or above != f"user.slice/user-{number}.slice":
        return ""
    return f"/{above}/user@{number}.service"


def _slice(name: str) -> str:
    """`a-b.slice` is in `a.slice` (systemd.slice(5)); `-.slice` is the root."""
    stem = name[: -len(".slice")] if name.endswith(".slice") else name
    if stem in ("", "-"):
        return ""
    words = stem.split("-")
    return "".join(f"/{'-'.join(words[: count + 1])}.slice" for count in range(len(words)))


def _clean(path: str) -> str:
    """Return the path without empty and `.` components; "" if it climbs, which runtimes resolve differently."""
    components = [component for component in path.split("/") if component not in ("", ".")]
    return "" if ".." in components else "/" + "/".join(components)


def existing(view: View, mount: str, path: str) -> Iterator[str]:
    """Yield directories of the hierarchy at `mount` along `path`, deepest first, without the mount itself."""
    path = _clean(path)
    while len(path) > 1:
        found = view.identity(mount + path)
        if found and found.directory:
            yield mount + path
        path = path.rpartition("/")[0]
