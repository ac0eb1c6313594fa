"""The stand-in for a bundle that cannot be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from shim.call import stand_in
from shim.errors import ShimError
from shim.oci.document import load

if TYPE_CHECKING:
    from pathlib import Path


def test_stand_in_has_absolute_paths(tmp_path: Path) -> None:
    """root.path and relative sources of bind mounts are resolved; every other byte stays as it was."""
    text = (
        '{"root" : {"path":"rootfs", "readonly":true},"mounts":[\n'
        '  {"destination":"/a","type":"bind","source":"data", "future":1e400},\n'
        '  {"destination":"/b","type":"none","options":["ro","rbind"],"source" : "./x"},\n'
        '  {"destination":"/c","type":"bind","source":"/abs"},\n'
        '  {"destination":"/proc","type":"proc","source":"proc"}\n],"linux":{}}'
    )
    place = tmp_path / "state" / "c1"
    assert stand_in.make(load(text, "c"), text, "/b", str(place)) == str(place)
    assert (place / "config.json").read_text() == (
        '{"root" : {"path":"/b/rootfs", "readonly":true},"mounts":[\n'
        '  {"destination":"/a","type":"bind","source":"/b/data", "future":1e400},\n'
        '  {"destination":"/b","type":"none","options":["ro","rbind"],"source" : "/b/./x"},\n'
        '  {"destination":"/c","type":"bind","source":"/abs"},\n'
        '  {"destination":"/proc","type":"proc","source":"proc"}\n],"linux":{}}'
    )
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_stand_in_of_what_is_absolute_already() -> None:
    """Nothing relative, nothing changed."""
    text = '{"root":{"path":"/r"},"mounts":[{"type":"bind","source":"/s"}],"linux":{}}'
    assert stand_in.absolute(load(text, "c"), text, "/b") == text


def test_stand_in_without_a_root_path() -> None:
    """A runtime takes a missing root.path for the bundle itself."""
    made = json.loads(stand_in.absolute(load("{}", "c"), '{"root":{}}', "/b"))
    assert made == {"root": {"path": "/b/"}}


def test_stand_in_that_cannot_be_written(tmp_path: Path) -> None:
    """Neither the bundle nor the stand-in: a refusal that names both."""
    (tmp_path / "state").write_text("")
    place = tmp_path / "state" / "c1"
    with pytest.raises(ShimError) as caught:
        stand_in.make(load("{}", "c"), "{}", "/b", str(place))
    assert caught.value.code == "unwritable-bundle"
    assert caught.value.what == "the bundle /b cannot be written, nor can a stand-in for it"
    assert caught.value.evidence == (f"{place.parent}: ENOTDIR",)
    assert any("CGSHIM_STATE" in step for step in caught.value.remedy)


def test_stand_in_below_another_users_directory(tmp_path: Path) -> None:
    """A directory that somebody else made in advance, as anybody can below /tmp, is not used."""
    require("root", root_problem())
    state = tmp_path / "cgshim-0"
    state.mkdir()
    os.chown(state, 4242, 4242)
    place = state / "bundles" / "c1"
    with pytest.raises(ShimError) as caught:
        stand_in.make(load("{}", "c"), "{}", "/b", str(place))
    assert caught.value.evidence == (f"{state}: EPERM, it belongs to another user",)
    assert not (place / "config.json").exists()


def test_stand_ins_are_told_apart() -> None:
    """Each call has its own; an id is unique below one root only, and never leads out of the directory."""
    first, second = (stand_in.path_of("/run/cgshim", "/run/runc", "c") for _ in range(2))
    assert first != second
    assert [place.rpartition("~")[0] for place in (first, second)] == ["/run/cgshim/bundles/run-runc/c"] * 2
    assert stand_in.path_of("/run/cgshim", "/x/../y", "c").startswith("/run/cgshim/bundles/x-..-y/c~")
    assert stand_in.path_of("/s", "/r", "../../etc").startswith("/s/bundles/r/..-..-etc~")


def test_stale_stand_ins_are_discarded(tmp_path: Path) -> None:
    """One whose container is gone goes; one that has a container or is being made stays."""
    state, root = str(tmp_path / "state"), str(tmp_path / "root")
    bundles = {}
    for name in ("gone", "running", "being-made"):
        bundles[name] = stand_in.make(load("{}", "c"), "{}", "/b", stand_in.path_of(state, root, name))
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    for name in ("gone", "running"):
        with open(os.path.join(bundles[name], "creator"), "w", encoding="ascii") as file:
            file.write(str(dead.pid))
    os.makedirs(os.path.join(root, "running"))
    stand_in.discard_stale(state, root)
    assert [name for name, path in bundles.items() if os.path.exists(path)] == ["running", "being-made"]
    stand_in.discard(bundles["running"])
    stand_in.discard(bundles["running"])
    assert not os.path.exists(bundles["running"])


def test_what_a_killed_call_left_of_a_stand_in_goes_too(tmp_path: Path) -> None:
    """Killed in the middle of writing: the half-written files would keep the directory forever."""
    state, root = str(tmp_path / "state"), str(tmp_path / "root")
    place = stand_in.make(load("{}", "c"), "{}", "/b", stand_in.path_of(state, root, "gone"))
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    for name in ("config.json", "creator"):
        os.rename(os.path.join(place, name), os.path.join(place, f".{name}.cgshim-{dead.pid}"))
    stand_in.discard_stale(state, root)
    assert not os.path.exists(place)
