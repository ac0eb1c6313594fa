"""docs/diagnoses.md out of the catalogue: `python -m shim.diagnose.page > docs/diagnoses.md`."""

from __future__ import annotations

import sys

from shim.diagnose.catalogue import AREAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Entry

HEAD = """# Diagnoses

Generated from the catalogue (`shim/diagnose/catalogue`) by `python -m shim.diagnose.page`; do not edit.

When a runtime fails, cgshim compares its words with the patterns of this catalogue and looks at the host. Of several
causes that fit, one that a fact on the host confirms wins, then one that the number in the message proves. Where
several causes fit and nothing decides, the answer is `several-causes`: each of them, the likeliest first, with a
command whose output decides. Where nothing fits, the answer is `not-recognised`. `cgshimctl explain CODE` prints an
entry, `cgshimctl explain --list` prints all of them. Names in angle brackets stand for what the message names.
"""
SILENT = "No message: found by looking, before or after the start."
AMBIGUOUS = "The words have other causes too; it counts only when the host confirms it."
OFFERED = "The words have other causes too; where nothing decides it is one of several."


def page() -> str:
    """The whole document."""
    parts = [HEAD]
    for area, entries in AREAS:
        parts.append(f"## {area}\n")
        parts.extend(section(entry) for entry in entries)
    return "\n".join(parts)


def section(entry: Entry) -> str:
    """One entry as Markdown."""
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
