"""blockIO: weights and throttle lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shim.host.facts import HYBRID, LEGACY, UNIFIED
from shim.rules.base import CHANGED, DROPPED, GUARD, HINT, KEPT, UNENFORCEABLE
from shim.rules.io import RULES
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.rules_asked import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

BFQ_V1 = {"blkio.weight": False, "blkio.bfq.weight": True}
BFQ_V2 = {"io.bfq.weight": True, "io.weight": False}
IOCOST = {"io.bfq.weight": False, "io.weight": True}
LISTS = {
    "throttleReadBpsDevice": ("blkio.throttle.read_bps_device", "rbps"),
    "throttleWriteBpsDevice": ("blkio.throttle.write_bps_device", "wbps"),
    "throttleReadIOPSDevice": ("blkio.throttle.read_iops_device", "riops"),
    "throttleWriteIOPSDevice": ("blkio.throttle.write_iops_device", "wiops"),
}


def block(
    members: dict[str, Any],
    layout: str = UNIFIED,
    runtime: str = "runc",
    operation: str = "create",
    files: Mapping[str, bool | None] | None = None,
) -> Answer:
    """The answer for a `blockIO` object."""
    return ask(RULES, {"blockIO": members}, make_host(layout, interface=files), runtime, operation)


def device(rate: int, minor: int = 0) -> dict[str, int]:
    """One throttle entry."""
    return {"major": 8, "minor": minor, "rate": rate}


@pytest.mark.parametrize(
    ("weight", "io_weight"), [(10, 1), (100, 910), (500, 4950), (750, 7475), (1000, 10000)], ids=str
)
def test_weight_by_iocost(weight: int, io_weight: int) -> None:
    """The runtimes' linear map 10..1000 -> 1..10000; vectors from resources table 1.4."""
    answer = block({"weight": weight}, files=IOCOST)
    assert answer.edits == []
    assert answer.shown() == [(2, "io.weight", f"default {io_weight}", "lines")]


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize(
    ("weight", "by_bfq", "else_"),
    [(1, 1, 10), (9, 9, 10), (10, 10, 10), (11, 11, 11), (999, 999, 999), (1000, 1000, 1000), (1001, 1000, 1000)],
    ids=["bfq-min", "below-min", "min", "min+1", "max-1", "max", "above-max"],
)
def test_weight_range(weight: int, by_bfq: int, else_: int, runtime: str) -> None:
    """bfq-iosched.rst: 1 to 1000; the conversion to io.weight wraps around below 10, CFQ began there too."""
    for layout, files, nearest in (
        (UNIFIED, BFQ_V2, by_bfq),
        (LEGACY, BFQ_V1, by_bfq),
        (UNIFIED, IOCOST, else_),
        (LEGACY, {}, else_),
        (UNIFIED, {}, else_),
    ):
        answer = block({"weight": weight}, layout, runtime, files=dict(files))
        assert answer.after == {"blockIO": {"weight": nearest}}
        changed = ("blockio-weight-clamped", HINT, CHANGED)
        assert answer.effect("blockIO.weight") == (("honoured", HINT, KEPT) if nearest == weight else changed)


def test_weight_shown_by_bfq() -> None:
    """block/bfq-cgroup.c prints "default N" on cgroup2 and N alone on v1."""
    assert block({"weight": 300}, files=BFQ_V2).shown() == [(2, "io.bfq.weight", "default 300", "lines")]
    assert block({"weight": 300}, LEGACY, files=BFQ_V1).shown() == [(1, "blkio.bfq.weight", "300", "exact")]


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        (UNIFIED, {"io.bfq.weight": False, "io.weight": False}),
        (HYBRID, {"blkio.weight": False, "blkio.bfq.weight": False}),
    ],
)
def test_weight_without_any_file(layout: str, files: dict[str, bool | None]) -> None:
    """Measured on v1 without BFQ: ENOENT with every runtime."""
    answer = block({"weight": 500}, layout, files=files)
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("blockIO.weight") == ("blockio-weight-unsupported", HINT, DROPPED)


