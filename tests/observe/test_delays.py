"""Exit records: read from the kernel's messages, and given to the right container although they do not name it."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shim.containers.hook_state import State
from shim.host.view import View
from shim.observe import delays
from shim.observe.exits import MOST, Ended, Exits, decode, descends, same_cgroup
from shim.observe.pressure import UNACCOUNTED

if TYPE_CHECKING:
    from pathlib import Path

FAMILY, INIT = 31, 1000
# include/uapi/linux/taskstats.h, offsetof() as gcc has it: version, cpu_count, ac_ppid, freepages_delay_total.
OFFSETS = {16: {"runs": 16, "parent": 132, "reclaim": 320}, 15: {"runs": 16, "parent": 180, "reclaim": 368}}


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _record(pid: int, parent: int, reclaim: int, *, version: int = 16, runs: int = 1, kind: int = FAMILY) -> bytes:
    """TASKSTATS_CMD_NEW as the kernel sends it: nlmsghdr, genlmsghdr, AGGR_PID {PID, padding, STATS}."""
    stats, offsets = bytearray(560), OFFSETS[version]
    struct.pack_into("=H", stats, 0, version)
    struct.pack_into("=Q", stats, offsets["runs"], runs)
    struct.pack_into("=I", stats, offsets["parent"], parent)
    struct.pack_into("=Q", stats, offsets["reclaim"], reclaim)
    inner = _attribute(1, struct.pack("=I", pid)) + _attribute(6, b"") + _attribute(3, bytes(stats))
    body = struct.pack("=BBH", 2, 1, 0) + _attribute(4 | 0x8000, inner)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


@pytest.mark.parametrize("version", [15, 16])
def test_records_are_read(version: int) -> None:
    """Two in one read; the parent and the delays are where that version of the struct has them."""
    data = _record(7, 5, 11, version=version) + _record(8, 7, 12, version=version, runs=0)
    found = list(decode(data, FAMILY))
    assert [(one.pid, one.parent, one.delays["reclaim"], one.accounted) for one in found] == [
        (7, 5, 11, True),
        (8, 7, 12, False),
    ]


def test_other_messages_and_broken_ones_are_left_out() -> None:
    """An acknowledgement, another family's message, one that is cut off, a length of nothing."""
    ack = struct.pack("=IHHIIi", 36, 2, 0, 0, 0, 0) + bytes(16)
    assert list(decode(ack + _record(7, 5, 1, kind=30), FAMILY)) == []
    assert [one.pid for one in decode(ack + _record(7, 5, 1), FAMILY)] == [7]
    assert list(decode(_record(7, 5, 1)[:30], FAMILY)) == []
    assert list(decode(bytes(64), FAMILY)) == []


def _ended(pid: int, parent: int, reclaim: int = 1) -> Ended:
    return Ended(pid=pid, parent=parent, delays={"reclaim": reclaim})


def _summed(records: list[Ended], seen: dict[int, bool] | None = None) -> dict[str, Any]:
    """The container of process 1000; `seen`: what a look at a process finds, None for all others."""
    exits = Exits(INIT, (seen or {}).get)
    for record in records:
        exits.add(record)
    return exits.shape()


def test_children_of_init() -> None:
    """They are gone when their record is read, and their parent is known; others' are not counted."""
    found = _summed([_ended(1001, INIT, 5), _ended(7, 3, 100), _ended(INIT, 900, 2)], {3: False})
    assert found == {"tasks": 2, "without": 0, "unplaced": 0, "totals": {"reclaim": 7}}


def test_a_parent_that_is_seen_in_the_cgroup() -> None:
    """What `exec` brought in has a parent outside; its own cgroup tells, and its children follow."""
    seen = {2000: True, 900: False}
    assert _summed([_ended(2001, 2000), _ended(2000, 900)], seen)["tasks"] == 2


def test_grandchildren_wait_for_their_parent() -> None:
    """1002 is a child of 1001, both are gone before anybody looked; 1001's own record says whose child it was."""
    assert _summed([_ended(1003, 1002, 1), _ended(1002, 1001, 2), _ended(1001, INIT, 4)])["totals"] == {"reclaim": 7}
    assert _summed([_ended(1003, 1002), _ended(1002, 7)], {7: False})["tasks"] == 0


