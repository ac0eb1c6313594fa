"""System calls that Python, or Python 3.7, does not have: inotify(7) and eventfd(2), through the C library."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# include/uapi/linux/inotify.h and eventfd.h; the flags are those of open(2).
MODIFY, CREATE, DELETE, DELETE_SELF, ONLY_DIRECTORY = 0x2, 0x100, 0x200, 0x400, 0x01000000
IS_DIRECTORY, IGNORED, OVERFLOW = 0x40000000, 0x8000, 0x4000
FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
HEAD = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name
READ = 1 << 16

_C = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, path: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or None)
    return result


def event_descriptor() -> int:
    """Return a non-blocking eventfd(2); the caller closes it. Raises OSError."""
    return _checked(_C["eventfd"](0, FLAGS))


def counted(handle: int) -> int:
    """Return how often an eventfd was signalled since it was last read; 0 if it was not."""
    try:
        return int.from_bytes(os.read(handle, 8), sys.byteorder)
    except BlockingIOError:
        return 0


class Inotify:
    """One inotify instance. Raises OSError if the user has too many (fs.inotify.max_user_instances)."""

    def __init__(self) -> None:
        self.handle = _checked(_C.inotify_init1(FLAGS))

    def add(self, path: str, mask: int) -> int:
        """Watch `path`; return the number of the watch. Raises OSError: ENOSPC means fs.inotify.max_user_watches."""
        return _checked(_C.inotify_add_watch(self.handle, os.fsencode(path), mask), path)

    def remove(self, watch: int) -> None:
        """Remove a watch, unless the kernel removed it with its file."""
        _C.inotify_rm_watch(self.handle, watch)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Yield (watch, mask, name in a watched directory) of all waiting events."""
        while True:
            try:
                data = os.read(self.handle, READ)
            except BlockingIOError:
                return
            place = 0
            while place + HEAD.size <= len(data):
                watch, mask, _, length = HEAD.unpack_from(data, place)
                name = data[place + HEAD.size : place + HEAD.size + length].rstrip(b"\0")
                place += HEAD.size + length
                yield watch, mask, os.fsdecode(name)

    def close(self) -> None:
        """End all watches."""
        os.close(self.handle)
