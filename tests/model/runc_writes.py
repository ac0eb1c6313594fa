"""The files that runc writes for each controller, with its cgroupfs driver.

After opencontainers/cgroups, fs and fs2 (libcontainer/cgroups in runc up to 1.2). Versions decide as the changelogs and
tags of runc date each change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tests.model.kernel import V1_RATES, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.model.cgroup import Cgroup
    from tests.model.machine import Machine

THROTTLES = {
    "throttleReadBpsDevice": ("rbps", "blkio.throttle.read_bps_device"),
    "throttleWriteBpsDevice": ("wbps", "blkio.throttle.write_bps_device"),
    "throttleReadIOPSDevice": ("riops", "blkio.throttle.read_iops_device"),
    "throttleWriteIOPSDevice": ("wiops", "blkio.throttle.write_iops_device"),
}
assert {file for _, file in THROTTLES.values()} == set(V1_RATES)


def weight(shares: int, *, logarithmic: bool) -> int:
    """cpu.shares as cpu.weight: two conversions, the newer one since runc 1.3.2 and crun 1.23."""
    if shares == 0:
        return 0
    if not logarithmic:
        return (1 + ((shares - 2) % (1 << 64)) * 9999 // 262142) if shares >= 2 else 70369281052672
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def swap_alone(memory: Mapping[str, Any], version: tuple[int, ...]) -> int:
    """memory.swap as cgroup2 counts it: -1 unlimited, 0 to write nothing."""
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit == -1 and swap == 0:
        return -1
    if swap in (-1, 0) or (limit == -1 and version >= (1, 2, 1)):
        return int(swap)
    if limit in (0, -1):
        raise Refused("unable to set swap limit without memory limit")
    if limit < 0:
        raise Refused("invalid memory value")
    if swap < limit:
        raise Refused("memory+swap limit should be >= memory limit")
    return int(swap - limit)


def set_all(group: Cgroup, resources: Mapping[str, Any], machine: Machine, version: tuple[int, ...]) -> None:
    """Everything that a resources object asks for, in runc's order. Raises Refused."""
    sections = {key: value or {} for key, value in resources.items()}
    steps = (_pids, _memory2, _io2, _cpu2, _cpuset) if machine.unified else (_cpuset, _memory1, _cpu1, _pids, _io1)
    for step in steps:
        step(group, sections, version)
    _hugetlb(group, sections, version, "max" if machine.unified else "limit_in_bytes")
    if not machine.unified:
        _network(group, sections)
    if version >= (1, 1, 0):
        for device, row in (sections.get("rdma") or {}).items():
            names = {"hcaHandles": "hca_handle", "hcaObjects": "hca_object"}
            words = [device, *(f"{names[key]}={row[key]}" for key in names if row.get(key) is not None)]
            group.write("rdma.max", " ".join(words))
    if machine.unified:
        _unified(group, sections.get("unified") or {}, version)


