"""Who the container's init is, and what is kept of it in the state files of runc and crun."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shim.containers import state_files

if TYPE_CHECKING:
    from pathlib import Path

RUNC = {"init_process_pid": 4711, "config": {"labels": ["bundle=/bundles/c1", "a=b=c", "empty=", 5]}}
CRUN = {"pid": 4712, "bundle": "/bundles/of-crun"}


def _keep(tmp_path: Path, name: str, value: Any) -> str:
    """A state file of container c1; the runtime's root."""
    (tmp_path / "root" / "c1").mkdir(parents=True, exist_ok=True)
    (tmp_path / "root" / "c1" / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return str(tmp_path / "root")


@pytest.mark.parametrize(("name", "value", "expected"), [("state.json", RUNC, 4711), ("status", CRUN, 4712)])
def test_the_pid_in_the_runtimes_own_file(tmp_path: Path, name: str, value: Any, expected: int) -> None:
    """runc's `init_process_pid`, crun's `pid`."""
    assert state_files.pid("", _keep(tmp_path, name, value), "c1") == expected


def test_the_pid_file_comes_first(tmp_path: Path) -> None:
    """The engine reads the same one."""
    file = tmp_path / "pid"
    file.write_text("17")
    assert state_files.pid(str(file), _keep(tmp_path, "state.json", RUNC), "c1") == 17


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "17 18", "१७"], ids=["empty", "0", "word", "-1", "two", "digits"])
def test_a_pid_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    """The runtime's own file is next; one that is missing, likewise."""
    file = tmp_path / "pid"
    file.write_text(text)
    root = _keep(tmp_path, "state.json", RUNC)
    assert state_files.pid(str(file), root, "c1") == 4711
    assert state_files.pid(f"{file}.none", root, "c1") == 4711


@pytest.mark.parametrize("value", ["", "{", "[1]", "null", {"init_process_pid": "4711"}, {}], ids=str)
def test_no_pid_anywhere(tmp_path: Path, value: Any) -> None:
    """Broken, of another shape or silent: 0, and the caller asks the runtime itself."""
    assert state_files.pid("", _keep(tmp_path, "state.json", value), "c1") == 0
    assert state_files.pid("", str(tmp_path / "none"), "c1") == 0


def test_annotations_and_bundle_of_runc(tmp_path: Path) -> None:
    """Labels are NAME=VALUE; the bundle is one of them."""
    root = _keep(tmp_path, "state.json", RUNC)
    assert state_files.annotations_of(root, "c1") == {"bundle": "/bundles/c1", "a": "b=c", "empty": ""}
    assert state_files.bundle(root, "c1") == "/bundles/c1"


def test_annotations_and_bundle_of_crun(tmp_path: Path) -> None:
    """crun keeps the bundle only, so they are read in its config.json."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text('{"annotations": {"io.cgshim.policy": "warn", "n": 5}}')
    root = _keep(tmp_path, "status", {"pid": 1, "bundle": str(bundle)})
    assert state_files.bundle(root, "c1") == str(bundle)
    assert state_files.annotations_of(root, "c1") == {"io.cgshim.policy": "warn", "n": "5"}


@pytest.mark.parametrize("value", [{"config": []}, {"config": {"labels": "a=b"}}, {"config": {"labels": [5]}}, "{"])
def test_a_state_of_another_shape(tmp_path: Path, value: Any) -> None:
    """No annotations and no bundle, and no exception."""
    root = _keep(tmp_path, "state.json", value)
    assert (state_files.annotations_of(root, "c1"), state_files.bundle(root, "c1")) == ({}, "")
