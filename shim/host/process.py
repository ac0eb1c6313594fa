"""/proc/PID/stat as text to values; the fields have the numbers of proc_pid_stat(5)."""

from __future__ import annotations

STATE, PARENT, FLAGS, STARTED, POLICY = 3, 4, 9, 22, 41


def field(text: str, number: int) -> str:
    """Field `number`, 3 or more; "" where the text has none.

    The second field is the program's name in parentheses. It may itself contain anything, so what follows is found
    behind the last `)`.
    """
    fields = text.rpartition(")")[2].split()
    return fields[number - 3] if number - 3 < len(fields) else ""


def parent(text: str) -> int:
    """The parent's process id, 0 where the text does not say."""
    found = field(text, PARENT)
    return int(found) if found.isdecimal() else 0
