"""cpu.shares and cpu.weight: the recorded table of the newer formula, and the way back.

Numbers: opencontainers/cgroups and crun assert them for their conversion (June 2025), which maps the kernel's default
of 1024 shares to its default weight of 100. The older, linear formula is the runtimes' alone: cgshim leaves shares to
them and never computes it.
"""

from __future__ import annotations

import pytest

from shim.rules.weights import shares_of, weight_of

NEWER = {
    2: 1,
    3: 2,
    10: 4,
    51: 11,
    100: 17,
    102: 17,
    128: 21,
    256: 35,
    512: 59,
    1000: 99,
    1023: 100,
    1024: 100,
    1025: 101,
    1536: 138,
    2048: 174,
    4096: 303,
    8192: 532,
    10240: 639,
    65536: 3023,
    100000: 4340,
    262143: 10000,
    262144: 10000,
}


@pytest.mark.parametrize(("shares", "weight"), NEWER.items())
def test_weight_of_shares(shares: int, weight: int) -> None:
    """The table of the newer formula."""
    assert weight_of(shares) == weight


@pytest.mark.parametrize(("shares", "weight"), [(0, 1), (1, 1), (262145, 10000), (300000, 10000)])
def test_weight_beyond_the_range(shares: int, weight: int) -> None:
    """The ends of the kernel's range hold beyond it."""
    assert weight_of(shares) == weight


@pytest.mark.parametrize(("weight", "shares"), [(1, 2), (100, 1024), (10000, 262144)])
def test_the_three_fixed_points(weight: int, shares: int) -> None:
    """Least, default and most of one are least, default and most of the other."""
    assert shares_of(weight) == shares


def test_every_weight_comes_back() -> None:
    """Each of the 10000 weights has shares of which a newer runtime makes that very weight."""
    assert [weight for weight in range(1, 10001) if weight_of(shares_of(weight)) != weight] == []


def test_shares_stay_within_the_kernels_range() -> None:
    """The shares of all weights are 2 to 262144 and grow with the weight."""
    shares = [shares_of(weight) for weight in range(1, 10001)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (2, 262144)