def test_what_cannot_be_placed_is_told() -> None:
    """The parent's record never came."""
    found = _summed([_ended(1003, 1002), _ended(INIT, 900)])
    assert (found["tasks"], found["unplaced"]) == (1, 1)


def test_what_waits_is_bounded() -> None:
    """Parents of which nothing is ever heard: the oldest records go, and are told."""
    found = Exits(INIT, lambda _pid: None)
    for pid in range(20_000, 20_000 + MOST + 5):
        found.add(_ended(pid, 5))
    assert found.held <= MOST
    assert found.shape()["unplaced"] == MOST + 5


@pytest.mark.parametrize(("pid", "expected"), [(7, True), (6, True), (5, True), (1, False), (30, False), (9, None)])
def test_descent(pid: int, expected: bool | None) -> None:
    """7 is a child of 6, that one of 5, the container's init; 30 is a daemon; 9 is gone."""
    assert descends(pid, 5, lambda one: {7: 6, 6: 5, 30: 1}.get(one, 0)) is expected


def test_a_process_id_that_is_used_again() -> None:
    """After the end of 1001 its number is another's, whose children are not the container's."""
    seen: dict[int, bool] = {1001: True}
    exits = Exits(INIT, seen.get)
    exits.add(_ended(1005, 1001))
    exits.add(_ended(1001, INIT))
    seen[1001] = False
    exits.add(_ended(1006, 1001))
    assert exits.shape()["tasks"] == 2


def test_tasks_that_the_kernel_does_not_count() -> None:
    """Built without delay accounting: known as such."""
    record = _ended(1001, INIT).changed(accounted=False)
    assert _summed([record]) == {"tasks": 1, "without": 1, "unplaced": 0, "totals": {}}


@pytest.mark.parametrize(
    ("text", "controller", "expected"),
    [
        ("0::/a/c\n", "", True),
        ("0::/a/c/inner\n", "", True),
        ("0::/a/c (deleted)\n", "", True),
        ("0::/a/cc\n", "", False),
        ("0::/\n", "", False),
        ("4:memory:/a/c\n0::/\n", "memory", True),
        ("4:memory:/b\n", "memory", False),
        ("4:memory:/\n", "memory", None),
        ("", "", None),
    ],
)
def test_cgroup_of_a_process(text: str, controller: str, expected: bool | None) -> None:
    """cgroups(7): cgroup2 shows a process that has ended where it was, v1 in the root, which says nothing."""
    assert same_cgroup(text, controller, "/a/c") is expected


def _state(annotations: dict[str, Any]) -> State:
    return State(container="web", pid=os.getpid(), bundle="/b", annotations=annotations)


@pytest.mark.parametrize(
    ("settings", "annotations", "expected"),
    [
        ("{}", {}, False),
        ('{"pressure": "taskstats"}', {}, True),
        ('{"pressure": "taskstats"}', {"io.cgshim.pressure": "psi"}, True),
        ("{}", {"io.cgshim.pressure": "taskstats"}, False),
        ('{"annotations": "trust", "pressure": "taskstats"}', {"io.cgshim.pressure": "psi"}, False),
        ('{"annotations": "trust"}', {"io.cgshim.pressure": "taskstats"}, True),
    ],
)
def test_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, annotations: dict[str, str], expected: bool
) -> None:
    """By the settings; for one container by its annotation, which wins where it is trusted."""
    (tmp_path / "config.json").write_text(settings)
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "config.json"))
    assert delays.wanted(annotations) is expected


def test_an_image_cannot_cost_the_host_a_process() -> None:
    """The note says why nobody listens although the container asked for it."""
    noted = delays.start(View(), _state({"io.cgshim.pressure": "taskstats"}))
    assert noted == {
        "reason": "annotation io.cgshim.pressure=taskstats is ignored: the author of an image or a pod can write it; "
        '{"annotations": "trust"} in /etc/cgshim/config.json allows it'
    }


