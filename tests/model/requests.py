"""Resources objects for the model: every guard in both notations, with the values on which things go wrong.

Types are the runtime-spec's (schema/config-linux.json). Values are few and shared, so that fields meet each other.
"""

from __future__ import annotations

import copy
import itertools
import re
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.model.kernel import ADAPTERS, DISKS

if TYPE_CHECKING:
    import random

M = 1 << 20
INT64, UINT64 = (1 << 63) - 1, (1 << 64) - 1
SIZE = (64 * M, 96 * M, 128 * M, 64 * M + 1, -1, 0, INT64)
SWAP = (64 * M, 128 * M, 192 * M, -1, 0, 32 * M, INT64)
RATE: tuple[dict[str, int], ...] = ({"rate": 1048576}, {"rate": 100}, {"rate": 0}, {"rate": UINT64}, {})
THROTTLE = tuple(
    {**dict(zip(("major", "minor"), map(int, disk.split(":")))), **rate} for disk in DISKS[1:] for rate in RATE
)
RATES = tuple(list(some) for count in range(3) for some in itertools.product(THROTTLE, repeat=count))
PERIOD = (100000, 50000, 0, 1000, 1000000)
BYTES = (str(64 * M), "64M", "0", "8E", "131072K", str(64 * M + 1), "max", "", " ", " 64M ", "0x4000000", "9E")
CPU_MAX = (
    *("50000 100000", "100000 100000", "200000 100000", "20000", "max"),
    *("max 50000", "max 100000", "", "0", "50000 max"),
)
IO_MAX = (
    *("8:0 rbps=1048576", "8:0 rbps=max wiops=100", "8:16 wbps=2097152\n8:0 riops=7"),
    *("8:0 rbps=max", "", "8:0 rbps=0"),
)
KEYS: dict[str, tuple[str, ...]] = {
    "memory.max": BYTES,
    "memory.swap.max": ("0", str(32 * M), "32M", "max", "", " ", "8E", str(INT64)),
    "memory.low": ("0", "32M", "max"),
    "memory.high": ("96M", "max"),
    "memory.oom.group": ("0", "1"),
    "cpu.max": CPU_MAX,
    "cpu.weight": ("100", "1", "200"),
    "cpu.idle": ("0", "1"),
    "cpuset.cpus": ("0", "0,1", "0-1", "1,0", "0-3", "", "all"),
    "cpuset.mems": ("0", ""),
    "pids.max": ("100", "max", "0", "1", "", "4194304", " 7 "),
    "io.max": IO_MAX,
    "io.weight": ("100", "default 100", "200"),
    "hugetlb.2MB.max": ("4194304", "4M", "3000000", "0", "max", ""),
    "rdma.max": (f"{ADAPTERS[0]} hca_handle=2", f"{ADAPTERS[0]} hca_handle=max hca_object=9"),
}
FIELDS: dict[str, tuple[Any, ...]] = {
    "memory.limit": SIZE,
    "memory.swap": SWAP,
    "memory.reservation": (32 * M, 0, -1),
    "memory.kernel": (32 * M, -1),
    "memory.swappiness": (0, 60, 100, UINT64),
    "memory.disableOOMKiller": (False, True),
    "memory.useHierarchy": (True,),
    "memory.checkBeforeUpdate": (False, True),
    "cpu.shares": (0, 2, 1024, 512, 262144),
    "cpu.quota": (50000, 100000, 200000, -1, 0, 1000, -2),
    "cpu.period": PERIOD,
    "cpu.burst": (0, 1000, 50000),
    "cpu.idle": (0, 1),
    "cpu.cpus": ("", "0", "0-1", "0,1", "1,0"),
    "cpu.mems": ("", "0"),
    "cpu.realtimeRuntime": (0, 950000),
    "pids.limit": (100, -1, 0, 1, -2, 4194304, INT64),
    "blockIO.weight": (0, 10, 100, 500, 1000),
    "blockIO.throttleReadBpsDevice": RATES,
    "blockIO.throttleWriteBpsDevice": RATES,
    "blockIO.throttleWriteIOPSDevice": RATES,
    "hugepageLimits": ([], *([{"pageSize": "2MB", "limit": size}] for size in (0, 4 * M, 3000000, INT64, UINT64))),
    "network.classID": (0, 1048577),
    "rdma.mlx5_0": ({}, {"hcaHandles": 2}, {"hcaObjects": 9}, {"hcaHandles": 2, "hcaObjects": 9}),
    **{section: ({},) for section in ("memory", "cpu", "pids", "blockIO", "network", "rdma", "unified")},
    **{f"unified/{key}": values for key, values in KEYS.items()},
}


