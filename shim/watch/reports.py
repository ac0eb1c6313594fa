"""Events of a container that no sample shows: started, ended, exited, and processes that the kernel killed."""

from __future__ import annotations

from shim.watch import event as kinds
from shim.watch.event import Event
from shim.watch.kills import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.watch.kills import KernelLog
    from shim.watch.place import Followed


def plain(one: Followed, now: float, kind: str, source: str, **more: Any) -> Event:
    """Return an event with the data that distinguish the container from another of its name. now: UNIX seconds."""
    evidence = {"cgroup": one.place.memory.path, "pid": one.container.pid, "inode": one.place.inode, **more}
    return Event(time=now, kind=kind, **one.named, source=source, evidence=evidence)


def killed(one: Followed, now: float, log: KernelLog) -> Event | None:
    """Return kills that only the kernel's log shows: the counters went with the cgroup. None if there are none."""
    victims = log.victims(one)
    if not victims:
        return None
    facts = {"count": len(victims), "victims": [one.shape() for one in victims], "mark": f"pid {victims[-1].pid}"}
    return plain(one, now, kinds.OOM_KILL, "kernel log (/dev/kmsg)", **facts)


def with_victims(one: Followed, event: Event, log: KernelLog) -> Event:
    """Add the killed processes to an event about a kill; other events are returned unchanged."""
    if event.kind != kinds.OOM_KILL:
        return event
    victims = [victim.shape() for victim in log.victims(one)]
    facts: dict[str, Any] = {"victims": victims}
    if len(victims) < event.evidence.get("count", 0):
        facts["victims_reason"] = log.problem or SILENT
    return event.changed(evidence={**event.evidence, **facts})
