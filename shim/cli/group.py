"""Groups of commands: whole descriptions in the list, and a suggestion for a mistyped name."""

from __future__ import annotations

import difflib
from typing import Any

import click


class Family(click.Group):
    """A group whose help does not cut descriptions off, and that knows what a mistyped command meant."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with the whole first sentence of its help."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _sentence(command)) for name, command in found if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return what click does; an unknown command is answered with the names that look like it."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def _sentence(command: click.Command) -> str:
    return command.get_short_help_str(limit=1000)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ' Did you mean A or B?', or "" if nothing known looks like the word."""
    close = difflib.get_close_matches(word.lower(), known, 3, 0.7)
    return f" Did you mean {' or '.join(close)}?" if close else ""
