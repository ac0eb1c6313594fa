"""Reading back: which file, which shape (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from shim.enforce.verify import agrees, cgroup, verify
from shim.host.facts import HYBRID, LEGACY, UNIFIED
from shim.host.view import View
from shim.rules.base import GUARD, Expectation
from tests.cgroup_tree import INIT, Tree
from tests.hosts_made import make_host
from tests.planned import plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from shim.host.view import Identity
    from shim.rules.base import Shape

PAGE = os.sysconf("SC_PAGE_SIZE")
MOUNT = "/sys/fs/cgroup"


def _expect(value: str, shape: Shape = "exact", *, file: str = "memory.max", version: int = 2) -> Expectation:
    controller = {"blkio": "io"}.get(file.partition(".")[0], file.partition(".")[0])
    return Expectation(
        field=f"field.{file}",
        kind=GUARD,
        controller=controller,
        version=version,
        file=file,
        value=value,
        shape=shape,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty host."""
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("67108864", "67108864\n", True),
        (str(16 * PAGE + 1), f"{16 * PAGE}\n", True),
        (str(17 * PAGE - 1), f"{16 * PAGE}\n", True),
        (str(16 * PAGE), f"{15 * PAGE}\n", False),
        (str(16 * PAGE), f"{17 * PAGE}\n", False),
        (str(16 * PAGE + 1), f"{17 * PAGE}\n", False),
        (str(PAGE - 1), "0\n", True),
        ("0", "0\n", True),
        ("0", "max\n", False),
        ("67108864", "max\n", False),
        ("67108864", "9223372036854771712\n", False),
        ("max", "max\n", True),
        ("max", "9223372036854771712\n", True),
        ("max", "67108864\n", False),
        ("9223372036854775807", "max\n", True),
        ("9223372036854775807", "9223372036854771712\n", True),
        ("64M", "67108864\n", True),
        ("67108864", "nonsense\n", False),
        ("67108864", "", False),
    ],
)
def test_sizes_are_rounded_down_to_a_page(wanted: str, found: str, same: bool) -> None:
    """Limits in bytes may lose less than a page; "no limit" is `max` or, on v1, the page counter's largest value."""
    assert agrees(_expect(wanted, "page"), found) is same


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("32", "32\n", True),
        ("32", "33\n", False),
        ("max", "max\n", True),
        ("50000 100000", "50000 100000\n", True),
        ("50000 100000", "max 100000\n", False),
        ("-1", "-1", True),
        ("32", "3\n", False),
        ("32", "320\n", False),
    ],
)
def test_other_values_are_not_rounded(wanted: str, found: str, same: bool) -> None:
    """A value that is not a size is there as it was asked for, or it is missing."""
    assert agrees(_expect(wanted), found) is same


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("8:0 rbps=1048576", "8:0 rbps=1048576 wbps=max riops=max wiops=max\n", True),
        ("8:0 rbps=1048576", "8:16 rbps=1 wbps=max\n8:0 rbps=1048576 wbps=max\n", True),
        ("8:0 rbps=1048576", "8:16 rbps=1048576 wbps=max\n8:0 rbps=max wbps=max\n", False),
        ("8:0 rbps=1048576", "8:0 rbps=10485760\n", False),
        ("8:0 rbps=1048576", "", False),
        ("8:0 1048576", "8:0 1048576\n", True),
        ("8:0 1048576\n8:16 5", "8:0 1048576\n", False),
        ("8:0 1048576\n8:16 5", "8:16 5\n8:0 1048576\n", True),
    ],
)
def test_a_line_of_many(wanted: str, found: str, same: bool) -> None:
    """Files with a line for each device need one line that has every word; the order of lines does not count."""
    assert agrees(_expect(wanted, "lines", file="io.max"), found) is same


