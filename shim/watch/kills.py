"""The processes that the OOM killer ended: reads the kernel's log from the last position on."""

from __future__ import annotations

import os

from shim.observe.oom import kills
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.observe.oom import Kill
    from shim.watch.place import Followed

PATH = "/dev/kmsg"
RECORD, MOST = 8192, 20000  # bytes of a record; records read at once
KEPT = 500  # lines of the log that may belong to kills not yet queried
CLOSED = f"{PATH} cannot be read (kernel.dmesg_restrict), so it is not known which process was killed"
SILENT = "the kernel's log does not name this kill: it names ten in five seconds"
WORDS = ("oom-kill:", "Memory cgroup out of memory", "memory: usage", "killed as a result")


class Victim(Value):
    """A killed process. init: whether it is the container's first, so that the container ends with it; None if that is
    unknown. limited: the cgroup whose limit was hit. usage, failures: of that cgroup at that moment, in bytes and
    times; 0 if not in the log.
    """

    name: str
    pid: int
    init: bool | None
    limited: str
    usage: int
    failures: int

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in Victim.__annotations__}


class KernelLog:
    """The log from now on, or from the record behind `after`. problem: why it cannot be read, "" if it can.

    anywhere: paths of cgroups are from inside a cgroup namespace; the log has the host's.
    """

    def __init__(self, path: str = PATH, after: int = -1, *, anywhere: bool = False) -> None:
        self.last = after
        self.problem = ""
        self.anywhere = anywhere
        self.lines: list[str] = []
        self.told: list[Kill] = []
        try:
            self.handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.handle, self.problem = -1, CLOSED
            return
        if after < 0:  # earlier records are not reported, but their end must be known
            self._read()
            self.lines.clear()

    def victims(self, one: Followed) -> list[Victim]:
        """Return the container's processes that were killed since the last call for it."""
        self._read()
        path = one.place.memory.path
        found = [kill for kill in kills(self.lines, path, self.anywhere) if kill not in self.told]
        self.told = [*self.told, *found][-KEPT:]
        init = one.container.pid
        return [
            Victim(
                name=kill.name,
                pid=kill.pid,
                init=kill.pid == init if init else None,
                limited=kill.limited,
                usage=kill.usage,
                failures=kill.failures,
            )
            for kill in found
        ]

    def _read(self) -> None:
        for _ in range(MOST):
            record = self._record()
            if not record:
                break
            prefix, _, text = record.partition(";")
            number = f"{prefix},,".split(",")[1]
            sequence = int(number) if number.isdigit() else 0
            if sequence > self.last:
                self.last = sequence
                line = text.partition("\n")[0]
                if any(word in line for word in WORDS):
                    self.lines.append(line)
        del self.lines[:-KEPT]

    def _record(self) -> str:
        while self.handle >= 0:
            try:
                return os.read(self.handle, RECORD).decode("utf-8", "replace")
            except BrokenPipeError:
                continue  # overwritten meanwhile; the next one is available
            except OSError:
                break
        return ""

    def close(self) -> None:
        """Stop reading."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
