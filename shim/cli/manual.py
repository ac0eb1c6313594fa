"""The manual page cgshimctl(8), made from the commands' own help: `python3 -m shim.cli.manual`."""

from __future__ import annotations

import inspect

import click

from shim import __version__
from shim.cli.main import main

HEAD = """\
.TH CGSHIMCTL 8 "" "cgshim {version}" "System Administration"
.SH NAME
cgshimctl \\- look into cgshim, and register it with container engines
.SH SYNOPSIS
.B cgshimctl
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
"""
TAIL = """\
.SH FILES
.TP
.I /etc/cgshim/config.json
The settings; see
.BR cgshim\\-config (5).
.SH SEE ALSO
.BR cgshim (8),
.BR cgshim\\-config (5),
.BR runc (8),
.BR crun (1)
"""
KEEP = "\b"  # click's mark before a paragraph whose lines are kept


def page() -> str:
    """Return the page as roff."""
    context = click.Context(main, info_name="cgshimctl")
    parts = [HEAD.format(version=__version__), _prose(main.help or ""), ".SH COMMANDS\n"]
    parts.extend(_commands(main, context, ()))
    return "".join([*parts, TAIL])


def _commands(group: click.Group, context: click.Context, above: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        found.append(_command(command, inner, (*above, name)))
        if isinstance(command, click.Group):
            found.extend(_commands(command, inner, (*above, name)))
    return found


def _command(command: click.Command, context: click.Context, words: tuple[str, ...]) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    records = [param.get_help_record(context) for param in command.get_params(context)]
    options = [record for record in records if record]
    lines = [f".SS {_escaped(' '.join(words))}\n", f".B cgshimctl {_escaped(' '.join(words))}\n"]
    lines += [f".I {_escaped(usage)}\n"] if usage else []
    lines += [".PP\n", _prose(inspect.cleandoc(command.help or ""))]
    for flags, text in options:
        lines.append(f".TP\n.B {_escaped(flags)}\n{_escaped(' '.join(text.split())) or '.'}\n")
    return "".join(lines)


def _prose(text: str) -> str:
    """Return paragraphs; those that click does not wrap keep their lines here, too."""
    found = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() == KEEP:
            kept = "\n".join(map(_escaped, lines[1:]))
            found.append(f".PP\n.nf\n{kept}\n.fi\n")
        else:
            found.append(f".PP\n{_escaped(' '.join(' '.join(lines).split()))}\n")
    return "".join(found)


def _escaped(text: str) -> str:
    """Escape text for roff: backslashes, hyphens, and a dot or quote at the beginning of a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    click.echo(page(), nl=False)