def test_weight_that_old_crun_cannot_find() -> None:
    """crun before 1.8.2 knows blkio.weight only; the version is unknown, so the reason says it."""
    answer = block({"weight": 500}, LEGACY, "crun", files=BFQ_V1)
    assert answer.edits == []
    expected = "passed on unchanged: blkio.bfq.weight; crun before 1.8.2 looks for blkio.weight only"
    assert answer.reason("blockIO.weight") == expected


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_leaf_weight_has_no_place_on_cgroup2(runtime: str) -> None:
    """crun: "cannot set leaf_weight with cgroupv2"; runc drops it silently."""
    answer = block({"leafWeight": 300}, UNIFIED, runtime)
    assert answer.after == {}
    assert answer.effect("blockIO.leafWeight") == ("blockio-leaf-weight-v1-only", HINT, DROPPED)


@pytest.mark.parametrize(("present", "stays"), [(True, True), (None, True), (False, False)])
def test_leaf_weight_on_v1(present: bool | None, stays: bool) -> None:
    """blkio.leaf_weight went with CFQ in kernel 5.0."""
    answer = block({"leafWeight": 300}, LEGACY, files={"blkio.leaf_weight": present})
    assert bool(answer.after) is stays


def test_weight_device_loses_leaf_weights_on_cgroup2() -> None:
    """A leaf weight inside an entry goes alone; an entry of nothing else goes with it."""
    entries = [{"major": 8, "minor": 0, "weight": 300, "leafWeight": 5}, {"major": 8, "minor": 16, "leafWeight": 5}]
    answer = block({"weightDevice": entries}, files={"io.bfq.weight": True})
    assert answer.after == {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 300}]}}
    assert answer.effect("blockIO.weightDevice") == ("blockio-weight-device-fitted", HINT, CHANGED)
    assert answer.shown() == [(2, "io.bfq.weight", "8:0 300", "lines")]


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize(
    ("layout", "files"),
    [
        (UNIFIED, {"io.bfq.weight": False}),
        (LEGACY, {"blkio.weight_device": False, "blkio.bfq.weight_device": False}),
    ],
)
def test_weight_device_without_bfq(layout: str, files: dict[str, bool | None], runtime: str) -> None:
    """Measured: ENOENT with crun and on v1, silently ignored by runc on cgroup2."""
    answer = block({"weightDevice": [{"major": 8, "minor": 0, "weight": 300}]}, layout, runtime, files=files)
    assert answer.after == {}
    assert answer.effect("blockIO.weightDevice") == ("blockio-weight-device-unsupported", HINT, DROPPED)


@pytest.mark.parametrize("key", LISTS)
def test_throttle_on_v1(key: str) -> None:
    """blkio-controller.rst: lines `MAJ:MIN RATE`; rate 0 takes the limit away."""
    file, _ = LISTS[key]
    answer = block({key: [device(1048576), device(0, 16), device(1, 32)]}, LEGACY)
    assert answer.edits == []
    assert answer.shown() == [(1, file, "8:0 1048576", "lines"), (1, file, "8:32 1", "lines")]
    assert answer.effect(f"blockIO.{key}") == ("honoured", GUARD, KEPT)


@pytest.mark.parametrize(
    ("rate", "fitted"),
    [(0, None), (1, 2), (2, 2), (3, 3), (1048576, 1048576)],
    ids=["unlimited", "below-min", "min", "min+1", "usual"],
)
@pytest.mark.parametrize("key", LISTS)
def test_throttle_on_cgroup2(key: str, rate: int, fitted: int | None) -> None:
    """tg_set_limit() in block/blk-throttle.c: 0 is ERANGE, 1 is EINVAL in kernels 5.11 and later."""
    answer = block({key: [device(rate)]})
    assert answer.after == ({} if fitted is None else {"blockIO": {key: [device(fitted)]}})
    words = " ".join(f"{word}={fitted if one == key else 'max'}" for one, (_, word) in LISTS.items())
    assert answer.shown() == ([] if fitted is None else [(2, "io.max", f"8:0 {words}", "lines")])
    assert answer.effect(f"blockIO.{key}")[2] == (KEPT if rate == fitted else CHANGED)