# kernel/sched/core.c: cpu.max is "QUOTA PERIOD", and a write of one word keeps the period.
POSITIONAL: list[tuple[dict[str, Any], str, str, bool]] = [
    ({"unified": {"cpu.max": "100000 100000"}}, "create", "max 100000", False),
    ({"unified": {"cpu.max": "200000 100000"}}, "create", "100000 200000", False),
    ({"cpu": {"quota": 100000}}, "update", "max 100000", False),
    ({"cpu": {"quota": 50000}}, "update", "max 50000", False),
    ({"cpu": {"period": 100000}}, "update", "100000 50000", False),
    ({"unified": {"cpu.max": "100000 100000"}}, "create", "100000 100000", True),
    ({"unified": {"cpu.max": "50000"}}, "update", "50000 20000", True),
    ({"unified": {"cpu.max": "max"}}, "update", "max 20000", True),
    ({"unified": {"cpu.max": "20000"}}, "update", "max 20000", False),
    ({"cpu": {"quota": 100000}}, "update", "100000 20000", True),
    ({"cpu": {"period": 20000}}, "update", "100000 20000", True),
    ({"cpu": {"period": 20000}}, "update", "20000 100000", False),
    ({"cpu": {"quota": 9000, "period": 7000}, "unified": {"cpu.max": "5000"}}, "create", "5000 7000", True),
    ({"cpu": {"quota": 9000, "period": 7000}, "unified": {"cpu.max": "5000"}}, "create", "5000 100000", False),
]


@pytest.mark.parametrize(("resources", "operation", "found", "same"), POSITIONAL)
def test_the_place_of_a_word_counts(resources: dict[str, Any], operation: str, found: str, same: bool) -> None:
    """A quota is the first word of cpu.max and a period the second; one that equals the other proves nothing."""
    plan = plan_of(resources, make_host(UNIFIED), "runc", operation)
    checks = [agrees(one, found + "\n") for one in plan.expectations if one.file == "cpu.max"]
    assert checks
    assert all(checks) is same


# key, what was asked, what the kernel shows, is that the limit: Documentation/admin-guide/cgroup-v2.rst.
FORMS = [
    ("cpuset.cpus", "0,1", "0-1", True),
    ("cpuset.cpus", "0-3:1/2", "0,2", True),
    ("cpuset.cpus", "all", "0-7", True),
    ("cpuset.cpus", "all", "", False),
    ("cpuset.cpus", "0-1", "", False),
    ("cpuset.mems", "0", "0-1", False),
    ("hugetlb.2MB.max", "4M", "4194304", True),
    ("hugetlb.2MB.max", "3000000", "2097152", True),
    ("hugetlb.2MB.max", "3000000", "4194304", False),
    ("hugetlb.2MB.max", "max", "max", True),
    ("hugetlb.2MB.max", "max", "4194304", False),
    ("hugetlb.2MB.rsvd.max", "4M", "max", False),
    ("io.max", "8:0 rbps=max", "", True),
    ("io.max", "8:0 rbps=5 wbps=max", "8:0 rbps=5 wbps=max riops=max wiops=max", True),
    ("io.max", "8:0 riops=4294967295", "", True),
    ("io.max", "8:0 wiops=4294967295", "", True),
    ("io.max", "8:0 wiops=4294967294", "", False),
    ("io.max", "8:0 rbps=18446744073709551615 wbps=18446744073709551615", "", True),
    ("io.max", "8:0 rbps=18446744073709551614", "", False),
    ("io.max", "8:0 rbps=10M", "8:0 rbps=10 wbps=max riops=max wiops=max", False),
    ("io.max", "8:0 rbps=5", "", False),
    ("io.max", "8:0 rbps=5\n8:16 wiops=9", "8:0 rbps=5 wbps=max riops=max wiops=max", False),
    ("io.max", "8:0 rbps=5\n8:0 wiops=9", "8:0 rbps=5 wbps=max riops=max wiops=9", True),
    ("io.weight", "200", "default 200", True),
    ("io.weight", "200", "default 100\n8:0 200", False),
    ("io.weight", "default 100\n8:0 200", "default 100\n8:0 200", True),
    ("io.weight", "default 100\n8:0 default", "default 100", True),
    ("rdma.max", "mlx5_0 hca_handle=2", "mlx5_0 hca_handle=2 hca_object=max", True),
    ("rdma.max", "mlx5_0 hca_handle=2", "mlx5_0 hca_handle=max hca_object=2", False),
    ("misc.max", "res_a 1", "res_a 1\nres_b max", True),
    ("misc.max", "res_a 1", "res_a max\nres_b 1", False),
    ("dmem.max", "drm/card0/vram0 1G", "drm/card0/vram0 1073741824", True),
    ("dmem.max", "drm/card0/vram0 1G", "drm/card0/vram0 max", False),
    ("memory.oom.group", "1", "0", False),
    ("memory.oom.group", "1", "1", True),
    ("memory.zswap.writeback", "0", "1", False),
    ("memory.max", "0x4000000", "67108864", True),
    ("memory.max", " ", "0", True),
    ("memory.max", " ", "max", False),
    ("pids.max", "0x20", "32", True),
    ("cpu.uclamp.min", "10", "10.00", True),
    ("cpu.uclamp.min", "10", "0.00", False),
    ("cpu.weight", "50", "100", False),
    ("cpuset.future", "0,1", "0-1", True),
    ("cpuset.future", "0,1", "0", False),
    ("io.future", "8:0 a=1", "8:0 a=1 b=max", True),
    ("memory.future", "64M", "67108864", True),
    ("memory.future", "64M", "max", False),
]


