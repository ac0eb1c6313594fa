"""Reads the files of shim.watch.record, record by record, whatever their size, and reports damage.

A recording is foreign data: each line is checked, and an error names the file and the line.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING

from shim.errors import ShimError
from shim.watch.lives import Lives, RecordedLine, Who

if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator

MAGIC, SCHEMA = "cgshim", 1
COLUMNS = (
    *("usage", "working_set", "anonymous", "file", "shmem", "kernel", "swap", "peak"),
    *("limit", "high", "swap_limit"),
)
HEAD = 4096  # bytes within which a header ends
LONGEST = 1 << 20  # bytes of one line
LARGEST = 1 << 62  # bytes or events: no counter is larger
SAMPLE = b'{"s":['  # in the recorder's format
MOST_PARTS = 1000  # files of one recording


def is_header(start: bytes) -> bool:
    """Return whether a file with these first bytes is a recording that this version reads."""
    line, end, _ = start.partition(b"\n")
    try:
        found = json.loads(line.decode("ascii")) if end else None
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("recording") == MAGIC and found.get("schema") == SCHEMA


class Recording:
    """All parts of a recording, oldest first, kept open, so that a rotation meanwhile has no effect.

    problems: skipped lines, each with its place. Raises ShimError `bad-recording`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[str] = []
        self.parts: list[tuple[str, BinaryIO]] = []
        try:
            for name in _names(path):
                self.parts.append((name, _opened(name)))
        except ShimError:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        for _, file in self.parts:
            file.close()
        self.parts = []

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def records(self) -> Iterator[RecordedLine]:
        """Yield every record in order of time, from the start at each call. Raises ShimError `bad-recording`."""
        for part in self._read():
            yield from part.records()

    def extents(self) -> Iterator[tuple[Who, float, bool]]:
        """Yield the container and time of each sample, and of each end (True), without the numbers: five times as
        fast.
        """
        for part in self._read():
            yield from part.extents()

    def _read(self) -> Iterator[_Part]:
        self.problems = []
        lives = Lives()
        for name, file in self.parts:
            file.seek(0)
            yield _Part(name, file, self.problems, lives)


def _names(path: str) -> list[str]:
    older = []
    for number in range(1, MOST_PARTS):
        if not os.path.lexists(f"{path}.{number}"):
            break
        older.append(f"{path}.{number}")
    return [*reversed(older), path]


