"""`cgshimctl uninstall`: removes everything that was set up for cgshim, in an order that breaks nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from shim.cli import engine_change, hooks_change, hooks_place, output
from shim.cli.engine_change import REMOVED, EngineChange
from shim.cli.engine_request import home, own_launcher
from shim.cli.forms import TABLE, formatted
from shim.cli.output import heading, paragraph, say
from shim.containers.container import ALIVE
from shim.containers.inventory import inventory
from shim.containers.tree import HostTree
from shim.engines import dependents
from shim.engines.leftovers import ENGINES
from shim.engines.registration import Request
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.state import files, seal
from shim.system import content, environment

if TYPE_CHECKING:
    from typing import Iterable

MARK = b"cgshim"  # in the config.json of a container: an annotation io.cgshim.*, or a hook that is cgshim-hook
SETTINGS = "/etc/cgshim"
PROGRAMS = ("bin/cgshim", "bin/cgshim-runc", "bin/cgshim-crun", "bin/cgshim-hook", "bin/cgshimctl")
HELP = """Take cgshim off this host.

\b
In this order:
  1. every engine's default and entry, as `cgshimctl engine remove` does
  2. the hooks, as `cgshimctl hooks remove` does
  3. cgshim's state in /run and /var/lib, and with --purge its settings
  4. the programs, if the single file installed them; else the command that removes them is printed

Steps 3 and 4 wait until no container needs cgshim. No engine is restarted: the commands for that are printed.
"""
SHAPE = """\b
--json: one object
  schema    1
  changed   true or false; with --dry-run, whether anything would be changed
  dry_run   true or false
  engines   {NAME: {name, changed, dry_run, files [{path, change}], notes [TEXT], apply}} that called cgshim
  hooks     [PATH] that were removed
  removed   [PATH] of programs, state and settings
  remaining [TEXT] what still needs cgshim, so that programs and state stay
  next      [COMMAND] left for you, in this order

\b
Exit status:
  0  done, or nothing to do
  1  containers still need cgshim: its programs and its state stay
  2  wrong usage
  3  refused, or a file could not be changed
"""


@click.command("uninstall", help=HELP, epilog=SHAPE)
@click.option("--dry-run", is_flag=True, help="Show what would be done; do nothing.")
@click.option("--purge", is_flag=True, help=f"Remove the settings in {SETTINGS}, too.")
@click.option("--rootless", is_flag=True, help="Only the user's own registrations, hooks and state.")
@formatted
def uninstall_command(*, dry_run: bool, purge: bool, rootless: bool, form: str) -> None:
    """See HELP."""
    tree, user = Tree(), home() if rootless else ""
    request = Request(binary=own_launcher("/"), home=user)
    engines = _engines(tree, request, dry_run=dry_run)
    hooks = _hooks(rootless=rootless, dry_run=dry_run)
    kept = [note for outcome in engines.values() for note in outcome.remembered]
    kept += [*dependents.running(tree, os.path.dirname(request.binary)), *_running()]
    remaining = list(dict.fromkeys(kept))
    removed = [] if remaining else _remove(_state(purge=purge and not rootless), dry_run=dry_run)
    commands = [outcome.apply for outcome in engines.values() if outcome.apply]
    if not remaining and not rootless:
        programs, command = _programs(request.binary)
        removed += _remove(programs, dry_run=dry_run)
        commands += [command] if command else []
    shape = {
        "changed": any(outcome.files for outcome in engines.values()) or bool(hooks or removed),
        "dry_run": dry_run,
        "engines": {name: outcome.shape(dry_run=dry_run) for name, outcome in engines.items()},
        "hooks": hooks,
        "removed": removed,
        "remaining": remaining,
        "next": list(dict.fromkeys(commands)),
    }
    if form != TABLE:
        output.emit(shape, form)
    _show(shape)
    click.get_current_context().exit(output.REFUSED if remaining else output.FINE)


def _engines(tree: Tree, request: Request, *, dry_run: bool) -> dict[str, EngineChange]:
    """Remove every registration. A broken file of one engine raises ShimError before the first change."""
    called = [name for name, engine in ENGINES.items() if engine.registered(tree, request)]
    found = {}
    for name in called:
        say(f"{name}:", bold=True)
        found[name] = engine_change.remove(tree, request, name, "", dry_run=dry_run)
    return found


def _hooks(*, rootless: bool, dry_run: bool) -> list[str]:
    places = [place for place in hooks_place.places("", None, rootless=rootless) if hooks_place.listed(place)]
    if not places and not rootless:
        return []
    changes = hooks_change.remove(places, (), rootless=rootless, drop_in=rootless, dry_run=dry_run)
    return [path for path, change in changes if change == REMOVED]


def _running() -> list[str]:
    """Return one sentence for each running container whose config.json refers to cgshim's programs."""
    found = []
    for one in inventory(HostTree("/")).containers:
        if one.state in ALIVE and one.bundle and MARK in _text(os.path.join(one.bundle, "config.json")):
            found.append(f"{one.engine} container {one.title} runs and was prepared by cgshim")
    return found


def _text(path: str) -> bytes:
    try:
        return content(path)
    except OSError:
        return b""


def _state(*, purge: bool) -> list[str]:
    """Return this user's directories of state, and with `purge` that of the settings."""
    places = [files.directory(environment()), *([seal.PLACE] if os.geteuid() == 0 else [])]
    places += [SETTINGS] if purge else []
    return [place for place in dict.fromkeys(places) if place and os.path.isdir(place)]


def _programs(binary: str) -> tuple[list[str], str]:
    """Return the files of a single-file installation, else the command of the installer that was used."""
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(binary)))
    library = f"{prefix}/lib/cgshim"
    if os.path.islink(f"{library}/python"):
        return [library, *(path for path in (f"{prefix}/{name}" for name in PROGRAMS) if os.path.lexists(path))], ""
    if sys.prefix != sys.base_prefix:
        return [], f"{sys.prefix}/bin/pip uninstall cgshim"
    for owner, command in ((("dpkg", "-S"), "apt-get remove cgshim"), (("rpm", "-qf"), "rpm -e cgshim")):
        if shutil.which(owner[0]) and _is_owned((*owner, binary)):
            return [], command
    return [], ""


def _is_owned(argv: tuple[str, ...]) -> bool:
    return subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _remove(paths: Iterable[str], *, dry_run: bool) -> list[str]:
    """Remove files and directories; return their paths. Raises ShimError."""
    removed = []
    for path in paths:
        say(f"{'would remove' if dry_run else 'removed'} {path}")
        removed.append(path)
        if dry_run:
            continue
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except OSError as error:
            raise ShimError(
                "not-removed",
                f"{error.filename or path} cannot be removed: {error.strerror}",
                remedy=("run it as the user to whom the file belongs, then call it again",),
                status=output.BROKEN,
            ) from error
    return removed


def _show(shape: dict[str, Any]) -> None:
    if shape["remaining"]:
        heading("Programs and state stay: containers still need them")
        for line in shape["remaining"]:
            paragraph(line, "  ")
        paragraph("Remove these containers, then run `cgshimctl uninstall` again.", "  ")
    if shape["next"]:
        heading("Left for you, in this order")
        for command in shape["next"]:
            say(f"  {command}")
    if not shape["changed"] and not shape["remaining"]:
        say("Nothing was registered, and there is no state; nothing to do.")
    elif shape["dry_run"]:
        say("Dry run: nothing was changed.")
