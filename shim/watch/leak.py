"""Whether the memory of a container grows without end: the values that the watcher keeps, and when it tests them.

The rules are those of `cgshimctl leaks` (shim.watch.leaks.judge), at a higher confidence and over two windows: about an
hour for a fast leak, about two and a half days for a slow one. A window keeps the lowest value of each span, because
memory that a garbage collector frees is not a leak. Both windows of a container take less than 8 KB.
"""

from __future__ import annotations

from array import array
from math import isnan, nan

from shim.watch.leaks.judge import LEAK, PART_OF_LIMIT, SMALLEST, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from shim.watch.sample import Sample

KINDS = ("anonymous", "shmem", "kernel")  # page cache is reclaimable; swap holds former anonymous memory or shmem
SPANS = (60.0, 3600.0)  # seconds of one value, of each window
VALUES = 64  # values of a window, at most
FEWEST = 20  # values before the first test
EVERY = 5  # values between two tests
CONFIDENCE = 0.999


def suspected(samples: Sequence[Sample], confidence: float = CONFIDENCE) -> dict[str, Any] | None:
    """Return the evidence for a leak in the samples of one container, oldest first; None if there is none.

    Evidence: kind (a field of Memory), rate, rate_low, rate_high (bytes a second), confidence (of the interval and the
    test), p, values, seconds (that the values cover), test.
    """
    limit = samples[-1].limit if samples else None
    times = [sample.time for sample in samples]
    found = []
    for kind in KINDS:
        values = [getattr(sample.memory, kind) for sample in samples]
        if values and None not in values:
            found.append(_evidence(kind, times, [float(value) for value in values], limit, confidence))
    leaks = [one for one in found if one is not None]
    return max(leaks, key=lambda one: float(one["rate"])) if leaks else None


def _evidence(
    kind: str, times: Sequence[float], values: Sequence[float], limit: int | None, confidence: float
) -> dict[str, Any] | None:
    """Return the evidence for one kind. Most series do not rise at all, which shows without a test."""
    quarter = max(1, len(values) // 4)
    risen = min(values[-quarter:]) - max(values[:quarter])
    if risen < max(SMALLEST, PART_OF_LIMIT * (limit or 0)) / 2:
        return None
    found = judge(times, values, limit, confidence)
    if found.verdict != LEAK or found.trend is None:
        return None
    return {
        "kind": kind,
        "rate": round(found.trend.slope),
        "rate_low": round(found.trend.low),
        "rate_high": round(found.trend.high),
        "confidence": confidence,
        "p": found.trend.p,
        "values": found.trend.count,
        "seconds": round(times[-1] - times[0]),
        "test": "Mann-Kendall; Theil-Sen slope",
    }


class _Window:
    """The lowest values of the last VALUES spans of one container; the last one is open."""

    def __init__(self, span: float) -> None:
        self.span = span
        self.starts = array("d")
        self.lows = [array("d") for _ in KINDS]

    def add(self, sample: Sample) -> bool:
        """Add a sample. Return True if a span ended with it."""
        fresh = not self.starts or sample.time >= self.starts[-1] + self.span
        if self.starts and sample.time < self.starts[-1]:
            self.clear()  # the clock was set back
            fresh = True
        if fresh:
            self.starts.append(sample.time)
        for number, kind in enumerate(KINDS):
            value = getattr(sample.memory, kind)
            lows = self.lows[number]
            low = nan if value is None else float(value)
            if fresh:
                lows.append(low)
            elif not low >= lows[-1]:
                lows[-1] = low
        if len(self.starts) > VALUES:
            del self.starts[0]
            for lows in self.lows:
                del lows[0]
        return fresh

    def clear(self) -> None:
        """Start again."""
        del self.starts[:]
        for lows in self.lows:
            del lows[:]

    def ask(self, limit: int | None) -> dict[str, Any] | None:
        """Return the evidence in the complete spans."""
        times = self.starts[:-1]
        for number, kind in enumerate(KINDS):
            values = self.lows[number][:-1]
            if not any(map(isnan, values)):
                found = _evidence(kind, times, values, limit, CONFIDENCE)
                if found is not None:
                    return found
        return None


class Windows:
    """The windows of all containers."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[_Window, ...]] = {}
        self.counts: dict[str, int] = {}

    def add(self, sample: Sample) -> dict[str, Any] | None:
        """Add a sample; at intervals return the evidence for a leak, as `suspected` does."""
        windows = self.kept.get(sample.id)
        if windows is None:
            windows = self.kept[sample.id] = tuple(map(_Window, SPANS))
        for window in windows:
            if window.add(sample) and len(window.starts) > FEWEST and self._due(sample.id):
                found = window.ask(sample.limit)
                if found is not None:
                    return found
        return None

    def _due(self, container: str) -> bool:
        self.counts[container] = self.counts.get(container, hash(container) % EVERY) + 1
        return self.counts[container] % EVERY == 0

    def forget(self, container: str) -> None:
        """Forget a container that is gone, or whose name another one has."""
        self.kept.pop(container, None)
        self.counts.pop(container, None)
