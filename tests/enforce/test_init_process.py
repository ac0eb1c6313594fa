"""Does an init still run: lines of /proc/PID/stat as kernel 6.18 printed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.enforce.init_process import Fate, fate
from tests.cgroup_tree import INIT, Tree

if TYPE_CHECKING:
    from pathlib import Path

STAT = f"/proc/{INIT}/stat"
RUNS = (
    f"{INIT} (runc:[2:INIT]) S 1 2580 2580 0 -1 4194624 676 0 0 0 0 0 0 0 20 0 5 0 379861 1040629760 2452 "
    "18446744073709551615 4214784 8407281 140729643311968 0 0 0 0 0 2143420159 0 0 0 17 1 0 0 0 0 0 12766600 "
    "12936676 505376768 140729643317069 140729643317082 140729643317082 140729643319275 0\n"
)
ZOMBIE = (
    f"{INIT} (runc:[2:INIT]) Z 1 3505 3505 0 -1 4228940 567 0 0 0 0 0 0 0 20 0 1 0 380119 0 0 18446744073709551615 "
    "0 0 0 0 0 0 2147220223 65536 2143353599 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 11\n"
)
EXITING = ZOMBIE.replace(") Z", ") R").replace(" 11\n", " 0\n")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A /proc with an init whose stat the test writes."""
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("stat", "started", "expected"),
    [
        (RUNS, 0, None),
        (RUNS, 379861, None),
        (RUNS, 1, Fate(evidence=f"{STAT}: another process, started at 379861, not at 1")),
        (ZOMBIE, 0, Fate(evidence=f"{STAT}: state Z, PF_EXITING", status=11)),
        (EXITING, 0, Fate(evidence=f"{STAT}: state R, PF_EXITING")),
        (f"{INIT} (a ) Z odd) S 1 1", 0, None),
        ("", 0, None),
    ],
    ids=["runs", "the-same-start", "another-start", "zombie", "on-its-way-out", "odd-name", "empty"],
)
def test_what_stat_says(tree: Tree, stat: str, started: int, expected: Fate | None) -> None:
    """State, PF_EXITING and the start are read behind the last parenthesis."""
    tree.write(STAT, stat)
    assert fate(tree.view, INIT, started) == expected


def test_a_process_that_has_gone(tree: Tree) -> None:
    """Nothing there: it ended, and nobody knows how."""
    assert fate(tree.view, INIT) == Fate(evidence=f"{STAT}: ENOENT")


def test_a_process_that_may_not_be_seen(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """EACCES is no death."""
    monkeypatch.setattr(tree.view, "text", lambda path: None)
    tree.view.errors[STAT] = 13
    assert fate(tree.view, INIT) is None
