"""Groups of commands: whole descriptions in the list, and a suggestion for a mistyped name."""

from __future__ import annotations

import difflib
import re
from typing import Any

import click

from shim.cli.output import wrapped

KEEP = "\b"  # click's mark before a paragraph whose lines are kept
FIRST_COLUMN = re.compile(r"\s*\S+(?: \S+)*\s{2,}")


class Formatter(click.HelpFormatter):
    """Wraps the lines of tables and examples under their last column, if the terminal is too narrow for them."""

    def write_text(self, text: str) -> None:
        """Write paragraphs, as click does."""
        width = self.width - self.current_indent
        lines, kept = [], False
        for line in text.split("\n"):
            kept = line.strip() == KEEP or (kept and bool(line.strip()))
            lines += _narrowed(line, width) if kept and len(line) > width else [line]
        super().write_text("\n".join(lines))


def _narrowed(line: str, width: int) -> list[str]:
    """Return the line in parts, the later ones below its second column, or indented if there is no room."""
    column = FIRST_COLUMN.match(line)
    start = len(line) - len(line.lstrip())
    hanging = column.end() if column and column.end() < width // 2 else start + 4
    head, rest = line[:hanging], line[hanging:]
    parts = wrapped(rest, width - hanging) if len(line) > hanging else [rest]
    return [head + parts[0], *(" " * hanging + part for part in parts[1:])]


class HelpContext(click.Context):
    """A context whose help is written by `Formatter`."""

    formatter_class = Formatter


class Family(click.Group):
    """A group whose help does not cut descriptions off, and that suggests names for a mistyped command."""

    context_class = HelpContext

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, None if there is none."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = HelpContext
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with the whole first sentence of its help."""
        rows = [(name, self.sentence(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def sentence(self, ctx: click.Context, name: str) -> str:
        """Return the description of a command in the list."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=1000) if command else ""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Resolve as click does, and answer an unknown command with similar names."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ' Did you mean A or B?', or "" if no known name is similar."""
    close = difflib.get_close_matches(word.lower(), known, 3, 0.7)
    return f" Did you mean {' or '.join(close)}?" if close else ""
