"""The plan: rules folded over resources on hosts of every layout; the rules' own boundaries are in their own tests."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from shim.host.facts import AMBIGUOUS, NONE
from shim.planning.plan import controllers, difference, make_plan, wanted
from shim.rules.base import Edit, apply_to_value
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.planned import planned

M = 1 << 20
EVERYTHING: dict[str, Any] = {
    "memory": {"limit": 64 * M, "swap": 64 * M, "reservation": M, "swappiness": 10, "kernel": M},
    "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 32},
    "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": M}]},
    "network": {"classID": 5},
    "devices": [{"allow": False, "access": "rwm"}],
    "unified": {"memory.high": "32M", "pids.max": "16", "misc.max": "x 5"},
    "future": {"kept": [1, 2.5]},
}
RUNTIMES = ("runc", "crun", "other")


@pytest.mark.parametrize("layout", [*LAYOUTS, NONE, AMBIGUOUS])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("driver", ["cgroupfs", "systemd", "disabled"])
def test_settled_and_pure(layout: str, runtime: str, operation: str, driver: str) -> None:
    """One plan is enough, the same question has the same answer, and the question comes out unharmed."""
    before = copy.deepcopy(EVERYTHING)
    made = planned(EVERYTHING, make_host(layout), runtime, operation, driver)
    assert before == EVERYTHING
    assert made.after["future"] == {"kept": [1, 2.5]}


@pytest.mark.parametrize("layout", [NONE, AMBIGUOUS])
@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
@pytest.mark.parametrize("operation", ["create", "update"])
def test_unknown_layout_is_for_the_policy(layout: str, driver: str, operation: str) -> None:
    """Nothing is rewritten, and nothing can be read back: each guard counts as lost, what is none is left as it is."""
    made = planned(EVERYTHING, make_host(layout), operation=operation, driver=driver)
    assert made.after == EVERYTHING
    assert made.plan.expectations == ()
    assert {note.code for note in made.plan.notes} == {"layout-unknown"}
    why = f"left unchanged: the cgroup layout of this host is {layout} (made for a test: {layout})"
    assert made.reason("devices") == why
    assert made.effect("devices")[2] == "kept"
    lost = {note.field for note in made.plan.unenforceable}
    assert {"memory.limit", "pids.limit", "unified.pids.max", "unified.misc.max"} <= lost
    assert "unified.memory.high" not in lost
    assert made.reason("pids.limit") == f"{why}, so nothing can say whether the limit is enforced"


@pytest.mark.parametrize("layout", [NONE, AMBIGUOUS])
def test_unknown_layout_without_a_limit(layout: str) -> None:
    """What every engine writes for a container without limits is no reason to refuse one."""
    plain = {"devices": [{"allow": False, "access": "rwm"}], "cpu": {"shares": 0}, "pids": {"limit": -1}}
    assert planned(plain, make_host(layout)).plan.unenforceable == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cgroups_switched_off(layout: str) -> None:
    """crun's --cgroup-manager=disabled: nothing is translated or expected, and each limit is called lost."""
    made = planned(EVERYTHING, make_host(layout), "crun", driver="disabled")
    assert made.after == EVERYTHING
    assert made.plan.expectations == ()
    assert {note.reason for note in made.plan.notes} == {
        "cgroups are disabled for this container (--cgroup-manager=disabled)"
    }
    assert {(note.field, note.lost) for note in made.plan.unenforceable} == {
        ("memory.limit", "memory above 64 MiB (67108864 bytes)"),
        ("memory.swap", "swap above 0 bytes"),
        ("cpu.quota", "CPU time above 50000 us in every 100000 us"),
        ("cpu.cpus", "confinement to CPUs 0"),
        ("cpu.mems", "confinement to memory nodes 0"),
        ("pids.limit", "more than 32 tasks"),
        ("blockIO.throttleReadBpsDevice", "rbps 1048576 on device 8:0"),
        ("unified.pids.max", "pids.max=16"),
        ("unified.misc.max", "misc.max=x 5"),
    }
    assert made.effect("memory.limit") == ("limits-without-cgroups", "guard", "unenforceable")
    assert made.effect("cpu.shares") == ("limits-without-cgroups", "hint", "dropped")