@pytest.mark.parametrize("layout", [UNIFIED, HYBRID])
@pytest.mark.parametrize(("key", "asked", "found", "same"), FORMS)
def test_keys_are_compared_in_the_kernels_form(layout: str, key: str, asked: str, found: str, same: bool) -> None:
    """What `unified` sets is read back wherever cgroup2 has it, whether the runtime or the bridge writes it."""
    host = make_host(layout, versions={key.partition(".")[0]: 2})
    plan = plan_of({"unified": {key: asked}}, host, "runc", "update")
    assert [one.file for one in plan.expectations] == [key] * len(plan.expectations) != []
    assert all(agrees(one, found + "\n") for one in plan.expectations) is same


def test_limits_are_read_in_the_containers_own_cgroup(tree: Tree) -> None:
    """The process's path below the mount of its hierarchy; a value that is there is no finding."""
    tree.process("0::/pod/c\n")
    tree.write(f"{MOUNT}/pod/c/memory.max", "67108864\n")
    tree.write(f"{MOUNT}/pod/c/pids.max", "32\n")
    expectations = (_expect("67108865", "page"), _expect("32", file="pids.max"))
    assert verify(tree.view, INIT, expectations, make_host(UNIFIED)) == ()


def test_a_value_that_did_not_land(tree: Tree) -> None:
    """The finding has the file, what it shows and what was asked."""
    tree.process("0::/pod/c\n")
    tree.write(f"{MOUNT}/pod/c/memory.max", "max\n")
    (found,) = verify(tree.view, INIT, (_expect("67108864", "page"),), make_host(UNIFIED))
    assert found.found == "max"
    assert found.text() == f"{MOUNT}/pod/c/memory.max: 'max'; field.memory.max asked for '67108864'"


def test_a_file_of_several_lines_is_shown_in_one(tree: Tree) -> None:
    """A finding is one line, whatever the file holds."""
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/io.max", "8:0 rbps=1\n8:16 rbps=2\n")
    (found,) = verify(tree.view, INIT, (_expect("9:0 rbps=3", "lines", file="io.max"),), make_host(UNIFIED))
    assert found.text().startswith(f"{MOUNT}/c/io.max: '8:0 rbps=1 | 8:16 rbps=2'; ")


def test_a_missing_file_is_a_limit_that_did_not_land(tree: Tree) -> None:
    """The cgroup is there, its controller is not: that is a loss, with the errno."""
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/cgroup.procs")
    (found,) = verify(tree.view, INIT, (_expect("32", file="pids.max"),), make_host(UNIFIED))
    assert found.found == ""
    assert found.text() == f"{MOUNT}/c/pids.max: ENOENT; field.pids.max asked for '32'"


def test_v1_hierarchies_are_those_of_the_controller(tree: Tree) -> None:
    """On v1 every controller has a path of its own; cgroup2's io is called blkio there."""
    tree.process("4:memory:/a\n3:blkio:/b\n2:cpu,cpuacct:/c\n0::/d\n")
    tree.write(f"{MOUNT}/memory/a/memory.limit_in_bytes", "67108864\n")
    tree.write(f"{MOUNT}/blkio/b/blkio.throttle.read_bps_device", "8:0 1048576\n")
    tree.write(f"{MOUNT}/cpu,cpuacct/c/cpu.cfs_quota_us", "50000\n")
    expectations = (
        _expect("67108864", "page", file="memory.limit_in_bytes", version=1),
        _expect("8:0 1048576", "lines", file="blkio.throttle.read_bps_device", version=1),
        _expect("50000", file="cpu.cfs_quota_us", version=1),
    )
    assert verify(tree.view, INIT, expectations, make_host(LEGACY)) == ()


