"""The table of all known failures; loaded only after a failure or by `cgshimctl`."""

from __future__ import annotations

from shim.diagnose.catalogue import (
    buses,
    confined,
    cpu,
    criu,
    engines,
    foreign,
    found,
    io_net_devices,
    kernel_mounts,
    labels,
    layout,
    limits,
    memory,
    mount_points,
    mounts,
    nested,
    node,
    own,
    placement,
    procfs,
    revealing,
    rootless,
    systemd,
    tool,
    tree,
    vanished,
)
from shim.diagnose.entry import Entry

AREAS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Cgroup layout", layout.ENTRIES),
    ("Inside a container", nested.ENTRIES),
    ("cgroup2 tree", tree.ENTRIES),
    ("Placement", (*placement.ENTRIES, *vanished.ENTRIES)),
    ("Memory", memory.ENTRIES),
    ("CPU", cpu.ENTRIES),
    ("I/O, huge pages, network, pids, devices", io_net_devices.ENTRIES),
    ("Privileges", rootless.ENTRIES),
    ("systemd driver", (*buses.ENTRIES, *systemd.ENTRIES)),
    ("Kernel file systems and root", (*kernel_mounts.ENTRIES, *revealing.ENTRIES)),
    ("Volumes", (*mounts.ENTRIES, *mount_points.ENTRIES)),
    ("Security labels", labels.ENTRIES),
    ("Access to /proc, and sysctls", procfs.ENTRIES),
    ("Keys, seccomp, and the runtime's own start", confined.ENTRIES),
    ("Limits that an engine drops or refuses", engines.ENTRIES),
    ("Start of a node", node.ENTRIES),
    ("Checkpoint and restore", criu.ENTRIES),
    ("Found by looking, without a message", found.ENTRIES),
    ("Limits that a host cannot enforce", limits.ENTRIES),
    ("Refusals and faults of cgshim itself", own.ENTRIES),
    ("Refusals of cgshimctl", tool.ENTRIES),
    ("Passed through unchanged", foreign.ENTRIES),
)
ENTRIES: tuple[Entry, ...] = tuple(entry for _, entries in AREAS for entry in entries)
