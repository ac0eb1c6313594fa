"""The judgement of a series of one kind of memory: a leak, growth that ended, memory that comes back, or nothing.

A leak is memory that rises, goes on rising, and is not given back. Each of the three is a rule of its own here.
"""

from __future__ import annotations

from shim.values import Value
from shim.watch.leaks.change import bend, step
from shim.watch.leaks.trend import CONFIDENCE, LEAST, trend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from shim.watch.leaks.trend import Trend

LEAK, LEVELLED, GIVEN_BACK, STEP, STEADY, FALLS = "leak", "levelled off", "given back", "step", "steady", "falls"
CACHE, MOVED, SHORT, UNKNOWN = "cache", "moved", "too short", "unknown"
VERDICTS = (LEAK, LEVELLED, GIVEN_BACK, STEP, CACHE, MOVED, FALLS, STEADY, SHORT, UNKNOWN)

SMALLEST = 1 << 20  # bytes: smaller growth is not reported
PART_OF_LIMIT = 0.01  # nor is growth below this part of the limit
STILL = 0.25  # of the whole slope: the last third of a series has at least this if it still rises
ALIKE = 2  # Trend.inflation above it: neighbours are similar, so that ups and downs are more than noise
UNDECIDED = 0.5  # tau from which on values that rise without being significant are too few, not steady
BENDS = 4  # changes that are searched for, one after the other, towards the end


class Judgement(Value):
    """The judgement of one kind of memory in one run of a container.

    verdict: one of VERDICTS; why: one sentence. first, last: bytes. trend: of the part since `began`, None if too
    short. began: UNIX seconds of the last change of the slope, None if it did not change. before: bytes a second
    before that.
    """

    verdict: str
    why: str
    first: float
    last: float
    trend: Trend | None = None
    began: float | None = None
    before: float | None = None


class _Series(Value):
    """A series and the part of it that lasts until now: the values from `start`, their trend and their growth."""

    times: Sequence[float]
    values: Sequence[float]
    start: int
    now: Trend
    growth: float
    least: float

    @property
    def last_part(self) -> tuple[Sequence[float], Sequence[float]]:
        """Times and values since `start`."""
        return self.times[self.start :], self.values[self.start :]


def judge(
    times: Sequence[float], values: Sequence[float], limit: float | None = None, confidence: float = CONFIDENCE
) -> Judgement:
    """Return the judgement of bytes at times (UNIX seconds, rising), medians of equal spans. limit: the container's,
    bytes.
    """
    if len(values) < LEAST:
        why = f"{len(values)} value{'' if len(values) == 1 else 's'}; the test needs {LEAST}"
        return Judgement(verdict=SHORT, why=why, first=_end(values[:1]), last=_end(values))
    start, began, before = _last_part(times, values, confidence)
    now = trend(times[start:], values[start:], confidence)
    growth = now.slope * (times[-1] - times[start])
    least = max(SMALLEST, PART_OF_LIMIT * (limit or 0))
    series = _Series(times=times, values=values, start=start, now=now, growth=growth, least=least)
    verdict, why = _verdict(series)
    return Judgement(verdict=verdict, why=why, first=values[0], last=values[-1], trend=now, began=began, before=before)


def _end(values: Sequence[float]) -> float:
    return values[-1] if values else 0.0


def _last_part(
    times: Sequence[float], values: Sequence[float], confidence: float
) -> tuple[int, float | None, float | None]:
    """Return where the last part begins, when the slope changed there, and the slope before."""
    start = 0
    began = before = None
    for _ in range(BENDS):
        found = bend(times[start:], values[start:], confidence)
        if found is None:
            break
        began, before = times[start + found.knot], found.before.slope
        start += found.place
    return start, began, before


def _verdict(series: _Series) -> tuple[str, str]:
    now = series.now
    if not now.rises or series.growth < series.least:
        return _without_trend(series)
    if _has_ended(series):
        return LEVELLED, f"it rose, but the last third rises by less than {STILL:.0%} of the whole's rate"
    peak = returned(series.values, series.growth / 2)
    if peak is not None and series.values[-1] < peak + series.growth * STILL:
        return GIVEN_BACK, "it rises, but has been as high before and came down again"
    return LEAK, f"it rises, goes on rising, and is not given back: {said(now)}"


def said(found: Trend) -> str:
    """Return the test and its result in words."""
    return (
        f"Mann-Kendall test, {found.count} values, tau {found.tau:.2f}, p {shown_p(found.p)} "
        f"(significant at {found.confidence:.4g})"
    )


def shown_p(p: float) -> str:
    """Return a probability as text; a tiny one as a bound."""
    return "below 1e-6" if p < 1e-6 else f"{p:.2g}"


def _without_trend(series: _Series) -> tuple[str, str]:
    values, now, least = series.values, series.now, series.least
    span, risen = max(values) - min(values), max(values[series.start :]) - values[0]
    if span < least:
        return STEADY, f"it stays within {least / (1 << 20):.3g} MiB"
    if now.falls:
        return FALLS, "it falls"
    if now.inflation > ALIKE and returned(values, max(least, span / 2)) is not None:
        return GIVEN_BACK, "it rises and comes down again"
    if series.start and risen >= least and series.growth < risen / 2:
        return LEVELLED, "it rose, and has not risen since"
    jump = step(values, now.confidence)
    if jump is not None and jump.by >= least:
        return STEP, f"it rose at once, not steadily (Pettitt's test, p {shown_p(jump.p)})"
    if now.tau >= UNDECIDED:
        return SHORT, f"it may rise, but neighbours are alike, so that the values are too few: {said(now)}"
    return STEADY, f"no trend: Mann-Kendall test, tau {now.tau:.2f}, p {shown_p(now.p)}"


def _has_ended(series: _Series) -> bool:
    """Return whether the last third, if it is long enough to test, rises less than the whole."""
    times, values = series.last_part
    count = max(LEAST, len(values) // 3)
    if len(values) < 2 * LEAST:
        return False
    return trend(times[-count:], values[-count:], series.now.confidence).slope < STILL * series.now.slope


def returned(values: Sequence[float], amount: float) -> float | None:
    """Return the highest peak after a rise of `amount` at least and before a fall of as much; else None."""
    low = peak = values[0]
    highest = None
    for value in values:
        if peak - low >= amount and peak - value >= amount:
            highest = peak if highest is None else max(highest, peak)
            low = peak = value
        elif value < low:
            low = peak = value
        else:
            peak = max(peak, value)
    return highest
