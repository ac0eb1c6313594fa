"""Reads cgroups of the guest: where the hierarchies are mounted, where a process is, what its settings are."""

from __future__ import annotations

import os
import stat

# Counters, events and actions: files that hold no setting, so that nobody can lose a limit in them.
NO_SETTING = (
    "cgroup.",
    "tasks",
    "notify_on_release",
    "release_agent",
    "memory.pressure",
    "memory.force_empty",
    "memory.reclaim",
    "memory.peak",
    "memory.swap.peak",
    "memory.kmem.slabinfo",
    "io.pressure",
    "cpu.pressure",
    "irq.pressure",
    "devices.",
    "freezer.",
    "cpuacct.",
    "rdma.current",
    "net_cls.classid_",
)
NO_SETTING_ENDINGS = ("_usage_in_bytes", "failcnt", "reset_stats", ".pressure", "event_control", ".usage")


class Hierarchy:
    """One mounted cgroup file system: version 1 or 2, its mount point, the root of the mount, its v1 controllers."""

    def __init__(self, version: int, mount: str, root: str, controllers: list[str]) -> None:
        self.version = version
        self.mount = mount
        self.root = root
        self.controllers = controllers

    def name(self) -> str:
        """The controllers, or "cgroup2"."""
        return "cgroup2" if self.version == 2 else ",".join(self.controllers)


def hierarchies() -> list[Hierarchy]:
    """All hierarchies below /sys/fs/cgroup, from /proc/self/mountinfo; of several mounts on one point the last."""
    found = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            tail = fields[fields.index("-") + 1 :]
            if tail[0] in ("cgroup", "cgroup2") and fields[4].startswith("/sys/fs/cgroup"):
                options = [] if tail[0] == "cgroup2" else v1_controllers(tail[2])
                found[fields[4]] = Hierarchy(2 if tail[0] == "cgroup2" else 1, fields[4], fields[3], options)
    return list(found.values())


def v1_controllers(options: str) -> list[str]:
    """The controllers among the super options of a v1 mount, `name=...` included."""
    no_controllers = ("rw", "ro", "xattr", "clone_children", "cpuset_v2_mode", "noprefix", "seclabel", "noperm")
    return [word for word in options.split(",") if word not in no_controllers and not word.startswith("release_agent")]


def directories(pid: int, path: str) -> dict[str, str]:
    """Where process `pid` is, as {hierarchy name: directory}; `path` is where its runtime was told to put it."""
    told = {}
    with open(f"/proc/{pid}/cgroup") as file:
        for line in file:
            _, controllers, own = line.rstrip("\n").split(":", 2)
            told[controllers or "cgroup2"] = own
    found = {}
    for hierarchy in hierarchies():
        own = told.get(hierarchy.name(), "")
        below = own[len(hierarchy.root.rstrip("/")) :] if own.startswith(hierarchy.root.rstrip("/") + "/") else own
        for candidate in (below, own, path, path + "/container"):
            directory = hierarchy.mount + candidate
            if candidate and candidate != "/" and pid in processes(directory):
                found[hierarchy.name()] = directory
                break
    return found


def processes(directory: str) -> list[int]:
    """The processes of one cgroup; none where it does not exist.

    A process that is about to be gone shows as 0 for a moment, and kill(2) takes 0 for the caller's own group.
    """
    try:
        with open(os.path.join(directory, "cgroup.procs")) as file:
            return [int(line) for line in file if int(line)]
    except OSError:
        return []


def settings(directory: str) -> dict[str, str]:
    """All interface files of a cgroup that hold a setting, as {file: content, lines joined with "; "}."""
    found = {}
    for name in sorted(os.listdir(directory)):
        if not name.startswith(NO_SETTING) and not name.endswith(NO_SETTING_ENDINGS):
            value = setting(os.path.join(directory, name))
            if value is not None:
                found[name] = value
    return found


def setting(path: str) -> str | None:
    """The content of a file that can be written and read, None for any other."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISREG(mode) or not mode & stat.S_IWUSR or not mode & stat.S_IRUSR:
        return None
    try:
        with open(path) as file:
            return "; ".join(file.read().split("\n")).rstrip("; ")
    except OSError as problem:
        return f"unreadable: {problem.strerror}"


def container_settings(pid: int, path: str) -> dict[str, str]:
    """All settings of a container's own cgroups, keyed "memory.max"; v1 and v2 file names never collide but in
    rdma, misc and hugetlb, whose controller is in one hierarchy only.
    """
    found: dict[str, str] = {}
    for directory in directories(pid, path).values():
        found.update(settings(directory))
    return found
