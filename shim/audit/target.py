"""The host after its migration, derived from the present one. Pure, and only as certain as what is known today."""

from __future__ import annotations

from shim.host.controllers import v1_name, v2_name
from shim.host.facts import HYBRID, UNIFIED, Fact, Host, Placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

BASE = "/sys/fs/cgroup"
# Controllers of cgroup2 (Documentation/admin-guide/cgroup-v2.rst).
ON_V2 = ("memory", "cpu", "cpuset", "pids", "io", "hugetlb", "rdma", "misc")
ONLY_WITH_V1_CODE = ("memory", "cpuset")  # CONFIG_MEMCG_V1, CONFIG_CPUSETS_V1; kernels from 6.11 may lack them
# cgroup2's file -> the v1 file that shows the feature in this kernel.
TWINS = {
    "cpu.max.burst": "cpu.cfs_burst_us",
    "memory.swap.max": "memory.memsw.limit_in_bytes",
    "io.bfq.weight": "blkio.bfq.weight",
}
V1_ENDINGS = ("_in_bytes", "_us", "_device")
V1_ONLY = (
    *("memory.swappiness", "memory.oom_control", "cpu.shares", "memory.use_hierarchy", "memory.limit_in_bytes"),
    *("net_cls.classid", "net_prio.ifpriomap", "cpuset.memory_migrate"),
)
AFTER = "after the migration, as far as this kernel shows"


def twins(names: Iterable[str]) -> tuple[str, ...]:
    """Return the files to look for on this host, besides `names`."""
    return tuple(dict.fromkeys(TWINS[name] for name in names if name in TWINS))


def unified(host: Host, names: Iterable[str]) -> Host:
    """This kernel with cgroup2 alone, mounted at /sys/fs/cgroup. names: interface files that the rules ask for."""
    there = {name for name in ON_V2 if host.version(name)}
    placements = {
        name: Placement(controller=name, version=2, mount=BASE, evidence=f"{name} is on cgroup2 {AFTER}")
        if name in there
        else Placement(controller=name, version=0, evidence=f"cgroup2 has no {name} controller {AFTER}")
        for name in host.placements
    }
    return host.changed(
        layout=UNIFIED,
        layout_evidence=f"cgroup2 only, {AFTER}",
        cgroup2_mount=BASE,
        cgroup2_controllers=tuple(sorted(there)),
        placements=placements,
        interface={name: _on_v2(host, name, there) for name in names},
        interface_evidence=(),
        swap_accounting=_moved(host.swap_accounting, "memory.swap.max"),
    )


def without_v1_code(host: Host, names: Iterable[str]) -> Host:
    """Return v1 hierarchies under a kernel without CONFIG_MEMCG_V1 and CONFIG_CPUSETS_V1, with these two in cgroup2."""
    mount = f"{BASE}/unified"
    placements = {}
    for name, place in host.placements.items():
        if name in ONLY_WITH_V1_CODE and place.version:
            why = f"this kernel without its v1 code has {name} in cgroup2 only"
            placements[name] = Placement(controller=name, version=2, mount=mount, evidence=why)
        elif place.version == 2 and host.layout == UNIFIED:
            v1 = v1_name(name)
            why = f"{name} is on a v1 hierarchy"
            placements[name] = Placement(controller=name, version=1, mount=f"{BASE}/{v1}", evidence=why)
        else:
            placements[name] = place
    in_v2 = {name for name, place in placements.items() if place.version == 2}
    return host.changed(
        layout=HYBRID,
        layout_evidence="v1 hierarchies, cgroup2 beside them; memory and cpuset have no v1 code",
        cgroup2_mount=mount,
        cgroup2_controllers=tuple(sorted(in_v2)),
        placements=placements,
        interface={name: _on_hybrid(host, name, placements) for name in names},
        interface_evidence=(),
        swap_accounting=_moved(host.swap_accounting, "memory.swap.max"),
    )


def _moved(fact: Fact, file: str) -> Fact:
    return Fact(value=fact.value, evidence=f"{file} as today: {fact.evidence}")


def _is_v1(name: str) -> bool:
    return name in V1_ONLY or name.startswith("blkio.") or name.endswith(V1_ENDINGS)


def _on_v2(host: Host, name: str, there: set[str]) -> bool | None:
    """Return whether a cgroup of cgroup2 would have the file."""
    if _is_v1(name):
        return False
    controller = name.partition(".")[0]
    if controller == "cgroup":
        return True
    if controller not in there:
        return False
    if host.version(controller) == 2:
        known = host.has(name)
        return True if known is None else known
    return host.has(TWINS[name]) if name in TWINS else name != "io.weight" or None


def _on_hybrid(host: Host, name: str, placements: dict[str, Placement]) -> bool | None:
    """Return whether a cgroup of a hybrid host would have the file: each controller has those of its hierarchy."""
    controller = v2_name(name.partition(".")[0])
    version = placements[controller].version if controller in placements else 0
    if version == 2:
        return _on_v2(host, name, {controller})
    if version == 1 and host.version(controller) == 1:
        return host.has(name)
    return version == 1 and (_is_v1(name) or controller == "pids")
