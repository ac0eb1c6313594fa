"""The deep look: whose tree each mount shows, namespaces, delegation, pressure, contradictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from shim.host.captured import CapturedView
from shim.host.inspection import Inspection, inspect

HOSTS = Path(__file__).resolve().parents[1] / "hosts"


def look(name: str) -> Inspection:
    """The deep look at a captured host."""
    return inspect(CapturedView(str(HOSTS / name)))


def shown(name: str) -> list[tuple[str, str]]:
    """Mount point and whose tree it shows, in mount order."""
    return [(sight.mount.point, sight.shows) for sight in look(name).sights]


@pytest.mark.parametrize(
    ("name", "shows", "evidence"),
    [
        # The rows were measured on a 6.1 kernel; the root field alone would get the second and third wrong.
        ("debian12-unified-6.1", "host", "/sys/fs/cgroup: inode 1; /proc/self/mountinfo: root /"),
        ("debian12-inherited-cgroupns-6.1", "host", "/sys/fs/cgroup: inode 1; /proc/self/mountinfo: root /../.."),
        ("debian12-private-cgroupns-6.1", "namespace", "/sys/fs/cgroup: inode 155; /proc/self/mountinfo: root /"),
    ],
)
def test_whose_tree(name: str, shows: str, evidence: str) -> None:
    """Inode and mountinfo root together: the host's tree or a cgroup namespace's."""
    inspection = look(name)
    assert (inspection.sights[-1].shows, inspection.sights[-1].evidence) == (shows, evidence)
    assert (inspection.host.cgroup_view.value, inspection.host.cgroup_view.evidence) == (shows, evidence)


def test_a_bind_covers_the_mount_below() -> None:
    """Both are in mountinfo; the first is hidden, the second shows a part of the tree."""
    assert shown("debian12-subtree-bind-6.1") == [("/sys/fs/cgroup", "hidden"), ("/sys/fs/cgroup", "subtree")]
    assert look("debian12-subtree-bind-6.1").sights[1].evidence == (
        "/sys/fs/cgroup: inode 155; /proc/self/mountinfo: root /kp/pod"
    )


def test_every_v1_mount_of_a_pod() -> None:
    """On an EKS node each hierarchy is the pod's own part, whatever it is called."""
    points = ("cpu,cpuacct", "memory", "pids", "cpuset", "devices")
    assert shown("eks-pod-bind-5.10") == [(f"/sys/fs/cgroup/{name}", "subtree") for name in points]


def test_partly_bound_hierarchies() -> None:
    """Three hierarchies are bound over, the rest is still the host's."""
    found = shown("debian12-legacy-pod-bind-6.1")
    assert [point for point, shows in found if shows == "subtree"] == [
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup/cpu,cpuacct",
    ]
    assert ("/sys/fs/cgroup/devices", "host") in found


def test_cgroup_namespace() -> None:
    """The initial cgroup namespace has a fixed inode number."""
    fact = look("debian12-unified-6.1").cgroup_namespace
    assert (fact.value, fact.evidence) == ("initial", "/proc/self/ns/cgroup: cgroup:[4026531835]")
    assert look("debian12-private-cgroupns-6.1").cgroup_namespace.value == "private"


def test_delegation_names_what_can_be_enabled() -> None:
    """The user's own cgroup is writable and has three controllers to give."""
    fact = look("debian12-rootless-6.1").delegation
    assert fact.value is True
    assert fact.evidence == (
        "/sys/fs/cgroup/kp/pod: writable; /sys/fs/cgroup/kp/pod/cgroup.controllers: cpu memory pids; "
        "/sys/fs/cgroup/kp/pod/cgroup.subtree_control: empty"
    )


def test_delegation_is_unknown_where_the_own_cgroup_is_out_of_sight() -> None:
    """In a bound subtree the own path of /proc/self/cgroup leads nowhere."""
    fact = look("debian12-subtree-bind-6.1").delegation
    assert (fact.value, fact.evidence) == (None, "/sys/fs/cgroup/kp/pod: ENOENT")


def test_pressure() -> None:
    """/proc/pressure is the kernel's own; a cgroup2 file counts as well."""
    fact = look("debian12-unified-6.1").host.psi
    assert (fact.value, fact.evidence.split(": ")[0]) == (True, "/proc/pressure/memory")
    assert look("wsl2-6.18").host.psi.evidence.split(": ")[0] == "/sys/fs/cgroup/memory.pressure"


def test_forged_pressure_is_none() -> None:
    """An ordinary file called memory.pressure is no pressure accounting, and is reported as what it is."""
    inspection = look("forged-pressure-4.19")
    forged = "/sys/fs/cgroup/memory.pressure: 47 bytes, a regular file, not the kernel's"
    assert (inspection.host.psi.value, inspection.host.psi.evidence) == (
        False,
        f"/proc/pressure/memory: ENOENT; {forged}",
    )
    assert forged in inspection.contradictions


def test_pressure_switched_off() -> None:
    """With psi=0 a 5.10 kernel has the files but answers EOPNOTSUPP."""
    view = CapturedView(str(HOSTS / "wsl2-6.18"))
    view.manifest["errors"]["/sys/fs/cgroup/memory.pressure"] = "EOPNOTSUPP"
    fact = inspect(view).host.psi
    assert (fact.value, fact.evidence) == (
        False,
        "/proc/pressure/memory: ENOENT; /sys/fs/cgroup/memory.pressure: EOPNOTSUPP",
    )


def test_proc_cgroups_hides_what_works() -> None:
    """7.2 does not list memory and cpuset at all, although cgroup2 has both."""
    assert look("debian-sid-hybrid-7.2").contradictions == (
        "/proc/cgroups: does not list memory; yet /sys/fs/cgroup/unified/cgroup.controllers: cpuset memory",
        "/proc/cgroups: does not list cpuset; yet /sys/fs/cgroup/unified/cgroup.controllers: cpuset memory",
    )


def test_proc_cgroups_is_quoted_as_a_hint() -> None:
    """6.12 lists memory as enabled; it is still on cgroup2, because nothing else decides."""
    inspection = look("debian13-hybrid-6.12")
    assert "/proc/cgroups: memory hierarchy 0 enabled 1" in inspection.hints
    assert inspection.host.version("memory") == 2


def test_listed_but_nowhere() -> None:
    """A controller that /proc/cgroups calls enabled while no mount has it."""
    assert look("debian12-legacy-plain-memory-6.1").contradictions == (
        "/sys/fs/cgroup/memory/memory.pressure: 2 bytes, a regular file, not the kernel's",
        (
            "/proc/cgroups: memory enabled 1, hierarchy 4; yet it is nowhere: /proc/self/cgroup: memory:/kp/pod but "
            "not mounted here, /sys/fs/cgroup/memory/cgroup.clone_children: ENOENT"
        ),
        "/proc/cgroups: misc enabled 1, hierarchy 0; yet it is nowhere: /proc/self/cgroup: no hierarchy carries misc",
    )
