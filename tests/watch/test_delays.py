"""The watcher's side of delay accounting: hooks ask, the kernel's records are added up."""

from __future__ import annotations

import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shim.host.view import View
from shim.observe import delays as hook
from shim.observe import pressure
from shim.watch.delays import Delays
from shim.watch.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAMILY = 31
GONE = 1 << 22  # no process has this number or a higher one (proc(5), pid_max)


class Service:
    """The service in a thread, with a socket in the place of the kernel's."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel, self.records = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.opened = 0

        def exit_records() -> tuple[socket.socket, int]:
            self.opened += 1
            return self.records, FAMILY

        monkeypatch.setattr(pressure, "exit_records", exit_records)
        self.loop, self.over = Loop(), False
        self.problems: list[str] = []
        self.delays = Delays(View(), self.loop, str(place), self.problems.append)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.over:
            self.loop.wait(1)

    def end(self) -> None:
        """Stop it."""
        self.over = True
        self.loop.wake()
        self.thread.join(10)
        self.delays.close()
        self.loop.close()
        self.kernel.close()
        self.records.close()

    def ended(self, pid: int, parent: int, reclaim: int) -> None:
        """The kernel tells of a task (struct taskstats, version 16; include/uapi/linux/taskstats.h)."""
        stats = bytearray(560)
        struct.pack_into("=H", stats, 0, 16)
        struct.pack_into("=Q", stats, 16, 1)
        struct.pack_into("=I", stats, 132, parent)
        struct.pack_into("=Q", stats, 320, reclaim)
        inner = b"".join(_attribute(kind, data) for kind, data in ((1, struct.pack("=I", pid)), (3, bytes(stats))))
        body = struct.pack("=BBH", 2, 1, 0) + _attribute(4, inner)
        self.kernel.send(struct.pack("=IHHII", 16 + len(body), FAMILY, 0, 0, 0) + body)


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


@pytest.fixture
def service(state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """One in the state directory of this test."""
    found = Service(state_directory, monkeypatch)
    yield found
    found.end()


def _listen(container: str, pid: int) -> dict[str, Any]:
    return hook._asked(container, {"ask": "listen", "pid": pid, "controller": "", "path": ""})


def test_each_container_gets_its_own(service: Service) -> None:
    """Two that asked, and a task of neither; nothing listens before and after."""
    assert service.opened == 0
    assert (_listen("a", GONE + 1), _listen("b", GONE + 2)) == ({"reason": ""}, {"reason": ""})
    assert service.opened == 1
    service.ended(GONE + 11, GONE + 1, 5)
    service.ended(GONE + 12, GONE + 2, 7)
    service.ended(GONE + 1, 1, 2)
    first = hook._asked("a", {"ask": "sum"})
    assert first.pop("totals")["reclaim"] == 7
    assert first == {"init": GONE + 1, "overruns": 0, "tasks": 2, "without": 0, "unplaced": 0}
    assert service.delays.records is not None
    assert hook._asked("b", {"ask": "sum"})["totals"]["reclaim"] == 7
    assert service.delays.records is None


def test_a_container_that_it_does_not_know(service: Service) -> None:
    """A watcher that was started later has no figure, and says why."""
    assert hook._asked("a", {"ask": "sum"}) == {
        "reason": "no taskstats: the watcher does not know the container: it was started after it"
    }


def test_no_right_to_listen(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's word is the reason."""

    def refused() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(pressure, "exit_records", refused)
    assert _listen("a", GONE + 1) == {"reason": "no taskstats: [Errno 1] Operation not permitted"}


@pytest.mark.parametrize("asked", [b"", b"{", b"[]", b'{"ask": "listen", "container": "a"}', b'{"container": 5}'])
def test_a_bad_question(service: Service, state_directory: Path, asked: bytes) -> None:
    """No answer, and the next one gets his."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(state_directory / hook.SOCKET))
        connection.send(asked)
        connection.settimeout(10)
        assert connection.recv(100) == b""
    assert _listen("a", GONE + 1) == {"reason": ""}


def test_two_watchers(service: Service, state_directory: Path) -> None:
    """The second one leaves it to the first."""
    problems: list[str] = []
    loop = Loop()
    second = Delays(View(), loop, str(state_directory), problems.append)
    assert problems == [f"the delays of containers cannot be recorded: another watcher does it ({state_directory})"]
    second.close()
    loop.close()
    assert _listen("a", GONE + 1) == {"reason": ""}


def test_a_socket_that_a_dead_watcher_left(state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is replaced."""
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stale.bind(str(state_directory / hook.SOCKET))
    stale.close()
    service = Service(state_directory, monkeypatch)
    assert (service.problems, _listen("a", os.getpid())) == ([], {"reason": ""})
    service.end()