def test_io_max_has_one_line_for_all_lists() -> None:
    """cgroup-v2.rst, io.max: the four words of a device stand in one line, so each list expects the whole of it."""
    answer = block({"throttleReadBpsDevice": [device(4096)], "throttleWriteIOPSDevice": [device(120), device(7, 16)]})
    assert {one[2] for one in answer.shown()} == {
        "8:0 rbps=4096 wbps=max riops=max wiops=120",
        "8:16 rbps=max wbps=max riops=max wiops=7",
    }


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_update_lifts_a_limit_on_cgroup2(runtime: str) -> None:
    """Rate 0 must still mean "no limit": 2^64-1 is the number that the kernel shows as max."""
    entries = [device(0), device(4096, 16)]
    answer = block({"throttleReadBpsDevice": entries}, UNIFIED, runtime, "update")
    assert answer.after["blockIO"]["throttleReadBpsDevice"] == [device(18446744073709551615), device(4096, 16)]
    assert answer.shown() == [(2, "io.max", "8:16 rbps=4096", "lines")]


def test_last_entry_of_a_device_wins() -> None:
    """The kernel takes the lines one after the other."""
    answer = block({"throttleReadBpsDevice": [device(4096), device(0)]})
    assert answer.after["blockIO"]["throttleReadBpsDevice"] == [device(4096), device(18446744073709551615)]
    assert answer.expectations == []


def test_operations_beyond_32_bits_are_no_limit() -> None:
    """blk-throttle.c cuts operations a second to UINT_MAX, which it shows as max."""
    assert block({"throttleReadIOPSDevice": [device(4294967295)]}).expectations == []
    assert block({"throttleReadIOPSDevice": [device(4294967294)]}).expectations != []


def test_a_kernel_without_throttling() -> None:
    """CONFIG_BLK_DEV_THROTTLING=n: no io.max although the controller is there."""
    answer = block({"throttleReadBpsDevice": [device(4096)]}, files={"io.max": False})
    assert answer.after == {}
    assert answer.effect("blockIO.throttleReadBpsDevice") == ("blockio-throttle-unsupported", GUARD, UNENFORCEABLE)


def test_io_in_cgroup2_of_a_hybrid_host() -> None:
    """The throttle list is a guard with a cgroup2 line, the weight a hint that goes."""
    members = {"weight": 500, "throttleReadBpsDevice": [device(4096)]}
    answer = ask(RULES, {"blockIO": members}, made_hybrid(io=2))
    assert answer.after == {}
    assert answer.effect("blockIO.throttleReadBpsDevice") == ("io-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.effect("blockIO.weight") == ("io-in-cgroup2", HINT, DROPPED)
    assert answer.shown() == [(2, "io.max", "8:0 rbps=4096", "lines")]


@pytest.mark.parametrize("members", [{}, {"weight": 0}, {"throttleReadBpsDevice": []}], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_asked_without_the_controller(layout: str, members: dict[str, Any]) -> None:
    """Any blockIO object, even an empty one, makes crun open the io cgroup; runc looks at what is in it."""
    absent = make_host(layout, versions={"io": 0})
    assert ask(RULES, {"blockIO": members}, absent, "crun").after == {}
    assert ask(RULES, {"blockIO": members}, absent, "runc").after == {"blockIO": members}
    assert ask(RULES, {"blockIO": members}, make_host(layout), "crun").after == {"blockIO": members}


@pytest.mark.parametrize("entry", [{}, {"major": 8, "rate": 5}, {"major": 8, "minor": -1, "rate": 5}], ids=str)
def test_malformed_entries(entry: Any) -> None:
    """The schema wants major and minor in every entry, and runtimes would take another device without."""
    (problem,) = block({"throttleReadBpsDevice": [entry], "throttleWriteBpsDevice": [device(4096)]}).problems
    assert problem.field == "blockIO.throttleReadBpsDevice"
    assert problem.what == "not a list of objects with the whole numbers major, minor, rate"


def test_weights_without_a_device() -> None:
    """As for rates; an empty list asks for nothing."""
    (problem,) = block({"weightDevice": [{"minor": 0, "weight": 300}]}).problems
    assert problem.what == "not a list of objects with the whole numbers major, minor"
    assert block({"weightDevice": []}).effect("blockIO.weightDevice") == ("unset", HINT, KEPT)


@pytest.mark.parametrize("entry", [{"major": 8, "minor": 0}, {"major": 8, "minor": 0, "rate": None}], ids=str)
@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_an_entry_without_a_rate(runtime: str, entry: dict[str, Any]) -> None:
    """runc (Go's zero value) and crun read 0, no limit: kept on v1, taken out where cgroup2 would refuse 0."""
    asked = {"blockIO": {"throttleReadBpsDevice": [entry, device(4096)]}}
    left = ask(RULES, asked, make_host(LEGACY), runtime)
    assert (left.after, left.problems, left.shown()) == (
        asked,
        [],
        [(1, "blkio.throttle.read_bps_device", "8:0 4096", "lines")],
    )
    assert ask(RULES, {"blockIO": {"throttleReadBpsDevice": [entry]}}, make_host(LEGACY), runtime).shown() == []
    fitted = ask(RULES, asked, make_host(UNIFIED), runtime)
    assert fitted.after == {"blockIO": {"throttleReadBpsDevice": [device(4096)]}}
    assert ask(RULES, {"blockIO": {"throttleReadBpsDevice": [entry]}}, make_host(UNIFIED), runtime).after == {}


def test_weight_of_a_device_above_the_most() -> None:
    """block/bfq-cgroup.c: 1 to 1000; what is above would fail the start, so the most is set and read back."""
    for layout, file in ((LEGACY, "blkio.bfq.weight_device"), (UNIFIED, "io.bfq.weight")):
        host = make_host(layout, interface={file: True})
        answer = ask(RULES, {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 2000}]}}, host)
        assert answer.after == {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 1000}]}}
        assert answer.shown() == [(1 if layout == LEGACY else 2, file, "8:0 1000", "lines")]


