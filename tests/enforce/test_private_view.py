"""crun without the cgroup2 mount: when, how a hook finds the way back, and what the diagnosis names."""

from __future__ import annotations

import ctypes
import os
import posix
from typing import TYPE_CHECKING

import pytest

from shim.diagnose.checks.layout import hybrid_with_controllers
from shim.diagnose.diagnosis import Context
from shim.diagnose.entry import Words
from shim.diagnose.facts import Facts
from shim.enforce import private_view
from shim.planning.settings import Settings
from tests.replayed import ReplayedView

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ON = Settings(crun_on_hybrid="hide-cgroup2", origins={})
OFF = Settings(origins={})


@pytest.fixture
def hybrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with cgroup2 where crun looks for it."""
    (tmp_path / "cgroup.procs").write_text("")
    monkeypatch.setattr(private_view, "CGROUP2", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("configured", "runtime", "there", "hidden"),
    [
        (ON, "/usr/bin/crun", True, True),
        (ON, "/opt/crun-1.26", True, True),
        (ON, "/usr/bin/crun", False, False),
        (ON, "/usr/sbin/runc", True, False),
        (ON, "/crun/runc", True, False),
        (OFF, "/usr/bin/crun", True, False),
    ],
)
def test_only_for_crun_on_a_hybrid_host(
    hybrid: Path, configured: Settings, runtime: str, there: bool, hidden: bool
) -> None:
    """Off by default, by the name that was given, and where there is something to hide."""
    if not there:
        (hybrid / "cgroup.procs").unlink()
    assert private_view.applies(configured, runtime) is hidden


def test_the_word_for_a_hook_is_taken_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While the runtime runs the hook can find this process; afterwards nothing is left."""
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path))
    withdraw = private_view.announce("c1")
    word = tmp_path / "private" / "c1.json"
    assert word.read_text() == f'{{"pid":{os.getpid()}}}\n'
    withdraw()
    assert not word.exists()


def test_a_state_directory_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It costs no container: the hook refuses what it cannot see."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path / "file"))
    private_view.announce("c1")()


@pytest.mark.parametrize("configured", [ON, OFF], ids=["on", "off"])
def test_a_hook_in_the_same_view_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, configured: Settings) -> None:
    """Where nothing was hidden there is no other view to go to."""
    entered: list[str] = []
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path))
    monkeypatch.setattr(private_view, "_enter", entered.append)
    monkeypatch.setattr(private_view, "_ancestors", lambda: (os.getpid(),))
    private_view.leave(configured, "c1")
    assert entered == []


def test_a_hook_looks_further_than_its_ancestors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A detached crun has lost its parent: the word that cgshim left names the process in the other view."""
    entered: list[str] = []
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path))
    monkeypatch.setattr(private_view, "_enter", entered.append)
    monkeypatch.setattr(private_view, "_ancestors", lambda: (11, 12))
    links = {"/proc/self/ns/mnt": "mnt:[2]", "/proc/11/ns/mnt": "mnt:[2]", f"/proc/{os.getpid()}/ns/mnt": "mnt:[1]"}

    def readlink(path: str) -> str:
        if path not in links:
            raise PermissionError(path)
        return links[path]

    private_view.announce("c1")
    monkeypatch.setattr(posix, "readlink", readlink)
    private_view.leave(ON, "c1")
    assert entered == [f"/proc/{os.getpid()}/ns/mnt"]


MOUNTS = (
    "30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:40 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "40 30 0:50 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


@pytest.mark.parametrize(
    ("controllers", "config", "evidence"),
    [
        ("hugetlb", "# CONFIG_MEMCG_V1 is not set\n", ()),
        ("cpuset memory", "# CONFIG_CPUSETS_V1 is not set\n# CONFIG_MEMCG_V1 is not set\n", ("MEMCG_V1", "CPUSETS_V1")),
        ("cpuset memory", "CONFIG_CPUSETS_V1=y\nCONFIG_MEMCG_V1=y\n", ()),
        ("memory", "", ()),
    ],
)
def test_the_diagnosis_names_what_would_not_work(controllers: str, config: str, evidence: tuple[str, ...]) -> None:
    """Controllers that the kernel cannot mount as v1, by its own configuration, and the runtime that is there too."""
    text = {
        "/proc/self/mountinfo": MOUNTS,
        "/sys/fs/cgroup/unified/cgroup.controllers": f"{controllers}\n",
        "/proc/sys/kernel/osrelease": "6.12.107\n",
        "/boot/config-6.12.107": config,
    }
    exists = {"/usr/sbin/runc": True}
    facts = Facts(Context(view=ReplayedView({"text": text, "exists": exists}), runtime="crun", kernel_log=""))
    assert hybrid_with_controllers(facts, Words(text="", groups={})) == (
        f"/sys/fs/cgroup/unified/cgroup.controllers: {controllers}",
        *(f"/boot/config-6.12.107: # CONFIG_{name} is not set" for name in evidence),
        "installed beside crun: /usr/sbin/runc",
    )


class Libc:
    """The C library's calls, recorded; `fails` names the one that answers -1."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, name: None) -> Libc:
        """As ctypes.CDLL(None): the program itself."""
        assert name is None
        return self

    def __getattr__(self, name: str) -> Callable[..., int]:
        """A call by its name."""

        def call(*arguments: object) -> int:
            self.calls.append((name, *arguments))
            return -1 if name == self.fails else 0

        return call


# linux/sched.h, linux/mount.h: CLONE_NEWNS; MS_REC and MS_SLAVE, so that mounts of the host still get here; MNT_DETACH.
UNSHARED = ("unshare", 0x20000)
DETACHED = ("mount", None, b"/", None, 0x4000 | 0x80000, None)


@pytest.mark.parametrize(
    ("fails", "calls"),
    [
        ("", [UNSHARED, DETACHED, ("umount2", b"/sys/fs/cgroup/unified", 2)]),
        ("unshare", [UNSHARED]),
        ("mount", [UNSHARED, DETACHED]),
    ],
)
def test_the_mount_goes_from_a_view_of_our_own_alone(
    monkeypatch: pytest.MonkeyPatch, fails: str, calls: list[tuple[object, ...]]
) -> None:
    """Where the view could not be made our own nothing is unmounted: it would be the host's."""
    libc = Libc(fails)
    monkeypatch.setattr(ctypes, "CDLL", libc)
    private_view.hide()
    assert libc.calls == calls


def test_a_view_is_entered_by_its_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """setns(2) gets an open descriptor of it, which is closed afterwards."""
    seen: list[tuple[str, int]] = []

    class Setns(Libc):
        def setns(self, handle: int, kind: int) -> int:
            seen.append((os.readlink(f"/proc/self/fd/{handle}"), kind))
            return 0

    monkeypatch.setattr(ctypes, "CDLL", Setns())
    before = os.listdir("/proc/self/fd")
    private_view._enter("/proc/self/ns/mnt")
    assert seen == [(os.readlink("/proc/self/ns/mnt"), 0x20000)]
    assert os.listdir("/proc/self/fd") == before


def test_ancestors_are_those_that_the_kernel_names() -> None:
    """PPid of /proc/PID/status, level by level, up to but without init."""
    wanted, pid = [], os.getppid()
    while pid > 1:
        wanted.append(pid)
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            pid = next(int(line.split()[1]) for line in file if line.startswith("PPid:"))
    assert list(private_view._ancestors()) == wanted


def test_an_ancestor_that_is_gone_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say whose child it was."""
    monkeypatch.setattr(posix, "getppid", lambda: 4194305)  # one more than the largest pid (proc(5), pid_max)
    assert list(private_view._ancestors()) == [4194305]
