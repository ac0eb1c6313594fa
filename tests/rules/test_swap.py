"""`memory.swap` where the host decides what it can mean: no accounting, no swap, memory in the other hierarchy.

The runtime-spec's swap is memory plus swap; cgroup2's memory.swap.max is swap alone (cgroup-v2.rst), v1's memsw the sum
(cgroup-v1/memory.rst). runc takes 0 as unset, crun as no swap.
"""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import Fact
from tests.hosts_made import make_host
from tests.planned import Planned, planned

M = 1 << 20
COUNTERS_MOST = (1 << 63) - 4096  # include/linux/page_counter.h, in bytes: what the kernel shows for "no limit"
UNACCOUNTED: dict[str, Any] = {"swap_accounting": Fact(value=False, evidence="memory.swap.max: ENOENT")}
NO_SWAP: dict[str, Any] = {"swap_present": Fact(value=False, evidence="/proc/swaps: no device")}
ABSENT, LOST = ("swap-absent", "guard", "changed"), ("swap-unaccounted", "guard", "unenforceable")


def _plan(memory: dict[str, Any], layout: str, memory_in: int, operation: str = "create", **facts: Any) -> Planned:
    host = make_host(layout, versions={"memory": memory_in}, **facts)
    return planned({"memory": memory}, host, "crun", operation)


@pytest.mark.parametrize(
    ("layout", "memory_in", "facts", "effect"),
    [
        ("hybrid", 2, {**UNACCOUNTED}, LOST),
        ("hybrid", 2, {**UNACCOUNTED, **NO_SWAP}, ABSENT),
        ("hybrid", 2, {}, ("bridged", "guard", "changed")),
        ("legacy", 0, {**NO_SWAP}, ABSENT),
        ("legacy", 0, {}, ("memory-nowhere", "guard", "unenforceable")),
        ("unified", 2, {**UNACCOUNTED}, LOST),
        ("unified", 2, {**UNACCOUNTED, **NO_SWAP}, ABSENT),
        ("legacy", 1, {}, ("swap-by-swappiness", "guard", "changed")),
        ("unified", 2, {}, ("zero-swap", "guard", "kept")),
    ],
)
def test_no_swap_without_a_limit(
    layout: str, memory_in: int, facts: dict[str, Any], effect: tuple[str, str, str]
) -> None:
    """crun's 0 says no swap; it holds by itself on a host without swap, and is lost where nothing can keep it."""
    made = _plan({"swap": 0}, layout, memory_in, **facts)
    assert made.effect("memory.swap") == effect
    if effect[2] == "unenforceable":
        assert made.lost("memory.swap") == "swap above 0 bytes"


def test_no_swap_where_memory_is_in_the_other_hierarchy() -> None:
    """The bridge sets what the runtime cannot reach."""
    made = _plan({"swap": 0}, "hybrid", 2)
    assert [(one.file, one.value) for one in made.plan.bridge] == [("memory.swap.max", "0")]


@pytest.mark.parametrize(
    ("facts", "operation", "code", "bridged"),
    [
        ({}, "create", "swap-unlimited", []),
        ({}, "update", "bridged", [("memory.swap.max", "max")]),
        (UNACCOUNTED, "update", "swap-unlimited", []),
    ],
)
def test_unlimited_swap_where_memory_is_in_the_other_hierarchy(
    facts: dict[str, Any], operation: str, code: str, bridged: list[tuple[str, str]]
) -> None:
    """-1 needs nothing for a new cgroup; an update lifts what may be there, if swap is accounted at all."""
    made = _plan({"swap": -1}, "hybrid", 2, operation, **facts)
    assert made.effect("memory.swap") == (code, "guard", "changed")
    assert made.after.get("memory", {}) == {}
    assert [(one.file, one.value) for one in made.plan.bridge] == bridged


@pytest.mark.parametrize(("layout", "memory_in"), [("legacy", 1), ("unified", 2), ("hybrid", 2)])
def test_swap_that_no_host_has_needs_no_accounting(layout: str, memory_in: int) -> None:
    """2^62 bytes and more of swap beside a limit are no limit, which holds although nobody counts."""
    made = _plan({"limit": 64 * M, "swap": (1 << 62) + 64 * M}, layout, memory_in, **UNACCOUNTED)
    assert made.effect("memory.swap") == ("swap-unlimited", "guard", "changed")
    assert "swap" not in made.after.get("memory", {})
    counted = _plan({"limit": 64 * M, "swap": (1 << 62) + 64 * M - 1}, layout, memory_in, **UNACCOUNTED)
    assert counted.effect("memory.swap") == LOST


@pytest.mark.parametrize("swap", [COUNTERS_MOST, (1 << 63) - 1])
def test_a_sum_beyond_the_kernels_counter_beside_no_limit(swap: int) -> None:
    """On v1 it is no limit, in the kernel's own number."""
    made = _plan({"limit": -1, "swap": swap}, "legacy", 1)
    assert made.effect("memory.swap") == ("honoured", "guard", "kept")
    assert ("memory.memsw.limit_in_bytes", "max") in made.shown()


@pytest.mark.parametrize("layout", ["unified", "legacy"])
@pytest.mark.parametrize("swap", [COUNTERS_MOST, (1 << 63) - 1])
def test_an_update_to_no_limit_by_a_number(layout: str, swap: int) -> None:
    """Every runtime understands -1; a number would be taken less the container's limit, which is not known here."""
    made = _plan({"swap": swap}, layout, 2 if layout == "unified" else 1, "update")
    assert made.after == {"memory": {"swap": -1}}
    assert made.effect("memory.swap") == ("swap-unlimited", "guard", "changed")
    file = "memory.swap.max" if layout == "unified" else "memory.memsw.limit_in_bytes"
    assert made.shown() == {(file, "max")}


@pytest.mark.parametrize("layout", ["unified", "legacy"])
def test_an_update_of_swap_alone_without_accounting(layout: str) -> None:
    """Nothing keeps the sum; the loss names it."""
    made = _plan({"swap": 64 * M}, layout, 2 if layout == "unified" else 1, "update", **UNACCOUNTED)
    assert made.effect("memory.swap") == LOST
    assert made.lost("memory.swap") == f"memory plus swap above 64 MiB ({64 * M} bytes)"
