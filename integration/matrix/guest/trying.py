"""The truth about a host, found by trying: a child cgroup in every hierarchy, its files written and read back."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from integration.matrix.guest import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSTALLED = "/cgshim"
WAITS = 300  # tenths of a second, under emulation
# One file of each controller that takes a value in a new cgroup; "" only opens it for writing.
TRIALS = (
    ("memory", "memory.limit_in_bytes", "104857600"),
    ("memory", "memory.max", "104857600"),
    ("cpu", "cpu.shares", "512"),
    ("cpu", "cpu.weight", "50"),
    ("cpuset", "cpuset.cpus", "0"),
    ("pids", "pids.max", "100"),
    ("io", "blkio.throttle.read_bps_device", ""),
    ("io", "io.max", ""),
    ("hugetlb", "hugetlb.2MB.limit_in_bytes", "4194304"),
    ("hugetlb", "hugetlb.2MB.max", "4194304"),
    ("rdma", "rdma.max", ""),
    ("misc", "misc.max", ""),
    ("net_cls", "net_cls.classid", "1"),
    ("net_prio", "net_prio.ifpriomap", "lo 1"),
    ("devices", "devices.allow", ""),
)
INTERFACE = (
    *(name for _, name, _ in TRIALS),
    "memory.memsw.limit_in_bytes",
    "memory.swap.max",
    "memory.swappiness",
    "cpu.cfs_burst_us",
    "cpu.max.burst",
    "cpu.idle",
    "blkio.bfq.weight",
    "io.bfq.weight",
    "io.weight",
)


class Children:
    """A cgroup of our own in every hierarchy where one can be made, with all controllers; a context manager."""

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self.made: list[tuple[cgroups.Hierarchy, str]] = []
        self.enabled: list[tuple[str, str]] = []

    def __enter__(self) -> list[tuple[cgroups.Hierarchy, str]]:
        for hierarchy in cgroups.hierarchies():
            child = f"{hierarchy.mount}{self.parent}/matrix-trial"
            if hierarchy.version == 2:
                self.enabled += enable(hierarchy, self.parent)
            try:
                os.mkdir(child)
            except OSError:
                continue
            self.made.append((hierarchy, child))
        return self.made

    def __exit__(self, *exception: object) -> None:
        for _, child in self.made:
            os.rmdir(child)
        for control, name in reversed(self.enabled):
            write(control, f"-{name}")


def truth(parent: str, capture: str) -> dict[str, Any]:
    """What a child cgroup can really have here.

    tried: False where no child could be made. placements: controller -> 1, 2 or 0. possible: its settings before
    anything was written. files: which of INTERFACE it has. mountable: controllers that a new v1 hierarchy could be
    mounted for. `capture`: folder for a capture of this host with the children in it, "" for none.
    """
    placements = {controller: 0 for controller, _, _ in TRIALS}
    possible: dict[str, str] = {}
    files: set[str] = set()
    with Children(parent) as made:
        tried_at_all = bool(made)
        if capture:
            subprocess.run([sys.executable, "-m", "shim.host.capture", capture], cwd=INSTALLED, check=True)
        for tried, child in made:
            possible.update(cgroups.settings(child))
            files.update(name for name in INTERFACE if os.path.exists(f"{child}/{name}"))
            for controller, name, value in TRIALS:
                if writes(f"{child}/{name}", value):
                    placements[controller] = tried.version
    return {
        "placements": placements,
        "tried": tried_at_all,
        "possible": possible,
        "files": sorted(files),
        "mountable": mountable(),
        "psi": reads("/proc/pressure/memory"),
        "swaps": len(lines("/proc/swaps")) > 1,
    }


def enable(hierarchy: cgroups.Hierarchy, parent: str) -> list[tuple[str, str]]:
    """Enable every controller from the root of the mount down to `parent`; what has to be taken back."""
    done = []
    directory = hierarchy.mount
    for part in ["", *parent.split("/")[1:]]:
        directory = f"{directory}/{part}".rstrip("/")
        available = " ".join(lines(f"{directory}/cgroup.controllers")).split()
        already = " ".join(lines(f"{directory}/cgroup.subtree_control")).split()
        for name in available:
            if name not in already and write(f"{directory}/cgroup.subtree_control", f"+{name}"):
                done.append((f"{directory}/cgroup.subtree_control", name))
    return done


def mountable() -> list[str]:
    """Controllers for which the kernel grants a v1 hierarchy of their own, or has granted one."""
    found = {name for hierarchy in cgroups.hierarchies() for name in hierarchy.controllers if "=" not in name}
    before = _of_cgroup2()
    os.makedirs("/run/matrix/v1", exist_ok=True)
    for name in ("memory", "cpuset", "cpu", "pids", "blkio", "hugetlb"):
        if name not in found and quiet("mount", "-t", "cgroup", "-o", name, "cgroup", "/run/matrix/v1") == 0:
            found.add(name)
            quiet("umount", "/run/matrix/v1")
    # The kernel gives a controller back when the last reference to its v1 hierarchy has gone, some time after umount.
    for _ in range(WAITS):
        if _of_cgroup2() == before:
            break
        time.sleep(0.1)
    return sorted(found)


def _of_cgroup2() -> dict[str, str]:
    """The controllers that each mounted cgroup2 has."""
    mounts = [hierarchy.mount for hierarchy in cgroups.hierarchies() if hierarchy.version == 2]
    return {mount: " ".join(lines(f"{mount}/cgroup.controllers")) for mount in mounts}


def quiet(*command: str) -> int:
    """Exit status of a command whose complaints are expected."""
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def writes(path: str, value: str) -> bool:
    """The kernel takes the value, and shows it."""
    if not os.path.exists(path):
        return False
    if not value:
        try:
            os.close(os.open(path, os.O_WRONLY))
        except OSError:
            return False
        return True
    return write(path, value) and value in lines(path)


def write(path: str, value: str) -> bool:
    """Write a value in one call; False if the kernel refuses it."""
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError:
        return False
    return True


def reads(path: str) -> bool:
    """The file has content."""
    return bool(lines(path))


def lines(path: str) -> list[str]:
    """The lines of a file, none where it cannot be read."""
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


def lied_to() -> dict[str, Any]:
    """What detection says while /proc/cgroups denies every controller."""
    with open("/run/matrix/no-cgroups", "w") as file:
        file.write("#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t0\n")
    quiet("mount", "--bind", "/run/matrix/no-cgroups", "/proc/cgroups")
    try:
        return detected()
    finally:
        quiet("umount", "/proc/cgroups")


def detected() -> dict[str, Any]:
    """What detection says of the same host, under the same names."""
    sys.path.insert(0, INSTALLED)
    from shim.host.detect import detect
    from shim.host.view import View

    host = detect(View(), wanted=INTERFACE, target="/matrix-detect")
    return {
        "layout": host.layout,
        "layout_evidence": host.layout_evidence,
        "placements": {name: host.version(name) for name in dict.fromkeys(controller for controller, _, _ in TRIALS)},
        "evidence": {name: place.evidence for name, place in host.placements.items()},
        "files": sorted(name for name in INTERFACE if host.has(name)),
        "unknown": sorted(name for name in INTERFACE if host.has(name) is None),
        "swap_accounting": host.swap_accounting.value,
        "swaps": host.swap_present.value,
        "cgroup_view": host.cgroup_view.value,
        "user_namespace": host.user_namespace.value,
    }
