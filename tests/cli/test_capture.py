"""`cgshimctl capture`: the directory that it writes is a host that `plan` reads; bad input is one message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.view import View

if TYPE_CHECKING:
    from pathlib import Path


def test_capture_is_this_host(tmp_path: Path) -> None:
    """Detection finds in the capture the layout and the placement that it finds on the host itself."""
    place = tmp_path / "host"
    result = CliRunner().invoke(main, ["capture", str(place), "--name", "here"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"captured this host in {place}")
    assert json.loads((place / "manifest.json").read_text())["name"] == "here"
    asked = ("memory", "pids", "cpu")
    there, here = (detect(view, controllers=asked) for view in (CapturedView(str(place)), View()))
    assert (there.layout, there.placements) == (here.layout, here.placements)


def test_names_are_replaced_everywhere(tmp_path: Path) -> None:
    """--replace renames in paths and contents: the word is in no file and no file's name."""
    place = tmp_path / "host"
    assert CliRunner().invoke(main, ["capture", str(place), "--replace", "/sys/fs/cgroup=/elsewhere"]).exit_code == 0
    mounts = (place / "root" / "proc" / "self" / "mountinfo").read_text()
    assert ("/sys/fs/cgroup" in mounts, " /elsewhere" in mounts) == (False, True)
    assert "/sys/fs/cgroup" not in (place / "manifest.json").read_text()


@pytest.mark.parametrize("left", ["file", "directory"])
def test_what_is_there_stays(tmp_path: Path, left: str) -> None:
    """A file or a directory with something in it is not touched."""
    place = tmp_path / "host"
    if left == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine").write_text("mine")
    result = CliRunner().invoke(main, ["capture", str(place)])
    assert result.exit_code == 3
    assert f"{place} already exists and is not an empty directory [not-empty]" in result.output
    assert (place if left == "file" else place / "mine").read_text() == "mine"


def test_pair_without_an_equals_sign(tmp_path: Path) -> None:
    """Wrong usage has status 2 and names the word."""
    result = CliRunner().invoke(main, ["capture", str(tmp_path / "host"), "--replace", "old"])
    assert (result.exit_code, "'old' is not OLD=NEW" in result.output) == (2, True)
