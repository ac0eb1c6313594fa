"""The metrics of the watcher as a table and a book of values; shim.watch.exposition shows them to Prometheus.

Names follow Prometheus' conventions (base units, `_total` for counters) and stand beside cadvisor's; docs/watch.md has
the counterparts. Gauges end with the container. Its counters stay for a while, so that a later scrape sees the events
at its end.
"""

from __future__ import annotations

from typing import NamedTuple

from shim.errors import printable_line
from shim.values import Value
from shim.watch import event as kinds
from shim.watch.alert import SHORT, TYPES
from shim.watch.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample

PREFIX = "cgshim_container_"
LABELS = ("id", "container", "pod", "engine")
LINGER = 300.0  # seconds that counters outlive their container: five scrapes at one a minute
MOST = 2000  # containers with series of their own, those that have ended included
LONGEST = 200  # characters of a name in a label
MICROSECONDS = 1e-6


class Metric(Value):
    """One metric. kind: "gauge" or "counter"; the name of a counter is without `_total`. label: a further label, "" for
    none. cadvisor: its counterpart there, "" for none.
    """

    name: str
    kind: str
    help: str
    label: str = ""
    cadvisor: str = ""


def _gauge(name: str, text: str, cadvisor: str = "") -> Metric:
    return Metric(name=PREFIX + name, kind="gauge", help=text, cadvisor=cadvisor)


def _counter(name: str, text: str, cadvisor: str = "", label: str = "") -> Metric:
    return Metric(name=PREFIX + name, kind="counter", help=text, cadvisor=cadvisor, label=label)


MEMORY = {
    "usage": _gauge(
        "memory_usage_bytes", "Everything that is charged to the container.", "container_memory_usage_bytes"
    ),
    "working_set": _gauge(
        "memory_working_set_bytes", "Usage without inactive page cache.", "container_memory_working_set_bytes"
    ),
    "anonymous": _gauge("memory_anonymous_bytes", "Private memory of processes.", "container_memory_rss"),
    "file": _gauge("memory_file_bytes", "Page cache of files, without shmem.", "container_memory_cache"),
    "shmem": _gauge("memory_shmem_bytes", "tmpfs and shared memory."),
    "kernel": _gauge(
        "memory_kernel_bytes", "Kernel memory that is charged to the container.", "container_memory_kernel_usage"
    ),
    "swap": _gauge("memory_swap_bytes", "What is swapped out.", "container_memory_swap"),
    "peak": _gauge("memory_peak_bytes", "The highest usage so far.", "container_memory_max_usage_bytes"),
}
LIMIT = _gauge(
    "memory_limit_bytes",
    "The tightest memory limit of the container and the cgroups above it; absent without one.",
    "container_spec_memory_limit_bytes",
)
HIGH = _gauge(
    "memory_high_bytes",
    "memory.high (v2) or the soft limit (v1); absent without one.",
    "container_spec_memory_reservation_limit_bytes",
)
RUNNING = _gauge("running", "1 while the container runs, 0 for a while after its end.")
# The kernel's counter, or v1's other name for it -> metric.
COUNTERS = {
    "oom_kill": _counter("oom_kills", "Processes killed because memory was short.", "container_oom_events_total"),
    "oom": _counter("ooms", "How often the container was out of memory, killed or not."),
    "max": _counter("memory_limit_hits", "How often usage hit the limit.", "container_memory_failcnt"),
    "high": _counter("memory_high_exceeded", "How often usage was above memory.high."),
}
ALIASES = {"failcnt": "max"}
OF_EVENT = {kinds.OOM_KILL: "oom_kill", kinds.OOM: "oom", kinds.MAX: "max", kinds.HIGH: "high"}
PRESSURE = _counter(
    "memory_pressure_stalled_seconds",
    "Time stalled for memory: some and full of PSI, or swapin, reclaim, thrashing and compaction of taskstats.",
    "container_pressure_memory_waiting_seconds_total (some), container_pressure_memory_stalled_seconds_total (full)",
    "kind",
)
CPU = {
    "nr_periods": _counter("cpu_periods", "Enforcement periods of the CPU quota.", "container_cpu_cfs_periods_total"),
    "nr_throttled": _counter(
        "cpu_throttled_periods",
        "Periods in which the container was throttled.",
        "container_cpu_cfs_throttled_periods_total",
    ),
    "throttled_usec": _counter("cpu_throttled_seconds", "Time throttled.", "container_cpu_cfs_throttled_seconds_total"),
}
ALLOCATED = _counter(
    "memory_allocated_bytes",
    "Memory allocated, freed again or not, as far as memory.stat counts it: pages charged (v1), or faults (cgroup2).",
)
ALERTS = _counter("alerts", "Alerts given, by type.", label="alert_type")
OF_CONTAINERS = (*MEMORY.values(), LIMIT, HIGH, RUNNING, *COUNTERS.values(), PRESSURE, *CPU.values(), ALLOCATED, ALERTS)
CONTAINERS = Metric(name="cgshim_watch_containers", kind="gauge", help="Containers that are watched.")
LEFT_OUT = Metric(
    name="cgshim_watch_containers_left_out", kind="gauge", help=f"Containers beyond {MOST}, which have no series."
)
ROUND = Metric(
    name="cgshim_watch_last_round_timestamp_seconds", kind="gauge", help="When every container was last looked at."
)
OF_WATCHER = (CONTAINERS, LEFT_OUT, ROUND)


class Series(NamedTuple):
    """One value of a metric. extra: the value of the family's own label. labels: those of LABELS, () for none."""

    family: Metric
    labels: tuple[str, ...]
    value: float
    extra: str = ""


