"""`unified` key by key: on v1 the classic field for the same limit, on cgroup2 as it stands.

Expected numbers: Documentation/admin-guide/cgroup-v2.rst for what a file takes, cgroup-v1/*.rst for the counterpart,
and for io.weight the runtimes' conversion 1 + (weight - 10) * 9999 / 990 with their own test vectors.
"""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import Fact
from shim.rules import unified
from tests.hosts_made import make_host
from tests.planned import Planned, planned

M = 1 << 20
MOST = (1 << 63) - 1
V1 = ("hybrid", "legacy")
RATE = (1 << 64) - 1
BFQ = {"blkio.bfq.weight": True, "blkio.weight": False}
BYTES = "memory.max takes bytes below 2^64, also with a suffix K, M, G, or 'max'"
NO_SWAP_COUNTED: dict[str, Any] = {"swap_accounting": Fact(value=False, evidence="memory.swap.max: ENOENT")}


def _memory(**fields: int) -> dict[str, Any]:
    return {"memory": fields}


# id: (unified, what becomes of it on v1 with runc)
TRANSLATED: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "memory.max": ({"memory.max": "67108864"}, _memory(limit=64 * M)),
    "memory.max-least": ({"memory.max": "1"}, _memory(limit=1)),
    # The kernel counts pages up to 2^63 bytes, which is "max" to it.
    "memory.max-most": ({"memory.max": str(MOST)}, _memory(limit=-1)),
    "memory.max-beyond": ({"memory.max": str((1 << 64) - 1)}, _memory(limit=-1)),
    "memory.max-beyond-no-swap": ({"memory.max": "8E", "memory.swap.max": "0"}, _memory(limit=-1, swappiness=0)),
    # The runtimes read 0 as "no limit"; the kernel rounds a byte down to no page, as it does 0 in memory.max.
    "memory.max-0": ({"memory.max": "0"}, _memory(limit=1)),
    "memory.max-0K": ({"memory.max": "0K"}, _memory(limit=1)),
    "memory.max-blank": ({"memory.max": " \n"}, _memory(limit=1)),
    "memory.max-0-no-swap": ({"memory.max": "0", "memory.swap.max": "0"}, _memory(limit=1, swap=1)),
    "swap-beyond": ({"memory.max": "64M", "memory.swap.max": str(MOST)}, _memory(limit=64 * M, swap=-1)),
    # PAGE_COUNTER_MAX in bytes, with a margin for the largest page: no limit from there on.
    "swap-no-limit": (
        {"memory.max": "64M", "memory.swap.max": str(2**63 - 2**31)},
        _memory(limit=64 * M, swap=-1),
    ),
    "swap-most": (
        {"memory.max": "2G", "memory.swap.max": str(2**63 - 2**31 - 1)},
        _memory(limit=2**31, swap=MOST),
    ),
    "swap-above-most": (
        {"memory.max": "2147483649", "memory.swap.max": str(2**63 - 2**31 - 1)},
        _memory(limit=2**31 + 1, swap=-1),
    ),
    "memory.max-max": ({"memory.max": "max"}, _memory(limit=-1)),
    "memory.max-K": ({"memory.max": "64K"}, _memory(limit=65536)),
    "memory.max-m": ({"memory.max": "64m"}, _memory(limit=64 * M)),
    "memory.max-G": ({"memory.max": "2G"}, _memory(limit=2048 * M)),
    "memory.max-T": ({"memory.max": "1T"}, _memory(limit=1 << 40)),
    "memory.max-newline": ({"memory.max": "64M\n"}, _memory(limit=64 * M)),
    "no-swap": ({"memory.max": "64M", "memory.swap.max": "0"}, _memory(limit=64 * M, swap=64 * M)),
    "no-swap-other-order": ({"memory.swap.max": "0", "memory.max": "64M"}, _memory(limit=64 * M, swap=64 * M)),
    "some-swap": ({"memory.max": "64M", "memory.swap.max": "1M"}, _memory(limit=64 * M, swap=65 * M)),
    "one-byte": ({"memory.max": "64M", "memory.swap.max": "1"}, _memory(limit=64 * M, swap=64 * M + 1)),
    "any-swap": ({"memory.max": "64M", "memory.swap.max": "max"}, _memory(limit=64 * M, swap=-1)),
    "no-swap-alone": ({"memory.swap.max": "0"}, _memory(swappiness=0)),
    "no-swap-unlimited": ({"memory.max": "max", "memory.swap.max": "0"}, _memory(limit=-1, swappiness=0)),
    "memory.low": ({"memory.low": "32M"}, _memory(reservation=32 * M)),
    "memory.low-max": ({"memory.low": "max"}, _memory(reservation=-1)),
    "memory.min": ({"memory.min": "32M"}, _memory(reservation=32 * M)),
    "low-and-min": ({"memory.low": "32M", "memory.min": "8M"}, _memory(reservation=32 * M)),
    "min-and-low": ({"memory.min": "40M", "memory.low": "32M"}, _memory(reservation=40 * M)),
    "memory.high": ({"memory.high": "48M"}, _memory(reservation=48 * M)),
    "memory.high-max": ({"memory.high": "max"}, {}),
    "cpu.max": ({"cpu.max": "50000 100000"}, {"cpu": {"quota": 50000, "period": 100000}}),
    "cpu.max-quota": ({"cpu.max": "50000"}, {"cpu": {"quota": 50000}}),
    "cpu.max-least": ({"cpu.max": "1000 1000"}, {"cpu": {"quota": 1000, "period": 1000}}),
    "cpu.max-max": ({"cpu.max": "max 100000"}, {"cpu": {"quota": -1, "period": 100000}}),
    "cpu.max-only-max": ({"cpu.max": "max"}, {"cpu": {"quota": -1}}),
    "cpu.weight-least": ({"cpu.weight": "1"}, {"cpu": {"shares": 2}}),
    "cpu.weight-default": ({"cpu.weight": "100"}, {"cpu": {"shares": 1024}}),
    "cpu.weight-most": ({"cpu.weight": "10000"}, {"cpu": {"shares": 262144}}),
    "cpuset": ({"cpuset.cpus": "0-1", "cpuset.mems": "0"}, {"cpu": {"cpus": "0-1", "mems": "0"}}),
    "pids.max": ({"pids.max": "32"}, {"pids": {"limit": 32}}),
    "pids.max-0": ({"pids.max": "0"}, {"pids": {"limit": 1}}),
    "pids.max-1": ({"pids.max": "1"}, {"pids": {"limit": 1}}),
    "pids.max-most": ({"pids.max": "4194304"}, {"pids": {"limit": 4194304}}),
    "pids.max-max": ({"pids.max": "max"}, {"pids": {"limit": -1}}),
    "hugetlb": ({"hugetlb.2MB.max": "4M"}, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * M}]}),
    "hugetlb-max": ({"hugetlb.2MB.max": "max"}, {}),
    "io.max": (
        {"io.max": "8:0 rbps=1048576 wiops=120 wbps=max"},
        {
            "blockIO": {
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": M}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 120}],
            }
        },
    ),
    "io.max-two-lines": (
        {"io.max": "8:0 rbps=5\n\n8:16 rbps=6"},
        {
            "blockIO": {
                "throttleReadBpsDevice": [
                    {"major": 8, "minor": 0, "rate": 5},
                    {"major": 8, "minor": 16, "rate": 6},
                ]
            }
        },
    ),
    "rdma": (
        {"rdma.max": "mlx4_0 hca_handle=2 hca_object=2000\n\nocrdma1 hca_handle=3 hca_object=max"},
        {"rdma": {"mlx4_0": {"hcaHandles": 2, "hcaObjects": 2000}, "ocrdma1": {"hcaHandles": 3}}},
    ),
    "io.max-rate-most": (
        {"io.max": f"8:0 rbps={RATE}"},
        {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": RATE}]}},
    ),
    "empty": ({"memory.max": "", "pids.max": "", "cpuset.cpus": " \n"}, {}),
}


