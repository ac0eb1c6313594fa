"""What the number in a message proves: a value that no kernel accepts, or one that rules a cause out."""

from __future__ import annotations

from shim.diagnose.checks.cpu import LEAST_QUOTA, PERIOD, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Excluded, Stated, Words
    from shim.diagnose.facts import Facts

MOST_PIDS = 4194304  # PID_MAX_LIMIT, include/linux/threads.h
SWAPPINESS = (0, 100)


def asked(words: Words) -> int | None:
    """Return the number that was written, None if the message has none."""
    text = words["asked"]
    return int(text) if text.lstrip("-").isdigit() else None


def written(words: Words) -> str:
    """Evidence from the message alone."""
    return f"message: {words['asked']} was written to {words['file']}"


def cpu_out_of_range(words: Words) -> tuple[str, ...]:
    """A quota below 1 ms, or a period outside 1 ms to 1 s."""
    value, period = asked(words), "period" in words["file"]
    if value is None:
        return ()
    bad = not PERIOD[0] <= value <= PERIOD[1] if period else 0 <= value < LEAST_QUOTA
    allowed = f"{PERIOD[0]} to {PERIOD[1]} microseconds" if period else f"at least {LEAST_QUOTA} microseconds"
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


def unless(states: Stated) -> Excluded:
    """Rules the cause out if the message has a value and `states` finds nothing wrong with it."""

    def excluded(facts: Facts, words: Words) -> bool:
        return bool(words["asked"]) and not states(words)

    return excluded


def where(states: Stated) -> Excluded:
    """Rules the cause out if `states` already explains the message."""

    def excluded(facts: Facts, words: Words) -> bool:
        return bool(states(words))

    return excluded
