"""What is known of each field of `linux.resources`: one row each, from which rules, checks and people's tables come.

OCI runtime-spec, config-linux.md, "Control groups" and schema/config-linux.json for the types; the kernel's
Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst for the files. What needs thinking is in the field's rule.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Kind

# By section, and a line each with a space between two words; `-` is nothing, `*` the probe of the type (PROBES).
# name, type, kind, controller (cgroup2's name), v1 file, cgroup2 file, Linux version that brought it, kernel option
# beside the controller's own, a value to ask for, fields that it cannot go without
TABLES = {
    "memory": """\
memory.limit int64 guard memory memory.limit_in_bytes memory.max - - 67108864 -
memory.swap int64 guard memory memory.memsw.limit_in_bytes memory.swap.max - SWAP 134217728 memory.limit
memory.reservation int64 hint memory memory.soft_limit_in_bytes memory.low - - 33554432 -
memory.kernel int64 hint memory memory.kmem.limit_in_bytes - - - 33554432 -
memory.kernelTCP int64 hint memory memory.kmem.tcp.limit_in_bytes - - - 33554432 -
memory.swappiness uint64 hint memory memory.swappiness - - - 10 -
memory.disableOOMKiller boolean hint memory memory.oom_control - - - true -
memory.useHierarchy boolean hint memory memory.use_hierarchy - - - true -
memory.checkBeforeUpdate boolean hint memory - - - - true -
""",
    "cpu": """\
cpu.shares uint64 hint cpu cpu.shares cpu.weight - FAIR_GROUP_SCHED 512 -
cpu.quota int64 guard cpu cpu.cfs_quota_us cpu.max - CFS_BANDWIDTH 25000 cpu.period
cpu.period uint64 hint cpu cpu.cfs_period_us cpu.max - CFS_BANDWIDTH 50000 cpu.quota
cpu.burst uint64 hint cpu cpu.cfs_burst_us cpu.max.burst 5.14 CFS_BANDWIDTH 10000 cpu.quota,cpu.period
cpu.realtimeRuntime int64 hint cpu cpu.rt_runtime_us - - RT_GROUP_SCHED 450000 cpu.realtimePeriod
cpu.realtimePeriod uint64 hint cpu cpu.rt_period_us - - RT_GROUP_SCHED 500000 cpu.realtimeRuntime
cpu.cpus string guard cpuset cpuset.cpus cpuset.cpus - - "0" -
cpu.mems string guard cpuset cpuset.mems cpuset.mems - - "0" -
cpu.idle int64 hint cpu cpu.idle cpu.idle 5.15 - 1 -
""",
    "pids": """\
pids.limit int64 guard pids pids.max pids.max - - 32 -
""",
    "blockIO": """\
blockIO.weight uint16 hint io blkio.weight io.weight - BFQ_GROUP_IOSCHED 200 -
blockIO.leafWeight uint16 hint io blkio.leaf_weight - - - 100 -
blockIO.weightDevice weights hint io blkio.bfq.weight_device io.bfq.weight - BFQ_GROUP_IOSCHED * -
blockIO.throttleReadBpsDevice rates guard io blkio.throttle.read_bps_device io.max - BLK_DEV_THROTTLING * -
blockIO.throttleWriteBpsDevice rates guard io blkio.throttle.write_bps_device io.max - BLK_DEV_THROTTLING * -
blockIO.throttleReadIOPSDevice rates guard io blkio.throttle.read_iops_device io.max - BLK_DEV_THROTTLING * -
blockIO.throttleWriteIOPSDevice rates guard io blkio.throttle.write_iops_device io.max - BLK_DEV_THROTTLING * -
""",
    "hugepageLimits": """\
hugepageLimits hugepages guard hugetlb hugetlb.<size>.limit_in_bytes hugetlb.<size>.max - - * -
""",
    "rdma": """\
rdma rdma guard rdma rdma.max rdma.max - - * -
""",
    "network": """\
network.classID uint32 hint net_cls net_cls.classid - - - 1048577 -
network.priorities priorities hint net_prio net_prio.ifpriomap - - - * -
""",
    "devices": """\
devices devices guard devices - - - - * -
""",
    "unified": """\
