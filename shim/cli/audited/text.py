"""The table for people: the verdict first, the worst first."""

from __future__ import annotations

import sys
from typing import Any

from shim.audit.row import CAPPED, ENFORCED, LOST, ORDER
from shim.cli import output, terminal
from shim.cli.output import heading, paragraph, say

COLOURS = {**dict.fromkeys(LOST, "red"), CAPPED: None, ENFORCED: "green"}
SHORT_NAME = 16  # columns; a shorter part of a container's name does not identify it
HEADER = ("VERDICT", "CONTAINER", "LIMIT", "ASKED", "RUNTIME", "SYSTEMD", "KERNEL", "EFFECTIVE")


def show(fleet: dict[str, Any]) -> None:
    """Write everything as text."""
    for host in fleet["hosts"]:
        say(plain(f"{host['host']}: {host['layout']}, Linux {host['kernel']}"), bold=True)
        _limits(host)
        _problems(host)
    if "after" in fleet:
        _after(fleet)
    _summary(fleet)


def _limits(host: dict[str, Any]) -> None:
    """Write limits that do not hold, one a line; those that hold, one line a container."""
    pairs = [(limit, container) for container in host["containers"] for limit in container["limits"]]
    pairs = [pair for pair in pairs if pair[0]["verdict"] != ENFORCED]
    pairs.sort(key=lambda pair: ORDER.index(pair[0]["verdict"]))
    if pairs:
        _table(pairs)
    held = [(one, [limit for limit in one["limits"] if limit["verdict"] == ENFORCED]) for one in host["containers"]]
    if any(limits for _, limits in held):
        heading("Enforced")
        rows = [(called(one), ", ".join(map(_short, limits))) for one, limits in held if limits]
        output.table(rows)


def _short(limit: dict[str, Any]) -> str:
    why = f" ({limit['why']})" if limit["why"] else ""
    return plain(f"{limit['limit']} {limit['shown']['kernel'] or limit['shown']['asked']}{why}")


def _table(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    systemd = any(limit["shown"]["systemd"] for limit, _ in pairs)
    keep = [number for number, name in enumerate(HEADER) if systemd or name != "SYSTEMD"]
    grid = [[_cells(limit, container)[number] for number in keep] for limit, container in pairs]
    titles = [HEADER[number] for number in keep]
    natural = [max(len(row[column]) for row in [titles, *grid]) for column in range(len(keep))]
    # Only names are cut: a cut verdict, limit or value would be wrong.
    floors = [min(size, SHORT_NAME) if column == 1 else size for column, size in enumerate(natural)]
    if sum(floors) + len(output.GAP) * (len(floors) - 1) > terminal.columns():
        _stacked(pairs, grid, titles)
        return
    widths = output.fitted(natural, terminal.columns(), floors)
    _line(titles, widths, None, bold=True)
    for cells, (limit, _) in zip(grid, pairs):
        _line(cells, widths, COLOURS.get(limit["verdict"], "yellow"))
        if limit["why"]:
            paragraph(plain(limit["why"]), "    ")


def _stacked(pairs: list[tuple[dict[str, Any], dict[str, Any]]], grid: list[list[str]], titles: list[str]) -> None:
    """For narrow terminals: write a limit's verdict, then its values with their names, then the reason."""
    for (limit, _), (verdict, name, field, *values) in zip(pairs, grid):
        colour = COLOURS.get(limit["verdict"], "yellow") if sys.stdout.isatty() else None
        paragraph(f"{verdict}: {name}, {field}", colour=colour)
        paragraph(", ".join(f"{title.lower()} {value}" for title, value in zip(titles[3:], values)), "    ")
        if limit["why"]:
            paragraph(plain(limit["why"]), "    ")


def _cells(limit: dict[str, Any], container: dict[str, Any]) -> list[str]:
    shown = limit["shown"]
    words = [shown[name] or "-" for name in ("asked", "configured", "systemd", "kernel", "effective")]
    return [plain(cell) for cell in (limit["verdict"], called(container), limit["limit"], *words)]


def called(container: dict[str, Any]) -> str:
    """Return ENGINE NAME, with the pod before the name if there is one."""
    pod = f"{container['pod']}/" if container["pod"] else ""
    return plain(f"{container['engine']} {pod}{container['name']}")


def plain(text: Any) -> str:
    """Return foreign text (names, paths, reasons) with control characters escaped."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in str(text))


def _line(cells: list[str], widths: list[int], colour: str | None, *, bold: bool = False) -> None:
    """Write one row. A cell that is too long is cut in the middle, because names differ at their ends."""
    parts = [_cut(cell, width).ljust(width) for cell, width in zip(cells, widths)]
    coloured = colour if sys.stdout.isatty() else None
    say(output.GAP.join(parts).rstrip(), bold=bold, colour=coloured)


def _cut(cell: str, width: int) -> str:
    if len(cell) <= width:
        return cell
    half = (width - 1) // 2
    return f"{cell[: width - 1 - half]}~{cell[len(cell) - half :]}"


def _problems(host: dict[str, Any]) -> None:
    told = list(host["problems"])
    told += [f"{called(one)}: {problem}" for one in host["containers"] for problem in one["problems"]]
    if told:
        heading("What could not be read")
        for line in told:
            paragraph(plain(line), "  ")


def _after(fleet: dict[str, Any]) -> None:
    after = fleet["after"]
    heading(f"After the migration ({plain(after['target'])})")
    rows = [
        [plain(change["outcome"]), called(container), *(plain(change[key]) for key in ("field", "reason", "without"))]
        for host in fleet["hosts"]
        for container in host["containers"]
        for change in container.get("after", {}).get("changes", ())
    ]
    output.table(rows, ("OUTCOME", "CONTAINER", "FIELD", "WHY", "WITHOUT CGSHIM"))
    say()
    paragraph(plain(after["answer"]), bold=True)


def _summary(fleet: dict[str, Any]) -> None:
    summary = fleet["summary"]
    say()
    if not summary["containers"]:
        say("No containers were found.")
        return
    counted = ", ".join(f"{count} {verdict}" for verdict, count in summary["verdicts"].items())
    paragraph(f"Containers: {summary['containers']}. Limits: {summary['limits']} ({counted or 'none asked'}).")
    if summary["lost"]:
        what = "1 limit is lost." if summary["lost"] == 1 else f"{summary['lost']} limits are lost."
        say(what, bold=True, colour="red" if sys.stdout.isatty() else None)
