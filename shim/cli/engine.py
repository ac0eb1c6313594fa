"""`cgshimctl engine`: register cgshim with an engine, remove it, show what is registered."""

from __future__ import annotations

import os
from typing import Any

import click

from shim.cli import engine_change, output
from shim.cli.engine_request import SYSTEM_BINARY, Command, request_of, shared
from shim.cli.engine_status import list_command, status_command
from shim.cli.forms import TABLE, formatted
from shim.cli.group import Family
from shim.engines import install_prefix, status
from shim.engines.leftovers import ENGINES
from shim.engines.tree import Nothing, Tree
from shim.errors import ShimError

HELP = """Register cgshim as an engine's OCI runtime, and take it back.

ENGINE is one of podman, containerd, docker, crio, nerdctl and buildkit.

Existing configuration stays. Options of the engine's present runtime (SystemdCgroup, runtime_root, monitor_path ...)
are copied; comments and order are kept; until `remove`, an edited file has a copy with the suffix .cgshim-backup. A
file that the engine itself could not read is reported with its line and never written. No engine is restarted.

\b
Examples:
  cgshimctl engine list                         which engines call cgshim, with which real runtime
  cgshimctl engine install podman --dry-run     show the change
  cgshimctl engine install docker --as-default  for every new container
  cgshimctl engine status containerd            prove that it works
  cgshimctl engine remove docker                the default first, then the entry
  cgshimctl engine print crio                   the entry alone, for other tools

\b
Exit status:
  0  done, or nothing to do; status: all is well
  1  status: something is wrong, or cgshim is not registered
  2  wrong usage
  3  refused: nothing was changed
  4  status: nothing is wrong, but no tool could confirm that the engine sees the entry
"""

SHAPE = """\b
--json: one object
  schema   1
  engine   its name
  action   install or remove
  name     the runtime's name in the engine
  changed  true or false; with --dry-run, whether anything would be changed
  dry_run  true or false
  files    [{path, change}]; change: created, changed or removed
  notes    [TEXT]
  apply    the command after which the engine knows, "" if none is needed
"""

_engine = click.argument("engine", metavar="ENGINE", type=click.Choice(sorted(ENGINES)))


def _changing(command: Command) -> Command:
    options = [
        click.option("--dry-run", is_flag=True, help="Show the change as a diff; write nothing."),
        click.option(
            "--prefix",
            default="",
            metavar="DIR",
            help="Put a copy of cgshim itself into DIR first (remove: take it away), and register that one.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group("engine", cls=Family, help=HELP)
def engine_command() -> None:
    """The group; see HELP."""


@engine_command.command("install", epilog=SHAPE)
@_engine
@shared
@click.option("--runtime", metavar="PATH", help="The real runtime (runc or crun) for this entry.")
@click.option("--as-default", is_flag=True, help="New containers use cgshim unless another runtime is named.")
@_changing
@formatted
def install_command(*, engine: str, dry_run: bool, prefix: str, form: str, **options: Any) -> None:
    """Register cgshim, and show what was changed."""
    tree, request = Tree(options["root"]), request_of({**options, "prefix": prefix})
    python = ""
    if prefix:
        python = install_prefix.check_host(tree, prefix)
    else:
        status.check_binary(tree, request.binary)
        if not tree.live:
            install_prefix.check_python(tree, os.path.dirname(os.path.dirname(request.binary)))
    copy = engine_change.Copy(prefix=prefix, python=python)
    _show(engine, "install", engine_change.install(tree, request, engine, copy, dry_run=dry_run), form, dry_run)


@engine_command.command("remove", epilog=SHAPE)
@_engine
@shared
@_changing
@formatted
def remove_command(*, engine: str, dry_run: bool, prefix: str, form: str, **options: Any) -> None:
    """Take the registration back, the default first; leave nothing behind."""
    tree, request = Tree(options["root"]), request_of({**options, "prefix": prefix})
    _show(engine, "remove", engine_change.remove(tree, request, engine, prefix, dry_run=dry_run), form, dry_run)


def _show(engine: str, action: str, outcome: engine_change.EngineChange, form: str, dry_run: bool) -> None:
    if form != TABLE:
        output.emit({"engine": engine, "action": action, **outcome.shape(dry_run=dry_run)}, form)


engine_command.add_command(list_command)
engine_command.add_command(status_command)


@engine_command.command("print")
@_engine
@shared
@click.option("--as-default", is_flag=True, help="Set the default, too.")
@click.option(
    "--config-version",
    type=click.Choice(["1", "2", "3"]),
    default="2",
    help="The version of containerd's file.",
)
def print_command(engine: str, config_version: str, **options: Any) -> None:
    """Print the entry as it would be for an engine without any configuration; read and write nothing."""
    binary = options["binary"] or SYSTEM_BINARY
    request = request_of({**options, "binary": binary, "config_version": config_version})
    proposal = engine_change.with_entry(Nothing(), request, ENGINES[engine])[1]
    if not proposal.files:
        raise ShimError("no-entry", f"{engine} has no configuration for it", remedy=proposal.notes)
    for file in proposal.files:
        click.echo(file.after, nl=False)
