"""The records in the log of runc or crun. Imported only if the runtime has logged anything."""

from __future__ import annotations

from shim.errors import printable_line
from shim.oci.text import Malformed, dump, scanner
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ERRORS = ("error", "fatal", "panic")
WRITTEN = ("error", "panic")  # also on the runtime's own stderr; runc's first stages log only "fatal"
TRIES = 1000  # stray braces after which the rest is not parsed: each may cost a walk through a deep nesting


class Record(Value):
    """One log entry of runc or crun. The JSON of both shares three keys; runc may add `others`."""

    level: str
    message: str
    time: str
    others: tuple[tuple[str, str], ...] = ()


def records(text: str) -> tuple[Record, ...]:
    """Return the entries of a JSON log. Parses values instead of lines, because crun 1.28 writes an object over
    several.
    """
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
    """Return the runtime's last error message, "" if it logged none."""
    for record in reversed(records(text)):
        if record.level in ERRORS:
            return record.message
    return ""


def json_line(record: Record) -> str:
    """Return a record in the JSON form of the runtimes' logs."""
    shown = {"level": record.level, "msg": record.message, "time": record.time}
    return dump({**shown, **dict(record.others)}) + "\n"


def line(record: Record, family: str) -> str:
    """Return a record in the runtime's text form, always on one line, whatever an image or a configuration put into
    it.
    """
    if family == "crun":
        return printable_line(f"{record.time}: {record.message}") + "\n"
    others = "".join(f" {key}={dump(value)}" for key, value in record.others)
    return printable_line(f'time="{record.time}" level={record.level} msg={dump(record.message)}{others}') + "\n"


def behind(found: tuple[Record, ...], beginnings: tuple[str, ...]) -> tuple[Record, ...]:
    """Return the records from the first one on whose message begins with one of `beginnings`; () if none does."""
    for place, record in enumerate(found):
        if record.message.startswith(beginnings):
            return found[place:]
    return ()
