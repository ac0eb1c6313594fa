"""The trend test, its slope and interval, the bend and the step: worked by hand, by other programs, and by property."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.watch.leaks.change import bend, step
from shim.watch.leaks.trend import LEAST, autocorrelation, inflation, quantile, ranks, trend, variance

TIED = [12, 15, 11, 18, 18, 21, 19, 25, 24, 30, 28, 28]
# Flow of the Nile at Aswan, 1871 to 1970, 10^8 m3 a year: G. W. Cobb, "The problem of the Nile", Biometrika 65 (1978).
NILE = [
    *(1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140),
    *(1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969),
    *(831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759),
    *(781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890),
    *(744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740),
]
ERRORS = 0.05  # the stated rate of the property below
TRIALS = 400


def test_ties_are_taken_out_of_the_variance() -> None:
    """n = 12 and two pairs: (12 x 11 x 29 - 2 x 2 x 1 x 9) / 18 = (3828 - 36) / 18, by hand."""
    assert variance(TIED) == pytest.approx(3792 / 18)


def test_answers_as_other_programs_do() -> None:
    """S is 52: z and p of pymannkendall 1.4.3; the slope and its intervals of scipy 1.17.1, `theilslopes`."""
    found = trend(range(12), TIED, 0.9)
    assert found.tau == pytest.approx(52 / 66)
    assert found.z == pytest.approx(3.5137613731358837)
    assert found.p == pytest.approx(0.0004418095152338708)
    assert (found.slope, found.low, found.high) == pytest.approx((1.55, 1.3, 2.0))
    assert found.inflation == 1
    wide = trend(range(12), TIED, 0.99)
    assert (wide.low, wide.high) == pytest.approx((1.0, 7 / 3))


@pytest.mark.parametrize(
    ("part", "value"), [(0.5, 0.0), (0.975, 1.959963985), (0.995, 2.575829304), (0.01, -2.326347874)]
)
def test_quantiles_are_those_of_the_tables(part: float, value: float) -> None:
    """The standard normal distribution's, as in any table."""
    assert quantile(part) == pytest.approx(value, abs=1e-8)


def test_ranks_share_their_mean() -> None:
    """Equal values have one rank."""
    assert ranks([3, 1, 3, 2]) == [3.5, 1, 3.5, 2]


def test_autocorrelation_by_hand() -> None:
    """1, 2, 3, 4 about 2.5: squares 5; products 1.25 at lag 1, -1.5 at lag 2, -2.25 at lag 3."""
    assert list(autocorrelation([1, 2, 3, 4])) == pytest.approx([0.25, -0.3, -0.45])


def test_constant_series_has_no_trend() -> None:
    """All values equal: no variance, no slope, p 1."""
    found = trend(range(20), [7.0] * 20)
    assert (found.tau, found.p, found.slope, found.low, found.high) == (0, 1, 0, 0, 0)
    assert not found.rises


def test_too_few_values_are_refused() -> None:
    """Below ten the normal approximation does not hold."""
    with pytest.raises(ValueError, match="9 values are too few for a trend: it takes 10"):
        trend(range(9), [1.0] * 9)


def test_alike_neighbours_widen_the_interval() -> None:
    """A first-order process of 0.9: the factor is near its theory, (1 + r) / (1 - r) = 19, and far above 1."""
    source = random.Random(4)
    values = [0.0]
    while len(values) < 300:
        values.append(0.9 * values[-1] + source.gauss(0, 1))
    assert 8 < inflation(range(300), values, 0.0) < 28
    assert inflation(range(300), [source.gauss(0, 1) for _ in range(300)], 0.0) < 1.5


@given(st.lists(st.floats(0.001, 1e9), min_size=LEAST, max_size=40))
@settings(max_examples=60, deadline=None)
@pytest.mark.property
def test_monotone_series_is_a_trend(steps: list[float]) -> None:
    """Whatever the steps, tau is 1, p below 0.001, and the interval above 0; and the mirror image falls."""
    values = [sum(steps[: number + 1]) for number in range(len(steps))]
    times = list(range(len(values)))
    found = trend(times, values)
    assert found.tau == 1
    if found.inflation == 1:
        assert found.rises
        assert found.p < 0.001
    mirrored = trend(times, [-value for value in values])
    assert mirrored.tau == -1
    assert mirrored.slope == pytest.approx(-found.slope)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=LEAST, max_size=30),
    st.floats(1e-3, 1e6), st.floats(-1e9, 1e9), st.floats(1e-3, 1e3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
@pytest.mark.property
def test_units_do_not_matter(values: list[float], scale: float, shift: float, stretch: float) -> None:
    """Another unit, another zero, another clock: the slope follows."""
    rounded = [float(round(value)) for value in values]
    times = list(range(len(rounded)))
    one = trend(times, rounded)
    other = trend([time * stretch for time in times], [value * 4 + round(shift) for value in rounded])
    assert other.tau == pytest.approx(one.tau)
    assert other.slope == pytest.approx(4 * one.slope / stretch, rel=1e-6, abs=1e-6 * scale)


def test_shuffled_series_have_no_trend_at_the_stated_rate() -> None:
    """400 series of noise at 0.95: of the 20 expected, within three standard deviations (13 more), are trends."""
    source = random.Random(20)
    hits = sum(trend(range(40), [source.random() for _ in range(40)], 1 - ERRORS).p <= ERRORS for _ in range(TRIALS))
    assert hits <= TRIALS * ERRORS + 3 * math.sqrt(TRIALS * ERRORS * (1 - ERRORS))


def test_bend_is_found_where_it_is() -> None:
    """Flat, then one a second from the 70th value on, with noise: within three values, slopes in their intervals."""
    source = random.Random(2)
    values = [100 + source.gauss(0, 2) + max(0, number - 70) for number in range(120)]
    found = bend(range(120), values)
    assert found is not None
    assert abs(found.knot - 70) <= 3
    assert found.before.low <= 0 <= found.before.high
    assert found.after.low <= 1 <= found.after.high


def test_lines_and_noise_have_no_bend() -> None:
    """200 straight lines with noise, 200 series of noise: no bend in any."""
    source = random.Random(3)
    lines = [[number + source.gauss(0, 10) for number in range(60)] for _ in range(200)]
    noise = [[source.gauss(0, 10) for _ in range(60)] for _ in range(200)]
    assert [bend(range(60), values) for values in (*lines, *noise)] == [None] * 400


def test_step_of_the_nile() -> None:
    """The best known example of a step: after 1898, the 28th year; by Pettitt's definition, from all pairs of years."""
    assert sum(NILE) == 91935
    found = step([float(value) for value in NILE])
    assert found is not None
    assert found.place == 28
    assert found.by == pytest.approx(-287.5)
    pairs = sum((one > other) - (one < other) for one in NILE[:28] for other in NILE[28:])
    assert found.p == pytest.approx(2 * math.exp(-6 * pairs**2 / (100**3 + 100**2)))


def test_noise_has_no_step() -> None:
    """At 0.99 hardly any of 300 series of noise steps."""
    source = random.Random(6)
    assert sum(step([source.random() for _ in range(50)]) is not None for _ in range(300)) <= 9
