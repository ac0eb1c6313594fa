"""Text and JSON for people's terminal: tables that fit 100 columns, headings, and the exit statuses."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import Any, Sequence, Union

import click

from shim.errors import printable_line, printable_lines

FINE, REFUSED, USAGE, BROKEN = 0, 1, 2, 3
SCHEMA = 1
COLUMNS = 100
NARROWEST = 10
GAP = "  "
Cell = Union[str, Sequence[str]]  # foreign text, which is one line whatever it holds; or lines of our own making

STATUSES = """\b
Exit status:
  0  nothing is refused
  1  something is or would be refused
  2  wrong usage of this command
  3  bad input, broken settings, or a fault of cgshimctl itself
"""


def columns() -> int:
    """The width to write for: the terminal's own where there is one."""
    if not sys.stdout.isatty():
        return COLUMNS
    return max(60, shutil.get_terminal_size((COLUMNS, 24)).columns)


def say(text: str = "", *, bold: bool = False, colour: str | None = None) -> None:
    """One line: whatever foreign words hold, they neither end it nor steer the terminal."""
    click.secho(printable_line(text), bold=bold or None, fg=colour)


def heading(text: str) -> None:
    """A heading with an empty line before it."""
    say()
    say(text, bold=True)


def paragraph(text: str, indent: str = "") -> None:
    """Text wrapped to the width, its line ends become spaces."""
    options: dict[str, Any] = {"initial_indent": indent, "subsequent_indent": indent, "break_on_hyphens": False}
    for line in textwrap.wrap(printable_lines(text), columns(), **options) or [""]:
        say(line)


def passage(text: str) -> None:
    """Lines of a file, as they are."""
    for line in text.rstrip("\n").split("\n"):
        say(line)


def failure(text: str, colour: str | None = None) -> None:
    """A message of several lines (`ShimError.text`), each wrapped, what is behind a break indented."""
    for line in printable_lines(text).split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        options: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}
        wrapped = textwrap.wrap(
            line.strip(), columns(), initial_indent=indent, subsequent_indent=f"{indent}  ", **options
        )
        for part in wrapped:
            say(part, colour=colour)


def emit(shape: dict[str, Any]) -> None:
    """`shape` as JSON with "schema" in front."""
    click.echo(json.dumps({"schema": SCHEMA, **shape}, indent=2))


def table(rows: Sequence[Sequence[Cell]], header: Sequence[str] = (), indent: str = "") -> None:
    """Rows under an optional header, cells wrapped so that no line is wider than the terminal."""
    if not rows:
        return
    grid = [[_shown(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    widths = fitted([max(_natural(row[i]) for row in grid) for i in range(len(grid[0]))], columns() - len(indent))
    for number, row in enumerate(grid):
        for line in _lines(row, widths):
            say((indent + line).rstrip(), bold=bool(header) and number == 0)


def fitted(natural: list[int], width: int) -> list[int]:
    """Column widths whose sum with the gaps fits: the widest column gives way first, down to a minimum."""
    widths = list(natural)
    room = width - len(GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _shown(cell: Cell) -> list[str]:
    return [printable_line(line) for line in ([cell] if isinstance(cell, str) else cell)]


def _lines(row: list[list[str]], widths: list[int]) -> list[str]:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths)]
    height = max(map(len, cells))
    padded = [cell + [""] * (height - len(cell)) for cell in cells]
    return [GAP.join(part.ljust(width) for part, width in zip(parts, widths)) for parts in zip(*padded)]


def _natural(cell: list[str]) -> int:
    return max(map(len, cell))


def _wrapped(cell: list[str], width: int) -> list[str]:
    return [line for part in cell for line in textwrap.wrap(part, width, break_on_hyphens=False) or [""]]
