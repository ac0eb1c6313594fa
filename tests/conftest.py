"""Options and fixtures of the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes tests/golden anew; look at the diff before you commit it."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew from what comes out now")
