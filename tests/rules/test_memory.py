"""`linux.resources.memory`: boundary tables for both hierarchies and both runtimes.

Expected numbers: Documentation/admin-guide/cgroup-v1/memory.rst (memsw is memory plus swap, -1 is none),
cgroup-v2.rst (memory.swap.max is swap alone, "max" is none), and recorded runs of runc 1.0 to
1.3 and crun 0.17 to 1.28.
"""

from __future__ import annotations

from typing import Any

import pytest

from shim.enforce.verify import agrees
from shim.host.facts import Fact
from tests.hosts_made import LAYOUTS, make_host
from tests.planned import Planned, planned

M = 1 << 20
MOST = (1 << 63) - 1
V1 = ("hybrid", "legacy")
HONOURED = ("honoured", "guard", "kept")
UNACCOUNTED: dict[str, Any] = {"swap_accounting": Fact(value=False, evidence="/m/memory.memsw.limit_in_bytes: ENOENT")}
NO_SWAP: dict[str, Any] = {"swap_present": Fact(value=False, evidence="/proc/swaps: no device")}


def _plan(layout: str, memory: dict[str, Any], runtime: str = "runc", operation: str = "create") -> Planned:
    return planned({"memory": memory}, make_host(layout), runtime, operation)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("value", [1, 4096, 64 * M, MOST], ids=["1", "page", "64M", "int64"])
def test_limit_is_kept(layout: str, runtime: str, value: int) -> None:
    """A positive limit is every runtime's and kernel's business as it stands."""
    made = _plan(layout, {"limit": value}, runtime)
    assert made.plan.edits == ()
    assert made.effect("memory.limit") == HONOURED
    assert made.shown() == {("memory.max" if layout == "unified" else "memory.limit_in_bytes", str(value))}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [-2, -4096, -(1 << 63)])
@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("limit", "bytes, or -1 for unlimited"),
        ("swap", "bytes of memory plus swap, or -1 for unlimited"),
        ("reservation", "bytes, or -1 for none"),
    ],
)
def test_negative_size(layout: str, value: int, field: str, remedy: str) -> None:
    """Below -1 there is nothing that a kernel takes."""
    made = _plan(layout, {field: value})
    assert made.problems() == [(f"memory.{field}", f"{value} is not a valid size", remedy)]


@pytest.mark.parametrize(
    ("layout", "field", "file"),
    [
        ("unified", "limit", "memory.max"),
        ("unified", "reservation", "memory.low"),
        ("legacy", "reservation", "memory.soft_limit_in_bytes"),
    ],
)
def test_negative_size_that_crun_takes(layout: str, field: str, file: str) -> None:
    """libcrun writes `max` for whatever is below 0 in cgroup2, and an unsigned number for the soft limit."""
    made = _plan(layout, {field: -2}, "crun")
    assert made.after == {"memory": {field: -2}}
    assert made.shown() == {(file, "max")}


@pytest.mark.parametrize("field", ["limit", "swap"])
def test_negative_size_that_v1_refuses_from_crun(field: str) -> None:
    """memparse() takes no sign, so crun's -2 is EINVAL there."""
    made = _plan("legacy", {"limit": 64 * M, field: -2}, "crun")
    assert [what for _, what, _ in made.problems()] == ["-2 is not a valid size"]


