"""The cgroup version for an engine, on every captured and hand-made host.

What is expected is what each tree's README says was mounted, by the rule that all engines share: the file system at
/sys/fs/cgroup decides (cgroup2 there: 2; v1 hierarchies: 1; with cgroup2 at its `unified`: hybrid).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.host.capture import Capture
from shim.host.captured import CapturedView
from shim.host.facts import Fact
from shim.host.negotiation import Negotiated, driver, negotiated, systemd
from shim.host.view import View

if TYPE_CHECKING:
    from shim.host.negotiation import Version

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
VERSIONS: dict[str, str] = {
    "debian-sid-hybrid-7.2": "hybrid",
    "debian12-hybrid-6.18": "hybrid",
    "debian12-inherited-cgroupns-6.1": "2",
    "debian12-legacy-comounted-6.1": "1",
    "debian12-legacy-plain-memory-6.1": "1",
    "debian12-legacy-pod-bind-6.1": "1",
    "debian12-private-cgroupns-6.1": "2",
    "debian12-rootless-6.1": "2",
    "debian12-subtree-bind-6.1": "2",
    "debian12-unified-6.1": "2",
    "debian12-unified-6.1-fresh": "2",
    "debian13-hybrid-6.12": "hybrid",
    "eks-pod-bind-5.10": "1",
    "forged-pressure-4.19": "1",
    "made-loongarch64": "2",
    "made-riscv64": "2",
    "matrix-forged": "1",
    "matrix-hybrid-6.1": "hybrid",
    "matrix-legacy-6.1": "1",
    "matrix-legacy-6.12": "1",
    "matrix-memory-off": "2",
    "matrix-memory-off-legacy": "1",
    "matrix-nested": "2",
    "matrix-no-v1-memory": "1",
    "matrix-occupied-parent": "2",
    "matrix-psi-0": "2",
    "matrix-read-only": "2",
    "matrix-subtree": "2",
    "matrix-swapaccount-0": "2",
    "matrix-swapaccount-0-legacy": "1",
    "matrix-systemd": "2",
    "matrix-unified-5.10": "2",
    "matrix-unified-6.12": "2",
    "matrix-unified-arm64-16k": "2",
    "matrix-unified-7": "2",
    "openeuler-5.10": "1",
    "uos-5.10": "hybrid",
    "v1-elsewhere-3.10": "1",
    "wsl2-6.18": "2",
}
# Tree -> words of the verdict, a fact that proves it.
AMBIGUOUS = {
    "cgroup2-elsewhere-6.1": ("but not at /sys/fs/cgroup", "cgroup2 at /run/cgroup2"),
    "debian12-nothing-mounted-6.1": ("no cgroup file system is mounted", "no cgroup mount"),
    "forged-unified": ("is not a cgroup file system", "plain files or directories"),
    "unified-with-v1-inside-5.10": ("contradict each other", "/sys/fs/cgroup/net_cls (net_cls)"),
}
NOTES = {
    "debian13-hybrid-6.12": (
        (
            "only cgroup2 at /sys/fs/cgroup/unified has memory, cpuset; "
            "an engine that uses v1 sets no such limits, unless it calls cgshim"
        ),
    ),
    "debian12-hybrid-6.18": (),
    "matrix-memory-off": ("no hierarchy has memory, so no engine enforces such limits here",),
    "matrix-legacy-6.12": ("no hierarchy has memory, cpuset, so no engine enforces such limits here",),
    "matrix-read-only": ("not writable, so an engine makes no cgroup there: /sys/fs/cgroup",),
    "matrix-nested": (
        (
            "what is mounted is the root of a cgroup namespace, not the host's own root; "
            "/sys/fs/cgroup: inode 46; /proc/self/cgroup: /init"
        ),
    ),
}
# What PID 1 was, where a capture of before the mark was kept tells it by the names of its cgroups.
BY_NAME = {"matrix-systemd": True, "wsl2-6.18": True, "debian12-unified-6.1": None, "eks-pod-bind-5.10": None}


def _view(name: str) -> CapturedView:
    return CapturedView(str(HOSTS / name))


def test_every_tree_is_here() -> None:
    """A tree that is added is added to one of the two tables."""
    assert {path.name for path in HOSTS.iterdir()} == {*VERSIONS, *AMBIGUOUS}


@pytest.mark.parametrize(("name", "version"), VERSIONS.items())
def test_version(name: str, version: str) -> None:
    """The word that a unit or script gets."""
    assert negotiated(_view(name)).version == version


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_host_is_refused_with_the_reason(name: str) -> None:
    """No guess: the verdict, the files that contradict each other, and what to do."""
    words, fact = AMBIGUOUS[name]
    with pytest.raises(ShimError) as caught:
        negotiated(_view(name))
    assert caught.value.code == "no-cgroup-version"
    assert words in caught.value.what
    assert fact in caught.value.evidence[0]
    assert caught.value.remedy


@pytest.mark.parametrize(("name", "notes"), NOTES.items())
def test_what_an_engine_cannot_do_here(name: str, notes: tuple[str, ...]) -> None:
    """Controllers that are nowhere or out of an engine's sight, foreign roots, read-only mounts; else nothing."""
    assert negotiated(_view(name)).notes == notes


