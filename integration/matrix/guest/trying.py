"""The truth about a host, found by trying: a child cgroup in every hierarchy, its files written and read back."""

from __future__ import annotations

import os
import sys

from integration.matrix.guest import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def truth(parent: str) -> dict[str, Any]:
    """What a child cgroup can really have here.

    placements: controller -> 1, 2 or 0. possible: its settings before anything was written. files: which of INTERFACE
    it has. mountable: controllers that a new v1 hierarchy could be mounted for.
    """
    placements = {controller: 0 for controller, _, _ in TRIALS}
    possible: dict[str, str] = {}
    files: set[str] = set()
    for hierarchy in cgroups.hierarchies():
        child = f"{hierarchy.mount}{parent}/matrix-trial"
        enabled = enable(hierarchy, parent) if hierarchy.version == 2 else []
        try:
            os.mkdir(child)
        except OSError:
            continue
        possible.update(cgroups.settings(child))
        files.update(name for name in INTERFACE if os.path.exists(f"{child}/{name}"))
        for controller, name, value in TRIALS:
            if writes(f"{child}/{name}", value):
                placements[controller] = hierarchy.version
        os.rmdir(child)
        for control, name in reversed(enabled):
            write(control, f"-{name}")
    return {
        "placements": placements,
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
    os.makedirs("/run/matrix/v1", exist_ok=True)
    for name in ("memory", "cpuset", "cpu", "pids", "blkio", "hugetlb"):
        if name not in found and os.system(f"mount -t cgroup -o {name} cgroup /run/matrix/v1 2> /dev/null") == 0:
            found.add(name)
            os.system("umount /run/matrix/v1")
    return sorted(found)


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
    """A single write(2); False if the kernel refuses."""
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


def detected(parent: str, installed: str) -> dict[str, Any]:
    """What detection says of the same host, under the same names; `installed` is the package's folder."""
    sys.path.insert(0, os.path.dirname(installed))
    from shim.host.detect import detect
    from shim.host.view import View

    host = detect(View(), wanted=INTERFACE, target=f"{parent}/matrix-detect")
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
