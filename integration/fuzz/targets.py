"""What is fuzzed: functions that take any bytes and must neither raise nor be wrong.

Each raises AssertionError where cgshim disagrees with Python's own json module, loses a record, or lets through what
steers a terminal; any other exception is a fault, too. Driven by coverage (`python -m integration.fuzz`) or by
hypothesis (tests/property/test_property_fuzz.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shim.call import log_records
from shim.errors import ShimError
from shim.errors import printable_line as line
from shim.oci import document
from shim.oci.text import Malformed, dump, parse

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 200000  # bytes: more would only measure the machine


def _text(data: bytes) -> str:
    return data[:LONGEST].decode("utf-8", "surrogateescape")


def _is_utf8(data: bytes) -> bool:
    try:
        return bool(data.decode("utf-8")) or not data
    except UnicodeDecodeError:
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def json_reader(data: bytes) -> None:
    """shim.oci.text and shim.oci.document: the same values as the json module's, or Malformed where that has none."""
    text = _text(data)
    wanted, is_json = _by_the_standard(text)
    malformed, refused = None, ""
    try:
        found = parse(text)
    except Malformed as error:
        malformed = error
    assert (malformed is None) == is_json, malformed or "accepted"
    if malformed:
        assert malformed.place(text).startswith("line ")
    else:
        assert _same(found, wanted), (found, wanted)
        # A byte that is not UTF-8, behind half of a surrogate pair, is taken for the other half when it is read again.
        assert _same(parse(dump(found)), found) or not _is_utf8(data)
    try:
        loaded = document.load(text, "/b/config.json")
        assert loaded.replaced({}) == text
    except ShimError as error:
        refused = error.text()
    assert [part for part in refused.split("\n") if line(part) != part] == []


def _by_the_standard(text: str) -> tuple[Any, bool]:
    """The value by the json module, and whether there is one; what it reads beyond RFC 8259 is none."""
    try:
        return json.loads(text.strip(" \t\n\r"), parse_constant=_refuse, parse_int=_integer), True
    except (ValueError, RecursionError):
        return None, False


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 1000 else float(digits)


def _same(one: Any, other: Any) -> bool:
    """Equal, and equal in type: to Python 1, 1.0 and True are."""
    return repr(one) == repr(other)


def log_parser(data: bytes) -> None:
    """shim.call.log_records: records of any log, and each of them one line in both runtimes' text forms."""
    text = _text(data)
    found = log_records.records(text)
    messages = [record.message for record in found if record.level in log_records.ERRORS]
    assert log_records.failure(text) == (messages[-1] if messages else "")
    for record in found:
        for family in ("runc", "crun"):
            shown = log_records.line(record, family)
            assert shown.endswith("\n")
            assert line(shown[:-1]) == shown[:-1]
    # A record that follows is found, whatever comes before it, unless it is inside of that.
    more = '{"level":"error","msg":"last","time":"T"}\n'
    if "{" not in text and '"' not in text:
        assert log_records.failure(text + more) == "last"


TARGETS: dict[str, Callable[[bytes], None]] = {"json-reader": json_reader, "log-parser": log_parser}
SEEDS = {
    "json-reader": (
        b'{"ociVersion":"1.0.2","linux":{"resources":{"memory":{"limit":1},"unified":{"pids.max":"max"}}}}',
        b'{"linux":{"seccomp":{"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}},"a":[1e9,-0,"\\ud83d\\ude00"]}',
        b' [null, true, false, 1.5, "\\u0000\xff"] ',
    ),
    "log-parser": (
        b'{"level":"error","msg":"runc create failed: x","time":"2026-01-01T00:00:00Z"}\n',
        b'{\n "msg": "container not found",\n "level": "error",\n "time": "T"\n}\n{"level":"warning","msg":1,"a":{}}',
        b'time="T" level=error msg="x"\n{"level":',
    ),
}
