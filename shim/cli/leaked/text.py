"""The answer for a terminal: leaks first, with the numbers; then the rest, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.cli.leaked.words import called, clock, interval, rate, verdict
from shim.cli.output import heading, paragraph, say, table
from shim.watch.leaks.judge import STEADY
from shim.watch.leaks.runs import shown

if TYPE_CHECKING:
    from shim.watch.leaks.assess import Assessment

MOST = 8  # events shown for one container


def show(path: str, found: list[Assessment], problems: list[str]) -> None:
    """Write everything as text."""
    start, end = min(one.run.start for one in found), max(one.run.end for one in found)
    samples = sum(one.run.samples for one in found)
    paragraph(f"{path}: {clock(start)} to {clock(end)} UTC, {samples} sample{'' if samples == 1 else 's'}")
    for one in found:
        if one.leaking:
            _leak(one)
    rest = [one for one in found if not one.leaking]
    if rest:
        heading("No leak")
        table([(called(one), one.verdict, _change(one)) for one in rest], ("CONTAINER", "VERDICT", "MEMORY"))
    for problem in problems:
        paragraph(f"note: {problem}")
    say()
    leaks = len(found) - len(rest)
    runs = f"{len(found)} run{'s' if len(found) != 1 else ''} of containers"
    say(f"{leaks} of {runs} leak{'s' if leaks == 1 else ''}.", bold=True)


def _leak(one: Assessment) -> None:
    heading(called(one))
    paragraph(verdict(one)[0].upper() + verdict(one)[1:] + ".", "  ")
    rows = []
    for kind, found in one.kinds.items():
        if found.verdict == STEADY and found.last == 0:
            continue
        steep = rate(found.trend.slope) if found.trend and kind in one.leaking else ""
        rows.append((kind, found.verdict, f"{shown(found.first)} to {shown(found.last)}", steep, found.why))
    table(rows, ("KIND", "VERDICT", "FROM, TO", "RATE", "WHY"), "  ")
    for kind in one.leaking:
        paragraph(f"{kind}: {interval(one, kind)}", "  ")
    if one.run.allocated is not None:
        paragraph(f"It allocates {rate(one.run.allocated)}, freed again or not.", "  ")
    if one.happened:
        paragraph("What happened when it began:" if one.began else "What happened at the start:", "  ")
        for event in one.happened[:MOST]:
            paragraph(f"{clock(event.time)}  {event.what} ({event.source})", "    ")
    elif one.began is not None:
        paragraph("Nothing that the watcher saw happened when it began.", "  ")


def _change(one: Assessment) -> str:
    """Return the kinds that changed."""
    moved = [(kind, found) for kind, found in one.kinds.items() if found.verdict != STEADY]
    parts = [f"{kind} {shown(found.first)} to {shown(found.last)}: {found.why}" for kind, found in moved]
    return "; ".join(parts) or "nothing changed much"
