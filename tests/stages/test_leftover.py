"""The hook that removes the bridge's cgroup, run in this process. Directories stand for cgroups: both go by rmdir."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.stages import leftover
from tests.stages.hook_process import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stages.hook_process import Run

__all__ = ["run"]  # the fixture
STATE = {"ociVersion": "1.0.2", "id": "web", "pid": 0, "bundle": "/b", "status": "stopped"}
BUSY = """cgshim: the cgroup {path} could not be removed [leftover-cgroup]
  cause: it has processes or child cgroups that others created
  evidence: {path}/cgroup.procs: 12 34
  remedy: rmdir {path} when it is empty"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody kills a process here that would have to be waited for."""
    monkeypatch.setattr(leftover, "TRIES", 2)
    monkeypatch.setattr(leftover, "PAUSE", 0.001)


def _remembered(state_directory: Path) -> str:
    text: str = json.loads((state_directory / "last.json").read_text())["text"]
    return text


def test_the_container_s_cgroup_goes(run: Run, tmp_path: Path, state_directory: Path) -> None:
    """With the one above, if no other container has one in it."""
    (tmp_path / "cgshim" / "web").mkdir(parents=True)
    run(leftover.main, STATE, "--mount", str(tmp_path))
    assert not (tmp_path / "cgshim").exists()
    run(leftover.main, STATE, "--mount", str(tmp_path))
    assert not (state_directory / "last.json").exists()


def test_others_stay(run: Run, tmp_path: Path) -> None:
    """A second container's cgroup is no leftover of the first."""
    (tmp_path / "cgshim" / "web").mkdir(parents=True)
    (tmp_path / "cgshim" / "db").mkdir()
    run(leftover.main, STATE, "--mount", str(tmp_path))
    assert [path.name for path in (tmp_path / "cgshim").iterdir()] == ["db"]


def test_one_that_is_in_use_is_told(run: Run, tmp_path: Path, state_directory: Path) -> None:
    """With what is in it and what to do; the container's end does not fail."""
    path = tmp_path / "cgshim" / "web"
    path.mkdir(parents=True)
    (path / "cgroup.procs").write_text("12\n34\n")
    run(leftover.main, STATE, "--mount", str(tmp_path))
    assert _remembered(state_directory) == BUSY.format(path=path)


@pytest.mark.parametrize(
    ("state", "arguments", "code"),
    [
        (STATE, ("--mount",), "bad-hook"),
        ("{", ("--mount", "/x"), "bad-state"),
        ({**STATE, "id": "../web"}, ("--mount", "/x"), "bad-container-id"),
    ],
    ids=["half an option", "no JSON", "an id that leads elsewhere"],
)
def test_what_it_cannot_use(
    run: Run, state_directory: Path, state: object, arguments: tuple[str, ...], code: str
) -> None:
    """It is kept for `explain --last`, and the hook ends with 0."""
    run(leftover.main, state, *arguments)
    assert f"[{code}]" in _remembered(state_directory)


@pytest.mark.parametrize(("mount", "container"), [("relative", "web"), ("", "web"), ("/sys", "a/b")])
def test_nothing_is_removed_elsewhere(mount: str, container: str) -> None:
    """A mount that is no path, or an id that is more than a name, removes nothing and fails nothing."""
    leftover.remove(mount, container)


def test_a_cgroup_that_stays_is_refused_by_remove(tmp_path: Path) -> None:
    """What the hook reports is an error to whoever else calls it."""
    (tmp_path / "cgshim" / "web" / "child").mkdir(parents=True)
    with pytest.raises(ShimError, match="could not be removed"):
        leftover.remove(str(tmp_path), "web")
