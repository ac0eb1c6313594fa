"""What the number in a message proves: a value that no kernel accepts, or one that rules a cause out."""

from __future__ import annotations

import re

from shim.diagnose.checks.cpu import LEAST_QUOTA, PERIOD, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Excluded, Stated, Words
    from shim.diagnose.facts import Facts

MOST_PIDS = 4194304  # PID_MAX_LIMIT, include/linux/threads.h
SWAPPINESS = (0, 100)
# "write /sys/fs/cgroup/.../memory.max: invalid argument", but not in the root cgroup of a hierarchy.
REFUSED = re.compile(
    r"\b(?:write|open|openat2|mkdir|rmdir) /sys/fs/cgroup/(?![a-z_,]+/[a-z_]+\.[\w.]+:|[a-z_]+\.[\w.]+:)\S+: \w",
    re.IGNORECASE,
)


def asked(words: Words) -> int | None:
    """Return the number that was written, None if the message has none."""
    text = words["asked"]
    return int(text) if text.lstrip("-").isdigit() else None


def written(words: Words) -> str:
    """Evidence from the message alone."""
    return f"message: {words['asked']} was written to {words['file']}"


def cpu_out_of_range(words: Words) -> tuple[str, ...]:
    """A quota below 1 ms, a period outside 1 ms to 1 s, or not a number."""
    given = words["asked"].split()
    if not given or given[0] == "max":
        return ()
    period = "period" in words["file"]
    allowed = f"{PERIOD[0]} to {PERIOD[1]} microseconds" if period else f"at least {LEAST_QUOTA} microseconds"
    if not given[0].lstrip("-").isdigit():
        return (f"{written(words)}, allowed: {allowed}",)
    value = int(given[0])
    bad = not PERIOD[0] <= value <= PERIOD[1] if period else 0 <= value < LEAST_QUOTA
    return (f"{written(words)}, allowed: {allowed}",) if bad else ()


def too_many_pids(words: Words) -> tuple[str, ...]:
    """More processes than the kernel's maximum."""
    value = asked(words)
    return (f"{written(words)}, the kernel's maximum is {MOST_PIDS}",) if value and value > MOST_PIDS else ()


def negative(words: Words) -> tuple[str, ...]:
    """A number below zero."""
    value = asked(words)
    return (written(words),) if value is not None and value < 0 else ()


def not_a_list(words: Words) -> tuple[str, ...]:
    """Not numbers and ranges separated by commas."""
    text = words["asked"]
    return (written(words),) if text and numbers(text) is None else ()


def swappiness_out_of_range(words: Words) -> tuple[str, ...]:
    """Outside 0 to 100."""
    value = asked(words)
    return (written(words),) if value is not None and not SWAPPINESS[0] <= value <= SWAPPINESS[1] else ()


def no_number(words: Words) -> tuple[str, ...]:
    """Neither digits nor the word for no limit."""
    text = words["asked"]
    return (written(words),) if text and not (text.lstrip("-").isdigit() or text == "max") else ()


def no_size(words: Words) -> tuple[str, ...]:
    """Not a number of bytes that the kernel takes: a fraction, a foreign suffix, a negative number but -1 on v1."""
    text = words["asked"]
    number = text[:-1] if text[-1:].lower() in ("k", "m", "g", "t") else text
    return (written(words),) if text and not number.isdigit() and text not in ("max", "-1") else ()


def by_systemd(facts: Facts, words: Words) -> bool:
    """systemd sets it, which it does on cgroup2 only."""
    return words.text.startswith("Failed to ")


def kernel_refused(facts: Facts, words: Words) -> bool:
    """The words end in the kernel's own refusal for one file or directory, which has an entry of its own."""
    return bool(REFUSED.search(words.text))


def below(controller: str) -> Excluded:
    """Rules the cause out if the words name a directory of this v1 hierarchy, even if a line break is in it."""
    place = re.compile(rf"/sys/fs/cgroup/{controller}[,/]")
    return lambda facts, words: bool(place.search("".join(words.text.split())))


def either(*ways: Excluded) -> Excluded:
    """Rules the cause out if one of the ways does."""
    return lambda facts, words: any(way(facts, words) for way in ways)


def unless(states: Stated) -> Excluded:
    """Rules the cause out if the message has a value and `states` finds nothing wrong with it."""

    def excluded(facts: Facts, words: Words) -> bool:
        return bool(words["asked"]) and not states(words)

    return excluded


def unless_shown(states: Stated) -> Excluded:
    """Rules the cause out unless the message has a value that `states` finds wrong."""

    def excluded(facts: Facts, words: Words) -> bool:
        return not states(words)

    return excluded


def where(states: Stated) -> Excluded:
    """Rules the cause out if `states` already explains the message."""

    def excluded(facts: Facts, words: Words) -> bool:
        return bool(states(words))

    return excluded
