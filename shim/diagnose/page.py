"""Prints docs/diagnoses.md from the catalogue: `python -m shim.diagnose.page > docs/diagnoses.md`."""

from __future__ import annotations

import re
import sys

from shim.diagnose.catalogue import AREAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Entry

HEAD = """# Diagnoses

Generated from the catalogue (`shim/diagnose/catalogue`) by `python -m shim.diagnose.page`; do not edit.

When a runtime fails, cgshim compares its message with the patterns of this catalogue and reads the facts of the host.
If several causes fit, one that a fact on the host confirms wins, then one that the number in the message proves. If
nothing decides, the answer is `several-causes`: each of them, the likeliest first, with a command whose output decides.
If nothing fits, the answer is `not-recognised`. `cgshimctl explain CODE` prints an entry, `cgshimctl explain --list`
prints all of them. Names in angle brackets stand for what the message names.
"""
CONTENTS = """## By symptom

Search this page for the message; these are the words by which it is recognised. Without words, a fact on the host or
the rest of the message decides.
"""
FEWEST = 17  # characters of a message that distinguish it from others
# The end of a run of literal characters in a pattern: an escape, the start of a group, an operator.
OPERATORS = re.compile(r"\\[A-Za-z]|\(\?(?:P<\w+>|[:=!]|<[=!])|[\[\](){}|*+?^$.\\]")
# strerror(3): too many failures end with one of these.
COMMON = (
    *("no such file or directory", "permission denied", "operation not permitted", "device or resource busy"),
    *("invalid argument", "read-only file system", "no space left on device", "operation not supported"),
    *(
        "function not implemented",
        "resource temporarily unavailable",
        "not a directory",
        "numerical result out of range",
    ),
)
SILENT = "No message: found by looking, before or after the start."
AMBIGUOUS = "The message has other causes too; this one counts only if the host confirms it."
OFFERED = "The message has other causes too; if nothing decides, this is one of several."


def page() -> str:
    """Return the whole document."""
    parts = [HEAD, CONTENTS, *(line for area, entries in AREAS for line in _contents(area, entries)), ""]
    for area, entries in AREAS:
        parts.append(f"## {area}\n")
        parts.extend(section(entry) for entry in entries)
    return "\n".join(parts)


def _contents(area: str, entries: tuple[Entry, ...]) -> list[str]:
    """Return the list of an area: title, link and the words of the message."""
    anchor = re.sub(r"[^a-z0-9 -]", "", area.lower()).replace(" ", "-")
    lines = [f"- [{area}](#{anchor})"]
    for entry in entries:
        words = _words(entry)
        lines.append(f"  - [{_escaped(entry.title)}](#{entry.code})" + (f": `{words}`" if words else ""))
    return lines


def _words(entry: Entry) -> str:
    """Return the longest literal part of the entry's patterns, "" if none tells its message from others."""
    runs = [
        run.strip(" `'\"/:,")
        for pattern in entry.patterns
        for run in OPERATORS.split(str(getattr(pattern, "pattern", pattern)))
    ]
    known = [run for run in runs if len(run) >= FEWEST and " " in run and run not in COMMON and "`" not in run]
    return max(known, key=len, default="")


def section(entry: Entry) -> str:
    """Return one entry as Markdown."""
    lines = [f"### {entry.code}", "", _sentence(entry.title)]
    if not entry.ours and not entry.reference:
        return "\n".join([*lines, ""])
    lines += ["", f"- Verdict: {_escaped(entry.verdict)}", f"- Cause: {_escaped(entry.cause)}"]
    lines += [f"- How to tell: {_escaped(entry.tell)}"] if entry.tell else []
    lines += [f"- Remedy: {_escaped(step)}" for step in entry.remedy]
    lines += [f"- Recognised: {SILENT}"] if entry.silent else []
    words = OFFERED if entry.offer else AMBIGUOUS
    lines += [f"- Recognised: {words}"] if entry.ambiguous and not entry.patterns else []
    lines += [f"- Reference: {entry.reference}"] if entry.reference else []
    return "\n".join([*lines, ""])


def _sentence(text: str) -> str:
    named = text.startswith(("runc ", "crun ", "cgroup2 ", "cgroup_", "cpu.", "memory.", "pids.", "systemd", "oom_"))
    return f"{text}." if named or "." in text.split(maxsplit=1)[0] else f"{text[0].upper()}{text[1:]}."


def _escaped(template: str) -> str:
    text = template.replace("{{", "\0").replace("{", "<").replace("}}", "\1").replace("}", ">")
    return text.replace("\0", "{").replace("\1", "}").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(page())
