"""JSON values as YAML 1.2, for `-o yaml`.

cgshimctl prints only objects, arrays, strings, numbers, true, false and null. A writer for these is shorter than a
dependency. Strings that could be read as another value are quoted, as in JSON. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any

# A plain scalar (YAML 1.2, 7.3.3) that is a string in every schema: not a number, date, indicator or comment.
PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./()-]+)*")
RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))  # YAML 1.1 reads these as values


def text(value: Any) -> str:
    """Return `value` as a YAML document, with a line feed at its end."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, inner in value.items() for line in _under(f"{_scalar(str(key))}:", inner, "  ")]
    if isinstance(value, (list, tuple)) and value:
        return [line for inner in value for line in _item(inner)]
    return [_scalar(value)]


def _under(head: str, inner: Any, indent: str) -> list[str]:
    """Return a member: a scalar stays on the line of its key."""
    if not _has_lines(inner):
        return [f"{head} {_scalar(inner)}"]
    return [head, *(f"{indent}{line}" for line in _lines(inner))]


def _item(inner: Any) -> list[str]:
    """Return an element of an array: its first line follows the dash."""
    first, *others = _lines(inner)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _has_lines(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple)) and bool(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        is_plain = PLAIN.fullmatch(value) and value.lower() not in RESERVED
        return value if is_plain else _quoted(value)
    return json.dumps(value)


def _quoted(value: str) -> str:
    """Return a double-quoted scalar; unprintable characters are escaped, because terminals would act on them."""
    return "".join(one if one.isprintable() else _escaped(one) for one in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"
