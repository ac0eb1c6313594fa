"""Parses /proc/PID/stat; the fields have the numbers of proc_pid_stat(5)."""

from __future__ import annotations

STATE, PARENT, FLAGS, STARTED, POLICY = 3, 4, 9, 22, 41


def field(text: str, number: int) -> str:
    """Return field `number`, 3 or more; "" if the text has none.

    The second field is the program's name in parentheses. It may contain any character, so the other fields are counted
    from the last `)`.
    """
    fields = text.rpartition(")")[2].split()
    return fields[number - 3] if number - 3 < len(fields) else ""


def parent(text: str) -> int:
    """Return the parent's process id, 0 if the text has none."""
    found = field(text, PARENT)
    return int(found) if found.isdecimal() else 0
