"""The cases: an OCI `linux.resources` object, and what the kernel must show if it is enforced.

Numbers are those of the kernel documents (admin-guide/cgroup-v1/*.rst, cgroup-v2.rst), never of the program under test.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Files = dict[str, Union[str, tuple[str, ...]]]

M = 1 << 20
V1_UNLIMITED = "9223372036854771712"  # what v1 memory files show for no limit (PAGE_COUNTER_MAX in bytes)
GUARD = "guard"  # protects the host or a neighbour: enforced, or refused
HINT = "hint"  # tuning: enforced, or dropped with a word


class Case:
    """One resources object.

    field: the OCI field it is about. v1, v2: {interface file: value} that mean "enforced" in that hierarchy; a value
    may be a tuple of alternatives, and a line of the file is enough; None: that hierarchy has no counterpart.
    v1_only: the field itself means nothing to cgroup2; `v2` is about what stands beside it. invalid: no kernel of the
    matrix can take it, an error is right. diagnosis: the code that cgshim must give for that error; such a case has a
    bundle and a umask of its own (container.user_namespace).
    """

    def __init__(
        self,
        field: str,
        resources: dict[str, Any],
        v1: Files | None,
        v2: Files | None,
        kind: str = GUARD,
        *,
        name: str = "",
        invalid: bool = False,
        v1_only: bool = False,
        diagnosis: str = "",
    ) -> None:
        self.field = field
        self.name = name or field
        self.resources = resources
        self.v1 = v1
        self.v2 = v2
        self.kind = kind
        self.invalid = invalid
        self.v1_only = v1_only
        self.diagnosis = diagnosis


def linear(shares: int) -> int:
    """The older conversion of cpu.shares into cpu.weight (runc up to 1.3.1, crun up to 1.22)."""
    return 1 + (shares - 2) * 9999 // 262142


def quadratic(shares: int) -> int:
    """The newer conversion (runc from 1.3.2, crun from 1.23)."""
    exponent = math.log2(shares)
    return math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34))


def weights(shares: int) -> tuple[str, ...]:
    """Every cpu.weight that a runtime of the matrix makes of `shares`."""
    return tuple({str(linear(shares)), str(quadratic(shares))})


def shares_for(weight: int) -> tuple[str, ...]:
    """Every cpu.shares from which a runtime of the matrix would make `weight`, and the kernel's own identity."""
    found = {str(round(weight * 1024 / 100))}
    for shares in range(2, 8192):
        if weight in (linear(shares), quadratic(shares)):
            found.add(str(shares))
    return tuple(found)


def unified(**keys: str) -> dict[str, Any]:
    """A `unified` object; `memory_max` stands for `memory.max`."""
    return {"unified": {key.replace("_", "."): value for key, value in keys.items()}}


def limit_in_bytes(value: int) -> Files:
    """v1 `memory.limit_in_bytes`."""
    return {"memory.limit_in_bytes": str(value)}


def memsw(value: int) -> Files:
    """v1 memory plus swap."""
    return {"memory.memsw.limit_in_bytes": str(value)}


