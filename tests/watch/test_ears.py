"""How the kernel's notifications lead to looks: over real inotify, on files that stand for cgroups'."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shim.host.view import View
from shim.watch import kernel_calls
from shim.watch.ears import ABOVE_SOURCE, EVENTS_SOURCE, EventControl, EventsFiles, Triggers
from shim.watch.hierarchy import Hierarchy
from shim.watch.kills import CLOSED, KernelLog
from shim.watch.loop import IN, Loop
from tests.watch.made import followed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Wanted = list[tuple[str, str]]
LINUX_6_18 = (
    "6,100,5,-;memory: usage 8192kB, limit 8192kB, failcnt 201\n",
    (
        "6,101,6,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg=/a,"
        "task_memcg=/a/web,task=tail,pid=4242,uid=0\n SUBSYSTEM=x\n"
    ),
    "6,102,7,-;Memory cgroup out of memory: Killed process 4242 (tail) total-vm:10016kB\n",
)


@pytest.fixture
def loop() -> Iterator[Loop]:
    """An event loop."""
    found = Loop()
    yield found
    found.close()


def _write(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(text)


def test_memory_events_of_the_container_and_above(tmp_path: Path, loop: Loop) -> None:
    """The container's own file; the local one of what lies above; of another container nothing."""
    one, wanted = followed(tmp_path), Wanted()
    _write(tmp_path / "cg/a/web/memory.events")
    _write(tmp_path / "cg/a/memory.events.local")
    _write(tmp_path / "cg/a/other/memory.events")
    ear = EventsFiles(View(str(tmp_path)), loop, lambda name, source: wanted.append((name, source)))
    assert ear.follow(one) == ""
    _write(tmp_path / "cg/a/other/memory.events")
    assert loop.wait(0) is False
    _write(tmp_path / "cg/a/web/memory.events")
    loop.wait(1)
    _write(tmp_path / "cg/a/memory.events.local")
    loop.wait(1)
    assert wanted == [(one.id, EVENTS_SOURCE), (one.id, ABOVE_SOURCE.format("/a"))]
    ear.forget(one.id)
    _write(tmp_path / "cg/a/web/memory.events")
    loop.wait(0.1)
    assert len(wanted) == 2
    assert (ear.watches, ear.of_watch) == ({}, {})
    ear.close()


def test_a_kernel_without_memory_events(tmp_path: Path, loop: Loop) -> None:
    """v1: the ear says so, and polling does the rest."""
    ear = EventsFiles(View(str(tmp_path)), loop, lambda *_: None)
    assert ear.follow(followed(tmp_path, 1)) == "/cg/a/web has no memory.events"
    ear.close()


def test_a_forged_file_is_not_listened_to(tmp_path: Path, loop: Loop) -> None:
    """A file on another device tells nothing about the container, and a trigger is not written into it."""
    one = followed(tmp_path)
    for name in ("memory.events", "memory.pressure"):
        _write(tmp_path / "cg/a/web" / name, "forged")
    spot = one.place.memory.changed(device=one.place.memory.device + 1)
    forged = one.changed(place=one.place.changed(memory=spot, unified=spot))
    events, triggers = (kind(View(str(tmp_path)), loop, lambda *_: None) for kind in (EventsFiles, Triggers))
    assert events.follow(forged) == "/cg/a/web has no memory.events"
    assert triggers.follow(forged) == "no PSI of its own"
    assert (tmp_path / "cg/a/web/memory.pressure").read_text() == "forged"
    events.close()


def test_event_control_is_for_v1(tmp_path: Path, loop: Loop) -> None:
    """cgroup2 has none; a v1 directory without the file is an error that names it."""
    ear = EventControl(View(str(tmp_path)), loop, lambda *_: None, lambda _: None)
    assert ear.follow(followed(tmp_path, 2)) == "cgroup2 has no cgroup.event_control"
    with pytest.raises(FileNotFoundError) as caught:
        ear.follow(followed(tmp_path, 1))
    assert caught.value.filename == "/cg/a/web/memory.oom_control"
    assert len(loop.handlers) == 1  # the pipe: no descriptor is left behind


def test_what_event_control_is_told(tmp_path: Path, loop: Loop) -> None:
    """`EVENTFD FILE`, and a second one for the level where there is no PSI (cgroup-v1/memory.rst, 9 to 11)."""
    one = followed(tmp_path, 1)
    for name in ("memory.oom_control", "memory.pressure_level", "cgroup.event_control"):
        _write(tmp_path / "cg/a/web" / name, "")
    ear = EventControl(View(str(tmp_path)), loop, lambda *_: None, lambda _: None)
    assert ear.follow(one) == ""
    first, second = ear.handles[one.id]
    told = (tmp_path / "cg/a/web/cgroup.event_control").read_text().split()
    # Over a plain file the second write lies over the first one.
    assert (told[0], told[-1]) == (str(second), "critical")
    assert os.readlink(f"/proc/self/fd/{first}") == "anon_inode:[eventfd]"
    ear.forget(one.id)
    assert len(loop.handlers) == 1


