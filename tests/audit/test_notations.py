"""Limits as engines, runtimes, systemd and the kernel write them, in one notation; and how two values compare."""

from __future__ import annotations

from typing import Any

import pytest

from shim.audit import command, target
from shim.audit.after import after, answer
from shim.audit.limit import LOOSER, NONE, OTHER, SAME, TIGHTER, members, relation, shown
from shim.audit.limits import KINDS, cpu, cpuset, hugetlb, io, memory, pids
from shim.audit.numbers import quantity, size, sized
from shim.audit.numbers import shown as read
from tests.hosts_made import make_host

MIB = 1 << 20


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["podman", "run", "-m", "64m", "image", "-m", "1g"], {"--memory": ["64m"]}),
        (["podman", "run", "-m64m", "image"], {"--memory": ["64m"]}),
        (["podman", "run", "-dit", "--memory=64m", "image"], {"-dit": ["true"], "--memory": ["64m"]}),
        (["podman", "--root", "run", "container", "create", "--rm", "i"], {"--rm": ["true"]}),
        (["podman", "run", "--name", "run", "--", "image"], {"--name": ["run"]}),
        (["/usr/bin/podman", "--log-level=debug", "run", "-dm", "1g", "i"], {"--memory": ["1g"]}),
        (["podman", "run", "--memory"], {"--memory": [""]}),
        (["podman"], {}),
    ],
)
def test_podmans_command_line(argv: list[str], found: dict[str, list[str]]) -> None:
    """Options of run and create, up to the image; what follows is the container's own."""
    assert command.options(argv) == found


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("64m", 64 * MIB),
        ("1.5g", 1536 * MIB),
        ("100", 100),
        ("100b", 100),
        ("1k", 1024),
        ("-1", NONE),
        ("x", None),
        ("", None),
    ],
)
def test_sizes_of_command_lines(word: str, value: int | None) -> None:
    """docker's and podman's notation."""
    assert size(word) == value


@pytest.mark.parametrize(
    ("word", "scale", "value"),
    [
        ("500m", 1000, 500),
        ("2", 1000, 2000),
        ("128Mi", 1, 128 * MIB),
        ("1G", 1, 10**9),
        ("1.5", 10**6, 1500000),
        ("x", 1, None),
        ("inf", 1, None),
        ("nan", 1, None),
        ("1Qi", 1, None),
    ],
)
def test_quantities_of_kubernetes(word: str, scale: int, value: int | None) -> None:
    """CPUs and bytes."""
    assert quantity(word, scale) == value


def test_numbers_of_systemd_and_the_kernel() -> None:
    """`infinity`, `max`, v1's largest number; percents of RAM are not told."""
    assert (sized("infinity"), sized("67108864"), sized("64M"), sized("50%"), sized("")) == (
        NONE,
        64 * MIB,
        64 * MIB,
        None,
        None,
    )
    assert (read("max"), read("9223372036854771712\n"), read("5\n"), read(""), read(None)) == (
        NONE,
        NONE,
        5,
        None,
        None,
    )


LIMITS = {limit.key: limit for kind in KINDS for limit in kind.limits}
RELATIONS: list[tuple[str, Any, Any, str]] = [
    ("memory.limit", 64 * MIB, 64 * MIB + 100, SAME),  # the kernel rounds down to a page
    ("memory.limit", 64 * MIB, 64 * MIB + 70000, TIGHTER),
    ("memory.limit", NONE, 64 * MIB, LOOSER),
    ("memory.limit", 64 * MIB, NONE, TIGHTER),
    ("memory.limit", 65 * MIB, 64 * MIB, LOOSER),
    ("cpu.quota", 1240000, 1234560, SAME),  # systemd rounds up to a whole percent
    ("cpu.quota", 1250000, 1234560, LOOSER),
    ("cpu.quota", NONE, 500000, LOOSER),
    ("cpu.weight", "39", "39|100", SAME),
    ("cpu.weight", "77", "39|100", OTHER),
    ("cpuset.cpus", "0,1,2,3", "0-3", SAME),
    ("cpuset.cpus", "0-2", "0-3", TIGHTER),
    ("cpuset.cpus", "0-4", "0-3", LOOSER),
    ("cpuset.cpus", "1-4", "0-3", LOOSER),
    ("pids.limit", 10, 10, SAME),
    ("pids.limit", 9, 10, TIGHTER),
    ("memory.reservation", NONE, 5, LOOSER),
    ("memory.reservation", 6, 5, OTHER),
]


