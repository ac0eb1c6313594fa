"""Resources from a pipe, terminal or device, such as a shell's `<(command)`, with limits on bytes and time."""

from __future__ import annotations

import posix
import time

from shim.errors import ShimError
from shim.start import extension
from shim.system import EFBIG, LARGEST
from shim.system import drained as everything

PATIENCE = 30  # seconds for the whole stream
FIFO = 0o010000
KIND = 0o170000


def drained(handle: int, path: str) -> bytes:
    """Return everything from an open pipe, terminal or device, opened with O_NONBLOCK. Raises OSError, ShimError.

    A FIFO may have no writer yet, or one that never writes. A terminal's user may take as long as the runtime allows.
    """
    if posix.fstat(handle).st_mode & KIND != FIFO:
        posix.set_blocking(handle, True)
        return everything(handle, LARGEST, path=path)
    select = extension.standard("select")
    poll, end = select.poll(), time.monotonic() + PATIENCE
    poll.register(handle, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    while poll.poll(max(0, int((end - time.monotonic()) * 1000))):
        part = posix.read(handle, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise OSError(EFBIG, f"more than {LARGEST} bytes", path)
    raise ShimError(
        "unreadable-file",
        f"{path} is a FIFO from which nothing more came within {PATIENCE} seconds",
        evidence=(f"{path}: {size} bytes, and no end",),
        remedy=("name a file, or close the FIFO's writing end when all is written",),
    )
