"""Directories and interface files of a cgroup file system, opened safely.

Names become paths here, and root writes to the kernel through them. So the directory is opened first and must be on the
file system of the mount (its st_dev). Everything in it is opened from there, by a name that the kernel could have
created, and no link is followed. A file is neither created nor truncated.
"""

from __future__ import annotations

import posix

from shim.host import names
from shim.system import basename, dirname, drained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

EXDEV, EINVAL = 18, 22  # asm-generic/errno-base.h
MOST = 1 << 20  # bytes of one interface file; cgroup.procs of a large container is the longest
_DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_FILE = posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK


def flat_keyed(text: str) -> dict[str, int]:
    """Parse a flat keyed file (cgroup-v2.rst, "Format"): the lines `NAME NUMBER`; other lines are left out."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def directory(path: str, device: int) -> int:
    """Return a descriptor (O_PATH) of a cgroup directory; the caller closes it. Raises OSError: EXDEV on another
    device.
    """
    if ".." in path.split("/"):
        raise OSError(EINVAL, "not the path of a cgroup", path)
    handle = posix.open(path, _DIRECTORY)
    if posix.fstat(handle).st_dev != device:
        posix.close(handle)
        raise OSError(EXDEV, "not on the cgroup file system", path)
    return handle


def put(path: str, text: str, device: int) -> None:
    """Write an interface file with one write(2), as the kernel requires. Raises OSError."""
    handle = _file(path, posix.O_WRONLY, device)
    try:
        posix.write(handle, text.encode("utf-8", "surrogateescape"))
    finally:
        posix.close(handle)


def get(path: str, device: int) -> str:
    """Return the content of an interface file. Raises OSError."""
    handle = _file(path, posix.O_RDONLY, device)
    try:
        return drained(handle, MOST, path=path).decode("utf-8", "surrogateescape")
    finally:
        posix.close(handle)


def _file(path: str, flags: int, device: int) -> int:
    name = basename(path)
    if names.interface_file(name):
        raise OSError(EINVAL, "not the name of an interface file", path)
    above = directory(dirname(path), device)
    try:
        handle = posix.open(name, flags | _FILE, dir_fd=above)
        if posix.fstat(handle).st_dev != device:
            posix.close(handle)
            raise OSError(EXDEV, "not on the cgroup file system", path)
        return handle
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from error
    finally:
        posix.close(above)


def make(path: str, device: int) -> None:
    """Make a cgroup, unless it exists. Raises OSError."""
    _in_parent(posix.mkdir, path, device, there=True)


def remove(path: str, device: int) -> None:
    """Remove an empty cgroup. Raises OSError."""
    _in_parent(posix.rmdir, path, device)


def _in_parent(step: Callable[..., None], path: str, device: int, *, there: bool = False) -> None:
    name = basename(path)
    if names.container(name):
        raise OSError(EINVAL, "not the name of a cgroup", path)
    above = directory(dirname(path), device)
    try:
        step(name, dir_fd=above)
    except FileExistsError:
        if not there:
            raise
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from error
    finally:
        posix.close(above)
