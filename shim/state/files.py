"""What cgshim keeps on disk: small JSON objects, and stand-ins for bundles, below one directory of its own.

Everything here is done by descriptors of directories that were looked at on the way, level by level: whoever could
put a directory or a link of his own into the path, or a file into the directory, could make root read, overwrite or
remove what is somebody else's. There is no shared temporary directory for that reason.

Objects are written whole or not at all, for their owner's eyes, bounded. Not on the path of a call that succeeds.
"""

from __future__ import annotations

import posix

from shim.oci import atomic
from shim.oci.text import Malformed, dump, parse
from shim.system import KIND, READ, everything, isdir, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LARGEST = 1 << 20  # bytes of one object
LINKS = 40  # symbolic links on the way, as in path_resolution(7)
FOREIGN, LINK, STICKY = 0o022, 0o120000, 0o1000  # inode(7)
OVERFLOW = 65534  # user_namespaces(7): the owner of what belongs to nobody in this namespace
EPERM, ENOENT, ELOOP = 1, 2, 40  # asm-generic/errno-base.h, errno.h
# Why a level is not used, in words of ours: an engine would take the kernel's for something else.
THEIRS, SHARED = "it belongs to another user", "others may write to it"
NOWHERE = "no XDG_RUNTIME_DIR, /run/user/UID or home directory to keep files in"


def directory(environment: Mapping[str, str]) -> str:
    """The state directory, "" if there is none: CGSHIM_STATE; for root /run/cgshim; for a rootless caller below
    XDG_RUNTIME_DIR, /run/user/UID or the user's own state directory.

    Engines call some hooks with an empty environment, so what a session would say is filled in, by the user's id
    outside of the user namespace. Whether it is fit for use `opened` says.
    """
    if environment.get("CGSHIM_STATE", "").startswith("/"):
        return environment["CGSHIM_STATE"]
    if posix.geteuid() == 0 and posix.access("/run", posix.W_OK) and not environment.get("_CONTAINERS_ROOTLESS_UID"):
        return "/run/cgshim"
    for place in (environment.get("XDG_RUNTIME_DIR", ""), f"/run/user/{outer_user()}"):
        if place.startswith("/") and isdir(place) and posix.access(place, posix.W_OK):
            return join(place, "cgshim")
    if environment.get("XDG_STATE_HOME", "").startswith("/"):
        return join(environment["XDG_STATE_HOME"], "cgshim")
    home = environment.get("HOME") or _home()
    return join(home, ".local/state/cgshim") if home.startswith("/") and isdir(home) else ""


def _home() -> str:
    import pwd

    try:
        return pwd.getpwuid(outer_user()).pw_dir
    except KeyError:
        return ""


def outer_user() -> int:
    """Our user id as the parent user namespace has it."""
    own = posix.geteuid()
    return next((outside + own - inside for inside, outside, most in _users() if inside <= own < inside + most), own)


