"""Capturing: a small tree in, manifest and contents out, and the capture reads like the tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shim.host.capture import Capture
from shim.host.captured import CapturedView
from shim.host.view import View

MOUNTINFO = (
    "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "21 20 8:1 /secret /srv/secret rw - ext4 /dev/sda1 rw\n"
    "22 20 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A root directory with the files that detection looks at, ordinary files all of them."""
    root = tmp_path / "source"
    group = root / "sys/fs/cgroup"
    (group / "tenant-4711").mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu memory\n")
    (group / "tenant-4711/cgroup.controllers").write_text("memory\n")
    (group / "tenant-4711/memory.swap.max").write_text("max\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/tenant-4711\n")
    (root / "proc/self/mountinfo").write_text(MOUNTINFO)
    (root / "proc/swaps").write_text("Filename\n")
    return root


def captured(source: Path, destination: Path) -> CapturedView:
    """The capture of `source`, read back."""
    capture = Capture(View(str(source)), "small", (("tenant-4711", "a"),))
    capture.collect()
    capture.written(destination)
    return CapturedView(str(destination))


def test_contents_come_back(source: Path, tmp_path: Path) -> None:
    """What detection reads is there, what it does not know is not."""
    view = captured(source, tmp_path / "capture")
    assert view.text("/sys/fs/cgroup/cgroup.controllers") == "cpu memory\n"
    assert view.text("/proc/swaps") == "Filename\n"
    assert view.text("/proc/cgroups") is None
    assert view.why("/proc/cgroups") == "/proc/cgroups: ENOENT"


def test_names_are_replaced_everywhere(source: Path, tmp_path: Path) -> None:
    """A renamed cgroup is renamed in paths, contents and the manifest."""
    view = captured(source, tmp_path / "capture")
    assert view.text("/proc/self/cgroup") == "0::/a\n"
    assert view.first_child("/sys/fs/cgroup") == "a"
    assert view.exists("/sys/fs/cgroup/a/memory.swap.max")
    everything = "".join(p.read_text() for p in (tmp_path / "capture").rglob("*") if p.is_file())
    assert "tenant-4711" not in everything


def test_other_mounts_stay_out(source: Path, tmp_path: Path) -> None:
    """mountinfo keeps the cgroup mounts and those above them; the rest of the machine is nobody's business."""
    text = captured(source, tmp_path / "capture").text("/proc/self/mountinfo") or ""
    assert [line.split()[4] for line in text.splitlines()] == ["/", "/sys/fs/cgroup"]


def test_identity_comes_from_the_host(source: Path, tmp_path: Path) -> None:
    """Inode and device are the source's, not those of the copy."""
    real = (source / "sys/fs/cgroup").stat()
    found = captured(source, tmp_path / "capture").identity("/sys/fs/cgroup")
    assert found is not None
    assert (found.inode, found.device) == (real.st_ino, real.st_dev)


def test_an_error_is_captured(source: Path, tmp_path: Path) -> None:
    """A file that could not be read keeps its errno."""
    (source / "proc/pressure/memory").mkdir(parents=True)
    view = captured(source, tmp_path / "capture")
    assert view.text("/proc/pressure/memory") is None
    assert view.why("/proc/pressure/memory") == "/proc/pressure/memory: EISDIR"


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    """A manifest of another format is no capture."""
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(ValueError, match="format must be 1"):
        CapturedView(str(tmp_path))
