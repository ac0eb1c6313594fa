"""Parses the options of `cgshimctl engine`, and finds the runtime behind an engine's entry for other commands."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable

import click

from shim.engines import entries, runtimes
from shim.engines.leftovers import ENGINES
from shim.engines.registration import Request
from shim.engines.tree import Tree
from shim.planning import settings

SYSTEM_BINARY = "/usr/bin/cgshim"

Command = Callable[..., None]

engine_option = click.option(
    "--engine", type=click.Choice(sorted(ENGINES)), help="The real runtime of this engine's entry, without --runtime."
)


def shared(command: Command) -> Command:
    """Add the options of every command about registrations, except the engine's name."""
    options = [
        click.option("--name", default="", help="The runtime's name in the engine."),
        click.option("--binary", default="", help="The cgshim to register, instead of the one beside this command."),
        click.option("--rootless", is_flag=True, help="The user's own configuration ($XDG_CONFIG_HOME, ~/.config)."),
        click.option("--root", default="/", metavar="DIR", help="Work on the file system below DIR, such as a node's."),
        click.option("--config", default="", metavar="FILE", help="The engine's file, if it is not the usual one."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def request_of(options: dict[str, Any]) -> Request:
    """Return the request of these options. Raises UsageError for a relative path."""
    prefix = options.get("prefix") or ""
    if prefix and not prefix.startswith("/"):
        raise click.UsageError("--prefix: DIR must be an absolute path")
    binary = f"{prefix.rstrip('/')}/bin/cgshim" if prefix else options["binary"] or own_launcher(options["root"])
    if not binary.startswith("/"):
        raise click.UsageError("--binary: the path must be absolute")
    return Request(
        binary=binary,
        name=options["name"],
        runtime=options.get("runtime") or "",
        as_default=bool(options.get("as_default")),
        home=home() if options["rootless"] else "",
        config=options["config"],
        config_version=int(options.get("config_version") or 0),
    )


def chosen_runtime(configured: settings.Settings, wanted: str | None, engine: str | None) -> runtimes.ChosenRuntime:
    """Return the runtime for --runtime, else for --engine, else for the settings, else the first one found."""
    return runtime_of_engine(engine) if engine and not wanted else runtimes.chosen(configured, wanted)


def runtime_of_engine(engine: str) -> runtimes.ChosenRuntime:
    """Return the real runtime behind an engine's entry on this machine; for a user other than root the user's own
    entry.
    """
    request, tree = own_request(), Tree()
    path, origin = entries.of_engine(tree, ENGINES[engine].registered(tree, request), engine)
    return runtimes.ChosenRuntime(path=path, family=settings.family(path) if path else "other", origin=origin)


def own_request() -> Request:
    """Return the request for this machine's registrations; for a user other than root, for the user's own."""
    return Request(binary=SYSTEM_BINARY, home=home() if os.geteuid() else "")


def own_launcher(root: str) -> str:
    """Return the launcher that was installed with this command; in another tree the packaged one."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "cgshim")
    if os.path.abspath(root) == "/" and os.path.isfile(beside):
        return beside
    return SYSTEM_BINARY


def home() -> str:
    """Return the user's configuration directory."""
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
