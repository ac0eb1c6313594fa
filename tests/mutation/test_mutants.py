"""The mutants themselves: each changes the meaning, none touches a docstring or an annotation."""

from __future__ import annotations

import pytest

from tests.mutation.mutants import mutant, places

CHANGES = {
    "x = a < b": {"x = a <= b"},
    "x = not a": {"x = a"},
    "x = a and b": {"x = a or b", "x = a"},
    "x = 5": {"x = 6"},
    "x = GUARD": {"x = HINT"},
    "x = 'page'": {"x = 'number'"},
    "if a:\n    b()": {"if False:\n    b()", "if True:\n    b()"},
    "raise a": {"pass"},
    'def f(a: int=5) -> int:\n    """1 < 2"""\n    pass': set(),
    "import os": set(),
}


@pytest.mark.parametrize(("text", "wanted"), CHANGES.items())
def test_every_change_is_made(text: str, wanted: set[str]) -> None:
    """The table of changes, each on a line of its own."""
    found = [mutant(text, *place) for place in places(text)]
    assert {one.text for one in found if one} == wanted
