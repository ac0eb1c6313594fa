"""shim.diagnose.needed: what a pattern's matches have in common, and that no match is lost by it."""

from __future__ import annotations

import json

import pytest

from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.entry import compiled
from shim.diagnose.needed import needed
from tests.replayed import FAILURES

TEXTS = [case["text"] for case in json.loads((FAILURES / "reported.json").read_text())["cases"]]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("cgroup is gone", "cgroup is gone"),
        ("a|b", ""),
        ("(?:a|b) is gone", " is gone"),
        ("Cgroups? gone", "cgroup"),
        ("ab?c", "a"),
        (r"memory\.max: [a-z ]+ no", "memory.max: "),
        (r"x{2,3}yz", "yz"),
        (r"[|)(]cd+e", "c"),
        (r"\bdo \(this\)\d", "do (this)"),
        (r"[^]|]x(?P<name>y) (?P=name)z", "x"),
        (r"(?<!no )such file", "such file"),
        (r"(?:a(?:b|c)|d)e", "e"),
        (r"[^\n]*", ""),
    ],
)
def test_what_every_match_has(pattern: str, text: str) -> None:
    """By hand: characters outside of groups, without the one that a quantifier makes optional."""
    assert needed(pattern) == text


@pytest.mark.parametrize("turn", range(10))
def test_no_match_is_lost(turn: int) -> None:
    """Each pattern against a tenth of the published texts: what it matches has what it needs."""
    patterns = [pattern for entry in ENTRIES for pattern in entry.patterns + entry.ambiguous][turn::10]
    lost = [
        (pattern, match[0])
        for pattern in patterns
        for match in map(compiled(pattern).search, TEXTS[turn::40])
        if match is not None and needed(pattern) not in match[0].lower()
    ]
    assert lost == []
