"""Plans for any resources on hosts of every layout: pure, settled at once, and no guard is lost in silence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.host.facts import AMBIGUOUS, NONE, Fact
from shim.oci.checks import check
from shim.rules.base import CHANGED, DROPPED, KEPT, UNENFORCEABLE
from tests.hosts_made import BOTH, LAYOUTS, V1_ONLY, make_host
from tests.planned import planned

pytestmark = pytest.mark.property
BOUNDED = settings(deadline=None, max_examples=80)

M = 1 << 20
SIZE = st.sampled_from([-2, -1, 0, 1, 4096, 64 * M, 64 * M + 1, 128 * M, (1 << 63) - 1])
COUNT = st.sampled_from([0, 1, 2, 10, 999, 1000, 1024, 100000, 262144, 262145, 1 << 40])
DEVICE = {"major": st.just(8), "minor": st.sampled_from([0, 16])}
RATES = st.lists(st.fixed_dictionaries({**DEVICE, "rate": COUNT}), max_size=2)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.fixed_dictionaries({}, optional=fields))


TEXTS = st.sampled_from(["", "max", "0", "1", "50", "100", "64M", "50000 100000", "max 5000", "0-1", "8:0 rbps=5", "x"])
FILES = st.sampled_from(
    [
        *("memory.max", "memory.swap.max", "memory.low", "memory.min", "memory.high", "memory.oom.group"),
        *("cpu.max", "cpu.weight", "cpu.idle", "cpu.max.burst", "cpuset.cpus", "cpuset.mems", "pids.max"),
        *("io.max", "io.weight", "io.bfq.weight", "io.latency", "hugetlb.2MB.max", "rdma.max", "misc.max"),
        *("cgroup.max.depth", "future.max", "nodot"),
    ]
)
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "memory": _some(
            limit=SIZE,
            swap=SIZE,
            reservation=SIZE,
            kernel=SIZE,
            kernelTCP=SIZE,
            swappiness=st.sampled_from([0, 60, 100, 101, 200, 201]),
            disableOOMKiller=st.booleans(),
            useHierarchy=st.booleans(),
            checkBeforeUpdate=st.booleans(),
        ),
        "cpu": _some(
            shares=COUNT,
            quota=SIZE,
            period=COUNT,
            burst=COUNT,
            idle=st.sampled_from([0, 1]),
            realtimeRuntime=SIZE,
            realtimePeriod=COUNT,
            cpus=st.sampled_from(["", "0", "0-1"]),
            mems=st.sampled_from(["", "0"]),
        ),
        "pids": _some(limit=SIZE),
        "blockIO": _some(
            weight=st.sampled_from([0, 1, 10, 500, 1000, 1001]),
            leafWeight=st.sampled_from([0, 10]),
            throttleReadBpsDevice=RATES,
            throttleWriteIOPSDevice=RATES,
        ),
        "hugepageLimits": st.lists(st.fixed_dictionaries({"pageSize": st.just("2MB"), "limit": COUNT}), max_size=1),
        "network": _some(classID=st.sampled_from([0, 1])),
        "rdma": st.dictionaries(st.just("mlx5_0"), st.fixed_dictionaries({"hcaHandles": st.just(2)}), max_size=1),
        "unified": st.one_of(st.none(), st.dictionaries(FILES, TEXTS, max_size=4)),
        "future": SIZE,
    },
)
TRUTH = st.sampled_from([True, False, None])
FACTS = st.builds(lambda value: Fact(value=value, evidence="made by hypothesis"), TRUTH)
INTERFACE = st.sampled_from(
    ["blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight", "cpu.idle", "cpu.max.burst", "cpu.cfs_burst_us"]
)


@st.composite
def hosts(draw: Any) -> Any:
    """A host of any layout, also with controllers elsewhere and files missing."""
    return make_host(
        draw(st.sampled_from([*LAYOUTS, NONE, AMBIGUOUS])),
        versions=draw(st.dictionaries(st.sampled_from([*BOTH, *V1_ONLY]), st.sampled_from([0, 1, 2]), max_size=3)),
        interface=draw(st.dictionaries(INTERFACE, TRUTH)),
        swap_accounting=draw(FACTS),
        swap_present=draw(FACTS),
    )


CALLS = st.tuples(
    RESOURCES,
    hosts(),
    st.sampled_from(["runc", "crun", "other"]),
    st.sampled_from(["create", "update"]),
    st.sampled_from(["cgroupfs", "systemd", "disabled"]),
)


@BOUNDED
@given(CALLS)
def test_plan_is_pure_and_settled(call: tuple[Any, ...]) -> None:
    """plan(apply(plan(x))) is empty unless x is refused, and the same question has the same answer (tests.planned)."""
    planned(*call)


@BOUNDED
@given(CALLS)
def test_result_is_still_valid(call: tuple[Any, ...]) -> None:
    """What a plan leaves obeys the runtime-spec's types as what it was given did."""
    assert set(check(planned(*call).after)) <= set(check(call[0]))


@BOUNDED
@given(CALLS)
def test_whatever_goes_is_spoken_of(call: tuple[Any, ...]) -> None:
    """Each section that an edit touches has a note or a problem, and each note one of the four effects."""
    made = planned(*call)
    spoken = {note.field.split(".")[0] for note in made.plan.notes} | {
        p.field.split(".")[0] for p in made.plan.problems
    }
    for edit in made.plan.edits:
        if call[0].get(edit.path[0]) not in (None, {}, []):
            assert edit.path[0] in spoken, edit
    assert {note.effect for note in made.plan.notes} <= {KEPT, CHANGED, DROPPED, UNENFORCEABLE}


@BOUNDED
@given(CALLS)
def test_no_unified_is_left_for_v1(call: tuple[Any, ...]) -> None:
    """On v1 hierarchies every runtime refuses a `unified` with anything in it."""
    _, host, _, _, driver = call
    if host.layout in ("hybrid", "legacy") and driver != "disabled":
        assert not planned(*call).after.get("unified")
