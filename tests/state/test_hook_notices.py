"""What a successful hook has to tell, on its way to the cgshim whose run it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.state.hook_notices import leave, take

if TYPE_CHECKING:
    from pathlib import Path

    from shim.errors import Notice

TOLD: list[Notice] = [("warning", "cgshim: one \udc80"), ("info", "cgshim: two")]


def test_notices_are_taken_once(tmp_path: Path) -> None:
    """They arrive as they were left, and nothing stays behind."""
    environment = {"CGSHIM_STATE": str(tmp_path)}
    leave("c1", TOLD, environment)
    assert take("c2", environment) == []
    assert take("c1", environment) == TOLD
    assert take("c1", environment) == []
    assert list((tmp_path / "notices").iterdir()) == []


def test_an_earlier_runs_notices_go(tmp_path: Path) -> None:
    """A run with nothing to tell is not told what a killed one of the same name left."""
    environment = {"CGSHIM_STATE": str(tmp_path)}
    leave("c1", TOLD, environment)
    leave("c1", [], environment)
    assert take("c1", environment) == []


def test_nothing_is_made_for_nothing(tmp_path: Path) -> None:
    """No notices, no directory; a state directory that cannot be written costs no container."""
    leave("c1", [], {"CGSHIM_STATE": str(tmp_path / "state")})
    assert not (tmp_path / "state").exists()
    (tmp_path / "file").write_text("")
    leave("c1", TOLD, {"CGSHIM_STATE": str(tmp_path / "file")})
    assert take("c1", {"CGSHIM_STATE": str(tmp_path / "file")}) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"notices": 1}', '{"notices": [["warning"], 2]}', "{broken"])
def test_what_is_not_ours_is_nothing(tmp_path: Path, text: str) -> None:
    """A file of another shape is taken away and tells nothing."""
    environment = {"CGSHIM_STATE": str(tmp_path)}
    leave("c1", TOLD, environment)
    (tmp_path / "notices" / "c1.json").write_text(text)
    assert take("c1", environment) == []
    assert not (tmp_path / "notices" / "c1.json").exists()
