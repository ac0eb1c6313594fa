"""Limits in cgshim's own keeping: the annotation io.cgshim.bridge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shim.host.facts import HYBRID
from shim.planning import custody
from shim.planning.plan import make_plan
from tests.hosts_made import make_host
from tests.planned import planned

HOST = make_host(HYBRID, versions={"memory": 2})
ASKED: dict[str, Any] = {"memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 32}}
KEPT = {"memory.swap.max": "0", "memory.max": "67108864"}


def test_what_the_bridge_sets_is_kept() -> None:
    """The annotation has cgroup2's file and value of every limit that left the resources; nothing else leaves them."""
    made = planned(ASKED, HOST)
    assert json.loads(custody.write(made.plan.bridge)) == KEPT
    assert made.after == {"pids": {"limit": 32}}


def test_a_second_plan_sets_the_same() -> None:
    """From what is left and the annotation comes the same bridge, and no edit."""
    first = planned(ASKED, HOST)
    kept = custody.read({custody.ANNOTATION: custody.write(first.plan.bridge)})
    again = make_plan(first.after, HOST, "runc", "create", "cgroupfs", kept=kept)
    assert again.edits == ()
    assert {(one.file, one.value) for one in again.bridge} == set(KEPT.items())


def test_another_layout_gets_them_back() -> None:
    """Once the host boots with cgroup2 alone, the runtime sets them itself, so they go back into the resources."""
    made = make_plan({"pids": {"limit": 32}}, make_host(), "runc", "create", "cgroupfs", kept=KEPT)
    assert made.bridge == ()
    assert {edit.path: edit.value for edit in made.edits} == {("unified",): KEPT}


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        [],
        {},
        {"other": "{}"},
        {custody.ANNOTATION: None},
        {custody.ANNOTATION: {"memory.max": "1"}},
        {custody.ANNOTATION: ""},
        {custody.ANNOTATION: "{broken"},
        {custody.ANNOTATION: "[1]"},
        {custody.ANNOTATION: '{"memory.max": 67108864}'},
    ],
)
def test_what_is_not_ours_is_nothing(annotations: Any) -> None:
    """Absent, broken or of another shape: no limit in keeping, and no exception."""
    assert custody.read(annotations) == {}


def test_resources_win() -> None:
    """A limit that stands in the resources is newer than the one in keeping; the caller's object stays as it was."""
    resources = {"unified": {"memory.max": "1"}, "pids": {"limit": 32}}
    assert custody.returned(resources, KEPT) == {
        "unified": {"memory.swap.max": "0", "memory.max": "1"},
        "pids": {"limit": 32},
    }
    assert resources["unified"] == {"memory.max": "1"}


def test_nothing_in_keeping_changes_nothing() -> None:
    """The very same object comes back."""
    resources = {"unified": None}
    assert custody.returned(resources, {}) is resources


THROTTLED: dict[str, Any] = {
    "blockIO": {
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 4096}, {"major": 8, "minor": 16, "rate": 8192}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 100}],
    }
}
IO_MAX = ["8:0 rbps=4096 wiops=100", "8:16 rbps=8192"]


def test_every_device_of_a_file_with_lines_is_kept() -> None:
    """io.max has one line for all four lists of a device; every one is bridged, kept, and bridged again."""
    host = make_host(HYBRID, versions={"io": 2})
    first = planned(THROTTLED, host)
    assert first.after == {}
    assert [limit.value for limit in first.plan.bridge] == IO_MAX
    assert first.effect("blockIO.throttleReadBpsDevice") == ("bridged", "guard", "changed")
    assert first.effect("blockIO.throttleWriteIOPSDevice") == ("bridged", "guard", "changed")
    kept = custody.read({custody.ANNOTATION: custody.write(first.plan.bridge)})
    assert kept == {"io.max": "\n".join(IO_MAX)}
    again = make_plan(first.after, host, "runc", "create", "cgroupfs", kept=kept)
    assert [(limit.value, limit.rounding) for limit in again.bridge] == [("\n".join(IO_MAX), "contains")]
