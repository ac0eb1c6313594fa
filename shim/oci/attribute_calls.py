"""Extended attributes for a Python that has no calls for them: before 3.11.3 one that is built with musl.

The functions stand in for those of `posix`, under their names; xattr(7). `file` is a path or a descriptor.
"""

from __future__ import annotations

import posix

from shim.system import fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 65536  # linux/limits.h, XATTR_LIST_MAX and XATTR_SIZE_MAX: the most that the kernel returns


def listxattr(file: int | str) -> list[str]:
    """Return the names of the attributes. Raises OSError."""
    return [name.decode(errors="surrogateescape") for name in _read("listxattr", file).split(b"\0") if name]


def getxattr(file: int | str, name: str) -> bytes:
    """Return the value of one attribute. Raises OSError."""
    return _read("getxattr", file, fsencode(name))


def setxattr(file: int | str, name: str, value: bytes) -> None:
    """Set one attribute. Raises OSError."""
    import ctypes

    _call("setxattr", file, fsencode(name), value, ctypes.c_size_t(len(value)), 0)


def removexattr(file: int | str, name: str) -> None:
    """Remove one attribute. Raises OSError."""
    _call("removexattr", file, fsencode(name))


def _read(function: str, file: int | str, *name: bytes) -> bytes:
    import ctypes

    buffer = ctypes.create_string_buffer(LARGEST)
    size = _call(function, file, *name, buffer, ctypes.c_size_t(LARGEST))
    return buffer.raw[:size]


def _call(function: str, file: int | str, *arguments: Any) -> int:
    """Return the C library function's result; the variant for descriptors has an `f` before its name."""
    import ctypes

    opened = isinstance(file, int)
    call = getattr(ctypes.CDLL(None, use_errno=True), f"f{function}" if opened else function)
    call.restype = ctypes.c_ssize_t
    found = int(call(file if isinstance(file, int) else fsencode(file), *arguments))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, posix.strerror(number), file)
    return found