@pytest.mark.parametrize(("key", "value", "wish", "expected"), RELATIONS)
def test_relations(key: str, value: Any, wish: Any, expected: str) -> None:
    """Same, looser, tighter, other; with each party's rounding."""
    assert relation(LIMITS[key], value, wish) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [("0-3", {0, 1, 2, 3}), ("0,2", {0, 2}), ("0-1 4", {0, 1, 4}), ("", set()), ("a-b", set()), ("0-999999999", set())],
)
def test_sets(text: str, found: set[int]) -> None:
    """The kernel's and systemd's lists; nonsense is no member, however large."""
    assert members(text) == found


SAID: list[tuple[Any, Any, dict[str, Any]]] = [
    (
        memory.KIND.oci,
        {"memory": {"limit": 5, "swap": 8, "reservation": -1}},
        {"memory.limit": 5, "memory.swap": 3, "memory.reservation": NONE},
    ),
    (
        memory.KIND.oci,
        {"unified": {"memory.max": "5", "memory.swap.max": "max"}},
        {"memory.limit": 5, "memory.swap": NONE},
    ),
    (
        memory.KIND.docker,
        {"Memory": 5, "MemorySwap": -1, "MemorySwappiness": None},
        {"memory.limit": 5, "memory.swap": NONE},
    ),
    (
        memory.KIND.cri,
        {"memory_limit_in_bytes": 5, "memory_swap_limit_in_bytes": 5},
        {"memory.limit": 5, "memory.swap": 0},
    ),
    (memory.KIND.unit, {"MemoryMax": "5", "MemorySwapMax": "infinity"}, {"memory.limit": 5, "memory.swap": NONE}),
    (
        cpu.KIND.oci,
        {"cpu": {"quota": 5000, "period": 10000, "shares": 1024}},
        {"cpu.quota": 500000, "cpu.weight": "39|100"},
    ),
    (cpu.KIND.oci, {"unified": {"cpu.max": "max 100000"}}, {"cpu.quota": NONE}),
    (cpu.KIND.docker, {"NanoCpus": 1500000000, "CpuShares": 0}, {"cpu.quota": 1500000}),
    (cpu.KIND.podman, {"--cpus": ["0.5"]}, {"cpu.quota": 500000}),
    (cpu.KIND.unit, {"CPUQuota": "50%", "CPUWeight": "39"}, {"cpu.quota": 500000, "cpu.weight": "39"}),
    (cpu.KIND.pod, {"cpu": "250m"}, {"cpu.quota": 250000}),
    (cpuset.KIND.cri, {"cpuset_cpus": "0-1", "cpuset_mems": ""}, {"cpuset.cpus": "0-1"}),
    (pids.KIND.docker, {"PidsLimit": 0}, {}),
    (pids.KIND.docker, {"PidsLimit": -1}, {"pids.limit": NONE}),
    (pids.KIND.podman, {"--pids-limit": ["0"]}, {"pids.limit": NONE}),
    (pids.KIND.oci, {"pids": {"limit": -5}}, {"pids.limit": NONE}),
    (pids.KIND.unit, {"TasksMax": "infinity"}, {"pids.limit": NONE}),
    (io.KIND.oci, {"unified": {"io.max": "8:0 rbps=5 wbps=max"}}, {"io.rbps 8:0": 5, "io.wbps 8:0": NONE}),
    (
        io.KIND.docker,
        {"BlkioWeight": 100, "BlkioDeviceReadBps": [{"Path": "/dev/a", "Rate": 5}], "numbers": {"/dev/a": "8:0"}},
        {"io.weight": "100|910", "io.rbps 8:0": 5},
    ),
    (hugetlb.KIND.oci, {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}, {"hugetlb 2MB": 0}),
    (hugetlb.KIND.cri, {"hugepage_limits": [{"page_size": "2MB", "limit": 4}]}, {"hugetlb 2MB": 4}),
]


@pytest.mark.parametrize(("function", "value", "found"), SAID)
def test_notations(function: Any, value: Any, found: dict[str, Any]) -> None:
    """Each party's notation for cgroup2, with the conversions of OCI's runtime-spec and of systemd's units."""
    assert function(value, 2) == found


@pytest.mark.parametrize("value", [None, True, "x", [], {"limit": "5"}, {"limit": None}, 1 << 70])
def test_nonsense_in_records_is_nothing(value: Any) -> None:
    """A record is somebody else's file: types that should not be there are no limits, and no errors."""
    broken = dict.fromkeys(("memory", "cpu", "pids", "blockIO", "unified", "hugepageLimits", "devices"), value)
    for kind in KINDS:
        if not isinstance(value, (bool, int, str)):
            kind.oci(broken, 2)
        kind.docker(dict.fromkeys(("Memory", "CpuShares", "PidsLimit", "BlkioWeight", "CpusetCpus"), value), 1)
        kind.runc(dict.fromkeys(("memory", "cpu_shares", "pids_limit", "cpuset_cpus"), value), 2)


