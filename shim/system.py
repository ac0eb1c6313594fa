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


def content(path: str) -> bytes:
    """All that is in a file. Raises OSError; open() would ask about a terminal, a position and a size first."""
    handle = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        parts, most = [], posix.fstat(handle).st_size or 65536  # 0 is what the kernel's own files say
        while part := posix.read(handle, most):
            parts.append(part)
        return b"".join(parts)
    finally:
        posix.close(handle)


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


def makedirs(path: str, mode: int = 0o777) -> None:
    """Make a directory with this mode, and those above it that are missing; one that is there already is fine."""
    above = dirname(path.rstrip("/"))
    if above and not exists(above):
        makedirs(above)
    try:
        posix.mkdir(path, mode)
    except OSError:
        if not isdir(path):
            raise
