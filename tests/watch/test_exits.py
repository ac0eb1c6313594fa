"""Exits of containers' processes: from which source, of which container, and how often."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from shim.host.view import View
from shim.watch import exits
from shim.watch.exit_sources import Exit, Layout, _answered, received
from shim.watch.exits import Exits, how
from shim.watch.loop import Loop
from tests.watch.made import followed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shim.watch.place import Followed

GONE = 1 << 22  # no process has this number or a higher one (proc(5), pid_max)
KILLED, STATUS_3 = 9, 3 << 8  # wait(2)


class Kernel:
    """A source that tells what it is told to; made: how often it was opened."""

    source, workers = "process connector", True

    def __init__(self) -> None:
        self.other, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self.exits: list[Exit] = []
        self.cost = 0.0

    def ended(self, *exits: Exit) -> None:
        """These processes have ended."""
        self.exits += exits
        self.other.send(b"x")

    def read(self) -> Iterator[Exit]:
        """Them."""
        self.socket.recv(1)
        began = time.process_time()
        while time.process_time() - began < self.cost:
            pass
        told, self.exits = self.exits, []
        yield from told

    def close(self) -> None:
        """Close."""
        self.socket.close()
        self.other.close()


class Refusing:
    """A source that does not work."""

    def __init__(self) -> None:
        raise PermissionError(1, "Operation not permitted")


class Roster:
    """Everything below /a/web is the container's."""

    def __init__(self, one: Followed) -> None:
        self.one, self.version = one, 2

    def at(self, path: str) -> Followed | None:
        """The container of a path."""
        return self.one if f"{path}/".startswith("/a/web/") else None


class Case:
    """Exits over a /proc of files. told: what it told."""

    def __init__(self, root: Path, *sources: Any, pid: int = 77) -> None:
        self.root, self.loop = root, Loop()
        self.one = followed(root, pid=pid)
        self.told: list[tuple[dict[str, Any], str]] = []
        self.problems: list[str] = []
        self.exits = Exits(
            View(str(root)),
            self.loop,
            Roster(self.one),  # type: ignore[arg-type]
            lambda one, facts, source: self.told.append((facts, source)) if one is self.one else None,
            self.problems.append,
            sources,
        )

    def process(self, pid: int, cgroup: str) -> None:
        """A process in a cgroup."""
        place = self.root / f"proc/{pid}"
        place.mkdir(parents=True)
        (place / "cgroup").write_text(f"0::{cgroup}\n")

    def wait(self) -> list[tuple[dict[str, Any], str]]:
        """What has been told by now."""
        self.loop.wait(0.5)
        told, self.told[:] = list(self.told), []
        return told


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """One."""
    found = Kernel()
    yield found
    found.close()


@pytest.fixture
def case(tmp_path: Path, kernel: Kernel) -> Iterator[Case]:
    """With a source that tells everything."""
    found = Case(tmp_path, Refusing, lambda: kernel)
    assert found.exits.follow(found.one) == "process connector"
    yield found
    found.exits.close()
    found.loop.close()


def test_the_first_process(case: Case, kernel: Kernel) -> None:
    """With the signal or the status; only once, also when the cgroup goes afterwards."""
    kernel.ended(Exit(77, 1, KILLED))
    facts = {"pid": 77, "init": True, "signal": "SIGKILL", "core": False}
    assert case.wait() == [(facts, "process connector")]
    case.exits.forget(case.one, "inotify on the hierarchy")
    assert case.told == []


def test_whose_process_it_was(case: Case, kernel: Kernel) -> None:
    """Its own cgroup tells, or its parent's where it is gone already; processes of the host are nothing to tell."""
    case.process(100, "/a/web/below")
    case.process(200, "/a/other")
    kernel.ended(Exit(100, 1, STATUS_3), Exit(GONE, 100, 0), Exit(200, 100, 0), Exit(GONE + 1, 200, 0), Exit(201, 0, 0))
    own = {"pid": 100, "parent": 1, "init": False, "status": 3}
    child = {"pid": GONE, "parent": 100, "init": False, "status": 0}
    moved = {"pid": 200, "parent": 100, "init": False, "status": 0}
    assert [facts for facts, _ in case.wait()] == [own, child, moved]


def test_v1_shows_no_cgroup_of_a_process_that_has_ended(case: Case, kernel: Kernel) -> None:
    """It shows the root (cgroups(7)), so that only the parent tells."""
    case.exits.roster.version = 1  # type: ignore[misc]
    case.process(100, "/a/web")
    kernel.ended(Exit(GONE, 100, 0), Exit(100, 1, 0))
    assert [facts["pid"] for facts, _ in case.wait()] == [GONE]


def test_a_child_of_the_first_process_is_known_without_looking(case: Case, kernel: Kernel) -> None:
    """Both may be gone by the time that their ends are read."""
    kernel.ended(Exit(GONE, 77, 0), Exit(77, 1, 0))
    assert [facts["pid"] for facts, _ in case.wait()] == [GONE, 77]


def test_many_processes(case: Case, kernel: Kernel) -> None:
    """Twenty of a container in a round; how many were left out is said with the next one. The first one is told."""
    kernel.ended(*(Exit(GONE + number, 77, 0) for number in range(25)), Exit(77, 1, 0))
    case.process(77, "/a/web")
    told = [facts["pid"] for facts, _ in case.wait()]
    assert told == [*range(GONE, GONE + 20), 77]
    case.exits.tick()
    kernel.ended(Exit(GONE, 77, 0))
    assert [facts["left_out"] for facts, _ in case.wait()] == [5]


