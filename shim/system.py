"""The parts of `os` and `os.path` that an intercepted call needs. `import os` costs 1.5 ms, nearly all of it for the
abstract base classes of `os.environ` and `os.PathLike`.

System calls come from `posix`, the built-in module behind `os`, under the same names. This module has the rest, for
`str` paths on Linux. Each function behaves like its namesake in `os` or `os.path` unless its docstring says otherwise.
"""

from __future__ import annotations

import posix
import sys

# inode(7): the part of a mode that says what a file is. The module `_stat` makes a hundred more such constants.
KIND, DIRECTORY, REGULAR = 0o170000, 0o040000, 0o100000
NULL = 0x103  # the st_rdev of /dev/null, null(4): users name it where a path is required and no file is wanted
# asm-generic/errno-base.h; importing `errno`, which has all of them, costs 0.1 ms
EIO, EINVAL, EFBIG, ENOTSUP = 5, 22, 27, 95
PIDFD_OPEN = 434  # asm-generic/unistd.h: the same number on every architecture that runs containers
NAMELESS = ("/dev/shm", "/run", "/tmp")  # directories in which open(2) may create a file without a name
# The most bytes read from one file or stream from outside. Engines send config.json in messages of at most 16 MiB.
LARGEST = 32 << 20
PIECE = 1 << 16  # bytes of one read, where the size is not known
# Does not block on a FIFO that somebody put at a well-known path, and never acquires a controlling terminal.
READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY


def environment() -> dict[str, str]:
    """Return a copy of this process's environment, decoded as in `os.environ`."""
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    return {name.decode(encoding, errors): value.decode(encoding, errors) for name, value in posix.environ.items()}


def fsencode(text: str) -> bytes:
    """Return the bytes that `text` has in a system call."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def join(path: str, *more: str) -> str:
    """Join the parts with slashes. An absolute part discards the parts before it."""
    for part in more:
        if part.startswith("/"):
            path = part
        else:
            path += part if not path or path.endswith("/") else f"/{part}"
    return path


def basename(path: str) -> str:
    """Return the part behind the last slash."""
    return path.rpartition("/")[2]


def dirname(path: str) -> str:
    """Return the part before the last slash, without trailing slashes unless it consists of slashes alone."""
    head, slash, _ = path.rpartition("/")
    return head.rstrip("/") or head + slash


def normpath(path: str) -> str:
    """Return `path` without empty and `.` parts. A `..` removes the part before it, even if that part is a symbolic
    link.
    """
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
    """Return `path` normalised. Relative paths start from the working directory."""
    return normpath(path if path.startswith("/") else join(posix.getcwd(), path))


def realpath(path: str) -> str:
    """Resolve symbolic links as the kernel does. Return `path` itself if nothing exists there."""
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
    """Return the content of a regular file of at most `most` bytes. `open()` would need two more system calls.

    Raises OSError: EINVAL if it is not a regular file (a FIFO would block, a device might never end), EFBIG if it is
    too large.
    """
    handle = posix.open(path, READ)
    try:
        return everything(handle, posix.fstat(handle), path, most)
    finally:
        posix.close(handle)


def everything(
    handle: int, status: posix.stat_result, path: str, most: int = LARGEST, *, record: bool = False
) -> bytes:
    """Read the rest of an open regular file; errors as in `content`. status: its fstat(2). path: for error messages.

    record: a file that the kernel writes as one record (single_open, fs/seq_file.c), so that one read(2) returns all.
    """
    if status.st_mode & KIND != REGULAR and status.st_mode & KIND != DIRECTORY:  # read(2) itself reports a directory
        if status.st_rdev == NULL:
            return b""
        raise OSError(EINVAL, "not a regular file", path)
    if status.st_size > most:
        raise OSError(EFBIG, f"more than {most} bytes", path)
    data = posix.read(handle, status.st_size + 1 if status.st_size else PIECE)  # 0 is what the kernel's own files say
    if len(data) == status.st_size or (record and len(data) < PIECE):
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
    """Write every byte, even if write(2) takes fewer at a time. Raises OSError."""
    view = memoryview(data)
    while view:
        written = posix.write(handle, view)
        if not written:
            raise OSError(EIO, "nothing was written")
        view = view[written:]


def memory_file(name: str, *, inheritable: bool = True) -> int:
    """Return a descriptor of a new file without a path. The kernel frees it with the last descriptor. Raises OSError.

    Uses memfd_create(2), which Python has since 3.8, or else O_TMPFILE.
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
    """Return a pidfd of the process; Python has this function since 3.9. Raises OSError."""
    known = getattr(posix, "pidfd_open", None)
    if known:
        return int(known(pid))
    import ctypes

    handle = int(ctypes.CDLL(None, use_errno=True).syscall(PIDFD_OPEN, pid, 0))
    if handle < 0:
        raise OSError(ctypes.get_errno(), f"pidfd_open of process {pid} failed")
    return handle


def exists(path: str) -> bool:
    """Return whether anything exists at `path`. Follows symbolic links."""
    return _kind(path) >= 0


def isdir(path: str) -> bool:
    """Return whether `path` is a directory. Follows symbolic links."""
    return _kind(path) == DIRECTORY


def isfile(path: str) -> bool:
    """Return whether `path` is a regular file. Follows symbolic links."""
    return _kind(path) == REGULAR


def _kind(path: str) -> int:
    try:
        return posix.stat(path).st_mode & KIND
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return -1
