"""Every kind of fault that the comparison with the model has found, each as its smallest example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.model.judged import MACHINES, Call, faults

if TYPE_CHECKING:
    from tests.model.judged import Family

M = 1 << 20
UINT32, INT64, UINT64 = (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1
V1, HYBRID, CGROUP2 = "matrix-legacy-6.1", "debian13-hybrid-6.12", "matrix-unified-7"
RUNC: tuple[Family, tuple[int, ...]] = ("runc", (1, 3, 6))
CRUN: tuple[Family, tuple[int, ...]] = ("crun", (1, 28))
BPS = {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}]}
LIMITED = {"memory": {"limit": 128 * M, "swap": 192 * M}, "pids": {"limit": 100}}
# name -> resources, captured host, runtime and version.
STARTS: dict[str, tuple[dict[str, Any], str, tuple[Family, tuple[int, ...]]]] = {
    "one CPU passes for none": ({"unified": {"cpu.max": "100000 100000"}}, CGROUP2, RUNC),
    "cpuset in unified": ({"unified": {"cpuset.cpus": "0-1"}}, CGROUP2, RUNC),
    "io.max in unified": ({"unified": {"io.max": "8:16 wbps=2097152\n8:0 riops=7"}}, CGROUP2, CRUN),
    "hugetlb in unified": ({"unified": {"hugetlb.2MB.max": "4M"}}, CGROUP2, CRUN),
    "rdma in unified": ({"unified": {"rdma.max": "mlx5_0 hca_handle=2"}}, CGROUP2, RUNC),
    "cpuset in the kernel's spelling": ({"unified": {"cpuset.cpus": "0,1"}}, HYBRID, RUNC),
    "hugetlb in the kernel's spelling": ({"unified": {"hugetlb.2MB.max": "4M"}}, "debian12-hybrid-6.18", RUNC),
    "memory in hexadecimal": ({"unified": {"memory.max": "0x4000000"}}, CGROUP2, RUNC),
    "memory 0 on v1": ({"unified": {"memory.max": "0"}}, V1, RUNC),
    "white space is 0": ({"unified": {"memory.max": " "}}, HYBRID, RUNC),
    "white space is 0 for swap": ({"unified": {"memory.swap.max": " "}}, V1, RUNC),
    "swap alone over unified": (
        {"memory": {"limit": -1, "swap": 64 * M}, "unified": {"memory.swap.max": "32M"}},
        CGROUP2,
        RUNC,
    ),
    "period stays with one number": ({"cpu": {"period": 1000000}, "unified": {"cpu.max": "20000"}}, V1, RUNC),
    "swappiness unset": ({"memory": {"swappiness": UINT64}}, V1, RUNC),
    "throttle without a rate": ({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}}, V1, RUNC),
    "unlimited in every number": ({"memory": {"limit": -1, "swap": INT64}}, V1, RUNC),
    "no limit in every number": ({"memory": {"limit": INT64, "swap": INT64}}, "debian12-hybrid-6.18", ("runc", (1, 0))),
    "swap in unified that is no limit": (
        {"memory": {"swap": 0}, "unified": {"memory.swap.max": "8E"}},
        "debian12-hybrid-6.18",
        ("crun", (0, 17)),
    ),
    "a sum that no runtime reads": (
        {"memory": {"limit": 64 * M, "swap": INT64}, "unified": {"memory.max": str(128 * M)}},
        V1,
        RUNC,
    ),
    "swap that is no limit where nobody counts it": (
        {"memory": {"limit": 64 * M, "swap": INT64}},
        "matrix-swapaccount-0-legacy",
        ("crun", (1, 18)),
    ),
    "swap none beside memory above int64": ({"unified": {"memory.max": "8E", "memory.swap.max": "0"}}, V1, RUNC),
    "swap none beside a limit above int64": (
        {"memory": {"limit": INT64}, "unified": {"memory.swap.max": "0"}},
        V1,
        RUNC,
    ),
    "crun's no swap beside a limit above int64": ({"memory": {"limit": INT64, "swap": 0}}, V1, CRUN),
    "crun's no swap where the layout is not understood": (
        {"memory": {"limit": -1, "swap": 0}},
        "unified-with-v1-inside-5.10",
        ("crun", (0, 17)),
    ),
    "swappiness asked for beside swap without limit": (
        {"memory": {"swap": -1, "swappiness": 0}, "unified": {"memory.max": "64M"}},
        "matrix-swapaccount-0-legacy",
        ("crun", (0, 17)),
    ),
    "unified wins in cgroup2 beside v1": (
        {"cpu": {"quota": 100000}, "unified": {"cpu.max": "max 100000"}},
        "uos-5.10",
        RUNC,
    ),
    "an rdma line keeps what it does not name": (
        {"rdma": {"mlx5_0": {"hcaObjects": 9}}, "unified": {"rdma.max": "mlx5_0 hca_handle=2"}},
        V1,
        RUNC,
    ),
    "an rdma line keeps what runc 1.0 does not read": (
        {"rdma": {"mlx5_0": {"hcaObjects": 9}}, "unified": {"rdma.max": "mlx5_0 hca_handle=2"}},
        CGROUP2,
        ("runc", (1, 0, 0)),
    ),
    "an empty key hides no quota": ({"cpu": {"quota": 50000}, "unified": {"cpu.max": ""}}, CGROUP2, RUNC),
    "an empty key hides no pids": ({"pids": {"limit": 100}, "unified": {"pids.max": ""}}, CGROUP2, CRUN),
    "an empty key hides no memory": ({"memory": {"limit": 64 * M}, "unified": {"memory.max": ""}}, CGROUP2, RUNC),
    "an empty key hides no cpuset": ({"cpu": {"cpus": "0"}, "unified": {"cpuset.cpus": ""}}, CGROUP2, CRUN),
    "another device hides no throttle": ({"blockIO": BPS, "unified": {"io.max": "8:16 riops=7"}}, CGROUP2, RUNC),
    "crun's no swap without a limit, on v1": ({"memory": {"swap": 0}}, V1, CRUN),
    "crun's no swap without a limit": ({"memory": {"swap": 0}}, CGROUP2, CRUN),
    "crun's no swap where memory is nowhere": ({"memory": {"swap": 0}}, "matrix-memory-off", CRUN),
    "swap alone fills a page with crun's byte more": (
        {"memory": {"swap": 128 * M - 1, "limit": -1}, "unified": {"memory.max": "67108865"}},
        "matrix-unified-5.10",
        ("crun", (0, 17)),
    ),
    "two rests of a page are no page of swap": (
        {"memory": {"swap": 128 * M, "limit": 64 * M + 2}, "unified": {"memory.swap.max": "4095"}},
        "debian12-hybrid-6.18",
        ("runc", (1, 2, 0)),
    ),
    "a negative limit is crun's no limit": ({"memory": {"limit": -2, "swap": -1}}, CGROUP2, CRUN),
    "a negative reservation is crun's largest": ({"memory": {"reservation": -2}}, V1, ("crun", (1, 4, 5))),
    "rdma counts that are no limit, unread": (
        {"rdma": {"mlx5_0": {"hcaHandles": UINT32, "hcaObjects": UINT32}}},
        "matrix-psi-0",
        ("crun", (1, 18)),
    ),
    "rdma counts that are no limit, nowhere": (
        {"rdma": {"mlx5_0": {"hcaHandles": UINT32}}},
        "debian12-subtree-bind-6.1",
        CRUN,
    ),
    "an empty key that runc refuses on v1": (
        {"unified": {"memory.max": ""}, "memory": {"swap": INT64, "limit": INT64}},
        V1,
        ("runc", (1, 1, 15)),
    ),
    "a burst that runc does not read": ({"cpu": {"quota": 1000, "burst": 50000}}, CGROUP2, ("runc", (1, 1, 5))),
}
# name -> what it was created from, the update, captured host, runtime and version.
UPDATES: dict[str, tuple[dict[str, Any], dict[str, Any], str, tuple[Family, tuple[int, ...]]]] = {
    "a throttle that runc does not read": (
        {},
        {"blockIO": BPS, "unified": {"io.max": "8:16 riops=7"}},
        CGROUP2,
        ("runc", (1, 1, 5)),
    ),
    "huge pages that runc does not read": (
        {},
        {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * M}], "unified": {"hugetlb.2MB.max": ""}},
        CGROUP2,
        RUNC,
    ),
    "a period beside a quota of unified": (
        {"cpu": {"quota": 20000}, "pids": {"limit": 7}},
        {"cpu": {"period": 1000000}, "unified": {"cpu.max": "20000"}},
        "debian12-inherited-cgroupns-6.1",
        ("runc", (1, 0)),
    ),
    "a period that unified overrides": (
        {},
        {"cpu": {"period": 1000000}, "unified": {"cpu.max": "100000 100000"}},
        CGROUP2,
        CRUN,
    ),
    "a rate that is no limit": (
        {},
        {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": UINT64}]}},
        "debian12-private-cgroupns-6.1",
        ("runc", (1, 1, 5)),
    ),
    "no limit in every number": (
        {},
        {"memory": {"limit": INT64, "swap": INT64}},
        "matrix-swapaccount-0-legacy",
        ("runc", (1, 0)),
    ),
    "swap alone on cgroup2": (LIMITED, {"memory": {"swap": 128 * M}}, "wsl2-6.18", ("runc", (1, 2))),
    "swap alone beside another limit in unified": (
        LIMITED,
        {"memory": {"swap": 128 * M}, "unified": {"memory.max": "67108864"}},
        "wsl2-6.18",
        ("runc", (1, 2)),
    ),
    "swap alone on v1": (LIMITED, {"memory": {"swap": 160 * M}}, V1, RUNC),
    "swap that counts from a limit beside another one": (
        LIMITED,
        {"memory": {"swap": 128 * M}, "unified": {"memory.max": "67108864"}},
        V1,
        RUNC,
    ),
    "swap alone that is no limit": ({}, {"memory": {"swap": INT64}}, "debian12-hybrid-6.18", ("crun", (0, 17))),
    "swap alone that is no limit, on cgroup2": (LIMITED, {"memory": {"swap": INT64}}, CGROUP2, CRUN),
    "rdma's largest count in the kernel's spelling": (
        {},
        {"unified": {"rdma.max": "mlx5_0 hca_handle=2147483647"}},
        "debian12-unified-6.1",
        ("runc", (1, 1, 15)),
    ),
    "swappiness that runc does not read": (
        LIMITED,
        {"memory": {"swappiness": 200}},
        "matrix-hybrid-6.1",
        ("runc", (1, 2, 0)),
    ),
    "swap alone where crun ignores it": (
        {"memory": {"limit": 64 * M}},
        {"memory": {"swap": 64 * M}},
        "matrix-swapaccount-0-legacy",
        CRUN,
    ),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_start_that_was_wrong_once(name: str) -> None:
    """The smallest start of each kind of fault means what it says now."""
    resources, host, (family, version) = STARTS[name]
    assert list(faults(Call(resources, MACHINES[host], family, version))) == []


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_that_was_wrong_once(name: str) -> None:
    """The smallest update of each kind of fault means what it says now."""
    base, changes, host, (family, version) = UPDATES[name]
    assert list(faults(Call(base, MACHINES[host], family, version, changes))) == []
