"""Processes of containers that end: `exit` events as soon as the kernel reports them.

The process connector reports every process, taskstats the container's first one. If neither is available, or if so many
processes of the host end that listening would cost too much, a pidfd of each container's first process shows that it
has ended, but not how. All other ends are reported when the cgroup is gone.
"""

from __future__ import annotations

import os
import signal
import time

from shim.host.membership import paths
from shim.watch.exit_sources import Connector, Taskstats
from shim.watch.loop import IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from shim.host.view import View
    from shim.watch.loop import Loop
    from shim.watch.place import Followed
    from shim.watch.roster import Roster

    Told = Callable[[Followed, dict[str, Any], str], None]

SOURCES = (Connector, Taskstats)
PIDFD, LATE = "pidfd", "the end of its cgroup"
SHARE, WINDOW = 0.005, 30.0  # of one core, over so many seconds: the limit for listening
REST = 300.0  # seconds until listening is tried again
TOGETHER = 0.02  # seconds to wait for further exits: one wake-up for all
FRESH = 1.0  # seconds for which the container of a parent is cached
MOST = 20  # processes of one container, besides its first one, that are reported in a round
TOO_MANY = "so many processes of this host end that listening to the {} takes more than {:.1%} of a core"
UNTOLD = "nothing that tells the status of other processes' children is available here"


class Exits:
    """Reports exits. tell: called with the container, the evidence and the source. problem: called with the missing
    source and the reason.

    sources: classes of shim.watch.exit_sources, the best first.
    """

    def __init__(  # noqa: PLR0917 # what a watcher has
        self,
        view: View,
        loop: Loop,
        roster: Roster,
        tell: Told,
        problem: Callable[[str], None],
        sources: tuple[Callable[[], Any], ...] = SOURCES,
    ) -> None:
        self.view, self.loop, self.roster = view, loop, roster
        self.tell, self.problem = tell, problem
        self.sources = sources
        self.source: Any = None
        self.reasons: list[str] = []
        self.inits: dict[int, Followed] = {}
        self.handles: dict[int, int] = {}
        self.counts: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self.homes: dict[int, Followed | None] = {}
        self.cleared = 0.0
        self.since, self.spent, self.again = time.monotonic(), 0.0, 0.0

    def follow(self, one: Followed) -> str:
        """Follow a container from now on; return how its exits are found."""
        self.inits[one.container.pid] = one
        if self.source is None and time.monotonic() >= self.again:
            self._open()
        if self.source is not None:
            return str(self.source.source)
        return self._hold(one.container.pid)

    def _open(self) -> None:
        """Open the first source that works. If none does, it is not tried again."""
        self.again = float("inf")
        for source in self.sources:
            try:
                self.source = source()
            except (OSError, ImportError) as error:
                self.reasons.append(f"no {source.__name__.lower()}: {error}")
                continue
            self.loop.add(self.source.socket.fileno(), IN, lambda _: self._ready())
            for pid in list(self.handles):
                self._release(pid)
            return

    def _hold(self, pid: int) -> str:
        """Open a pidfd, which Python has since 3.9. One of an ended process is ready at once, or does not exist."""
        if pid in self.handles:
            return PIDFD
        opened = getattr(os, "pidfd_open", None)
        if opened is None:
            return LATE
        try:
            handle = opened(pid)
        except OSError:
            return LATE
        self.handles[pid] = handle
        self.loop.add(handle, IN, lambda _: self._first_ended(pid, {"reason": self._why()}, PIDFD))
        return PIDFD

    def _why(self) -> str:
        return "; ".join(self.reasons) or UNTOLD

    def _release(self, pid: int) -> None:
        handle = self.handles.pop(pid, None)
        if handle is not None:
            self.loop.drop(handle)
            os.close(handle)

    def _ready(self) -> None:
        time.sleep(TOGETHER)
        began = time.process_time()
        if time.monotonic() - self.cleared > FRESH:
            self.homes.clear()
            self.cleared = time.monotonic()
        for pid, parent, status in self.source.read():
            if pid in self.inits:
                self._first_ended(pid, how(status), self.source.source)
            elif self.source.workers:
                home = self._home_of_parent(parent) or self._own_home(pid)
                if home is not None:
                    self._worker_ended(home, pid, parent, status)
        self._spend(time.process_time() - began)

    def _home_of_parent(self, pid: int) -> Followed | None:
        """Return the container of the parent: children of one process often end one after the other."""
        if pid not in self.homes:
            self.homes[pid] = self.inits.get(pid) or self._home(pid)
        return self.homes[pid]

    def _own_home(self, pid: int) -> Followed | None:
        """Return the container from cgroup2, which still shows it for an ended process until its parent waits
        (cgroups(7)).
        """
        return self._home(pid) if self.roster.version == 2 else None

    def _home(self, pid: int) -> Followed | None:
        """Return the container of a process: its memory cgroup is in the process's path. None for a process that is
        gone.
        """
        found = paths(self.view.text(f"/proc/{pid}/cgroup") or "")
        return self.roster.at(found.get("memory", found.get("", "")))

    def _first_ended(self, pid: int, facts: dict[str, Any], source: str) -> None:
        self._release(pid)
        one = self.inits.pop(pid)
        self.tell(one, {"pid": pid, "init": True, **facts}, source)

    def _worker_ended(self, one: Followed, pid: int, parent: int, status: int) -> None:
        count = self.counts[one.id] = self.counts.get(one.id, 0) + 1
        if count > MOST:
            self.left_out[one.id] = self.left_out.get(one.id, 0) + 1
            return
        more = self.left_out.pop(one.id, 0)
        facts = {"pid": pid, "parent": parent, "init": False, **how(status), **({"left_out": more} if more else {})}
        self.tell(one, facts, self.source.source)

    def _spend(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self.since > WINDOW:
            self.since, self.spent = now, 0.0
        self.spent += seconds
        if self.spent > SHARE * WINDOW:
            text = TOO_MANY.format(self.source.source, SHARE)
            self.reasons = [text]
            self.problem(f"exits of processes: {text}; those of containers' first processes are reported by pidfds")
            self._stop()
            self.again = now + REST
            for pid in self.inits:
                self._hold(pid)

    def tick(self) -> None:
        """End a round, and possibly a pause in listening."""
        self.counts.clear()
        if self.source is None and self.again <= time.monotonic() and self.inits:
            self.reasons, self.since, self.spent = [], time.monotonic(), 0.0
            self._open()

    def forget(self, one: Followed, source: str) -> None:
        """Forget a container that is gone. If no source reported the end of its first process, `source` does."""
        known = self.inits.get(one.container.pid)
        if known is not None and known.id == one.id:
            self._first_ended(one.container.pid, {"reason": self._unseen()}, source)
        self.counts.pop(one.id, None)
        self.left_out.pop(one.id, None)

    def _unseen(self) -> str:
        return "it ended before anything listened for it" if self.source is not None else self._why()

    def _stop(self) -> None:
        if self.source is not None:
            self.loop.drop(self.source.socket.fileno())
            self.source.close()
            self.source = None

    def close(self) -> None:
        """Stop listening."""
        self._stop()
        for pid in list(self.handles):
            self._release(pid)


def how(status: int) -> dict[str, Any]:
    """Return from wait(2)'s status: `status`, the exit status, or `signal`, its name, and `core`."""
    if not os.WIFSIGNALED(status):
        return {"status": os.WEXITSTATUS(status)}
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return {"signal": name, "core": os.WCOREDUMP(status)}
