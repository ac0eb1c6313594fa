"""Device access: on v1 a readable list, on cgroup2 a BPF program that only its loader knows."""

from __future__ import annotations

from shim.audit.limit import EXACT, Kind, Limit
from shim.audit.numbers import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

RESTRICTED, EVERYTHING = "restricted", "everything"
LIMITS = (Limit(key="devices", unit="", order=EXACT, controller="devices", field="devices", free=(EVERYTHING,)),)


def _oci(resources: dict[str, Any], version: int) -> Found:
    """Restricted if the first rule denies everything and no later one allows it again (runtime-spec)."""
    del version
    denied = False
    for rule in entries(resources, "devices"):
        wide = rule.get("type") in (None, "a") and rule.get("access") in (None, "rwm")
        if wide and rule.get("major") is None and rule.get("minor") is None:
            denied = not rule.get("allow")
    return {"devices": RESTRICTED} if denied else {}


def _v1(files: dict[str, str]) -> Found:
    text = files.get("devices.list")
    if text is None:
        return {}
    return {"devices": EVERYTHING if text.split()[:3] == ["a", "*:*", "rwm"] else RESTRICTED}


def _v2(files: dict[str, str]) -> Found:
    del files
    return {}


KIND = Kind(limits=LIMITS, files={1: ("devices.list",), 2: ()}, oci=_oci, kernel={1: _v1, 2: _v2})
