"""What a text must contain for a pattern to match, found without compiling the pattern.

To compile all patterns of the catalogue takes most of the time of a look-up, and most of them cannot match a text.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Needs = tuple[str, ...]

# An escape, a character class, a reference to a group, the begin of one, a quantifier, or a character.
PART = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P=\w+\)|\(\?P<\w+>|\(\?(?:<?[=!]|[a-z-]*:)|[?*+]\??|\{\d+(?:,\d*)?\}\??|.",
    re.DOTALL,
)
SPECIAL = set(".^$|()[]?*+{}")
AROUND = ("(?=", "(?!", "(?<=", "(?<!")  # what they look at is no part of the match
MOST = 16  # alternatives; to look for more takes longer than to look for the pattern
NOTHING = ("",)
KNOWN: dict[str, Needs] = {}


def needed(pattern: str) -> Needs:
    """Return texts, in lower case, one of which is in whatever the pattern matches; ("",) if there are none for
    certain.
    """
    if pattern not in KNOWN:
        KNOWN[pattern] = _alternatives(PART.findall(pattern)[::-1])
    return KNOWN[pattern]


class Index:
    """Which rows of a table of patterns a text may match: each needed text is looked for once, however many patterns
    need it.
    """

    def __init__(self, rows: Iterable[tuple[str, ...]]) -> None:
        self.places: dict[str, set[int]] = {}
        for place, patterns in enumerate(rows):
            for pattern in patterns:
                for part in needed(pattern):
                    self.places.setdefault(part, set()).add(place)

    def possible(self, lower: str) -> list[int]:
        """Return the places of the rows, in order, one of whose patterns `lower`, a text in lower case, may match."""
        return sorted(set().union(*(places for part, places in self.places.items() if part in lower)))


def may_match(pattern: str, lower: str) -> bool:
    """Return whether `lower`, a text in lower case, has what the pattern needs."""
    return any(part in lower for part in needed(pattern))


def _alternatives(parts: list[str]) -> Needs:
    """Read up to the end of a group, or of the pattern: what each of its alternatives needs. `parts` is in reverse
    order, and shortened by what is read.
    """
    found: list[str] = []
    while True:
        found += _sequence(parts)
        if not parts or parts.pop() == ")":
            return tuple(dict.fromkeys(found)) if all(found) and len(found) <= MOST else NOTHING


def _sequence(parts: list[str]) -> Needs:
    """Read up to `|` or the end of the group: of the runs of plain characters and the groups that are in every match
    the one that tells most.
    """
    runs: list[Needs] = [NOTHING]
    run = ""
    while parts and parts[-1] not in ("|", ")"):
        part = parts.pop()
        group = _alternatives(parts) if part[0] == "(" and part[-1] != ")" else ()
        repeated = parts.pop()[0] if parts and parts[-1][0] in "?*+{" else ""
        plain = _character(part)
        if plain and not repeated:
            run += plain
            continue
        if group and repeated in ("", "+") and part not in AROUND:
            runs.append(group)
        runs.append((run,))
        run = ""
    return max([*runs, (run,)], key=lambda one: min(map(len, one)))


def _character(part: str) -> str:
    """Return the character, in lower case, that the part stands for; "" if it is anything else."""
    if len(part) == 1:
        return "" if part in SPECIAL else part.lower()
    if len(part) == 4 and part[0] == "[" and part[1].lower() == part[2].lower():
        return part[1].lower()  # [Ff]
    return part[1].lower() if part[0] == "\\" and not part[1].isalnum() else ""
