"""The watcher's data on disk: a sink that appends to a file of limited size, rotated, and valid after a crash.

One JSON object a line, written by one write(2) each:

    {"recording": "cgshim", "schema": 1, "host", "boot", "kernel", "interval", "time", "columns": [NAME]}   a header
    {"c": {"k": NUMBER, "id", "engine", "name", "pod", "cgroup", "version", "counters": [NAME]}}            a container
    {"s": [time, k, bytes or null of each column, each counter]}                                            a sample
    {"e": EVENT}   {"a": ALERT}   {"g": [time, k]} (gone)   {"lost": {"time", "records", "why"}}

Each sample is complete: it has no differences to an earlier one. A header begins each file and each start of the
watcher; containers are numbered from there. FILE is the newest part, FILE.1 the one before, and so on.
shim.watch.recording reads it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from typing import TYPE_CHECKING

from shim.errors import ShimError
from shim.watch.event import STARTED
from shim.watch.recording import COLUMNS, HEAD, MAGIC, SCHEMA, is_header
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample

LARGEST = 256 << 20  # bytes of all parts together, by default
PARTS = 4
SMALLEST = 64 << 10  # bytes of one part
LEAST = PARTS * SMALLEST
SYNC = 10.0  # seconds between two fdatasync(2): a power cut loses only younger records
TAIL = 1 << 20  # bytes at the end that are searched for a torn line
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Recorder(Sink):
    """A sink of the watcher that writes a recording.

    path: FILE. It is created with mode 0600, or appended to if it is a recording. interval: seconds between two
    samples, for the header. most: bytes of all parts; parts: how many files. tell: called with one line when writing
    begins to fail, and with one when it works again; lost records are counted in the recording.

    Raises ShimError `bad-recording-place` for a file that cannot be used: only a recording is overwritten.
    """

    def __init__(
        self,
        path: str,
        interval: float,
        *,
        most: int = LARGEST,
        parts: int = PARTS,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path, self.interval = os.path.abspath(path), interval
        self.parts, self.each = max(2, parts), max(SMALLEST, most // max(2, parts))
        self.tell = tell
        self.numbers: dict[str, tuple[int, tuple[str, ...], str]] = {}
        self.next = 0
        self.lost, self.why, self.synced = 0, "", time.monotonic()
        for number in range(1, self.parts):
            _refuse_foreign(f"{self.path}.{number}")
        self.handle = _opened(self.path)
        self.size = _mended(self.handle)
        self._put(_header(interval))

    def sample(self, sample: Sample) -> None:
        """Append a sample, after its container if that is new or has other counters."""
        self._rotate_if_full()
        counters = _counters(sample)
        names = tuple(counters)
        known = self.numbers.get(sample.id)
        if known is None or known[1:] != (names, sample.cgroup):
            number, self.next = (self.next, self.next + 1) if known is None else (known[0], self.next)
            self.numbers[sample.id] = (number, names, sample.cgroup)
            self._put({"c": _container(sample, number, names)})
        number = self.numbers[sample.id][0]
        memory = sample.memory
        figures = [getattr(memory, name) for name in COLUMNS[:8]]
        limits = [sample.limit, sample.high, sample.swap_limit]
        self._put({"s": [round(sample.time, 3), number, *figures, *limits, *counters.values()]})

    def event(self, event: Event) -> None:
        """Append an event. If a known container starts, it has a new cgroup: a new run."""
        if event.kind == STARTED:
            self.gone(event.id)
        shape = event.shape()
        shape.pop("type", None)
        self._put({"e": shape})

    def alert(self, alert: Alert) -> None:
        """Append an alert."""
        self._put({"a": alert.shape()})

    def gone(self, container: str) -> None:
        """Record that a container has ended: a later one with the same id is a new run."""
        if container in self.numbers:
            self._put({"g": [round(time.time(), 3), self.numbers.pop(container)[0]]})

    def tick(self, now: float) -> None:
        """End a round; from time to time sync the file to disk."""
        if time.monotonic() - self.synced >= SYNC:
            self._sync()

    def close(self) -> None:
        """Sync everything to disk. Nothing can be recorded afterwards."""
        if self.handle >= 0:
            self._sync()
            os.close(self.handle)
            self.handle = -1

    def _sync(self) -> None:
        self.synced = time.monotonic()
        try:
            os.fdatasync(self.handle)
        except OSError as error:
            self._failed(error)

    def _put(self, record: dict[str, Any]) -> None:
        """Write one record with one write(2). A partial line is removed, so that the file stays a recording."""
        if self.why:
            self._try_again()
        if not self.why:
            self._write(record)
        if self.why:
            self.lost += 1

    def _try_again(self) -> None:
        why, self.why = self.why, ""
        self._write({"lost": {"time": round(time.time(), 3), "records": self.lost, "why": why}})
        if not self.why:
            self.tell(f"{self.path}: writing works again; {self.lost} records are missing in the recording")
            self.lost = 0

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            written = os.write(self.handle, line)
            if written != len(line):
                os.ftruncate(self.handle, self.size)
                raise OSError(28, "only a part of a record could be written")
            self.size += written
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if not self.why and not self.lost:
            self.tell(f"{self.path}: {error.strerror}: records are left out until it can be written again")
        self.why = error.strerror or str(error)

    def _rotate_if_full(self) -> None:
        if self.size < self.each:
            return
        self._sync()
        for number in range(self.parts - 1, 0, -1):
            older = f"{self.path}.{number}"
            newer = f"{self.path}.{number - 1}" if number > 1 else self.path
            _refuse_foreign(older)
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        os.close(self.handle)
        self.handle = _opened(self.path)
        self.size = _mended(self.handle)
        self.numbers.clear()
        self.next = 0
        self._put(_header(self.interval))


def _header(interval: float) -> dict[str, Any]:
    system = os.uname()
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        boot = ""
    head = {"recording": MAGIC, "schema": SCHEMA, "host": system.nodename, "boot": boot, "kernel": system.release}
    return {**head, "interval": interval, "time": round(time.time(), 3), "columns": list(COLUMNS)}


def _container(sample: Sample, number: int, counters: tuple[str, ...]) -> dict[str, Any]:
    names = ("id", "engine", "name", "pod", "cgroup", "version")
    return {"k": number, **{name: getattr(sample, name) for name in names}, "counters": list(counters)}


def _counters(sample: Sample) -> dict[str, int]:
    groups = (("events", sample.events), ("pressure", sample.pressure.totals), ("cpu", sample.cpu))
    found = {f"{group}.{name}": value for group, counters in groups for name, value in counters.items()}
    if sample.allocated.bytes is not None:
        found["allocated.bytes"] = sample.allocated.bytes
    return found


def _opened(path: str) -> int:
    """Open FILE: our own, empty or a recording. Raises ShimError."""
    try:
        handle = os.open(path, FLAGS | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "it is not a regular file")
        if status.st_size and not is_header(os.pread(handle, HEAD, 0)):
            raise _unusable(path, "it is not empty and not a recording; it is left as it is")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _unusable(path, "another watcher records there") from error
    except ShimError:
        os.close(handle)
        raise
    return handle


def _mended(handle: int) -> int:
    """Remove a torn line, or bytes that never reached the disk; return the remaining size."""
    size = os.fstat(handle).st_size
    start = max(0, size - TAIL)
    tail = os.pread(handle, size - start, start)
    lines = tail.split(b"\n")
    keep = size - len(lines.pop())
    while lines and not _is_whole(lines[-1]) and (start == 0 or len(lines) > 1):
        keep -= len(lines.pop()) + 1
    if keep != size:
        os.ftruncate(handle, keep)
    return keep


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode("ascii")), dict)
    except ValueError:
        return False


def _refuse_foreign(path: str) -> None:
    """Check that an older part, which would be replaced, is a recording. Raises ShimError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        if not regular or not is_header(os.pread(handle, HEAD, 0)):
            raise _unusable(path, "it is not a part of a recording, and the rotation would replace it")
    finally:
        os.close(handle)


def _unusable(path: str, why: str) -> ShimError:
    return ShimError(
        "bad-recording-place",
        f"{path} cannot take the recording: {why}",
        remedy=("name another file, in a directory that exists: --record FILE",),
    )
