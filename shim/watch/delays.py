"""Time that a container's tasks lost to memory: taskstats' exit records, for the poststop hook's account.

The kernel reports a task's delays only once, when the task ends. The hook of a container that requests it
(shim.observe.delays) announces the container to this watcher before its process starts, and takes the sum after its
end; both over a socket in the state directory, which only its owner can use. Without such a container nothing listens
and pyroute2 is not imported.
"""

from __future__ import annotations

import errno
import json
import os
import socket

from shim.host import process
from shim.observe.delays import LARGEST, SOCKET
from shim.observe.exits import Exits, decode, descends, same_cgroup
from shim.state import files
from shim.watch.loop import IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from shim.host.view import View
    from shim.watch.loop import Loop

MOST = 2000  # containers; if poststop hooks never came, the oldest are removed
ASKING = 1.0  # seconds for a question to arrive
UNKNOWN = "the watcher does not know the container: it was started after it"


class Delays:
    """Answers hooks. directory: cgshim's state directory. problem: called with the reason if it cannot."""

    def __init__(self, view: View, loop: Loop, directory: str, problem: Callable[[str], None]) -> None:
        self.view = view
        self.loop = loop
        self.serves = False
        self.overruns = 0
        self.exits: dict[str, tuple[Exits, int]] = {}
        self.seen: dict[int, str] = {}
        self.records: socket.socket | None = None
        self.family = 0
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            handle = files.opened(directory, make=True)
            try:
                self._bind(f"/proc/self/fd/{handle}/{SOCKET}")
            finally:
                os.close(handle)
        except OSError as error:
            problem(f"the delays of containers cannot be recorded: {error.strerror or error} ({directory})")
            self.server.close()
            return
        self.serves = True
        self.server.listen(64)
        loop.add(self.server.fileno(), IN, lambda _: self._asked())

    def _bind(self, path: str) -> None:
        """Replace the socket of a watcher that is gone; a running watcher keeps its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as other:
            try:
                other.connect(path)
                raise OSError(errno.EADDRINUSE, "another watcher does it")
            except FileNotFoundError:
                pass
            except ConnectionRefusedError:
                os.unlink(path)
        self.server.bind(path)

    def _asked(self) -> None:
        connection, _ = self.server.accept()
        with connection:
            connection.settimeout(ASKING)
            try:
                asked = json.loads(connection.recv(LARGEST))
                answer = self._answer(asked)
                connection.send(json.dumps(answer).encode("ascii"))
            except (OSError, ValueError, KeyError, TypeError):
                return  # the hook is gone or breaks the protocol: it treats a missing answer as a reason

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        container = str(asked["container"])
        if asked["ask"] == "listen":
            return {"reason": self._listen(container, int(asked["pid"]), str(asked["controller"]), str(asked["path"]))}
        self._drain()
        known = self.exits.pop(container, None)
        self._rest()
        if known is None:
            return {"reason": f"no taskstats: {UNKNOWN}"}
        exits, before = known
        return {"init": exits.init, "overruns": self.overruns - before, **exits.shape()}

    def _listen(self, container: str, pid: int, controller: str, path: str) -> str:
        if self.records is None:
            from shim.observe import pressure

            try:
                self.records, self.family = pressure.exit_records()
            except (OSError, ImportError) as error:
                return f"no taskstats: {error}"
            self.records.setblocking(False)
            self.loop.add(self.records.fileno(), IN, lambda _: self._drain())
        inside = self._inside(container, pid, controller, path)
        self.exits.pop(container, None)
        self.exits[container] = (Exits(pid, inside), self.overruns)
        while len(self.exits) > MOST:
            del self.exits[next(iter(self.exits))]
        return ""

    def _inside(self, container: str, init: int, controller: str, path: str) -> Callable[[int], bool | None]:
        def in_cgroup(pid: int) -> bool | None:
            if pid not in self.seen:
                self.seen[pid] = self.view.text(f"/proc/{pid}/cgroup") or ""
            return same_cgroup(self.seen[pid], controller, path) if self.seen[pid] else None

        def below(pid: int) -> bool | None:
            return descends(pid, init, lambda one: process.parent(self.view.text(f"/proc/{one}/stat") or ""))

        def inside(pid: int) -> bool | None:
            others = (exits for name, (exits, _) in self.exits.items() if name != container)
            if any(pid in exits.known for exits in others):
                return False
            return in_cgroup(pid) if path else below(pid)

        return inside

    def _drain(self) -> None:
        """Pass every waiting record to each container that asked; it belongs to one of them or to none."""
        while self.records is not None:
            try:
                data = self.records.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            for one in decode(data, self.family):
                self.seen.clear()
                for exits, _ in self.exits.values():
                    exits.add(one)

    def _rest(self) -> None:
        """Stop listening when no container needs it: every task of the host that ends sends a record."""
        if not self.exits and self.records is not None:
            self.loop.drop(self.records.fileno())
            self.records.close()
            self.records = None

    def close(self) -> None:
        """Stop answering."""
        self.exits.clear()
        self._rest()
        if self.serves:
            self.loop.drop(self.server.fileno())
            self.server.close()
