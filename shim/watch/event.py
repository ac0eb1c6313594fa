"""An event of a container, and the notification that led to it."""

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
    """One event.

    time: UNIX seconds, when it was seen. kind: one of KINDS. id, engine, name, pod: the container. source: the
    notification: "inotify memory.events", "PSI trigger", "cgroup.event_control", "process connector", "inotify on the
    hierarchy", "polling every 5 s". evidence: the files and numbers that show it; `count` if a counter grew.
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
    """Return the container of a sample, an event or an alert, as arguments for another of these."""
    return {"id": one.id, "engine": one.engine, "name": one.name, "pod": one.pod}
