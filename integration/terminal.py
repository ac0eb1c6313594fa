"""A program on a pseudo-terminal of its own, as a user's shell would start it."""

from __future__ import annotations

import os
import pty
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 60  # seconds of silence that only a hang exhausts


class Terminal:
    """One program in the foreground of a new session whose controlling terminal is ours to type on."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            try:
                os.execve(argv[0], list(argv), dict(env))
            finally:
                os._exit(127)
        self.seen = ""

    def wait_for(self, words: str) -> None:
        """Read until the words have been shown; everything so far is in `seen`."""
        while words not in self.seen:
            assert self._read(), f"{words!r} was never shown, but:\n{self.seen}"

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"silence after:\n{self.seen}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def type(self, text: str) -> None:
        """What a user types."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read to the end; the wait status as an exit status, negative for a signal."""
        while self._read():
            pass
        os.close(self._master)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)
