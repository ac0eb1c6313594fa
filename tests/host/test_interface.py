"""Which interface files a non-root cgroup has: where it is looked up, and what a trial cgroup does and leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shim.host import trial
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.facts import Placement
from shim.host.view import View

HOSTS = Path(__file__).resolve().parents[1] / "hosts"


def answer(tree: str, name: str, target: str = "") -> tuple[bool | None, str]:
    """Presence and evidence of one file on a captured host."""
    host = detect(CapturedView(str(HOSTS / tree)), wanted=(name,), target=target, controllers=())
    (evidence,) = host.interface_evidence
    return host.has(name), evidence.partition(": ")[2]


@pytest.mark.parametrize(
    ("tree", "name", "present", "evidence"),
    [
        # cgroup2: the process's own cgroup has memory, pids and cpu, its parent all controllers.
        ("debian12-unified-6.1", "memory.high", True, "/sys/fs/cgroup/kp/pod/memory.high: present"),
        ("debian12-unified-6.1", "cpu.max.burst", True, "/sys/fs/cgroup/kp/pod/cpu.max.burst: present"),
        ("debian12-unified-6.1", "io.weight", True, "/sys/fs/cgroup/kp/io.weight: present"),
        ("debian12-unified-6.1", "io.bfq.weight", False, "/sys/fs/cgroup/kp/io.bfq.weight: ENOENT"),
        ("debian12-unified-6.1", "cgroup.kill", True, "/sys/fs/cgroup/kp/pod/cgroup.kill: present"),
        ("debian12-unified-6.1", "memory.limit_in_bytes", False, ("no such file in cgroup v2, where memory is: "
         "/sys/fs/cgroup/cgroup.controllers: cpuset cpu io memory hugetlb pids rdma misc")),
        # The top of a namespace is a non-root cgroup.
        ("debian12-private-cgroupns-6.1", "memory.max", True, "/sys/fs/cgroup/memory.max: present"),
        # v1: the root has most files, but pids.max is never there.
        ("debian12-hybrid-6.18", "cpu.rt_runtime_us", True, "/sys/fs/cgroup/cpu/cpu.rt_runtime_us: present"),
        ("debian12-hybrid-6.18", "cpu.max", False, ("no such file in cgroup v1, where cpu is: "
         "/sys/fs/cgroup/cpu/cgroup.clone_children: 0")),
        ("debian12-hybrid-6.18", "cpu.uclamp.max", False, "/sys/fs/cgroup/cpu/cpu.uclamp.max: ENOENT"),
        ("debian12-hybrid-6.18", "pids.max", None, "/sys/fs/cgroup/pids: no cgroup below it"),
        ("debian12-legacy-pod-bind-6.1", "pids.max", True, "/sys/fs/cgroup/pids/pids.max: present"),
        ("debian12-legacy-comounted-6.1", "cpu.rt_runtime_us", False, "/sys/fs/cgroup/cpu/cpu.rt_runtime_us: ENOENT"),
        ("debian12-legacy-comounted-6.1", "net_cls.classid", True, "/sys/fs/cgroup/net_cls/net_cls.classid: present"),
        # Vendor kernels: cgroup2's names in a v1 hierarchy, only below the root.
        ("openeuler-5.10", "memory.high", True, "/sys/fs/cgroup/memory/system.slice/memory.high: present"),
        ("openeuler-5.10", "cpu.cfs_burst_us", False, "/sys/fs/cgroup/cpu/system.slice/cpu.cfs_burst_us: ENOENT"),
        ("uos-5.10", "memory.stat_v2", True, "/sys/fs/cgroup/memory/memory.stat_v2: present"),
        ("uos-5.10", "cpu.max", True, "/sys/fs/cgroup/unified/system.slice/cpu.max: present"),
        ("uos-5.10", "cpu.max.burst", False, "/sys/fs/cgroup/unified/system.slice/cpu.max.burst: ENOENT"),
        # noprefix: the file is called `cpus`, so nobody who writes `cpuset.cpus` will find it.
        ("v1-elsewhere-3.10", "cpuset.cpus", False, "/cgroup/cpu sets/cpuset.cpus: ENOENT"),
        # A file of the right name in a directory that is no hierarchy.
        ("debian12-legacy-plain-memory-6.1", "memory.limit_in_bytes", False, ("/proc/self/cgroup: memory:/kp/pod but "
         "not mounted here, /sys/fs/cgroup/memory/cgroup.clone_children: ENOENT")),
        ("forged-unified", "memory.max", False, "/proc/self/cgroup: no hierarchy carries memory"),
    ],
)  # fmt: skip
def test_presence(tree: str, name: str, present: bool | None, evidence: str) -> None:
    """Present, absent or unknown, and where that was seen."""
    assert answer(tree, name) == (present, evidence)


def test_target_comes_first() -> None:
    """The deepest existing cgroup on the way to the container is asked before our own."""
    assert answer("debian12-unified-6.1", "io.weight", "/kp/new/deeper") == (
        True,
        "/sys/fs/cgroup/kp/io.weight: present",
    )
    assert answer("debian12-hybrid-6.18", "memory.high", "/jobs/x") == (
        False,
        "/sys/fs/cgroup/memory/jobs/memory.high: ENOENT",
    )


def test_a_climbing_target_is_not_followed() -> None:
    """`..` in a cgroupsPath leads nowhere outside the hierarchy."""
    assert answer("debian12-unified-6.1", "memory.max", "/../../../etc") == (
        True,
        "/sys/fs/cgroup/kp/pod/memory.max: present",
    )


def test_captured_hosts_get_no_trial() -> None:
    """A fresh cgroup2 host that is not running leaves the answer open, whatever `writable` says."""
    assert answer("debian12-unified-6.1-fresh", "memory.swap.max") == (
        None,
        "/sys/fs/cgroup: no cgroup below it has memory enabled",
    )


MEMORY = Placement(controller="memory", version=2, mount="/cg")


def hierarchy(root: Path, enabled: str = "") -> View:
    """A directory that stands for a cgroup2 mount at /cg."""
    (root / "cg").mkdir()
    (root / "cg/cgroup.subtree_control").write_text(enabled)
    return View(str(root))


def test_trial_enables_looks_and_removes(tmp_path: Path) -> None:
    """The controller is enabled as a runtime would, and nothing but that is left."""
    view = hierarchy(tmp_path)
    found = trial.look(view, "/cg", {"memory.max": MEMORY})
    assert found == {"memory.max": (False, f"/cg/cgshim-probe-{os.getpid()}/memory.max: ENOENT")}
    assert (tmp_path / "cg/cgroup.subtree_control").read_text() == "+memory"
    assert os.listdir(tmp_path / "cg") == ["cgroup.subtree_control"]


def test_trial_leaves_enabled_controllers_alone(tmp_path: Path) -> None:
    """What is enabled already is not written again."""
    view = hierarchy(tmp_path, "cpu memory\n")
    trial.look(view, "/cg", {"memory.max": MEMORY})
    assert (tmp_path / "cg/cgroup.subtree_control").read_text() == "cpu memory\n"


def test_trial_without_the_controller_answers_nothing(tmp_path: Path) -> None:
    """A controller that cannot be enabled leaves the file unknown, not absent; the cgroup is still removed."""
    (tmp_path / "cg/cgroup.subtree_control").mkdir(parents=True)
    found = trial.look(View(str(tmp_path)), "/cg", {"memory.max": MEMORY})
    assert found == {"memory.max": (None, "/cg/cgroup.subtree_control: writing +memory: EISDIR")}
    assert os.listdir(tmp_path / "cg") == ["cgroup.subtree_control"]


def test_trial_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    """mkdir fails: unknown, with the reason."""
    found = trial.look(View(str(tmp_path)), "/cg", {"pids.max": MEMORY.changed(version=1)})
    assert found == {"pids.max": (None, f"/cg/cgshim-probe-{os.getpid()}: mkdir: ENOENT")}


def test_trial_takes_over_what_a_killed_one_left(tmp_path: Path) -> None:
    """An empty directory of the same name is used and removed."""
    view = hierarchy(tmp_path, "memory\n")
    (tmp_path / f"cg/cgshim-probe-{os.getpid()}").mkdir()
    assert trial.look(view, "/cg", {"memory.max": MEMORY})["memory.max"][0] is False
    assert os.listdir(tmp_path / "cg") == ["cgroup.subtree_control"]


def test_trial_says_what_it_could_not_remove(tmp_path: Path) -> None:
    """A directory that is not empty is left, and the evidence says so."""
    view = hierarchy(tmp_path, "memory\n")
    probe = tmp_path / f"cg/cgshim-probe-{os.getpid()}"
    probe.mkdir()
    (probe / "memory.max").touch()
    name = f"/cg/{probe.name}"
    found = trial.look(view, "/cg", {"memory.max": MEMORY})
    assert found == {"memory.max": (True, f"{name}/memory.max: present; {name}: rmdir: ENOTEMPTY")}
