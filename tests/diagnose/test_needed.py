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
from shim.diagnose.needed import Index, may_match, needed
from tests.replayed import FAILURES

TEXTS = [case["text"] for case in json.loads((FAILURES / "reported.json").read_text())["cases"]]


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("cgroup is gone", ["cgroup is gone"]),
        ("aa|b", ["aa", "b"]),
        ("aa|b*", [""]),
        ("(?:a|b) is gone", [" is gone"]),
        ("(?:stopped|vanished) now", ["stopped", "vanished"]),
        ("(?:stopped|vanished)+ now", ["stopped", "vanished"]),
        ("(?:stopped|vanished)? now", [" now"]),
        ("(?:stopped|vanished){0,2} now", [" now"]),
        ("(?:stopped|) now", [" now"]),
        ("(?:(?:cpu|io) is (?:un)?set|pids) x", [" is ", "pids"]),
        ("(?=stopped)no(?!w|t) (?<=vanished)x(?<!gone)", ["no"]),
        ("Cgroups? gone", ["cgroup"]),
        ("ab?c", ["a"]),
        ("[Ff]ailed|[Nn][Oo]", ["failed", "no"]),
        (r"memory\.max: [a-z ]+ no", ["memory.max: "]),
        (r"x{2,3}yz", ["yz"]),
        (r"[|)(]cd+e", ["c"]),
        (r"\bdo \(this\)\d", ["do (this)"]),
        (r"[^]|]x(?P<name>y|z) (?P=name)wvu", ["wvu"]),
        (r"(?P<name>y)(?P=name)|other", ["y", "other"]),
        ("(?-i:ERROR|FATAL) here", ["error", "fatal"]),
        (r"(?<!no )such file", ["such file"]),
        (r"(?:a(?:b|c)|d)e", ["b", "c", "d"]),
        ("|".join("abcdefghijklmnop"), list("abcdefghijklmnop")),
        ("|".join("abcdefghijklmnopq"), [""]),
        (r"[^\n]*", [""]),
    ],
)
def test_what_every_match_has(pattern: str, texts: list[str]) -> None:
    """By hand: of the characters and groups that no quantifier makes optional those that tell most, each alternative's;
    more than sixteen alternatives are not looked for.
    """
    assert list(needed(pattern)) == texts


def test_an_index_finds_each_row_once() -> None:
    """Rows whose patterns need a text that is there, in their order, and rows that need none."""
    rows = Index([("is gone", "memory"), ("vanished",), ("[^x]",), ("(?:cpu|memory) is gone",)])
    assert rows.possible("memory is gone") == [0, 2, 3]
    assert rows.possible("") == [2]


@pytest.mark.parametrize("turn", range(10))
def test_no_match_is_lost(turn: int) -> None:
    """Each pattern against a tenth of the published texts: what it matches has what it needs."""
    patterns = [pattern for entry in ENTRIES for pattern in entry.patterns + entry.ambiguous][turn::10]
    lost = [
        (pattern, match[0])
        for pattern in patterns
        for match in map(compiled(pattern).search, TEXTS[turn::40])
        if match is not None and not may_match(pattern, match[0].lower())
    ]
    assert lost == []


def test_few_patterns_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up compiles less than a tenth of the catalogue: on an emulated machine all of it took 20 seconds."""
    ready: dict[str, object] = {}
    monkeypatch.setattr(entries, "COMPILED", ready)
    text = 'runc create failed: error mounting "cgroup" to rootfs at "/sys/fs/cgroup": operation not permitted'
    explain(text, context(Elsewhere(), text, "", None))
    assert 0 < len(ready) < sum(len(entry.patterns + entry.ambiguous) for entry in ENTRIES) / 10
