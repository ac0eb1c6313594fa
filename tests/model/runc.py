"""What runc makes of a resources object: which files it writes, in which order, and what it refuses.

After opencontainers/runc (libcontainer/specconv, configs/validate, update.go; cgroups in libcontainer/cgroups up to
1.2) and opencontainers/cgroups (fs, fs2) of the versions below; the cgroupfs driver, as root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model.kernel import Refused
from tests.model.runc_writes import THROTTLES, set_all, swap_alone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.model.cgroup import Cgroup
    from tests.model.machine import Machine

VERSIONS = ((1, 0, 0), (1, 1, 5), (1, 1, 15), (1, 2, 0), (1, 2, 6), (1, 3, 0), (1, 3, 6), (1, 4, 0), (1, 5, 1))
# What `update` takes from its file; the others it ignores.
UPDATED = {
    "memory": ("limit", "swap", "reservation", "checkBeforeUpdate"),
    "cpu": ("shares", "quota", "period", "cpus", "mems", "realtimeRuntime", "realtimePeriod", "burst", "idle"),
    "pids": ("limit",),
    "blockIO": ("weight", "leafWeight", "weightDevice", *THROTTLES),
}
SINCE_1_2 = ("burst", "idle", "checkBeforeUpdate")
SINCE_1_3_6 = ("leafWeight", "weightDevice", *THROTTLES)


def create(resources: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> Cgroup:
    """The container's cgroup after `runc create`. Raises Refused."""
    _validated(resources, machine, version)
    group = machine.cgroup()
    set_all(group, resources, machine, version)
    return group


def update(
    group: Cgroup,
    stored: Mapping[str, Any],
    changes: Mapping[str, Any],
    machine: Machine,
    version: tuple[int, ...],
) -> None:
    """`runc update --resources` on the cgroup of a container created from `stored`. Raises Refused."""
    if not machine.unified and changes.get("unified") is not None:
        raise Refused("cannot use unified on cgroup v1")
    if any(key in changes and changes[key] is None for key in UPDATED):
        raise Refused("nil pointer dereference")
    wanted = _merged(stored, changes, version)
    if machine.unified:
        swap_alone(wanted.get("memory") or {}, version)
    set_all(group, wanted, machine, version)


def _merged(stored: Mapping[str, Any], changes: Mapping[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    """Before 1.2 an absent field counts as 0, which writes nothing; since then it keeps its stored value."""
    keep = version >= (1, 2, 0)
    merged: dict[str, Any] = {
        key: value for key, value in stored.items() if key not in (*UPDATED, "unified", "devices")
    }
    for section, names in UPDATED.items():
        given = {k: v for k, v in (changes.get(section) or {}).items() if k in names and v is not None}
        late = (*(SINCE_1_2 if not keep else ()), *(SINCE_1_3_6 if version < (1, 3, 6) else ()))
        given = {key: value for key, value in given.items() if key not in late}
        old = dict(stored.get(section) or {})
        if section == "cpu":
            given = _quota_and_period(old, given)
            old = {key: old[key] for key in ("shares", "realtimeRuntime", "realtimePeriod") if key in old and keep}
        elif section == "pids":
            old = {}
        elif not keep:
            old = {key: value for key, value in old.items() if section == "blockIO" and key != "weight"}
        if section == "memory" and given.get("limit") == -1 and "swap" not in given:
            given["swap"] = 0
        if section == "cpu" and "idle" in given and "shares" not in given:
            given["shares"] = 0
        if {**old, **given}:
            merged[section] = {**old, **given}
    merged["unified"] = changes.get("unified") or {}
    return merged


def _quota_and_period(old: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    quota, period = given.get("quota") or 0, given.get("period") or 0
    if bool(quota) != bool(period):  # the one that is not named stays as it is
        given = {**given, "quota": quota or old.get("quota") or 0, "period": period or old.get("period") or 0}
    return given


def _validated(resources: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> None:
    if not machine.unified and resources.get("unified"):
        raise Refused("cannot use unified on cgroup v1")
    if machine.unified:
        swap_alone(resources.get("memory") or {}, version)