def test_hybrid_hosts_are_read_in_both(tree: Tree) -> None:
    """What cgroup2 has is read below its own mount, the rest on v1."""
    tree.process("4:pids:/a\n0::/d\n")
    tree.write(f"{MOUNT}/unified/d/memory.max", "67108864\n")
    tree.write(f"{MOUNT}/pids/a/pids.max", "31\n")
    expectations = (_expect("67108864", "page"), _expect("32", file="pids.max", version=1))
    (found,) = verify(tree.view, INIT, expectations, make_host(HYBRID, versions={"memory": 2}))
    assert (found.path, found.found) == (f"{MOUNT}/pids/a/pids.max", "31")


@pytest.mark.parametrize(
    ("cgroup_file", "why"),
    [("1:cpu:/x\n", "/proc/PID/cgroup has no line for cgroup2"), (None, "/proc/PID/cgroup has no line for cgroup2")],
    ids=["no-line", "process-gone"],
)
def test_what_cannot_be_read_back(tree: Tree, cgroup_file: str | None, why: str) -> None:
    """Without the process's line nothing is known: not a loss, but said."""
    if cgroup_file:
        tree.process(cgroup_file)
    (found,) = verify(tree.view, INIT, (_expect("67108864"),), make_host(UNIFIED))
    assert (found.found, found.why) == (None, why)
    assert found.text() == f"memory.max: {why}; field.memory.max asked for '67108864'"


def test_a_controller_that_is_not_mounted(tree: Tree) -> None:
    """A v1 hierarchy that this mount namespace does not have."""
    tree.process("4:rdma:/a\n0::/\n")
    host = make_host(LEGACY, versions={"rdma": 0})
    assert cgroup(tree.view, {"rdma": "/a"}, "rdma", 1, host) == ("", "rdma is not mounted")


BIND = "36 25 0:32 /kubepods/pod1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"


def test_a_pods_subtree_is_mounted(tree: Tree) -> None:
    """As on EKS: the mount shows a subtree, and the path of the process begins above it."""
    tree.process("4:pids:/kubepods/pod1/c\n0::/\n")
    tree.write("/proc/self/mountinfo", BIND)
    tree.write(f"{MOUNT}/pids/c/pids.max", "32\n")
    assert verify(tree.view, INIT, (_expect("32", file="pids.max", version=1),), make_host(LEGACY)) == ()


@pytest.mark.parametrize(
    "path",
    ["/kubepods/pod2/c", "/kubepods/pod10/c", "/../pod2/c"],
    ids=["a-neighbours", "one-that-begins-alike", "above-the-namespace"],
)
def test_a_cgroup_that_is_not_in_view(tree: Tree, path: str) -> None:
    """A path outside the mounted subtree or the cgroup namespace has no file here, not even one that seems to be it."""
    tree.process(f"4:pids:{path}\n0::/\n")
    tree.write("/proc/self/mountinfo", BIND)
    tree.write(f"{MOUNT}/pids/pids.max", "32\n")
    tree.write(f"{MOUNT}/pod2/c/pids.max", "32\n")
    tree.write(f"{MOUNT}/pids0/c/pids.max", "32\n")
    (found,) = verify(tree.view, INIT, (_expect("32", file="pids.max", version=1),), make_host(LEGACY))
    assert (found.found, found.why) == (None, f"{path} is not visible below {MOUNT}/pids")


def test_one_read_for_each_file(tree: Tree) -> None:
    """The success path reads the process's cgroup once and each interface file once, however many mounts there are."""
    tree.process("4:pids:/c\n3:memory:/c\n0::/\n")
    tree.write(f"{MOUNT}/pids/c/pids.max", "32\n")
    tree.write(f"{MOUNT}/memory/c/memory.limit_in_bytes", "67108864\n")
    view = Counting(str(tree.root))
    expectations = (
        _expect("32", file="pids.max", version=1),
        _expect("67108864", "page", file="memory.limit_in_bytes", version=1),
    )
    assert verify(view, INIT, expectations, make_host(LEGACY)) == ()
    assert view.seen == [
        f"/proc/{INIT}/cgroup",
        f"{MOUNT}/pids/c/pids.max",
        f"{MOUNT}/memory/c/memory.limit_in_bytes",
    ]


