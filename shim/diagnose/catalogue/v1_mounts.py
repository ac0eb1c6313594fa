"""Mounting a v1 hierarchy: the words of mount(8), the runtimes and systemd, and why cgroup2 can forbid it."""

from __future__ import annotations

from shim.diagnose.checks import layout as look
from shim.diagnose.entry import EBUSY, EINVAL, V1_NAMES, Entry

V1_DOC = "Linux Documentation/admin-guide/cgroup-v1/cgroups.rst, section 2.1"
# mount(8)'s words for EINVAL. The mount point usually has the controller's name; "on cgroup" is the source.
WRONG_TYPE = "wrong fs type, bad option"
MOUNTED_AT = (
    r"mount: [^\n:]*/(?P<controller>memory|cpuset|cpu|cpuacct|blkio|pids|devices|freezer|hugetlb|rdma|misc|perf_event"
    r"|net_cls|net_prio): "
)
# The words of the runtimes and of systemd, in front of the errno.
RUNTIMES_MOUNT = (
    r"(?:mounting \\*\"cgroup\\*\" to rootfs[^\n]*?/sys/fs/cgroup/|mount `cgroup` to `[^`\n]*sys/fs/cgroup/"
    rf"|Failed to mount cgroup \(type cgroup\) on /sys/fs/cgroup/)(?:[a-z_]+,)?(?P<controller>{V1_NAMES})\b[^\n]*: "
)
REFUSED_MOUNT = (
    RUNTIMES_MOUNT + EINVAL,
    MOUNTED_AT + WRONG_TYPE,
    rf"mount: [^\n:]*cgroup[^\n:]*: {WRONG_TYPE}(?![^\n]* on cgroup2)",
    rf"mount: (?:[^\n:]*: )?{WRONG_TYPE}, bad superblock on cgroup\b",
)

ENTRIES = (
    Entry(
        code="v1-controller-owned-by-cgroup2",
        title="EBUSY: cgroup2 owns the controller that is to be mounted as v1",
        ambiguous=(
            rf"{MOUNTED_AT}(?:cgroup|none) already mounted or mount point busy",  # the source, which says nothing
            r"mount: [^\n]*: (?P<controller>[a-z_]+) already mounted or mount point busy",
            RUNTIMES_MOUNT + EBUSY,
        ),
        verdict="the {controller} controller cannot be mounted as v1: cgroup2 uses it (EBUSY)",
        cause="A controller belongs to one hierarchy at a time. A script that ignores this error continues without "
        "the controller, and its limits are then silently not enforced.",
        remedy=(
            "Use cgroup2 for this controller, or empty every cgroup.subtree_control that names it, then mount again:",
            "find /sys/fs/cgroup -name cgroup.subtree_control | xargs grep -l {controller}",
        ),
        reference=V1_DOC,
        confirm=look.owned_by_cgroup2,
        tell="grep -w {controller} /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/*/cgroup.controllers: in one?",
        offer=1,
    ),
)
