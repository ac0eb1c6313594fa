"""JSON as text that people keep: one member is set or removed, all other characters are unchanged.

A new member gets the file's own indentation. shim.oci.edits, for configurations that engines write, adds it on one
line. Removal is the same for both.
"""

from __future__ import annotations

import json
import re
from typing import Any

from shim.errors import ShimError
from shim.oci.checks import Duplicate, kind, unambiguous
from shim.oci.edits import apply_to_text
from shim.oci.text import Malformed, members, parse, scanner, skip
from shim.rules.base import Edit

_EMPTY = re.compile(r"\A(\s*)\{\s+\}")  # the whole object if its only member was removed
_FIRST_INDENT = re.compile(r"\{[ \t]*\r?\n([ \t]+)\"")


def parsed(text: str, file: str) -> dict[str, Any]:
    """Return the object in the text. Raises ShimError naming file and line for anything else."""
    try:
        value = parse(text, unambiguous)
    except Malformed as error:
        raise _malformed(file, error.place(text), error.what) from None
    except Duplicate as error:
        place = f"line {_second(text, error.key)}"
        raise _malformed(file, place, f"the key {error.key!r} occurs twice") from None
    if not isinstance(value, dict):
        raise _malformed(file, "line 1", f"an object was expected, found {kind(value)}")
    return value


def _second(text: str, key: str) -> int:
    places = [found.start() for found in re.finditer(rf"{re.escape(json.dumps(key))}\s*:", text)]
    return text.count("\n", 0, places[1] if len(places) > 1 else 0) + 1


def _malformed(file: str, place: str, what: str) -> ShimError:
    return ShimError(
        "malformed-engine-config",
        f"{file}, {place}: not valid JSON; the file is unchanged",
        evidence=(f"{file}, {place}: {what}",),
        remedy=("correct that line, then run this command again", "the engine itself cannot read the file either"),
    )


def with_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return the object's text with the member at `path` set; missing objects in the path are added."""
    unit = _unit(text)
    return _set(text, skip(text, 0), path, value, (unit, 1))


def without_member(text: str, path: tuple[str, ...]) -> str:
    """Return the object's text without the member at `path` and without objects that become empty."""
    after = apply_to_text(text, [Edit(op="remove", path=path)])
    return text if after == text else _EMPTY.sub(r"\1{}", after)


def _unit(text: str) -> str:
    """Return one step of the file's indentation, "" for a file of one line, two spaces for an empty object."""
    found = _FIRST_INDENT.search(text)
    if found:
        return found[1]
    return "" if '"' in text else "  "


def _set(text: str, start: int, path: tuple[str, ...], value: Any, layout: tuple[str, int]) -> str:
    unit, depth = layout
    found, end = members(text, start, scanner())
    member = next((m for m in found if m.key == path[0]), None)
    if member is not None and len(path) > 1 and isinstance(member.value, dict):
        return _set(text, member.value_start, path[1:], value, (unit, depth + 1))
    for key in reversed(path[1:]):
        value = {key: value}
    if member is not None:
        return text[: member.value_start] + _laid_out(value, unit, depth) + text[member.end :]
    line = f"{json.dumps(path[0])}: {_laid_out(value, unit, depth)}"
    if found:
        between = text[found[-2].end + 1 : found[-1].start] if len(found) > 1 else text[start + 1 : found[0].start]
        gap = between if between.strip(" \t\r\n") == "" and between else " "
        return f"{text[: found[-1].end]},{gap}{line}{text[found[-1].end :]}"
    if not unit:
        return text[: start + 1] + line + text[end - 1 :]
    return f"{text[: start + 1]}\n{unit * depth}{line}\n{unit * (depth - 1)}{text[end - 1 :]}"


def _laid_out(value: Any, unit: str, depth: int) -> str:
    if not unit:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", "\n" + unit * depth)