@pytest.mark.parametrize("layout", V1)
@pytest.mark.parametrize(("keys", "after"), TRANSLATED.values(), ids=TRANSLATED)
def test_translated_on_v1(layout: str, keys: dict[str, str], after: dict[str, Any]) -> None:
    """Each key becomes the classic field, and `unified`, which every runtime refuses there, goes."""
    made = planned({"unified": keys}, make_host(layout))
    assert made.after == after
    assert made.problems() == []
    assert made.plan.unenforceable == ()
    assert {f"unified.{key}" for key in keys} <= {note.field for note in made.plan.notes}


@pytest.mark.parametrize("layout", V1)
def test_removal_without_a_value_is_said(layout: str) -> None:
    """An edit has a note that says what it does: a key that sets nothing, no key at all in an update."""
    reason = "an empty value sets nothing, and runtimes refuse unified on v1"
    made = planned({"unified": {"pids.max": ""}}, make_host(layout))
    assert made.effect("unified.pids.max") == ("empty", "guard", "changed")
    assert made.reason("unified.pids.max") == reason
    for keys in ({}, {"pids.max": None}):
        made = planned({"unified": keys}, make_host(layout), operation="update")
        assert made.after == {}
        assert made.effect("unified") == ("empty", "hint", "changed")
        assert made.reason("unified") == "no key has a value, and runtimes refuse unified on v1"


