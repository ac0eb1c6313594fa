"""Every captured and hand-made host: layout, placements, swap, pressure, namespaces, each with its exact evidence.

What is expected comes from each tree's README and from its files, which were recorded on real kernels where the
README does not say otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from shim.host import controllers
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.inspection import inspect

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
EVERYTHING_V2 = "cpuset cpu io memory hugetlb pids rdma misc"
SYSTEMD_V1 = "cpuset cpu cpuacct io memory devices freezer net_cls net_prio perf_event hugetlb pids rdma"
V1 = "/sys/fs/cgroup/memory/cgroup.clone_children: 0"
NO_CGROUP2 = "/sys/fs/cgroup/unified/cgroup.controllers: ENOENT"
TOP = "/sys/fs/cgroup/cgroup.controllers"
BESIDE = "/sys/fs/cgroup/unified/cgroup.controllers"
MEMSW = "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes: present"
NO_MEMORY = "no memory controller: /proc/self/cgroup: no hierarchy carries memory"


class Expected(NamedTuple):
    """The truth about one tree; `v1` and `v2` are controllers, all others are nowhere."""

    layout: str
    evidence: str
    v1: str = ""
    v2: str = ""
    cgroup2_mount: str = ""
    listed: str = ""
    swap: bool | None = False
    swap_evidence: str = NO_MEMORY
    shows: str | None = "host"
    shows_evidence: str = "no cgroup file system"
    rootless: bool = False


TREES = {
    "debian12-hybrid-6.18": Expected(
        layout="hybrid",
        evidence=f"{V1}; {BESIDE}: hugetlb",
        v1="memory cpu cpuset pids io devices freezer cpuacct",
        v2="hugetlb",
        cgroup2_mount="/sys/fs/cgroup/unified",
        listed="hugetlb",
        swap=True,
        swap_evidence=MEMSW,
        shows_evidence="/sys/fs/cgroup/memory: inode 1",
    ),
    "debian13-hybrid-6.12": Expected(
        layout="hybrid",
        evidence=f"/sys/fs/cgroup/cpu/cgroup.clone_children: 0; {BESIDE}: cpuset memory",
        v1="cpu pids io hugetlb devices rdma misc net_cls freezer cpuacct perf_event",
        v2="memory cpuset",
        cgroup2_mount="/sys/fs/cgroup/unified",
        listed="cpuset memory",
        swap=None,
        swap_evidence="/sys/fs/cgroup/unified: no cgroup below it has memory enabled",
        shows_evidence="/sys/fs/cgroup/cpu: inode 1",
    ),
    "debian-sid-hybrid-7.2": Expected(
        layout="hybrid",
        evidence=f"/sys/fs/cgroup/cpu/cgroup.clone_children: 0; {BESIDE}: cpuset memory",
        v1="cpu pids io hugetlb devices rdma misc net_cls freezer cpuacct perf_event",
        v2="memory cpuset",
        cgroup2_mount="/sys/fs/cgroup/unified",
        listed="cpuset memory",
        swap=None,
        swap_evidence="/sys/fs/cgroup/unified: no cgroup below it has memory enabled",
        shows_evidence="/sys/fs/cgroup/cpu: inode 1",
    ),
    "debian12-unified-6.1-fresh": Expected(
        layout="unified",
        evidence=f"{TOP}: {EVERYTHING_V2}",
        v2=EVERYTHING_V2,
        cgroup2_mount="/sys/fs/cgroup",
        listed=EVERYTHING_V2,
        swap=None,
        swap_evidence="/sys/fs/cgroup: no cgroup below it has memory enabled",
        shows_evidence="/sys/fs/cgroup: inode 1",
    ),
    "debian12-unified-6.1": Expected(
        layout="unified",
        evidence=f"{TOP}: {EVERYTHING_V2}",
        v2=EVERYTHING_V2,
        cgroup2_mount="/sys/fs/cgroup",
        listed=EVERYTHING_V2,
        swap=True,
        swap_evidence="/sys/fs/cgroup/kp/pod/memory.swap.max: present",
        shows_evidence="/sys/fs/cgroup: inode 1",
    ),
    "debian12-inherited-cgroupns-6.1": Expected(
        layout="unified",
        evidence=f"{TOP}: {EVERYTHING_V2}",
        v2=EVERYTHING_V2,
        cgroup2_mount="/sys/fs/cgroup",
        listed=EVERYTHING_V2,
        swap=True,
        swap_evidence="/sys/fs/cgroup/kp/memory.swap.max: present",
        shows_evidence="/sys/fs/cgroup: inode 1",
    ),
    "debian12-private-cgroupns-6.1": Expected(
        layout="unified",
        evidence=f"{TOP}: cpu memory pids",
        v2="cpu memory pids",
        cgroup2_mount="/sys/fs/cgroup",
        listed="cpu memory pids",
        swap=True,
        swap_evidence="/sys/fs/cgroup/memory.swap.max: present",
        shows="namespace",
        shows_evidence="/sys/fs/cgroup: inode 155; /proc/self/cgroup: /",
    ),
    "debian12-subtree-bind-6.1": Expected(
        layout="unified",
        evidence=f"{TOP}: cpu memory pids",
        v2="cpu memory pids",
        cgroup2_mount="/sys/fs/cgroup",
        listed="cpu memory pids",
        swap=True,
        swap_evidence="/sys/fs/cgroup/memory.swap.max: present",
        shows="subtree",
        shows_evidence="/sys/fs/cgroup: inode 155; /proc/self/cgroup: /kp/pod",
    ),
    "debian12-rootless-6.1": Expected(
        layout="unified",
        evidence=f"{TOP}: {EVERYTHING_V2}",
        v2="cpu memory pids",
        cgroup2_mount="/sys/fs/cgroup",
        listed=EVERYTHING_V2,
        swap=True,
        swap_evidence="/sys/fs/cgroup/kp/pod/memory.swap.max: present",
        shows_evidence="/sys/fs/cgroup: inode 1",
        rootless=True,
    ),
    "debian12-legacy-comounted-6.1": Expected(
        layout="legacy",
        evidence=f"{V1}; {NO_CGROUP2}",
        v1=SYSTEMD_V1,
        swap=True,
        swap_evidence=MEMSW,
        shows_evidence="/sys/fs/cgroup/memory: inode 1",
    ),
    "debian12-legacy-pod-bind-6.1": Expected(
        layout="legacy",
        evidence=f"{V1}; {NO_CGROUP2}",
        v1=SYSTEMD_V1,
        swap=True,
        swap_evidence=MEMSW,
        shows="subtree",
        shows_evidence="/sys/fs/cgroup/memory: inode 67; /proc/self/cgroup: /kp/pod",
    ),
    "debian12-legacy-plain-memory-6.1": Expected(
        layout="legacy",
        evidence=f"/sys/fs/cgroup/cpu/cgroup.clone_children: 0; {NO_CGROUP2}",
        v1=SYSTEMD_V1.replace(" memory", ""),
        swap_evidence="no memory controller: /proc/self/cgroup: memory:/kp/pod but not mounted here, "
        "/sys/fs/cgroup/memory/cgroup.clone_children: ENOENT",
        shows_evidence="/sys/fs/cgroup/cpu: inode 1",
    ),
    "debian12-nothing-mounted-6.1": Expected(
        layout="none",
        evidence="/sys/fs/cgroup: an empty directory; /proc/self/mountinfo: no cgroup mount",
        shows=None,
    ),
    "openeuler-5.10": Expected(
        layout="legacy",
        evidence=f"{V1}; {NO_CGROUP2}",
        v1=SYSTEMD_V1,
        swap=True,
        swap_evidence=MEMSW,
        shows_evidence="/sys/fs/cgroup/memory: inode 1",
    ),
    "uos-5.10": Expected(
        layout="hybrid",
        evidence=f"{V1}; {BESIDE}: cpu",
        v1=SYSTEMD_V1.replace(" cpu cpuacct", ""),
        v2="cpu",
        cgroup2_mount="/sys/fs/cgroup/unified",
        listed="cpu",
        swap=True,
        swap_evidence=MEMSW,
        shows_evidence="/sys/fs/cgroup/memory: inode 1",
    ),
    "wsl2-6.18": Expected(
        layout="unified",
        evidence=f"{TOP}: {EVERYTHING_V2}",
        v2=EVERYTHING_V2,
        cgroup2_mount="/sys/fs/cgroup",
        listed=EVERYTHING_V2,
        swap=True,
        swap_evidence="/sys/fs/cgroup/init.scope/memory.swap.max: present",
        shows_evidence="/sys/fs/cgroup: inode 1",
    ),
    "eks-pod-bind-5.10": Expected(
        layout="legacy",
        evidence=f"{V1}; {NO_CGROUP2}",
        v1="cpu cpuacct memory pids cpuset devices",
        swap=True,
        swap_evidence=MEMSW,
        shows="subtree",
        shows_evidence="/sys/fs/cgroup/memory: inode 401; /proc/self/cgroup: "
        "/kubepods.slice/kubepods-burstable.slice/cri-containerd-0a.scope",
    ),
    "forged-pressure-4.19": Expected(
        layout="legacy",
        evidence=f"{V1}; {NO_CGROUP2}",
        v1=SYSTEMD_V1,
        swap=True,
        swap_evidence=MEMSW,
        shows_evidence="/sys/fs/cgroup/memory: inode 1",
    ),
    "forged-unified": Expected(
        layout="ambiguous",
        evidence="/sys/fs/cgroup: plain files or directories (cgroup.controllers cgroup.procs cgroup.stat memory.max); "
        "but /proc/self/mountinfo: no cgroup mount",
        shows=None,
    ),
    "unified-with-v1-inside-5.10": Expected(
        layout="ambiguous",
        evidence=f"{TOP}: cpuset cpu io memory hugetlb pids rdma; but /proc/self/mountinfo: v1 hierarchies inside it: "
        "/sys/fs/cgroup/net_cls (net_cls)",
        v1="net_cls",
        v2="cpuset cpu io memory hugetlb pids rdma",
        cgroup2_mount="/sys/fs/cgroup",
        listed="cpuset cpu io memory hugetlb pids rdma",
        swap=None,
        swap_evidence="/sys/fs/cgroup: no cgroup below it has memory enabled",
        shows_evidence="/sys/fs/cgroup/net_cls: inode 1",
    ),
    "v1-elsewhere-3.10": Expected(
        layout="legacy",
        evidence=f"/proc/self/mountinfo: /cgroup/memory is cgroup rw,memory; {NO_CGROUP2}",
        v1="memory cpu cpuacct cpuset devices",
        swap=True,
        swap_evidence="/cgroup/memory/memory.memsw.limit_in_bytes: present",
        shows_evidence="/cgroup/memory: inode 1",
    ),
    "cgroup2-elsewhere-6.1": Expected(
        layout="ambiguous",
        evidence="/proc/self/mountinfo: cgroup2 at /run/cgroup2; but no cgroup file system at /sys/fs/cgroup",
        shows=None,
    ),
}


def tree(name: str) -> CapturedView:
    """The captured host of that name."""
    return CapturedView(str(HOSTS / name))


@pytest.mark.parametrize("name", TREES)
def test_layout(name: str) -> None:
    """The layout and the sentence that proves it."""
    host = detect(tree(name))
    assert (host.layout, host.layout_evidence) == (TREES[name].layout, TREES[name].evidence)


@pytest.mark.parametrize("name", TREES)
def test_cgroup2(name: str) -> None:
    """Where cgroup2 is mounted, and what its root lists."""
    host = detect(tree(name))
    expected = TREES[name]
    assert (host.cgroup2_mount, host.cgroup2_controllers) == (expected.cgroup2_mount, tuple(expected.listed.split()))


@pytest.mark.parametrize("name", TREES)
def test_placements(name: str) -> None:
    """The version of every controller that the runtime-spec knows."""
    host = detect(tree(name))
    expected = dict.fromkeys(controllers.ALL, 0)
    expected.update(dict.fromkeys(TREES[name].v1.split(), 1))
    expected.update(dict.fromkeys(TREES[name].v2.split(), 2))
    assert {place.controller: place.version for place in host.placements.values()} == expected


@pytest.mark.parametrize("name", TREES)
def test_swap_accounting(name: str) -> None:
    """Whether a cgroup can limit swap, and which file says so."""
    fact = detect(tree(name)).swap_accounting
    assert (fact.value, fact.evidence) == (TREES[name].swap, TREES[name].swap_evidence)


@pytest.mark.parametrize("name", TREES)
def test_cgroup_view(name: str) -> None:
    """Whose tree is mounted, from the inode and this process's own path."""
    fact = detect(tree(name)).cgroup_view
    assert (fact.value, fact.evidence) == (TREES[name].shows, TREES[name].shows_evidence)