@pytest.mark.parametrize("layout", [*LAYOUTS, NONE])
@pytest.mark.parametrize(
    "resources",
    [
        {"devices": [{"allow": False, "access": "rwm"}]},
        {"memory": {"limit": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}, "unified": {"pids.max": "max"}},
    ],
    ids=["devices", "no limits"],
)
def test_switched_off_without_a_limit(layout: str, resources: dict[str, Any]) -> None:
    """What engines write for every container, and what limits nothing, is no reason to refuse."""
    made = planned(resources, make_host(layout), "crun", driver="disabled")
    assert {(note.effect, note.kind) for note in made.plan.notes} <= {("kept", "guard"), ("kept", "hint")}
    assert made.plan.edits == ()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("resources", [{}, {"memory": {}}, {"devices": []}, {"future": 5}], ids=str)
def test_nothing_asked_nothing_done(layout: str, runtime: str, resources: dict[str, Any]) -> None:
    """Empty and unknown sections need no edit in a create."""
    assert planned(resources, make_host(layout), runtime).plan.edits == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nulls_go_in_an_update_only(layout: str) -> None:
    """`runc update` dies of a null section; to `create` it is unset."""
    resources = {"memory": None, "cpu": None, "pids": {"limit": 5}, "unified": None}
    assert planned(resources, make_host(layout), operation="update").after == {"pids": {"limit": 5}}
    assert planned(resources, make_host(layout)).after == resources


def test_unified_wins_on_v1_with_every_expectation() -> None:
    """What must be read back is unified's value, under the classic file's name."""
    made = planned({"pids": {"limit": 99}, "unified": {"pids.max": "16"}}, make_host("hybrid"))
    assert made.after == {"pids": {"limit": 16}}
    assert made.shown() == {("pids.max", "16")}


def test_unified_wins_on_cgroup2_with_every_expectation() -> None:
    """Nothing is changed there, and unified's value is the one to read back."""
    made = planned({"pids": {"limit": 99}, "unified": {"pids.max": "16"}}, make_host("unified"))
    assert made.plan.edits == ()
    assert made.shown() == {("pids.max", "16")}


def test_the_example_of_a_foreign_configuration() -> None:
    """Limits written for cgroup2, on v1: the numbers of the kernel's v1 documentation."""
    keys = {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32", "cpu.max": "50000 100000"}
    made = planned({"unified": keys}, make_host("hybrid"))
    assert made.after == {
        "memory": {"limit": 67108864, "swap": 67108864},
        "cpu": {"quota": 50000, "period": 100000},
        "pids": {"limit": 32},
    }
    assert made.shown() == {
        ("memory.limit_in_bytes", "67108864"),
        ("memory.memsw.limit_in_bytes", "67108864"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.cfs_period_us", "100000"),
        ("pids.max", "32"),
    }


def test_only_what_is_asked_for_is_looked_up() -> None:
    """Controllers and interface files of absent sections are nobody's business: detection stays cheap."""
    assert controllers({"pids": {"limit": 5}}) == ("pids",)
    assert controllers({"unified": {"memory.max": "5", "cgroup.freeze": "0", "pids.max": "1"}}) == ("memory", "pids")
    assert controllers({"cpu": None}) == ()
    assert wanted({"pids": {"limit": 5}}) == ()
    assert set(wanted({"memory": {"limit": 5}})) == {"memory.memsw.limit_in_bytes", "memory.swap.max"}
    assert {"memory.memsw.limit_in_bytes", "memory.swap.max"} <= set(wanted({"unified": {"memory.max": "5"}}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 3, "e": None}}),
        ({"a": {"x": 1}}, {"a": [1]}),
        ({"a": None}, {"a": {"x": {"y": 1}}}),
        ({"a": {"x": 1}}, {"a": {"y": 1}}),
    ],
    ids=str,
)
def test_difference_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The edits make exactly the second of the first, and none are made of equals."""
    edits = difference(before, after)
    assert apply_to_value(before, edits) == after
    assert (edits == ()) == (repr(before) == repr(after))


def test_set_comes_before_remove() -> None:
    """Else a section would be emptied, and with it lose its place in the text, on the way."""
    edits = difference({"a": {"x": 1}}, {"a": {"y": 2}})
    assert edits == (Edit(op="set", path=("a", "y"), value=2), Edit(op="remove", path=("a", "x")))


def test_plan_does_not_share_what_it_was_given() -> None:
    """Changing the plan's input afterwards does not change the plan."""
    resources = {"unified": {"hugetlb.2MB.max": "4M"}, "hugepageLimits": [{"pageSize": "1GB", "limit": 5}]}
    plan = make_plan(resources, make_host("hybrid"), "runc", "create", "cgroupfs")
    told = repr(plan)
    resources["hugepageLimits"].clear()  # type: ignore[attr-defined]
    assert repr(plan) == told


