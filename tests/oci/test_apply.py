"""config.json replaced whole or not at all, and the stand-in for a bundle that cannot be written."""

from __future__ import annotations

import errno
import json
import os
import posix
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require, root_problem
from shim.errors import ShimError
from shim.oci import apply
from shim.oci.document import load
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD, NEW = '{"old": true}', '{"new": true}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config.json in a bundle of its own, with a mode that no umask gives."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    path = bundle / "config.json"
    path.write_text(OLD)
    path.chmod(0o604)
    return path


def _lasting(status: os.stat_result) -> tuple[int, ...]:
    """What a file that was not written keeps; reading it may move its access time."""
    names = ("st_dev", "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns")
    return tuple(getattr(status, name) for name in names)


def _alone(config: Path) -> bool:
    return [entry.name for entry in config.parent.iterdir()] == ["config.json"]


def test_replaced_with_owner_and_mode(config: Path) -> None:
    """The new file has the old one's mode and owner and nothing is left beside it."""
    if os.geteuid() == 0:
        os.chown(config, 12345, 54321)
    before = config.stat()
    apply.replace(str(config), NEW)
    after = config.stat()
    assert config.read_text() == NEW
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert stat.S_IMODE(after.st_mode) == 0o604
    assert after.st_ino != before.st_ino
    assert _alone(config)


def test_bytes_that_are_no_utf8(config: Path) -> None:
    """What was read with surrogate escapes is written as the bytes it was."""
    apply.replace(str(config), b"k\xf6ln".decode("utf-8", "surrogateescape"))
    assert config.read_bytes() == b"k\xf6ln"


def test_symbolic_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    """The file that a link leads to is replaced where it lies."""
    link = tmp_path / "config.json"
    link.symlink_to(config)
    apply.replace(str(link), NEW)
    assert link.is_symlink()
    assert config.read_text() == NEW
    assert _alone(config)


STEPS = ("open", "write", "fchown", "fchmod", "fsync", "close", "rename")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_failure_at_any_step_leaves_the_old_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """An error from any system call on the way is raised, the old file untouched and alone."""
    os.chown(config, os.geteuid(), 4242) if os.geteuid() == 0 else None
    before, real = config.stat(), getattr(posix, step)

    def fail(*arguments: Any, **named: Any) -> None:
        if step == "close":
            real(*arguments, **named)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(posix, step, fail)
        if step == "fchown" and os.geteuid() != 0:
            patched.setattr(posix, "geteuid", lambda: -1)
        with pytest.raises(OSError, match=os.strerror(number)):
            apply.replace(str(config), NEW)
    assert config.read_text() == OLD
    assert _lasting(config.stat()) == _lasting(before)
    assert _alone(config)


def test_interrupted_write_is_continued(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """write(2) may take less than it is given."""
    real = os.write
    monkeypatch.setattr(posix, "write", lambda handle, data: real(handle, data[:3]))
    apply.replace(str(config), NEW)
    assert config.read_text() == NEW


def test_directory_that_cannot_be_flushed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once renamed the new file counts, also where a directory cannot be synchronised."""
    real = os.fsync

    def refuse(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(posix, "fsync", refuse)
    apply.replace(str(config), NEW)
    assert config.read_text() == NEW


def test_left_over_of_a_killed_process(config: Path) -> None:
    """A temporary file of a killed process with the same number is in nobody's way."""
    left = config.parent / f".config.json.cgshim-{os.getpid()}"
    left.write_text("half a fi")
    apply.replace(str(config), NEW)
    assert config.read_text() == NEW
    assert _alone(config)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.oci import apply
texts = ['{"a": "' + letter * 300000 + '"}' for letter in "xy"]
print("ready", flush=True)
while True:
    for text in texts:
        apply.replace(sys.argv[2], text)
"""


def test_killed_at_any_moment(config: Path) -> None:
    """Whenever SIGKILL comes, config.json is one of the two versions, whole."""
    wanted = {'{"a": "' + letter * 300000 + '"}' for letter in "xy"}
    for reads in range(1, 16):
        argv = [sys.executable, "-IS", "-c", KILLED, str(ROOT), str(config)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            while config.read_text() == OLD:
                pass
            for _ in range(reads * 7):  # a different moment each time
                assert config.read_text() in wanted
            process.send_signal(signal.SIGKILL)
        assert config.read_text() in wanted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    require("root", root_problem())
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk(small_disk: Path) -> None:
    """A new file that does not fit leaves the old one and no half of the new."""
    config = small_disk / "config.json"
    config.write_text(OLD)
    with pytest.raises(OSError, match="No space left on device"):
        apply.replace(str(config), "x" * 200000)
    assert config.read_text() == OLD
    assert _alone(config)


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
    assert apply.alternative_bundle(load(text, "c"), text, "/b", str(place)) == str(place)
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
    assert apply.absolute(load(text, "c"), text, "/b") == text


def test_stand_in_without_a_root_path() -> None:
    """A runtime takes a missing root.path for the bundle itself."""
    made = json.loads(apply.absolute(load("{}", "c"), '{"root":{}}', "/b"))
    assert made == {"root": {"path": "/b/"}}


def test_stand_in_that_cannot_be_written(tmp_path: Path) -> None:
    """Neither the bundle nor the stand-in: a refusal that names both."""
    (tmp_path / "state").write_text("")
    place = tmp_path / "state" / "c1"
    with pytest.raises(ShimError) as caught:
        apply.alternative_bundle(load("{}", "c"), "{}", "/b", str(place))
    assert caught.value.code == "unwritable-bundle"
    assert caught.value.what == "the bundle /b cannot be written, and neither can a stand-in for it"
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
        apply.alternative_bundle(load("{}", "c"), "{}", "/b", str(place))
    assert caught.value.evidence == (f"{state}: EPERM, it belongs to another user",)
    assert not (place / "config.json").exists()


def test_stand_ins_are_told_apart() -> None:
    """Each call has its own; an id is unique below one root only, and never leads out of the directory."""
    first, second = (apply.stand_in("/run/cgshim", "/run/runc", "c") for _ in range(2))
    assert first != second
    assert [place.rpartition("~")[0] for place in (first, second)] == ["/run/cgshim/bundles/run-runc/c"] * 2
    assert apply.stand_in("/run/cgshim", "/x/../y", "c").startswith("/run/cgshim/bundles/x-..-y/c~")
    assert apply.stand_in("/s", "/r", "../../etc").startswith("/s/bundles/r/..-..-etc~")


def test_stale_stand_ins_are_discarded(tmp_path: Path) -> None:
    """One whose container is gone goes; one that has a container or is being made stays."""
    state, root = str(tmp_path / "state"), str(tmp_path / "root")
    bundles = {}
    for name in ("gone", "running", "being-made"):
        bundles[name] = apply.alternative_bundle(load("{}", "c"), "{}", "/b", apply.stand_in(state, root, name))
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    for name in ("gone", "running"):
        with open(os.path.join(bundles[name], "creator"), "w", encoding="ascii") as file:
            file.write(str(dead.pid))
    os.makedirs(os.path.join(root, "running"))
    apply.discard_stale(state, root)
    assert [name for name, path in bundles.items() if os.path.exists(path)] == ["running", "being-made"]
    apply.discard(bundles["running"])
    apply.discard(bundles["running"])
    assert not os.path.exists(bundles["running"])
