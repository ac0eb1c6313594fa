"""The host's half of the model: where each controller lives and which interface files a container's cgroup has.

Read from the captured trees of tests/hosts (`manifest.json` and the files below `root/`) the way the runtimes look at
a host: statfs(2) of /sys/fs/cgroup, mountinfo, `cgroup.controllers`. What a capture does not show is taken from the
kernel's version, as the kernel documents date it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.model.cgroup import Cgroup
from tests.model.kernel import HUGE_PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/sys/fs/cgroup"
MOUNT_OPTIONS = ("rw", "ro", "xattr", "clone_children", "noprefix", "seclabel")
# Interface files of a child cgroup by controller, each with the kernel that has it first.
CGROUP2: dict[str, dict[str, tuple[int, int]]] = {
    "memory": {
        "memory.max": (4, 5),
        "memory.high": (4, 5),
        "memory.low": (4, 5),
        "memory.min": (4, 18),
        "memory.oom.group": (4, 19),
        "memory.swap.max": (5, 8),
        "memory.swap.high": (5, 8),
        "memory.zswap.max": (5, 19),
        "memory.zswap.writeback": (6, 8),
    },
    "cpu": {"cpu.max": (4, 15), "cpu.weight": (4, 15), "cpu.max.burst": (5, 14), "cpu.idle": (5, 15)},
    "cpuset": {"cpuset.cpus": (5, 0), "cpuset.mems": (5, 0)},
    "pids": {"pids.max": (4, 5)},
    "io": {"io.max": (4, 5), "io.weight": (5, 4)},
    "hugetlb": {
        **{f"hugetlb.{size}.max": (5, 6) for size in HUGE_PAGES},
        **{f"hugetlb.{size}.rsvd.max": (5, 7) for size in HUGE_PAGES},
    },
    "rdma": {"rdma.max": (4, 11)},
    "misc": {},
}
NEVER = (99, 0)  # by no kernel's version alone: it takes a module or an option
V1: dict[str, dict[str, tuple[int, int]]] = {
    "memory": {
        "memory.limit_in_bytes": (2, 6),
        "memory.soft_limit_in_bytes": (2, 6),
        "memory.memsw.limit_in_bytes": (5, 8),
        "memory.kmem.limit_in_bytes": (3, 8),
        "memory.kmem.tcp.limit_in_bytes": (3, 8),
        "memory.swappiness": (2, 6),
        "memory.oom_control": (2, 6),
        "memory.use_hierarchy": (2, 6),
    },
    "cpu": {
        "cpu.shares": (2, 6),
        "cpu.cfs_quota_us": (3, 2),
        "cpu.cfs_period_us": (3, 2),
        "cpu.cfs_burst_us": (5, 14),
        "cpu.idle": (5, 15),
        "cpu.rt_runtime_us": NEVER,
        "cpu.rt_period_us": NEVER,
    },
    "cpuset": {"cpuset.cpus": (2, 6), "cpuset.mems": (2, 6)},
    "pids": {"pids.max": (4, 3)},
    "io": {
        "blkio.throttle.read_bps_device": (2, 6),
        "blkio.throttle.write_bps_device": (2, 6),
        "blkio.throttle.read_iops_device": (2, 6),
        "blkio.throttle.write_iops_device": (2, 6),
        "blkio.weight": NEVER,
        "blkio.bfq.weight": NEVER,
    },
    "hugetlb": {
        **{f"hugetlb.{size}.limit_in_bytes": (3, 6) for size in HUGE_PAGES},
        **{f"hugetlb.{size}.rsvd.limit_in_bytes": (5, 7) for size in HUGE_PAGES},
    },
    "rdma": {"rdma.max": (4, 11)},
    "net_cls": {"net_cls.classid": (2, 6)},
    "net_prio": {"net_prio.ifpriomap": (3, 3)},
}
# Files whose presence a capture of a directory with the first name decides, and not the kernel's version.
OPTIONAL = {
    "memory.max": ("memory.swap.max", "memory.swap.high", "memory.zswap.max", "memory.zswap.writeback"),
    "memory.limit_in_bytes": ("memory.memsw.limit_in_bytes", "memory.kmem.limit_in_bytes"),
    "cpu.weight": ("cpu.max.burst", "cpu.idle"),
    "cpu.shares": ("cpu.cfs_burst_us", "cpu.idle"),
    "io.max": ("io.weight",),
}


class Machine(NamedTuple):
    """One host. version: controller -> 1 or 2, absent for nowhere; unified: what runtimes find at /sys/fs/cgroup.

    beside: controllers of the cgroup2 next to v1 hierarchies (crun refuses such a host unless there are none).
    files: every interface file of a container's cgroup there. swap: the host has a swap device or file.
    """

    name: str
    kernel: tuple[int, int]
    unified: bool
    version: dict[str, int]
    beside: tuple[str, ...]
    files: frozenset[str]
    swap: bool

    def cgroup(self, without: tuple[str, ...] = ()) -> Cgroup:
        """A new cgroup of a container, `without` the controllers that its runtime does not enable."""
        group = Cgroup(
            (name for name in self.files if name.partition(".")[0] not in without), self.kernel, self._beside
        )
        if self.version.get("cpuset") == 1:  # runtimes copy the parent's into it, or nothing could run there
            group.files.update({"cpuset.cpus": "0-3", "cpuset.mems": "0"})
        return group

    @property
    def _beside(self) -> frozenset[str]:
        return frozenset(name for name in self.files if name.partition(".")[0] in self.beside)

    @property
    def reach(self) -> int:
        """The version of the hierarchies that a runtime writes here."""
        return 2 if self.unified else 1

    def reaches(self, controller: str) -> bool:
        """The runtime can write this controller's files."""
        return self.version.get(controller) == self.reach


