"""`cgshimctl failures`: the newest failures that cgshim explained on this host."""

from __future__ import annotations

import time
from typing import Any

import click

from shim.cli import output
from shim.cli.explained import age
from shim.cli.forms import TABLE, formatted
from shim.cli.output import say, table
from shim.state import failures

EPILOG = """\b
--json: one object
  schema     1
  failures   [{time, container, code, text}], newest first; time in seconds since 1970

\b
Exit status: 0
"""


@click.command("failures", epilog=EPILOG)
@formatted
def failures_command(*, form: str) -> None:
    """List the newest failures, at most 100, newest first. `cgshimctl explain ID` shows one of them whole.

    They are kept in cgshim's state directory, which only its owner can read: each user sees only their own.
    """
    found = failures.failures()
    if form != TABLE:
        output.emit({"failures": [_shape(one) for one in found]}, form)
        return
    if not found:
        say("No failures are stored.")
        return
    rows = [
        (_age(one), str(one.get("container") or "-")[:16], _code(one), str(one["text"]).partition("\n")[0])
        for one in found
    ]
    table(rows, ("AGE", "CONTAINER", "CODE", "MESSAGE"))


def _shape(one: dict[str, Any]) -> dict[str, Any]:
    return {"time": one.get("time"), "container": one.get("container", ""), "code": _code(one), "text": one["text"]}


def _age(one: dict[str, Any]) -> str:
    at = one.get("time")
    return age(time.time() - at) if isinstance(at, int) else "-"


def _code(one: dict[str, Any]) -> str:
    """Return the stored code, or the one in brackets at the end of the message's first line."""
    first = str(one["text"]).partition("\n")[0]
    _, bracket, rest = first.rpartition("[")
    return str(one.get("code") or "") or (rest.rstrip("]") if bracket and rest.endswith("]") else "-")
