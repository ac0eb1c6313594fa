"""config.json replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import posix
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require, root_problem
from shim.oci import atomic
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
    atomic.replace(str(config), NEW.encode())
    after = config.stat()
    assert config.read_text() == NEW
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert stat.S_IMODE(after.st_mode) == 0o604
    assert after.st_ino != before.st_ino
    assert _alone(config)


def test_bytes_that_are_no_utf8(config: Path) -> None:
    """What was read with surrogate escapes is written as the bytes it was."""
    atomic.replace(str(config), b"k\xf6ln")
    assert config.read_bytes() == b"k\xf6ln"


def test_symbolic_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    """The file that a link leads to is replaced where it lies."""
    link = tmp_path / "config.json"
    link.symlink_to(config)
    atomic.replace(str(link), NEW.encode())
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
            atomic.replace(str(config), NEW.encode())
    assert config.read_text() == OLD
    assert _lasting(config.stat()) == _lasting(before)
    assert _alone(config)


def test_interrupted_write_is_continued(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """write(2) may take less than it is given."""
    real = os.write
    monkeypatch.setattr(posix, "write", lambda handle, data: real(handle, data[:3]))
    atomic.replace(str(config), NEW.encode())
    assert config.read_text() == NEW


def test_directory_that_cannot_be_flushed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once renamed the new file counts, also where a directory cannot be synchronised."""
    real = os.fsync

    def refuse(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(posix, "fsync", refuse)
    atomic.put(str(config), NEW.encode())
    assert config.read_text() == NEW


def test_what_is_waited_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create waits for the content, which is on disk before it has the name, and not for the directory."""
    steps: list[str] = []
    real_flush, real_rename = os.fsync, os.rename

    def flush(handle: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "content")
        real_flush(handle)

    def rename(*names: Any, **where: Any) -> None:
        steps.append("name")
        real_rename(*names, **where)

    monkeypatch.setattr(posix, "fsync", flush)
    monkeypatch.setattr(posix, "rename", rename)
    atomic.replace(str(config), OLD.encode())
    assert steps == ["content", "name"]
    atomic.put(str(config), NEW.encode())
    assert steps == ["content", "name", "content", "name", "directory"]


def test_left_over_of_a_killed_process(config: Path) -> None:
    """A temporary file of a killed process with the same number is in nobody's way."""
    left = config.parent / f".config.json.cgshim-{os.getpid()}"
    left.write_text("half a fi")
    atomic.replace(str(config), NEW.encode())
    assert config.read_text() == NEW
    assert _alone(config)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.oci import atomic
texts = ['{"a": "' + letter * 300000 + '"}' for letter in "xy"]
print("ready", flush=True)
while True:
    for text in texts:
        atomic.replace(sys.argv[2], text.encode())
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
        atomic.replace(str(config), b"x" * 200000)
    assert config.read_text() == OLD
    assert _alone(config)
