"""What commands print: tables as wide as the terminal, headings, JSON and YAML; and the exit statuses."""

from __future__ import annotations

import json
import textwrap
from typing import Any, Sequence, Union

import click

from shim.cli import terminal, yaml_text
from shim.errors import printable_line, printable_lines

FINE, REFUSED, USAGE, BROKEN = 0, 1, 2, 3
SCHEMA = 1
NARROWEST = 10  # columns of a cell that may be cut
READABLE = 24  # columns of running text; a narrower column has one word a line
GAP = "  "
MUTED = "shim.cli.output.muted"  # key of click's context
Cell = Union[str, Sequence[str]]  # foreign text, always printed on one line; or lines of our own

STATUSES = """\b
Exit status:
  0  nothing is refused
  1  something is or would be refused
  2  wrong usage of this command
  3  bad input, broken settings, or a fault of cgshimctl itself
"""


def mute(on: bool) -> None:
    """Suppress from now on the output of `say`, for -q and for json and yaml."""
    click.get_current_context().meta[MUTED] = on


def _is_muted() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(MUTED))


def say(text: str = "", *, bold: bool = False, colour: str | None = None) -> None:
    """Write one line. Foreign text in it can neither end the line nor control the terminal."""
    if _is_muted():
        return
    line = printable_line(text)
    styled = click.style(line, bold=bold or None, fg=colour) if bold or colour else line
    click.echo(styled, color=terminal.has_colours())


def heading(text: str) -> None:
    """Write a heading with an empty line before it."""
    say()
    paragraph(text, bold=True)


def paragraph(text: str, indent: str = "", *, bold: bool = False, colour: str | None = None) -> None:
    """Write text wrapped to the width; its line ends become spaces."""
    for line in wrapped(printable_lines(text), terminal.columns(), indent):
        say(line, bold=bold, colour=colour)


def wrapped(text: str, width: int, indent: str = "", hanging: str = "") -> list[str]:
    """Return `text` in lines of at most `width`; a word that is longer, such as a path, is never broken."""
    options: dict[str, Any] = {"initial_indent": indent, "subsequent_indent": indent + hanging}
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False, **options) or [""]


def passage(text: str) -> None:
    """Write lines of a file unchanged."""
    for line in text.rstrip("\n").split("\n"):
        say(line)


def failure(text: str, colour: str | None = None) -> None:
    """Write a message of several lines (`ShimError.text`), each wrapped, with continuation lines indented."""
    for line in _message(text, terminal.columns()):
        say(line, colour=colour)


def complain(text: str) -> None:
    """Write a message or a note to stderr, wrapped as `failure` does."""
    for line in _message(text, terminal.error_columns()):
        click.echo(line, err=True)


def _message(text: str, width: int) -> list[str]:
    lines = []
    for line in printable_lines(text).split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        lines += wrapped(line.strip(), width, indent, "  ")
    return lines


def emit(shape: dict[str, Any], form: str = "json") -> None:
    """Write `shape` as JSON or YAML, with "schema" in front."""
    value = {"schema": SCHEMA, **shape}
    click.echo(yaml_text.text(value) if form == "yaml" else json.dumps(value, indent=2), nl=form != "yaml")


def table(rows: Sequence[Sequence[Cell]], header: Sequence[str] = (), indent: str = "") -> None:
    """Write rows under an optional header, wrapped so that no line is wider than the terminal.

    No word is broken. Where the columns do not fit for that, each row becomes a paragraph of its own.
    """
    if not rows:
        return
    grid = [[_shown(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    every = range(len(grid[0]))
    natural, words = [[max(size(row[i]) for row in grid) for i in every] for size in (_natural, _longest_word)]
    least = [max(word, min(size, READABLE)) for word, size in zip(words, natural)]
    room = terminal.columns() - len(indent)
    if sum(least) + len(GAP) * (len(least) - 1) > room:
        if header:
            _stacked(header, grid[1:], indent)
        else:
            _listed(grid, indent)
        return
    widths = fitted(natural, room, least)
    for number, row in enumerate(grid):
        for line in _lines(row, widths):
            say((indent + line).rstrip(), bold=bool(header) and number == 0)


def _stacked(header: Sequence[str], grid: list[list[list[str]]], indent: str) -> None:
    """Write each row as its first cell, with the others below it as 'NAME: TEXT'."""
    for row in grid:
        for number, (name, cell) in enumerate(zip(header, row)):
            lines = [line for line in cell if line not in ("", "-")]
            lead = f"{name.lower()}: " if number and lines else ""
            for line in lines:
                for part in wrapped(lead + line, terminal.columns(), f"{indent}  " if number else indent, "  "):
                    say(part)
                lead = ""


def _listed(grid: list[list[list[str]]], indent: str) -> None:
    """Write rows without a header as 'NAME: TEXT'."""
    for (name, *_), *cells in grid:
        text = [line for cell in cells for line in cell if line]
        for line in wrapped(f"{name}: {' '.join(text)}", terminal.columns(), indent, "  "):
            say(line)


def fitted(natural: list[int], width: int, least: Sequence[int] = ()) -> list[int]:
    """Return column widths whose sum with the gaps fits: the widest column shrinks first, down to its minimum."""
    widths = list(natural)
    floors = list(least) or [NARROWEST] * len(widths)
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        giving = [i for i, size in enumerate(widths) if size > floors[i]]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
        excess -= 1
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


def _longest_word(cell: list[str]) -> int:
    return max((len(word) for line in cell for word in line.split()), default=0)


def _wrapped(cell: list[str], width: int) -> list[str]:
    return [line for part in cell for line in wrapped(part, max(width, 1))]
