"""Shows a diagnosis, an entry, and the list of all entries for `cgshimctl explain`."""

from __future__ import annotations

import difflib
import time
from typing import TYPE_CHECKING, Any

from shim.cli import output
from shim.cli.forms import TABLE
from shim.cli.output import BROKEN, failure, heading, paragraph, say, table
from shim.diagnose.catalogue import AREAS, ENTRIES
from shim.diagnose.entry import Entry, fill
from shim.diagnose.explain import NOT_RECOGNISED, SEVERAL_CAUSES, entry_of
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis

# The meaning of codes without an entry: the catalogue has only known failures.
UNKNOWN = Entry(
    code=NOT_RECOGNISED,
    title="no entry of the catalogue fits the failure",
    patterns=(),
    verdict="the failure is not recognised; the runtime's own message follows",
    cause="No cause could be confirmed. The evidence lists the most common ones.",
    remedy=(
        "cgshimctl doctor shows what will fail on this host.",
        "Report the text, so that it gets an entry: cgshimctl explain --last --json has all of it.",
    ),
    reference="docs/diagnoses.md",
)
SEVERAL = Entry(
    code=SEVERAL_CAUSES,
    title="several causes fit the message, and no fact on the host decides between them",
    verdict="several causes fit the message; they follow, the likeliest first",
    cause="The runtime prints the same message for all of them, and no fact on the host confirms one.",
    remedy=("Run the command given with each cause: its output decides.",),
    reference="docs/diagnoses.md",
)
WITHOUT_ENTRY = {UNKNOWN.code: UNKNOWN, SEVERAL.code: SEVERAL}


def entry(code: str) -> Entry | None:
    """Return the entry of this code, None if there is none."""
    try:
        return WITHOUT_ENTRY.get(code) or entry_of(code)
    except KeyError:
        return None


def similar(code: str) -> tuple[str, ...]:
    """Return the codes that a mistyped one may have meant, the most similar first."""
    codes = [*WITHOUT_ENTRY, *(one.code for one in ENTRIES)]
    return tuple(difflib.get_close_matches(code.lower(), codes, 3, 0.75))


def age(seconds: float) -> str:
    """Return how long ago, in the largest unit that fits."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    count = max(int(seconds), 0)
    return f"{count} second{'s' if count != 1 else ''} ago"


def when(kept: dict[str, Any]) -> str:
    """Return the time, age and container of a stored failure."""
    at = kept.get("time")
    known = isinstance(at, int)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if known else "at an unknown time"
    past = f" ({age(time.time() - at)})" if isinstance(at, int) else ""
    container = str(kept.get("container") or "") or "unknown"
    return f"{stamp}{past}, container {container}"


def show(found: Diagnosis, kept: dict[str, Any] | None = None, *, elsewhere: bool = False) -> None:
    """Write the diagnosis as text.

    kept: the stored failure that it comes from, whose time and container are shown. elsewhere: no host was read.
    """
    if kept is not None:
        say(when(kept))
    if found.code == NOT_RECOGNISED:
        _show_unknown(found)
        return
    paragraph(found.verdict, bold=True)
    missing = "not checked: the text comes from another host" if elsewhere else "none on this host"
    rows = [("code", found.code), ("cause", found.cause)]
    rows += [] if found.causes else [("evidence", line) for line in found.evidence] or [("evidence", missing)]
    rows += [("how to tell", found.tell)]
    rows += [("remedy", line) for line in found.remedy]
    rows += [("see", found.reference), ("fits too", "" if found.causes else ", ".join(found.others))]
    table([(name, value) for name, value in rows if value])
    for number, one in enumerate(found.causes, 1):
        heading(f"{number}. {one.verdict}")
        rows = [("code", one.code), ("cause", one.cause), ("how to tell", one.tell)]
        rows += [("remedy", line) for line in one.remedy] + [("see", one.reference)]
        table([(name, value) for name, value in rows if value], indent="  ")
    _show_words(found)


def _show_unknown(found: Diagnosis) -> None:
    """Write the runtime's own message, first and complete, then one line; facts only if they have to do with the
    message.

    Lines after the first are marked: foreign words must not look like a verdict of cgshim's.
    """
    first, *others = found.raw.strip().splitlines() or [""]
    failure("\n".join((first, *(f"| {line}" for line in others))))
    say()
    paragraph(f"{found.verdict} [{found.code}]", bold=True)
    table([("evidence", line) for line in found.evidence] + [("remedy", line) for line in found.remedy])


def _show_words(found: Diagnosis) -> None:
    if found.raw.strip():
        heading("The runtime's own message")
        first, *others = found.raw.strip().splitlines()
        failure("\n".join((f"  {first}", *(f"  | {line}" for line in others))))


def show_entry(entry: Entry, form: str) -> None:
    """Write an entry of the catalogue; names in angle brackets stand for parts of the message."""
    shape = {
        "code": entry.code,
        "title": entry.title,
        "verdict": fill(entry.verdict, {}),
        "cause": fill(entry.cause, {}),
        "remedy": [fill(step, {}) for step in entry.remedy],
        "reference": entry.reference,
        "ours": entry.ours,
        "silent": entry.silent,
    }
    if form != TABLE:
        output.emit(shape, form)
        return
    paragraph(entry.title, bold=True)
    rows = [("code", entry.code), ("verdict", str(shape["verdict"])), ("cause", str(shape["cause"]))]
    rows += [("remedy", fill(step, {})) for step in entry.remedy]
    table([(name, value) for name, value in [*rows, ("see", entry.reference)] if value])


def show_list(form: str) -> None:
    """Write every entry by area."""
    if form != TABLE:
        entries = [{"code": one.code, "title": one.title, "area": area} for area, rows in AREAS for one in rows]
        output.emit({"entries": entries}, form)
        return
    for area, rows in AREAS:
        heading(area)
        table([(one.code, one.title) for one in rows], indent="  ")


def healthy(name: str) -> ShimError:
    """Return the answer about a container without a problem."""
    return ShimError(
        "nothing-to-explain",
        f"container {name} exists, and no failure of it is recorded",
        remedy=(
            f"cgshimctl audit --container {name} compares its limits with what was asked.",
            f"cgshimctl report {name} shows what cgshim changed.",
        ),
        status=BROKEN,
    )
