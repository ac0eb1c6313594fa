"""`cgshimctl capture`: everything that detection reads on this host, for another machine, a report or a test."""

from __future__ import annotations

import os
from pathlib import Path

import click

from shim.cli.forms import TABLE, formatted
from shim.cli.output import emit, say
from shim.errors import ShimError

SHAPE = """\b
--json: one object
  schema     1
  directory  where the capture is
  name       what it is called
"""


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    del context, parameter
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter(f"{value!r} is not OLD=NEW")
    return tuple((old, new) for old, _, new in (value.partition("=") for value in values))


@click.command("capture", epilog=SHAPE)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", default="", help="What the capture is called.  [default: the directory's name]")
@click.option(
    "--replace", multiple=True, metavar="OLD=NEW", callback=_pairs, help="Rename in paths and contents. Repeatable."
)
@formatted
def capture_command(directory: Path, name: str, replace: tuple[tuple[str, str], ...], form: str) -> None:
    """Write what cgshim can see of this host's cgroups to DIRECTORY.

    `plan` reads it with --host, on any machine. It holds the cgroup lines of /proc and the
    names of the interface files; no process, no environment and no container's configuration. Use --replace for names
    that say too much, such as a host's or a customer's.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ShimError(
            "not-empty",
            f"{directory} already exists and is not an empty directory",
            remedy=("name a directory that does not exist yet",),
        )
    from shim.host.capture import Capture
    from shim.host.view import View

    called = name or directory.absolute().name
    capture = Capture(View(), called, replace)
    capture.collect()
    try:
        capture.written(directory)
    except OSError as error:
        raise ShimError(
            "unwritable-output",
            f"{directory} cannot be written: {os.strerror(error.errno or 0)}",
            remedy=("name a directory on a file system with free space that you may write to",),
        ) from error
    if form != TABLE:
        emit({"directory": str(directory), "name": called}, form)
    else:
        say(f"captured this host in {directory}; plan for it with: cgshimctl plan BUNDLE --host {directory}")