def test_negative_swap_that_v1_does_not_count() -> None:
    """Swap is unlimited anyway, and crun passes over a memory.memsw.limit_in_bytes that is not there."""
    made = planned({"memory": {"limit": 64 * M, "swap": -2}}, make_host("legacy", **UNACCOUNTED), "crun", "create")
    assert made.after == {"memory": {"limit": 64 * M}}
    assert made.effect("memory.swap") == ("swap-unlimited", "guard", "changed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zero_limit(layout: str) -> None:
    """runc takes 0 as unset; crun would write it and the container be killed, so it goes."""
    made = _plan(layout, {"limit": 0})
    assert (made.after, made.effect("memory.limit")) == ({"memory": {"limit": 0}}, ("zero-unset", "guard", "kept"))
    made = _plan(layout, {"limit": 0, "swappiness": 1}, "crun")
    assert "limit" not in made.after.get("memory", {})
    assert made.effect("memory.limit") == ("zero-unset", "guard", "changed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unlimited_is_kept(layout: str) -> None:
    """-1 is understood by all where swap is accounted."""
    assert _plan(layout, {"limit": -1}).plan.edits == ()


@pytest.mark.parametrize(
    ("runtime", "operation", "layout", "memory", "stays"),
    [
        ("runc", "create", "unified", {"limit": -1}, False),
        ("other", "create", "unified", {"limit": -1}, False),
        ("crun", "create", "unified", {"limit": -1}, True),
        ("runc", "create", "hybrid", {"limit": -1}, True),
        ("runc", "update", "unified", {"limit": -1}, True),
    ],
    ids=["runc", "other", "crun", "v1", "update"],
)
def test_lone_unlimited_without_swap_accounting(
    runtime: str, operation: str, layout: str, memory: dict[str, int], stays: bool
) -> None:
    """runc up to 1.1 opens memory.swap.max for a lone -1, which is not there; a new cgroup is unlimited anyway."""
    made = planned({"memory": memory}, make_host(layout, **UNACCOUNTED), runtime, operation)
    assert made.after == ({"memory": memory} if stays else {})


# swap, on hosts that account for it; after None: as it was. The rows are the table of memory.swap's meaning.
SWAP: list[tuple[str, dict[str, int], str, str, dict[str, int] | None, tuple[str, str, str], str | None]] = [
    # id, memory, layouts, runtime, after, effect, value in the kernel
    ("more", {"limit": 64 * M, "swap": 96 * M}, "v1", "runc", None, HONOURED, str(96 * M)),
    ("more", {"limit": 64 * M, "swap": 96 * M}, "unified", "runc", None, HONOURED, str(32 * M)),
    ("more", {"limit": 64 * M, "swap": 96 * M}, "unified", "crun", None, HONOURED, str(32 * M)),
    ("equal", {"limit": 64 * M, "swap": 64 * M}, "v1", "runc", None, HONOURED, str(64 * M)),
    ("equal", {"limit": 64 * M, "swap": 64 * M}, "unified", "runc", None, HONOURED, "0"),
    ("one-more", {"limit": 64 * M, "swap": 64 * M + 1}, "unified", "runc", None, HONOURED, "1"),
    ("unlimited", {"limit": 64 * M, "swap": -1}, "v1", "runc", None, HONOURED, "max"),
    ("unlimited", {"limit": 64 * M, "swap": -1}, "unified", "crun", None, HONOURED, "max"),
    ("unlimited-alone", {"swap": -1}, "unified", "runc", None, HONOURED, "max"),
    ("zero", {"limit": 64 * M, "swap": 0}, "v1", "runc", None, ("zero-unset", "guard", "kept"), None),
    ("zero", {"limit": 64 * M, "swap": 0}, "unified", "runc", None, ("zero-unset", "guard", "kept"), None),
    (
        *("zero", {"limit": 64 * M, "swap": 0}, "v1", "crun", {"limit": 64 * M, "swap": 64 * M}),
        *(("zero-swap", "guard", "changed"), str(64 * M)),
    ),
    (
        *("zero", {"limit": 64 * M, "swap": 0}, "unified", "crun", {"limit": 64 * M, "swap": 64 * M}),
        *(("zero-swap", "guard", "changed"), "0"),
    ),
    ("zero-alone", {"swap": 0}, "v1", "crun", {"swappiness": 0}, ("swap-by-swappiness", "guard", "changed"), None),
    ("zero-alone", {"swap": 0}, "unified", "crun", None, ("zero-swap", "guard", "kept"), "0"),
    # crun subtracts the limit even if it is -1: a byte more, which may fill a page
    ("unlimited-memory", {"limit": -1, "swap": 32 * M}, "unified", "crun", None, HONOURED, str(32 * M + 1)),
    ("any-negative", {"limit": 64 * M, "swap": -2}, "unified", "crun", None, HONOURED, "max"),
]


@pytest.mark.parametrize(
    ("memory", "layout", "runtime", "after", "effect", "shown"),
    [
        pytest.param(*row[1:2], layout, *row[3:], id=f"{row[0]}-{layout}-{row[3]}")
        for row in SWAP
        for layout in (V1 if row[2] == "v1" else ("unified",))
    ],
)
def test_swap_where_it_is_accounted(
    *,
    memory: dict[str, int],
    layout: str,
    runtime: str,
    after: dict[str, int] | None,
    effect: tuple[str, str, str],
    shown: str | None,
) -> None:
    """`swap` is memory plus swap: v1 gets it as it is, cgroup2 the difference."""
    made = _plan(layout, memory, runtime)
    assert made.after.get("memory", {}) == (memory if after is None else after)
    assert made.effect("memory.swap") == effect
    file = "memory.swap.max" if layout == "unified" else "memory.memsw.limit_in_bytes"
    assert dict(made.shown()).get(file) == shown


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("limit", "swap"), [(64 * M, 64 * M - 1), (64 * M, 1), (2, 1)], ids=["just", "far", "tiny"])
def test_swap_below_limit(layout: str, limit: int, swap: int) -> None:
    """Memory plus swap cannot be less than memory; v1 kernels say EINVAL, both runtimes refuse."""
    made = _plan(layout, {"limit": limit, "swap": swap})
    what = f"{swap} is less than memory.limit {limit}, and swap is memory plus swap"
    assert made.problems() == [("memory.swap", what, f"at least {limit}; {limit} means no swap at all")]


@pytest.mark.parametrize(
    ("layout", "memory"),
    [("unified", {"swap": 5 * M}), ("hybrid", {"swap": 5 * M}), ("legacy", {"swap": 5 * M, "limit": -1})],
    ids=["unified", "v1", "v1-unlimited"],
)
def test_swap_without_a_limit(layout: str, memory: dict[str, int]) -> None:
    """A number that has nothing to be taken from."""
    what = f"{5 * M} is set without a memory.limit, which kernel and runtimes refuse"
    remedy = "set memory.limit too, or leave memory.swap out"
    assert _plan(layout, memory).problems() == [("memory.swap", what, remedy)]


def test_swap_beside_unlimited_memory_for_runc() -> None:
    """runc before 1.2.1 refuses limit -1 with a number for swap; cgroup2's own key says the same."""
    made = _plan("unified", {"limit": -1, "swap": 5 * M})
    assert made.after == {"memory": {"limit": -1}, "unified": {"memory.swap.max": str(5 * M)}}
    assert made.effect("memory.swap") == ("swap-alone", "guard", "changed")
    assert ("memory.swap.max", str(5 * M)) in made.shown()


@pytest.mark.parametrize("layout", ["hybrid", "legacy"])
def test_swap_beside_a_limit_that_is_none(layout: str) -> None:
    """Both numbers are the largest page counter: v1 limits neither memory nor swap, whether it accounts for swap."""
    memory = {"limit": 2**63 - 1, "swap": 2**63 - 1}
    assert ("memory.memsw.limit_in_bytes", "max") in _plan(layout, memory).shown()
    made = planned({"memory": memory}, make_host(layout, **UNACCOUNTED))
    assert made.after == {"memory": {"limit": 2**63 - 1}}
    assert made.effect("memory.swap") == ("swap-unlimited", "guard", "changed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_swap_alone_in_an_update(layout: str) -> None:
    """The container has a limit of its own, which is not part of the update: the runtime decides."""
    made = _plan(layout, {"swap": 64 * M}, operation="update")
    assert made.plan.edits == ()
    assert made.effect("memory.swap") == ("swap-alone", "guard", "kept")


def test_swap_alone_in_an_update_is_read_back_beside_the_limit() -> None:
    """cgroup2 shows swap alone, so that the container's own memory.max has to be taken off first.

    A limit of 100 MiB and 1000 bytes: runc writes 160 MiB - limit, and the kernel cuts each number to whole pages.
    """
    (expected,) = _plan("unified", {"swap": 160 * M}, operation="update").plan.expectations
    assert (expected.file, expected.beyond) == ("memory.swap.max", "memory.max")
    assert agrees(expected, str(60 * M), str(100 * M))
    assert agrees(expected, str(60 * M - 4096), str(100 * M))
    assert agrees(expected, str(160 * M), "max")
    assert not agrees(expected, str(60 * M - 8192), str(100 * M))
    assert not agrees(expected, str(60 * M + 4096), str(100 * M))
    assert not agrees(expected, "max", str(100 * M))
    assert not agrees(expected, str(160 * M), str(100 * M))


def test_swap_alone_beside_another_limit_in_unified_may_be_less() -> None:
    """runc takes the limit that it has off the sum, and then sets the one of `unified`: less swap, never more."""
    made = planned(
        {"memory": {"swap": 128 * M}, "unified": {"memory.max": str(64 * M)}},
        make_host("unified"),
        "runc",
        operation="update",
    )
    (expected,) = [one for one in made.plan.expectations if one.field == "memory.swap"]
    assert agrees(expected, "0", str(64 * M))
    assert agrees(expected, str(64 * M), str(64 * M))
    assert not agrees(expected, str(65 * M), str(64 * M))
    assert not agrees(expected, "max", str(64 * M))


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_swap_asked_where_it_is_not_accounted(layout: str, runtime: str) -> None:
    """swap == limit: v1 has swappiness 0 as the nearest, cgroup2 nothing."""
    memory = {"limit": 64 * M, "swap": 64 * M}
    made = planned({"memory": memory}, make_host(layout, **UNACCOUNTED), runtime)
    if layout == "unified":
        assert made.after == {"memory": {"limit": 64 * M}}
        assert made.effect("memory.swap") == ("swap-unaccounted", "guard", "unenforceable")
        assert made.lost("memory.swap") == "swap above 0 bytes"
    else:
        assert made.after == {"memory": {"limit": 64 * M, "swappiness": 0}}
        assert made.effect("memory.swap") == ("swap-by-swappiness", "guard", "changed")
        assert ("memory.swappiness", "0") in made.shown()
        assert made.lost("memory.swap") == "swapping of this container under host-wide memory pressure"
    assert "/m/memory.memsw.limit_in_bytes: ENOENT" in made.reason("memory.swap")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_some_swap_asked_where_it_is_not_accounted(layout: str) -> None:
    """A positive amount of swap has no substitute."""
    made = planned({"memory": {"limit": 64 * M, "swap": 65 * M}}, make_host(layout, **UNACCOUNTED))
    assert made.after == {"memory": {"limit": 64 * M}}
    assert made.effect("memory.swap") == ("swap-unaccounted", "guard", "unenforceable")
    assert made.lost("memory.swap") == f"swap above 1 MiB ({M} bytes)"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("swap", [64 * M, 65 * M], ids=["none", "some"])
def test_swap_on_a_host_without_any(layout: str, swap: int) -> None:
    """Not accounted for, but there is nothing to limit: it holds by itself."""
    made = planned({"memory": {"limit": 64 * M, "swap": swap}}, make_host(layout, **UNACCOUNTED, **NO_SWAP))
    assert made.after == {"memory": {"limit": 64 * M}}
    assert made.effect("memory.swap") == ("swap-absent", "guard", "changed")
    assert "/proc/swaps: no device" in made.reason("memory.swap")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unlimited_swap_where_it_is_not_accounted(layout: str) -> None:
    """-1 would make runc open a file that is not there; unlimited it is anyway."""
    made = planned({"memory": {"limit": 64 * M, "swap": -1}}, make_host(layout, **UNACCOUNTED))
    assert made.after == {"memory": {"limit": 64 * M}}
    assert made.effect("memory.swap") == ("swap-unlimited", "guard", "changed")
    assert made.plan.unenforceable == ()


# Fields that only v1 has. after: None as it was, {} gone.
V1_FIELDS: list[tuple[str, Any, str, str, Any, tuple[str, str, str]]] = [
    ("kernel", 5 * M, "unified", "runc", {}, ("kernel-memory", "hint", "dropped")),
    ("kernel", 5 * M, "unified", "crun", {}, ("kernel-memory", "hint", "dropped")),
    ("kernel", 5 * M, "hybrid", "runc", None, ("kernel-memory", "hint", "kept")),
    ("kernel", 5 * M, "hybrid", "crun", None, ("honoured", "hint", "kept")),
    ("kernelTCP", -1, "unified", "crun", {}, ("kernel-memory", "hint", "dropped")),
    ("kernelTCP", 5 * M, "legacy", "crun", None, ("honoured", "hint", "kept")),
    ("swappiness", 0, "unified", "runc", {}, ("swappiness", "hint", "dropped")),
    ("swappiness", 0, "unified", "crun", {}, ("swappiness", "hint", "dropped")),
    ("swappiness", 0, "hybrid", "runc", None, ("honoured", "hint", "kept")),
    ("swappiness", 100, "hybrid", "runc", None, ("honoured", "hint", "kept")),
    ("swappiness", 200, "hybrid", "crun", None, ("honoured", "hint", "kept")),
    ("disableOOMKiller", True, "unified", "runc", {}, ("oom-killer", "hint", "dropped")),
    ("disableOOMKiller", True, "unified", "crun", {}, ("oom-killer", "hint", "dropped")),
    ("disableOOMKiller", False, "unified", "crun", None, ("default", "hint", "kept")),
    ("disableOOMKiller", True, "legacy", "runc", None, ("honoured", "hint", "kept")),
    ("useHierarchy", True, "unified", "crun", {}, ("hierarchy", "hint", "changed")),
    ("useHierarchy", False, "unified", "crun", {}, ("hierarchy", "hint", "dropped")),
    ("useHierarchy", True, "hybrid", "crun", None, ("honoured", "hint", "kept")),
    ("useHierarchy", False, "hybrid", "crun", {}, ("hierarchy", "hint", "dropped")),
    ("useHierarchy", False, "hybrid", "runc", None, ("hierarchy", "hint", "kept")),
    ("checkBeforeUpdate", True, "unified", "runc", None, ("honoured", "hint", "kept")),
    ("checkBeforeUpdate", True, "hybrid", "runc", None, ("checked-by-kernel", "hint", "kept")),
    ("checkBeforeUpdate", False, "unified", "crun", None, ("default", "hint", "kept")),
    ("reservation", 5 * M, "unified", "runc", None, ("honoured", "hint", "kept")),
    ("reservation", 5 * M, "hybrid", "runc", None, ("honoured", "hint", "kept")),
    ("reservation", 0, "unified", "runc", None, ("zero-unset", "hint", "kept")),
]


@pytest.mark.parametrize(
    ("field", "value", "layout", "runtime", "after", "effect"),
    V1_FIELDS,
    ids=[f"{row[0]}-{row[1]}-{row[2]}-{row[3]}" for row in V1_FIELDS],
)
def test_other_fields(
    *, field: str, value: object, layout: str, runtime: str, after: object, effect: tuple[str, str, str]
) -> None:
    """What cgroup2 does not have is taken out before crun refuses or runc ignores it, and is said so."""
    made = _plan(layout, {field: value}, runtime)
    assert made.after == ({"memory": {field: value}} if after is None else {})
    assert made.effect(f"memory.{field}") == effect


@pytest.mark.parametrize(
    ("value", "layout", "file", "shown"),
    [
        (5 * M, "unified", "memory.low", str(5 * M)),
        (-1, "unified", "memory.low", "max"),
        (5 * M, "legacy", "memory.soft_limit_in_bytes", str(5 * M)),
    ],
)
def test_reservation_is_read_back_from(value: int, layout: str, file: str, shown: str) -> None:
    """The soft limit's file in either hierarchy."""
    assert _plan(layout, {"reservation": value}).shown() == {(file, shown)}


@pytest.mark.parametrize(("runtime", "value", "most"), [("runc", 101, 100), ("crun", 201, 200)])
def test_swappiness_above_the_range(runtime: str, value: int, most: int) -> None:
    """runc takes 0 to 100, kernels since 5.8 (and crun) up to 200."""
    problems = _plan("hybrid", {"swappiness": value}, runtime).problems()
    assert problems == [("memory.swappiness", f"{value} is above {most}", f"0 to {most}")]


def test_swappiness_above_the_range_in_an_update() -> None:
    """update.go of runc reads no swappiness, so the number is refused by nobody."""
    made = _plan("hybrid", {"swappiness": 200}, "runc", "update")
    assert made.problems() == []
    assert made.effect("memory.swappiness") == ("swappiness", "hint", "kept")


def test_unlimited_pair_without_swap_accounting() -> None:
    """Without the swap that goes, the limit of -1 stands alone, which runc up to 1.1 fails on: both go at once."""
    made = planned({"memory": {"limit": -1, "swap": -1}}, make_host("unified", **UNACCOUNTED))
    assert made.after == {}


def test_check_before_update_needs_swap_files_for_crun() -> None:
    """crun reads memory.swap.current, which is missing if swap is not accounted."""
    made = planned({"memory": {"checkBeforeUpdate": True}}, make_host("unified", **UNACCOUNTED), "crun")
    assert made.after == {}
    assert made.effect("memory.checkBeforeUpdate") == ("check-needs-swap", "hint", "dropped")


@pytest.mark.parametrize("layout", V1)
def test_memory_controller_nowhere(layout: str) -> None:
    """Guards are unenforceable, hints dropped, unlimited needs no controller."""
    memory = {"limit": 64 * M, "swap": 96 * M, "reservation": M, "swappiness": 5, "kernel": M}
    made = planned({"memory": memory}, make_host(layout, versions={"memory": 0}))
    assert made.after == {}
    assert made.effect("memory.limit") == ("memory-nowhere", "guard", "unenforceable")
    assert made.lost("memory.limit") == f"memory above 64 MiB ({64 * M} bytes)"
    assert made.effect("memory.swap") == ("memory-nowhere", "guard", "unenforceable")
    assert made.lost("memory.swap") == f"swap above 32 MiB ({32 * M} bytes)"
    for field in ("reservation", "swappiness", "kernel"):
        assert made.effect(f"memory.{field}") == ("memory-nowhere", "hint", "dropped")
    made = planned({"memory": {"limit": -1, "swap": -1}}, make_host(layout, versions={"memory": 0}))
    assert (made.after, made.plan.unenforceable) == ({}, ())


def test_memory_controller_in_cgroup2_only() -> None:
    """On a hybrid host whose memory controller is on cgroup2 the limits are handed to the bridge."""
    memory = {"limit": 64 * M, "swap": 96 * M}
    made = planned({"memory": memory}, make_host("hybrid", versions={"memory": 2}))
    assert made.after == {}
    assert made.shown() == {("memory.max", str(64 * M)), ("memory.swap.max", str(32 * M))}
    assert {(one.file, one.value) for one in made.plan.bridge} == made.shown()
    assert made.plan.unenforceable == ()


UNSET = 18446744073709551615  # -1 in 64 unsigned bits, which Docker wrote into swappiness for "unset"


@pytest.mark.parametrize("layout", ["hybrid", "legacy", "unified"])
def test_swappiness_that_docker_left_unset(layout: str) -> None:
    """runc reads it as unset (fs/memory.go); crun would write the number, which no kernel takes, so it goes."""
    kept, gone = (_plan(layout, {"limit": 64 * M, "swappiness": UNSET}, runtime) for runtime in ("runc", "crun"))
    assert kept.after == {"memory": {"limit": 64 * M, "swappiness": UNSET}}
    assert kept.effect("memory.swappiness") == ("unset", "hint", "kept")
    assert gone.after == {"memory": {"limit": 64 * M}}
    assert gone.effect("memory.swappiness") == ("unset", "hint", "changed")
    assert kept.problems() == gone.problems() == []
    assert not any(file == "memory.swappiness" for made in (kept, gone) for file, _ in made.shown())


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
def test_unified_swap_beside_swap_alone(runtime: str) -> None:
    """cgroup2: runtimes write `unified` last, so its memory.swap.max counts, not the number of the classic field."""
    asked = {"memory": {"limit": -1, "swap": 96 * M}, "unified": {"memory.swap.max": "32M"}}
    made = planned(asked, make_host("unified"), runtime)
    assert made.after == {"memory": {"limit": -1}, "unified": {"memory.swap.max": "32M"}}
    assert made.effect("memory.swap") == ("unified-wins", "guard", "changed")
    assert ("memory.swap.max", "32M") in made.shown()
    assert not {value for file, value in made.shown() if file == "memory.swap.max"} - {"32M"}


@pytest.mark.parametrize("left", [{}, {"disableOOMKiller": False}, {"checkBeforeUpdate": False}], ids=str)
def test_nothing_asked_of_a_memory_controller_that_is_not_there(left: dict[str, Any]) -> None:
    """crun opens the memory cgroup on v1 for any such object and fails; runc does not look."""
    host = make_host("hybrid", versions={"memory": 0})
    assert planned({"memory": left}, host, "crun").after == {}
    assert planned({"memory": left}, host, "runc").after == {"memory": left}
    assert planned({"memory": left}, make_host("hybrid"), "crun").after == {"memory": left}


def test_swap_without_a_limit_in_an_update_of_cgroup2() -> None:
    """Memory in cgroup2 of a hybrid: the limit tells what of it is swap, so nothing is bridged, and that is said."""
    made = planned({"memory": {"swap": 96 * M}}, make_host("hybrid", versions={"memory": 2}), operation="update")
    assert (made.plan.expectations, made.plan.bridge) == ((), ())
    assert made.effect("memory.swap") == ("memory-in-cgroup2", "guard", "unenforceable")


def test_swappiness_in_the_place_of_swap_is_a_guard_in_the_second_plan() -> None:
    """What stands for "no swap" refuses a kernel that shows 60, also where the plan is made again (hook, restart)."""
    host = make_host("legacy", swap_accounting=Fact(value=False, evidence="no memory.memsw.*"))
    first = planned({"memory": {"limit": 64 * M, "swap": 64 * M}}, host)
    assert first.after == {"memory": {"limit": 64 * M, "swappiness": 0}}
    again = planned(first.after, host)
    (shown,) = [one for one in again.plan.expectations if one.file == "memory.swappiness"]
    assert (shown.kind, shown.value, shown.shape) == ("guard", "0", "exact")


def test_an_update_lifts_what_only_cgroup2_limits() -> None:
    """-1 in an update takes away what the bridge set at the start; a new container has nothing to take away."""
    host = make_host("hybrid", versions={"memory": 2})
    for runtime in ("runc", "crun"):
        made = planned({"memory": {"limit": -1, "swap": -1}}, host, runtime, "update")
        assert {(one.file, one.value) for one in made.plan.bridge} == {
            ("memory.max", "max"),
            ("memory.swap.max", "max"),
        }
        assert made.effect("memory.limit") == ("bridged", "guard", "changed")
        assert planned({"memory": {"limit": -1, "swap": -1}}, host, runtime).plan.bridge == ()


def test_what_is_lost_of_swap_without_a_limit() -> None:
    """memory.limit -1 leaves the number for swap alone: all of it is named where swap is not accounted."""
    counted = Fact(value=False, evidence="memory.swap.max: ENOENT")
    host = make_host("hybrid", versions={"memory": 2}, swap_accounting=counted)
    made = planned({"memory": {"limit": -1, "swap": 96 * M}}, host)
    assert made.effect("memory.swap") == ("swap-unaccounted", "guard", "unenforceable")
    assert made.lost("memory.swap") == f"swap above 96 MiB ({96 * M} bytes)"


def test_no_limit_of_swap_is_shown_as_the_largest_number_on_v1() -> None:
    """cgroup-v1/memory.rst: "no limit" is the page counter's largest value, which is what -1 must be read back as."""
    made = planned({"memory": {"limit": -1, "swap": -1}}, make_host("legacy"))
    (swap,) = [one for one in made.plan.expectations if one.file == "memory.memsw.limit_in_bytes"]
    assert agrees(swap, "9223372036854771712\n")
    assert not agrees(swap, "67108864\n")


def test_swappiness_beside_an_unset_swap_is_a_wish_of_its_own() -> None:
    """runc takes swap 0 as unset: then a swappiness of 0 stands for nothing else, and stays a hint."""
    host = make_host("legacy", swap_accounting=Fact(value=False, evidence="no memory.memsw.*"))
    made = planned({"memory": {"limit": 64 * M, "swap": 0, "swappiness": 0}}, host)
    (shown,) = [one for one in made.plan.expectations if one.file == "memory.swappiness"]
    assert shown.kind == "hint"


@pytest.mark.parametrize("key", ["kernel", "kernelTCP"])
@pytest.mark.parametrize(("memory_in", "code"), [(2, "memory-in-cgroup2"), (0, "memory-nowhere")])
def test_kernel_memory_without_the_controller(key: str, memory_in: int, code: str) -> None:
    """A hint whose controller v1 does not have is dropped; cgroup2 has no file for it either."""
    made = planned({"memory": {key: 64 * M}}, make_host("hybrid", versions={"memory": memory_in}))
    assert made.effect(f"memory.{key}") == (code, "hint", "dropped")
    assert made.plan.bridge == ()


@pytest.mark.parametrize("key", ["kernel", "kernelTCP"])
def test_kernel_memory_without_its_file(key: str) -> None:
    """Linux 6.16 has no memory.kmem.* any more: the hint is dropped, and the file is named."""
    file = "memory.kmem.tcp.limit_in_bytes" if key == "kernelTCP" else "memory.kmem.limit_in_bytes"
    made = planned({"memory": {key: 64 * M}}, make_host("legacy", interface={file: False}))
    assert made.effect(f"memory.{key}") == ("kernel-memory", "hint", "dropped")
    assert made.reason(f"memory.{key}") == f"this kernel has no {file}"
