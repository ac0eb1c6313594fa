"""`cgshimctl version`."""

from __future__ import annotations

import platform

import click

from shim import __version__
from shim.cli.output import emit, say

SHAPE = """\b
--json: one object
  schema  1
  cgshim  its version
  python  the version of the interpreter
"""


@click.command("version", epilog=SHAPE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def version_command(as_json: bool) -> None:
    """Print the version of cgshim and of the Python that runs it."""
    if as_json:
        emit({"cgshim": __version__, "python": platform.python_version()})
    else:
        say(f"cgshim {__version__} (Python {platform.python_version()})")