def made(chosen: list[tuple[str, Any]]) -> dict[str, Any]:
    """The resources object of some fields; a later one wins over an earlier one of the same name."""
    found: dict[str, Any] = {}
    for name, value in chosen:
        section, _, key = name.partition("/") if "/" in name else name.partition(".")
        if key:
            found.setdefault(section, {})[key] = copy.deepcopy(value)  # the tables are there for the next one, too
        else:
            found.setdefault(section, copy.deepcopy(value))
    return found


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


def _as_often(names: tuple[str, ...]) -> list[tuple[str, Any]]:
    most = max(len(FIELDS[name]) for name in names)
    return [(name, value) for name in names for value in itertools.islice(itertools.cycle(FIELDS[name]), most)]


def _fields(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, Any]]:
    """One field with a value, each field as often as any other. One choice instead of two, which are slow."""
    return st.sampled_from(_as_often(names))


GROUP = st.one_of(*(st.lists(_fields(names), min_size=1, max_size=4) for names in GROUPS))
RESOURCES = st.builds(
    lambda group, others: made([*group, *others]), GROUP, st.lists(_fields(tuple(FIELDS)), max_size=3)
)

_IN_GROUPS, _ANY = [_as_often(names) for names in GROUPS], _as_often(tuple(FIELDS))

# What may stand in place of a number: the ends of the types, and what is next to a page.
ENDS = (-2, -1, 0, 1, 2, 4095, 4096, 4097, (1 << 31) - 1, 1 << 31, 1 << 32, INT64 - 4096, INT64, INT64 + 1, UINT64)
SIGNED = (
    *("memory.limit", "memory.swap", "memory.reservation", "memory.kernel", "memory.kernelTCP", "pids.limit"),
    *("cpu.quota", "cpu.realtimeRuntime", "cpu.idle"),
)
NARROW = {
    "swappiness": 200,
    "pages": 1 << 61,  # bytes of huge pages
    "weight": (1 << 16) - 1,
    "classID": (1 << 32) - 1,
    "hcaHandles": (1 << 32) - 1,
    "hcaObjects": (1 << 32) - 1,
}
NAMES = ("major", "minor", "pageSize")
NUMBER = re.compile(r"(?<![:\w])\d+(?![:\w])")  # in a value of `unified`, and not in 8:0 or mlx5_0


def drawn(chance: random.Random) -> dict[str, Any]:
    """As RESOURCES, without the cost of hypothesis and its smaller examples; every fourth with other numbers."""
    group = chance.choices(chance.choice(_IN_GROUPS), k=chance.randint(1, 4))
    chosen = [*group, *chance.choices(_ANY, k=chance.randint(0, 3))]
    if chance.random() < 0.25:
        chosen = [(name, _varied(value, name, chance)) for name, value in chosen]
    return made(chosen)


def _varied(value: Any, field: str, chance: random.Random) -> Any:
    """The value of a field with other numbers of its type in it, every second of them."""
    if isinstance(value, list):
        return [_varied(one, field, chance) for one in value]
    if isinstance(value, dict):
        return {name: one if name in NAMES else _varied(one, f"{field}.{name}", chance) for name, one in value.items()}
    if isinstance(value, bool) or chance.random() < 0.5:
        return value
    if isinstance(value, str):
        most = NARROW["pages"] if "hugetlb" in field else UINT64
        return NUMBER.sub(lambda found: str(min(max(_other(int(found[0]), chance), 0), most)), value)
    least, most = (
        (-INT64 - 1, INT64)
        if field in SIGNED
        else (0, NARROW.get(field.replace("hugepageLimits.limit", "pages").rpartition(".")[2], UINT64))
    )
    return min(max(_other(value, chance), least), most)


def _other(value: int, chance: random.Random) -> int:
    """Its neighbours, a multiple, an end of a type, or a number of any length."""
    any_length = chance.getrandbits(chance.randint(1, 64))
    return chance.choice((value - 1, value + 1, 2 * value, chance.choice(ENDS), any_length))
