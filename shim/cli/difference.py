"""A file before and after, for people and for patch(1). Pure."""

from __future__ import annotations

import difflib
import json

LONGEST = 200  # characters of a line that a person can still compare by eye


def exact(before: str, after: str, name: str) -> str:
    """Return a unified diff for patch(1); "" for equal texts."""
    lines: list[str] = []
    for line in difflib.unified_diff(_split(before), _split(after), f"a/{name}", f"b/{name}"):
        lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def readable(before: str, after: str, name: str, width: int) -> tuple[list[str], bool]:
    """Return the diff's lines, none wider than `width`, and whether both texts had to be reformatted for it.

    Engines write config.json as one line, and a diff of two long lines would show nothing.
    """
    reformatted = any(len(line) > LONGEST for line in _split(before))
    if reformatted:
        before, after = _laid_out(before), _laid_out(after)
    lines = [line.rstrip("\n") for line in _split(exact(before, after, name))]
    return [_cut(line, width) for line in lines], reformatted


def _split(text: str) -> list[str]:
    """Return the lines with their ends. Only a line feed ends a line: U+0085 and the like are characters of a
    string.
    """
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def _laid_out(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 4]} ..."