THROTTLE = {
    "throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1048576}],
    "throttleWriteBpsDevice": [{"major": 7, "minor": 0, "rate": 2097152}],
    "throttleReadIOPSDevice": [{"major": 7, "minor": 0, "rate": 200}],
    "throttleWriteIOPSDevice": [{"major": 7, "minor": 0, "rate": 100}],
}
THROTTLE_V1: Files = {
    "blkio.throttle.read_bps_device": "7:0 1048576",
    "blkio.throttle.write_bps_device": "7:0 2097152",
    "blkio.throttle.read_iops_device": "7:0 200",
    "blkio.throttle.write_iops_device": "7:0 100",
}
THROTTLE_V2: Files = {"io.max": "7:0 rbps=1048576 wbps=2097152 riops=200 wiops=100"}
QUOTA_V1: Files = {"cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "50000"}
QUOTA_V2: Files = {"cpu.max": "20000 50000"}

MEMORY = (
    Case(
        "memory.limit",
        {"memory": {"limit": 64 * M}},
        limit_in_bytes(64 * M),
        {"memory.max": str(64 * M)},
    ),
    Case(
        "memory.swap",
        {"memory": {"limit": 64 * M, "swap": 96 * M}},
        {**limit_in_bytes(64 * M), **memsw(96 * M)},
        {"memory.max": str(64 * M), "memory.swap.max": str(32 * M)},
    ),
    Case(
        "memory.swap",
        {"memory": {"limit": 64 * M, "swap": 64 * M}},
        {**limit_in_bytes(64 * M), **memsw(64 * M)},
        {"memory.max": str(64 * M), "memory.swap.max": "0"},
        name="memory.swap = limit",
    ),
    Case(
        "memory.swap",
        {"memory": {"limit": 64 * M, "swap": -1}},
        {**limit_in_bytes(64 * M), "memory.memsw.limit_in_bytes": V1_UNLIMITED},
        {"memory.max": str(64 * M), "memory.swap.max": "max"},
        name="memory.swap -1",
    ),
    Case("memory.swap", {"memory": {"swap": 96 * M}}, None, None, name="memory.swap without limit", invalid=True),
    Case(
        "memory.reservation",
        {"memory": {"reservation": 32 * M}},
        {"memory.soft_limit_in_bytes": str(32 * M)},
        {"memory.low": str(32 * M)},
        HINT,
    ),
    Case(
        "memory.swappiness",
        {"memory": {"limit": 64 * M, "swappiness": 10}},
        {**limit_in_bytes(64 * M), "memory.swappiness": "10"},
        {"memory.max": str(64 * M)},
        HINT,
        v1_only=True,
    ),
    Case(
        "memory.kernel",
        {"memory": {"limit": 64 * M, "kernel": 32 * M}},
        limit_in_bytes(64 * M),
        {"memory.max": str(64 * M)},
        HINT,
        v1_only=True,
    ),
    Case(
        "memory.kernelTCP",
        {"memory": {"kernelTCP": 32 * M}},
        {"memory.kmem.tcp.limit_in_bytes": str(32 * M)},
        None,
        HINT,
    ),
    Case(
        "memory.disableOOMKiller",
        {"memory": {"limit": 64 * M, "disableOOMKiller": True}},
        {**limit_in_bytes(64 * M), "memory.oom_control": "oom_kill_disable 1"},
        {"memory.max": str(64 * M)},
        HINT,
        v1_only=True,
    ),
    Case(
        "memory.useHierarchy",
        {"memory": {"limit": 64 * M, "useHierarchy": True}},
        {**limit_in_bytes(64 * M), "memory.use_hierarchy": "1"},
        {"memory.max": str(64 * M)},
        HINT,
    ),
    Case(
        "memory.checkBeforeUpdate",
        {"memory": {"limit": 64 * M, "checkBeforeUpdate": True}},
        limit_in_bytes(64 * M),
        {"memory.max": str(64 * M)},
    ),
)

CPU = (
    Case(
        "cpu.shares",
        {"cpu": {"shares": 512}},
        {"cpu.shares": "512"},
        {"cpu.weight": weights(512)},
        HINT,
    ),
    Case("cpu.quota", {"cpu": {"quota": 20000, "period": 50000}}, QUOTA_V1, QUOTA_V2),
    Case(
        "cpu.quota", {"cpu": {"quota": -1}}, {"cpu.cfs_quota_us": "-1"}, {"cpu.max": "max 100000"}, name="cpu.quota -1"
    ),
    Case(
        "cpu.burst",
        {"cpu": {"quota": 20000, "period": 50000, "burst": 10000}},
        {**QUOTA_V1, "cpu.cfs_burst_us": "10000"},
        {**QUOTA_V2, "cpu.max.burst": "10000"},
        HINT,
    ),
    Case("cpu.idle", {"cpu": {"idle": 1}}, {"cpu.idle": "1"}, {"cpu.idle": "1"}, HINT),
    Case(
        "cpu.realtimeRuntime",
        {"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 1000000}},
        {"cpu.rt_runtime_us": "10000"},
        None,
        HINT,
    ),
    Case(
        "cpu.cpus",
        {"cpu": {"cpus": "1", "mems": "0"}},
        {"cpuset.cpus": "1", "cpuset.mems": "0"},
        {"cpuset.cpus": "1", "cpuset.mems": "0"},
    ),
    Case("cpu.cpus", {"cpu": {"cpus": "64"}}, None, None, name="cpu.cpus that does not exist", invalid=True),
)

OTHERS = (
    Case("pids.limit", {"pids": {"limit": 64}}, {"pids.max": "64"}, {"pids.max": "64"}),
    Case(
        "pids.limit",
        {"pids": {"limit": -1}},
        {"pids.max": ("max", "4194304")},  # PID_MAX_LIMIT: no 64-bit kernel has more tasks (include/linux/threads.h)
        {"pids.max": "max"},
        name="pids.limit -1",
    ),
    Case("blockIO.throttle*", {"blockIO": THROTTLE}, THROTTLE_V1, THROTTLE_V2),
    Case(
        "blockIO.weight",
        {"blockIO": {"weight": 500}},
        {"blkio.bfq.weight": "500"},
        {"io.bfq.weight": "default 500", "io.weight": "default 4950"},
        HINT,
    ),
    Case(
        "blockIO.weightDevice",
        {"blockIO": {"weightDevice": [{"major": 7, "minor": 0, "weight": 300}]}},
        {"blkio.bfq.weight_device": "7:0 300"},
        {"io.bfq.weight": "7:0 300"},
        HINT,
    ),
    Case("blockIO.leafWeight", {"blockIO": {"leafWeight": 300}}, {"blkio.leaf_weight": "300"}, None, HINT),
    Case(
        "hugepageLimits",
        {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * M}]},
        {"hugetlb.2MB.limit_in_bytes": str(4 * M)},
        {"hugetlb.2MB.max": str(4 * M)},
    ),
    Case(
        "hugepageLimits",
        {"hugepageLimits": [{"pageSize": "64KB", "limit": 4 * M}]},
        None,
        None,
        name="hugepageLimits of no page size here",
        invalid=True,
    ),
    Case(
        "network.classID",
        {"network": {"classID": 1048577}},
        {"net_cls.classid": "1048577"},
        None,
        HINT,
    ),
    Case(
        "network.priorities",
        {"network": {"priorities": [{"name": "lo", "priority": 5}]}},
        {"net_prio.ifpriomap": "lo 5"},
        None,
        HINT,
    ),
    Case("rdma", {"rdma": {"mlx5_1": {"hcaHandles": 3}}}, None, None, name="rdma of no device here", invalid=True),
    Case(
        "devices",
        {
            "devices": [
                {"allow": False, "access": "rwm"},
                {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
            ]
        },
        {},
        {},
    ),
)

UNIFIED = (
    Case(
        "unified.memory.max",
        unified(memory_max=str(64 * M)),
        limit_in_bytes(64 * M),
        {"memory.max": str(64 * M)},
    ),
    Case(
        "unified.memory.swap.max",
        unified(memory_max="64M", memory_swap_max="32M"),
        {**limit_in_bytes(64 * M), **memsw(96 * M)},
        {"memory.max": str(64 * M), "memory.swap.max": str(32 * M)},
    ),
    Case(
        "unified.memory.swap.max",
        unified(memory_max=str(64 * M), memory_swap_max="0"),
        {**limit_in_bytes(64 * M), **memsw(64 * M)},
        {"memory.max": str(64 * M), "memory.swap.max": "0"},
        name="unified.memory.swap.max 0",
    ),
    Case(
        "unified.memory.low",
        unified(memory_low=str(32 * M)),
        {"memory.soft_limit_in_bytes": str(32 * M)},
        {"memory.low": str(32 * M)},
        HINT,
    ),
    Case(
        "unified.memory.min",
        unified(memory_min=str(32 * M)),
        {"memory.soft_limit_in_bytes": str(32 * M)},
        {"memory.min": str(32 * M)},
        HINT,
    ),
    Case("unified.memory.high", unified(memory_high=str(48 * M)), None, {"memory.high": str(48 * M)}, HINT),
    Case("unified.memory.oom.group", unified(memory_oom_group="1"), None, {"memory.oom.group": "1"}, HINT),
    Case("unified.cpu.max", unified(cpu_max="20000 50000"), QUOTA_V1, QUOTA_V2),
    Case(
        "unified.cpu.max.burst",
        unified(cpu_max="20000 50000", cpu_max_burst="10000"),
        {**QUOTA_V1, "cpu.cfs_burst_us": "10000"},
        {**QUOTA_V2, "cpu.max.burst": "10000"},
        HINT,
    ),
    Case(
        "unified.cpu.weight",
        unified(cpu_weight="200"),
        {"cpu.shares": shares_for(200)},
        {"cpu.weight": "200"},
        HINT,
    ),
    Case("unified.cpu.idle", unified(cpu_idle="1"), {"cpu.idle": "1"}, {"cpu.idle": "1"}, HINT),
    Case(
        "unified.cpuset.cpus",
        unified(cpuset_cpus="1", cpuset_mems="0"),
        {"cpuset.cpus": "1", "cpuset.mems": "0"},
        {"cpuset.cpus": "1", "cpuset.mems": "0"},
    ),
    Case("unified.pids.max", unified(pids_max="64"), {"pids.max": "64"}, {"pids.max": "64"}),
    Case(
        "unified.io.max", unified(io_max="7:0 rbps=1048576 wbps=2097152 riops=200 wiops=100"), THROTTLE_V1, THROTTLE_V2
    ),
    Case(
        "unified.io.weight",
        unified(io_weight="200"),
        {"blkio.bfq.weight": "29"},  # the two ranges laid over each other: 10 + (200 - 1) * 990 / 9999
        {"io.weight": "default 200"},
        HINT,
    ),
    Case(
        "unified.hugetlb.2MB.max",
        unified(hugetlb_2MB_max=str(4 * M)),
        {"hugetlb.2MB.limit_in_bytes": str(4 * M)},
        {"hugetlb.2MB.max": str(4 * M)},
    ),
    Case("unified.foo.bar", unified(foo_bar="1"), None, None, name="unified key of no controller", invalid=True),
    Case(
        "unified.memory.max",
        {"memory": {"limit": 64 * M}, **unified(memory_max=str(32 * M))},
        limit_in_bytes(32 * M),
        {"memory.max": str(32 * M)},
        name="unified.memory.max over memory.limit",
    ),
    # crun looks at `unified` on v1 only after it has set cpuset, and returns early if there is none to set.
    Case(
        "unified.memory.max",
        {"cpu": {"shares": 512}, **unified(memory_max=str(64 * M))},
        {**limit_in_bytes(64 * M), "cpu.shares": "512"},
        {"memory.max": str(64 * M), "cpu.weight": weights(512)},
        name="unified.memory.max beside cpu.shares",
    ),
)

ENGINES = (
    Case(
        "engine",
        {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 64 * M, "swap": 96 * M, "reservation": 32 * M, "swappiness": 10},
            "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 64},
        },
        {
            **limit_in_bytes(64 * M),
            **memsw(96 * M),
            **QUOTA_V1,
            "memory.soft_limit_in_bytes": str(32 * M),
            "cpu.shares": "512",
            "cpuset.cpus": "0",
            "pids.max": "64",
        },
        {
            "memory.max": str(64 * M),
            "memory.swap.max": str(32 * M),
            "memory.low": str(32 * M),
            **QUOTA_V2,
            "cpu.weight": weights(512),
            "cpuset.cpus": "0",
            "pids.max": "64",
        },
        name="as an engine writes it for v1",
    ),
    Case(
        "engine",
        {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 64 * M},
            "pids": {"limit": 64},
            **unified(memory_high=str(48 * M), memory_swap_max="0", cpu_max="20000 50000", cpu_weight="200"),
        },
        {**limit_in_bytes(64 * M), **memsw(64 * M), **QUOTA_V1, "cpu.shares": shares_for(200), "pids.max": "64"},
        {
            "memory.max": str(64 * M),
            "memory.high": str(48 * M),
            "memory.swap.max": "0",
            **QUOTA_V2,
            "cpu.weight": "200",
            "pids.max": "64",
        },
        name="as an engine writes it for v2",
    ),
)

