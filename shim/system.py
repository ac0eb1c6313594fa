"""What an intercepted call needs of `os` and `os.path`, for less than `import os` costs: that takes 1.5 ms, nearly all
of it for the abstract classes that `os.environ` and `os.PathLike` are made of.

System calls come from `posix`, the built-in module behind `os`, under the same names. This module has the rest, for
`str` paths on Linux; each function answers as its namesake in `os` or `os.path` does, unless it says otherwise.
"""

from __future__ import annotations

import posix
import sys

# inode(7): the part of a mode that says what a file is. The module `_stat` makes a hundred more such constants.
KIND, DIRECTORY, REGULAR = 0o170000, 0o040000, 0o100000
NULL = 0x103  # /dev/null, null(4), as st_rdev has it: people name it where they want no file
# asm-generic/errno-base.h; the module with all of them costs a tenth of a millisecond.
EIO, EINVAL, EFBIG, ENOTSUP = 5, 22, 27, 95
PIDFD_OPEN = 434  # asm-generic/unistd.h: the same number wherever containers run
NAMELESS = ("/dev/shm", "/run", "/tmp")  # where open(2) may make a file without a name
# Bytes of one file or stream from outside. Engines pass config.json through messages of 16 MiB at most.
LARGEST = 32 << 20
PIECE = 1 << 16  # bytes of one read, where the size is not known
# Never blocks on a FIFO that somebody left under a well-known name, never acquires a terminal.
READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY


def environment() -> dict[str, str]:
    """This process's environment as `os.environ` shows it, but as a copy: changing it changes nothing."""
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    return {name.decode(encoding, errors): value.decode(encoding, errors) for name, value in posix.environ.items()}


def fsencode(text: str) -> bytes:
    """The bytes that the kernel gets, or gave, for `text`."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def join(path: str, *more: str) -> str:
    """The parts with slashes between them; an absolute part makes nothing of those before it."""
    for part in more:
        if part.startswith("/"):
            path = part
        else:
            path += part if not path or path.endswith("/") else f"/{part}"
    return path


def basename(path: str) -> str:
    """What stands behind the last slash."""
    return path.rpartition("/")[2]


def dirname(path: str) -> str:
    """What stands before the last slash, without further slashes at its end, unless it has nothing else."""
    head, slash, _ = path.rpartition("/")
    return head.rstrip("/") or head + slash


def normpath(path: str) -> str:
    """`path` without empty and `.` parts; `..` takes away the part before it, symbolic link or not."""
    root = "//" if path.startswith("//") and not path.startswith("///") else path[: path.startswith("/")]
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != ".." or (not root and not parts) or parts[-1:] == [".."]:
            parts.append(part)
        elif parts:
            parts.pop()
    return root + "/".join(parts) or "."


def abspath(path: str) -> str:
    """`path` normalised, and relative ones below the working directory."""
    return normpath(path if path.startswith("/") else join(posix.getcwd(), path))


def realpath(path: str) -> str:
    """The path without symbolic links, as the kernel resolves it; `path` itself where there is nothing."""
    try:
        handle = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    except OSError:
        return path
    try:
        return posix.readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return path
    finally:
        posix.close(handle)


def content(path: str, most: int = LARGEST) -> bytes:
    """All that is in a regular file of at most `most` bytes; open() would ask about a terminal and a position first.

    Raises OSError: EINVAL for what is not a regular file, so that a FIFO blocks nobody and a device never ends; EFBIG.
    """
    handle = posix.open(path, READ)
    try:
        return everything(handle, posix.fstat(handle), path, most)
    finally:
        posix.close(handle)


def everything(handle: int, status: posix.stat_result, path: str, most: int = LARGEST) -> bytes:
    """What is left to read of an open regular file, whose fstat(2) is `status`; as `content`. path: for the error."""
    if status.st_mode & KIND != REGULAR and status.st_mode & KIND != DIRECTORY:  # of that, read(2) says what it is
        if status.st_rdev == NULL:
            return b""
        raise OSError(EINVAL, "not a regular file", path)
    if status.st_size > most:
        raise OSError(EFBIG, f"more than {most} bytes", path)
    data = posix.read(handle, status.st_size + 1 if status.st_size else PIECE)  # 0 is what the kernel's own files say
    if len(data) == status.st_size:
        return data  # there was room for more, so this is the end
    return drained(handle, most, path, data)


def drained(handle: int, most: int, path: str = "", data: bytes = b"") -> bytes:
    """`data` and all that follows up to the end of file. Raises OSError: EFBIG above `most` bytes of both."""
    parts = [data]
    size = len(data)
    while size <= most:
        part = posix.read(handle, PIECE)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise OSError(EFBIG, f"more than {most} bytes", path)


def write_all(handle: int, data: bytes) -> None:
    """Every byte, however little write(2) takes at a time. Raises OSError."""
    view = memoryview(data)
    while view:
        written = posix.write(handle, view)
        if not written:
            raise OSError(EIO, "nothing was written")
        view = view[written:]


def memory_file(name: str, *, inheritable: bool = True) -> int:
    """A descriptor of a new file without a path; nothing is left of it, whatever happens. Raises OSError.

    memfd_create(2), which Python has from 3.8 on, else a file that no directory ever shows.
    """
    create = getattr(posix, "memfd_create", None)
    if create:
        return int(create(name, 0 if inheritable else posix.MFD_CLOEXEC))
    error = OSError(ENOTSUP, "no directory takes a file without a name")
    for directory in NAMELESS:
        try:
            handle = posix.open(directory, posix.O_RDWR | posix.O_TMPFILE | posix.O_CLOEXEC, 0o600)
        except OSError as failure:
            error = failure
            continue
        posix.set_inheritable(handle, inheritable)
        return handle
    raise error


def pidfd_open(pid: int) -> int:
    """A pidfd of the process, as Python has it from 3.9 on. Raises OSError."""
    known = getattr(posix, "pidfd_open", None)
    if known:
        return int(known(pid))
    import ctypes

    handle = int(ctypes.CDLL(None, use_errno=True).syscall(PIDFD_OPEN, pid, 0))
    if handle < 0:
        raise OSError(ctypes.get_errno(), f"pidfd_open of process {pid} failed")
    return handle


def exists(path: str) -> bool:
    """Is there anything at `path`, symbolic links followed."""
    return _kind(path) >= 0


def isdir(path: str) -> bool:
    """Is a directory at `path`, symbolic links followed."""
    return _kind(path) == DIRECTORY


def isfile(path: str) -> bool:
    """Is a regular file at `path`, symbolic links followed."""
    return _kind(path) == REGULAR


def _kind(path: str) -> int:
    try:
        return posix.stat(path).st_mode & KIND
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return -1
