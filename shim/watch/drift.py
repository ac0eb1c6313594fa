"""Whether the kernel still shows the requested limits: the audit's comparison, a few containers at a time.

The request itself may have changed since the records were read (`docker update`). So a difference counts only if it
remains with records that were read after it was found.
"""

from __future__ import annotations

import time

from shim.audit import columns
from shim.audit.row import CHANGED, STRICTER
from shim.audit.subjects import facts_of, host_of, subjects
from shim.audit.verdict import rows
from shim.containers.container import REMEMBERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.row import Row
    from shim.audit.subject import AuditedContainer, HostFacts
    from shim.containers.inventory import Inventory
    from shim.containers.tree import HostTree
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.watch.memory_of_alerts import Remembered

AGE = 30.0  # seconds between two comparisons of one container
SHARE = 0.003  # of one core


class Drift:
    """Compares containers in turn. remembered: the differences that were reported."""

    def __init__(self, tree: HostTree, view: View, remembered: Remembered) -> None:
        self.tree = tree
        self.view = view
        self.remembered = remembered
        self.compared: dict[str, float] = {}
        self.suspected: dict[str, float] = {}
        self.known: tuple[Inventory, Host, HostFacts] | None = None

    def turn(self, found: Inventory, read: float, seconds: float) -> tuple[list[tuple[str, list[Row]]], bool]:
        """Return (id, new differences) of the containers whose turn it is, and whether the records must be read again.

        found: records of the watched containers, read at `read` (monotonic). seconds: since the last turn.
        """
        end = time.process_time() + SHARE * seconds
        now, told, again = time.monotonic(), [], False
        order = sorted(found.containers, key=lambda one: self.compared.get(one.id, 0.0))
        for one in order:
            if now - self.compared.get(one.id, -AGE) < AGE and one.id not in self.suspected:
                continue
            if one.id in self.suspected and read <= self.suspected[one.id]:
                again = True
                continue
            self.compared[one.id] = now
            new = self._new(found, one.id)
            if new and one.id not in self.suspected:
                self.suspected[one.id], again = now, True
            elif self.suspected.pop(one.id, None) is not None and new:
                told.append((one.id, new))
            if time.process_time() > end:
                break
        return told, again

    def _new(self, found: Inventory, container: str) -> list[Row]:
        """Return differences that were not reported yet. Those that are gone are forgotten, so that they count if they
        return.
        """
        if self.known is None or self.known[0] is not found:
            host = host_of(self.view, found.containers)
            self.known = (found, host, facts_of(self.tree, host, found.containers))
        _, host, facts = self.known
        only = found.changed(containers=tuple(one for one in found.containers if one.id == container))
        judged = [row for subject in subjects(self.tree, host, only, facts) for row in _unrecorded(subject)]
        entry = self.remembered.entry(container)
        first, before = "drift" not in entry, entry.get("drift", {})
        now = {row.limit: str(row.kernel) for row in judged if _differs(row)}
        kept = {limit: kernel for limit, kernel in before.items() if now.get(limit) == kernel}
        if first:  # stricter than requested from the start: the engine's own choice
            kept = {row.limit: str(row.kernel) for row in judged if row.verdict == STRICTER}
        if kept != before or first:
            entry["drift"], self.remembered.changed = kept, True
        return [row for row in judged if _differs(row) and row.limit not in kept]

    def reported(self, container: str, rows: list[Row]) -> None:
        """Mark these differences as reported."""
        self.remembered.entry(container).setdefault("drift", {}).update({row.limit: str(row.kernel) for row in rows})
        self.remembered.changed = True

    def forget(self, container: str) -> None:
        """Forget a container that is gone."""
        self.compared.pop(container, None)
        self.suspected.pop(container, None)


def _unrecorded(subject: AuditedContainer) -> list[Row]:
    """Drop limits whose value in the runtime's own record equals the kernel's: `runc update` set them."""
    known = {key: value for said in columns.said(subject) for key, value in said.by.get(REMEMBERED, {}).items()}
    return [row for row in rows(subject) if row.kernel is None or known.get(row.limit) != row.kernel]


def _differs(row: Row) -> bool:
    asked = row.configured if row.asked is None else row.asked
    return row.verdict == CHANGED or (row.verdict == STRICTER and asked is not None and row.kernel is not None)


def evidence(found: list[Row]) -> dict[str, Any]:
    """Return evidence for an event: all differences, and the worst one separately."""
    shown = [
        {
            "limit": row.limit,
            "asked": row.configured if row.asked is None else row.asked,
            "kernel": row.kernel,
            "unit": row.unit,
            "why": row.why,
        }
        for row in found
    ]
    return {**shown[0], "limits": shown, "mark": ",".join(f"{one['limit']}={one['kernel']}" for one in shown)}
