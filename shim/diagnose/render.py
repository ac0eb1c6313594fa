"""Renders a diagnosis as the text for the engine's user.

Engines look for certain phrases in a message and then show only that line and change the exit status, so our own text
names the errno instead. They cut long messages, so the verdict comes first and the least important part last.
"""

from __future__ import annotations

from shim.diagnose.diagnosis import Diagnosis
from shim.errors import ascii_lines

UNKNOWN = "not-recognised"
NO_CAUSE = "cgshim: no cause is known for this message; cgshimctl doctor looks at the host [not-recognised]"
SAID = "  runtime: "  # before each of the runtime's own lines; `noise.clean` recognises it
FIRST_LINE = 200  # bytes: a Kubernetes event keeps about this many
# Matched case-insensitively. podman: getOCIRuntimeError; docker: setExitCodeFromError.
PHRASES = (
    ("permission denied", "EACCES"),
    ("operation not permitted", "EPERM"),
    ("no such file or directory", "ENOENT"),
    ("executable file not found in", "executable not found (ENOENT) in"),
    ("open executable", "open the executable"),
    ("not a directory", "ENOTDIR"),
)
# docker adds a hint about mounts to a message with this phrase, and ends with 127. That fits the runtime's message, so
# the runtime's own lines keep the phrase; in our lines the hint would be unfounded.
HINTED = "not a directory"


def render(diagnosis: Diagnosis, limit: int = 1900) -> str:
    """Return the whole message in at most `limit` bytes of printable ASCII and newlines; verdict first, raw words last.

    A failure that is not ours is returned unchanged. If no cause is known, the runtime's own words come first and
    complete, followed by one line of ours.
    """
    if not diagnosis.ours:
        return diagnosis.raw
    if diagnosis.code == UNKNOWN:
        return _words_first(diagnosis.raw, limit)
    verdict = _one_line(f"cgshim: {diagnosis.verdict}")
    head = _cut_end(verdict, FIRST_LINE - len(diagnosis.code) - 3) + f" [{diagnosis.code}]"
    lines = [head, *_body(diagnosis)]
    said = [part.strip() for part in _runtimes(diagnosis.raw).split("\n") if part.strip()]
    return _fitted(lines, "\n".join(f"{SAID}{part}" for part in said), limit)


def _words_first(words: str, limit: int) -> str:
    first, *others = _runtimes(words).rstrip().split("\n")
    # Only the first line is unmarked: another one could imitate a verdict of cgshim's.
    text = "\n".join((first, *(f"{SAID}{line.strip()}" for line in others if line.strip())))
    return f"{_cut_middle(text, limit - len(NO_CAUSE) - 1)}\n{NO_CAUSE}"


def plain(text: str) -> str:
    """Return ASCII without control characters but newline, with the errno's name for engines' phrases."""
    return _without(text, PHRASES)


def _runtimes(text: str) -> str:
    """Return the runtime's own lines: as `plain`, but with the phrase for which docker has a hint."""
    return _without(text, tuple(pair for pair in PHRASES if pair[0] != HINTED))


def _without(text: str, phrases: tuple[tuple[str, str], ...]) -> str:
    safe = ascii_lines(text)
    for phrase, errno_name in phrases:
        safe = _replaced(safe, phrase, errno_name)
    return safe


def as_dict(diagnosis: Diagnosis) -> dict[str, object]:
    """Return every field for --json, tuples as lists."""
    fields = (
        "code",
        "verdict",
        "cause",
        "evidence",
        "remedy",
        "reference",
        "raw",
        "confirmed",
        "ours",
        "others",
        "tell",
    )
    values = ((name, getattr(diagnosis, name)) for name in fields)
    shape: dict[str, object] = {name: list(value) if isinstance(value, tuple) else value for name, value in values}
    own = ("code", "verdict", "cause", "tell", "remedy", "reference")
    shape["causes"] = [{name: as_dict(one)[name] for name in own} for one in diagnosis.causes]
    return shape


def _body(diagnosis: Diagnosis) -> list[str]:
    lines = [f"  cause: {diagnosis.cause}"] if diagnosis.cause else []
    lines += [f"  evidence: {line}" for line in diagnosis.evidence]
    for number, one in enumerate(diagnosis.causes, 1):
        lines += [f"  {number}. {one.verdict} [{one.code}]", f"  tell: {one.tell}", f"  remedy: {one.remedy[0]}"]
    lines += [f"  tell: {diagnosis.tell}"] if diagnosis.tell else []
    lines += [f"  remedy: {line}" for line in diagnosis.remedy]
    lines += [f"  see: {diagnosis.reference}"] if diagnosis.reference else []
    return [_one_line(line) for line in lines]


def _one_line(text: str) -> str:
    return plain(" ".join(text.splitlines()))


def _fitted(lines: list[str], words: str, limit: int) -> str:
    """Give the raw words the remaining room, at least a third. Drop lines from the end, never the first."""
    least = min(len(words) + 1, limit // 3) if words else 0
    while len(lines) > 1 and len("\n".join(lines)) + least > limit:
        lines.pop()
    text = "\n".join(lines)
    if words:
        text += "\n" + _cut_middle(words, limit - len(text) - 1)
    return _cut_end(text, limit)


def _cut_end(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 3, 0)] + "..."


def _cut_middle(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = max((room - 5) // 2, 0)
    return text[:half] + " ... " + text[len(text) - half :]


def _replaced(text: str, phrase: str, replacement: str) -> str:
    lower = text.lower()
    parts, start = [], 0
    found = lower.find(phrase)
    while found >= 0:
        parts += [text[start:found], replacement]
        start = found + len(phrase)
        found = lower.find(phrase, start)
    return "".join([*parts, text[start:]])
