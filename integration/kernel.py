"""Reads limits back from the kernel, on either kind of hierarchy, without any code of the program under test."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mount(NamedTuple):
    """One cgroup file system of /proc/self/mountinfo (proc(5)): root is the cgroup that the mount point shows."""

    root: str
    point: Path
    version: int
    options: tuple[str, ...]


def cgroup_mounts(mountinfo: str) -> list[Mount]:
    """Every cgroup mount in the text of a mountinfo file."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        fields = before.split(" ")
        version = 2 if kind == "cgroup2" else 1
        found.append(Mount(fields[3], Path(fields[4]), version, tuple(options.split(","))))
    return found


class CgroupValues:
    """The cgroups of one process; values are read when asked for.

    The controller of a file is its name's first word, as in the kernel: `memory.limit_in_bytes` is in `memory`.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
        self._paths: dict[str, str] = {}
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                self._paths[controller] = path  # "" is cgroup2, name=systemd a v1 hierarchy without controller

    def directory(self, controller: str, version: int | None = None) -> Path:
        """The process's directory for a controller; version None means v1 where it is attached to v1, else v2."""
        if version is None:
            version = 1 if controller in self._paths else 2
        path = self._paths["" if version == 2 else controller]
        for mount in self._mounts:
            if mount.version == version and (version == 2 or controller in mount.options):
                below = path[len(mount.root) :] if mount.root != "/" and path.startswith(mount.root) else path
                return mount.point / below.lstrip("/")
        raise LookupError(f"{controller}: no cgroup v{version} mount")

    def version(self, controller: str) -> int:
        """1 where the controller is attached to a v1 hierarchy, else 2."""
        return 1 if controller in self._paths else 2

    def read(self, name: str, version: int | None = None) -> str | None:
        """The interface file's content without the last newline; None when this cgroup has no such file."""
        path = self.directory(name.split(".", 1)[0], version) / name
        if not path.exists():
            return None
        return path.read_text().rstrip("\n")


def host_facts() -> str:
    """What a reader of a failed test wants to know of this host."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup" in line]
    return "\n".join(
        (
            Path("/proc/version").read_text().strip(),
            "/proc/self/cgroup:",
            *(f"  {line}" for line in Path("/proc/self/cgroup").read_text().splitlines()),
            "cgroup mounts:",
            *(f"  {line}" for line in mounts),
        )
    )