def test_a_word_that_is_none_is_a_reason() -> None:
    """The rest of the note is still made."""
    noted = delays.start(View(), _state({"io.cgshim.pressure": "on"}))
    assert noted == {"reason": "annotation io.cgshim.pressure: 'on' is neither 'psi' nor 'taskstats'"}


class Watcher:
    """A watcher that answers the next question with `answer`, and keeps the question."""

    def __init__(self, place: Path, answer: bytes) -> None:
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind(str(place / delays.SOCKET))
        self.server.listen(1)
        self.answer = answer
        self.question: dict[str, Any] = {}
        self.thread = threading.Thread(target=self._one)
        self.thread.start()

    def _one(self) -> None:
        connection, _ = self.server.accept()
        with connection:
            self.question = json.loads(connection.recv(65536))
            connection.send(self.answer) if self.answer else None
        self.server.close()

    def asked(self) -> dict[str, Any]:
        """The question, once it is answered."""
        self.thread.join(10)
        return self.question


NOTED = {"delays": {"reason": ""}}
HEARD = {"tasks": 2, "without": 1, "unplaced": 0, "overruns": 0, "totals": {"reclaim": 1}}


def test_no_watcher_is_a_reason(state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None was ever there, or one that is gone: the note and the account say what would have to run."""
    (state_directory / "config.json").write_text('{"pressure": "taskstats"}')
    monkeypatch.setenv("CGSHIM_CONFIG", str(state_directory / "config.json"))
    monkeypatch.setattr(delays, "switched_off", lambda _view: "")
    why = "no taskstats: no watcher runs that could listen (cgshimctl watch; systemctl start cgshim-watch)"
    assert delays.start(View(), _state({})) == {"reason": why}
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stale.bind(str(state_directory / delays.SOCKET))
    stale.close()
    assert delays.start(View(), _state({})) == {"reason": why}
    assert delays.collect(View(), NOTED, "web") == {"reason": why}


def test_the_watcher_is_told_of_the_container(state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id, its init, and the cgroup that is its own."""
    (state_directory / "config.json").write_text('{"pressure": "taskstats"}')
    monkeypatch.setenv("CGSHIM_CONFIG", str(state_directory / "config.json"))
    monkeypatch.setattr(delays, "switched_off", lambda _view: "")
    monkeypatch.setattr(delays, "_hierarchy", lambda _view, _pid: ("memory", "/docker/web"))
    watcher = Watcher(state_directory, b'{"reason": ""}')
    assert delays.start(View(), _state({})) == {"reason": ""}
    assert watcher.asked() == {
        "ask": "listen",
        "container": "web",
        "pid": os.getpid(),
        "controller": "memory",
        "path": "/docker/web",
    }


def test_what_was_not_asked_for_is_not_collected() -> None:
    """A note of an older version, a reason from the start: a reason each, never zeros."""
    assert delays.collect(View(), {}, "web") == {"reason": delays.NOT_ASKED}
    assert delays.collect(View(), {"delays": {"reason": "off"}}, "web") == {"reason": "off"}


@pytest.mark.parametrize(
    ("answer", "off", "expected"),
    [
        (HEARD, "", HEARD),
        ({**HEARD, "without": 2}, "", {"reason": f"no delay accounting: {UNACCOUNTED}"}),
        (
            {**HEARD, "tasks": 0, "without": 0},
            "",
            {"reason": "no delay accounting: the kernel reported no process of the container"},
        ),
        (HEARD, "off", {"reason": "off; it was on when the container started"}),
        ({"reason": "unknown"}, "", {"reason": "unknown"}),
        ([], "", {"reason": "no taskstats: the watcher gave no answer"}),
        (None, "", {"reason": "no taskstats: the watcher gave no answer"}),
    ],
)
def test_collect(
    state_directory: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, off: str, expected: dict[str, Any]
) -> None:
    """The watcher's sum; without one accounted task it is no figure."""
    monkeypatch.setattr(delays, "switched_off", lambda _view: off)
    watcher = Watcher(state_directory, b"" if answer is None else json.dumps(answer).encode())
    assert delays.collect(View(), NOTED, "web") == expected
    assert watcher.asked() == {"ask": "sum", "container": "web"}
