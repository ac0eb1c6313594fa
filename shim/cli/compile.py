"""`cgshimctl compile`: compiles the code that calls load, at installation. A call itself never writes code."""

from __future__ import annotations

import click

from shim.cli.output import say
from shim.errors import ShimError
from shim.start import archive_file

HELP = """Compile cgshim for the Python that runs this command.

Every intercepted call loads its code from one file beside the package; without a file that fits, it imports module by
module, which takes longer. The Debian package and `cgshimctl engine install` do this by themselves. Do it by hand after
another way of installing, after an update of Python to another minor version, and after a change of the sources.

\b
Exit status:
  0  done
  3  the directory cannot be written to, or a source cannot be compiled
"""


@click.command("compile", help=HELP)
def compile_command() -> None:
    """See HELP."""
    parent = archive_file.own_parent()
    try:
        path = archive_file.make(parent)
    except (OSError, SyntaxError, ValueError) as error:
        raise ShimError(
            "not-compiled",
            f"the code below {parent} could not be compiled: {' '.join(str(error).split())}",
            cause="calls work without it, but take longer to load their code",
            evidence=(f"{type(error).__name__}: {' '.join(str(error).split())}",),
            remedy=("run the command as the user to whom the directory belongs", "or install cgshim again"),
        ) from error
    say(f"wrote {path}")
