"""What crun makes of a resources object: which files it writes, in which order, and what it refuses.

After containers/crun, src/libcrun/cgroup-resources.c (cgroup.c before 1.4), cgroup-utils.c and NEWS of the versions
below; the cgroupfs manager, as root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model.kernel import Refused
from tests.model.runc_writes import THROTTLES, weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.model.cgroup import Cgroup
    from tests.model.machine import Machine

VERSIONS = ((0, 17), (1, 0), (1, 4, 5), (1, 8, 1), (1, 8, 7), (1, 14), (1, 18), (1, 21), (1, 23), (1, 28), (1, 29))
NEVER_ENABLED = ("rdma", "dmem")


def create(resources: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> Cgroup:
    """The container's cgroup after `crun create`. Raises Refused."""
    if machine.beside:
        raise Refused("cgroups in hybrid mode not supported, drop all controllers from cgroupv2")
    return create_on_v1_anyway(resources, machine, version)


def create_on_v1_anyway(resources: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> Cgroup:
    """The same where cgroup2 is hidden from crun, so that it takes a hybrid host for one with v1 only."""
    enabled_by_none = (*NEVER_ENABLED, *(() if version >= (1, 18) else ("misc",))) if machine.unified else ()
    group = machine.cgroup(enabled_by_none)
    update(group, {}, resources, machine, version)
    return group


def update(
    group: Cgroup,
    stored: Mapping[str, Any],
    changes: Mapping[str, Any],
    machine: Machine,
    version: tuple[int, ...],
) -> None:
    """`crun update --resources`: what is named is written, as at a start; nothing is `stored`. Raises Refused."""
    sections = {key: value for key, value in changes.items() if value is not None}
    (_on_cgroup2 if machine.unified else _on_v1)(group, sections, machine, version)


def _on_cgroup2(group: Cgroup, sections: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> None:
    if "network" in sections:
        raise Refused("network limits not supported on cgroupv2")
    _memory(group, sections, 2, version)
    _pids(group, sections, 2, version)
    _cpu(group, sections, 2, version)
    _cpuset(group, sections)
    if "blockIO" in sections:
        _io2(group, sections["blockIO"], version)
    for entry in sections.get("hugepageLimits") or ():
        group.write(f"hugetlb.{entry['pageSize']}.max", str(entry["limit"]))
    for key, text in (sections.get("unified") or {}).items():
        if "/" in key:
            raise Refused(f"key {key} must be a file name")
        if text or version < (1, 18):
            lines = [line for line in text.split("\n") if line] if version >= (1, 18) else [text]
            if not group.has(key):
                raise Refused(f"open {key}", missing=True)
            for line in lines:
                group.write(key, line)


def _on_v1(group: Cgroup, sections: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> None:
    """One section after the other; a section that is there opens its controllers' directories, even if it is empty."""
    steps: tuple[tuple[str, tuple[str, ...], Callable[[], None]], ...] = (
        ("blockIO", ("io",), lambda: _io1(group, sections["blockIO"], version)),
        ("network", ("net_cls", "net_prio"), lambda: _network(group, sections["network"])),
        ("hugepageLimits", ("hugetlb",), lambda: _hugetlb1(group, sections["hugepageLimits"])),
        ("memory", ("memory",), lambda: _memory(group, sections, 1, version)),
        ("pids", ("pids",), lambda: _pids(group, sections, 1, version)),
        ("cpu", ("cpu",), lambda: _cpu(group, sections, 1, version)),
    )
    for section, controllers, step in steps:
        if section in sections and sections[section] != []:
            _opened(machine, *controllers)
            step()
    cpu = sections.get("cpu")
    if cpu is not None:
        if cpu.get("cpus") is None and cpu.get("mems") is None:
            return  # before it has looked at `unified`
        _opened(machine, "cpuset")
        _cpuset(group, sections)
    if sections.get("unified"):
        raise Refused("cannot use unified on cgroup v1")


def _opened(machine: Machine, *controllers: str) -> None:
    for controller in controllers:
        if not machine.reaches(controller):
            raise Refused(f"open /sys/fs/cgroup/{controller}", missing=True)


def _network(group: Cgroup, network: Mapping[str, Any]) -> None:
    if network.get("classID"):
        group.write("net_cls.classid", str(network["classID"]))
    for entry in network.get("priorities") or ():
        group.write("net_prio.ifpriomap", f"{entry['name']} {entry['priority']}")


def _hugetlb1(group: Cgroup, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        group.write(f"hugetlb.{entry['pageSize']}.limit_in_bytes", str(entry["limit"]))


def _number(value: int, *, word: bool) -> str:
    return "max" if word and value < 0 else str(value)


def _memory(group: Cgroup, sections: Mapping[str, Any], hierarchy: int, version: tuple[int, ...]) -> None:
    memory = {key: value for key, value in (sections.get("memory") or {}).items() if value is not None}
    limits = ("memory.max", "memory.swap.max") if hierarchy == 2 else _V1_LIMITS
    checked = hierarchy == 2 and memory.get("checkBeforeUpdate") and version >= (1, 7)
    if checked and not group.has("memory.swap.max"):
        raise Refused("memory.swap.current", missing=True)
    written = False
    if "limit" in memory:
        any_negative = hierarchy == 2 and (version >= (1, 13) or memory["limit"] == -1)
        try:
            group.write(limits[0], _number(memory["limit"], word=any_negative))
            written = True
        except Refused as error:
            if hierarchy == 2 or not error.invalid:
                raise
    _swap(group, memory, limits[1], version)
    if "limit" in memory and not written:
        group.write(limits[0], str(memory["limit"]))
    _other_memory(group, memory, hierarchy, version)


_V1_LIMITS = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")


def _swap(group: Cgroup, memory: Mapping[str, Any], file: str, version: tuple[int, ...]) -> None:
    if "swap" not in memory:
        return
    swap = memory["swap"]
    if file == "memory.swap.max" and (swap > 0 or (swap == 0 and version < (1, 8, 6))):
        if "limit" not in memory:
            raise Refused("cannot set swap limit without the memory limit")
        if swap < memory["limit"]:
            raise Refused("cannot set memory+swap limit less than the memory limit")
        swap -= memory["limit"]
    try:
        group.write(file, _number(swap, word=file == "memory.swap.max"))
    except Refused as error:
        if not (error.missing and version >= (1, 4)):
            raise


def _other_memory(group: Cgroup, memory: Mapping[str, Any], hierarchy: int, version: tuple[int, ...]) -> None:
    v1_only = {
        "kernel": "memory.kmem.limit_in_bytes",
        "kernelTCP": "memory.kmem.tcp.limit_in_bytes",
        "swappiness": "memory.swappiness",
        "useHierarchy": "memory.use_hierarchy",
    }
    for key, file in v1_only.items():
        if key not in memory or (key == "useHierarchy" and version < (1, 0)):
            continue
        if key == "swappiness" and version < (0, 21) and not 1 <= memory[key] <= 100:
            continue
        if hierarchy == 2:
            raise Refused(f"cannot set {key} with cgroupv2")
        group.write(file, str(int(memory[key]) % (1 << 64)))
    if "reservation" in memory:
        file = "memory.low" if hierarchy == 2 else "memory.soft_limit_in_bytes"
        group.write(file, str(memory["reservation"] % (1 << 64)))
    if memory.get("disableOOMKiller"):
        if hierarchy == 2:
            raise Refused("cannot disable OOM killer with cgroupv2")
        group.write("memory.oom_control", "1")


def _pids(group: Cgroup, sections: Mapping[str, Any], hierarchy: int, version: tuple[int, ...]) -> None:
    limit = (sections.get("pids") or {}).get("limit")
    if limit:
        word = version >= (1, 13) or (limit == -1 and hierarchy == 2)
        group.write("pids.max", _number(limit, word=word))


def _cpu(group: Cgroup, sections: Mapping[str, Any], hierarchy: int, version: tuple[int, ...]) -> None:
    cpu = sections.get("cpu") or {}
    shares = (cpu.get("shares") or 0) % (1 << 32)
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if cpu.get("shares"):
        value = weight(shares, logarithmic=version >= (1, 23)) if hierarchy == 2 else shares
        group.write("cpu.weight" if hierarchy == 2 else "cpu.shares", str(value))
    if hierarchy == 1:
        _bandwidth1(group, quota, period, version)
    for key, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
        if cpu.get(key):
            if hierarchy == 2:
                raise Refused(f"{key} not supported on cgroupv2")
            group.write(file, str(cpu[key] % (1 << 64)))
    if cpu.get("idle") is not None and version >= (1, 5):
        group.write("cpu.idle", str(cpu["idle"]))
    if hierarchy == 2 and (quota > 0 or period > 0):
        group.write("cpu.max", f"{quota if quota > 0 else 'max'} {period or 100000}")
    if cpu.get("burst") is not None and version >= (1, 11):
        group.write("cpu.max.burst" if hierarchy == 2 else "cpu.cfs_burst_us", str(cpu["burst"]))


def _bandwidth1(group: Cgroup, quota: int, period: int, version: tuple[int, ...]) -> None:
    again = False
    if period:
        try:
            group.write("cpu.cfs_period_us", str(period))
        except Refused as error:
            again = error.invalid and bool(quota) and version >= (1, 8, 4)
            if not again:
                raise
    if quota:
        group.write("cpu.cfs_quota_us", str(quota if version >= (1, 8, 4) else quota % (1 << 64)))
    if again:
        group.write("cpu.cfs_period_us", str(period))


def _cpuset(group: Cgroup, sections: Mapping[str, Any]) -> None:
    for key in ("cpus", "mems"):
        value = (sections.get("cpu") or {}).get(key)
        if value is not None:
            group.write(f"cpuset.{key}", value)


def _io2(group: Cgroup, block: Mapping[str, Any], version: tuple[int, ...]) -> None:
    bfq = group.has("io.bfq.weight")
    if block.get("weight"):
        value = block["weight"]
        converted = (1 + (value - 10) % (1 << 32) * 9999 % (1 << 32) // 990) % (1 << 32)
        raw = bfq and version >= (0, 18)
        group.write("io.bfq.weight" if bfq else "io.weight", str(value if raw else converted))
    if block.get("leafWeight"):
        raise Refused("cannot set leaf_weight with cgroupv2")
    for entry in block.get("weightDevice") or ():
        group.write("io.bfq.weight", f"{entry['major']}:{entry['minor']} {entry.get('weight', 0)}")
    if not group.has("io.max"):
        raise Refused("open io.max", missing=True)
    for field, (key, _) in THROTTLES.items():
        for entry in block.get(field) or ():
            group.write("io.max", f"{entry['major']}:{entry['minor']} {key}={entry.get('rate', 0)}")


def _io1(group: Cgroup, block: Mapping[str, Any], version: tuple[int, ...]) -> None:
    bfq = version >= (1, 8, 2) and not group.has("blkio.weight")
    prefix = "blkio.bfq" if bfq else "blkio"
    if block.get("weight"):
        group.write(f"{prefix}.weight", str(block["weight"]))
    if block.get("leafWeight"):
        group.write("blkio.leaf_weight", str(block["leafWeight"]))
    for entry in block.get("weightDevice") or ():
        group.write(f"{prefix}.weight_device", f"{entry['major']}:{entry['minor']} {entry.get('weight', 0)}")
    for field, (_, file) in THROTTLES.items():
        for entry in block.get(field) or ():
            group.write(file, f"{entry['major']}:{entry['minor']} {entry.get('rate', 0)}")