def test_taskstats_tells_of_threads_too(case: Case, kernel: Kernel) -> None:
    """So only the first process, whose number is known, is told."""
    kernel.workers = False
    case.process(100, "/a/web")
    kernel.ended(Exit(100, 77, 0), Exit(77, 1, 0))
    assert [facts["pid"] for facts, _ in case.wait()] == [77]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a pidfd can watch."""
    require("os.pidfd_open", "" if hasattr(os, "pidfd_open") else "this Python is older than 3.9")
    found = subprocess.Popen(["sleep", "300"])
    yield found
    found.kill()
    found.wait()


def test_without_netlink(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A pidfd tells that it has ended; how it ended nobody tells, and the event says why."""
    case = Case(tmp_path, Refusing, pid=sleeper.pid)
    assert case.exits.follow(case.one) == "pidfd"
    sleeper.kill()
    reason = "no refusing: [Errno 1] Operation not permitted"
    assert case.wait() == [({"pid": sleeper.pid, "init": True, "reason": reason}, "pidfd")]
    assert case.exits.handles == {}
    case.exits.close()
    case.loop.close()


def test_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.7 has no pidfd: the end of the cgroup tells."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    case = Case(tmp_path)
    assert case.exits.follow(case.one) == "the end of its cgroup"
    case.exits.forget(case.one, "inotify on the hierarchy")
    (told,) = case.told
    assert told == ({"pid": 77, "init": True, "reason": exits.UNTOLD}, "inotify on the hierarchy")
    case.exits.close()
    case.loop.close()


def test_a_host_on_which_too_much_ends(
    tmp_path: Path, kernel: Kernel, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening stops when it costs more than its share, which is said; pidfds take over until it is tried again."""
    second = Kernel()
    made = iter((kernel, second))
    case = Case(tmp_path, lambda: next(made), pid=sleeper.pid)
    case.exits.follow(case.one)
    kernel.cost = 0.16  # 0.5 % of 30 seconds, and a little
    kernel.ended(Exit(GONE, GONE, 0))
    assert case.wait() == []
    why = "so many processes of this host end that listening to the process connector takes more than 0.5% of a core"
    assert case.problems == [f"exits of processes: {why}; those of containers' first processes are reported by pidfds"]
    assert list(case.exits.handles) == [sleeper.pid]
    case.exits.tick()
    assert not case.exits.source
    monkeypatch.setattr(case.exits, "again", 0.0)
    case.exits.tick()
    assert case.exits.source is second
    assert not case.exits.handles
    second.ended(Exit(sleeper.pid, 1, 0))
    assert [(facts["status"], source) for facts, source in case.wait()] == [(0, "process connector")]
    case.exits.close()
    case.loop.close()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 0", {"status": 0}),
        ("exit 255", {"status": 255}),
        ("kill -TERM $$", {"signal": "SIGTERM", "core": False}),
        (f"kill -{signal.SIGRTMIN + 3} $$", {"signal": f"signal {signal.SIGRTMIN + 3}", "core": False}),
    ],
)
def test_how(script: str, told: dict[str, Any]) -> None:
    """As the kernel tells it to a parent."""
    pid = os.spawnvp(os.P_NOWAIT, "sh", ["sh", "-c", script])
    assert how(os.waitpid(pid, 0)[1]) == told


class Message:
    """As pyroute2's classes have it: names and codes of struct, in order, without padding."""

    header = (("length", "I"), ("type", "H"), ("flags", "H"))
    fields: tuple[tuple[str, str], ...] = (("flags", "H"), ("what", "I"), ("pid", "Q"))


def test_a_layout_is_the_table_of_the_message() -> None:
    """No place is written by hand; a message that is cut off has no fields."""
    layout = Layout(Message)
    data = (22).to_bytes(4, "little") + bytes(4) + b"\1\0" + (7).to_bytes(4, "little") + (9).to_bytes(8, "little")
    what, pid = layout.pick("what", "pid")
    assert (layout.values(data)[what], layout.values(data)[pid]) == (7, 9)
    assert layout.values(data[:-1]) == ()


class Answer:
    """An event with the number of an error."""

    header = Message.header
    fields = (("what", "I"), ("error", "I"))


def _event(what: int, error: int) -> bytes:
    return bytes(8) + what.to_bytes(4, "little") + error.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("events", "error", "text"),
    [
        ([_event(9, 5), _event(0, 0)], None, ""),
        ([_event(9, 0), _event(0, 1)], PermissionError, "Operation not permitted"),
        ([_event(9, 0)], PermissionError, "the kernel gives no answer: this is not the host's PID and user namespace"),
        ([_event(0, 0)[:-1]], PermissionError, "the kernel gives no answer"),
    ],
)
def test_the_answer_of_the_process_connector(events: list[bytes], error: Any, text: str) -> None:
    """Event 0 is the answer, with the number of an error or 0; other namespaces get none (cn_proc.c)."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, kernel:
        for one in events:
            kernel.send(one)
        with pytest.raises(error, match=text) if error else contextlib.nullcontext():
            _answered(ours, Layout(Answer), 0)


class Netlink:
    """A socket that gives messages with their senders, or errors."""

    def __init__(self, *given: Any) -> None:
        self.given = list(given)

    def recvfrom(self, _: int) -> Any:
        """The next one."""
        if not self.given:
            raise BlockingIOError
        one = self.given.pop(0)
        if isinstance(one, OSError):
            raise one
        return one


def test_only_the_kernel_is_believed() -> None:
    """Number 0 is the kernel's (netlink(7)); messages that are lost for lack of room end nothing."""
    told = received(Netlink((b"a", (0, 1)), (b"forged", (77, 1)), OSError(105, "ENOBUFS"), (b"b", (0, 1))))  # type: ignore[arg-type]
    assert list(told) == [b"a", b"b"]
    with pytest.raises(OSError, match="EBADF"):
        list(received(Netlink(OSError(9, "EBADF"))))  # type: ignore[arg-type]
