"""The verdicts, and the line for one of them."""

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
    """One limit of one container. Values are in the limit's notation, None if the party has none.

    kernel: in the container's own cgroup. effective: the value in force, with its cgroup in `where`.
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
        """True if it counts as lost."""
        return self.verdict in LOST
