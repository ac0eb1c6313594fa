"""pids.limit."""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import HYBRID, LEGACY, UNIFIED
from shim.rules.base import CHANGED, GUARD, KEPT, UNENFORCEABLE
from shim.rules.pids import RULES
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.rules_asked import ask


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("limit", [1, 2, 32, 4194303, 4194304], ids=["min", "min+1", "usual", "max-1", "max"])
def test_limits_that_the_kernel_takes(layout: str, runtime: str, limit: int) -> None:
    """kernel/cgroup/pids.c: up to PIDS_MAX - 1 = 4194304 on 64 bit, the same file in both hierarchies."""
    answer = ask(RULES, {"pids": {"limit": limit}}, make_host(layout), runtime)
    assert answer.edits == []
    assert answer.effect("pids.limit") == ("honoured", GUARD, KEPT)
    assert answer.reason("pids.limit") == "passed on unchanged: pids.max"
    assert answer.shown() == [(2 if layout == UNIFIED else 1, "pids.max", str(limit), "exact")]


def test_above_the_kernels_most() -> None:
    """Measured: 5000000 is EINVAL with every runtime on both versions."""
    (problem,) = ask(RULES, {"pids": {"limit": 4194305}}, make_host()).problems
    assert problem.what == "4194305 is above the kernel's 4194304"
    assert problem.remedy == "write 1 to 4194304, or -1 for no limit"


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_zero_is_the_runtimes_matter(runtime: str) -> None:
    """0 is unset to crun and runc before 1.4, and 1 to later runc: left as the bare runtime would have it."""
    answer = ask(RULES, {"pids": {"limit": 0}}, make_host(), runtime)
    assert (answer.edits, answer.expectations) == ([], [])
    assert answer.effect("pids.limit") == ("unset", GUARD, KEPT)
    assert [note.lost for note in answer.notes] == [""]  # a start has a hazard for it, shim.planning.preflight


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_zero_in_an_update_is_said(runtime: str) -> None:
    """An update has no hazards, so the note itself must be one that is shown."""
    answer = ask(RULES, {"pids": {"limit": 0}}, make_host(), runtime, "update")
    assert answer.edits == []
    (told,) = answer.notes
    assert told.lost == "the same meaning for every runtime (-1 is no limit, 1 is one task)"
    assert told.reason == "0 is unset to crun and to runc before 1.4; runc 1.4 and later make it 1"


@pytest.mark.parametrize(
    ("layout", "runtime", "operation", "limit", "after", "shown"),
    [
        (UNIFIED, "runc", "create", -1, -1, "max"),
        (UNIFIED, "crun", "create", -1, -1, "max"),
        (UNIFIED, "crun", "update", -1, -1, "max"),
        (UNIFIED, "runc", "create", -7, -1, "max"),
        (UNIFIED, "crun", "create", -7, -1, "max"),
        (LEGACY, "runc", "create", -1, -1, "max"),
        (LEGACY, "runc", "update", -1, -1, "max"),
        (LEGACY, "crun", "create", -1, None, "max"),
        (HYBRID, "crun", "create", -7, None, "max"),
        (LEGACY, "other", "create", -1, None, "max"),
        (LEGACY, "crun", "update", -1, 4194304, "4194304"),
        (LEGACY, "other", "update", -7, 4194304, "4194304"),
    ],
)
def test_no_limit(*, layout: str, runtime: str, operation: str, limit: int, after: Any, shown: str) -> None:
    """Measured: crun 1.8.1 fails on -1 on v1 in create and update (EINVAL), 1.13 and later write max."""
    answer = ask(RULES, {"pids": {"limit": limit}}, make_host(layout), runtime, operation)
    assert answer.after == ({} if after is None else {"pids": {"limit": after}})
    assert [one[2] for one in answer.shown()] == [shown]
    assert answer.effect("pids.limit")[2] == (KEPT if after == limit else CHANGED)


def test_systemd_has_a_default_of_its_own() -> None:
    """DefaultTasksMax may stand in the scope, so "max" is not read back under the systemd driver."""
    assert ask(RULES, {"pids": {"limit": -1}}, make_host(), driver="systemd").expectations == []


def test_pids_in_cgroup2_of_a_hybrid_host() -> None:
    """The guard cannot be set by a runtime; what cgroup2 would have to show is handed on."""
    answer = ask(RULES, {"pids": {"limit": 32}}, made_hybrid(pids=2))
    assert answer.after == {}
    assert answer.effect("pids.limit") == ("pids-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.notes[0].lost == "more than 32 tasks"
    assert answer.shown() == [(2, "pids.max", "32", "exact")]


def test_update_to_no_limit_in_cgroup2_of_a_hybrid_host() -> None:
    """A limit that was set there at the start must be lifted there; a new cgroup has none."""
    host = made_hybrid(pids=2)
    assert ask(RULES, {"pids": {"limit": -1}}, host, "runc", "update").shown() == [(2, "pids.max", "max", "exact")]
    assert ask(RULES, {"pids": {"limit": -1}}, host, "runc", "create").expectations == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pids_nowhere(layout: str) -> None:
    """A controller that is not there enforces nothing."""
    answer = ask(RULES, {"pids": {"limit": 32}}, make_host(layout, versions={"pids": 0}))
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("pids.limit") == ("pids-nowhere", GUARD, UNENFORCEABLE)
    assert answer.reason("pids.limit") == "this host has no pids controller (no mount names pids)"


@pytest.mark.parametrize(("runtime", "after"), [("runc", {"pids": {}}), ("crun", {}), ("other", {})])
def test_an_empty_object_without_the_controller(runtime: str, after: dict[str, Any]) -> None:
    """crun opens the v1 directory for any pids object; runc looks at the limit only."""
    assert ask(RULES, {"pids": {}}, make_host(LEGACY, versions={"pids": 0}), runtime).after == after


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize("version", [0, 2])
def test_zero_where_the_runtime_does_not_reach(version: int, runtime: str) -> None:
    """runc 1.4 and later fail on the 1 that they make of it; 0 is taken out as unset, and the user is told."""
    answer = ask(RULES, {"pids": {"limit": 0}}, made_hybrid(pids=version), runtime)
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("pids.limit") == ("pids-limit-zero-unset", GUARD, CHANGED)
    (told,) = answer.notes
    assert told.lost == "the one task that runc 1.4 and later make of 0"


@pytest.mark.parametrize(
    ("left", "after"),
    [({}, {"crun": {}, "runc": {"pids": {}}}), ({"limit": None}, {"crun": {}, "runc": {"pids": {"limit": None}}})],
)
def test_a_section_that_asks_for_nothing(left: dict[str, Any], after: dict[str, Any]) -> None:
    """crun opens the controller's directory for any `pids` object and fails where there is none; runc does not."""
    for runtime, expected in after.items():
        assert ask(RULES, {"pids": left}, made_hybrid(pids=0), runtime).after == expected
