"""`-o yaml`: whatever the object is, a YAML parser reads it back."""

from __future__ import annotations

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from hypothesis import given
from hypothesis import strategies as st

from shim.cli import yaml_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.property
@given(value=VALUES)
def test_yaml_is_read_back(value: Any) -> None:
    """PyYAML, which knows YAML 1.1, reads the same value, and nothing in it steers a terminal."""
    text = yaml_text.text(value)
    assert yaml.safe_load(text) == value
    assert all(one.isprintable() or one == "\n" for one in text)
