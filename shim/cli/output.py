"""Text and JSON for people's terminal: tables that fit 100 columns, headings, and the exit statuses."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import Any, Sequence

import click

FINE, REFUSED, USAGE, BROKEN = 0, 1, 2, 3
SCHEMA = 1
COLUMNS = 100
NARROWEST = 10
GAP = "  "

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
    """One piece of text; bytes of a file that are not UTF-8 are shown as replacement characters."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    click.secho(shown, bold=bold or None, fg=colour)


def heading(text: str) -> None:
    """A heading with an empty line before it."""
    say()
    say(text, bold=True)


def paragraph(text: str, indent: str = "") -> None:
    """Text wrapped to the width."""
    say(textwrap.fill(text, columns(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False))


def failure(text: str, colour: str | None = None) -> None:
    """A message of several lines, each wrapped, what is behind a break indented."""
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        options: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}
        wrapped = textwrap.wrap(
            line.strip(), columns(), initial_indent=indent, subsequent_indent=f"{indent}  ", **options
        )
        say("\n".join(wrapped), colour=colour)


def emit(shape: dict[str, Any]) -> None:
    """`shape` as JSON with "schema" in front."""
    click.echo(json.dumps({"schema": SCHEMA, **shape}, indent=2))


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = (), indent: str = "") -> None:
    """Rows under an optional header, cells wrapped so that no line is wider than the terminal."""
    if not rows:
        return
    grid = [list(row) for row in ([header] if header else [])] + [list(row) for row in rows]
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


def _lines(row: list[str], widths: list[int]) -> list[str]:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths)]
    height = max(map(len, cells))
    padded = [cell + [""] * (height - len(cell)) for cell in cells]
    return [GAP.join(part.ljust(width) for part, width in zip(parts, widths)) for parts in zip(*padded)]


def _natural(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _wrapped(cell: str, width: int) -> list[str]:
    """A cell's lines; its own line breaks stay."""
    return [line for part in cell.split("\n") for line in textwrap.wrap(part, width, break_on_hyphens=False) or [""]]
