"""The real runtime's log: private while the runtime runs, then passed on to the caller.

A runtime reports a failure only in its `--log` file. The stderr of a start belongs to the container and cannot be
captured. So the runtime gets a private log in memory, which is passed on once the result of the call is known. The
stderr of an update or a checkpoint belongs to the runtime and is held back with the log: containerd shows only the
first line of a checkpoint's, which has to be the diagnosis.
"""

from __future__ import annotations

import posix

from shim.call.channel import SHOWN
from shim.system import exists, memory_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.argv import Invocation

FIRST_DESCRIPTOR = 200  # far above the descriptors that --preserve-fds and LISTEN_FDS pass to the container
FORMATS = ("text", "json")
ELSEWHERE = ("journald:", "syslog:")  # prefixes of crun's logs that are not files


class RuntimeLog:
    """The private log of one call, and the caller's log behind it.

    path: the runtime's --log. Create one with `open_for`, which returns None if nothing is to be captured.
    """

    def __init__(self, handle: int, caller: int, form: str, family: str, stderr: int = -1) -> None:
        self.path = f"/proc/self/fd/{handle}"
        self._handle = handle
        self._caller = caller
        self._form = form
        self._family = family
        self._stderr = stderr

    @property
    def has_stderr(self) -> bool:
        """Return whether the runtime's stderr is held back, too. The child then has to call `take_stderr`."""
        return self._stderr >= 0

    def take_stderr(self) -> None:
        """In the child: hold back all further output to stderr."""
        posix.dup2(self._stderr, 2)

    def text(self) -> str:
        """Return everything that the runtime wrote."""
        return _content(self._handle)

    def hand_on(self) -> None:
        """Write the captured log to the caller's log, in its format; without such a log write it to stderr as text."""
        try:
            if self.has_stderr:
                _write(2, _content(self._stderr))
            text = self.text()
        except OSError:
            return  # as for _write
        if not text:
            return
        from shim.call.log_records import WRITTEN, line, records

        if self._caller < 0:
            # Its stderr would show these; the text of an error is there already.
            spoken = (record for record in records(text) if record.level not in WRITTEN)
            _write(2, "".join(line(record, self._family) for record in spoken))
            return
        if self._form == "text":
            text = "".join(line(record, self._family) for record in records(text))
        _write(self._caller, text)

    def hand_on_warnings(self, excerpt: tuple[str, ...]) -> None:
        """Write the records below level error beside a diagnosis: one may report a change that could not be reverted.

        excerpt: how a quotation begins that is part of the failure itself and is not passed on.
        """
        from shim.call.log_records import ERRORS, behind, json_line, line, records

        found = records(self.text())
        quoted = behind(found, excerpt)
        told = [one for one in found[: len(found) - len(quoted)] if one.level not in ERRORS]
        as_json = self._caller >= 0 and self._form == "json"
        _write(
            self._caller if self._caller >= 0 else 2,
            "".join(json_line(one) if as_json else line(one, self._family) for one in told),
        )


def open_for(invocation: Invocation, family: str) -> RuntimeLog | None:
    """Return a private log for this call; None if the caller's is not a file or the runtime itself must refuse it."""
    if invocation.log_format not in FORMATS or invocation.log.startswith(ELSEWHERE):
        return None
    caller = -1
    if invocation.log:
        try:
            # Opened first, as the runtime would: if that fails, the runtime reports it.
            path = invocation.log[5:] if invocation.log.startswith("file:") else invocation.log
            caller = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC, 0o644)
        except OSError:
            return None
    try:
        handle = _high(memory_file("runtime-log"))
        stderr = memory_file("runtime-stderr", inheritable=False) if invocation.command in SHOWN else -1
    except OSError:
        return None
    return RuntimeLog(handle, caller, invocation.log_format, family, stderr)


def _content(handle: int) -> str:
    size = posix.fstat(handle).st_size
    return posix.pread(handle, size, 0).decode("utf-8", "surrogateescape") if size else ""


def _high(handle: int) -> int:
    """Return the same file as a high descriptor that no container inherits; the runtimes close it before the start."""
    number = FIRST_DESCRIPTOR
    while exists(f"/proc/self/fd/{number}"):
        number += 1
    posix.dup2(handle, number, inheritable=True)
    posix.close(handle)
    return number


def _write(handle: int, text: str) -> None:
    try:
        posix.write(handle, text.encode("utf-8", "surrogateescape"))
    except OSError:
        return  # a log must not cost a container
