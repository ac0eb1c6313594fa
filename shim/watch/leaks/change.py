"""When a series changed: a bend in its slope, or a step in its level.

- The bend: two lines that meet, fitted by least squares with the meeting point moved over the series (D. J. Hudson,
  "Fitting segmented curves whose join points have to be estimated", J. Am. Stat. Assoc. 61 (1966) 1097-1129). It counts
  only if the intervals of the slopes before and after it (`trend`) do not overlap. A point that was searched for has no
  ordinary level of significance, so two separate intervals decide, not a test.
- The step: A. N. Pettitt, "A non-parametric approach to the change-point problem", Appl. Stat. 28 (1979) 126-135. To
  this test a steady rise is a change of level as well, so it counts only if both sides are level.
"""

from __future__ import annotations

from math import exp, fsum
from operator import mul

from shim.values import Value
from shim.watch.leaks.trend import CONFIDENCE, LEAST, ranks, trend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from shim.watch.leaks.trend import Trend

EDGE = 3  # values on either side of a bend, at least
LEVEL = 0.5  # part of a step that the values before it, or behind it, rise at most
BETTER = 0.5  # part of the squared residuals of one line that two lines must explain


class Bend(Value):
    """The slope changed at the value `knot`. place: index of the first value after it.

    before, after: the trends of the two parts, each of LEAST values or more.
    """

    knot: int
    place: int
    before: Trend
    after: Trend


class Step(Value):
    """The level changed at `place`, the number of the first value on the new level. p: Pettitt's approximation."""

    place: int
    p: float
    by: float


def bend(times: Sequence[float], values: Sequence[float], confidence: float = CONFIDENCE) -> Bend | None:
    """Return where the slope of a series changed most; None if nothing shows a change."""
    count = len(values)
    if count < 2 * LEAST or min(values) == max(values):
        return None
    knot, part = _meeting(times, values)
    if part > BETTER:
        return None
    first, place = max(knot, LEAST), min(knot, count - LEAST)
    before = trend(times[:first], values[:first], confidence)
    after = trend(times[place:], values[place:], confidence)
    if before.low <= after.high and after.low <= before.high:
        return None
    return Bend(knot=knot, place=place, before=before, after=after)


def _meeting(times: Sequence[float], values: Sequence[float]) -> tuple[int, float]:
    """Return the best meeting point, and the part of one line's squared residuals that two lines leave there."""
    start, span = times[0], times[-1] - times[0] or 1.0
    level, size = values[0], max(values) - min(values)
    xs = [(time - start) / span for time in times]
    ys = [(value - level) / size for value in values]
    straight = _squares(xs, ys)
    places = range(EDGE, len(ys) - EDGE + 1)
    left = [(_two_lines(xs, ys, place), place) for place in places]
    least, place = min(left)
    return place, least / straight if straight > 1e-12 else 1.0


def _squares(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the squared residuals of the best straight line."""
    count, sum_x, sum_y = len(xs), sum(xs), sum(ys)
    xx = sum(x * x for x in xs) - sum_x * sum_x / count
    xy = sum(x * y for x, y in zip(xs, ys)) - sum_x * sum_y / count
    yy = sum(y * y for y in ys) - sum_y * sum_y / count
    return max(0.0, yy - xy * xy / xx) if xx else yy


def _two_lines(xs: Sequence[float], ys: Sequence[float], place: int) -> float:
    """Return the squared residuals of y = a + b x + c max(0, x - knot), with the knot at the value `place`: three
    normal equations.
    """
    knot = xs[place]
    bent = [x - knot if x > knot else 0.0 for x in xs]
    count = len(xs)
    means = [sum(column) / count for column in (xs, bent, ys)]
    one, two, three = ([value - mean for value in column] for column, mean in zip((xs, bent, ys), means))
    aa, bb, ab = _dot(one, one), _dot(two, two), _dot(one, two)
    ay, by, yy = _dot(one, three), _dot(two, three), _dot(three, three)
    divisor = aa * bb - ab * ab
    if divisor <= 0:
        return yy
    slope, more = (ay * bb - by * ab) / divisor, (by * aa - ay * ab) / divisor
    return max(0.0, yy - slope * ay - more * by)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return fsum(map(mul, one, other))


def step(values: Sequence[float], confidence: float = CONFIDENCE) -> Step | None:
    """Return where the level of a series changed, by Pettitt's test; None if p is above 1 - confidence, or
    if it is no step but a slope.
    """
    count = len(values)
    if count < LEAST:
        return None
    total, largest, place = 0.0, 0.0, 0
    for number, rank in enumerate(ranks(values), 1):
        total += rank
        statistic = abs(2 * total - number * (count + 1))
        if statistic > largest:
            largest, place = statistic, number
    p = min(1.0, 2 * exp(-6 * largest * largest / (count**3 + count**2)))
    if p > 1 - confidence or not 0 < place < count:
        return None
    before, after = values[:place], values[place:]
    by = _middle(after) - _middle(before)
    if max(abs(_rise(before)), abs(_rise(after))) > LEVEL * abs(by):
        return None
    return Step(place=place, p=p, by=by)


def _rise(values: Sequence[float]) -> float:
    """Return how much the last quarter lies above the first."""
    quarter = max(1, len(values) // 4)
    return _middle(values[-quarter:]) - _middle(values[:quarter])


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
