"""What a series of one kind of memory says: a leak, growth that ended, memory that comes back, or nothing.

A leak is memory that rises, goes on rising, and is not given back. Each of the three is a rule of its own here.
"""

from __future__ import annotations

from shim.values import Value
from shim.watch.leaks.change import bend, step
from shim.watch.leaks.trend import CONFIDENCE, LEAST, trend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from shim.watch.leaks.change import Bend
    from shim.watch.leaks.trend import Trend

LEAK, LEVELLED, GIVEN_BACK, STEP, STEADY, FALLS = "leak", "levelled off", "given back", "step", "steady", "falls"
CACHE, MOVED, SHORT, UNKNOWN = "cache", "moved", "too short", "unknown"
VERDICTS = (LEAK, LEVELLED, GIVEN_BACK, STEP, CACHE, MOVED, FALLS, STEADY, SHORT, UNKNOWN)

SMALLEST = 1 << 20  # bytes: growth below it is not worth a word
PART_OF_LIMIT = 0.01  # and neither is growth below this part of the limit
STILL = 0.25  # of the whole slope: what the last third of a series has at least if it still rises
ALIKE = 2  # Trend.inflation above it: neighbours are alike, so that ups and downs are more than noise
BENDS = 4  # that are looked for, one after the other, towards the end


class Judgement(Value):
    """What one kind of memory does in one run of a container.

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


def judge(
    times: Sequence[float], values: Sequence[float], limit: float | None = None, confidence: float = CONFIDENCE
) -> Judgement:
    """The judgement of bytes at times (UNIX seconds, rising), medians of equal spans. limit: of the container, bytes."""
    if len(values) < LEAST:
        why = f"{len(values)} values; the test takes {LEAST}"
        return Judgement(verdict=SHORT, why=why, first=_end(values[:1]), last=_end(values))
    start, bends = _last_part(times, values, confidence)
    now = trend(times[start:], values[start:], confidence)
    growth = now.slope * (times[-1] - times[start])
    verdict, why = _verdict(times, values, start, now, growth, _floor(limit), confidence)
    return Judgement(
        verdict=verdict,
        why=why,
        first=values[0],
        last=values[-1],
        trend=now,
        began=times[start] if bends else None,
        before=bends[-1].before.slope if bends else None,
    )


def _end(values: Sequence[float]) -> float:
    return values[-1] if values else 0.0


def _floor(limit: float | None) -> float:
    return max(SMALLEST, PART_OF_LIMIT * (limit or 0))


def _last_part(times: Sequence[float], values: Sequence[float], confidence: float) -> tuple[int, list[Bend]]:
    """Where the part begins that lasts until now, and the bends up to there."""
    start, bends = 0, []
    while len(bends) < BENDS:
        found = bend(times[start:], values[start:], confidence)
        if found is None:
            break
        bends.append(found)
        start += found.place
    return start, bends


def _verdict(
    times: Sequence[float],
    values: Sequence[float],
    start: int,
    now: Trend,
    growth: float,
    least: float,
    confidence: float,
) -> tuple[str, str]:
    if not now.rises or growth < least:
        return _without_trend(times, values, start, now, least, confidence)
    if _has_ended(times[start:], values[start:], now, confidence):
        return LEVELLED, f"it rose, but the last third rises by less than {STILL:.0%} of the whole's rate"
    peak = returned(values, growth / 2)
    if peak is not None and values[-1] < peak + growth * STILL:
        return GIVEN_BACK, "it rises, but has been as high before and came down again"
    return LEAK, f"it rises, goes on rising, and is not given back: {said(now)}"


def said(found: Trend) -> str:
    """The test and its answer in words."""
    return (
        f"Mann-Kendall test, {found.count} values, tau {found.tau:.2f}, p {shown_p(found.p)} "
        f"(significant at {found.confidence:.4g})"
    )


def shown_p(p: float) -> str:
    """A probability; what is tiny is only bounded."""
    return "below 1e-6" if p < 1e-6 else f"{p:.2g}"


def _without_trend(
    times: Sequence[float], values: Sequence[float], start: int, now: Trend, least: float, confidence: float
) -> tuple[str, str]:
    risen = max(values[start:]) - values[0]
    if max(values) - min(values) < least:
        return STEADY, f"it stays within {least / (1 << 20):.3g} MiB"
    if now.falls:
        return FALLS, "it falls"
    swings = max(least, (max(values) - min(values)) / 2)
    if now.inflation > ALIKE and returned(values, swings) is not None:
        return GIVEN_BACK, "it rises and comes down again"
    if start and risen >= least and now.slope * (times[-1] - times[start]) < risen / 2:
        return LEVELLED, "it rose, and has not risen since"
    jump = step(values, confidence)
    if jump is not None and jump.by >= least:
        return STEP, f"it rose at once, not steadily (Pettitt's test, p {shown_p(jump.p)})"
    return STEADY, f"no trend: Mann-Kendall test, tau {now.tau:.2f}, p {shown_p(now.p)}"


def _has_ended(times: Sequence[float], values: Sequence[float], now: Trend, confidence: float) -> bool:
    """The last third, if it is long enough to be asked, does not rise as the whole does."""
    count = max(LEAST, len(values) // 3)
    if len(values) < 2 * LEAST:
        return False
    end = trend(times[-count:], values[-count:], confidence)
    return end.slope < STILL * now.slope


def returned(values: Sequence[float], amount: float) -> float | None:
    """The highest peak that was reached by a rise of `amount` at least and followed by a fall of as much; else None."""
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
