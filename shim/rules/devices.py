"""`linux.resources.devices` (OCI runtime-spec, config-linux.md, "Allowed Device list").

Kernel: cgroup-v1/devices.rst; on cgroup2 an eBPF program of type CGROUP_DEVICE instead of files, and no controller.
"""

from __future__ import annotations

from shim.rules.base import GUARD, KEPT, Outcome, Rule
from shim.rules.outcomes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case


def devices(case: Case) -> Outcome:
    """`devices`, ordered list of rules -> v1 devices.allow and devices.deny, on cgroup2 an eBPF program.

    The same list is valid for both. A runtime that cannot apply it fails with an error of its own.
    """
    if case.operation == "update" and "devices" in case.runtime.not_updated:
        reason = "runc does not touch device rules in an update; those of the container's start stay"
    elif case.v1:
        reason = "passed on unchanged: devices.allow and devices.deny"
    else:
        reason = "passed on unchanged: an eBPF program on the container's cgroup"
    return Outcome(notes=(note("devices", "honoured", GUARD, KEPT, reason),))


RULES: tuple[Rule, ...] = (Rule(field="devices", apply=devices),)