# block/bfq-iosched.rst and cgroup-v2.rst "IO Interface Files": both have the default 100; BFQ ends at 1000.
WEIGHTS = [("io.weight", 1, 1), ("io.weight", 100, 100), ("io.weight", 999, 999), ("io.weight", 1000, 1000)]


@pytest.mark.parametrize(("key", "value", "weight"), [*WEIGHTS, ("io.bfq.weight", 500, 500)])
def test_io_weight(key: str, value: int, weight: int) -> None:
    """The same weight means the same beside the other cgroups, which have the default; nothing is lost."""
    for written in (f"default {value}", str(value)):
        made = planned({"unified": {key: written}}, make_host("hybrid", interface=BFQ))
        assert made.after == {"blockIO": {"weight": weight}}
        assert made.lost(f"unified.{key}") == ""


@pytest.mark.parametrize("written", ["1001", "default 10000", "default 50\n8:0 10000"])
def test_io_weight_above_bfqs_most(written: str) -> None:
    """BFQ takes 1 to 1000: what is above is set to the most, and said."""
    made = planned({"unified": {"io.weight": written}}, make_host("hybrid", interface=BFQ))
    weights = made.after["blockIO"]
    assert 1000 in (weights["weight"], weights.get("weightDevice", [{}])[0].get("weight"))
    assert made.lost("unified.io.weight") == "the share above 1000, which is the most here"


@pytest.mark.parametrize(("value", "weight"), [(1, 10), (100, 500), (10000, 1000)])
def test_io_weight_for_cfq(value: int, weight: int) -> None:
    """cgroup-v1/blkio-controller.rst of kernels before 5.0: 10 to 1000, default 500; default becomes default."""
    made = planned({"unified": {"io.weight": str(value)}}, make_host("legacy", interface={"blkio.weight": True}))
    assert made.after == {"blockIO": {"weight": weight}}


@pytest.mark.parametrize("key", ["io.weight", "io.bfq.weight"])
def test_a_weight_does_not_make_crun_fail(key: str) -> None:
    """crun before 1.8.2 opens blkio.weight alone, which went in kernel 5.0: the hint goes, the container starts."""
    made = planned({"unified": {key: "100"}}, make_host("legacy", interface=BFQ), "crun")
    assert made.after == {}
    assert made.effect(f"unified.{key}") == ("unified-without-counterpart", "hint", "dropped")