def test_an_eventfd_counts(loop: Loop) -> None:
    """Ready once, with how often it was signalled."""
    handle, seen = kernel_calls.event_descriptor(), []
    loop.add(handle, IN, lambda _: seen.append(kernel_calls.counted(handle)))
    assert kernel_calls.counted(handle) == 0
    for _ in range(3):
        os.write(handle, (1).to_bytes(8, "little"))
    loop.wait(1)
    assert (seen, loop.wait(0)) == ([3], False)
    loop.drop(handle)
    os.close(handle)


def test_the_loop_can_be_woken(loop: Loop) -> None:
    """By a signal handler: the wait ends at once, and the next one is a wait again."""
    loop.wake()
    assert (loop.wait(5), loop.wait(0)) == (True, False)


def test_cgroups_come_and_go(tmp_path: Path, loop: Loop) -> None:
    """New ones at any depth, but nothing inside of a container's."""
    changes: list[tuple[str, bool]] = []
    inner = tmp_path / "cg/pod/web"
    inner.mkdir(parents=True)
    hierarchy = Hierarchy(View(str(tmp_path)), loop, "/cg", lambda path, new: changes.append((path, new)))
    hierarchy.watch(["/cg/pod/web"])
    (inner / "inside").mkdir()
    assert loop.wait(0) is False
    (tmp_path / "cg/pod2").mkdir()
    loop.wait(1)
    (tmp_path / "cg/pod2/db").mkdir()
    loop.wait(1)
    _write(tmp_path / "cg/pod2/file")  # no cgroup
    loop.wait(0.1)
    (inner / "inside").rmdir()
    inner.rmdir()
    loop.wait(1)
    assert changes == [("/cg/pod2", True), ("/cg/pod2/db", True), ("/cg/pod/web", False)]
    hierarchy.close()


class Log(KernelLog):
    """A kernel log out of a list."""

    def __init__(self, records: list[str], after: int = -1) -> None:
        self.records = records
        super().__init__(os.devnull, after)

    def _record(self) -> str:
        return self.records.pop(0) if self.records else ""


def test_a_kill_is_told_once(tmp_path: Path) -> None:
    """What the log had before anybody watched is no news; then each kill, once, with the cgroup whose limit it was."""
    records = [LINUX_6_18[1].replace("101", "99")]
    log = Log(records)
    one = followed(tmp_path, pid=4242)
    assert log.victims(one) == []
    records += LINUX_6_18
    (victim,) = log.victims(one)
    assert victim.shape() == {
        "name": "tail",
        "pid": 4242,
        "init": True,
        "limited": "/a",
        "usage": 8 << 20,
        "failures": 201,
    }
    assert (log.victims(one), log.last) == ([], 102)


def test_a_kill_of_another_container_waits_for_it(tmp_path: Path) -> None:
    """It is not lost by asking for the first one."""
    log = Log(list(LINUX_6_18), after=0)
    assert log.victims(followed(tmp_path, path="/a/other")) == []
    assert [one.init for one in log.victims(followed(tmp_path, pid=1))] == [False]


def test_the_log_is_read_on_after_a_restart(tmp_path: Path) -> None:
    """Kills while no watcher was there are news to the next one; those before its last record are not."""
    assert [one.pid for one in Log(list(LINUX_6_18), after=50).victims(followed(tmp_path))] == [4242]
    assert Log(list(LINUX_6_18), after=102).victims(followed(tmp_path)) == []


def test_a_kernel_before_5_0(tmp_path: Path) -> None:
    """Two lines make one kill, which is told once."""
    lines = [
        "Task in /a/web killed as a result of limit of /a",
        "Memory cgroup out of memory: Kill process 7 (x) score 9",
    ]
    log = Log([f"6,{n},5,-;{line}\n" for n, line in enumerate(lines, 5)], after=0)
    one = followed(tmp_path)
    assert [(victim.pid, victim.limited) for victim in log.victims(one)] == [(7, "/a")]
    assert log.victims(one) == []


def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    """The reason is kept, and nobody is named."""
    log = KernelLog(str(tmp_path / "none"))
    assert (log.problem, log.victims(followed(tmp_path))) == (CLOSED, [])
    log.close()
