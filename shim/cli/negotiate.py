"""`cgshimctl negotiate`: the cgroup version that a container engine should use on this host, and the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shim.cli import output
from shim.cli.forms import TABLE, formatted
from shim.cli.hosts import view_of
from shim.engines.cgroup_driver import ENGINES, answer
from shim.errors import ShimError, printable_line
from shim.host.negotiation import negotiated

if TYPE_CHECKING:
    from shim.engines.cgroup_driver import DriverAdvice
    from shim.host.negotiation import Negotiated

UNDECIDED = ("no-cgroup-version", "no-cgroup-driver")
SHAPE = """\b
--json: one object
  schema    1
  version   "1", "2", "hybrid", or null where the host is ambiguous
  evidence  the files that say so
  notes     [TEXT] what an engine cannot do here
  systemd   {value, evidence}: is systemd PID 1
  engine    with --engine: {name, driver systemd|cgroupfs, reason, settings [{file, text, when}], notes [TEXT]}
  problem   only where there is no answer: {code, what, evidence [TEXT], remedy [TEXT]}
"""
STATUSES = """\b
Exit status:
  0  the answer is on stdout
  1  there is none: the host is ambiguous, or has no cgroup file system; stderr says why
  2  wrong usage of this command
  3  bad input, or a fault of cgshimctl itself
"""


@click.command("negotiate", epilog=f"{SHAPE}\n{STATUSES}")
@click.option(
    "--engine", type=click.Choice(ENGINES), help="Show the cgroup driver and the settings of this engine, too."
)
@click.option("--root-tree", metavar="DIR", help="Look at a captured host or another root tree.")
@formatted
def negotiate_command(engine: str | None, root_tree: str | None, form: str) -> None:
    """Print the cgroup version that a container engine should use here: 1, 2 or hybrid.

    For units and scripts that start an engine: the version is the first line of stdout, and the exit status is not 0
    where the host is ambiguous. 1 is a host with v1 hierarchies only, 2 one with cgroup2 only; on a hybrid host engines
    use the v1 hierarchies. What an engine cannot do here goes to stderr. Nothing is written.

    With --engine the next lines say who makes the cgroups (the driver) and how the engine's files say so.

    A unit that must not start on an ambiguous host has: ExecStartPre=/usr/bin/cgshimctl negotiate --engine docker
    """
    view = view_of(root_tree)
    found = None
    try:
        found = negotiated(view)
        made = answer(engine, found) if engine else None
    except ShimError as error:
        if error.code not in UNDECIDED:
            raise
        if form != TABLE:
            output.emit(undecided(error, found), form)
        output.complain(error.text())
        raise click.exceptions.Exit(output.REFUSED) from error
    if form != TABLE:
        output.emit(shape(found, made), form)
    else:
        show(found, made)


def undecided(error: ShimError, found: Negotiated | None) -> dict[str, Any]:
    """Return the object of --json if there is no answer, or only the version."""
    problem = {
        "code": error.code,
        "what": error.what,
        "evidence": list(error.evidence),
        "remedy": list(error.remedy),
    }
    return {"version": found.version if found else None, "problem": problem}


def shape(found: Negotiated, made: DriverAdvice | None) -> dict[str, Any]:
    """Return the object of --json."""
    told: dict[str, Any] = {
        "version": found.version,
        "evidence": found.evidence,
        "notes": list(found.notes),
        "systemd": {"value": found.systemd.value, "evidence": found.systemd.evidence},
    }
    if made:
        settings = [{"file": one.file, "text": one.text, "when": one.when} for one in made.settings]
        told["engine"] = {
            "name": made.engine,
            "driver": made.driver,
            "reason": made.reason,
            "settings": settings,
            "notes": list(made.notes),
        }
    return told


def show(found: Negotiated, made: DriverAdvice | None) -> None:
    """Write the answer to stdout and notes to stderr."""
    output.say(found.version)
    if made:
        output.say(f"{made.engine} driver: {made.driver}")
        output.paragraph(f"because {made.reason}")
        for one in made.settings:
            output.heading(f"{one.file}{f' ({one.when})' if one.when else ''}")
            output.passage(one.text)
    for note in (*found.notes, *(made.notes if made else ())):
        output.complain(f"note: {printable_line(note)}")