NUMBER = "is not a number from"
# key, value, what is wrong, what the file takes: `max` only where the kernel's document has it.
MALFORMED = [
    *(
        ("memory.max", value, f"{value!r} is not a valid size", BYTES)
        for value in ("-1", "64MB", "K", "1.5G", "0x40", "010", "٣", str(1 << 64), "16E")
    ),
    ("cpu.max", "0", f"'0' {NUMBER} 1 to {MOST}", f"cpu.max takes a number from 1 to {MOST} as quota, or 'max'"),
    ("cpu.max", "a b c", "'a b c' has more than two words", "cpu.max takes 'QUOTA PERIOD' or 'max PERIOD'"),
    ("cpu.max", "5000 max", f"'max' {NUMBER} 1 to {MOST}", f"cpu.max takes a number from 1 to {MOST} as period"),
    ("cpu.weight", "0", f"'0' {NUMBER} 1 to 10000", "cpu.weight takes a number from 1 to 10000"),
    ("cpu.weight", "10001", f"'10001' {NUMBER} 1 to 10000", "cpu.weight takes a number from 1 to 10000"),
    ("cpu.weight", "max", f"'max' {NUMBER} 1 to 10000", "cpu.weight takes a number from 1 to 10000"),
    ("cpu.idle", "2", f"'2' {NUMBER} 0 to 1", "cpu.idle takes a number from 0 to 1"),
    ("pids.max", "-1", f"'-1' {NUMBER} 0 to 4194304", "pids.max takes a number from 0 to 4194304, or 'max'"),
    ("pids.max", "4194305", f"'4194305' {NUMBER} 0 to 4194304", "pids.max takes a number from 0 to 4194304, or 'max'"),
    ("pids.max", " \n", "white space is not a value", "give pids.max a value"),
    ("io.max", "sda rbps=1", "'sda rbps=1' does not begin with MAJ:MIN", "io.max takes lines 'MAJ:MIN …'"),
    ("io.max", "8:0 bps=1", "'bps=1' is not a throttle", "io.max takes 'MAJ:MIN rbps=N wbps=N riops=N wiops=N'"),
    ("io.max", "8:0 rbps", f"'' {NUMBER} 1 to {RATE}", f"io.max takes a number from 1 to {RATE}, or 'max'"),
    ("io.max", "8:0 rbps=0", f"'0' {NUMBER} 1 to {RATE}", f"io.max takes a number from 1 to {RATE}, or 'max'"),
    ("io.weight", "default", f"'default' {NUMBER} 1 to 10000", "io.weight takes a number from 1 to 10000"),
    ("io.weight", "8:0", f"'8:0' {NUMBER} 1 to 10000", "io.weight takes a number from 1 to 10000"),
    ("rdma.max", "mlx hca=1", "'hca=1' is not an RDMA limit", "rdma.max takes 'DEVICE hca_handle=N hca_object=N'"),
    (
        "rdma.max",
        "mlx hca_handle=-1",
        f"'-1' {NUMBER} 0 to 2147483647",
        "rdma.max takes a number from 0 to 2147483647, or 'max'",
    ),
]


@pytest.mark.parametrize(("key", "value", "what", "remedy"), MALFORMED, ids=[f"{r[0]}={r[1]}" for r in MALFORMED])
def test_malformed_on_v1(key: str, value: str, what: str, remedy: str) -> None:
    """What no kernel takes is an error that says how to write it, never a guess."""
    made = planned({"unified": {key: value}}, make_host("hybrid"))
    assert made.problems() == [(f"unified.{key}", what, remedy)]


WITHOUT = {
    "hints": (["memory.oom.group", "memory.swap.high", "cpu.uclamp.max", "io.latency", "cgroup.max.depth"], "dropped"),
    "guards": (["misc.max", "dmem.max", "hugetlb.2MB.rsvd.max", "memory.future", "future.max"], "unenforceable"),
}


@pytest.mark.parametrize(
    ("key", "effect"), [(key, effect) for keys, effect in WITHOUT.values() for key in keys], ids=str
)
def test_without_counterpart_on_v1(key: str, effect: str) -> None:
    """A known hint is dropped with a notice; what is not known may be a limit and counts as one."""
    made = planned({"unified": {key: "5"}}, make_host("hybrid"))
    assert made.after == {}
    code, _, found = made.effect(f"unified.{key}")
    assert (code, found) == ("unified-without-counterpart", effect)
    assert made.lost(f"unified.{key}") == f"{key}=5"


