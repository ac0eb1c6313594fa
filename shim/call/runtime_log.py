"""The real runtime's log, caught on its way: private while it runs, the caller's afterwards.

A runtime says why it failed in its `--log` file only; the stderr of a start is the container's and cannot be captured.
So it gets a log of our own, in memory, and what it wrote is handed on when we know how the call ended. The stderr of an
update or a checkpoint is the runtime's own, and kept back with the log: containerd shows the first line of a
checkpoint's alone, which is to be the diagnosis.
"""

from __future__ import annotations

import posix

from shim.call.channel import SHOWN
from shim.oci.text import Malformed, dump, scanner
from shim.system import exists, memory_file
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.call.argv import Invocation

FIRST_DESCRIPTOR = 200  # far above what --preserve-fds and LISTEN_FDS hand to the container
ERRORS = ("error", "fatal", "panic")
WRITTEN = ("error", "panic")  # what a runtime writes to its stderr itself; runc's first stages log "fatal" only
FORMATS = ("text", "json")
TRIES = 1000  # braces that begin no record, until the rest is given up: each may cost a walk down a deep nesting
ELSEWHERE = ("journald:", "syslog:")  # crun's logs that are no files


class Record(Value):
    """One entry as runc and crun write it: logrus' and crun's JSON share three keys; `others` may follow in runc's."""

    level: str
    message: str
    time: str
    others: tuple[tuple[str, str], ...] = ()


class RuntimeLog:
    """The private log of one call, and the caller's log behind it.

    path: what the runtime gets as --log. Use `open_for`, which answers None where nothing is to be caught.
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
        """Is the runtime's stderr kept back, too; the child is then to call `take_stderr`."""
        return self._stderr >= 0

    def take_stderr(self) -> None:
        """In the child: what it says from now on is kept back."""
        posix.dup2(self._stderr, 2)

    def text(self) -> str:
        """Everything that the runtime wrote."""
        return _content(self._handle)

    def hand_on(self) -> None:
        """What the runtime wrote, to the caller's log and in the caller's format; to stderr, as text, without one."""
        try:
            if self.has_stderr:
                _write(2, _content(self._stderr))
            text = self.text()
        except OSError:
            return  # as for _write
        if not text:
            return
        if self._caller < 0:
            # Its stderr would have had them; an error's text it has written there, log or not.
            spoken = (record for record in records(text) if record.level not in WRITTEN)
            _write(2, "".join(line(record, self._family) for record in spoken))
            return
        if self._form == "text":
            text = "".join(line(record, self._family) for record in records(text))
        _write(self._caller, text)

    def hand_on_warnings(self, excerpt: tuple[str, ...]) -> None:
        """What is no error, beside a diagnosis: it may tell of a change that could not be taken back.

        excerpt: how a quotation begins that is part of the failure's own words, and not handed on.
        """
        found = records(self.text())
        quoted = behind(found, excerpt)
        told = [one for one in found[: len(found) - len(quoted)] if one.level not in ERRORS]
        as_json = self._caller >= 0 and self._form == "json"
        _write(
            self._caller if self._caller >= 0 else 2,
            "".join(json_line(one) if as_json else line(one, self._family) for one in told),
        )


def behind(found: tuple[Record, ...], beginnings: tuple[str, ...]) -> tuple[Record, ...]:
    """The records from the first on whose message begins so; () if none does."""
    for place, record in enumerate(found):
        if record.message.startswith(beginnings):
            return found[place:]
    return ()


def open_for(invocation: Invocation, family: str) -> RuntimeLog | None:
    """A private log for this call; None if the caller's is not a file or the runtime itself must refuse it."""
    if invocation.log_format not in FORMATS or invocation.log.startswith(ELSEWHERE):
        return None
    caller = -1
    if invocation.log:
        try:
            # Opened first, as the runtime would: a log that cannot be opened is the runtime's to complain about.
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
    """The same file under a number that no container is given; the runtimes close it before the container starts."""
    number = FIRST_DESCRIPTOR
    while exists(f"/proc/self/fd/{number}"):
        number += 1
    posix.dup2(handle, number, inheritable=True)
    posix.close(handle)
    return number


def records(text: str) -> tuple[Record, ...]:
    """The entries of a JSON log. Values are parsed, not lines: crun 1.28 spreads an object over several."""
    if not text:
        return ()
    found, offset, scan, tries = [], 0, scanner(), TRIES
    while offset < len(text) and tries:
        start = text.find("{", offset)
        if start < 0:
            break
        try:
            value, offset = scan(text, start)
        except Malformed:
            offset, tries = start + 1, tries - 1
            continue
        found.append(_record(value))
    return tuple(found)


def _record(value: Any) -> Record:
    fields = {key: item if isinstance(item, str) else dump(item) for key, item in value.items()}
    level, message, time = (fields.pop(key, "") for key in ("level", "msg", "time"))
    return Record(level=level, message=message, time=time, others=tuple(fields.items()))


def failure(text: str) -> str:
    """The runtime's last error message, "" if it logged none."""
    for record in reversed(records(text)):
        if record.level in ERRORS:
            return record.message
    return ""


def json_line(record: Record) -> str:
    """A record as the runtimes' JSON logs have it."""
    shown = {"level": record.level, "msg": record.message, "time": record.time}
    return dump({**shown, **dict(record.others)}) + "\n"


def line(record: Record, family: str) -> str:
    """A record in the runtime's own text form, in one line whatever an image or a configuration put into it."""
    from shim.errors import printable_line

    if family == "crun":
        return printable_line(f"{record.time}: {record.message}") + "\n"
    others = "".join(f" {key}={dump(value)}" for key, value in record.others)
    return printable_line(f'time="{record.time}" level={record.level} msg={dump(record.message)}{others}') + "\n"


def _write(handle: int, text: str) -> None:
    try:
        posix.write(handle, text.encode("utf-8", "surrogateescape"))
    except OSError:
        return  # a log is never worth a container
