"""TOML as text: edits that leave every other line as it is.

tomlkit writes keys and values, and reads files if Python has no parser. This module decides where lines go: whole
tables are added at the end and cut out again, single keys are set in their tables. After each edit the text is read
again and compared with the intended values. So a notation that this module does not know is refused, never damaged.

tomlkit's own documents cannot do that. A table that they have added stays when its only key is removed, so that a
removal would not restore the file. And the release in Debian 12 (0.11) loses values of tables that continue after
another table.
"""

from __future__ import annotations

import copy
import importlib
import re
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from shim.errors import ShimError

if TYPE_CHECKING:
    Path = tuple[str, ...]

_HEADER = re.compile(r"[ \t]*\[.*\][ \t]*(#.*)?$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
INDENT = "  "


def parsed(text: str, file: str) -> dict[str, Any]:
    """Return the document's values. Raises ShimError naming file and line for text that is not TOML."""
    try:
        return values(text)
    except ValueError as error:
        what, _, place = str(error).rpartition(" (at ")
        raise _malformed(file, _line(text, place), what or str(error)) from None


def values(text: str) -> dict[str, Any]:
    """Return the document's values. Raises ValueError.

    Python's own parser is preferred: tomlkit 0.11 loses values of tables that continue after another table.
    """
    try:
        tomllib = importlib.import_module("tomllib")
    except ImportError:  # before Python 3.11
        return _values_by_tomlkit(text)
    found: dict[str, Any] = tomllib.loads(text)
    return found


def _values_by_tomlkit(text: str) -> dict[str, Any]:
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        what = str(error).partition(" at line ")[0]
        raise ValueError(f"{what} (at line {error.line}, column {error.col})") from None
    except TOMLKitError as error:
        raise ValueError(f"{error} (at line {_ambiguous(text)}, column 1)") from None


def _ambiguous(text: str) -> int:
    """Return the line that makes the document ambiguous: the first one without which it is valid."""
    lines = text.splitlines(keepends=True)
    for number in range(1, len(lines) + 1):
        try:
            tomlkit.parse("".join(lines[:number]))
        except ParseError:
            continue
        except TOMLKitError:
            return number
    return len(lines)


def _line(text: str, place: str) -> int:
    """Return the line from `line L, column C)`; the end of the document for any other text."""
    word = place.partition("line ")[2].partition(",")[0]
    return int(word) if word.isdigit() else max(1, len(text.splitlines()))


def _malformed(file: str, line: int, what: str) -> ShimError:
    what = what.rstrip(".")
    return ShimError(
        "malformed-engine-config",
        f"{file}, line {line}: not valid TOML; the file is unchanged",
        evidence=(f"{file}, line {line}: {what[:1].lower()}{what[1:]}",),
        remedy=("correct that line, then run this command again", "the engine itself cannot read the file either"),
    )


def with_table(text: str, path: Path, entry: dict[str, Any], file: str) -> str:
    """Return the text with the table at `path` holding just `entry`: in place of the old one, otherwise at the end."""
    wanted = _without(parsed(text, file), path)
    _parent(wanted, path, create=True)[path[-1]] = entry
    bare = _cut(text, path)
    gap = "" if not bare or bare.endswith("\n\n") else "\n" if bare.endswith("\n") else "\n\n"
    return _checked(bare + gap + "\n".join(lines(path, entry)) + "\n", wanted, file)


def without_table(text: str, path: Path, file: str) -> str:
    """Return the text without the table at `path` and the tables in it."""
    return _checked(_cut(text, path), _without(parsed(text, file), path), file)


def with_key(text: str, path: Path, key: str, value: str, file: str) -> str:
    """Return the text with one string set in the table at `path`; a comment behind the old value is kept."""
    wanted = parsed(text, file)
    _parent(wanted, (*path, key), create=True)[key] = value
    all_lines = text.splitlines(keepends=True)
    first, last = _section(all_lines, path)
    found = _key_line(all_lines, first, last, key)
    if found is not None:
        all_lines[found] = _KEY_VALUE.sub(lambda m: m[1] + _value(value) + m[3], all_lines[found], count=1)
    elif first is not None:
        indent = _indent(all_lines, first, last)
        all_lines.insert(first + 1, f"{indent}{_key(key)} = {_value(value)}\n")
    else:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        all_lines.append(f"{gap}[{'.'.join(map(_key, path))}]\n{INDENT}{_key(key)} = {_value(value)}\n")
    return _checked("".join(all_lines), wanted, file)


def without_key(text: str, path: Path, key: str, file: str) -> str:
    """Return the text without one key of the table at `path`; a table that becomes empty is removed, too."""
    wanted = parsed(text, file)
    _parent(wanted, (*path, key), create=True).pop(key, None)
    all_lines = text.splitlines(keepends=True)
    first, last = _section(all_lines, path)
    found = _key_line(all_lines, first, last, key)
    if found is None or first is None:
        return text
    del all_lines[found]
    if not any(line.strip() for line in all_lines[first + 1 : last - 1]):
        all_lines = _closed(all_lines, first, last - 1)
    return _checked("".join(all_lines), wanted, file)


def lines(path: Path, entry: dict[str, Any], indent: str = "") -> list[str]:
    """Return the table as lines of a file, with nested tables behind its keys."""
    found = [f"{indent}[{'.'.join(map(_key, path))}]"]
    inner = {key: value for key, value in entry.items() if isinstance(value, dict)}
    found.extend(f"{indent}{INDENT}{_key(k)} = {_value(v)}" for k, v in entry.items() if k not in inner)
    for key, value in inner.items():
        found.extend(lines((*path, key), value, indent + INDENT))
    return found


_KEY_VALUE = re.compile(r"^([^=]*=[ \t]*)(\"(?:[^\"\\]|\\.)*\"|'[^']*')(.*)", re.DOTALL)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else str(tomlkit.item(name).as_string())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    return str(tomlkit.item(value).as_string())


def _header(line: str) -> Path | None:
    """Return the path in a table's header, None for any other line."""
    if not _HEADER.match(line.rstrip("\n")):
        return None
    try:
        value: Any = values(line.strip())
    except ValueError:
        return None  # the end of an array, a line of a multi-line string
    path: list[str] = []
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _section(all_lines: list[str], path: Path) -> tuple[int | None, int]:
    """Return the line of the table's header, None if it has none, and the line behind its last one."""
    headers = [(number, _header(line)) for number, line in enumerate(all_lines)]
    starts = [number for number, header in headers if header is not None]
    first = next((number for number, header in headers if header == path), None)
    if first is None:
        return None, len(all_lines)
    return first, _end(all_lines, first, next((n for n in starts if n > first), len(all_lines)))


def _end(all_lines: list[str], first: int, following: int) -> int:
    """Return the line behind the last one with content: comments before the next header belong to that header."""
    if following == len(all_lines):
        return following
    while following > first + 1 and all_lines[following - 1].strip()[:1] in ("", "#"):
        following -= 1
    return following


def _key_line(all_lines: list[str], first: int | None, last: int, key: str) -> int | None:
    pattern = re.compile(rf"""[ \t]*(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')[ \t]*=""")
    numbers = range(0 if first is None else first + 1, last)
    return next((n for n in numbers if pattern.match(all_lines[n])), None) if first is not None else None


def _indent(all_lines: list[str], first: int, last: int) -> str:
    """Return the indentation of the table's keys; one step more than its header if it has none."""
    for line in all_lines[first + 1 : last]:
        if line.strip() and not line.lstrip().startswith("#"):
            return line[: len(line) - len(line.lstrip())]
    header = all_lines[first]
    return header[: len(header) - len(header.lstrip())] + INDENT


def _cut(text: str, path: Path) -> str:
    """Return the text without the sections at and below `path`."""
    all_lines = text.splitlines(keepends=True)
    while True:
        headers = [(number, _header(line)) for number, line in enumerate(all_lines)]
        starts = [number for number, header in headers if header is not None]
        first = next((n for n, header in headers if header is not None and header[: len(path)] == path), None)
        if first is None:
            return "".join(all_lines)
        last = _end(all_lines, first, next((n for n in starts if n > first), len(all_lines)))
        all_lines = _closed(all_lines, first, last)


def _closed(all_lines: list[str], first: int, last: int) -> list[str]:
    """Return the lines without [first, last), and without the empty line between them and their neighbours."""
    above, below = all_lines[:first], all_lines[last:]
    if above and not above[-1].strip() and (not below or not below[0].strip()):
        above = above[:-1]
    return above + below


def _parent(document: dict[str, Any], path: Path, *, create: bool) -> dict[str, Any]:
    for key in path[:-1]:
        if create:
            document.setdefault(key, {})
        document = document.get(key, {})
    return document


def _without(document: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    _parent(changed, path, create=False).pop(path[-1], None)
    return changed


def _pruned(value: Any) -> Any:
    """Return values without empty tables: a header alone has no meaning."""
    if not isinstance(value, dict):
        return value
    kept = {key: _pruned(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner != {}}


def _checked(text: str, wanted: dict[str, Any], file: str) -> str:
    try:
        found = values(text)
    except ValueError:
        found = None
    if found is not None and _pruned(found) == _pruned(wanted):
        return text
    raise ShimError(
        "engine-config-notation",
        f"{file} is written in a way that this command cannot edit safely; the file is unchanged",
        cause="inline tables and dotted keys cannot be extended with a table of their own",
        evidence=(file,),
        remedy=("write the parts in question as [tables]", "or add the output of `cgshimctl engine print` by hand"),
    )
