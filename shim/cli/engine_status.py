"""`cgshimctl engine status` and `engine list`: which engines call cgshim, and whether that works."""

from __future__ import annotations

from typing import Any

import click

from shim.cli import output
from shim.cli.engine_request import request_of, shared
from shim.cli.forms import TABLE, formatted
from shim.engines import entries, status
from shim.engines.leftovers import ENGINES
from shim.engines.registration import Request
from shim.engines.tree import Tree
from shim.errors import ShimError

STATUS_SHAPE = """\b
--json: one object; with ENGINE
  schema  1
  engine  its name
  checks  [{state, what, evidence}]; state: ok, WRONG, unknown, note, not registered, not installed
  status  the exit status
and without ENGINE
  schema   1
  engines  [{engine, checks, status}]
  status   the exit status
"""
LIST_SHAPE = """\b
--json: one object
  schema   1
  engines  [{engine, installed, entries [{name, binary, file, default, runtime}], problem}];
           runtime: the real one; problem: "" if the engine's files can be read
"""


@click.command("status", epilog=STATUS_SHAPE)
@click.argument("engine", metavar="[ENGINE]", required=False, type=click.Choice(sorted(ENGINES)))
@shared
@formatted
def status_command(engine: str | None, form: str, **options: Any) -> None:
    """Prove that the registration works: the engine's own tool sees the runtime, the binary can be executed, no restart
    is pending. Without ENGINE every engine is checked, and those that do not call cgshim are not an error.
    """
    tree, request = Tree(options["root"]), request_of(options)
    raise click.exceptions.Exit(_one(tree, request, engine, form) if engine else _all(tree, request, form))


def _one(tree: Tree, request: Request, engine: str, form: str) -> int:
    """Show one engine; return the exit status."""
    checks = status.checks(tree, request, ENGINES[engine])
    verdict = status.verdict(checks)
    if form != TABLE:
        output.emit({"engine": engine, "checks": [check.shape() for check in checks], "status": verdict}, form)
    output.table([[check.state, check.what, check.evidence] for check in checks])
    return verdict


def _all(tree: Tree, request: Request, form: str) -> int:
    """Show every engine; return the worst status of those that call cgshim, 1 if none does."""
    found = {name: _checks(tree, request, name) for name in ENGINES}
    verdicts = {name: status.verdict(checks) for name, checks in found.items()}
    called = [verdicts[name] for name, checks in found.items() if checks[0].state not in status.ABSENT]
    verdict = min(called, key=(1, 4, 0).index) if called else output.REFUSED
    if form != TABLE:
        shapes = [
            {"engine": name, "checks": [check.shape() for check in checks], "status": verdicts[name]}
            for name, checks in found.items()
        ]
        output.emit({"engines": shapes, "status": verdict}, form)
    rows = [(name, check.state, check.what, check.evidence) for name, checks in found.items() for check in checks]
    output.table(rows, ("ENGINE", "STATE", "CHECK", "EVIDENCE"))
    if not called:
        output.say("No engine calls cgshim.", bold=True)
    return verdict


def _checks(tree: Tree, request: Request, name: str) -> tuple[status.Check, ...]:
    """Return the checks of one engine; an unreadable file counts as a failed check."""
    try:
        return status.checks(tree, request, ENGINES[name])
    except ShimError as error:
        return (status.Check(state=status.WRONG, what="configuration", evidence=error.what),)


@click.command("list", epilog=LIST_SHAPE)
@shared
@formatted
def list_command(form: str, **options: Any) -> None:
    """List the engines: which are installed, and under which names they call cgshim with which real runtime."""
    tree, request = Tree(options["root"]), request_of(options)
    found = [_listed(tree, request, name) for name in ENGINES]
    if form != TABLE:
        output.emit({"engines": found}, form)
    rows = [row for one in found for row in _rows(one)]
    output.table(rows, ("ENGINE", "INSTALLED", "NAME", "DEFAULT", "CALLS", "REAL RUNTIME"))


def _listed(tree: Tree, request: Request, name: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"engine": name, "installed": not status.absent(tree, name), "entries": [], "problem": ""}
    try:
        for one in ENGINES[name].registered(tree, request):
            fields = {key: getattr(one, key) for key in ("name", "binary", "file", "default")}
            shape["entries"].append({**fields, "runtime": entries.runtime_of(tree, one.binary)[0]})
    except ShimError as error:
        shape["problem"] = error.what
    return shape


def _rows(one: dict[str, Any]) -> list[tuple[str, ...]]:
    head = (one["engine"], "yes" if one["installed"] else "no")
    if not one["entries"]:
        return [(*head, one["problem"] or "not registered", "-", "-", "-")]
    return [
        (*head, entry["name"], "yes" if entry["default"] else "no", entry["binary"], entry["runtime"] or "none found")
        for entry in one["entries"]
    ]
