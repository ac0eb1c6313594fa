"""Text that is piped into `cgshimctl explain`."""

from __future__ import annotations

import os
import stat
import sys

from shim import system
from shim.cli.output import BROKEN
from shim.errors import ShimError

LARGEST = 1 << 20  # characters that are kept, from the end


def is_given() -> bool:
    """Return whether standard input is a pipe or a file, and not a terminal, /dev/null or closed."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def content() -> str:
    """Return the end of standard input, possibly an engine's whole output. Raises ShimError if it never ends."""
    text, size = "", 0
    while size <= system.LARGEST:
        part = sys.stdin.read(65536)
        if not part:
            return text
        text, size = (text + part)[-LARGEST:], size + len(part)
    raise ShimError(
        "no-log",
        f"standard input has more than {system.LARGEST} characters",
        remedy=("pipe the failed command's output only",),
        status=BROKEN,
    )
