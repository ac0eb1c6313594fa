"""Resources objects for the model: every guard in both notations, with the values on which things go wrong.

Types are the runtime-spec's (schema/config-linux.json). Values are few and shared, so that fields meet each other.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.kernel import ADAPTERS, DISKS

M = 1 << 20
INT64, UINT64 = (1 << 63) - 1, (1 << 64) - 1
SIZE = st.sampled_from([64 * M, 96 * M, 128 * M, 64 * M + 1, -1, 0, INT64])
SWAP = st.sampled_from([64 * M, 128 * M, 192 * M, -1, 0, 32 * M, INT64])
DISK = st.sampled_from(DISKS[1:]).map(lambda disk: dict(zip(("major", "minor"), map(int, disk.split(":")))))
RATES = st.lists(
    st.builds(
        lambda disk, rate: {**disk, **rate},
        DISK,
        st.sampled_from([{"rate": 1048576}, {"rate": 100}, {"rate": 0}, {"rate": UINT64}, {}]),
    ),
    max_size=2,
)
PERIOD = st.sampled_from([100000, 50000, 0, 1000, 1000000])


BYTES = st.sampled_from(
    [str(64 * M), "64M", "0", "8E", "131072K", str(64 * M + 1), "max", "", " ", " 64M ", "0x4000000", "9E"]
)
KEYS: dict[str, st.SearchStrategy[str]] = {
    "memory.max": BYTES,
    "memory.swap.max": st.sampled_from(["0", str(32 * M), "32M", "max", "", " ", "8E", str(INT64)]),
    "memory.low": st.sampled_from(["0", "32M", "max"]),
    "memory.high": st.sampled_from(["96M", "max"]),
    "memory.oom.group": st.sampled_from(["0", "1"]),
    "cpu.max": st.sampled_from(
        [
            "50000 100000",
            "100000 100000",
            "200000 100000",
            "20000",
            "max",
            "max 50000",
            "max 100000",
            "",
            "0",
            "50000 max",
        ]
    ),
    "cpu.weight": st.sampled_from(["100", "1", "200"]),
    "cpu.idle": st.sampled_from(["0", "1"]),
    "cpuset.cpus": st.sampled_from(["0", "0,1", "0-1", "1,0", "0-3", "", "all"]),
    "cpuset.mems": st.sampled_from(["0", ""]),
    "pids.max": st.sampled_from(["100", "max", "0", "1", "", "4194304", " 7 "]),
    "io.max": st.sampled_from(
        [
            "8:0 rbps=1048576",
            "8:0 rbps=max wiops=100",
            "8:16 wbps=2097152\n8:0 riops=7",
            "8:0 rbps=max",
            "",
            "8:0 rbps=0",
        ]
    ),
    "io.weight": st.sampled_from(["100", "default 100", "200"]),
    "hugetlb.2MB.max": st.sampled_from(["4194304", "4M", "3000000", "0", "max", ""]),
    "rdma.max": st.sampled_from([f"{ADAPTERS[0]} hca_handle=2", f"{ADAPTERS[0]} hca_handle=max hca_object=9"]),
}

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "memory.limit": SIZE,
    "memory.swap": SWAP,
    "memory.reservation": st.sampled_from([32 * M, 0, -1]),
    "memory.kernel": st.sampled_from([32 * M, -1]),
    "memory.swappiness": st.sampled_from([0, 60, 100, UINT64]),
    "memory.disableOOMKiller": st.booleans(),
    "memory.useHierarchy": st.just(True),
    "memory.checkBeforeUpdate": st.booleans(),
    "cpu.shares": st.sampled_from([0, 2, 1024, 512, 262144]),
    "cpu.quota": st.sampled_from([50000, 100000, 200000, -1, 0, 1000, -2]),
    "cpu.period": PERIOD,
    "cpu.burst": st.sampled_from([0, 1000, 50000]),
    "cpu.idle": st.sampled_from([0, 1]),
    "cpu.cpus": st.sampled_from(["", "0", "0-1", "0,1", "1,0"]),
    "cpu.mems": st.sampled_from(["", "0"]),
    "cpu.realtimeRuntime": st.sampled_from([0, 950000]),
    "pids.limit": st.sampled_from([100, -1, 0, 1, -2, 4194304, INT64]),
    "blockIO.weight": st.sampled_from([0, 10, 100, 500, 1000]),
    "blockIO.throttleReadBpsDevice": RATES,
    "blockIO.throttleWriteBpsDevice": RATES,
    "blockIO.throttleWriteIOPSDevice": RATES,
    "hugepageLimits": st.lists(
        st.fixed_dictionaries(
            {"pageSize": st.just("2MB"), "limit": st.sampled_from([0, 4 * M, 3000000, INT64, UINT64])}
        ),
        max_size=1,
    ),
    "network.classID": st.sampled_from([0, 1048577]),
    "rdma.mlx5_0": st.fixed_dictionaries({}, optional={"hcaHandles": st.just(2), "hcaObjects": st.just(9)}),
    **{section: st.just({}) for section in ("memory", "cpu", "pids", "blockIO", "network", "rdma", "unified")},
    **{f"unified/{key}": values for key, values in KEYS.items()},
}


def _made(chosen: list[tuple[str, Any]]) -> dict[str, Any]:
    """The resources object of some fields; a later one wins over an earlier one of the same name."""
    made: dict[str, Any] = {}
    for name, value in chosen:
        section, _, key = name.partition("/") if "/" in name else name.partition(".")
        if key:
            made.setdefault(section, {})[key] = value
        else:
            made.setdefault(section, value)
    return made


# Fields that speak of one limit, or that one runtime writes together: most objects are about one of these groups.
GROUPS = (
    ("memory.limit", "memory.swap", "unified/memory.max", "unified/memory.swap.max", "memory.swappiness"),
    ("cpu.quota", "cpu.period", "unified/cpu.max", "cpu.shares", "cpu"),
    ("cpu.cpus", "cpu.mems", "unified/cpuset.cpus", "unified/cpuset.mems"),
    ("pids.limit", "unified/pids.max", "pids"),
    (
        "blockIO.throttleReadBpsDevice",
        "blockIO.throttleWriteIOPSDevice",
        "blockIO.throttleWriteBpsDevice",
        "unified/io.max",
    ),
    ("hugepageLimits", "unified/hugetlb.2MB.max"),
    ("rdma.mlx5_0", "unified/rdma.max"),
)


def _fields(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.one_of(*(st.tuples(st.just(name), FIELDS[name]) for name in names))


RESOURCES = st.builds(
    lambda group, others: _made([*group, *others]),
    st.sampled_from(GROUPS).flatmap(lambda names: st.lists(_fields(names), min_size=1, max_size=4)),
    st.lists(_fields(tuple(FIELDS)), max_size=3),
)
