"""Sizes for people: the unit, with the exact number beside it."""

from __future__ import annotations

import pytest

from shim.rules.sizes import with_unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB (1024 bytes)"),
        (1536, "1536 bytes"),
        (20971520, "20 MiB (20971520 bytes)"),
        (1073741824, "1 GiB (1073741824 bytes)"),
        (1610612736, "1536 MiB (1610612736 bytes)"),
    ],
)
def test_size_for_people(value: int, text: str) -> None:
    """IEC units (IEC 80000-13), and only whole ones: nothing is rounded."""
    assert with_unit(value) == text
