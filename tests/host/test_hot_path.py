"""What an intercepted call reads: a handful of files, named here, whatever the host has mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.view import Identity

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
CALM = (
    "debian12-hybrid-6.18",
    "debian13-hybrid-6.12",
    "debian12-unified-6.1",
    "debian12-legacy-comounted-6.1",
    "uos-5.10",
)
SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")


class CountingView(CapturedView):
    """A captured host that writes down every access, as `operation path`."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.log: list[str] = []

    def read(self, path: str) -> tuple[str, Identity] | None:
        """Logged as `read`."""
        self.log.append(f"read {path}")
        return super().read(path)

    def identity(self, path: str) -> Identity | None:
        """Logged as `stat`; a captured read asks for the identity itself, on a host that is the same open file."""
        if not self.log or self.log[-1] != f"read {path}":
            self.log.append(f"stat {path}")
        return super().identity(path)

    def names(self, path: str) -> tuple[str, ...]:
        """Logged as `list`."""
        self.log.append(f"list {path}")
        return super().names(path)

    def first_child(self, path: str) -> str | None:
        """Logged as `first`."""
        self.log.append(f"first {path}")
        return super().first_child(path)


def counted(name: str) -> CountingView:
    """A captured host with a log."""
    return CountingView(str(HOSTS / name))


def test_hybrid_host_reads_these_files_and_no_others() -> None:
    """Memory and cpu limits on a hybrid host: six files read, the rest is stat(2)."""
    view = counted("debian12-hybrid-6.18")
    detect(view, wanted=("memory.memsw.limit_in_bytes",), controllers=("memory", "cpu"))
    assert view.log == [
        "read /proc/self/cgroup",
        "read /sys/fs/cgroup/cgroup.controllers",
        "read /sys/fs/cgroup/unified/cgroup.controllers",
        "stat /sys/fs/cgroup/unified",
        "read /sys/fs/cgroup/memory/cgroup.clone_children",
        "stat /sys/fs/cgroup/memory",
        "read /proc/self/uid_map",
        "read /sys/fs/cgroup/cpu/cgroup.clone_children",
        "stat /sys/fs/cgroup/cpu",
        "stat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
        "read /proc/swaps",
    ]


def test_unified_host_reads_these_files_and_no_others() -> None:
    """Memory and cpu limits on a cgroup2 host: five files read."""
    view = counted("debian12-unified-6.1")
    detect(view, wanted=("memory.swap.max",), controllers=("memory", "cpu"), target="/kp/new")
    assert view.log == [
        "read /proc/self/cgroup",
        "read /sys/fs/cgroup/cgroup.controllers",
        "stat /sys/fs/cgroup",
        "read /proc/self/uid_map",
        "stat /sys/fs/cgroup/kp/new",
        "stat /sys/fs/cgroup/kp",
        "read /sys/fs/cgroup/kp/cgroup.controllers",
        "stat /sys/fs/cgroup/kp/memory.swap.max",
        "read /proc/swaps",
    ]


def test_names_of_cgroup2_are_not_searched_for_in_v1() -> None:
    """The rules ask for the files of both versions: those of cgroup2 take no look at a v1 hierarchy."""
    view, both = counted("debian12-hybrid-6.18"), counted("debian12-hybrid-6.18")
    v1, v2 = ("memory.memsw.limit_in_bytes", "cpu.cfs_quota_us"), ("memory.swap.max", "cpu.max", "cpu.max.burst")
    detect(view, wanted=v1, controllers=("memory", "cpu"))
    host = detect(both, wanted=(*v1, *v2), controllers=("memory", "cpu"))
    assert both.log == view.log
    assert [host.has(name) for name in (*v1, *v2)] == [True, True, False, False, False]


def test_no_resources_cost_least() -> None:
    """Without limits only the layout and the user are looked at."""
    view = counted("debian12-unified-6.1")
    detect(view, controllers=())
    assert [entry for entry in view.log if entry.startswith("read")] == [
        "read /proc/self/cgroup",
        "read /sys/fs/cgroup/cgroup.controllers",
        "read /proc/self/uid_map",
    ]


@pytest.mark.parametrize("name", CALM)
def test_neither_mountinfo_nor_listings(name: str) -> None:
    """Where the well-known places decide, even all controllers need neither mountinfo nor a directory listing."""
    view = counted(name)
    detect(view, wanted=SWAP)
    assert [entry for entry in view.log if entry.startswith("list") or "mountinfo" in entry] == []


@pytest.mark.parametrize("name", CALM)
def test_reads_do_not_grow_with_the_host(name: str) -> None:
    """A thousand more cgroups in every hierarchy change no access."""
    few, many = counted(name), counted(name)
    for directory in many.manifest["directories"].values():
        if directory["children"]:  # the first child stays the first
            directory["children"] += [f"more-{number}" for number in range(1000)]
    detect(few, wanted=SWAP)
    detect(many, wanted=SWAP)
    assert many.log == few.log


@pytest.mark.parametrize("path", sorted(HOSTS.glob("*/manifest.json")), ids=lambda path: str(path.parent.name))
def test_proc_cgroups_is_never_opened(path: Path) -> None:
    """No host makes detection look at /proc/cgroups: it is wrong in both directions."""
    view = counted(path.parent.name)
    detect(view, wanted=(*SWAP, "pids.max", "io.weight", "cgroup.kill"), target="/a/b")
    assert [entry for entry in view.log if "/proc/cgroups" in entry] == []


def test_the_log_sees_proc_cgroups() -> None:
    """The method is able to fail: a read of /proc/cgroups is written down."""
    view = counted("uos-5.10")
    view.text("/proc/cgroups")
    assert view.log == ["read /proc/cgroups"]
