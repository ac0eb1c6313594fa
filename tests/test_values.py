"""Values: construction by fields, frozen content, equality; and what an installation leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from shim import values
from shim.start import archive_file
from shim.values import Value


class Pair(Value):
    """A value with one field that has a default."""

    left: int
    right: int = 2


def test_fields_and_defaults() -> None:
    """A field is what was given, else its default."""
    assert (Pair(left=1).left, Pair(left=1).right, Pair(left=1, right=5).right) == (1, 2, 5)
    assert Pair(left=1) == Pair(left=1, right=2) != Pair(left=1, right=5)
    assert repr(Pair(left=1)) == "Pair(left=1, right=2)"
    assert Pair(left=1).changed(right=7) == Pair(left=1, right=7)


def test_faulty_construction() -> None:
    """An unknown field and a missing one are named."""
    with pytest.raises(TypeError, match=r"^Pair has no field 'middle'$"):
        Pair(left=1, middle=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Pair needs the field 'left'$"):
        Pair(right=1)  # type: ignore[call-arg]


def test_frozen() -> None:
    """No field is set or deleted."""
    pair = Pair(left=1)
    with pytest.raises(AttributeError, match=r"^Pair is frozen: cannot set 'left'$"):
        pair.left = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"^Pair is frozen: cannot delete 'left'$"):
        del pair.left


def test_archive_leaves_out_the_check() -> None:
    """mypy has checked the calls, so an intercepted call does not pay for that; everything else is the same."""
    with open(values.__file__, "rb") as file:
        code = archive_file.compiled(file.read(), values.__file__)
    space: dict[str, Any] = {"__name__": "shim.values"}
    exec(code, space)
    lean = type("Lean", (space["Value"],), {"__annotations__": {"left": None}})
    made = lean(left=1)
    assert (repr(made), made == lean(left=1), made == lean(left=2)) == ("Lean(left=1)", True, False)
    assert vars(lean(other=1)) == {"other": 1}