# Where the layout has the scheduler, and where it has the device.
BFQ = (
    Case(
        "unified.io.bfq.weight",
        unified(io_bfq_weight="200"),
        {"blkio.bfq.weight": "200"},
        {"io.bfq.weight": "default 200"},
        HINT,
    ),
)
RDMA = (
    Case(
        "rdma",
        {"rdma": {"rxe0": {"hcaHandles": 3, "hcaObjects": 1000}}},
        {"rdma.max": "rxe0 hca_handle=3 hca_object=1000"},
        {"rdma.max": "rxe0 hca_handle=3 hca_object=1000"},
    ),
    Case(
        "unified.rdma.max",
        unified(rdma_max="rxe0 hca_handle=3"),
        {"rdma.max": "rxe0 hca_handle=3 hca_object=max"},
        {"rdma.max": "rxe0 hca_handle=3 hca_object=max"},
    ),
)

# Where a page has 16 KiB. The kernel rounds down to whole pages (page_counter_memparse in mm/page_counter.c); 100 bytes
# more than three pages of 4 KiB would show those three there. Huge pages: 2 MiB, 32 MiB and 1 GiB (hugetlbpage.rst).
OFF = 3 * 4096 + 100
PAGES_16K = (
    Case(
        "memory.limit",
        {"memory": {"limit": 64 * M + OFF}},
        limit_in_bytes(64 * M),
        {"memory.max": str(64 * M)},
        name="memory.limit off a 16 KiB page",
    ),
    Case(
        "memory.limit",
        {"memory": {"limit": 64 * M + 16384 + OFF}},
        limit_in_bytes(64 * M + 16384),
        {"memory.max": str(64 * M + 16384)},
        name="memory.limit of 16 KiB pages, and a part of one",
    ),
    Case(
        "memory.swap",
        {"memory": {"limit": 64 * M + OFF, "swap": 96 * M + OFF + 16384 + OFF, "reservation": 32 * M + OFF}},
        {**limit_in_bytes(64 * M), **memsw(96 * M + 16384)},
        {"memory.max": str(64 * M), "memory.swap.max": str(32 * M + 16384), "memory.low": str(32 * M)},
        name="memory.swap and memory.reservation off a 16 KiB page",
    ),
    Case(
        "unified.memory.max",
        unified(memory_max=str(64 * M + OFF), memory_high=str(48 * M + OFF), memory_swap_max=str(32 * M + OFF)),
        None,
        {"memory.max": str(64 * M), "memory.high": str(48 * M), "memory.swap.max": str(32 * M)},
        name="unified.memory.* off a 16 KiB page",
    ),
    Case(
        "hugepageLimits",
        {"hugepageLimits": [{"pageSize": "32MB", "limit": 64 * M}]},
        {"hugetlb.32MB.limit_in_bytes": str(64 * M)},
        {"hugetlb.32MB.max": str(64 * M)},
        name="hugepageLimits of 32 MiB",
    ),
)

