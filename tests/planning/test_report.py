"""The report: one JSON object in an annotation, which anybody may have written before us."""

from __future__ import annotations

import json

import pytest

from shim import __version__
from shim.planning import report
from shim.planning.plan import Plan
from shim.rules.base import Edit, Note
from tests.hosts_made import make_host

ABOUT = report.Circumstances(runtime="/usr/sbin/runc", operation="create", policy="warn", policy_origin="default")
HONOURED = Note(field="cpu.shares", code="honoured", kind="hint", effect="kept", reason="as it stands")
SWAP = Note(field="memory.swap", code="c", kind="guard", effect="changed", reason="because", lost="a bit")
PIDS = Note(field="pids.limit", code="d", kind="guard", effect="changed", reason="why not")
PLAN = Plan(
    notes=(HONOURED, SWAP, PIDS),
    edits=(
        Edit(op="set", path=("memory", "swap"), value=2),
        Edit(op="set", path=("pids", "limit"), value=3),
        Edit(op="remove", path=("unified",)),
    ),
)
RESOURCES = {"memory": {"swap": 18446744073709551615}, "unified": {"pids.max": "3"}}
REPORT = {
    "schema": 1,
    "cgshim": __version__,
    "host": "hybrid",
    "runtime": "/usr/sbin/runc",
    "operation": "create",
    "policy": "warn",
    "changes": [
        {
            "field": "memory.swap",
            "effect": "changed",
            "kind": "guard",
            "code": "c",
            "reason": "because",
            "lost": "a bit",
        },
        {"field": "pids.limit", "effect": "changed", "kind": "guard", "code": "d", "reason": "why not"},
    ],
    "edits": [
        {"op": "set", "path": "linux.resources.memory.swap", "old": 18446744073709551615, "new": 2},
        {"op": "set", "path": "linux.resources.pids.limit", "new": 3},
        {"op": "remove", "path": "linux.resources.unified", "old": {"pids.max": "3"}},
    ],
}


def test_report_says_what_was_done() -> None:
    """Notes except for what was kept, edits with the old value, and for what they were made."""
    assert report.build(PLAN, RESOURCES, make_host("hybrid"), ABOUT) == REPORT


def test_annotation_is_the_report() -> None:
    """The annotation's value is the report as JSON text, big integers included."""
    assert json.loads(report.annotation(REPORT, None)) == REPORT


def test_earlier_report_stays_in_front() -> None:
    """A bundle that is rewritten a second time tells both stories."""
    earlier = {**REPORT, "changes": [{"field": "cpu.idle"}], "edits": []}
    made = json.loads(report.annotation(REPORT, json.dumps(earlier)))
    assert made["changes"] == [{"field": "cpu.idle"}, *REPORT["changes"]]  # type: ignore[misc]
    assert made["edits"] == REPORT["edits"]


@pytest.mark.parametrize(
    "earlier",
    [
        *("", "not JSON", "[]", "5", '{"schema":2,"changes":[1]}', '{"changes":[1]}', 5, None, ["x"]),
        *('{"schema":1,"changes":5,"edits":"x"}', '{"schema":1,"changes":null}'),
    ],
    ids=str,
)
def test_foreign_annotation_is_replaced(earlier: object) -> None:
    """What is no report of ours neither stops a container nor gets into the report."""
    assert json.loads(report.annotation(REPORT, earlier)) == REPORT


def test_what_steers_a_terminal_is_shown_as_its_escape() -> None:
    """A key of `unified` is the user's, and people read the report."""
    told = Note(field="unified.a\x1b[2J", code="c", kind="guard", effect="changed", reason="r", lost="line\nline")
    assert report.note_object(told) == {
        "field": "unified.a\\x1b[2J",
        "effect": "changed",
        "kind": "guard",
        "code": "c",
        "reason": "r",
        "lost": "line\\nline",
    }
