"""`unified` key by key: on v1 the classic field for the same limit, on cgroup2 as it stands.

Expected numbers: Documentation/admin-guide/cgroup-v2.rst for what a file takes, cgroup-v1/*.rst for the counterpart,
and for io.weight the runtimes' conversion 1 + (weight - 10) * 9999 / 990 with their own test vectors.
"""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import Fact
from tests.hosts_made import make_host
from tests.planned import Planned, planned

M = 1 << 20
MOST = (1 << 63) - 1
V1 = ("hybrid", "legacy")
BYTES = "memory.max takes bytes, also with a suffix K, M, G, or 'max'"
NO_SWAP_COUNTED: dict[str, Any] = {"swap_accounting": Fact(value=False, evidence="memory.swap.max: ENOENT")}


def _memory(**fields: int) -> dict[str, Any]:
    return {"memory": fields}


# id: (unified, what becomes of it on v1 with runc)
TRANSLATED: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "memory.max": ({"memory.max": "67108864"}, _memory(limit=64 * M)),
    "memory.max-least": ({"memory.max": "1"}, _memory(limit=1)),
    "memory.max-most": ({"memory.max": str(MOST)}, _memory(limit=MOST)),
    "memory.max-beyond": ({"memory.max": str(1 << 64)}, _memory(limit=MOST)),
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
    "empty": ({"memory.max": "", "pids.max": " \n"}, {}),
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


IO_WEIGHTS = [("io.weight", y, x) for y, x in [(1, 10), (910, 100), (4950, 500), (7475, 750), (10000, 1000)]]


@pytest.mark.parametrize(("key", "value", "weight"), [*IO_WEIGHTS, ("io.bfq.weight", 500, 500)])
def test_io_weight(key: str, value: int, weight: int) -> None:
    """The inverse of the runtimes' conversion; bfq's weight is the same on both."""
    for written in (f"default {value}", str(value)):
        made = planned({"unified": {key: written}}, make_host("hybrid", interface={"blkio.bfq.weight": True}))
        assert made.after == {"blockIO": {"weight": weight}}


MALFORMED = [
    ("memory.max", "-1", "'-1' is no size", BYTES),
    ("memory.max", "64MB", "'64MB' is no size", BYTES),
    ("memory.max", "K", "'K' is no size", BYTES),
    ("memory.max", "1.5G", "'1.5G' is no size", BYTES),
    ("memory.max", "0x40", "'0x40' is no size", BYTES),
    ("memory.max", "010", "'010' is no size", BYTES),
    ("memory.max", "٣", "'٣' is no size", BYTES),
    ("cpu.max", "0", "'0' is not a number from 1 to 9223372036854775807", "cpu.max takes a number or 'max'"),
    ("cpu.max", "a b c", "'a b c' has more than two words", "cpu.max takes 'QUOTA PERIOD' or 'max PERIOD'"),
    ("cpu.max", "50000 max", "'max' is not a number from 1 to 9223372036854775807", "cpu.max takes a number or 'max'"),
    ("cpu.weight", "0", "'0' is not a number from 1 to 10000", "cpu.weight takes a number or 'max'"),
    ("cpu.weight", "10001", "'10001' is not a number from 1 to 10000", "cpu.weight takes a number or 'max'"),
    ("cpu.idle", "2", "'2' is not a number from 0 to 1", "cpu.idle takes a number or 'max'"),
    ("pids.max", "-1", "'-1' is not a number from 0 to 4194304", "pids.max takes a number or 'max'"),
    ("pids.max", "4194305", "'4194305' is not a number from 0 to 4194304", "pids.max takes a number or 'max'"),
    ("io.max", "sda rbps=1", "'sda rbps=1' does not begin with MAJ:MIN", "io.max takes lines 'MAJ:MIN …'"),
    ("io.max", "8:0 bps=1", "'bps=1' is no throttle", "io.max takes 'MAJ:MIN rbps=N wbps=N riops=N wiops=N'"),
    ("io.max", "8:0 rbps", "'' is not a number from 1 to 9223372036854775807", "io.max takes a number or 'max'"),
    ("io.weight", "default", "'default' is not a number from 1 to 10000", "io.weight takes a number or 'max'"),
    ("rdma.max", "mlx hca=1", "'hca=1' is no RDMA limit", "rdma.max takes 'DEVICE hca_handle=N hca_object=N'"),
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


def test_no_limit_needs_no_counterpart() -> None:
    """`max` in a file that v1 does not have loses nothing."""
    made = planned({"unified": {"misc.max": "max"}}, make_host("hybrid"))
    assert made.effect("unified.misc.max") == ("unlimited", "guard", "changed")
    assert made.plan.unenforceable == ()


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
        {"cpu": {"quota": 9, "period": 7000}, "unified": {"cpu.max": "5000"}},
        {"cpu": {"quota": 5000, "period": 100000}},
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
