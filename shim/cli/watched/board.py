"""The containers' present values, with rates between two samples, in order. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Callable, Optional

from shim.values import Value
from shim.watch import event as kinds
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample

WINDOW = 60.0  # seconds over which growth, pressure and throttling are computed
NEWS = 3  # alerts shown
STALLED = ("some", "swapin", "reclaim", "thrashing", "compaction")  # totals of time with a stalled task


class BoardRow(Value):
    """One container. used: working set, or usage if there is none, bytes.

    growth: bytes a second. stalled: share of the time in which it was stalled on memory, above 1 if several tasks are
    added up (taskstats). throttled: share of the periods of its CPU quota. None: unknown, or not after one sample.
    killed: its processes that were killed for memory. allocated: bytes a second (shim.observe.allocation).
    """

    sample: Sample
    used: int | None
    growth: float | None = None
    stalled: float | None = None
    throttled: float | None = None
    killed: int | None = None
    allocated: float | None = None

    @property
    def fullness(self) -> float:
        """The used share of the limit; -1 without a limit."""
        limit = self.sample.limit
        if self.used is None or limit is None:
            return -1.0
        return self.used / limit if limit else 1.0


Figure = Callable[["BoardRow"], Optional[float]]

# --sort -> sort key. Highest first, except for texts.
ORDERS: dict[str, Figure] = {
    "limit": lambda line: line.fullness,
    "memory": lambda line: line.used,
    "headroom": lambda line: None if line.sample.headroom is None else -line.sample.headroom,
    "swap": lambda line: line.sample.memory.swap,
    "peak": lambda line: line.sample.memory.peak,
    "pressure": lambda line: line.stalled,
    "growth": lambda line: line.growth,
    "kills": lambda line: line.killed,
    "throttled": lambda line: line.throttled,
    "allocation": lambda line: line.allocated,
}
WORDS = ("name", "engine")
SORTS = (*ORDERS, *WORDS)


class Board(Sink):
    """A sink that keeps the values to show."""

    def __init__(self) -> None:
        self.looks: dict[str, deque[Sample]] = {}
        self.killed: dict[str, int] = {}
        self.news: deque[Alert] = deque(maxlen=NEWS)

    def sample(self, sample: Sample) -> None:
        """Add newer values. Those from before the window are dropped, except the last of them."""
        looks = self.looks.setdefault(sample.id, deque())
        looks.append(sample)
        while len(looks) > 2 and sample.time - looks[1].time >= WINDOW:
            looks.popleft()
        kills = sample.events.get("oom_kill")
        if kills is not None:
            self.killed[sample.id] = kills

    def event(self, event: Event) -> None:
        """Count a kill that no sample shows yet."""
        total = event.evidence.get("total")
        if event.kind == kinds.OOM_KILL and total is not None:
            self.killed[event.id] = max(int(total), self.killed.get(event.id, 0))

    def alert(self, alert: Alert) -> None:
        """Keep the newest alerts."""
        self.news.append(alert)

    def gone(self, container: str) -> None:
        """Remove its row."""
        self.looks.pop(container, None)
        self.killed.pop(container, None)

    def lines(self, order: str = "limit") -> list[BoardRow]:
        """Return all containers. order: one of SORTS; those without the figure come last, in the order of their
        names.
        """
        lines = sorted((self._line(looks) for looks in self.looks.values()), key=_called)
        if order in WORDS:
            return sorted(lines, key=lambda line: (getattr(line.sample, order), *_called(line)))
        figure = ORDERS[order]
        found = [(figure(line), line) for line in lines]
        known = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0] or 0, reverse=True)
        return [line for _, line in (*known, *(pair for pair in found if pair[0] is None))]

    def _line(self, looks: deque[Sample]) -> BoardRow:
        first, last = looks[0], looks[-1]
        passed = last.time - first.time
        return BoardRow(
            sample=last,
            used=_used(last),
            growth=_growth(first, last, passed),
            stalled=_stalled(first, last, passed),
            throttled=_throttled(first, last),
            allocated=_allocated(first, last, passed),
            killed=self.killed.get(last.id),
        )


def _called(line: BoardRow) -> tuple[str, str, str]:
    return line.sample.pod, line.sample.name, line.sample.id


def _used(sample: Sample) -> int | None:
    memory = sample.memory
    return memory.usage if memory.working_set is None else memory.working_set


def _growth(first: Sample, last: Sample, passed: float) -> float | None:
    then, now = _used(first), _used(last)
    return (now - then) / passed if passed > 0 and now is not None and then is not None else None


def _stalled(first: Sample, last: Sample, passed: float) -> float | None:
    if passed <= 0 or not last.pressure.source or first.pressure.source != last.pressure.source:
        return None
    before, after = first.pressure.totals, last.pressure.totals
    grown = sum(max(0, after[name] - before.get(name, 0)) for name in STALLED if name in after)
    return grown / 1e6 / passed


def _allocated(first: Sample, last: Sample, passed: float) -> float | None:
    then, now = first.allocated.bytes, last.allocated.bytes
    return max(0, now - then) / passed if passed > 0 and now is not None and then is not None else None


def _throttled(first: Sample, last: Sample) -> float | None:
    if "quota_usec" not in last.cpu or "nr_periods" not in last.cpu:
        return None
    periods = last.cpu["nr_periods"] - first.cpu.get("nr_periods", 0)
    if periods <= 0 or first is last:
        return 0.0 if first is not last else None
    return max(0.0, (last.cpu.get("nr_throttled", 0) - first.cpu.get("nr_throttled", 0)) / periods)