def test_no_limit_in_cgroup2_of_a_hybrid() -> None:
    """`max` asks for nothing in a new container: a guard says so, a hint is written as any other."""
    host = make_host("hybrid", versions={"memory": 2})
    guard, hint = (planned({"unified": {key: "max"}}, host) for key in ("memory.max", "memory.high"))
    assert guard.effect("unified.memory.max") == ("unlimited", "guard", "changed")
    assert hint.effect("unified.memory.high") == ("bridged", "hint", "changed")
    assert [(one.file, one.kind) for one in hint.plan.bridge] == [("memory.high", "hint")]


def test_what_the_host_is_asked() -> None:
    """Swap's files where a key is about memory, and no file for a key that no rule looks a file up for."""
    assert set(unified.probes({"unified": {"memory.swap.max": "0"}})) == {
        "memory.swap.max",
        "memory.memsw.limit_in_bytes",
    }
    assert unified.probes({"unified": {"pids.max": "5"}}) == ()
    assert unified.probes({"unified": None}) == ()


def test_no_limit_needs_no_counterpart() -> None:
    """`max` in a file that v1 does not have loses nothing."""
    made = planned({"unified": {"misc.max": "max"}}, make_host("hybrid"))
    assert made.effect("unified.misc.max") == ("unlimited", "guard", "changed")
    assert made.plan.unenforceable == ()


@pytest.mark.parametrize("runtime", ["runc", "other"])
def test_a_weight_that_only_crun_cannot_write(runtime: str) -> None:
    """BFQ's file alone is enough for runtimes other than crun before 1.8.2."""
    made = planned({"unified": {"io.weight": "100"}}, make_host("legacy", interface=BFQ), runtime)
    assert made.after == {"blockIO": {"weight": 100}}


def test_swap_that_v1_cannot_express() -> None:
    """v1 limits memory plus swap only, so swap without a memory limit is unenforceable."""
    made = planned({"unified": {"memory.swap.max": "5M"}}, make_host("hybrid"))
    assert made.effect("unified.memory.swap.max") == ("unified-without-counterpart", "guard", "unenforceable")


WINS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "memory": ({"memory": {"limit": 5 * M}, "unified": {"memory.max": "9M"}}, _memory(limit=9 * M)),
    # On cgroup2 the classic pair would be 3 MiB of swap, whatever memory.max says.
    "memory-and-classic-swap": (
        {"memory": {"limit": 5 * M, "swap": 8 * M}, "unified": {"memory.max": "9M"}},
        _memory(limit=9 * M, swap=12 * M),
    ),
    # No host has 2^62 bytes. A pair of such a limit would allow as much swap; "no swap" is what was asked for.
    "memory-beyond-and-no-swap": (
        {"memory": {"limit": 5 * M, "swap": 5 * M}, "unified": {"memory.max": str(1 << 62)}},
        _memory(limit=-1, swappiness=0),
    ),
    "memory-within-and-no-swap": (
        {"memory": {"limit": 5 * M, "swap": 5 * M}, "unified": {"memory.max": str((1 << 62) - 1)}},
        _memory(limit=(1 << 62) - 1, swap=(1 << 62) - 1),
    ),
    "swap": (
        {"memory": {"limit": 5 * M, "swap": 8 * M}, "unified": {"memory.swap.max": "1M"}},
        _memory(limit=5 * M, swap=6 * M),
    ),
    "both": (
        {"memory": {"limit": 5 * M, "swap": 8 * M}, "unified": {"memory.max": "9M", "memory.swap.max": "0"}},
        _memory(limit=9 * M, swap=9 * M),
    ),
    "pids": ({"pids": {"limit": 5}, "unified": {"pids.max": "9"}}, {"pids": {"limit": 9}}),
    "cpu-period": (
        # A cpu.max of one number keeps the period that was set (kernel/sched/core.c, cpu_max_write()).
        {"cpu": {"quota": 9, "period": 7000}, "unified": {"cpu.max": "5000"}},
        {"cpu": {"quota": 5000, "period": 7000}},
    ),
    "hugetlb": (
        {
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9}, {"pageSize": "1GB", "limit": 8}],
            "unified": {"hugetlb.2MB.max": "max"},
        },
        {"hugepageLimits": [{"pageSize": "1GB", "limit": 8}]},
    ),
    "io-max": (
        {
            "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]},
            "unified": {"io.max": "8:0 rbps=max"},
        },
        {},
    ),
}


