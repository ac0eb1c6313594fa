"""The terminal's width and colours.

A file or a pipe gets whole lines, which programs can read. Colours follow https://no-color.org and
https://bixense.com/clicolors: NO_COLOR, then CLICOLOR_FORCE, TERM=dumb, CLICOLOR=0, then whether stdout is a terminal.
"""

from __future__ import annotations

import os
import shutil
import sys

NARROWEST = 40  # columns; nothing is readable in fewer
UNLIMITED = 1 << 20  # columns of a file
OFTEN = 80  # columns of a terminal of unknown width


def columns() -> int:
    """Return the width to write for: the terminal's, or UNLIMITED if stdout is not one."""
    return _width() if sys.stdout.isatty() else UNLIMITED


def error_columns() -> int:
    """Return the width for messages: the terminal's, or UNLIMITED if stderr is not one."""
    return _width() if sys.stderr.isatty() else UNLIMITED


def _width() -> int:
    return max(NARROWEST, shutil.get_terminal_size((OFTEN, 24)).columns)


def has_colours() -> bool:
    """Return True if colours and bold letters may be written to stdout."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    if os.environ.get("TERM") == "dumb" or os.environ.get("CLICOLOR") == "0":
        return False
    return sys.stdout.isatty()
