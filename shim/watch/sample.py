"""The state of a container's cgroup at one moment."""

from __future__ import annotations

from shim.observe.allocation import Allocated
from shim.observe.memory_numbers import Memory
from shim.observe.pressure import Pressure
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Version = Literal["v1", "v2"]


class Sample(Value):
    """One look at one container.

    time: UNIX seconds. id: the whole id. cgroup: path of its memory cgroup below the mount. version: of the memory
    controller. memory: shim.observe.memory_numbers. limit: bytes, the tightest of its own and those above it, None for
    no limit; limit_of: the cgroup that has it. high: memory.high (v2) or the soft limit (v1). swap_limit: bytes of swap
    (v2) or of memory and swap (v1). pressure: shim.observe.pressure. events: counters since the cgroup was made, own
    ones where the kernel tells them (memory.events.local; v1 `failcnt` and `memsw_failcnt`), `oom_kill` with all below;
    `under_oom` (v1) is 1 while tasks wait for memory. cpu: nr_periods, nr_throttled, throttled_usec, and
    quota_usec and period_usec where there is a quota. allocated: shim.observe.allocation. problems: file -> why it was
    not read.
    """

    time: float
    id: str
    engine: str
    name: str
    pod: str
    cgroup: str
    version: Version
    memory: Memory
    limit: int | None = None
    limit_of: str = ""
    high: int | None = None
    swap_limit: int | None = None
    pressure: Pressure = Pressure(source="", totals={}, evidence="")
    events: dict[str, int] = {}  # noqa: RUF012 # a frozen value's default
    cpu: dict[str, int] = {}  # noqa: RUF012
    allocated: Allocated = Allocated(bytes=None, source="")
    problems: dict[str, str] = {}  # noqa: RUF012

    @property
    def headroom(self) -> int | None:
        """Bytes by which the working set may still grow; None without a limit or a working set."""
        used = self.memory.working_set
        return None if self.limit is None or used is None else max(0, self.limit - used)

    def shape(self) -> dict[str, Any]:
        """Return JSON; bytes, microseconds, and seconds since 1970."""
        plain = ("time", "id", "engine", "name", "pod", "cgroup", "version")
        return {
            "type": "sample",
            **{name: getattr(self, name) for name in plain},
            "memory": self.memory.shape(),
            "limit": self.limit,
            "limit_of": self.limit_of,
            "high": self.high,
            "swap_limit": self.swap_limit,
            "pressure": self.pressure.shape(),
            "events": self.events,
            "cpu": self.cpu,
            "allocated": {"bytes": self.allocated.bytes, "source": self.allocated.source},
            "problems": self.problems,
        }