@pytest.mark.parametrize(("resources", "after"), WINS.values(), ids=WINS)
def test_unified_wins_over_classic(resources: dict[str, Any], after: dict[str, Any]) -> None:
    """As in the runtimes on cgroup2, which write `unified` last."""
    assert planned(resources, make_host("hybrid")).after == after


def test_winning_is_reported() -> None:
    """The note says which value lost."""
    made = planned({"pids": {"limit": 5}, "unified": {"pids.max": "9"}}, make_host("hybrid"))
    assert made.effect("unified.pids.max") == ("unified-wins", "guard", "changed")
    assert "unified wins over pids.limit (5)" in made.reason("unified.pids.max")


@pytest.mark.parametrize("layout", V1)
def test_empty_object_on_v1(layout: str) -> None:
    """{} is harmless in a create and left alone; `runc update` refuses it."""
    assert planned({"unified": {}}, make_host(layout)).plan.edits == ()
    assert planned({"unified": {}}, make_host(layout), operation="update").after == {}


def _on_v2(key: str, value: str, runtime: str = "runc", **host: Any) -> Planned:
    return planned({"unified": {key: value}}, make_host("unified", **host), runtime)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("memory.max", "64M"), ("memory.swap.max", "0"), ("cpu.max", "max 100000"), ("pids.max", "32")),
        *(("cgroup.max.depth", "1"), ("memory.high", ""), ("io.latency", "8:0 target=5")),
    ],
    ids=str,
)
def test_kept_on_cgroup2(key: str, value: str) -> None:
    """Where the file exists the key stays as it is."""
    made = _on_v2(key, value)
    assert made.plan.edits == ()
    assert made.effect(f"unified.{key}")[2] == "kept"


def test_read_back_on_cgroup2() -> None:
    """unified's value is expected, not the classic one that it overrides."""
    resources = {"memory": {"limit": 5 * M}, "unified": {"memory.max": "9437184"}}
    assert planned(resources, make_host("unified")).shown() == {("memory.max", "9437184")}


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [("pids.max", "5", "unenforceable"), ("cpu.weight", "5", "dropped"), ("pids.max", "max", "changed")],
    ids=["guard", "hint", "no-limit"],
)
def test_controller_missing_on_cgroup2(key: str, value: str, effect: str) -> None:
    """The runtimes would fail on it; a guard is refused or warned of, a hint dropped, no limit is no loss."""
    made = _on_v2(key, value, versions={"pids": 0, "cpu": 0})
    assert made.after == {}
    assert made.effect(f"unified.{key}")[2] == effect


@pytest.mark.parametrize(("runtime", "effect"), [("runc", "kept"), ("crun", "unenforceable")])
def test_controller_that_crun_never_enables(runtime: str, effect: str) -> None:
    """rdma is enabled by runc only."""
    assert _on_v2("rdma.max", "mlx4_0 hca_handle=2", runtime).effect("unified.rdma.max")[2] == effect


@pytest.mark.parametrize(
    ("value", "present", "code", "effect"),
    [
        ("max", True, "swap-unlimited", "changed"),
        ("0", False, "swap-absent", "changed"),
        ("0", True, "swap-unaccounted", "unenforceable"),
    ],
    ids=["no-limit", "no-swap", "swap"],
)
def test_swap_not_accounted_on_cgroup2(value: str, present: bool, code: str, effect: str) -> None:
    """memory.swap.max where the kernel has no such file."""
    made = _on_v2("memory.swap.max", value, **NO_SWAP_COUNTED, swap_present=Fact(value=present, evidence="/proc/swaps"))
    assert made.after == {}
    assert made.effect("unified.memory.swap.max") == (code, "guard", effect)


