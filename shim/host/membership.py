"""Parses /proc/PID/cgroup (cgroups(7)): the cgroup of a process in each hierarchy."""

from __future__ import annotations


def paths(text: str) -> dict[str, str]:
    """Return v1 controller name, `name=...` of a named hierarchy, or "" for cgroup2 -> path of the process's cgroup.

    A line is `ID:CONTROLLERS:PATH`; the path may itself contain colons. Malformed lines are left out.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and parts[0].isdigit():
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def hierarchies(text: str) -> tuple[tuple[str, ...], ...]:
    """Return each v1 hierarchy's controllers, named ones included, in the order of the text."""
    parts = (line.split(":", 2) for line in text.splitlines())
    return tuple(tuple(part[1].split(",")) for part in parts if len(part) == 3 and part[1])
