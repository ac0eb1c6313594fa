"""Draws the board: in place by rich, or as plain text, one table after the other."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from shim.cli.watched.columns import GAP, Page, filled, page
from shim.errors import printable_line
from shim.watch.alert import iso
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.cli.watched.board import Board

COLUMNS, LINES = 120, 24  # if the terminal does not tell its size
STYLES = {"": "", "near": "yellow", "nearer": "bold red"}
INSTALL = (
    "for a table that is redrawn in place install rich: pip install 'cgshim[watch]', or Debian's python3-rich; "
    "--json suits programs"
)


class Shown:
    """Shared by all drawings.

    about: returns the text above the table for a number of containers. problems: lines below it.
    """

    def __init__(self, board: Board, order: str, about: Callable[[int], list[str]]) -> None:
        self.board, self.order, self.about = board, order, about
        self.problems: Callable[[], Iterable[str]] = lambda: ()

    def page(self, now: float, width: int, height: int) -> Page:
        """Return the page at a time in UNIX seconds."""
        first, *more = self.about(len(self.board.looks))
        head = [f"{iso(now)[11:19]} UTC  {first}", *more]
        return page(self.board, self.order, head, (width, height), self.problems())


class Plain(Sink):
    """Writes one table a round to a stream."""

    def __init__(self, shown: Shown, stream: TextIO | None = None) -> None:
        self.shown = shown
        self.stream = stream or sys.stdout
        self.separate = False

    def tick(self, now: float) -> None:
        """Write the table. Raises BrokenPipeError if the reader is gone."""
        width = shutil.get_terminal_size((COLUMNS, LINES)).columns if self.stream.isatty() else COLUMNS
        text = as_text(self.shown.page(now, width, 0))
        self.stream.write("\n" + text if self.separate else text)
        self.stream.flush()
        self.separate = True


def as_text(made: Page) -> str:
    """Return lines that fit the page's width."""
    lines = [made.head]
    for row in ([column.title for column in made.columns], *made.rows):
        cells = [filled(text, column.width, column.right) for text, column in zip(row, made.columns)]
        lines.append((" " * GAP).join(cells).rstrip())
    return "\n".join([*lines, *made.notes]) + "\n"


def available() -> bool:
    """Return whether rich is installed."""
    try:
        import rich.live
    except ImportError:
        return False
    return bool(rich.live)


class InPlace(Sink):
    """The table on the terminal's alternate screen; the last one stays on the normal screen at the end.

    console: of rich, the terminal's own by default.
    """

    def __init__(self, shown: Shown, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.shown = shown
        self.console = console or Console(highlight=False, emoji=False, markup=False)
        self.last: Page | None = None
        self.live = Live(console=self.console, screen=True, auto_refresh=False, transient=True)
        self.live.start()

    def tick(self, now: float) -> None:
        """Draw again."""
        self.last = self.shown.page(now, self.console.width, self.console.height)
        self.live.update(as_rich(self.last), refresh=True)

    def close(self) -> None:
        """Restore the terminal."""
        self.live.stop()
        if self.last is not None:
            self.console.print(as_rich(self.last))


def as_rich(made: Page) -> Any:
    """Return the page for rich: the same cells, coloured near a limit."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in made.columns:
        table.add_column(filled(column.title, column.width, column.right), width=column.width, no_wrap=True)
    for row, mark in zip(made.rows, made.marks):
        cells = [filled(text, column.width, column.right) for text, column in zip(row, made.columns)]
        table.add_row(*(Text(text, style=STYLES[mark], no_wrap=True) for text in cells))
    below = [Text(printable_line(note), style="dim", no_wrap=True, overflow="ellipsis") for note in made.notes]
    return Group(Text(made.head, style="bold", no_wrap=True, overflow="ellipsis"), table, *below)
