"""`cgshimctl engine`: register cgshim with an engine, take it back, prove what there is, or only show it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Callable

import click

from shim.cli import difference, output
from shim.cli.output import paragraph, say
from shim.engines import compilation, created, dependents, entries, install_prefix, leftovers, runtimes, status
from shim.engines.file import BACKUP, File
from shim.engines.leftovers import ENGINES
from shim.engines.registration import Request
from shim.engines.tree import Nothing, Tree
from shim.errors import ShimError
from shim.planning import settings

if TYPE_CHECKING:
    from shim.engines.registration import Engine, Proposal

SYSTEM_BINARY = "/usr/bin/cgshim"

engine_option = click.option(
    "--engine", type=click.Choice(sorted(ENGINES)), help="The real runtime of this engine's entry, without --runtime."
)

HELP = """Register cgshim as an engine's OCI runtime, and take it back.

\b
ENGINE is one of: podman, containerd, docker, crio, nerdctl, buildkit.

What there is stays: options of the engine's present runtime (SystemdCgroup, runtime_root, monitor_path ...) are copied,
comments and order are kept, a file that is edited leaves a copy with the ending .cgshim-backup until `remove`. A file
that the engine could not read itself is reported with its line and never written. Nothing restarts an engine.

\b
Examples:
  cgshimctl engine install podman --dry-run     show the change
  cgshimctl engine install docker --as-default  for every new container
  cgshimctl engine status containerd            prove that it works
  cgshimctl engine remove docker                the default first, then the entry
  cgshimctl engine print crio                   the entry alone, for other tools

\b
Exit status:
  0  done, or nothing to do; status: all is well
  1  status: something is wrong
  2  wrong usage
  3  refused: nothing was changed
  4  status: nothing is wrong, but nobody could be asked whether the engine sees the entry
"""

Command = Callable[..., None]


def _shared(command: Command) -> Command:
    options = [
        click.argument("engine", metavar="ENGINE", type=click.Choice(sorted(ENGINES))),
        click.option("--name", default="", help="The runtime's name in the engine."),
        click.option("--binary", default="", help="The cgshim to register, instead of the one beside this command."),
        click.option("--rootless", is_flag=True, help="The user's own configuration ($XDG_CONFIG_HOME, ~/.config)."),
        click.option("--root", default="/", metavar="DIR", help="Work on the file system below DIR, as for a node."),
        click.option("--config", default="", metavar="FILE", help="The engine's file, where it is not the usual one."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


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


@click.group("engine", help=HELP)
def engine_command() -> None:
    """The group; see HELP."""


def _request(options: dict[str, Any]) -> Request:
    prefix = options.get("prefix") or ""
    if prefix and not prefix.startswith("/"):
        raise click.UsageError("--prefix: an absolute path is needed")
    binary = f"{prefix.rstrip('/')}/bin/cgshim" if prefix else options["binary"] or _own_launcher(options["root"])
    if not binary.startswith("/"):
        raise click.UsageError("--binary: an absolute path is needed")
    return Request(
        binary=binary,
        name=options["name"],
        runtime=options.get("runtime") or "",
        as_default=bool(options.get("as_default")),
        home=_home() if options["rootless"] else "",
        config=options["config"],
        config_version=int(options.get("config_version") or 0),
    )


def chosen_runtime(configured: settings.Settings, wanted: str | None, engine: str | None) -> runtimes.Runtime:
    """For --runtime, else for --engine, else for the settings, else the first one found."""
    return runtime_of_engine(engine) if engine and not wanted else runtimes.chosen(configured, wanted)


def own_request() -> Request:
    """For what is registered on this machine: the system's entries, or those of the user who asks."""
    return Request(binary=SYSTEM_BINARY, home=_home() if os.geteuid() else "")


def runtime_of_engine(engine: str) -> runtimes.Runtime:
    """The real runtime that an engine's entry on this machine leads to; a user's own entry for all but root."""
    tree = Tree()
    path, origin = entries.of_engine(tree, ENGINES[engine].registered(tree, own_request()), engine)
    return runtimes.Runtime(path=path, family=settings.family(path) if path else "other", origin=origin)


