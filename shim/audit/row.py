"""The verdicts, and the line that one is given in."""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOST_BEFORE, LOST_IN, CHANGED = "lost before the runtime", "lost in the runtime", "changed since"
WEAKER, AT_RISK, UNKNOWN = "weaker", "lost at the next daemon-reload", "unknown"
STRICTER, CAPPED, ENFORCED = "stricter than asked", "capped by an ancestor", "enforced"
ORDER = (LOST_BEFORE, LOST_IN, CHANGED, WEAKER, AT_RISK, UNKNOWN, STRICTER, CAPPED, ENFORCED)
LOST = (LOST_BEFORE, LOST_IN, CHANGED, WEAKER, AT_RISK)


class Row(Value):
    """One limit of one container. Values are in the limit's notation, None where the party says nothing.

    kernel: of the container's own cgroup. effective: what binds, with the cgroup in `where`.
    """

    limit: str
    unit: str
    verdict: str
    why: str
    asked: Any
    configured: Any
    systemd: Any
    kernel: Any
    effective: Any
    where: str = ""
    hint: bool = False

    @property
    def lost(self) -> bool:
        """Does it count as lost."""
        return self.verdict in LOST