@pytest.mark.parametrize("name", TREES)
def test_rootless(name: str) -> None:
    """Only the tree captured as an ordinary user is rootless; none was captured in a user namespace."""
    host = detect(tree(name))
    assert (host.rootless.value, host.user_namespace.value) == (TREES[name].rootless, False)


@pytest.mark.parametrize("name", TREES)
def test_inspection_agrees(name: str) -> None:
    """The deep look comes to the same layout, placements and view as the quick one."""
    quick, deep = detect(tree(name), writable=False), inspect(tree(name)).host
    assert (deep.layout, deep.placements, deep.cgroup_view.value) == (
        quick.layout,
        quick.placements,
        quick.cgroup_view.value,
    )


def test_every_tree_is_known() -> None:
    """No tree of this kind is left untested, and each says where it comes from."""
    ours = [path.name for path in HOSTS.iterdir() if (path / "manifest.json").exists()]
    assert [name for name in ours if not (HOSTS / name / "README.md").exists()] == []
    assert set(TREES) <= set(ours)


def test_only_wsl_has_swap() -> None:
    """/proc/swaps with a line is swap; the evidence quotes the line."""
    assert detect(tree("wsl2-6.18")).swap_present.value is True
    assert detect(tree("wsl2-6.18")).swap_present.evidence == "/proc/swaps: /dev/sdb partition 4194304 0 -2"
    fact = detect(tree("debian12-unified-6.1")).swap_present
    assert (fact.value, fact.evidence) == (False, "/proc/swaps: no swap area")