def _opened(name: str) -> BinaryIO:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _bad(name, 0, error.strerror or str(error)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _bad(name, 0, "it is not a regular file")
    return os.fdopen(handle, "rb")


class _Part:
    """One file; container numbers count within it, from each header on."""

    def __init__(self, name: str, file: BinaryIO, problems: list[str], lives: Lives) -> None:
        self.name, self.file, self.problems, self.lives = name, file, problems, lives
        self.known: dict[int, Who] = {}
        self.columns: tuple[str, ...] = ()
        self.line = 0

    def records(self) -> Iterator[RecordedLine]:
        """Yield its records. A last line without a line end was being written when the watcher or the machine
        stopped.
        """
        for text in self._lines():
            yield from self._record(text)

    def extents(self) -> Iterator[tuple[Who, float, bool]]:
        """Like Recording.extents; an invalid sample is left to `records` to report."""
        for text in self._lines():
            if text.startswith(SAMPLE):
                start = text[len(SAMPLE) : 80].split(b",", 2)
                with contextlib.suppress(ValueError, IndexError, KeyError):
                    yield self.known[int(start[1])], float(start[0]), False
                continue
            for found in self._record(text):
                if found.who is not None:
                    yield found.who, found.time, found.kind == "gone"

    def _lines(self) -> Iterator[bytes]:
        while True:
            text = self.file.readline(LONGEST)
            if not text:
                break
            self.line += 1
            if not text.endswith(b"\n"):
                self._torn(text)
                break
            yield text
        if not self.line:
            raise self.bad("it is empty")

    def _record(self, text: bytes) -> list[RecordedLine]:
        kind, value = self._parsed(text)
        readers: dict[str, Callable[[Any], RecordedLine | None]] = {
            "s": self._sample, "c": self._container, "g": self._gone, "e": self._event, "a": self._alert,
            "lost": self._lost, "recording": self._header,
        }  # fmt: skip
        found = readers[kind](value)
        return [] if found is None else [*self.lives.ends(found), found]

    def _torn(self, text: bytes) -> None:
        if len(text) == LONGEST:
            raise self.bad(f"the line is longer than {LONGEST} bytes")
        if self.line == 1:
            raise self.bad("it is not a recording")
        self.problems.append(f"{self.name}:{self.line}: the last line is torn; it is skipped")

    def _parsed(self, text: bytes) -> tuple[str, Any]:
        try:
            found = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not found:
            raise self.bad(
                "it is not a recording" if self.line == 1 else "the line is damaged: it is not a JSON object"
            )
        kind = next(iter(found))
        if kind == "recording":
            return kind, found
        if self.line == 1:
            raise self.bad("it is not a recording")
        if kind not in ("s", "c", "g", "e", "a", "lost"):
            raise self.bad(f"{kind[:40]!r} is not a kind of record")
        return kind, found[kind]

    def _header(self, found: dict[str, Any]) -> RecordedLine:
        if found.get("recording") != MAGIC:
            raise self.bad("it is not a recording")
        if found.get("schema") != SCHEMA:
            raise self.bad(f"schema is {found.get('schema')!r:.20}; this version of cgshim reads {SCHEMA}")
        columns = found.get("columns")
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise self.bad("columns is not a list of names")
        self.columns, self.known = tuple(columns), {}
        return RecordedLine(kind="header", time=self._time(found.get("time")), object=found)

    def _container(self, value: Any) -> None:
        names = ("id", "engine", "name", "pod", "cgroup", "version")
        sane = isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)
        counters = value.get("counters") if sane else None
        if not isinstance(counters, list) or not all(isinstance(name, str) for name in counters):
            raise self.bad("c: a container has k, id, engine, name, pod, cgroup, version and counters")
        if not isinstance(value.get("k"), int):
            raise self.bad("c: k is not a number")
        who = Who(**{name: value[name] for name in names}, counters=tuple(counters))
        self.known[value["k"]] = self.lives.seen[who.id] = who

    def _sample(self, value: Any) -> RecordedLine:
        if not isinstance(value, list) or len(value) < 2:
            raise self.bad("s: a sample is a list of time, container and numbers")
        who = self._who(value[1])
        names = (*self.columns, *who.counters)
        if len(value) != len(names) + 2:
            raise self.bad(f"s: the sample has {len(value) - 2} numbers; its container has {len(names)}")
        figures = {name: number for name, number in zip(names, value[2:]) if number is not None}
        for number in figures.values():
            if type(number) is not int or not 0 <= number <= LARGEST:
                name = next(name for name in figures if figures[name] is number)
                raise self.bad(f"s: {name} is {number!r:.40}, not a number of bytes or events")
        return RecordedLine(kind="sample", time=self._time(value[0]), who=who, figures=figures)

    def _gone(self, value: Any) -> RecordedLine:
        if not isinstance(value, list) or len(value) != 2:
            raise self.bad("g: it is not a list of time and container")
        return RecordedLine(kind="gone", time=self._time(value[0]), who=self._who(value[1]))

    def _event(self, value: Any) -> RecordedLine:
        found = self._object("event", value)
        for name in ("kind", "id", "source"):
            if not isinstance(found.get(name), str):
                raise self.bad(f"e: {name} of the event is not a text")
        return RecordedLine(kind="event", time=self._time(found.get("time")), object=found)

    def _alert(self, value: Any) -> RecordedLine:
        return RecordedLine(kind="alert", time=0.0, object=self._object("alert", value))

    def _object(self, kind: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.bad(f"the {kind} is not an object")
        return value

    def _lost(self, value: Any) -> RecordedLine:
        found = self._object("lost", value)
        count, why = value.get("records"), str(value.get("why"))[:100]
        self.problems.append(f"{self.name}:{self.line}: {count!r:.20} records could not be written: {why}")
        return RecordedLine(kind="lost", time=self._time(value.get("time")), object=found)

    def _who(self, number: Any) -> Who:
        if not isinstance(number, int) or number not in self.known:
            raise self.bad(f"container {number!r:.20} was not introduced by a line before")
        return self.known[number]

    def _time(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e11:
            raise self.bad(f"the time {value!r:.40} is not in seconds since 1970")
        return float(value)

    def bad(self, why: str) -> ShimError:
        """Return the error for the last line read."""
        return _bad(self.name, self.line, why)


def _bad(name: str, line: int, why: str) -> ShimError:
    place = f"{name}:{line}" if line else name
    remedy = ["name a file that `cgshimctl watch --record FILE` wrote"]
    if line > 1:
        remedy.append(f"or take the damaged line out, from a copy: sed -i {line}d COPY")
    return ShimError("bad-recording", f"{place}: {why}", remedy=tuple(remedy))
