"""An alert for an operator, in the form that other programs read."""

from __future__ import annotations

import time

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HIGH_EXCEEDED = "cgroup_v2_memory_high_exceeded"
THRESHOLD_EXCEEDED = "cgroup_v1_memory_threshold_exceeded"
MAX_HIT, OOM_KILL, OOM_STUCK = "memory_max_hit", "oom_kill", "oom_stuck"
LIMIT_DRIFT, LEAK_SUSPECTED, PRESSURE = "limit_drift", "leak_suspected", "pressure"
TYPES = (HIGH_EXCEEDED, THRESHOLD_EXCEEDED, MAX_HIT, OOM_KILL, OOM_STUCK, LIMIT_DRIFT, LEAK_SUSPECTED, PRESSURE)
SHORT = 12  # characters of an id, as engines show it


class Alert(Value):
    """One alert. time: UNIX seconds. type: one of TYPES. threshold: bytes that were exceeded, None for other types.

    usage, limit: bytes, None if unknown. serial: identifies the alert across restarts of the watcher: type, container
    and the counter that grew. repeated: how many of its kind were held back before it. message: one sentence. evidence:
    files and numbers, with `source`.
    """

    time: float
    type: str
    id: str
    engine: str
    name: str
    pod: str
    threshold: int | None
    usage: int | None
    limit: int | None
    serial: str
    message: str
    repeated: int = 0
    evidence: dict[str, Any] = {}  # noqa: RUF012 # a frozen value's default

    def shape(self) -> dict[str, Any]:
        """Return JSON: container_id has the first 12 characters, time is UTC in ISO 8601 with milliseconds."""
        return {
            "type": "alert",
            "alert_type": self.type,
            "container_id": self.id[:SHORT],
            "container_full_id": self.id,
            "container_name": self.name,
            "engine": self.engine,
            "pod": self.pod,
            "time": iso(self.time),
            "threshold_bytes": self.threshold,
            "usage_bytes": self.usage,
            "limit_bytes": self.limit,
            "serial": self.serial,
            "repeated": self.repeated,
            "message": self.message,
            "evidence": self.evidence,
        }


def iso(moment: float) -> str:
    """`2026-01-31T12:34:56.789Z`."""
    whole = int(moment)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((moment - whole) * 1000):03d}Z"
