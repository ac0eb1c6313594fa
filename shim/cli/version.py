"""`cgshimctl version`."""

from __future__ import annotations

import platform

import click

from shim import __version__
from shim.cli.forms import TABLE, formatted
from shim.cli.output import emit, say

SHAPE = """\b
--json: one object
  schema  1
  cgshim  its version
  python  the version of the interpreter
"""


@click.command("version", epilog=SHAPE)
@formatted
def version_command(form: str) -> None:
    """Print the version of cgshim and of the Python that runs it."""
    if form != TABLE:
        emit({"cgshim": __version__, "python": platform.python_version()}, form)
    else:
        say(f"cgshim {__version__} (Python {platform.python_version()})")
