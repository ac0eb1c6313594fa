"""`cgshimctl compile`: what it says when the archive of code cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from shim.cli.main import main

if TYPE_CHECKING:
    import pytest


def test_a_directory_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message with the reason and what to do, status 3."""

    def refuse(_: str) -> str:
        raise PermissionError(13, "Permission denied", "/usr/lib/cgshim/shim/__pycache__")

    monkeypatch.setattr("shim.start.archive_file.make", refuse)
    result = CliRunner().invoke(main, ["compile"])
    lines = result.output.splitlines()
    assert (result.exit_code, lines[0].endswith("[not-compiled]")) == (3, True)
    assert "Permission denied: '/usr/lib/cgshim/shim/__pycache__'" in lines[0]
    assert "  remedy: run the command as the user to whom the directory belongs" in lines


def test_a_source_that_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of error is named."""

    def refuse(_: str) -> str:
        raise SyntaxError("invalid syntax (plan.py, line 3)")

    monkeypatch.setattr("shim.start.archive_file.make", refuse)
    result = CliRunner().invoke(main, ["compile"])
    assert (result.exit_code, "SyntaxError: invalid syntax (plan.py, line 3)" in result.output) == (3, True)