FAILURES = (
    Case(
        "mounts",
        {},
        None,
        None,
        name="cgroup mount whose owner the user namespace does not map",
        invalid=True,
        diagnosis="cgroup-mount-not-searchable",
    ),
)

COMMON = (*MEMORY, *CPU, *OTHERS, *UNIFIED, *ENGINES)
ALL = (*COMMON, *BFQ, *RDMA, *PAGES_16K, *FAILURES)

FEW = ("memory.limit", "cpu.quota", "unified.memory.max", "as an engine writes it for v1")
# What the profiles table calls by one word; `update...`: on a running container.
SETS: dict[str, tuple[str, ...]] = {
    "full": tuple(case.name for case in COMMON),
    "rdma": tuple(case.name for case in RDMA),
    "pages-16k": tuple(case.name for case in PAGES_16K),
    "userns": (*FEW, *(case.name for case in FAILURES)),
    "few": FEW,
    "short": (
        *FEW,
        "memory.swap",
        "memory.swappiness",
        "cpu.shares",
        "blockIO.throttle*",
        "hugepageLimits",
        "network.classID",
        "unified.memory.max beside cpu.shares",
        "as an engine writes it for v2",
    ),
    "swap": (
        "memory.swap",
        "memory.swap = limit",
        "memory.swap -1",
        "memory.swappiness",
        "memory.checkBeforeUpdate",
        "unified.memory.swap.max",
        "unified.memory.swap.max 0",
        "as an engine writes it for v2",
    ),
    "io": (
        "blockIO.throttle*",
        "blockIO.weight",
        "blockIO.weightDevice",
        "blockIO.leafWeight",
        "unified.io.max",
        "unified.io.weight",
        "unified.io.bfq.weight",
    ),
    # Every field and every value of it that a running container's cgroup could take.
    "update": tuple(case.name for case in COMMON if not case.invalid and case.field != "engine"),
    "update-rdma": tuple(case.name for case in RDMA),
    "update-few": FEW,
    "update-pages-16k": tuple(case.name for case in PAGES_16K),
}


def chosen(words: str) -> list[tuple[Case, str]]:
    """The cases of some sets, comma-separated, each with its operation: "create" or "update"."""
    found = []
    for word in words.split(","):
        names = SETS.get(word, ())
        operation = "update" if word.startswith("update") else "create"
        found += [(case, operation) for case in ALL if case.name in names]
    return found