@pytest.mark.parametrize(("name", "value"), BY_NAME.items())
def test_first_process_of_older_captures(name: str, value: bool | None) -> None:
    """A unit's cgroup proves systemd on a host; in a container it was made by the host's own first process."""
    assert negotiated(_view(name)).systemd.value is value


def test_mark_of_systemd_decides(tmp_path: Path) -> None:
    """sd_booted(3): a directory /run/systemd/system. A file of that name is none."""
    root = tmp_path / "root"
    (root / "run/systemd").mkdir(parents=True)
    view = View(str(root))
    assert systemd(view) == Fact(value=False, evidence="/run/systemd/system: ENOENT")
    (root / "run/systemd/system").mkdir()
    assert systemd(view) == Fact(value=True, evidence="/run/systemd/system: a directory")
    (root / "run/systemd/system").rmdir()
    (root / "run/systemd/system").touch()
    assert systemd(view) == Fact(value=False, evidence="/run/systemd/system: a file")


@pytest.mark.parametrize("booted", [True, False])
def test_capture_keeps_the_mark(booted: bool, tmp_path: Path) -> None:
    """Captured now, a host says later whether systemd was PID 1."""
    root = tmp_path / "root"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("")
    (root / "proc/self/cgroup").write_text("0::/\n")
    if booted:
        (root / "run/systemd/system").mkdir(parents=True)
    capture = Capture(View(str(root)), "x", ())
    capture.collect()
    capture.written(tmp_path / "kept")
    assert systemd(CapturedView(str(tmp_path / "kept"))).value is booted


def _found(version: Version, booted: bool | None, rootless: bool = False) -> Negotiated:
    return Negotiated(
        version=version,
        evidence="",
        systemd=Fact(value=booted, evidence="mark"),
        rootless=Fact(value=rootless, evidence="uid 1000"),
    )


@pytest.mark.parametrize(
    ("version", "booted", "rootless", "expected"),
    [
        ("2", True, False, "systemd"),
        ("1", True, False, "systemd"),
        ("hybrid", True, False, "systemd"),
        ("2", False, False, "cgroupfs"),
        ("1", False, False, "cgroupfs"),
        ("2", True, True, "systemd"),
        ("1", True, True, "cgroupfs"),
    ],
)
def test_driver(version: Version, booted: bool, rootless: bool, expected: str) -> None:
    """Systemd where it is PID 1, except for users on v1, whose manager may make no cgroups there."""
    assert driver(_found(version, booted, rootless))[0] == expected


def test_driver_is_not_guessed() -> None:
    """Where a capture does not tell what PID 1 is, there is no driver."""
    with pytest.raises(ShimError) as caught:
        driver(_found("2", None))
    assert (caught.value.code, caught.value.evidence) == ("no-cgroup-driver", ("mark",))
