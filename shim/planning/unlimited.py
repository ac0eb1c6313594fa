"""The notes for a container whose limits nothing sets: cgroups are off for it, or the layout of the host is unknown."""

from __future__ import annotations

from shim.host.facts import UNIFIED, Fact
from shim.planning.plan import make_plan
from shim.rules.base import DROPPED, KEPT, UNENFORCEABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.host.facts import Host
    from shim.rules.base import Note, Operation
    from shim.rules.runtimes import Family

LAYOUT_UNKNOWN = "layout-unknown"
UNKNOWN_SWAP = Fact(value=None, evidence="not looked at")
NO_CGROUP = "limits-without-cgroups"  # the catalogue's code for crun 0.17, which reported this itself


def untouched(resources: dict[str, Any], host: Host, runtime: Family, operation: Operation) -> tuple[Note, ...]:
    """Return notes for a host on which nothing shows where limits go: nothing is rewritten or read back.

    A guard that cannot be read back counts as lost. Hints and device rules are left to the runtime.
    """
    why = f"left unchanged: the cgroup layout of this host is {host.layout} ({host.layout_evidence})"
    unseen = f"{why}, so nothing can say whether the limit is enforced"
    return tuple(
        note.changed(code=LAYOUT_UNKNOWN, reason=unseen)
        if note.effect == UNENFORCEABLE
        else note.changed(code=LAYOUT_UNKNOWN, effect=KEPT, reason=why, lost="")
        for note in _without_controllers(resources, host, runtime, operation)
    )


def without_cgroup(resources: dict[str, Any], host: Host, runtime: Family, operation: Operation) -> tuple[Note, ...]:
    """Return notes for crun(1), --cgroup-manager=disabled: the container stays in its caller's cgroup, without limits.

    crun ignores them silently (0.17 still refused them), so every limit is lost that a host without controllers loses.
    Device rules are not reported: engines write them for every container.
    """
    lost = (DROPPED, UNENFORCEABLE)
    off = "cgroups are disabled for this container (--cgroup-manager=disabled)"
    return tuple(
        note.changed(code=NO_CGROUP, reason=off) if note.effect in lost else note.changed(effect=KEPT, reason=off)
        for note in _without_controllers(resources, host, runtime, operation)
    )


def _without_controllers(
    resources: dict[str, Any], host: Host, runtime: Family, operation: Operation
) -> tuple[Note, ...]:
    """Return the notes for a host with cgroup2 and no controller: every limit as lost."""
    bare = host.changed(layout=UNIFIED, placements={}, interface={}, swap_present=UNKNOWN_SWAP)
    return make_plan(resources, bare, runtime, operation, "cgroupfs").notes
