"""`cgshimctl leaks`: whose memory grows without end, in what `cgshimctl watch --record` wrote."""

from __future__ import annotations

import contextlib
import io
import json
import os
from typing import TYPE_CHECKING

import click

from shim.cli import output
from shim.cli.leaked import page, plot, shape, text
from shim.errors import ShimError
from shim.oci import atomic
from shim.watch.leaks.assess import assess
from shim.watch.leaks.judge import VERDICTS
from shim.watch.leaks.runs import runs, survey
from shim.watch.leaks.trend import CONFIDENCE
from shim.watch.recording import Recording

if TYPE_CHECKING:
    from shim.watch.leaks.assess import Assessment

FORMATS = ("text", "json", "svg", "html")
MOST_PANELS = 40  # of one picture or page
EPILOG = """\b
--json: one object; bytes, seconds, bytes a second; times in UTC, ISO 8601
  schema      1
  file, test, confidence, leaks (how many), problems [TEXT]
  containers  [{id, name, engine, pod, run, from, to, samples, limit_bytes, allocation_rate, verdict,
              leaking [KIND], began,
              happened_then [EVENT], limit_reached {limit_bytes, rate, seconds, seconds_low, seconds_high},
              kinds {KIND: {verdict, why, first_bytes, last_bytes, began, rate_before,
                     trend {rate, rate_low, rate_high, tau, p, values, variance_factor}}},
              events [{time, kind, what, source}]}]
KIND: anonymous, shmem, kernel, swap, file.
VERDICT: leak, levelled off, given back, step, cache, moved, falls, steady, too short, unknown.

\b
Exit status:
  0  nothing leaks
  1  something leaks
  2  wrong usage of this command
  3  bad input, or a fault of cgshimctl itself
"""


@click.command("leaks", epilog=EPILOG)
@click.argument("file", metavar="FILE")
@click.argument("name", metavar="[NAME]", default="")
@click.option("-o", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to show it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; the same as -o json.")
@click.option("--output", "place", metavar="PATH", default="", help="Write to this file instead of standard output.")
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999999), default=CONFIDENCE, show_default=True,
    help="The confidence level of the test and of the intervals.",
)  # fmt: skip
def leaks_command(*, file: str, name: str, form: str, as_json: bool, place: str, confidence: float) -> None:
    """Show whose memory grows without end, in a recording that `cgshimctl watch --record FILE` wrote.

    For each container, and each kind of its memory: whether there is a trend (Mann-Kendall test), how steep it is
    (Theil-Sen slope with its interval), when it began, what happened then, and when the limit is reached. Page cache
    is not a leak, nor is memory that is given back. FILE.1, FILE.2, ... are read, too.

    NAME is a container's name, pod/name or id. docs/leaks.md says how to read the answer.
    """
    found, problems = _assessed(file, name, confidence)
    form = "json" if as_json else form
    if form == "text" and not place:
        text.show(file, found, problems)  # as wide as the terminal
    else:
        _put(_written(form, file, found, problems, confidence), place)
    if any(one.leaking for one in found):
        raise click.exceptions.Exit(output.REFUSED)


def _assessed(file: str, name: str, confidence: float) -> tuple[list[Assessment], list[str]]:
    """Return the assessments, leaks first, the fastest of all first, and the problems. Raises ShimError."""
    with Recording(file) as recording:
        extents = survey(recording.extents(), name)
        if not extents:
            raise _nobody(file, name)
        filled = runs(recording.records(), extents)
        problems = recording.problems
    found = [assess(run, confidence) for run in filled]
    found.sort(key=lambda one: (VERDICTS.index(one.verdict), -_rate(one)))
    problems = problems + [
        f"{one.who.name}: {one.run.skipped} samples are left out: the clock was set back"
        for one in found
        if one.run.skipped
    ]
    return found, problems


def _rate(one: Assessment) -> float:
    trend = one.kinds[one.leaking[0]].trend if one.leaking else None
    return trend.slope if trend else 0.0


def _nobody(file: str, name: str) -> ShimError:
    if not name:
        return ShimError("empty-recording", f"{file} has no sample of any container", remedy=("record for longer",))
    with Recording(file) as recording:
        names = sorted({who.name for who, _, _ in recording.extents()})
    return ShimError(
        "not-in-recording",
        f"{file} has no container {name!r}",
        evidence=(f"recorded: {', '.join(names[:20]) or 'none'}{' ...' if len(names) > 20 else ''}",),
        remedy=("give a name, pod/name, an id, or at least four characters of its beginning",),
    )


def _written(form: str, file: str, found: list[Assessment], problems: list[str], confidence: float) -> str:
    if form == "text":
        with contextlib.redirect_stdout(io.StringIO()) as written:
            text.show(file, found, problems)
        return written.getvalue()
    if form == "json":
        return json.dumps({"schema": output.SCHEMA, **shape.shape(file, found, problems, confidence)}, indent=2) + "\n"
    drawn, left = found[:MOST_PANELS], found[MOST_PANELS:]
    if left:
        problems = [
            *problems,
            f"{len(left)} more runs, of which {sum(1 for one in left if one.leaking)} leak, are not drawn",
        ]
    if form == "svg":
        return plot.picture(drawn)
    return page.page(file, drawn, problems, confidence)


def _put(content: str, place: str) -> None:
    """Write to standard output, or to a file, whole or not at all. Raises ShimError."""
    if not place:
        click.echo(content, nl=False)
        return
    try:
        if os.path.exists(place) and not os.path.isfile(place):
            raise OSError(0, "it is not a regular file")
        atomic.put(place, content.encode("utf-8"))
    except OSError as error:
        what = f"{place} cannot be written: {error.strerror}"
        raise ShimError("unwritable-output", what, remedy=("name another file with --output",)) from error
