"""The recorder: what it writes can be read, is bounded, survives crashes and full disks, and replaces nothing else."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.watch.event import Event
from shim.watch.record import Recorder
from shim.watch.recording import Recording
from tests.watch.recordings import BEGIN, MIB, WEB, sample

if TYPE_CHECKING:
    from pathlib import Path

STARTED = Event(time=BEGIN, kind="started", id=WEB, engine="docker", name="web", pod="", source="polling")


def _records(path: Path) -> list[tuple[str, float]]:
    with Recording(str(path)) as recording:
        return [(one.kind, one.time) for one in recording.records() if one.kind != "header"]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """Every figure, limit and counter comes back; what is not known stays unknown; events lie beside the samples."""
    path = tmp_path / "r"
    recorder = Recorder(str(path), 5.0)
    recorder.event(STARTED)
    recorder.sample(sample(0, events={"high": 3, "oom_kill": 0}, cpu={"nr_throttled": 7}))
    recorder.gone(WEB)
    recorder.close()
    with Recording(str(path)) as recording:
        head, event, one, gone = recording.records()
    assert (head.kind, head.object["interval"], head.object["schema"]) == ("header", 5.0, 1)
    assert (event.kind, event.object["kind"], event.object["source"]) == ("event", "started", "polling")
    assert one.time == BEGIN
    assert one.who is not None
    assert (one.who.id, one.who.name, one.who.engine, one.who.version) == (WEB, "web", "docker", "v2")
    assert one.figures == {
        "usage": 60 * MIB, "anonymous": 20 * MIB, "file": 30 * MIB, "shmem": 0, "kernel": MIB, "limit": 512 * MIB,
        "events.high": 3, "events.oom_kill": 0, "cpu.nr_throttled": 7,
    }  # fmt: skip
    assert gone.kind == "gone"
    assert recording.problems == []


def test_the_file_is_for_its_owner(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        Recorder(str(tmp_path / "r"), 5.0).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o600


def test_each_record_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write(2) is one whole line."""
    seen: list[bytes] = []
    write = os.write

    def noted(handle: int, data: bytes) -> int:
        seen.append(data)
        return write(handle, data)

    monkeypatch.setattr(os, "write", noted)
    recorder = Recorder(str(tmp_path / "r"), 5.0)
    recorder.sample(sample(0))
    recorder.sample(sample(1))
    recorder.close()
    assert [line.count(b"\n") for line in seen] == [1, 1, 1, 1]
    assert all(line.endswith(b"\n") for line in seen)


def test_recording_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The second watcher appends; the numbers of its containers are its own."""
    path = tmp_path / "r"
    for number in (0, 1):
        recorder = Recorder(str(path), 5.0)
        recorder.sample(sample(number, container=WEB if number else "aa" * 32))
        recorder.sample(sample(number + 1))
        recorder.close()
    assert _records(path) == [("sample", BEGIN), ("sample", BEGIN + 5), ("sample", BEGIN + 5), ("sample", BEGIN + 10)]


@pytest.mark.parametrize("torn", ['{"s":[17000', "\0" * 5000, '{"s":[1]}\n{"e":{"ti', '{"s": [1\n\0\0'])
def test_what_a_crash_tore_is_cut_off(tmp_path: Path, torn: str) -> None:
    """Half a line, or blocks that never came to the disk: the lines before it stay, the next ones follow."""
    path = tmp_path / "r"
    recorder = Recorder(str(path), 5.0)
    recorder.sample(sample(0))
    recorder.close()
    whole = path.read_text()
    with path.open("a") as file:
        file.write(torn)
    recorder = Recorder(str(path), 5.0)
    recorder.close()
    kept = path.read_text()
    assert kept.startswith(whole)
    assert "\0" not in kept
    assert [json.loads(line) for line in kept.splitlines()]


def test_parts_rotate_and_the_oldest_goes(tmp_path: Path) -> None:
    """Four parts of 64 KiB and a line: never more, in the order of time, each readable by itself."""
    path = tmp_path / "r"
    recorder = Recorder(str(path), 5.0, most=4 * 65536)
    for number in range(4000):
        recorder.sample(sample(number))
    recorder.close()
    parts = sorted(one.name for one in tmp_path.iterdir())
    assert parts == ["r", "r.1", "r.2", "r.3"]
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 4 * (65536 + 1024)
    times = [time for kind, time in _records(path)]
    assert times == [BEGIN + 5 * number for number in range(4000 - len(times), 4000)]
    assert len(times) > 1000


@pytest.mark.parametrize(
    "content", ["root:x:0:0\n", "\n", "{}\n", '{"recording": "cgshim", "schema": 2}\n', "x" * 9000]
)
def test_what_is_not_a_recording_is_left_alone(tmp_path: Path, content: str) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "r"
    path.write_text(content)
    with pytest.raises(ShimError) as caught:
        Recorder(str(path), 5.0)
    assert caught.value.code == "bad-recording-place"
    assert (
        caught.value.what
        == f"{path} cannot take the recording: it is not empty and not a recording; it is left as it is"
    )
    assert path.read_text() == content


def test_rotation_replaces_nothing_else(tmp_path: Path) -> None:
    """A foreign FILE.2 is found before anything is written."""
    (tmp_path / "r.2").write_text("mine\n")
    with pytest.raises(ShimError, match=r"r\.2 cannot take the recording: it is not a part of a recording"):
        Recorder(str(tmp_path / "r"), 5.0)
    assert (tmp_path / "r.2").read_text() == "mine\n"
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("kind", "why"), [
    ("link", "Too many levels of symbolic links"), ("directory", "Is a directory"), ("fifo", "not a regular file"),
    ("nowhere", "No such file or directory"),
])  # fmt: skip
def test_places_that_cannot_take_it(tmp_path: Path, kind: str, why: str) -> None:
    """Each says why, and none blocks."""
    path = tmp_path / "r"
    if kind == "link":
        path.symlink_to(tmp_path / "target")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "none" / "r"
    with pytest.raises(ShimError, match=why):
        Recorder(str(path), 5.0)


def test_two_watchers_do_not_share_a_file(tmp_path: Path) -> None:
    """The second one is told."""
    first = Recorder(str(tmp_path / "r"), 5.0)
    with pytest.raises(ShimError, match="another watcher records there"):
        Recorder(str(tmp_path / "r"), 5.0)
    first.close()


def test_a_full_disk_loses_records_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record is taken back, one note is given, and what is missing is counted when writing works again."""
    notes: list[str] = []
    path = tmp_path / "r"
    recorder = Recorder(str(path), 5.0, tell=notes.append)
    recorder.sample(sample(0))
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 10:
            write(handle, data[:10])
            return 10
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        recorder.sample(sample(1))
        recorder.sample(sample(2))
    recorder.sample(sample(3))
    recorder.close()
    with Recording(str(path)) as recording:
        found = [(one.kind, one.time) for one in recording.records() if one.kind == "sample"]
        assert recording.problems[0].endswith(
            "2 records could not be written: only a part of a record could be written"
        )
    assert found == [("sample", BEGIN), ("sample", BEGIN + 15)]
    assert [note.split(": ", 1)[1] for note in notes] == [
        "only a part of a record could be written: records are left out until it can be written again",
        "writing works again; 2 records are missing in the recording",
    ]
