"""The memory figures of a container whose cgroup is gone: what was recorded before, and what remains.

Counters: Documentation/admin-guide/cgroup-v2.rst ("memory.events", "memory.peak", hierarchical), cgroup-v1/memory.rst.
"""

from __future__ import annotations

from shim.enforce.bridge import OWN
from shim.enforce.init_process import fate
from shim.enforce.verify import cgroup
from shim.host import membership
from shim.host.cgroup_files import flat_keyed
from shim.host.detect import detect
from shim.observe import pressure as kernel
from shim.observe.delays import NOT_ASKED
from shim.observe.oom import kills
from shim.planning import bridged_limits
from shim.rules.sizes import UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.host.view import View
    from shim.observe.oom import Kill

EVENTS = ("max", "oom", "oom_kill", "oom_group_kill", "high", "low")
GONE = "the runtime removed the container's cgroup, and its counters with it, before the poststop hook ran"
NOT_NOTED = "nothing was recorded when the container started: install the hook for createRuntime, too"


def place(view: View, pid: int, bridged: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the record of the memory cgroup of process `pid`: version, directory, path, limit, and the cgroup above.

    bridged: limits that cgshim itself sets in cgroup2 after `create` (shim.planning.bridged_limits), possibly later
    than this.
    """
    host = detect(view, controllers=("memory",))
    version = host.version("memory")
    own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    if fate(view, pid):  # on v1 a dead process is in the root cgroup, whose counters do not belong to the container
        own = {}
    path = own.get("" if version == 2 else "memory", "")
    directory, why = cgroup(view, own, "memory", version, host) if version else ("", host.place("memory").evidence)
    unified, _ = cgroup(view, own, "memory", 2, host)
    found = view.identity(directory) if directory else None
    limit = f"{directory}/{_limit_file(version)}"
    text = (view.text(limit) or "").strip() if directory else ""
    if not text and bridged and "memory.max" in bridged:
        text, limit = bridged["memory.max"], f"annotation {bridged_limits.ANNOTATION}: set by cgshim in {directory}"
    return {
        "version": version,
        "path": path,
        "directory": directory,
        "inode": found.inode if found else 0,
        "why": why,
        "namespace": host.cgroup_view.value != "host",
        "limit": text,
        "limit_source": limit,
        "above": above(view, directory, version),
        "pressure": pressure(view, _parent(unified)),
        "no_psi": "" if pressure(view, _parent(unified)) else kernel.no_psi(view, _parent(unified)),
    }


def above(view: View, directory: str, version: int) -> dict[str, Any]:
    """Return the hierarchical counters of the cgroup above `directory`, {} if it has none (the root, or v1).

    A cgroup without the memory controller has no counters; they start at 0 when it is enabled.
    """
    parent = _parent(directory)
    found = view.identity(parent) if version == 2 and parent and view.exists(f"{parent}/cgroup.events") else None
    if found is None:
        return {}
    events = view.text(f"{parent}/memory.events") or ""
    peak = (view.text(f"{parent}/memory.peak") or "").strip()
    return {"directory": parent, "inode": found.inode, "events": flat_keyed(events), "peak": peak}


def pressure(view: View, parent: str) -> dict[str, Any]:
    """Return the total stall times of the cgroup2 directory `parent`, in microseconds: {"directory", "some", "full"} or
    {}.
    """
    found = kernel.stalls(view.kernel_text(f"{parent}/memory.pressure") or "") if parent else {}
    return {"directory": parent, **found} if found else {}


def account(
    view: View, noted: dict[str, Any] | None, records: list[tuple[int, str]] | None, delays: dict[str, Any]
) -> dict[str, Any]:
    """Return the report's `figures`, `killed` and `absent` from the record, the kernel log and the remaining cgroups.

    delays: from shim.observe.delays.collect.
    """
    told = _Account()
    if noted is None:
        for name in ("oom_kills", "events", "peak", "limit", "pressure"):
            told.absent(name, NOT_NOTED)
        return told.shape()
    killed = _from_log(told, noted, records)
    _limit(told, noted)
    here = view.identity(noted["directory"]) if noted["directory"] else None
    if here and here.inode == noted["inode"]:
        _own_counters(told, view, noted)
    else:
        _counters_above(told, view, noted)
        _peak(told, view, noted, killed)
    _pressure(told, view, noted, delays)
    return told.shape()


class _Account:
    """Collects figures with their sources, and absent figures with the reasons."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []
        self.killed: list[dict[str, Any]] = []
        self.missing: list[dict[str, str]] = []

    def figure(self, name: str, value: int, unit: str, source: str, includes: str) -> None:
        self.figures.append({"name": name, "value": value, "unit": unit, "source": source, "includes": includes})

    def absent(self, name: str, reason: str) -> None:
        self.missing.append({"name": name, "reason": reason})

    def shape(self) -> dict[str, Any]:
        return {"figures": self.figures, "killed": self.killed, "absent": self.missing}


def _from_log(told: _Account, noted: dict[str, Any], records: list[tuple[int, str]] | None) -> tuple[Kill, ...]:
    if records is None:
        told.absent("oom_kills", "the kernel's log cannot be read (/dev/kmsg; kernel.dmesg_restrict)")
        return ()
    if noted["path"].strip("/") == "":
        told.absent("oom_kills", "the container has no memory cgroup of its own that the kernel's log could name")
        return ()
    since = [(number, text) for number, text in records if number > noted["kernel_log"]]
    lines = [text for _, text in since]
    found = kills(lines, noted["path"], noted["namespace"])
    if noted.get("container"):  # the bridge may have moved it since then (shim.enforce.bridge)
        found += kills(lines, f"{OWN}/{noted['container']}", noted["namespace"])
    only = "this container's cgroup and those below it; in a burst the kernel may not log every kill"
    if since and since[0][0] > noted["kernel_log"] + 1:
        only += "; the beginning of the log since the start is already overwritten"
    told.figure("oom_kills", len(found), "processes", "kernel log (/dev/kmsg)", only)
    told.killed = [{"name": k.name, "pid": k.pid, "cgroup": k.victim, "limited_by": k.limited} for k in found]
    return found


def _limit(told: _Account, noted: dict[str, Any]) -> None:
    text = noted["limit"]
    if text.isdigit() and int(text) < UNLIMITED:
        source = f"{noted['limit_source']}, before the process started"
        told.figure("limit", int(text), "bytes", source, "this container; an update since then is not in it")
    else:
        told.absent("limit", noted["why"] or "the container had no memory limit when it started")


def _own_counters(told: _Account, view: View, noted: dict[str, Any]) -> None:
    """The cgroup still exists: its own numbers are the best."""
    directory, only = noted["directory"], "this container's cgroup and those below it"
    v2 = noted["version"] == 2
    name = "memory.events" if v2 else "memory.oom_control"
    events = flat_keyed(view.text(f"{directory}/{name}") or "")
    for key in EVENTS if v2 else ("oom_kill",):
        if key in events:
            told.figure(f"events.{key}", events[key], "events", f"{directory}/{name}", only)
    peak_file = f"{directory}/{'memory.peak' if v2 else 'memory.max_usage_in_bytes'}"
    peak = (view.text(peak_file) or "").strip()
    if peak.isdigit():
        told.figure("peak", int(peak), "bytes", peak_file, only)
    else:
        told.absent("peak", view.why(peak_file))


def _counters_above(told: _Account, view: View, noted: dict[str, Any]) -> None:
    before = noted["above"]
    if noted["version"] != 2:
        told.absent("events", f"{GONE}; memory.oom_control and memory.failcnt of cgroup v1 count each cgroup alone")
        return
    now = above(view, noted["directory"], 2)
    if not before or not now or now["inode"] != before["inode"] or not now["events"]:
        told.absent("events", f"{GONE}, and the cgroup above it has no counters or is no longer the same")
        return
    source = f"{before['directory']}/memory.events, difference between start and end"
    for key in EVENTS:
        if key in now["events"]:
            value = now["events"][key] - before["events"].get(key, 0)
            told.figure(f"events.{key}", value, "events", source, f"all that ran below {before['directory']} meanwhile")


def _peak(told: _Account, view: View, noted: dict[str, Any], killed: tuple[Kill, ...]) -> None:
    """After a kill the log has the usage; without one the peak of the cgroup above is an upper bound."""
    own = [kill for kill in killed if kill.limited == kill.victim and kill.usage]
    if own:
        usage = max(kill.usage for kill in own)
        told.figure("peak", usage, "bytes", "kernel log (/dev/kmsg): usage at the kill", "lower bound: this container")
        return
    before, now = noted["above"], above(view, noted["directory"], noted["version"])
    if before and now and now["inode"] == before["inode"] and now["peak"].isdigit():
        includes = "upper bound: includes everything that ever ran in that cgroup"
        told.figure("peak_above", int(now["peak"]), "bytes", f"{now['directory']}/memory.peak", includes)
    told.absent("peak", f"{GONE}; no OOM kill, so the kernel log has no value")


def _pressure(told: _Account, view: View, noted: dict[str, Any], delays: dict[str, Any]) -> None:
    before = noted["pressure"]
    now = pressure(view, before.get("directory", ""))
    source = f"PSI: {before.get('directory')}/memory.pressure, difference between start and end"
    for kind in ("some", "full"):
        if kind in before and kind in now:
            includes = f"all that ran below {before['directory']} meanwhile"
            told.figure(f"pressure.{kind}", now[kind] - before[kind], "microseconds stalled", source, includes)
    if "totals" in delays:
        _delays(told, delays)
    elif not before or not now:
        psi = noted.get("no_psi") or "no PSI: the cgroup above is gone"
        told.absent("pressure", f"{psi}; {delays['reason']}")
    elif delays["reason"] != NOT_ASKED:
        told.absent("delay", delays["reason"])


def _delays(told: _Account, delays: dict[str, Any]) -> None:
    """Not the same measure as PSI: the lost time of all tasks, added up, which can exceed the elapsed time."""
    source = "taskstats: delay accounting of each task, reported by the kernel when it ended"
    includes = f"this container: {delays['tasks']} task(s)"
    if delays["unplaced"] or delays["overruns"]:
        lost = f"{delays['unplaced']} record(s) of tasks that could not be placed"
        includes += f"; at least: {lost}, {delays['overruns']} time(s) the kernel dropped records"
    for name, nanoseconds in delays["totals"].items():
        told.figure(f"delay.{name}", nanoseconds // 1000, "microseconds lost", source, includes)


def _limit_file(version: int) -> str:
    return "memory.max" if version == 2 else "memory.limit_in_bytes"


def _parent(directory: str) -> str:
    return directory.rpartition("/")[0]