class Seen(NamedTuple):
    """A container at the end of a round: its labels, last sample, counters, alerts by type."""

    labels: tuple[str, ...]
    last: Sample | None
    counters: dict[str, int]
    alerts: dict[str, int]
    running: bool


class _Kept:
    """The state of one container. ended: UNIX seconds, None while it runs."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.last: Sample | None = None
        self.counters: dict[str, int] = {}
        # Starts at 0: Prometheus does not count a series that begins with 1 as an increase.
        self.alerts: dict[str, int] = dict.fromkeys(TYPES, 0)
        self.ended: float | None = None


class Book(Sink):
    """A sink that keeps the newest values. Each `tick` replaces the data of `series` as a whole, so any thread may call
    it. A tick is cheap with any number of containers; a scrape pays for its own text.

    linger: seconds, LINGER. most: containers, MOST.
    """

    def __init__(self, linger: float = LINGER, most: int = MOST) -> None:
        self.linger, self.most = linger, most
        self.kept: dict[str, _Kept] = {}
        self.left_out: set[str] = set()
        self.now = 0.0
        self.seen: tuple[Seen, ...] = ()

    def sample(self, sample: Sample) -> None:
        """Store newer values. A counter that fell belongs to a new cgroup of the same container."""
        kept = self._of(sample)
        if kept is None:
            return
        for name, value in sample.events.items():
            counter = ALIASES.get(name, name)
            if counter in COUNTERS:
                before = kept.last.events.get(name, 0) if kept.last else 0
                kept.counters[counter] = value if value < before else max(value, kept.counters.get(counter, 0))
        kept.last, kept.ended = sample, None

    def event(self, event: Event) -> None:
        """Count events after the last sample, for instance a kill at the very end."""
        counter = OF_EVENT.get(event.kind)
        kept = self._of(event)
        if counter is None or kept is None:
            return
        seen, total = kept.counters.get(counter, 0), event.evidence.get("total")
        if total is not None:
            kept.counters[counter] = max(seen, int(total))
        elif kept.last is None or event.time > kept.last.time:
            kept.counters[counter] = seen + int(event.evidence.get("count", 1))

    def alert(self, alert: Alert) -> None:
        """Count an alert by its type."""
        kept = self._of(alert)
        if kept is not None:
            kept.alerts[alert.type] = kept.alerts.get(alert.type, 0) + 1 + alert.repeated

    def gone(self, container: str) -> None:
        """Keep only the counters; the next tick records the time."""
        self.left_out.discard(container)
        if container in self.kept:
            self.kept[container].ended = -1.0

    def tick(self, now: float) -> None:
        """Remove containers that ended long ago, and publish the newest values to `series`."""
        for container, kept in list(self.kept.items()):
            if kept.ended is not None and kept.ended < 0:
                kept.ended = now
            if kept.ended is not None and now - kept.ended >= self.linger:
                del self.kept[container]
        self.seen = tuple(
            Seen(kept.labels, kept.last, dict(kept.counters), dict(kept.alerts), kept.ended is None)
            for kept in self.kept.values()
        )
        self.now = now

    def _of(self, one: Sample | Event | Alert) -> _Kept | None:
        """Return the container's entry, None if there are too many."""
        if one.id not in self.kept:
            if len(self.kept) >= self.most and not self._make_room():
                self.left_out.add(one.id)
                return None
            self.left_out.discard(one.id)
            names = (one.id[:SHORT], one.name, one.pod, one.engine)
            self.kept[one.id] = _Kept(tuple(printable_line(name)[:LONGEST] for name in names))
        return self.kept[one.id]

    def _make_room(self) -> bool:
        """Remove the container that ended first."""
        ended = [(kept.ended, container) for container, kept in self.kept.items() if kept.ended is not None]
        if ended:
            del self.kept[min(ended)[1]]
        return bool(ended)

    def series(self) -> Iterator[Series]:
        """Yield every value as of the end of the last round."""
        seen, left_out = self.seen, len(self.left_out)
        yield Series(CONTAINERS, (), sum(one.running for one in seen) + left_out)
        yield Series(LEFT_OUT, (), left_out)
        yield Series(ROUND, (), self.now)
        for one in seen:
            yield from of_container(one)


def of_container(one: Seen) -> Iterator[Series]:
    """Yield the values of one container, only its counters if it has ended."""
    labels, last = one.labels, one.last
    yield Series(RUNNING, labels, int(one.running))
    for name, value in one.counters.items():
        yield Series(COUNTERS[name], labels, value)
    for name, value in one.alerts.items():
        yield Series(ALERTS, labels, value, name)
    if last is None:
        return
    for name, value in last.pressure.totals.items():
        yield Series(PRESSURE, labels, value * MICROSECONDS, name)
    for name, family in CPU.items():
        if name in last.cpu:
            factor = MICROSECONDS if name.endswith("_usec") else 1
            yield Series(family, labels, last.cpu[name] * factor)
    if last.allocated.bytes is not None:
        yield Series(ALLOCATED, labels, last.allocated.bytes)
    if one.running:
        yield from _gauges(labels, last)


def _gauges(labels: tuple[str, ...], last: Sample) -> Iterator[Series]:
    """Yield gauges. A figure that the kernel does not have gets no series: 0 would be wrong."""
    figures = [(family, getattr(last.memory, field)) for field, family in MEMORY.items()]
    for family, value in (*figures, (LIMIT, last.limit), (HIGH, last.high)):
        if value is not None:
            yield Series(family, labels, value)
