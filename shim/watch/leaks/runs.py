"""From the records of a recording to one series for each run of a container: medians of equal spans, and events.

A run is the life of one cgroup: a container that starts again begins a new run. The first of two passes finds the
beginning and end of each run, the second fills the spans. So memory is bounded by the number of runs, not of samples.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from shim.values import Value
from shim.watch.event import EXIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from shim.watch.lives import RecordedLine, Who

SPANS = 120  # of a run: more do not improve the judgement, and the cost is quadratic
MOST_HAPPENINGS = 400  # events kept for a run, the newest
KINDS = ("anonymous", "shmem", "kernel", "swap", "file")
HELD = "held"  # memory that the kernel cannot reclaim without swap: it is what reaches the limit
PRIVATE = "private"  # memory of processes, swapped out or not
SUMS = {HELD: ("anonymous", "shmem", "kernel"), PRIVATE: ("anonymous", "shmem", "swap")}
SHOWN = ("usage", "working_set")
LIMITS = ("limit", "high", "swap_limit")


class Happening(Value):
    """An event of a container. time: UNIX seconds. what: in words. kind: for the plot's marks."""

    time: float
    kind: str
    what: str
    source: str


class Line(Value):
    """One figure of a run over time: bytes at UNIX seconds."""

    times: tuple[float, ...]
    values: tuple[float, ...]


class Run(Value):
    """One run of one container. number: from 1, within the recording. lines: figure -> Line of medians.

    limits: "limit", "high", "swap_limit" -> the moments at which it changed, and to what (None: to none). spacing:
    seconds between two medians. allocated: bytes a second over the whole run (shim.observe.allocation), None if not
    counted. skipped: samples with a time before that of an older one.
    """

    who: Who
    number: int
    start: float
    end: float
    samples: int
    spacing: float
    lines: dict[str, Line]
    limits: dict[str, tuple[tuple[float, int | None], ...]]
    happenings: tuple[Happening, ...]
    allocated: float | None = None
    skipped: int = 0


class Extent:
    """The beginning and end of a run, and its number of samples."""

    def __init__(self, who: Who, number: int, time: float) -> None:
        self.who, self.number, self.start, self.end, self.samples = who, number, time, time, 0


def survey(extents: Iterable[tuple[Who, float, bool]], wanted: str = "") -> dict[str, list[Extent]]:
    """Return container's id -> its runs, in order of time. wanted: a name, an id or its beginning; "" for all."""
    found: dict[str, list[Extent]] = {}
    ended: set[str] = set()
    for who, time, is_end in extents:
        if not is_wanted(who, wanted):
            continue
        if is_end:
            ended.add(who.id)
            continue
        runs = found.setdefault(who.id, [])
        if not runs or who.id in ended:
            runs.append(Extent(who, len(runs) + 1, time))
            ended.discard(who.id)
        last = runs[-1]
        last.who, last.end, last.samples = who, max(last.end, time), last.samples + 1
    return found


def is_wanted(who: Who, wanted: str) -> bool:
    """Return whether the name, pod/name, id, or the beginning of an id (at least four characters) matches."""
    names = ("", who.name, f"{who.pod}/{who.name}", who.id)
    return wanted in names or (len(wanted) >= 4 and who.id.startswith(wanted))


def runs(records: Iterable[RecordedLine], found: dict[str, list[Extent]]) -> list[Run]:
    """Return the runs from `survey`, filled from the same records."""
    filling: dict[str, _Filling] = {}
    waiting = {own: deque(extents) for own, extents in found.items()}
    done: list[Run] = []
    for record in records:
        own = record.who.id if record.who else str(record.object.get("id", ""))
        if record.kind == "sample" and own in waiting:
            if own not in filling and waiting[own]:
                filling[own] = _Filling(waiting[own].popleft())
            filling[own].sample(record.time, record.figures)
        elif record.kind == "event" and own in filling:
            filling[own].event(record.time, record.object)
        elif record.kind == "gone" and own in filling and waiting[own]:
            done.append(filling.pop(own).run())
    done += [one.run() for one in filling.values()]
    return sorted(done, key=lambda run: (run.who.engine, run.who.pod, run.who.name, run.who.id, run.number))