def captured(directory: Path) -> Machine | None:
    """The machine of one capture; None where no runtime makes a container, or only with more privileges than it had."""
    manifest = json.loads((directory / "manifest.json").read_text())
    seen: dict[str, dict[str, Any]] = manifest["directories"]
    at_root = seen.get(ROOT, {})
    if at_root.get("type") not in ("tmpfs", "cgroup2") or manifest["euid"] or not _writable(seen):
        return None
    unified = at_root["type"] == "cgroup2"
    second = "" if unified else f"{ROOT}/unified" if seen.get(f"{ROOT}/unified", {}).get("type") == "cgroup2" else ""
    version = {} if unified else dict.fromkeys(_hierarchies(directory), 1)
    listed = _text(directory, f"{second or ROOT}/cgroup.controllers").split() if unified or second else []
    version.update({name: 2 for name in listed if name not in version})
    kernel = tuple(map(int, re.findall(r"\d+", manifest["kernel"])[:2]))
    names = {name for place, found in seen.items() if place.startswith(ROOT) for name in found["files"].split()}
    other_pages = "-16k" in manifest["kernel"] or "loongarch64" in manifest["kernel"]
    if not version or other_pages:  # the model counts in pages of 4 KiB, and in huge pages of 2 MiB
        return None
    return Machine(
        name=directory.name,
        kernel=(kernel[0], kernel[1]),
        unified=unified,
        version=version,
        beside=tuple(listed) if second else (),
        files=frozenset(_files(version, names, (kernel[0], kernel[1]))),
        swap=len(_text(directory, "/proc/swaps").splitlines()) > 1,
    )


def _writable(seen: dict[str, dict[str, Any]]) -> bool:
    return all(found["writable"] for place, found in seen.items() if found["type"] in ("cgroup", "cgroup2"))


def _text(directory: Path, path: str) -> str:
    place = directory / "root" / path.lstrip("/")
    return place.read_text() if place.is_file() else ""


def _hierarchies(directory: Path) -> Iterator[str]:
    """The controllers that mountinfo shows on a v1 hierarchy; `blkio` under its cgroup2 name."""
    for line in _text(directory, "/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind == "cgroup" and fields.split()[4].startswith(ROOT):
            words = (word for word in options.split(",") if re.fullmatch(r"\w+", word) and word not in MOUNT_OPTIONS)
            yield from ("io" if word == "blkio" else word for word in words)


def _files(version: dict[str, int], seen: set[str], kernel: tuple[int, int]) -> Iterator[str]:
    for controller, found in version.items():
        table = (CGROUP2 if found == 2 else V1).get(controller, {})
        for name, since in table.items():
            decided = any(first in seen and name in optional for first, optional in OPTIONAL.items())
            if name in seen or (kernel >= since and not decided):
                yield name
        if "io.bfq.weight" in seen and controller == "io" and found == 2:
            yield "io.bfq.weight"


def every(hosts: Path) -> dict[str, Machine]:
    """All machines among the captured trees below `hosts`, by name."""
    found = (captured(place.parent) for place in sorted(hosts.glob("*/manifest.json")))
    return {machine.name: machine for machine in found if machine}
