"""The board as columns that fit a width: cells of text, columns left out, and lines below. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from shim.errors import printable_line
from shim.watch.alert import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shim.cli.watched.board import Board, BoardRow

GAP = 2
NAME = "NAME"
NARROWEST, WIDEST = 12, 48  # columns of a name
NEAR, NEARER = 0.75, 0.9  # shares of the limit that are marked
UNITS = "KMGTP"
NOTHING = "-"
ABSENT = "n/a"


class Column(NamedTuple):
    """A column. The lower its rank, the longer it stays if the width is short. right: numbers."""

    title: str
    width: int
    rank: int
    cell: Callable[[BoardRow], str]
    right: bool = True


class Page(NamedTuple):
    """The page to show. marks: for each row "", "near" or "nearer" its limit. notes: lines below the table."""

    head: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    marks: list[str]
    notes: list[str]


def size(value: float | None) -> str:
    """Return bytes in at most five characters, by powers of 1024: `0`, `512`, `9.5K`, `1023M`, `1.2G`."""
    if value is None:
        return NOTHING
    sign, rest = ("-", -value) if value < 0 else ("", value)
    if rest < 1024:
        return f"{sign}{rest:.0f}"
    for unit in UNITS:
        rest /= 1024
        if rest < 9.95:
            return f"{sign}{rest:.1f}{unit}"
        if rest < 1023.5 or unit == UNITS[-1]:
            return f"{sign}{rest:.0f}{unit}"
    raise AssertionError  # the last unit always fits


def _growth(line: BoardRow) -> str:
    if line.growth is None:
        return NOTHING
    return f"{'+' if line.growth >= 0.5 else ''}{size(line.growth)}"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.0f}%" if value >= 0.0995 else f"{value * 100:.1f}%"


def _pressure(line: BoardRow) -> str:
    return _share(line.stalled) if line.sample.pressure.source else ABSENT


def title(line: BoardRow) -> str:
    """Return POD/NAME, or the name, or the id if there is neither."""
    sample = line.sample
    return f"{sample.pod}/{sample.name}" if sample.pod else sample.name or sample.id[:12]


COLUMNS = (
    Column("ENGINE", 10, 8, lambda line: line.sample.engine, right=False),
    Column(NAME, NARROWEST, 0, title, right=False),
    Column("WORKING", 7, 1, lambda line: size(line.used)),
    Column("LIMIT", 6, 2, lambda line: "none" if line.sample.limit is None else size(line.sample.limit)),
    Column("HEADROOM", 8, 3, lambda line: size(line.sample.headroom)),
    Column("SWAP", 6, 7, lambda line: size(line.sample.memory.swap)),
    Column("PEAK", 6, 9, lambda line: size(line.sample.memory.peak)),
    Column("PRESSURE", 8, 6, _pressure),
    Column("GROWTH/s", 8, 5, _growth),
    Column("OOM", 5, 4, lambda line: NOTHING if line.killed is None else str(line.killed)),
    Column("THROTTLED", 9, 10, lambda line: _share(line.throttled)),
    Column("ALLOC/s", 7, 11, lambda line: size(line.allocated)),
)


def chosen(width: int, longest: int) -> tuple[Column, ...]:
    """Return the columns that fit, in order; spare width goes to the names, up to the longest of them."""
    kept: list[Column] = []
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        if sum(one.width + GAP for one in (*kept, column)) - GAP > width:
            break
        kept.append(column)
    over = width - sum(one.width + GAP for one in kept) + GAP
    name = max(NARROWEST, min(longest, WIDEST, NARROWEST + over))
    return tuple(
        column._replace(width=name) if column.title == NAME else column for column in COLUMNS if column in kept
    )


def page(board: Board, order: str, head: Sequence[str], room: tuple[int, int], problems: Iterable[str] = ()) -> Page:
    """Return the board for this many columns and lines. 0 lines: as many as there are containers.

    head: the text above the table, as much of it as fits.
    """
    width, height = room
    lines = board.lines(order)
    columns = chosen(width, max((cells(title(line)) for line in lines), default=0))
    notes = [*_left_out(columns), *_without(lines), *_news(board), *problems]
    most = max(1, height - len(notes) - len(("head", "titles", "spare"))) if height else len(lines)
    if len(lines) > most:
        most = max(1, most - 1)
        notes.insert(0, f"{len(lines) - most} more do not fit")
    lines = lines[:most]
    rows = [[printable_line(column.cell(line)) for column in columns] for line in lines]
    marks = ["nearer" if line.fullness >= NEARER else "near" if line.fullness >= NEAR else "" for line in lines]
    said = [first for first in (", ".join(head[:count]) for count in range(len(head), 0, -1)) if cells(first) <= width]
    return Page(
        said[0] if said else cut(head[0], width),
        columns,
        rows,
        marks,
        [cut(printable_line(note), width) for note in notes],
    )


def _left_out(columns: tuple[Column, ...]) -> list[str]:
    shown = {column.title for column in columns}
    missing = [column.title for column in COLUMNS if column.title not in shown]
    return [f"too narrow for: {' '.join(missing)}"] if missing else []


def _without(lines: list[BoardRow]) -> list[str]:
    """Return why there is no pressure, one line a reason, and files that are not the kernel's."""
    reasons: dict[str, int] = {}
    for line in lines:
        if not line.sample.pressure.source:
            reason = line.sample.pressure.reason.partition("; ")[0] or "no reason is known"
            reasons[f"pressure not available: {reason}"] = 0
        for problem in line.sample.problems.values():
            reasons[problem] = 0
    told = list(reasons)
    return told if len(told) <= 2 else [*told[:2], f"and {len(told) - 2} more of this kind; --json has all"]


def _news(board: Board) -> list[str]:
    return [f"{iso(alert.time)[11:19]} {alert.message}" for alert in board.news]


def cells(text: str) -> int:
    """Return the terminal columns of a text: wide characters take two, combining ones none."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in printable_line(text)
    )


def cut(text: str, width: int) -> str:
    """Return at most so many columns; an ellipsis shows a cut."""
    if cells(text) <= width:
        return text
    kept = ""
    for one in text:
        if cells(kept + one) > width - 1:
            break
        kept += one
    return f"{kept}…"


def filled(text: str, width: int, right: bool) -> str:
    """Return exactly so many columns."""
    text = cut(text, width)
    blank = " " * (width - cells(text))
    return blank + text if right else text + blank