class Counting(View):
    """Remembers every file that was read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.seen: list[str] = []

    def read(self, path: str) -> tuple[str, Identity] | None:
        """As any view."""
        self.seen.append(path)
        return super().read(path)


def test_the_cgroups_that_somebody_else_knows(tree: Tree) -> None:
    """Of a process that is ending /proc/PID/cgroup says `/`; its cgroup by another source is looked at instead."""
    tree.process("0::/\n")
    tree.write(f"{MOUNT}/c/memory.max", "max\n")
    (finding,) = verify(tree.view, INIT, (_expect("67108864"),), make_host(UNIFIED), {"": "/c"})
    assert (finding.path, finding.found) == (f"{MOUNT}/c/memory.max", "max")


def test_a_name_that_leads_out_of_the_cgroup(tree: Tree) -> None:
    """It is not opened, so it proves nothing."""
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/memory.max", "max\n")
    tree.write(f"{MOUNT}/memory.max", "67108864\n")
    (finding,) = verify(tree.view, INIT, (_expect("67108864", file="../c/../memory.max"),), make_host(UNIFIED))
    assert (finding.found, finding.why) == ("", "not the name of an interface file")


@pytest.mark.parametrize(("content", "seen"), [("0-3\n", None), ("0-7\n", "0-7")], ids=["right", "wrong"])
def test_a_cpuset_hierarchy_without_prefixes(tree: Tree, content: str, seen: str | None) -> None:
    """`noprefix` (cgroup-v1/cgroups.rst) names the files without their controller; runc 1.3 and crun 1.8 write them."""
    tree.process("4:cpuset:/c\n")
    tree.write(f"{MOUNT}/cpuset/c/cpus", content)
    expected = _expect("0-3", file="cpuset.cpus", version=1)
    findings = verify(tree.view, INIT, (expected,), make_host(LEGACY))
    assert [(one.path, one.found) for one in findings] == ([(f"{MOUNT}/cpuset/c/cpus", seen)] if seen else [])


def test_cgroup2_has_no_names_without_prefixes(tree: Tree) -> None:
    """Only v1 has the mount option: a file `cpus` in cgroup2 is not the kernel's list."""
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/cpus", "0-3\n")
    (finding,) = verify(tree.view, INIT, (_expect("0-3", file="cpuset.cpus"),), make_host(UNIFIED))
    assert (finding.path, finding.found, finding.why) == (f"{MOUNT}/c/cpuset.cpus", "", "ENOENT")


def test_a_cpuset_without_the_file_of_either_name(tree: Tree) -> None:
    """The message names the file that every other host has."""
    tree.process("4:cpuset:/c\n")
    tree.write(f"{MOUNT}/cpuset/c/cgroup.procs")
    (finding,) = verify(tree.view, INIT, (_expect("0-3", file="cpuset.cpus", version=1),), make_host(LEGACY))
    assert (finding.path, finding.why) == (f"{MOUNT}/cpuset/c/cpuset.cpus", "ENOENT")


@pytest.mark.parametrize(
    ("elsewhere", "path", "why"),
    [
        (f"{MOUNT}/c", f"{MOUNT}/c", f"{MOUNT}/c is not on the cgroup file system of {MOUNT}"),
        (f"{MOUNT}/c/memory.max", f"{MOUNT}/c/memory.max", "not on the cgroup file system"),
    ],
    ids=["directory", "file"],
)
def test_what_lies_on_another_device_proves_nothing(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, elsewhere: str, path: str, why: str
) -> None:
    """Files mounted over a cgroup may say anything."""
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/memory.max", "67108864\n")
    identity, read = tree.view.identity, tree.view.read

    def foreign(found: Identity | None) -> Identity | None:
        return found.changed(device=found.device + 1) if found else None

    def read_elsewhere(wanted: str) -> tuple[str, Identity] | None:
        found = read(wanted)
        return (found[0], found[1].changed(device=found[1].device + 1)) if found and wanted == elsewhere else found

    monkeypatch.setattr(tree.view, "identity", lambda p: foreign(identity(p)) if p == elsewhere else identity(p))
    monkeypatch.setattr(tree.view, "read", read_elsewhere)
    (finding,) = verify(tree.view, INIT, (_expect("67108864"),), make_host(UNIFIED))
    assert (finding.found or "", finding.why) == ("", why)
