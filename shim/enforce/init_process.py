"""Whether the container's init still runs: /proc/PID/stat, proc(5).

A process that is about to end is no longer in its cgroup: on cgroup v1 its /proc/PID/cgroup shows "/" as soon as the
kernel sets PF_EXITING (kernel/cgroup/cgroup.c, proc_cgroup_show). So its content proves something only if the process
was still running afterwards.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.view import View

PF_EXITING = 0x4  # include/linux/sched.h
STATE, FLAGS, STARTED, EXIT = 0, 6, 19, 49  # fields 3, 9, 22 and 52 of stat, counted from behind the command's name
ENDED = "ZXx"
NOT_THERE = ("ENOENT", "ESRCH")


class Fate(Value):
    """The end of an init. evidence: what shows it. status: its wait status, None if unknown."""

    evidence: str
    status: int | None = None


def fate(view: View, pid: int, started: int = 0) -> Fate | None:
    """Return None for a process that runs, or of which nothing can be known.

    started: the start time that the runtime recorded; another start time means another process with the same pid. 0:
    not compared.
    """
    path = f"/proc/{pid}/stat"
    text = view.text(path)
    if text is None:
        why = view.why(path)
        return Fate(evidence=why) if why.endswith(NOT_THERE) else None
    fields = text.rpartition(")")[2].split()
    if started and _number(fields, STARTED) not in (0, started):
        return Fate(evidence=f"{path}: another process, started at {fields[STARTED]}, not at {started}")
    exiting = _number(fields, FLAGS) & PF_EXITING
    if not fields or (fields[STATE] not in ENDED and not exiting):
        return None
    status = _number(fields, EXIT) if len(fields) > EXIT and fields[STATE] in ENDED else None
    return Fate(evidence=f"{path}: state {fields[STATE]}" + (", PF_EXITING" if exiting else ""), status=status)


def _number(fields: list[str], place: int) -> int:
    return int(fields[place]) if len(fields) > place and fields[place].isdigit() else 0
