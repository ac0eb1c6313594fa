"""The table of all known failures; loaded only after a failure or by `cgshimctl`."""

from __future__ import annotations

from shim.diagnose.catalogue import (
    cpu,
    criu,
    foreign,
    io_net_devices,
    kernel_mounts,
    layout,
    memory,
    mounts,
    own,
    placement,
    rootless,
    systemd,
    tree,
)
from shim.diagnose.entry import Entry

AREAS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Cgroup layout", layout.ENTRIES),
    ("cgroup2 tree", tree.ENTRIES),
    ("Placement", placement.ENTRIES),
    ("Memory", memory.ENTRIES),
    ("CPU", cpu.ENTRIES),
    ("I/O, huge pages, network, pids, devices", io_net_devices.ENTRIES),
    ("Privileges", rootless.ENTRIES),
    ("systemd driver", systemd.ENTRIES),
    ("Kernel file systems and root", kernel_mounts.ENTRIES),
    ("Volumes", mounts.ENTRIES),
    ("Checkpoint and restore", criu.ENTRIES),
    ("Found before or after, without a message", own.ENTRIES),
    ("Passed through unchanged", foreign.ENTRIES),
)
ENTRIES: tuple[Entry, ...] = tuple(entry for _, entries in AREAS for entry in entries)
