"""shim.diagnose.needed: what a pattern's matches have in common, and that no match is lost by it."""

from __future__ import annotations

import json

import pytest

from shim.cli.explain import context
from shim.diagnose import entry as entries
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import compiled
from shim.diagnose.explain import explain
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


def test_few_patterns_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up compiles less than a quarter of the catalogue: on an emulated machine all of it took 20 seconds."""
    ready: dict[str, object] = {}
    monkeypatch.setattr(entries, "COMPILED", ready)
    text = 'runc create failed: error mounting "cgroup" to rootfs at "/sys/fs/cgroup": operation not permitted'
    explain(text, context(Elsewhere(), text, "", None))
    assert 0 < len(ready) < sum(len(entry.patterns + entry.ambiguous) for entry in ENTRIES) / 4
