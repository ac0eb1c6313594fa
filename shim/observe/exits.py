"""The kernel's records of tasks that end (taskstats), and which of them belong to one container. Pure.

include/uapi/linux/taskstats.h; Documentation/accounting/taskstats.rst. A record names the task and its parent, but not
its cgroup. So the cgroup is looked up while the task is still visible. If it is gone, its parent decides, whose own
record may come later. The root of all, a container's init, is known.
"""

from __future__ import annotations

import struct

from shim.observe.pressure import AGGREGATE_PID, PID, STATS, accounted, delays
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Attributes = Iterator[tuple[int, memoryview]]

NEW = 2  # TASKSTATS_CMD_NEW
TYPE = 0x3FFF  # NLA_TYPE_MASK
STATUS = 4  # offset of ac_exitcode, in all versions
PARENT, PARENT_15 = 132, 180  # offset of ac_ppid; in version 15 of the struct, see shim.observe.pressure
MOST = 10_000  # records that may wait for their parent's record
DEEPEST = 1000  # generations
GONE = " (deleted)"  # cgroups(7)


class Ended(Value):
    """One task's record. parent: process id. delays: nanoseconds by cause. accounted: whether the kernel counts them.

    status: as wait(2) gives it.
    """

    pid: int
    parent: int
    delays: dict[str, int]
    accounted: bool = True
    status: int = 0


def decode(data: bytes, family: int) -> Iterator[Ended]:
    """Yield the tasks in one read from the socket; messages of other kinds are left out."""
    rest = memoryview(data)
    while len(rest) >= 20:
        length, kind, command = struct.unpack_from("=IH10xB", rest)
        if length < 20:
            return
        if kind == family and command == NEW:
            for name, group in _attributes(rest[20:length]):
                found = dict(_attributes(group)) if name == AGGREGATE_PID else {}
                if PID in found and STATS in found:
                    yield _ended(int.from_bytes(found[PID][:4], _order()), bytes(found[STATS]))
        rest = rest[_aligned(length) :]


def _order() -> Any:
    import sys

    return sys.byteorder


def _attributes(data: memoryview) -> Attributes:
    """struct nlattr: length with its own four bytes, type, content."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & TYPE, data[4:length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _ended(pid: int, data: bytes) -> Ended:
    (version,) = struct.unpack_from("=H", data)
    (parent,) = struct.unpack_from("=I", data, PARENT_15 if version == 15 else PARENT)
    (status,) = struct.unpack_from("=I", data, STATUS)
    return Ended(pid=pid, parent=parent, delays=delays(data), accounted=accounted(data), status=status)


class Exits:
    """Sums up the records of one container.

    init: process id of its first process. inside: pid -> whether it is in the container's cgroup, None for one that is
    no longer visible.
    """

    def __init__(self, init: int, inside: Callable[[int], bool | None]) -> None:
        self.init = init
        self.inside = inside
        self.known = {init}
        self.waiting: dict[int, list[Ended]] = {}
        self.held = 0
        self.unplaced = 0
        self.tasks = 0
        self.without = 0
        self.totals: dict[str, int] = {}

    def add(self, ended: Ended) -> None:
        """One more record, in the order in which the kernel sends them."""
        verdict = self._belongs(ended)
        others = self.waiting.pop(ended.pid, [])
        self.held -= len(others)
        if ended.pid != self.init:
            self.known.discard(ended.pid)
        if verdict is None:
            self._hold(ended.parent, [ended, *others])
        elif verdict:
            for one in (ended, *others):
                self._count(one)

    def _hold(self, parent: int, records: list[Ended]) -> None:
        self.waiting.setdefault(parent, []).extend(records)
        self.held += len(records)
        if self.held > MOST:
            oldest = len(self.waiting.pop(next(iter(self.waiting))))
            self.held -= oldest
            self.unplaced += oldest

    def _belongs(self, ended: Ended) -> bool | None:
        if ended.pid in self.known or ended.parent in self.known:
            return True
        found = self.inside(ended.pid)
        if found is None:
            found = self.inside(ended.parent)
            if found:
                self.known.add(ended.parent)
        return found

    def _count(self, ended: Ended) -> None:
        self.tasks += 1
        if not ended.accounted:
            self.without += 1
            return
        for name, nanoseconds in ended.delays.items():
            self.totals[name] = self.totals.get(name, 0) + nanoseconds

    def shape(self) -> dict[str, Any]:
        """Return JSON: tasks counted, tasks `without` delays, `unplaced` ones that may be the container's,
        nanoseconds.
        """
        return {
            "tasks": self.tasks,
            "without": self.without,
            "unplaced": self.unplaced + self.held,
            "totals": self.totals,
        }


def descends(pid: int, ancestor: int, parent: Callable[[int], int]) -> bool | None:
    """Return whether `pid` descends from `ancestor`; None if the chain of parents is broken. parent: returns 0 for a
    process that is gone.

    For containers without a cgroup of their own.
    """
    for _ in range(DEEPEST):
        if pid == ancestor:
            return True
        if pid == 1:
            return False
        pid = parent(pid)
        if not pid:
            return None
    return False


def same_cgroup(text: str, controller: str, path: str) -> bool | None:
    """Return whether /proc/PID/cgroup puts the process into `path` of a hierarchy, or below; None if it does not tell.

    v1 shows "/" for a process that has ended. cgroup2 shows the cgroup it was in, marked if that is gone (cgroups(7)).
    """
    from shim.host import membership

    own = membership.paths(text).get(controller)
    if own is None or (controller and own == "/"):
        return None
    own = own[: -len(GONE)] if own.endswith(GONE) else own
    return own == path or own.startswith(path.rstrip("/") + "/")
