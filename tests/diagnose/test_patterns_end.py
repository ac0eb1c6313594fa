"""Every pattern comes to an end on every text: a container's strings stand in the messages that are looked up.

A pattern in which several parts match the same characters takes time with a power of the line's length. Such a line is
made from the pattern itself: the words that it asks for, repeated, with and without what leads to them.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest

from shim.cli.explain import context
from shim.diagnose import explain as explaining
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import Entry, compiled
from shim.diagnose.time_limit import TimeIsUp, time_limit
from tests.extent import SAMPLE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_parse  # it has no other public name

LENGTH = 400
USUAL = ("a", "/a", "a ", "a: ", ": a", "- ", "1 ", '"', "\\", "memory.", "cgroup ", "/sys/fs/cgroup/", "lxc")
CHARACTERS = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}


def _one_of(operation: str, value: Any) -> str:
    if operation in ("LITERAL", "RANGE"):
        return chr(value if operation == "LITERAL" else value[0])
    return CHARACTERS.get(str(value), "a") if operation == "CATEGORY" else "a"


def _words(tree: Any) -> str:
    """Return the shortest words that the parsed pattern asks for, an optional part once."""
    found = []
    for operation, value in tree:
        name = str(operation)
        if name in ("LITERAL", "NOT_LITERAL", "ANY"):
            found.append(_one_of(name, value))
        elif name == "IN":
            found.append(_one_of(str(value[0][0]), value[0][1]))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            found.append(_words(value[2]) * max(value[0], 1))
        elif name in ("SUBPATTERN", "BRANCH"):
            found.append(_words(value[3] if name == "SUBPATTERN" else value[1][0]))
    return "".join(found)


def _parts(tree: Any) -> set[str]:
    """Return the words of each alternative and of each repeated part."""
    found: set[str] = set()
    for operation, value in tree:
        name = str(operation)
        if name == "SUBPATTERN":
            found |= _parts(value[3])
        elif name in ("BRANCH", "MAX_REPEAT", "MIN_REPEAT"):
            for part in value[1] if name == "BRANCH" else [value[2]]:
                found |= _parts(part) | {_words(part)}
    return found


def _lines(pattern: str) -> list[str]:
    tree = sre_parse.parse(pattern)
    whole = _words(tree)
    begun = {whole[: len(whole) * part // 8] for part in range(1, 9)}
    repeated = {word.replace("\n", " ") for word in {*USUAL, *begun, f"{whole} ", *_parts(tree)} if word}
    heads = ("", whole[: len(whole) * 2 // 3])
    return [(head + word * LENGTH)[:LENGTH] for word in sorted(repeated) for head in heads]


def _seconds(pattern: str, line: str, limit: float = 60.0) -> float:
    search = compiled(pattern).search
    started = time.process_time()
    with time_limit(limit):
        search(line)
    return time.process_time() - started


@pytest.fixture(scope="module")
def cube() -> float:
    """A fifth of what a search takes here that looks at each three characters of a line: n^3/30 steps."""
    return min(_seconds(r"[^\n]*[^\n]*x", "a" * LENGTH) for _ in range(3)) / 5


@pytest.mark.parametrize("entry", ENTRIES[::4] if SAMPLE else ENTRIES, ids=lambda entry: entry.code)
def test_no_search_takes_as_long_as_the_cube_of_a_line(entry: Entry, cube: float) -> None:
    """Shown by a ratio in the same run; a search that does not end is ended, and named."""
    slow = {}
    for pattern in filter(None, (*entry.patterns, *entry.ambiguous, entry.beside, entry.first_for, entry.first_beside)):
        for line in _lines(pattern):
            try:
                # The garbage collector may run in the first search, not in both.
                seconds = min(_seconds(pattern, line, max(50 * cube, 1.0)) for _ in range(2))
            except TimeIsUp:
                seconds = float("inf")
            if seconds > cube:
                slow[pattern] = line
                break
    assert slow == {}


def test_the_check_notices_a_pattern_without_end(cube: float) -> None:
    """It can fail: this pattern stood in the catalogue."""
    pattern = r"setting up Pasta(?:[^\n]*\n?){1,3}?[^\n]*netns[^\n]*denied"
    with pytest.raises(TimeIsUp):
        sum(_seconds(pattern, line, cube) for line in _lines(pattern))


def test_a_message_that_takes_too_long_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lock: the runtime's words stay whole, and the answer says why there is no cause."""
    # A class at the end, since a pattern that needs a plain "x" is not tried on a text without one.
    endless = ENTRIES[0].changed(ambiguous=(r"(?:[^\n]*[^\n]*){9}[xy]",))
    monkeypatch.setattr(explaining, "ENTRIES", (endless,))
    monkeypatch.setattr(explaining, "SECONDS", 0.2)
    text = "runc: " + "a" * 1000
    found = explaining.explain(text, context(Elsewhere(), text, "", None))
    assert (found.code, found.raw, found.evidence) == ("not-recognised", text, ())
    assert found.verdict == "the message could not be looked up in 0 seconds of CPU time"
