"""Limits that are set but have little effect, because of the disk, the scheduler or the hierarchy."""

from __future__ import annotations

from shim.audit.limit import LOOSER, NONE, relation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.audit.columns import Said
    from shim.audit.subject import HostFacts


def weakness(said: Said, key: str, value: object, facts: HostFacts) -> str:
    """Return why the limit has less effect than its value suggests; "" if nothing speaks against it."""
    name, _, device = key.partition(" ")
    if name.startswith("io."):
        return _weight(said, facts) if name == "io.weight" else _throttle(said, name, device, facts)
    if name == "hugetlb" and isinstance(value, int) and value != NONE:
        return _reserved(said, key, value)
    return ""


def _weight(said: Said, facts: HostFacts) -> str:
    """Only bfq uses weights, and on cgroup2 io.cost if it is enabled."""
    if not facts.schedulers or "bfq" in facts.schedulers.values() or (said.hierarchy.version == 2 and facts.cost):
        return _alone(said)
    names = ", ".join(sorted(set(facts.schedulers.values())))
    also = " and io.cost is off" if said.hierarchy.version == 2 else ""
    return f"no disk has the scheduler bfq ({names}){also}: nothing looks at weights"


def _alone(said: Said) -> str:
    """A weight competes with those of siblings; on an inner cgroup alone there are none."""
    levels = said.values("io.weight", said.own)
    if len(levels) > 1 and levels[0][1] in ("100", "default 100") and levels[-1][1] != levels[0][1]:
        return f"it is set on {levels[-1][0]} only, which has no siblings to compete with"
    return ""


def _throttle(said: Said, name: str, device: str, facts: HostFacts) -> str:
    if device in facts.partitions:
        return f"{device} is a partition or is on another device: throttles belong to whole disks"
    if said.hierarchy.version == 1 and name in ("io.wbps", "io.wiops"):
        return "cgroup v1 throttles direct writes only: what goes through the page cache is not limited"
    return ""


def _reserved(said: Said, key: str, value: int) -> str:
    """With the fault limit alone more can be reserved than used, and the use ends in SIGBUS."""
    found = said.values(f"{key} reserved", said.own)
    if found and relation(said.limit(key), found[0][1], value) == LOOSER:
        return "only faults are limited: hugetlb.*.rsvd has no limit, so more can be reserved than may be used"
    return ""