@pytest.mark.parametrize(("key", "sum_of_both"), [("128M", -1), ("64M", MOST), ("32M", MOST - 32 * M)])
def test_no_sum_beyond_what_runtimes_read(key: str, sum_of_both: int) -> None:
    """The swap of a classic pair beside another memory.max: 2^63 bytes and more are no limit, and no int64."""
    made = planned({"memory": {"limit": 64 * M, "swap": MOST}, "unified": {"memory.max": key}}, make_host("legacy"))
    assert made.after["memory"]["swap"] == sum_of_both


def test_no_limit_beside_a_classic_pair() -> None:
    """memory.max=max over {limit, swap} leaves 32 MiB of swap on cgroup2, which v1 cannot say: no number is made up."""
    made = planned({"memory": {"limit": 64 * M, "swap": 96 * M}, "unified": {"memory.max": "max"}}, make_host("legacy"))
    assert made.problems() == []
    assert made.effect("unified.memory.max") == ("unified-without-counterpart", "guard", "unenforceable")
    assert made.reason("unified.memory.max") == (
        f"v1 limits memory plus swap only, so {32 * M} bytes of swap need a memory limit beside them"
    )
    assert made.after == {"memory": {"limit": 64 * M, "swap": 96 * M}}  # stricter, for the policy warn


def test_no_limit_beside_a_classic_pair_without_swap() -> None:
    """memory.max=max over a pair that allows no swap: swappiness 0 is the nearest on v1, and what is lost is said."""
    made = planned({"memory": {"limit": 64 * M, "swap": 64 * M}, "unified": {"memory.max": "max"}}, make_host("legacy"))
    assert made.problems() == []
    assert made.after == {"memory": {"limit": -1, "swappiness": 0}}
    assert made.lost("unified.memory.max") == "swapping of this container under host-wide memory pressure"


def test_weights_of_devices_on_v1() -> None:
    """`MAJ:MIN WEIGHT` lines become weightDevice; `MAJ:MIN default` takes one away, and a new cgroup has none."""
    for key in ("io.weight", "io.bfq.weight"):
        made = planned(
            {"unified": {key: "default 50\n8:16 200\n8:0 default"}},
            make_host("hybrid", interface={**BFQ, "blkio.bfq.weight_device": True}),
        )
        assert made.after == {"blockIO": {"weight": 50, "weightDevice": [{"major": 8, "minor": 16, "weight": 200}]}}
        assert ("blkio.bfq.weight_device", "8:16 200") in made.shown()


def test_unlimited_protection_is_the_stronger_one() -> None:
    """memory.low=max beside a memory.min protects everything, not 5 MiB."""
    made = planned({"unified": {"memory.low": "max", "memory.min": "5M"}}, make_host("legacy"))
    assert made.after == {"memory": {"reservation": -1}}


@pytest.mark.parametrize("layout", ["legacy", "hybrid", "unified"])
def test_null_among_the_keys(layout: str) -> None:
    """null is unset to every runtime; the other keys are done as ever."""
    made = planned({"unified": {"cpu.max": None, "pids.max": "5"}}, make_host(layout))
    assert ("pids.max", "5") in made.shown()
    assert made.problems() == []


def test_a_hint_of_no_limit_without_the_controller() -> None:
    """memory.high=max where memory is nowhere is a hint that goes, not a guard."""
    made = _on_v2("memory.high", "max", versions={"memory": 0})
    assert made.effect("unified.memory.high") == ("memory-nowhere", "hint", "dropped")


