"""What a text must contain for a pattern to match, found without compiling the pattern.

To compile all patterns of the catalogue takes most of the time of a look-up, and most of them cannot match a text.
"""

from __future__ import annotations

import re

# An escape, a character class, the begin of a group, a quantifier, or a character.
PART = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P[<=]\w+>?|\(\?<?[:=!]|[?*+]\??|\{\d+(?:,\d*)?\}\??|.", re.DOTALL
)
SPECIAL = set(".^$|()[]?*+{}")
KNOWN: dict[str, str] = {}


def needed(pattern: str) -> str:
    """Return a text, in lower case, that is in whatever the pattern matches; "" if there is none for certain."""
    if pattern not in KNOWN:
        KNOWN[pattern] = _longest(pattern).lower()
    return KNOWN[pattern]


def _longest(pattern: str) -> str:
    """Return the longest run of characters outside of groups and without a quantifier, "" for alternatives."""
    runs, run, depth = [""], "", 0
    for part in PART.findall(pattern):
        if part == "|" and not depth:
            return ""
        plain = _character(part)
        if plain and not depth:
            run += plain
            continue
        runs.append(run[:-1] if part[0] in "?*+{" else run)
        run = ""
        depth += part.startswith("(") - (part == ")")
    return max([*runs, run], key=len)


def _character(part: str) -> str:
    """Return the character that the part stands for, "" if it is anything else."""
    if len(part) == 1:
        return "" if part in SPECIAL else part
    return part[1] if part[0] == "\\" and not part[1].isalnum() else ""
