"""Line breaks that a terminal or a folding program put into a text, and that its messages do not have."""

from __future__ import annotations

import re

from shim.diagnose.records import IN_FRONT

# The beginning of a line that is a message of its own, not a continuation.
STARTS = re.compile(
    r"^\s*(?:$|[{}\[\]]|(?:DEBU|INFO|WARN|ERRO|FATA)\[|time=|level=|[Ee]rror:|ERROR:?|WARNING:|[Ff]ailed "
    r"|docker: |cgshim: |[%$#] \w|lxc[\w-]*(?:: | \S+ \d{14}\.)|  ?[a-z]+: "
    rf"|{IN_FRONT.pattern[1:]}|\w+_linux\.go:\d+: starting|(?:runc|crun|podman|docker|kubelet)\b[^:]{{0,40}}: )"
)
# A command, and the number that it printed.
PROMPT = re.compile(r"^\s*(?:\S*[\w~\])] ?)?[%$#](?: [\w./]| *$)")
PRINTED = re.compile(r"^\s*(?:-?\d+|max)\s*$")
NARROW = 40  # columns; no terminal is narrower
LONGEST_WORD = 40  # folding leaves up to this much of a line empty


def are_full(lines: list[str]) -> bool:
    """Return whether every line but the last is as long as a terminal is wide."""
    widths = {len(line) for line in lines[:-1]}
    return len(lines) > 2 and len(widths) == 1


def rejoined(text: str) -> tuple[tuple[str, ...], bool, bool]:
    """Return the text without the breaks of a terminal (every line but the last is full) or of folding (every line but
    the last has no room for the next word), () if there are none. It is doubtful if a line begins like a message of its
    own, or is much shorter than the others.
    """
    lines = text.strip("\n").split("\n")
    widths = [len(line) for line in lines[:-1]]
    width = max(widths, default=0)
    begins = not are_full(lines) and any(STARTS.match(line) for line in lines[1:])
    next_words = (f"{line} ".index(" ", len(line) - len(line.lstrip())) for line in lines[1:])
    held = any(length + 1 + word <= width for length, word in zip(widths, next_words))
    short = width - min(widths, default=0) > LONGEST_WORD
    if width < NARROW or len(lines[-1]) > width or (short and held):
        return (), begins, short
    folded = " ".join(line.strip() for line in lines)
    return (("".join(lines), folded) if width - min(widths) <= 1 else (folded,)), begins, short


def without_breaks(text: str) -> tuple[str, bool]:
    """Return a text of several lines without a terminal's breaks in them: lines that are as long as the longest one and
    go on in the next; "" if there are none. True if there are several, and folding would not have ended the other lines
    where they end.
    """
    lines = text.strip("\n").split("\n")
    width = max(map(len, lines))
    full = [number for number, line in enumerate(lines[:-1]) if len(line) == width]
    broken = {number for number in full if _goes_on(lines[number], lines[number + 1])}
    room = [width - len(line) - 1 for line in lines]
    ended = all(
        len((lines[number + 1].split() or [""])[0]) <= room[number]
        for number in range(len(lines) - 1)
        if number not in full
    )
    begins = rejoined(text)[1]
    if width < NARROW or not broken or are_full(lines) or not (ended or begins):
        return "", False
    ends = ("" if number in broken else "\n" for number in range(len(lines)))
    sure = ended and len(broken) >= max(2, len(full) / 2)
    return "".join(line + end for line, end in zip(lines, ends)), sure


def _goes_on(line: str, following: str) -> bool:
    """Return whether the second line may be the rest of the first."""
    output = PROMPT.match(line) and PRINTED.match(following)
    return bool(following) and not output and not STARTS.match(following) and not PROMPT.match(following)