def _users() -> list[list[int]]:
    """/proc/self/uid_map (user_namespaces(7)): inside, outside, length; [] where there is no such thing."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return [[int(word) for word in line.split()] for line in file.read(LARGEST).splitlines()]
    except (OSError, ValueError):
        return []


def opened(path: str, *, make: bool = False) -> int:
    """A descriptor of the directory at `path`, which is ours; the caller closes it.

    make: make it, and what is missing above it, for our eyes only. Raises OSError: EPERM, with the path of the level,
    for one that another user owns or may write to. A level may be root's as well as ours. Sticky directories like
    /tmp may be on the way, but nothing is made in them.
    """
    if not path.startswith("/"):
        raise FileNotFoundError(ENOENT, NOWHERE, path)
    handle, level, links = posix.open("/", _FLAGS), "/", 0
    parts = _parts(path)
    try:
        status = _checked(posix.fstat(handle), level, last=not parts)
        while parts:
            part = parts.pop(0)
            level = join(level, part)
            target = _link(handle, part, level)
            if target:
                links += 1
                if links > LINKS:
                    raise OSError(ELOOP, "too many symbolic links", level)
                parts = [*_parts(target), *parts]
                level = "/" if target.startswith("/") else level.rpartition("/")[0] or "/"
                below = posix.open("/", _FLAGS) if target.startswith("/") else posix.dup(handle)
            else:
                below = _below(handle, part, level, make=make and not status.st_mode & STICKY)
            posix.close(handle)
            handle = below
            status = _checked(posix.fstat(handle), level, last=not parts)
    except BaseException:
        posix.close(handle)
        raise
    return handle


_FLAGS = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _link(handle: int, part: str, level: str) -> str:
    """The target of a symbolic link in an open directory, "" for anything else. Raises OSError for a foreign link."""
    try:
        found = posix.stat(part, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return ""
    if found.st_mode & KIND != LINK:
        return ""
    _refuse_foreign(found, level)
    return posix.readlink(part, dir_fd=handle)


def _below(handle: int, part: str, level: str, *, make: bool) -> int:
    try:
        try:
            return posix.open(part, _FLAGS, dir_fd=handle)
        except FileNotFoundError:
            if not make:
                raise
            posix.mkdir(part, 0o700, dir_fd=handle)
            return posix.open(part, _FLAGS, dir_fd=handle)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, level) from error


def _checked(status: posix.stat_result, level: str, *, last: bool) -> posix.stat_result:
    _refuse_foreign(status, level)
    others = status.st_mode & FOREIGN
    if others == 0o020 and status.st_gid == status.st_uid:
        others = 0  # a user's own group, as distributions with umask 002 give to each
    if last and status.st_uid != posix.geteuid():
        raise PermissionError(EPERM, THEIRS, level)
    if others and (last or not status.st_mode & STICKY):
        raise PermissionError(EPERM, SHARED, level)
    return status


def _refuse_foreign(status: posix.stat_result, level: str) -> None:
    """65534 is root, seen from a user namespace in which root has no number; elsewhere it is a user like any other."""
    if status.st_uid in (0, posix.geteuid()):
        return
    same = [inside for inside, outside, most in _users() if inside == outside and inside <= OVERFLOW < inside + most]
    if status.st_uid != OVERFLOW or same:
        raise PermissionError(EPERM, THEIRS, level)


def name_of(container: str) -> str:
    """A file's name for a container's id; an id with a slash is none, but must not lead out of the directory."""
    return container.replace("/", "-") + ".json"


def write(place: str, name: str, value: dict[str, Any], most: int = 0) -> None:
    """Put `value` into `place`/`name`; above `most` files there (0: any number) the oldest go. Raises OSError."""
    handle = opened(place, make=True)
    try:
        atomic.put_in(handle, name, (dump(value) + "\n").encode("ascii"), mode=0o600, flush=False)
        if most:
            atomic.clean(handle)  # these have names of their own, under which nobody writes again
            found = _names(handle)
            for old in found[: max(0, len(found) - most)]:
                posix.unlink(old, dir_fd=handle)
    finally:
        posix.close(handle)


def read(place: str, name: str) -> dict[str, Any] | None:
    """The object in `place`/`name`; None where there is none, or one that somebody else could have put there."""
    try:
        handle = opened(place)
        try:
            value = parse(content(handle, name).decode("utf-8", "surrogateescape"))
        finally:
            posix.close(handle)
    except (OSError, Malformed):
        return None
    return value if isinstance(value, dict) else None


def content(directory: int, name: str) -> bytes:
    """All that is in a file of an open directory. Raises OSError; no link is followed, and only our own is read."""
    handle = posix.open(name, READ | posix.O_NOFOLLOW, dir_fd=directory)
    try:
        status = posix.fstat(handle)
        if status.st_uid != posix.geteuid():
            raise PermissionError(EPERM, THEIRS, name)
        return everything(handle, status, name, LARGEST)
    finally:
        posix.close(handle)


def names(place: str) -> list[str]:
    """The files in `place`, oldest first."""
    try:
        handle = opened(place)
        try:
            return _names(handle)
        finally:
            posix.close(handle)
    except OSError:
        return []


def _names(directory: int) -> list[str]:
    found = []
    for name in posix.listdir(directory):
        if name.endswith(".json") and not name.startswith("."):
            found.append((posix.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns, name))
    return [name for _, name in sorted(found)]


def drop(place: str, name: str) -> None:
    """Remove a file; one that is already gone is fine."""
    try:
        handle = opened(place)
        try:
            posix.unlink(name, dir_fd=handle)
        finally:
            posix.close(handle)
    except OSError:
        return