def _own_launcher(root: str) -> str:
    """The launcher that was installed with this command; in another tree the packaged one."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "cgshim")
    if os.path.abspath(root) == "/" and os.path.isfile(beside):
        return beside
    return SYSTEM_BINARY


def _home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


@engine_command.command("install")
@_shared
@click.option("--runtime", metavar="PATH", help="The real runtime (runc or crun) for this entry.")
@click.option("--as-default", is_flag=True, help="New containers use it without being asked to.")
@_changing
def install_command(engine: str, dry_run: bool, prefix: str, **options: Any) -> None:
    """Register cgshim; show what was changed."""
    tree, request = Tree(options["root"]), _request({**options, "prefix": prefix})
    python = ""
    if prefix:
        python = install_prefix.check_host(tree, prefix)
    else:
        status.check_binary(tree, request.binary)
        if not tree.live:
            install_prefix.check_python(tree, os.path.dirname(os.path.dirname(request.binary)))
    chosen, proposal = _with_entry(tree, request, ENGINES[engine])
    _place(tree, prefix, python, dry_run=dry_run)
    files = [*chosen.files, *proposal.files]
    called = (chosen.path,) if entries.is_made(tree, chosen, request.home) else ()
    record = created.note(tree, files, created.record(engine, request.home), called)
    changed = _carry_out(tree, [*files, *record], dry_run=dry_run)
    compiled = () if dry_run else compilation.made(tree, prefix, request.binary)
    for note in (*status.absent(tree, engine), *chosen.notes, *proposal.notes, *compiled):
        paragraph(note)
    if not changed and proposal.files:
        say(f"{engine}: cgshim is registered as {proposal.name} already; nothing to do.")
    written = any(file.before != file.after for file in proposal.files)
    _say_apply(ENGINES[engine], proposal, dry_run=dry_run, written=written)


def _with_entry(tree: Tree, request: Request, engine: Engine) -> tuple[entries.Chosen, Proposal]:
    """The entry for the runtime that the engine has today or that is asked for, and the registration of that entry."""
    plain = engine.install(tree, request)
    chosen = entries.choose(tree, request, plain, engine.registered(tree, request))
    return chosen, engine.install(tree, request.changed(binary=chosen.path))


@engine_command.command("remove")
@_shared
@_changing
def remove_command(engine: str, dry_run: bool, prefix: str, **options: Any) -> None:
    """Take the registration back, the default first; leave nothing behind."""
    tree, request = Tree(options["root"]), _request({**options, "prefix": prefix})
    proposal = ENGINES[engine].remove(tree, request)
    files = [*proposal.files, *leftovers.settings_left(tree, request, engine, proposal.name)]
    last = not request.name or leftovers.is_alone(tree, request, engine)
    # A second `remove` finds no entry any more, but perhaps a container that runs since before the first.
    remembered = proposal.remembered or (dependents.running(tree, f"{prefix}/bin") if prefix else ())
    if not remembered:
        files += leftovers.entries_left(tree, request, engine, last=last)
    changed = _carry_out(tree, files, dry_run=dry_run)
    if not dry_run and last:
        created.settle(tree, created.record(engine, request.home))
    for note in (*proposal.notes, *remembered):
        paragraph(note)
    if prefix:
        used = not dry_run and any(leftovers.still_used(tree, request, name, "") for name in ENGINES)
        told = install_prefix.take_away(tree, prefix, needed=used or bool(remembered), dry_run=dry_run)
        changed = changed or bool(told)
        if told:
            paragraph(told)
    if not changed:
        say(f"{engine}: cgshim is not registered; nothing to do.")
    _say_apply(ENGINES[engine], proposal, dry_run=dry_run, written=bool(proposal.files))


def _place(tree: Tree, prefix: str, python: str, *, dry_run: bool) -> None:
    """Copy cgshim itself where it is asked for and is not there yet, before anything refers to it."""
    new = [file for file in install_prefix.copies(tree, prefix, python) if file.before != file.after]
    if new:
        say(f"{'would copy' if dry_run else 'copied'} cgshim to {prefix} ({len(new)} files)")
    record = created.note(tree, new, created.record(install_prefix.RECORD))
    for file in [] if dry_run else [*new, *record]:
        tree.apply(file)


def _carry_out(tree: Tree, files: list[File], *, dry_run: bool) -> bool:
    """Show each change, and make it unless this is a dry run. False if there was none."""
    wanted = [file for file in files if file.before != file.after]
    for file in wanted:
        if file.link:
            _say_link(file, dry_run=dry_run)
        elif not file.path.endswith(BACKUP) and not created.is_record(file.path):
            output.passage(difference.exact(file.before or "", file.after or "", file.path.lstrip("/")))
        if not dry_run:
            tree.apply(file)
    return bool(wanted)


def _say_link(file: File, *, dry_run: bool) -> None:
    done = ("would remove" if dry_run else "removed") if file.after is None else ("would link" if dry_run else "linked")
    say(f"{done} {file.path}{f' to {file.after}' if file.after else ''}")


def _say_apply(engine: Engine, proposal: Proposal, *, dry_run: bool, written: bool) -> None:
    command = proposal.apply or engine.APPLY
    if written and dry_run:
        say("Dry run: nothing was written.")
    elif written and command:
        say(f"{engine.NAME} reads it after: {command}")


@engine_command.command("status")
@_shared
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def status_command(engine: str, as_json: bool, **options: Any) -> None:
    """Prove it: the engine's own tool sees the runtime, the binary can be executed, no restart is pending."""
    tree, request = Tree(options["root"]), _request(options)
    checks = status.checks(tree, request, ENGINES[engine])
    verdict = status.verdict(checks)
    if as_json:
        output.emit({"engine": engine, "checks": [check.shape() for check in checks], "status": verdict})
    else:
        output.table([[check.state, check.what, check.evidence] for check in checks])
    raise click.exceptions.Exit(verdict)


@engine_command.command("print")
@_shared
@click.option("--as-default", is_flag=True, help="With the default set.")
@click.option(
    "--config-version", type=click.Choice(["1", "2", "3"]), default="2", help="Of containerd's configuration file."
)
def print_command(engine: str, config_version: str, **options: Any) -> None:
    """Print the entry as it would be for an engine without any configuration; read and write nothing."""
    binary = options["binary"] or SYSTEM_BINARY
    request = _request({**options, "binary": binary, "config_version": config_version})
    proposal = _with_entry(Nothing(), request, ENGINES[engine])[1]
    if not proposal.files:
        raise ShimError("no-entry", f"{engine} has no configuration for it", remedy=proposal.notes)
    for file in proposal.files:
        click.echo(file.after, nl=False)
