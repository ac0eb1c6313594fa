"""Finds processes that were started in a container from outside (`exec`), by polling: events of a recording."""

from __future__ import annotations

import os

from shim.host import process
from shim.watch.event import Event
from shim.watch.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.watch.place import Followed

EXEC = "exec"
SOURCE = "polling cgroup.procs"
LARGEST = 1 << 20  # bytes of cgroup.procs that are read
MOST = 20  # processes of one round in one container that are reported


class Execs(Sink):
    """Finds in each round new processes of a container whose parent is not in the container. tell: called with the
    events.

    A process that starts and ends between two rounds is not seen. In a container without a PID namespace of its own, a
    process whose parent has ended is reported as well.
    """

    def __init__(
        self, followed: Callable[[], Iterable[Followed]], tell: Callable[[Event], None], proc: str = "/proc"
    ) -> None:
        self.followed, self.tell, self.proc = followed, tell, proc
        self.known: dict[str, frozenset[int]] = {}
        self.fresh: list[tuple[Followed, int, str, float]] = []

    def tick(self, now: float) -> None:
        """Look at all containers. A new process is reported one round later: at first it is still the runtime."""
        self.close()
        before, self.known = self.known, {}
        for one in self.followed():
            pids = frozenset(map(int, self._text(f"{one.place.memory.directory}/cgroup.procs").split()))
            self.known[one.id] = pids
            if one.id in before:
                for pid in sorted(pids - before[one.id] - {one.container.pid})[:MOST]:
                    self._new(one, pid, pids | before[one.id], now)

    def _new(self, one: Followed, pid: int, own: frozenset[int], now: float) -> None:
        name, parent = self._stat(pid)
        if parent is not None and parent not in own:
            self.fresh.append((one, pid, name, now))

    def close(self) -> None:
        """Report the remaining ones."""
        for one, pid, first, then in self.fresh:
            evidence = {"pid": pid, "command": self._stat(pid)[0] or first}
            self.tell(Event(time=then, kind=EXEC, **one.named, source=SOURCE, evidence=evidence))
        self.fresh = []

    def _stat(self, pid: int) -> tuple[str, int | None]:
        """Return a process's command and parent (proc(5), stat); "" and None for one that is gone."""
        text = self._text(f"{self.proc}/{pid}/stat")
        return text.rpartition(")")[0].partition("(")[2], process.parent(text) if text else None

    @staticmethod
    def _text(path: str) -> str:
        try:
            with open(os.fsencode(path), encoding="utf-8", errors="backslashreplace") as file:
                return file.read(LARGEST)
        except OSError:
            return ""
