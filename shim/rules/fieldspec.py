"""Facts about each field, beside its row in shim.rules.fields, that only cgshimctl needs."""

from __future__ import annotations

from shim.rules import fields
from shim.values import Value

# One line a field; `-` for none, `*` for the probe of the type (PROBES). Name, Linux version that added the file,
# kernel option beside the controller's own, a value to ask for, fields that it requires.
TABLE = """\
memory.limit - - 67108864 -
memory.swap - SWAP 134217728 memory.limit
memory.reservation - - 33554432 -
memory.kernel - - 33554432 -
memory.kernelTCP - - 33554432 -
memory.swappiness - - 10 -
memory.disableOOMKiller - - true -
memory.useHierarchy - - true -
memory.checkBeforeUpdate - - true -
cpu.shares - FAIR_GROUP_SCHED 512 -
cpu.quota - CFS_BANDWIDTH 25000 cpu.period
cpu.period - CFS_BANDWIDTH 50000 cpu.quota
cpu.burst 5.14 CFS_BANDWIDTH 10000 cpu.quota,cpu.period
cpu.realtimeRuntime - RT_GROUP_SCHED 450000 cpu.realtimePeriod
cpu.realtimePeriod - RT_GROUP_SCHED 500000 cpu.realtimeRuntime
cpu.cpus - - "0" -
cpu.mems - - "0" -
cpu.idle 5.15 - 1 -
pids.limit - - 32 -
blockIO.weight - BFQ_GROUP_IOSCHED 200 -
blockIO.leafWeight - - 100 -
blockIO.weightDevice - BFQ_GROUP_IOSCHED * -
blockIO.throttleReadBpsDevice - BLK_DEV_THROTTLING * -
blockIO.throttleWriteBpsDevice - BLK_DEV_THROTTLING * -
blockIO.throttleReadIOPSDevice - BLK_DEV_THROTTLING * -
blockIO.throttleWriteIOPSDevice - BLK_DEV_THROTTLING * -
hugepageLimits - - * -
rdma - - * -
network.classID - - 1048577 -
network.priorities - - * -
devices - - * -
unified - - - -
"""
# Probe values, as JSON, for the types that are objects or lists.
PROBES = {
    "weights": '[{"major": 8, "minor": 0, "weight": 200}]',
    "rates": '[{"major": 8, "minor": 0, "rate": 1048576}]',
    "hugepages": '[{"pageSize": "2MB", "limit": 67108864}]',
    "rdma": '{"mlx5_0": {"hcaHandles": 2, "hcaObjects": 2000}}',
    "priorities": '[{"name": "lo", "priority": 5}]',
    "devices": '[{"allow": false, "access": "rwm"}]',
}
# The remedy if the kernel, or the layout, has no file for the field.
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
# Each controller that a limit may need, and the kernel option that enables it.
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
COLUMNS = ("name", "since", "option", "probe", "beside")
LINES = {line.partition(" ")[0]: line for line in TABLE.splitlines()}


class Background(Value):
    """The facts that the row of a field does not have.

    since: Linux version that added the file, "" if every supported kernel has it. option: the kernel's, without
    CONFIG_. probe: a value to ask for, as JSON. beside: fields that it requires, separated by commas.
    """

    name: str
    since: str
    option: str
    probe: str
    beside: str


def background(name: str) -> Background:
    """Return the line of one field. Raises KeyError for a name that is not in the table."""
    row = {column: "" if word == "-" else word for column, word in zip(COLUMNS, LINES[name].split(" "))}
    if row["probe"] == "*":
        row["probe"] = PROBES[fields.spec(name).type]
    return Background(**row)
