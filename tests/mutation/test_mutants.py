"""The mutants themselves: each changes the meaning, none touches a docstring or an annotation."""

from __future__ import annotations

import pytest

from tests.mutation.__main__ import MODULES, ROOMS, ROOT, WIDER, own_tests
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


def test_what_is_changed_and_what_is_run_is_there() -> None:
    """Each room has modules, each module has something to change or is a table, and every test file exists."""
    assert {module.split("/")[1] for module in MODULES} == set(ROOMS)
    assert "tests/rules/test_swap.py" in own_tests("shim/rules/swap")
    named = {*(f"{module}.py" for module in MODULES), *WIDER, *(one for module in MODULES for one in own_tests(module))}
    assert {name for name in named if not (ROOT / name).exists()} == set()
    assert all(list(places((ROOT / f"{module}.py").read_text())) for module in MODULES)