def test_unified_wins_on_the_bridge_too() -> None:
    """memory only in cgroup2: `unified` and the classic field name one limit, and only unified's is bridged."""
    host = made_hybrid(memory=2)
    resources = {"memory": {"limit": 67108864}, "unified": {"memory.max": "33554432"}}
    plan = make_plan(resources, host, "runc", "create", "cgroupfs")
    assert plan.unenforceable == ()
    assert [(limit.field, limit.file, limit.value) for limit in plan.bridge] == [
        ("unified.memory.max", "memory.max", "33554432")
    ]
    assert [(note.field, note.effect, note.code) for note in plan.notes] == [
        ("unified.memory.max", "changed", "bridged"),
        ("memory.limit", "changed", "unified-wins"),
    ]


def test_lines_without_names_are_not_merged() -> None:
    """`8:0 5` of two fields for one file are two wishes for one number: the later one counts, as in the kernel."""
    from shim.planning.plan import _merged
    from shim.rules.base import Expectation

    first, second = (
        Expectation(field=field, kind="guard", controller="io", version=1, file="f", value=value, shape="lines")
        for field, value in (("a", "8:0 5"), ("b", "8:0 6"))
    )
    assert _merged(first, second) == second


MISNAMED = [
    ("runc", {"Memory": {"limit": 5}}, "Memory", "kept", "the check of memory"),
    ("runc", {"memory": {"Limit": 5}}, "memory.Limit", "kept", "the check of memory.limit"),
    ("crun", {"pids": {"LIMIT": 5}}, "pids.LIMIT", "dropped", "pids.limit"),
    ("runc", {"blockIO": {"blkioWeight": 5}}, "blockIO.blkioWeight", "dropped", "blockIO.weight"),
    ("runc", {"disableOOMKiller": True}, "disableOOMKiller", "dropped", "memory.disableOOMKiller"),
]


@pytest.mark.parametrize(("runtime", "resources", "field", "effect", "lost"), MISNAMED)
def test_keys_that_are_nearly_right(
    runtime: str, resources: dict[str, Any], field: str, effect: str, lost: str
) -> None:
    """runc takes keys in any case (Go's decoder), crun does not; old names are read by none. The user is told."""
    made = planned(resources, make_host("unified"), runtime)
    assert made.after == resources
    assert made.effect(field)[::2] == ("key-misnamed", effect)
    assert made.lost(field) == lost
    assert [note.field for note in made.plan.changes] == [field]


def test_keys_of_others_are_left_alone() -> None:
    """An extension is nobody's limit, and nothing is said of it."""
    assert planned({"future": {"limit": 5}, "memory": {"future": 5}}, make_host("unified")).plan.notes == ()
