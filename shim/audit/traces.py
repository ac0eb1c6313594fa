"""The traces that docker's host check leaves when it drops a request (moby, daemon/daemon_unix.go).

Docker saves the changed structure, at create, update and every start: one boot without a controller erases the request
for good. Memory 0 beside MemorySwap -1 cannot be requested in another way.
"""

from __future__ import annotations

import json

from shim.audit.row import LOST_BEFORE, Row
from shim.containers.container import CONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.subject import AuditedContainer

FILES = "the file that was given to compose may still have it: "


def dropped(subject: AuditedContainer) -> dict[str, tuple[bool, str]]:
    """Return limit -> (certain, why) for requests that left only a trace."""
    record = next((one for one in subject.container.records if one.kind == "docker"), None)
    if record is None:
        return {}
    memory, swap = record.value.get("Memory"), record.value.get("MemorySwap")
    if swap != -1:
        return {}
    compose = subject.container.hints.get("compose", "")
    where = f"; {FILES}{compose}" if compose else ""
    if not memory:
        why = f"{record.source}: Memory 0 with MemorySwap -1 is what docker leaves of a memory limit that it dropped"
        return {"memory.limit": (True, why + where)}
    if subject.facts.swap_accounting is False:
        why = f"{record.source}: MemorySwap -1 is what docker leaves of a swap limit on a host without swap accounting"
        return {"memory.swap": (True, why + where)}
    return {}


def by_cgshim(subject: AuditedContainer) -> list[Row]:
    """Return limits that cgshim itself gave up, with a notice in the container's annotation."""
    config = subject.container.record(CONFIG)
    report = _report(config.value.get("report") if config else None)
    return [
        Row(
            limit=str(change.get("field")),
            unit="",
            verdict=LOST_BEFORE,
            why=f"cgshim, policy {report.get('policy')}: {change.get('reason')}",
            asked=str(change.get("lost")),
            configured=None,
            systemd=None,
            kernel=None,
            effective=None,
            hint=change.get("kind") == "hint",
        )
        for change in report.get("changes") or ()
        if isinstance(change, dict) and change.get("lost")
    ]


def _report(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
