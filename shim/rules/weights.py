"""`cpu.shares` (v1, 2 to 262144, default 1024) and `cpu.weight` (cgroup2, 1 to 10000, default 100).

Runtimes convert shares to weight with one of two formulas (runc up to 1.3.1 and crun up to 1.22: linear; later:
a quadratic in log2 that maps default to default). cgshim leaves that direction to them. For the opposite direction it
uses the later formula, whose default is the kernel's.
"""

from __future__ import annotations

from math import ceil, log2

LEAST, MOST = 2, 262144


def weight_of(shares: int) -> int:
    """Return the weight that newer runtimes compute from `shares`: 2 -> 1, 1024 -> 100, 262144 -> 10000."""
    if shares <= LEAST:
        return 1
    if shares >= MOST:
        return 10000
    log = log2(shares)
    return ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def shares_of(weight: int) -> int:
    """Return the largest shares whose weight is `weight`: 1 -> 2, 100 -> 1024, 10000 -> 262144."""
    low, high = LEAST, MOST
    while low < high:
        middle = (low + high + 1) // 2
        if weight_of(middle) <= weight:
            low = middle
        else:
            high = middle - 1
    return low
