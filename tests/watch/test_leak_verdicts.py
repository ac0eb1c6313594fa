"""The verdict on a series: what leaks, and all that looks like it and does not."""

from __future__ import annotations

import math
import random
from typing import Callable

import pytest

from shim.watch.leaks import judge as words
from shim.watch.leaks.judge import judge, returned

MIB = 1 << 20
COUNT, SPACING = 120, 5.0
LIMIT = 512 * MIB
TIMES = [1.7e9 + SPACING * number for number in range(COUNT)]
SEEDS = 12


def _noisy(shape: Callable[[int], float], noise: float, seed: int) -> list[float]:
    source = random.Random(seed)
    return [MIB * (shape(number) + source.gauss(0, noise)) for number in range(COUNT)]


# Name -> MiB of value number n, its noise, the verdict.
SHAPES: dict[str, tuple[Callable[[int], float], float, str]] = {
    "steady growth": (lambda n: 100 + n / 2, 3, words.LEAK),
    "growth in steps": (lambda n: 100 + 4 * (n // 9), 0.1, words.LEAK),
    "growth that begins in between": (lambda n: 100 + max(0, n - 70), 3, words.LEAK),
    "growth that becomes faster": (lambda n: 100 + n * n / 50, 1, words.LEAK),
    "growth under the teeth of a garbage collector": (lambda n: n + n % 10 * 3, 1, words.LEAK),
    "growth by day and night": (lambda n: 100 + 20 * math.sin(n / 4) + n, 1, words.LEAK),
    "a peak at the start, then growth": (lambda n: 300 - n * 20 if n < 10 else 100 + n * 0.7, 1, words.LEAK),
    "noise": (lambda n: 100, 10, words.STEADY),
    "a garbage collector's teeth": (lambda n: n % 30 * 3, 1, words.GIVEN_BACK),
    "the second tooth is not complete": (lambda n: n % 70 * 3, 1, words.GIVEN_BACK),
    "waves": (lambda n: 100 + 20 * math.sin(n / 8), 1, words.GIVEN_BACK),
    "one step": (lambda n: 160 if n > 50 else 100, 2, words.STEP),
    "a start that settles": (lambda n: 100 * (1 - math.exp(-n / 5)), 1, words.LEVELLED),
    "growth that stops": (lambda n: 100 + 2 * min(n, 60), 0.3, words.LEVELLED),
    "growth up to the limit": (lambda n: min(512.0, 100 + n * 8), 0, words.LEVELLED),
    "falling": (lambda n: 100 - n / 2, 1, words.FALLS),
    "growth too small to matter": (lambda n: 100 + n / 60, 0, words.STEADY),
}


@pytest.mark.parametrize("name", SHAPES)
def test_verdict(name: str) -> None:
    """Twelve noises each; one of them may come out as something else, but never as a leak where there is none."""
    shape, noise, verdict = SHAPES[name]
    found = [judge(TIMES, _noisy(shape, noise, seed), LIMIT).verdict for seed in range(SEEDS)]
    assert found.count(verdict) >= SEEDS - 1, found
    if verdict != words.LEAK:
        assert words.LEAK not in found


def test_a_leak_says_when_and_how_fast() -> None:
    """1 MiB each five seconds from value 70 on, after nothing: moment and rate are within a twentieth."""
    found = judge(TIMES, _noisy(lambda n: 100 + max(0, n - 70), 0.5, 1), LIMIT)
    assert found.began == pytest.approx(TIMES[70], abs=3 * SPACING)
    assert found.trend is not None
    assert found.trend.slope == pytest.approx(MIB / SPACING, rel=0.05)
    assert found.before == pytest.approx(0, abs=0.05 * MIB / SPACING)
    assert found.why.startswith("it rises, goes on rising, and is not given back: Mann-Kendall test, ")
    assert found.why.endswith(" values, tau 0.99, p below 1e-6 (significant at 0.99)")


def test_too_few_values() -> None:
    """Nine values are no series."""
    found = judge(TIMES[:9], [float(MIB * number) for number in range(9)])
    assert (found.verdict, found.why, found.trend) == (words.SHORT, "9 values; the test needs 10", None)


@pytest.mark.parametrize(("count", "verdict"), [(12, words.SHORT), (20, words.SHORT), (45, words.LEAK)])
def test_a_smooth_rise_is_no_step_and_not_steady(count: int, verdict: str) -> None:
    """Half a MiB a value, and a wave of 0.2 MiB around it: as long as neighbours are too much alike for the test of a
    trend, more values are asked for. Pettitt's test alone calls 20 of them a step.
    """
    values = [MIB * (100 + number / 2 + 0.2 * math.sin(2 * math.pi * number / 9)) for number in range(count)]
    found = judge(TIMES[:count], values)
    assert found.verdict == verdict, found.why
    if verdict == words.SHORT:
        before, _, tested = found.why.partition(": ")
        assert before == "it may rise, but neighbours are alike, so that the values are too few"
        assert tested.startswith(f"Mann-Kendall test, {count} values, tau 1.00, p 0.0")


def test_walks_are_seldom_leaks() -> None:
    """Of 200 random walks, in which no test of a trend sees anything else, fewer than one in seven (docs/leaks.md)."""
    leaks = 0
    for seed in range(200):
        source, level, values = random.Random(seed), 100.0, []
        for _ in range(COUNT):
            level += source.gauss(0, 4)
            values.append(level * MIB)
        leaks += judge(TIMES, values, LIMIT).verdict == words.LEAK
    assert leaks < 200 / 7


@pytest.mark.parametrize(
    ("values", "peak"),
    [([0, 10, 0], 10), ([0, 10, 8, 20], None), ([10, 0, 5], None), ([0, 10, 0, 12, 1, 5], 12), ([5, 5, 5], None)],
)
def test_peaks_that_were_left_again(values: list[float], peak: float | None) -> None:
    """A rise and a fall of five at least, by hand; what only falls was never reached by a rise."""
    assert returned(values, 5) == peak
