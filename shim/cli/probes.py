"""One small resources object for every field and every well-known `unified` key, to ask the planner about each.

No value is the kernel's default, where the field has another one, so that reading it back proves something.

Fields: OCI runtime-spec, config-linux.md, "Control groups". Keys: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from typing import Any

from shim.values import Value

MIB = 1 << 20


class Probe(Value):
    """name: what is asked for, for people. resources: it and what it cannot go without. beside: the latter alone."""

    name: str
    resources: dict[str, Any]
    beside: dict[str, Any]


def _field(field: str, value: Any, name: str = "", **beside: Any) -> Probe:
    """A probe for one classic field; `beside` is what the field cannot go without, in the same section."""
    section, _, key = field.partition(".")
    resources = {section: {**beside, key: value}} if key else {section: value}
    return Probe(name=name or field, resources=resources, beside={section: beside} if beside else {})


def _rates(field: str) -> Probe:
    return _field(f"blockIO.{field}", [{"major": 8, "minor": 0, "rate": MIB}])


CLASSIC: tuple[Probe, ...] = (
    _field("memory.limit", 64 * MIB),
    _field("memory.swap", 64 * MIB, "memory.swap (no swap at all)", limit=64 * MIB),
    _field("memory.swap", 128 * MIB, "memory.swap (a limit for swap)", limit=64 * MIB),
    _field("memory.reservation", 32 * MIB),
    _field("memory.kernel", 32 * MIB),
    _field("memory.kernelTCP", 32 * MIB),
    _field("memory.swappiness", 10),
    _field("memory.disableOOMKiller", True),
    _field("memory.useHierarchy", True),
    _field("memory.checkBeforeUpdate", True),
    _field("cpu.shares", 512),
    _field("cpu.quota", 25000, period=50000),
    _field("cpu.period", 50000, quota=25000),
    _field("cpu.burst", 10000, quota=25000, period=50000),
    _field("cpu.realtimeRuntime", 450000, realtimePeriod=500000),
    _field("cpu.realtimePeriod", 500000, realtimeRuntime=450000),
    _field("cpu.cpus", "0"),
    _field("cpu.mems", "0"),
    _field("cpu.idle", 1),
    _field("pids.limit", 32),
    _field("blockIO.weight", 200),
    _field("blockIO.leafWeight", 100),
    _field("blockIO.weightDevice", [{"major": 8, "minor": 0, "weight": 200}]),
    _rates("throttleReadBpsDevice"),
    _rates("throttleWriteBpsDevice"),
    _rates("throttleReadIOPSDevice"),
    _rates("throttleWriteIOPSDevice"),
    _field("hugepageLimits", [{"pageSize": "2MB", "limit": 64 * MIB}]),
    _field("rdma", {"mlx5_0": {"hcaHandles": 2, "hcaObjects": 2000}}),
    _field("network.classID", 0x100001),
    _field("network.priorities", [{"name": "lo", "priority": 5}]),
    _field("devices", [{"allow": False, "access": "rwm"}]),
)

KEYS: dict[str, str] = {
    "memory.max": "67108864",
    "memory.swap.max": "0",
    "memory.high": "50331648",
    "memory.low": "33554432",
    "memory.min": "33554432",
    "memory.oom.group": "1",
    "memory.swap.high": "33554432",
    "memory.zswap.max": "0",
    "memory.zswap.writeback": "0",
    "memory.reclaim": "1M",
    "cpu.max": "25000 50000",
    "cpu.weight": "50",
    "cpu.weight.nice": "5",
    "cpu.idle": "1",
    "cpu.max.burst": "10000",
    "cpu.uclamp.min": "10",
    "cpu.uclamp.max": "50",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "cpuset.cpus.partition": "root",
    "cpuset.cpus.exclusive": "0",
    "pids.max": "32",
    "io.max": "8:0 rbps=1048576",
    "io.weight": "200",
    "io.bfq.weight": "200",
    "io.latency": "8:0 target=75000",
    "io.prio.class": "idle",
    "io.cost.qos": "8:0 enable=1",
    "io.cost.model": "8:0 ctrl=auto",
    "hugetlb.2MB.max": "67108864",
    "hugetlb.2MB.rsvd.max": "67108864",
    "rdma.max": "mlx5_0 hca_handle=2 hca_object=2000",
    "misc.max": "res_a 1",
    "dmem.max": "drm/0000:03:00.0/vram0 1073741824",
}
# What a key cannot go without: a swap limit on v1 is memory plus swap, and a burst needs a quota.
BESIDE = {"memory.swap.max": ("memory.max",), "cpu.max.burst": ("cpu.max",)}


def _key(key: str) -> Probe:
    beside = {name: KEYS[name] for name in BESIDE.get(key, ())}
    resources = {"unified": {**beside, key: KEYS[key]}}
    return Probe(name=f"unified.{key}", resources=resources, beside={"unified": beside} if beside else {})


UNIFIED: tuple[Probe, ...] = tuple(_key(key) for key in KEYS)
ALL: tuple[Probe, ...] = (*CLASSIC, *UNIFIED)
