"""The options that every command shares: -o (table, json, yaml), --json and -q."""

from __future__ import annotations

from typing import Any, Callable

import click

from shim.cli import output

TABLE, JSON, YAML = "table", "json", "yaml"
FORMS = (TABLE, JSON, YAML)

Command = Callable[..., Any]


def formatted(command: Command) -> Command:
    """Add the options to a command, which is called with `form`, one of FORMS.

    With json and yaml, and with -q, what `output.say` would write is left out: the object is the whole output.
    """

    def called(*arguments: Any, as_json: bool, form: str, quiet: bool, **options: Any) -> Any:
        form = JSON if as_json else form
        output.mute(quiet or form != TABLE)
        return command(*arguments, form=form, **options)

    called.__dict__.update(vars(command))  # the existing options
    called.__doc__, called.__name__ = command.__doc__, command.__name__
    options = [
        click.option("--json", "as_json", is_flag=True, help="The same as -o json."),
        click.option(
            "-o",
            "--format",
            "form",
            type=click.Choice(FORMS),
            default=TABLE,
            show_default=True,
            help="How to show the result.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Print errors only; the exit status has the answer."),
    ]
    for option in reversed(options):
        called = option(called)
    return called