def test_io_weight_is_expected_only_where_it_is_known() -> None:
    """Without knowing that io.weight is there, nothing can be said of what it would show."""
    host = make_host(UNIFIED, interface={"io.bfq.weight": False, "io.weight": None})
    assert ask(RULES, {"blockIO": {"weight": 500}}, host).expectations == []
    host = make_host(UNIFIED, interface={"io.bfq.weight": False, "io.weight": True})
    assert ask(RULES, {"blockIO": {"weight": 500}}, host).shown() == [(2, "io.weight", "default 4950", "lines")]


def test_a_rate_that_is_no_limit_on_v1() -> None:
    """block/blk-throttle.c cuts operations to 32 bit: 4294967295 is "no limit", and the file has no line for it."""
    asked = {"blockIO": {"throttleReadIOPSDevice": [device(4294967295)]}}
    assert ask(RULES, asked, make_host(LEGACY)).expectations == []
    asked = {"blockIO": {"throttleReadIOPSDevice": [device(4294967294)]}}
    assert ask(RULES, asked, make_host(LEGACY)).shown() == [
        (1, "blkio.throttle.read_iops_device", "8:0 4294967294", "lines")
    ]


def test_a_rate_of_bytes_that_is_no_limit() -> None:
    """block/blk-throttle.c: 2^64 - 1 is "max" in both hierarchies; one less is a limit, and is read back."""
    for rate, lines in ((2**64 - 1, []), (2**64 - 2, [f"8:0 {2**64 - 2}"])):
        answer = ask(RULES, {"blockIO": {"throttleReadBpsDevice": [device(rate)]}}, make_host(LEGACY))
        assert [value for _, _, value, _ in answer.shown()] == lines
        answer = ask(RULES, {"blockIO": {"throttleReadBpsDevice": [device(rate)]}}, make_host(UNIFIED))
        assert bool(answer.shown()) == bool(lines)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_leaf_weights_by_their_number(runtime: str) -> None:
    """0 is unset to runc alone; any other number is a hint, set where CFQ is and dropped where it went (Linux 5.0)."""
    there = make_host(LEGACY, interface={"blkio.leaf_weight": True})
    gone = make_host(LEGACY, interface={"blkio.leaf_weight": False})
    asked = {"blockIO": {"leafWeight": 300}}
    assert ask(RULES, asked, there, runtime).shown() == [(1, "blkio.leaf_weight", "300", "exact")]
    assert ask(RULES, asked, gone, runtime).effect("blockIO.leafWeight")[2] == DROPPED
    nothing = ask(RULES, {"blockIO": {"leafWeight": 0}}, gone, runtime)
    assert nothing.after == ({"blockIO": {"leafWeight": 0}} if runtime == "runc" else {})


def test_weight_device_with_nothing_that_fits() -> None:
    """An entry with a leaf weight alone says nothing on cgroup2: the whole field goes."""
    answer = block({"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 300}]}, files={"io.bfq.weight": True})
    assert answer.effect("blockIO.weightDevice") == ("blockio-weight-device-fitted", HINT, DROPPED)
    assert "weightDevice" not in answer.after.get("blockIO", {})
