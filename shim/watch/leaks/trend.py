"""Whether a series of numbers has a trend, and how steep it is: tests that assume no distribution.

- The test: H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945) 245-259; M. G. Kendall, "Rank
  correlation methods" (1975), with the correction for ties.
- The slope and its interval: H. Theil, "A rank-invariant method of linear and polynomial regression analysis", Proc.
  Kon. Ned. Akad. Wet. 53 (1950); P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", J. Am.
  Stat. Assoc. 63 (1968) 1379-1389.
- Autocorrelation: K. H. Hamed and A. R. Rao, "A modified Mann-Kendall trend test for autocorrelated data", J. Hydrol.
  204 (1998) 182-196. It is stricter here, so that the test errs towards "no trend": their sum ends at the first lag
  that is not significant, because the far lags of a short series are biased below 0 (C. J. Geyer, "Practical Markov
  chain Monte Carlo", Stat. Sci. 7 (1992) 473-483); the factor is at least that of a first-order process with the same
  first lag, its bias taken out (M. G. Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41
  (1954) 403-404); and it never makes the variance smaller.
"""

from __future__ import annotations

from bisect import bisect_left
from math import erfc, sqrt
from operator import mul

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST = 10  # values: below it the normal approximation of the test does not hold (Kendall 1975)
CONFIDENCE = 0.99
MOST_ALIKE = 0.93  # autocorrelation: at 1 a series is a random walk, which has no variance to compare with
TIGHT = 1e-9  # residuals this small, as a part of the range, are rounding errors


class Trend(Value):
    """The answer of the test for one series.

    tau: Kendall's, from -1 to 1. z: the standardised statistic. p: two-sided. slope, low, high: units a second, the
    interval at `confidence`. inflation: how much larger the variance is than that of independent values.
    """

    count: int
    tau: float
    z: float
    p: float
    slope: float
    low: float
    high: float
    confidence: float
    inflation: float

    @property
    def rises(self) -> bool:
        """True if the trend is significant and its whole interval is above 0."""
        return self.p <= 1 - self.confidence and self.low > 0

    @property
    def falls(self) -> bool:
        """True if the trend is significant and its whole interval is below 0."""
        return self.p <= 1 - self.confidence and self.high < 0


def trend(times: Sequence[float], values: Sequence[float], confidence: float = CONFIDENCE) -> Trend:
    """Return the trend of `values` at `times`, which rise. Raises ValueError for fewer than LEAST values."""
    count = len(values)
    if count < LEAST:
        raise ValueError(f"{count} values are too few for a trend: it takes {LEAST}")
    slopes = _slopes(times, values)
    score = _score(slopes)
    slope = _median(slopes)
    plain = variance(values)
    factor = inflation(times, values, slope)
    spread = sqrt(plain * factor)
    z = (score - (score > 0) + (score < 0)) / spread if spread else 0.0
    low, high = _interval(slopes, quantile((1 + confidence) / 2) * spread)
    return Trend(
        count=count,
        tau=score / (count * (count - 1) / 2),
        z=z,
        p=erfc(abs(z) / sqrt(2)),
        slope=slope,
        low=low,
        high=high,
        confidence=confidence,
        inflation=factor,
    )


def _slopes(times: Sequence[float], values: Sequence[float]) -> list[float]:
    """Return the slopes of all pairs, sorted, without pairs at the same time."""
    pairs = list(zip(times, values))
    found: list[float] = []
    for number, (time, value) in enumerate(pairs):
        found += [(value - before) / (time - then) for then, before in pairs[:number] if time > then]
    found.sort()
    return found


def _score(slopes: list[float]) -> int:
    """Return Mann's S: the number of rising pairs less that of falling ones."""
    falling = bisect_left(slopes, 0.0)
    return len(slopes) - _after(slopes, 0.0) - falling


def _after(ordered: list[float], value: float) -> int:
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if ordered[middle] > value else (middle + 1, high)
    return low


def _median(ordered: list[float]) -> float:
    if not ordered:
        return 0.0
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def variance(values: Sequence[float]) -> float:
    """Return the variance of S for independent values, with Kendall's correction for ties."""
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    count = len(values)
    tied = sum(tie * (tie - 1) * (2 * tie + 5) for tie in counts.values())
    return (count * (count - 1) * (2 * count + 5) - tied) / 18


def inflation(times: Sequence[float], values: Sequence[float], slope: float) -> float:
    """Return Hamed and Rao's factor, from the ranks of the residuals, over the first significant lags."""
    count = len(values)
    left = [value - slope * (time - times[0]) for time, value in zip(times, values)]
    span = max(values) - min(values)
    if max(left) - min(left) <= TIGHT * span:
        return 1.0
    bound = quantile(0.975) / sqrt(count)
    seen: list[float] = []
    for correlation in autocorrelation(ranks(left)):
        if correlation <= bound:
            break
        seen.append(correlation)
    if not seen:
        return 1.0
    first = min(MOST_ALIKE, (count * seen[0] + 2) / (count - 4))
    modelled = [first**lag for lag in range(1, count)]
    return max(1.0, _factor(seen, count), _factor(modelled, count))


def _factor(correlations: list[float], count: int) -> float:
    """Return Hamed and Rao's equation 7: n / n*."""
    total = 0.0
    for lag, correlation in enumerate(correlations, 1):
        total += (count - lag) * (count - lag - 1) * (count - lag - 2) * correlation
    return 1 + 2 * total / (count * (count - 1) * (count - 2))


def autocorrelation(values: Sequence[float]) -> Iterator[float]:
    """Yield the sample autocorrelation at the lags 1, 2, ... n-1; nothing for a constant series."""
    mean = sum(values) / len(values)
    centred = [value - mean for value in values]
    power = sum(value * value for value in centred)
    for lag in range(1, len(values) if power else 0):
        yield sum(map(mul, centred, centred[lag:])) / power


def ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1; equal values share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found


def _interval(slopes: list[float], width: float) -> tuple[float, float]:
    """Return Sen's interval: the slopes at the ranks (N-C)/2 and (N+C)/2+1."""
    if not slopes:
        return 0.0, 0.0
    count = len(slopes)
    low = int((count - width) / 2) - 1
    high = int((count + width) / 2 + 0.5)
    return slopes[max(0, low)], slopes[min(count - 1, high)]


def quantile(part: float) -> float:
    """Return the quantile of the standard normal distribution at `part`, by bisection."""
    if part not in _QUANTILES:
        low, high = -10.0, 10.0
        while high - low > 1e-12:
            middle = (low + high) / 2
            low, high = (middle, high) if erfc(-middle / sqrt(2)) / 2 < part else (low, middle)
        _QUANTILES[part] = low
    return _QUANTILES[part]


_QUANTILES: dict[float, float] = {}
