"""One row for each field of `linux.resources`, from which rules, checks and the tables of cgshimctl are made.

OCI runtime-spec, config-linux.md, "Control groups" and schema/config-linux.json for the types; the kernel's
Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst for the files. Everything that a row cannot say is in the
field's rule.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Kind

# By section, one line a field, separated by spaces; `-` for none. Name, type, kind, controller (cgroup2's name), v1
# file, cgroup2 file. What only cgshimctl needs is in shim.rules.fieldspec.
TABLES = {
    "memory": """\
memory.limit int64 guard memory memory.limit_in_bytes memory.max
memory.swap int64 guard memory memory.memsw.limit_in_bytes memory.swap.max
memory.reservation int64 hint memory memory.soft_limit_in_bytes memory.low
memory.kernel int64 hint memory memory.kmem.limit_in_bytes -
memory.kernelTCP int64 hint memory memory.kmem.tcp.limit_in_bytes -
memory.swappiness uint64 hint memory memory.swappiness -
memory.disableOOMKiller boolean hint memory memory.oom_control -
memory.useHierarchy boolean hint memory memory.use_hierarchy -
memory.checkBeforeUpdate boolean hint memory - -
""",
    "cpu": """\
cpu.shares uint64 hint cpu cpu.shares cpu.weight
cpu.quota int64 guard cpu cpu.cfs_quota_us cpu.max
cpu.period uint64 hint cpu cpu.cfs_period_us cpu.max
cpu.burst uint64 hint cpu cpu.cfs_burst_us cpu.max.burst
cpu.realtimeRuntime int64 hint cpu cpu.rt_runtime_us -
cpu.realtimePeriod uint64 hint cpu cpu.rt_period_us -
cpu.cpus string guard cpuset cpuset.cpus cpuset.cpus
cpu.mems string guard cpuset cpuset.mems cpuset.mems
cpu.idle int64 hint cpu cpu.idle cpu.idle
""",
    "pids": """\
pids.limit int64 guard pids pids.max pids.max
""",
    "blockIO": """\
blockIO.weight uint16 hint io blkio.weight io.weight
blockIO.leafWeight uint16 hint io blkio.leaf_weight -
blockIO.weightDevice weights hint io blkio.bfq.weight_device io.bfq.weight
blockIO.throttleReadBpsDevice rates guard io blkio.throttle.read_bps_device io.max
blockIO.throttleWriteBpsDevice rates guard io blkio.throttle.write_bps_device io.max
blockIO.throttleReadIOPSDevice rates guard io blkio.throttle.read_iops_device io.max
blockIO.throttleWriteIOPSDevice rates guard io blkio.throttle.write_iops_device io.max
""",
    "hugepageLimits": """\
hugepageLimits hugepages guard hugetlb hugetlb.<size>.limit_in_bytes hugetlb.<size>.max
""",
    "rdma": """\
rdma rdma guard rdma rdma.max rdma.max
""",
    "network": """\
network.classID uint32 hint net_cls net_cls.classid -
network.priorities priorities hint net_prio net_prio.ifpriomap -
""",
    "devices": """\
devices devices guard devices - -
""",
    "unified": """\
unified keys guard - - -
""",
}


class FieldSpec(Value):
    """One field of `linux.resources`.

    name: dotted path. type: of the JSON schema, or the word for a list or object (shim.oci.checks).
    kind: GUARD or HINT. controller: cgroup2's name where there is one. v1, v2: interface file, "" for none.
    """

    name: str
    type: str
    kind: Kind
    controller: str
    v1: str
    v2: str

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to it."""
        return tuple(self.name.split("."))

    def file(self, case: Case) -> str:
        """Return the interface file in the hierarchy that the runtime writes."""
        return self.v1 if case.v1 else self.v2


# Controller -> the section of the classic fields that need it, as in the table's column.
SECTIONS = {
    "memory": "memory",
    "cpu": "cpu",
    "cpuset": "cpu",
    "pids": "pids",
    "io": "blockIO",
    "hugetlb": "hugepageLimits",
    "rdma": "rdma",
    "net_cls": "network",
    "net_prio": "network",
    "devices": "devices",
}
COLUMNS = ("name", "type", "kind", "controller", "v1", "v2")
_ROWS: dict[str, dict[str, list[str]]] = {}  # cache of parsed sections: a container uses about four of the nine


def rows(section: str) -> dict[str, list[str]]:
    """Return the words of each field of a section, {} for a section that is not in the table."""
    if section not in _ROWS:
        lines = (line.replace(" -", " ").split(" ") for line in TABLES.get(section, "").splitlines())
        _ROWS[section] = {words[0]: words for words in lines}
    return _ROWS[section]


def spec(name: str) -> FieldSpec:
    """Return the row of one field. Raises KeyError for a name that is not in the table."""
    row: dict[str, Any] = dict(zip(COLUMNS, rows(name.partition(".")[0])[name]))
    return FieldSpec(**row)


def names() -> tuple[str, ...]:
    """Return every field in the table's order."""
    return tuple(name for section in TABLES for name in rows(section))


def controllers(section: str) -> tuple[str, ...]:
    """Return the controllers that the fields of a section need, in the table's order."""
    return tuple(controller for controller, needing in SECTIONS.items() if needing == section)


def of_controller(controller: str) -> str:
    """Return the section of the classic fields that need this controller, "" for none."""
    return SECTIONS.get(controller, "")


def strangers(resources: dict[str, Any]) -> list[str]:
    """Return the keys that are not in the table: unknown sections, and unknown fields of known sections."""
    found = []
    for section, value in resources.items():
        known = rows(section)
        if not known:
            found.append(section)
        elif isinstance(value, dict) and section not in known:
            found.extend(f"{section}.{key}" for key in value if f"{section}.{key}" not in known)
    return found
