"""The process of a thread, and the container of its memory cgroup."""

from __future__ import annotations

from shim.host.membership import paths
from shim.watch.histogram import GONE, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from shim.watch.place import Followed

LARGEST = 1 << 16  # bytes of a file of /proc


class Threads:
    """Looks threads up in /proc, each once while it allocates. root: of the host's files."""

    def __init__(self, root: str = "/") -> None:
        self.proc = f"{root.rstrip('/')}/proc"
        self.known: dict[int, Thread] = {}

    def look_up(self, threads: Iterable[int], followed: Iterable[Followed]) -> dict[int, Thread]:
        """Return thread's id -> its process; an ended thread is GONE unless it was known before."""
        homes = [(home, one.container.title) for one in followed for home in [self._home(one.container.pid)] if home]
        homes.sort(key=lambda home: -len(home[0]))  # the innermost first
        before, self.known = self.known, {}
        for thread in threads:
            found = self._thread(thread, homes)
            self.known[thread] = before.get(thread, GONE) if found is GONE else found
        return self.known

    def _home(self, thread: int) -> str:
        """Return the path of a thread's memory cgroup, "" for none and for the root."""
        found = paths(self._text(f"{thread}/cgroup"))
        return found.get("memory", found.get("", "")).rstrip("/")

    def _thread(self, thread: int, homes: list[tuple[str, str]]) -> Thread:
        status = self._text(f"{thread}/status")
        pid = next((line[5:].strip() for line in status.splitlines() if line.startswith("Tgid:")), "")
        if not pid.isdigit():
            return GONE
        own = self._home(thread)
        container = next((title for home, title in homes if own == home or own.startswith(f"{home}/")), "")
        return Thread(name=self._text(f"{pid}/comm").rstrip("\n"), pid=int(pid), container=container)

    def _text(self, path: str) -> str:
        try:
            with open(f"{self.proc}/{path}", encoding="utf-8", errors="surrogateescape") as file:
                return file.read(LARGEST)
        except OSError:
            return ""
