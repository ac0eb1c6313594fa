"""Keys that almost match those of the specification in `linux.resources` (config-linux.md, "Control groups").

Go's decoder, and therefore runc, accepts a key in any case; crun compares it exactly. The names from before OCI 1.0
(runtime-spec v0.5.0, config-linux.md) are no longer read by any runtime. No rule handles either kind, and no cgroup
interface file (Documentation/admin-guide/cgroup-v2.rst) is read back for them, so a note reports them.
"""

from __future__ import annotations

from shim.rules import fields
from shim.rules.base import DROPPED, GUARD, KEPT
from shim.rules.outcomes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Kind, Note
    from shim.rules.runtimes import Runtime

BEFORE_1_0 = {
    "blockIO.blkioWeight": "blockIO.weight",
    "blockIO.blkioLeafWeight": "blockIO.leafWeight",
    "blockIO.blkioWeightDevice": "blockIO.weightDevice",
    "blockIO.blkioThrottleReadBpsDevice": "blockIO.throttleReadBpsDevice",
    "blockIO.blkioThrottleWriteBpsDevice": "blockIO.throttleWriteBpsDevice",
    "blockIO.blkioThrottleReadIOPSDevice": "blockIO.throttleReadIOPSDevice",
    "blockIO.blkioThrottleWriteIOPSDevice": "blockIO.throttleWriteIOPSDevice",
    "disableOOMKiller": "memory.disableOOMKiller",
}


def misnamed(names: list[str], runtime: Runtime) -> tuple[Note, ...]:
    """Return a note for each of these keys that is another spelling of a field; other keys are extensions."""
    lower = {name.lower(): name for name in (*fields.TABLES, *fields.names())}
    told = []
    for name in names:
        if name in BEFORE_1_0:
            told.append(_dropped(name, BEFORE_1_0[name], "a name from before OCI 1.0, which no runtime reads"))
        elif name.lower() in lower:
            told.append(_other_case(name, lower[name.lower()], runtime))
    return tuple(told)


def around(found: list[str], runtime: Runtime) -> tuple[Note, ...]:
    """Return a note for each of these keys on the path to the resources, which only runc accepts in another case."""
    return tuple(_other_case(name, name.lower(), runtime) for name in found)


def _kind(field: str) -> Kind:
    return fields.spec(field).kind if field in fields.names() else GUARD


def _dropped(name: str, field: str, reason: str) -> Note:
    return note(name, "key-misnamed", _kind(field), DROPPED, f"{reason}; write {field}", field)


def _other_case(name: str, field: str, runtime: Runtime) -> Note:
    if not runtime.any_case:
        return _dropped(name, field, f"keys are case-sensitive, and {runtime.name} does not read this one")
    reason = f"runc takes it for {field}, but cgshim neither fits it to the host nor reads it back; write {field}"
    return note(name, "key-misnamed", _kind(field), KEPT, reason, f"the check of {field}")