def _pids(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    limit = sections.get("pids", {}).get("limit")
    if limit is None or (limit == 0 and version < (1, 4, 0)):
        return
    text = "max" if limit == -1 or (limit < 0 and (version >= (1, 4, 0) or group.has("pids.max"))) else str(limit or 1)
    if limit < -1 and version < (1, 4, 0) and group.has("memory.max"):
        text = str(limit)  # cgroup2 before 1.4 knows no other negative number
    group.write("pids.max", text)


def _text(value: int) -> str:
    return "max" if value == -1 else str(value)


def _memory2(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    memory = sections.get("memory", {})
    limit, swap, low = (memory.get(key) or 0 for key in ("limit", "swap", "reservation"))
    if not (limit or swap or low):
        return
    alone = swap_alone(memory, version)
    text = _text(alone) if alone else "0" if swap > 0 else ""
    if text:
        try:
            group.write("memory.swap.max", text)
        except Refused as error:
            if not (error.missing and version >= (1, 2, 0) and text in ("max", "0")):
                raise
    if limit:
        group.write("memory.max", _text(limit))
    if low:
        group.write("memory.low", _text(low))


def _memory1(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    memory = sections.get("memory", {})
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    file, both = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
    if limit == -1 and swap == 0 and group.has(both):
        swap = -1
    order = [(file, limit), (both, swap)]
    if limit and swap and (swap == -1 or int(group.files.get(file, "0")) < swap):
        order.reverse()
    for name, value in order:
        if value:
            group.write(name, str(value))
    if memory.get("reservation"):
        group.write("memory.soft_limit_in_bytes", str(memory["reservation"]))
    if memory.get("disableOOMKiller"):
        group.write("memory.oom_control", "1")
    swappiness = memory.get("swappiness")
    if swappiness is not None and swappiness != (1 << 64) - 1:  # -1 as an unsigned number is "unset"
        if swappiness > 100:
            raise Refused(f"invalid memory swappiness value: {swappiness}")
        group.write("memory.swappiness", str(swappiness))


def _cpu2(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    cpu = sections.get("cpu", {})
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    idle, burst = (cpu.get("idle"), cpu.get("burst")) if version >= (1, 2, 0) else (None, None)
    if idle is not None:
        group.write("cpu.idle", str(idle))
    if cpu.get("shares"):
        group.write("cpu.weight", str(weight(cpu["shares"], logarithmic=version >= (1, 3, 2))))
    again = burst is not None and not _tried(group, "cpu.max.burst", str(burst), quota)
    if quota or period:
        group.write("cpu.max", f"{quota if quota > 0 else 'max'} {period or 100000}")
    if again:
        group.write("cpu.max.burst", str(burst))


def _tried(group: Cgroup, name: str, text: str, quota: int) -> bool:
    """Written; an EINVAL is tried again once the quota is set."""
    try:
        group.write(name, text)
    except Refused as error:
        if not (error.invalid and quota):
            raise
        return False
    return True


def _cpu1(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    cpu = sections.get("cpu", {})
    shares, quota, period = (cpu.get(key) or 0 for key in ("shares", "quota", "period"))
    idle, burst = (cpu.get("idle"), cpu.get("burst")) if version >= (1, 2, 0) else (None, None)
    for key, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
        if cpu.get(key):
            group.write(file, str(cpu[key]))
    if shares:
        group.write("cpu.shares", str(shares))
        if group.files["cpu.shares"] != str(shares):
            raise Refused("the minimum or maximum allowed cpu-shares")
    period_again = bool(period) and not _tried(group, "cpu.cfs_period_us", str(period), quota)
    burst_again = False
    if burst is not None and group.has("cpu.cfs_burst_us"):
        burst_again = not _tried(group, "cpu.cfs_burst_us", str(burst), quota)
    if quota:
        group.write("cpu.cfs_quota_us", str(quota))
    if quota and period_again:
        group.write("cpu.cfs_period_us", str(period))
    if quota and burst_again:
        group.write("cpu.cfs_burst_us", str(burst))
    if idle is not None:
        group.write("cpu.idle", str(idle))


def _cpuset(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    for key in ("cpus", "mems"):
        if sections.get("cpu", {}).get(key):
            group.write(f"cpuset.{key}", sections["cpu"][key])


def _io2(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    block = sections.get("blockIO", {})
    bfq = group.has("io.bfq.weight")
    if block.get("weight"):
        value = block["weight"]
        converted = 1 + (value - 10) % (1 << 64) * 9999 // 990
        group.write("io.bfq.weight" if bfq else "io.weight", str(value if bfq else converted % (1 << 64)))
    for entry in block.get("weightDevice") or () if bfq else ():
        group.write("io.bfq.weight", f"{entry['major']}:{entry['minor']} {entry.get('weight', 0)}")
    for field, (key, _) in THROTTLES.items():
        for entry in block.get(field) or ():
            group.write("io.max", f"{entry['major']}:{entry['minor']} {key}={entry.get('rate', 0)}")


def _io1(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...]) -> None:
    block = sections.get("blockIO", {})
    prefix = "blkio" if group.has("blkio.weight") else "blkio.bfq"
    if block.get("weight"):
        group.write(f"{prefix}.weight", str(block["weight"]))
    if block.get("leafWeight"):
        group.write("blkio.leaf_weight", str(block["leafWeight"]))
    for entry in block.get("weightDevice") or ():
        for key, file in (("weight", f"{prefix}.weight_device"), ("leafWeight", "blkio.leaf_weight_device")):
            if entry.get(key):
                group.write(file, f"{entry['major']}:{entry['minor']} {entry[key]}")
    for field, (_, file) in THROTTLES.items():
        for entry in block.get(field) or ():
            group.write(file, f"{entry['major']}:{entry['minor']} {entry.get('rate', 0)}")


def _hugetlb(group: Cgroup, sections: Mapping[str, Any], version: tuple[int, ...], ending: str) -> None:
    for entry in sections.get("hugepageLimits") or ():
        group.write(f"hugetlb.{entry['pageSize']}.{ending}", str(entry["limit"]))
        reserved = f"hugetlb.{entry['pageSize']}.rsvd.{ending}"
        if version >= (1, 1, 10) and group.has(reserved):
            group.write(reserved, str(entry["limit"]))


def _network(group: Cgroup, sections: Mapping[str, Any]) -> None:
    network = sections.get("network", {})
    if network.get("classID"):
        group.write("net_cls.classid", str(network["classID"]))
    for entry in network.get("priorities") or ():
        group.write("net_prio.ifpriomap", f"{entry['name']} {entry['priority']}")


def _unified(group: Cgroup, keys: Mapping[str, str], version: tuple[int, ...]) -> None:
    for key, text in keys.items():
        if "/" in key:
            raise Refused(f"unified resource {key} must be a file name")
        for line in text.splitlines(keepends=True) if version >= (1, 2, 0) and "\n" in text else (text,):
            group.write(key, line)