@pytest.mark.parametrize("value", [None, True, 5, "x", "", "max max", "8:0", "-1", "\u00b2", [], {}, "9" * 30])
def test_nonsense_in_unified_is_nothing_worse(value: Any) -> None:
    """A key of `unified` may hold anything: each kind reads it, or leaves it out, on either version."""
    names = [file for kind in KINDS for file in kind.files[2]] + ["hugetlb.2MB.max"]
    for kind in KINDS:
        for version in (1, 2):
            for found in (
                kind.oci({"unified": dict.fromkeys(names, value)}, version),
                kind.cri({"unified": value}, version),
            ):
                assert all(isinstance(one, (int, str)) for one in found.values())


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("bytes", 64 * MIB, "64 MiB"),
        ("bytes", NONE, "none"),
        ("bytes", 1000, "1000 B"),
        ("cpus", 500000, "0.5 CPUs"),
        ("bytes/s", MIB, "1 MiB/s"),
        ("weight", "39|100", "39 or 100"),
        ("", -1, "-1"),
        ("count", 5, "5"),
        ("count", None, "-"),
    ],
)
def test_values_as_people_read_them(unit: str, value: Any, text: str) -> None:
    """In their units; no limit is "none"."""
    assert shown(unit, value) == text


FILES = (
    "memory.max",
    "memory.swap.max",
    "memory.limit_in_bytes",
    "cpu.max",
    "cpu.max.burst",
    "pids.max",
    "cgroup.kill",
)


def test_target_with_cgroup2_only() -> None:
    """Every controller that is anywhere today is on cgroup2, v1's own are gone, v1's files too."""
    here = make_host("legacy", interface={"memory.memsw.limit_in_bytes": True, "cpu.cfs_burst_us": False})
    there = target.unified(here, FILES)
    assert there.layout == "unified"
    assert {name: there.version(name) for name in ("memory", "io", "rdma", "devices", "net_cls")} == {
        "memory": 2,
        "io": 2,
        "rdma": 2,
        "devices": 0,
        "net_cls": 0,
    }
    assert there.interface == {
        "memory.max": True,
        "memory.swap.max": True,
        "memory.limit_in_bytes": False,
        "cpu.max": True,
        "cpu.max.burst": False,
        "pids.max": True,
        "cgroup.kill": True,
    }


@pytest.mark.parametrize("layout", ["legacy", "hybrid", "unified"])
def test_target_without_v1_code(layout: str) -> None:
    """memory and cpuset are in cgroup2 beside v1 hierarchies, from whatever layout one starts."""
    there = target.without_v1_code(make_host(layout), FILES)
    assert there.layout == "hybrid"
    assert {name: there.version(name) for name in ("memory", "cpuset", "cpu", "pids", "io")} == {
        "memory": 2,
        "cpuset": 2,
        "cpu": 1,
        "pids": 1,
        "io": 1,
    }
    assert there.has("memory.limit_in_bytes") is False
    assert there.has("memory.max") is True


def test_outcomes_of_a_migration() -> None:
    """Each of the four, and the answer that the worst of them gives."""
    there = target.unified(make_host("legacy"), ())
    same = after({"memory": {"limit": 64 * MIB}}, there, "runc", "cgroupfs")
    hint = after({"memory": {"swappiness": 10}}, there, "runc", "cgroupfs")
    without = target.unified(make_host("legacy", versions={"memory": 0}), ())
    guard = after({"memory": {"limit": 64 * MIB}}, without, "runc", "cgroupfs")
    legacy = target.without_v1_code(make_host("legacy"), ("memory.max",))
    bridged = after({"memory": {"limit": 64 * MIB}}, legacy, "runc", "cgroupfs")
    outcomes = [one.outcome for one in (same, hint, guard, bridged)]
    assert outcomes == ["nothing changes", "a hint is lost", "nobody can enforce", "cgshim translates"]
    assert answer(outcomes[:1]) == "Yes: the container keeps its limits as they are."
    assert answer(outcomes[:2]) == "Yes, with a loss of tuning values: 1 of 2 containers loses a hint."
    assert answer(outcomes[2:]) == "Not yet: 1 of 2 containers has limits that nobody can enforce there."
    assert answer([*outcomes, *outcomes]).startswith("Not yet: 2 of 8 containers have limits")
    assert answer([]) == "Yes: there are no containers."
    assert after({}, there, "crun", "cgroupfs", "crun starts nothing").changes[-1].field == "(every container)"
