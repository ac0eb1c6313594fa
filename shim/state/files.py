"""cgshim's own files on disk: small JSON objects, and stand-ins for bundles, below one directory.

Everything is done through descriptors of directories that were checked level by level. Otherwise a user who can put a
directory or a link into the path, or a file into the directory, could make root read, overwrite or remove another
user's file. For the same reason no shared temporary directory is used.

Objects are written whole or not at all, only their owner can read them, and their size is limited. Not used by a call
that succeeds.
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
LINKS = 40  # symbolic links in a path, as in path_resolution(7)
FOREIGN, LINK, STICKY = 0o022, 0o120000, 0o1000  # inode(7)
OVERFLOW = 65534  # user_namespaces(7): the owner of files whose owner has no id in this namespace
EPERM, ENOENT, ELOOP = 1, 2, 40  # asm-generic/errno-base.h, errno.h
# Why a level is not used, in our own words: engines would misread the kernel's.
THEIRS, SHARED = "it belongs to another user", "others may write to it"
NOWHERE = "no XDG_RUNTIME_DIR, /run/user/UID or home directory to keep files in"


def directory(environment: Mapping[str, str]) -> str:
    """Return the state directory, "" if there is none: CGSHIM_STATE; for root /run/cgshim; for a rootless caller a
    directory below XDG_RUNTIME_DIR, /run/user/UID or the user's own state directory.

    Engines call some hooks with an empty environment. The values that a session would set are then derived from the
    user id outside of the user namespace. `opened` checks whether the directory may be used.
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
    """Return our user id in the parent user namespace."""
    own = posix.geteuid()
    return next((outside + own - inside for inside, outside, most in _users() if inside <= own < inside + most), own)


def _users() -> list[list[int]]:
    """Return /proc/self/uid_map (user_namespaces(7)) as [inside, outside, length] rows; [] if there is none."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return [[int(word) for word in line.split()] for line in file.read(LARGEST).splitlines()]
    except (OSError, ValueError):
        return []


def opened(path: str, *, make: bool = False) -> int:
    """Return a descriptor of our own directory at `path`; the caller closes it.

    make: create it, and missing levels above it, accessible for us alone. Raises OSError: EPERM, with the path of the
    level, for one that another user owns or may write to. A level may belong to root or to us. Sticky directories like
    /tmp may be in the path, but nothing is created in them.
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
    """Return the target of a symbolic link in an open directory, "" if it is not a link. Raises OSError for a foreign
    link.
    """
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
        others = 0  # a user's private group, which distributions with umask 002 create
    if last and status.st_uid != posix.geteuid():
        raise PermissionError(EPERM, THEIRS, level)
    if others and (last or not status.st_mode & STICKY):
        raise PermissionError(EPERM, SHARED, level)
    return status


def _refuse_foreign(status: posix.stat_result, level: str) -> None:
    """65534 is root, seen from a user namespace in which root has no id; elsewhere it is an ordinary user."""
    if status.st_uid in (0, posix.geteuid()):
        return
    same = [inside for inside, outside, most in _users() if inside == outside and inside <= OVERFLOW < inside + most]
    if status.st_uid != OVERFLOW or same:
        raise PermissionError(EPERM, THEIRS, level)


def name_of(container: str) -> str:
    """Return a file name for a container's id. An id with a slash is invalid, but must not lead out of the
    directory.
    """
    return container.replace("/", "-") + ".json"


def write(place: str, name: str, value: dict[str, Any], most: int = 0) -> None:
    """Write `value` to `place`/`name`. Above `most` files there (0: any number) the oldest are removed. Raises
    OSError.
    """
    handle = opened(place, make=True)
    try:
        atomic.put_in(handle, name, (dump(value) + "\n").encode("ascii"), mode=0o600, flush=False)
        if most:
            atomic.clean(handle)  # these names are unique: no later call writes to them
            found = _names(handle)
            for old in found[: max(0, len(found) - most)]:
                posix.unlink(old, dir_fd=handle)
    finally:
        posix.close(handle)


def read(place: str, name: str) -> dict[str, Any] | None:
    """Return the object in `place`/`name`; None if there is none, or if another user could have written it."""
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
    """Return the content of a file in an open directory. Raises OSError, also for a link or another user's file."""
    handle = posix.open(name, READ | posix.O_NOFOLLOW, dir_fd=directory)
    try:
        status = posix.fstat(handle)
        if status.st_uid != posix.geteuid():
            raise PermissionError(EPERM, THEIRS, name)
        return everything(handle, status, name, LARGEST)
    finally:
        posix.close(handle)


def names(place: str) -> list[str]:
    """Return the files in `place`, oldest first."""
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
