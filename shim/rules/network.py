"""`linux.resources.network` (OCI runtime-spec, config-linux.md, "Network").

Kernel: cgroup-v1/net_cls.rst and net_prio.rst. cgroup2 has neither; packets are matched by cgroup path there.
"""

from __future__ import annotations

from shim.rules.base import HINT, NOTHING, Rule
from shim.rules.fields import spec
from shim.rules.outcomes import dropped, invalid, removed
from shim.rules.reachable import expect, honoured, known_absent, reach, showing, unset, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case, Outcome
    from shim.rules.fields import FieldSpec

CLASS_ID = spec("network.classID")
PRIORITIES = spec("network.priorities")
CODES = {"net_cls": "net-cls", "net_prio": "net-prio"}
UPDATE = "runc does not read it in an update"


def class_id(case: Case) -> Outcome:
    """`classID`, 32 bit class handle, 0 unset -> v1 net_cls.classid; nothing on cgroup2."""
    value = case.get(*CLASS_ID.path)
    if value == 0:
        return unset(CLASS_ID)
    absent = _absent(case, CLASS_ID)
    if absent:
        return absent
    return honoured(case, CLASS_ID, str(value), caveat=_caveat(case))


def priorities(case: Case) -> Outcome:
    """`priorities`, list of {name, priority} -> v1 net_prio.ifpriomap, lines `NAME PRIORITY`; nothing on cgroup2."""
    entries = case.get(*PRIORITIES.path)
    if not entries:
        return unset(PRIORITIES, "the list is empty")
    if any(entry.get(key) is None for entry in entries for key in ("name", "priority")):
        what = "not a list of objects with an interface name and a whole number as priority"
        return invalid("network.priorities", what, 'write each entry like {"name": "eth0", "priority": 5}')
    absent = _absent(case, PRIORITIES)
    if absent:
        return absent
    lines = {entry["name"]: entry["priority"] for entry in entries}
    shown = tuple(expect(PRIORITIES, 1, f"{name} {value}", shape="lines") for name, value in lines.items())
    return showing(honoured(case, PRIORITIES, "", caveat=_caveat(case)), shown)


def emptiness(case: Case) -> Outcome:
    """The rest of `network`: crun refuses any such object on cgroup2, and requires both hierarchies on v1."""
    if not case.runtime.opens_every_section or (case.v1 and not _one_known_absent(case)):
        return NOTHING
    where = "where net_cls or net_prio is missing" if case.v1 else "on cgroup2"
    return removed("network", "network-empty", HINT, f"crun refuses the object {where}, whatever is in it")


def _absent(case: Case, field: FieldSpec) -> Outcome | None:
    if not case.v1:
        reason = "cgroup2 has no network controllers: runc ignores the key, crun refuses it"
        return dropped(field.name, "network-v1-only", reason)
    if not reach(case, field.controller):
        reason = f"this host has no {field.controller} hierarchy ({case.host.place(field.controller).evidence})"
        return dropped(field.name, f"{CODES[field.controller]}-nowhere", reason)
    if case.runtime.opens_every_section and not _both(case):
        reason = "crun opens net_cls and net_prio together, and this host has one of them only"
        return unsupported(field, "network-needs-both", reason, field.name)
    return None


def _both(case: Case) -> bool:
    return bool(reach(case, "net_cls") and reach(case, "net_prio"))


def _one_known_absent(case: Case) -> bool:
    return known_absent(case, "net_cls") or known_absent(case, "net_prio")


def _caveat(case: Case) -> str:
    return UPDATE if case.operation == "update" and "network" in case.runtime.not_updated else ""


RULES: tuple[Rule, ...] = (
    Rule(field="network.classID", apply=class_id),
    Rule(field="network.priorities", apply=priorities),
    Rule(field="network", apply=emptiness),
)
