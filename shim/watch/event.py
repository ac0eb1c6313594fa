"""What happened to a container, and how that was learned."""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STARTED, GONE, EXIT = "started", "gone", "exit"
HIGH, MAX, OOM, OOM_KILL, OOM_STUCK = "high", "max", "oom", "oom_kill", "oom_stuck"
THRESHOLD, PRESSURE, DRIFT, LEAK = "threshold", "pressure", "drift", "leak"
KINDS = (STARTED, GONE, EXIT, HIGH, MAX, OOM, OOM_KILL, OOM_STUCK, THRESHOLD, PRESSURE, DRIFT, LEAK)


class Event(Value):
    """One thing that happened.

    time: UNIX seconds, when it was seen. kind: one of KINDS. id, engine, name, pod: the container. source: how it was
    learned: "inotify memory.events", "PSI trigger", "cgroup.event_control", "process connector", "inotify on the
    hierarchy", "polling every 5 s". evidence: the files and numbers that show it; `count` where a counter grew.
    """

    time: float
    kind: str
    id: str
    engine: str
    name: str
    pod: str
    source: str
    evidence: dict[str, Any] = {}  # noqa: RUF012 # a frozen value's default

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {"type": "event", **{name: getattr(self, name) for name in Event.__annotations__}}


def who(one: Any) -> dict[str, Any]:
    """The container that a sample, an event or an alert is of, for making another of these."""
    return {"id": one.id, "engine": one.engine, "name": one.name, "pod": one.pod}
