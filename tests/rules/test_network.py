"""network: class id and priorities."""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import HYBRID, LEGACY, UNIFIED
from shim.rules.base import DROPPED, HINT, KEPT
from shim.rules.network import RULES
from tests.hosts_made import make_host
from tests.rules_asked import ask

ASKED = {"network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]}}


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("layout", [HYBRID, LEGACY])
def test_both_are_set_on_v1(layout: str, runtime: str) -> None:
    """net_cls.rst and net_prio.rst: the class id as a number, priorities as lines `IFACE PRIORITY`."""
    answer = ask(RULES, ASKED, make_host(layout), runtime)
    assert answer.edits == []
    assert answer.effect("network.classID") == ("honoured", HINT, KEPT)
    assert answer.shown() == [
        (1, "net_cls.classid", "1048577", "exact"),
        (1, "net_prio.ifpriomap", "eth0 5", "lines"),
    ]


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
def test_neither_is_on_cgroup2(runtime: str) -> None:
    """crun: "network limits not supported on cgroupv2"; runc drops both silently."""
    answer = ask(RULES, ASKED, make_host(UNIFIED), runtime)
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("network.classID") == ("network-v1-only", HINT, DROPPED)
    assert answer.effect("network.priorities") == ("network-v1-only", HINT, DROPPED)


@pytest.mark.parametrize("members", [{}, {"classID": 0}, {"priorities": []}], ids=str)
@pytest.mark.parametrize(("runtime", "stays"), [("runc", True), ("crun", False), ("other", False)])
def test_an_object_that_asks_for_nothing_on_cgroup2(members: dict[str, Any], runtime: str, stays: bool) -> None:
    """crun refuses the object itself; runc reads what is in it."""
    answer = ask(RULES, {"network": members}, make_host(UNIFIED), runtime)
    assert answer.after == ({"network": members} if stays else {})


@pytest.mark.parametrize(
    ("missing", "runtime", "after"),
    [
        ("net_cls", "runc", {"network": {"priorities": [{"name": "eth0", "priority": 5}]}}),
        ("net_prio", "runc", {"network": {"classID": 1048577}}),
        ("net_cls", "crun", {}),
        ("net_prio", "crun", {}),
        ("net_prio", "other", {}),
    ],
)
def test_one_of_the_two_is_missing(missing: str, runtime: str, after: dict[str, Any]) -> None:
    """crun opens both hierarchies whichever is asked for; runc needs the one."""
    answer = ask(RULES, ASKED, make_host(LEGACY, versions={missing: 0}), runtime)
    assert answer.after == after
    field = "network.classID" if missing == "net_cls" else "network.priorities"
    assert answer.effect(field) == (f"{missing.replace('_', '-')}-nowhere", HINT, DROPPED)


@pytest.mark.parametrize("class_id", [1, 2**32 - 2, 2**32 - 1], ids=["min", "max-1", "max"])
def test_class_id_range(class_id: int) -> None:
    """net_cls.rst: 0xAAAABBBB, 32 bits; the checks refuse every other number."""
    assert ask(RULES, {"network": {"classID": class_id}}, make_host(LEGACY)).problems == []


def test_class_id_zero_is_unset() -> None:
    """runc ignores 0, the default of a new cgroup."""
    answer = ask(RULES, {"network": {"classID": 0}}, make_host(LEGACY))
    assert (answer.edits, answer.expectations) == ([], [])


@pytest.mark.parametrize("entry", [{}, {"name": "eth0"}, {"name": "eth0", "priority": None}], ids=str)
def test_malformed_priorities(entry: Any) -> None:
    """The schema: name and uint32 priority."""
    (problem,) = ask(RULES, {"network": {"priorities": [entry]}}, make_host(LEGACY)).problems
    assert problem.field == "network.priorities"


def test_update_by_runc() -> None:
    """`runc update` does not read network; what the kernel shows decides."""
    answer = ask(RULES, ASKED, make_host(LEGACY), "runc", "update")
    assert answer.edits == []
    assert answer.reason("network.classID").endswith("runc does not read it in an update")