@pytest.mark.parametrize("layout", V1)
def test_an_rdma_device_without_a_limit(layout: str) -> None:
    """`max` alone sets nothing: no empty entry for the device is left."""
    assert planned({"unified": {"rdma.max": "mlx5_0 hca_handle=max"}}, make_host(layout)).after == {}


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        (
            {"io.max": "8:0 rbps=max"},
            {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 0}]}},
        ),
        ({"hugetlb.2MB.max": "max"}, {"hugepageLimits": [{"pageSize": "2MB", "limit": MOST}]}),
        ({"memory.max": "max"}, _memory(limit=-1)),
        ({"cpu.max": "max"}, {"cpu": {"quota": -1}}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_an_update_lifts_a_limit_on_v1(keys: dict[str, str], after: dict[str, Any]) -> None:
    """`max` takes away what the container has now; leaving the field out would leave the limit."""
    assert planned({"unified": keys}, make_host("legacy"), operation="update").after == after


def test_an_update_lifts_a_limit_in_cgroup2_of_a_hybrid() -> None:
    """The bridge writes `max`, and it is read back; for a new cgroup there is nothing to do."""
    host = make_host("hybrid", versions={"memory": 2})
    made = planned({"unified": {"memory.max": "max"}}, host, operation="update")
    assert [(one.file, one.value) for one in made.plan.bridge] == [("memory.max", "max")]
    assert planned({"unified": {"memory.max": "max"}}, host).plan.bridge == ()


def test_rates_of_unified_and_classic_fields_are_one_line() -> None:
    """io.max keeps the words that a write does not name: both fields land, and `unified` wins where both name one."""
    device = {"major": 8, "minor": 0}
    asked = {
        "blockIO": {
            "throttleReadBpsDevice": [{**device, "rate": 5}],
            "throttleWriteBpsDevice": [{**device, "rate": 6}],
        },
        "unified": {"io.max": "8:0 wbps=7"},
    }
    on_v2 = planned(asked, make_host("unified"))
    assert on_v2.shown() == {("io.max", "8:0 rbps=5 riops=max wiops=max wbps=7")}
    bridged = planned(asked, make_host("hybrid", versions={"io": 2}))
    (line,) = bridged.plan.bridge
    assert set(line.value.split()) == {"8:0", "rbps=5", "wbps=7"}
    assert bridged.effect("blockIO.throttleReadBpsDevice") == ("bridged", "guard", "changed")
    assert bridged.plan.unenforceable == ()


def test_swap_in_cgroup2_of_a_hybrid_that_does_not_account_it() -> None:
    """The bridge has no file to write to, so the limit is lost, and nothing is bridged."""
    host = make_host("hybrid", versions={"memory": 2}, **NO_SWAP_COUNTED)
    made = planned({"unified": {"memory.swap.max": "1048576"}}, host)
    assert made.effect("unified.memory.swap.max") == ("swap-unaccounted", "guard", "unenforceable")
    assert made.plan.bridge == ()


def test_an_update_of_memory_max_beside_a_sum_on_v1() -> None:
    """The classic swap counts from the container's own limit, which the update replaces without naming it."""
    made = planned(
        {"unified": {"memory.max": "1M"}, "memory": {"swap": 2 * M}}, make_host("legacy"), operation="update"
    )
    assert made.effect("unified.memory.max")[2] == "unenforceable"
    assert f"memory.swap {2 * M} counts from the container's own limit" in made.reason("unified.memory.max")


def test_no_weight_in_a_line_of_io_weight() -> None:
    """An empty line says nothing, on v1 as on cgroup2."""
    made = planned({"unified": {"io.weight": "8:0 200\n\ndefault 100\n"}}, make_host("legacy", interface=BFQ))
    device = {"major": 8, "minor": 0, "weight": 200}
    assert made.after == {"blockIO": {"weight": 100, "weightDevice": [device]}}


def test_a_limit_of_pages_that_is_no_number() -> None:
    """cgroup2 gets it as it stands and refuses it; what is expected is what was written."""
    made = planned({"unified": {"hugetlb.2MB.max": "much"}}, make_host())
    assert made.shown() == {("hugetlb.2MB.max", "much")}