unified keys guard - - - - - - -
""",
}
# A value to ask for, as JSON, of those types that are no single value.
PROBES = {
    "weights": '[{"major": 8, "minor": 0, "weight": 200}]',
    "rates": '[{"major": 8, "minor": 0, "rate": 1048576}]',
    "hugepages": '[{"pageSize": "2MB", "limit": 67108864}]',
    "rdma": '{"mlx5_0": {"hcaHandles": 2, "hcaObjects": 2000}}',
    "priorities": '[{"name": "lo", "priority": 5}]',
    "devices": '[{"allow": false, "access": "rwm"}]',
}
# What to do where the kernel, or the layout, has no file for the field.
REMEDIES = {
    "memory.kernel": "leave it out: memory.limit counts kernel memory too",
    "memory.kernelTCP": "leave it out: memory.limit counts kernel memory too",
    "memory.swappiness": "leave it out: only v1 hierarchies have it",
    "memory.disableOOMKiller": "leave it out, or give the container the memory that it needs",
    "memory.useHierarchy": "leave it out: the kernel always accounts hierarchically",
    "memory.checkBeforeUpdate": "leave it out, or use a kernel that accounts for swap",
    "cpu.quota": "use a kernel with CONFIG_CFS_BANDWIDTH",
    "cpu.period": "use a kernel with CONFIG_CFS_BANDWIDTH",
    "cpu.burst": "use a kernel from 5.14 on, or leave it out",
    "cpu.idle": "use a kernel from 5.15 on, or cpu.shares 2",
    "blockIO.weight": "load the BFQ scheduler (modprobe bfq) and choose it for the disk",
    "blockIO.leafWeight": "leave it out: kernels from 5.0 on have no leaf weights",
    "blockIO.weightDevice": "load the BFQ scheduler (modprobe bfq) and choose it for the disk",
    "blockIO.throttleReadBpsDevice": "use a kernel with CONFIG_BLK_DEV_THROTTLING",
    "blockIO.throttleWriteBpsDevice": "use a kernel with CONFIG_BLK_DEV_THROTTLING",
    "blockIO.throttleReadIOPSDevice": "use a kernel with CONFIG_BLK_DEV_THROTTLING",
    "blockIO.throttleWriteIOPSDevice": "use a kernel with CONFIG_BLK_DEV_THROTTLING",
    "network.classID": "leave it out: only v1 hierarchies have it",
    "network.priorities": "leave it out: only v1 hierarchies have it",
}
# Each controller that a limit may need, and the option that a kernel is built with to have it.
CONTROLLERS = {
    "memory": "CONFIG_MEMCG",
    "cpu": "CONFIG_CGROUP_SCHED",
    "cpuset": "CONFIG_CPUSETS",
    "io": "CONFIG_BLK_CGROUP",
    "hugetlb": "CONFIG_CGROUP_HUGETLB",
    "pids": "CONFIG_CGROUP_PIDS",
    "rdma": "CONFIG_CGROUP_RDMA",
    "misc": "CONFIG_CGROUP_MISC",
    "dmem": "CONFIG_CGROUP_DMEM",
    "net_cls": "CONFIG_CGROUP_NET_CLASSID",
    "net_prio": "CONFIG_CGROUP_NET_PRIO",
}


class FieldSpec(Value):
    """One field of `linux.resources`.

    name: dotted path. type: of the JSON schema, or the word for a list or object (shim.oci.checks).
    kind: GUARD or HINT. controller: cgroup2's name where there is one. v1, v2: interface file, "" for none.
    since: Linux version with the file, "" for those of every kernel that is supported. option: the kernel's, without
    CONFIG_. probe: a value to ask for, as JSON. beside: fields that it cannot go without, with commas.
    """

    name: str
    type: str
    kind: Kind
    controller: str
    v1: str
    v2: str
    since: str
    option: str
    probe: str
    beside: str

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to it."""
        return tuple(self.name.split("."))

    @property
    def signed(self) -> bool:
        """May it be negative."""
        return self.type == "int64"

    def file(self, case: Case) -> str:
        """The interface file in the hierarchy that the runtime writes."""
        return self.v1 if case.v1 else self.v2


COLUMNS = ("name", "type", "kind", "controller", "v1", "v2", "since", "option", "probe", "beside")
_ROWS: dict[str, dict[str, list[str]]] = {}  # by section, once it was asked for: a container has four of the nine


def rows(section: str) -> dict[str, list[str]]:
    """The words of each field of a section, {} for a section that is not in the table."""
    if section not in _ROWS:
        lines = (line.replace(" -", " ").split(" ") for line in TABLES.get(section, "").splitlines())
        _ROWS[section] = {words[0]: words for words in lines}
    return _ROWS[section]


def spec(name: str) -> FieldSpec:
    """The row of one field. Raises KeyError for a name that is not in the table."""
    row = dict(zip(COLUMNS, rows(name.partition(".")[0])[name]))
    if row["probe"] == "*":
        row["probe"] = PROBES[row["type"]]
    made = FieldSpec.__new__(FieldSpec)  # every call makes a dozen of them, and all columns are there
    made.__dict__.update(row)
    return made


def names() -> tuple[str, ...]:
    """Every field, in the table's order."""
    return tuple(name for section in TABLES for name in rows(section))


def controllers(section: str) -> tuple[str, ...]:
    """The controllers that the fields of a section need, in the table's order."""
    return tuple(dict.fromkeys(words[3] for words in rows(section).values() if words[3]))


def of_controller(controller: str) -> str:
    """The section of the classic fields that need this controller, "" for none."""
    return next((section for section in TABLES if controller in controllers(section)), "")


def strangers(resources: dict[str, Any]) -> list[str]:
    """The keys that no row of the table has: of sections, and of fields in those that are there."""
    found = []
    for section, value in resources.items():
        known = rows(section)
        if not known:
            found.append(section)
        elif isinstance(value, dict) and section not in known:
            found.extend(f"{section}.{key}" for key in value if f"{section}.{key}" not in known)
    return found
