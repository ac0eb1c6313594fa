"""The memory of a container: its pressure while it runs, and the poststop hook's account after its end."""

from __future__ import annotations

import time
from typing import Any

from shim.cli.output import heading, say, table
from shim.enforce.init_process import fate
from shim.enforce.verify import cgroup
from shim.host import membership
from shim.host.detect import detect
from shim.host.view import View
from shim.observe import pressure
from shim.rules import sizes
from shim.stages.poststop import recall

SHAPE = """\
  running    only for a running container: {pressure: {source ("psi", "taskstats" or ""), unit,
             totals {NAME: NUMBER}, evidence, reason}}
  ended      only for one whose end the poststop hook recorded: {ended (seconds since 1970),
             figures [{name, value, unit, source, includes}],
             killed [{name, pid, cgroup, limited_by}], absent [{name, reason}]}
"""


def running(view: View, pid: int) -> dict[str, Any] | None:
    """Return the memory pressure of the container with this init; None if it does not run."""
    text = view.text(f"/proc/{pid}/cgroup") if pid else None
    if text is None or fate(view, pid):
        return None
    own, host = membership.paths(text), detect(view, controllers=("memory",))
    unified, _ = cgroup(view, own, "memory", 2, host)
    directory, _ = cgroup(view, own, "memory", host.version("memory"), host)
    listed = (view.text(f"{directory or unified}/cgroup.procs") or "").split()
    pids = [int(word) for word in listed] or [pid]
    return {"pressure": pressure.of_cgroup(view, unified, pids).shape()}


def ended(container: str) -> dict[str, Any] | None:
    """Return the account of a container that is gone; None if the poststop hook did not see it."""
    return recall(container)


def show(found: dict[str, Any]) -> None:
    """Write those of both that exist, as text."""
    if found.get("running"):
        heading("Memory pressure")
        _show_pressure(found["running"]["pressure"])
    if found.get("ended"):
        _show_ended(found["ended"])


def _show_pressure(shown: dict[str, Any]) -> None:
    if not shown["source"]:
        say(f"not known: {shown['reason']}")
        return
    rows = [(name, f"{value} {shown['unit']}") for name, value in shown["totals"].items()]
    rows += [("source", f"{shown['source']}: {shown['evidence']}"), ("note", shown["reason"])]
    table([row for row in rows if row[1]])


def _shown(value: Any, unit: str) -> str:
    """Return '20 MiB (20971520 bytes)', or the number with its unit."""
    return sizes.with_unit(value) if unit == "bytes" and isinstance(value, int) else f"{value} {unit}"


def _show_ended(account: dict[str, Any]) -> None:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(account.get("ended", 0)))
    heading(f"Memory, from the start to the end at {when}")
    figures = [
        (
            str(one.get("name")),
            _shown(one.get("value"), str(one.get("unit"))),
            str(one.get("source")),
            str(one.get("includes")),
        )
        for one in account.get("figures", ())
    ]
    table(figures, ("FIGURE", "VALUE", "FROM", "OF"))
    killed = [(str(one.get("name")), str(one.get("pid")), str(one.get("limited_by"))) for one in account["killed"]]
    if killed:
        heading("Killed: out of memory")
        table(killed, ("PROCESS", "PID", "LIMIT OF"))
    absent = [(str(one.get("name")), str(one.get("reason"))) for one in account.get("absent", ())]
    if absent:
        heading("Figures that the kernel does not have")
        table(absent, ("FIGURE", "REASON"))