class _Filling:
    """A run whose records are being read."""

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.spacing = max((extent.end - extent.start) / SPANS, 1e-3)
        self.place, self.at, self.skipped = -1, extent.start, 0
        self.times: list[float] = []
        self.open: list[dict[str, int]] = []
        self.names: tuple[str, ...] = ()
        self.counted: tuple[str, ...] = ()
        self.lines: dict[str, tuple[list[float], list[float]]] = {}
        self.limits: dict[str, list[tuple[float, int | None]]] = {}
        self.counters: dict[str, int] = {}
        self.allocated: tuple[int, int] | None = None
        self.happenings: deque[Happening] = deque(maxlen=MOST_HAPPENINGS)

    def sample(self, time: float, figures: dict[str, int]) -> None:
        """Add a sample. One that is older than the last (the clock was set back) is left out."""
        if time < self.at:
            self.skipped += 1
            return
        self.at = time
        place = min(SPANS - 1, int((time - self.extent.start) / self.spacing))
        if place != self.place:
            self._close()
            self.place = place
        self.times.append(time)
        self.open.append(figures)
        allocated = figures.get("allocated.bytes")
        if allocated is not None:
            self.allocated = (self.allocated[0] if self.allocated else allocated, allocated)
        self._changes(time, figures)

    def _close(self) -> None:
        """Compute the medians of a full span."""
        middle = median(self.times) if self.times else 0.0
        for name in (*SHOWN, *KINDS):
            self._add(name, middle, [figures[name] for figures in self.open if name in figures])
        for name, parts in SUMS.items():
            sums = [[figures[part] for part in parts if part in figures] for figures in self.open]
            self._add(name, middle, [sum(present) for present in sums if present])
        self.times, self.open = [], []

    def _add(self, name: str, moment: float, values: list[int]) -> None:
        if values:
            times, medians = self.lines.setdefault(name, ([], []))
            times.append(moment)
            medians.append(float(median(values)))

    def _changes(self, time: float, figures: dict[str, int]) -> None:
        names = tuple(figures)
        if names != self.names:
            self.names, self.counted = names, tuple(name for name in names if name.startswith("events."))
        for name in LIMITS:
            value = figures.get(name)
            known = self.limits.setdefault(name, [])
            if not known or known[-1][1] != value:
                if known:
                    what = f"{name.replace('_', ' ')} changed from {shown(known[-1][1])} to {shown(value)}"
                    self._happened(time, "limit", what, "read back")
                known.append((time, value))
        for name in self.counted:
            value = figures[name]
            more = value - self.counters.get(name, value)
            if more > 0:
                self._counted(time, name[7:], more)
            self.counters[name] = value

    def _counted(self, time: float, name: str, more: int) -> None:
        what = COUNTED.get(name)
        if what is not None:
            self._happened(time, "oom" if name.startswith("oom") else "reclaim", f"{what} ({more})", f"counter {name}")

    def event(self, time: float, event: dict[str, Any]) -> None:
        """Add an event of the watcher; growing counters are known from the samples already."""
        kind = str(event.get("kind"))
        evidence = event.get("evidence")
        facts = evidence if isinstance(evidence, dict) else {}
        if kind in COUNTED or kind == "leak" or (kind == EXIT and not (facts.get("init") or facts.get("signal"))):
            return
        more = [f"{k} {v}" for k, v in facts.items() if isinstance(v, (str, int))]
        what = f"{kind.replace('_', ' ')}{': ' if more else ''}{', '.join(more)}"[:200]
        self._happened(time, kind, what, str(event.get("source"))[:100])

    def _happened(self, time: float, kind: str, what: str, source: str) -> None:
        self.happenings.append(Happening(time=time, kind=kind, what=what, source=source))

    def run(self) -> Run:
        """Return the run after everything was read."""
        self._close()
        extent = self.extent
        lines = {name: Line(times=tuple(times), values=tuple(values)) for name, (times, values) in self.lines.items()}
        return Run(
            who=extent.who,
            number=extent.number,
            start=extent.start,
            end=extent.end,
            samples=extent.samples,
            spacing=self.spacing,
            lines=lines,
            limits={name: tuple(changes) for name, changes in self.limits.items()},
            happenings=tuple(self.happenings),
            allocated=self._rate(),
            skipped=self.skipped,
        )

    def _rate(self) -> float | None:
        passed = self.extent.end - self.extent.start
        if self.allocated is None or passed <= 0:
            return None
        first, last = self.allocated
        return max(0, last - first) / passed


# Counters of memory.events (v2; cgroup-v2.rst) and of v1 (memory.rst), and the meaning of their growth.
COUNTED = {
    "high": "reclaim, because usage was above memory.high",
    "max": "reclaim, because usage was about to exceed the limit",
    "failcnt": "reclaim, because usage hit the limit",
    "oom": "out of memory: reclaim found nothing",
    "oom_kill": "a process was killed for lack of memory",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def shown(value: float | None) -> str:
    """Return bytes for people, three digits: `64 MiB`, `1.5 GiB`; `none` for None."""
    if value is None:
        return "none"
    size, unit = float(value), 0
    while abs(size) >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    digits = 0 if abs(size) >= 99.95 or size == int(size) else 1 if abs(size) >= 9.995 else 2
    return f"{size:.{digits}f} {_UNITS[unit]}"


def latest(changes: Sequence[tuple[float, int | None]]) -> int | None:
    """Return the limit in force at the end."""
    return changes[-1][1] if changes else None
