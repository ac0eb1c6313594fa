"""cgroup.subtree_control: why a controller cannot be enabled for the container's cgroup."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EOPNOTSUPP, Entry, creating, opening, writing

# Interface files that exist wherever their controller is enabled, whatever the kernel version.
CORE_FILES = (
    r"(?:memory\.(?:max|low|min|high)|pids\.max|cpu\.weight|cpuset\.(?:cpus|mems)(?:\.effective)?|io\.stat"
    r"|hugetlb\.(?:1GB|2MB)\.max|rdma\.max)"
)
MISSING_FILE = opening(CORE_FILES, ENOENT)
# Files that need more of the kernel than the controller, and any file that a runtime opens with O_CREAT.
NEWER = (
    r"(?:cpu\.(?:max(?:\.burst)?|idle|uclamp\.\w+)|io\.(?:max|latency)|io\.(?:bfq\.)?weight|memory\.oom\.group"
    r"|cpuset\.cpus\.partition|hugetlb\.\w+\.rsvd\.max|misc\.max|dmem\.\w+)"
)
PERHAPS_MISSING = (opening(NEWER, ENOENT), creating(rf"(?:{CORE_FILES}|{NEWER})"))


def enabling(error: str) -> str:
    """Match: enabling or disabling a controller for a cgroup's children failed with `error`."""
    systemd = rf"Failed to (?:enable|disable) controller \w+ (?:for|on) [^\n]*\((?P<path9>/[^\n)]*)\)[^\n:]*: {error}"
    return rf"(?:{writing('cgroup[.]subtree_control', error)}|{systemd})"


REFUSED = enabling(EINVAL)
ENTRIES = (
    Entry(
        code="controller-refused-for-realtime",
        title="the cpu controller cannot be enabled while realtime processes run",
        ambiguous=(REFUSED,),
        verdict="the kernel refuses to enable controllers for children (EINVAL): for cpu this means realtime processes",
        cause="A kernel with CONFIG_RT_GROUP_SCHED enables cpu on cgroup2 only while every realtime process "
        "(rtkit-daemon, audio servers, multipathd) is in the root cgroup. A name that is not a controller gives the "
        "same errno.",
        remedy=(
            "ps -eo pid,cls,rtprio,cmd | awk '$2 ~ /RR|FF/' lists them; end them or move them to the root cgroup.",
            (
                "Upgrade crun to 0.18 or later, which continues without cpu; or use a kernel without "
                "CONFIG_RT_GROUP_SCHED."
            ),
        ),
        reference="https://github.com/containers/crun/pull/591",
        tell="zgrep RT_GROUP_SCHED /proc/config.gz /boot/config-$(uname -r); ps -eo cls,cmd | grep -E '^ *(RR|FF)'",
        offer=1,
        layout="v2",
    ),
    Entry(
        code="controller-refused-for-fixed-thread",
        title="the cpuset controller cannot be enabled while a thread with fixed CPUs is in a cgroup",
        ambiguous=(REFUSED,),
        verdict="the kernel refuses to enable controllers for children (EINVAL): for cpuset this means a kernel thread "
        "outside of the root cgroup",
        cause="Enabling cpuset gives every thread below a set of CPUs, which the kernel refuses for a kernel thread "
        "that is bound to one CPU (a kworker). Such threads belong in the root cgroup; OpenWrt had some elsewhere. "
        "One write names all controllers, so none of them is enabled.",
        remedy=(
            (
                "Enable the others one by one: echo +memory > /sys/fs/cgroup/cgroup.subtree_control, then +cpu, +io "
                "and +pids"
            ),
            "Move the thread back: echo <pid> > /sys/fs/cgroup/cgroup.procs, then echo +cpuset as above.",
        ),
        reference="https://github.com/containers/podman/issues/21877",
        tell="echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control; for p in $(pgrep -P 2); do "
        "grep -H -v '::/$' /proc/$p/cgroup; done",
        offer=2,
        layout="v2",
    ),
    Entry(
        code="controller-refused-by-threads",
        title="a threaded cgroup cannot enable controllers for its children",
        patterns=(enabling(EOPNOTSUPP),),
        verdict="{path} cannot enable controllers for its children: it is threaded, or domain invalid (EOPNOTSUPP)",
        cause="memory, io and others need domain cgroups. A cgroup that has processes and threaded children is not "
        "one, and neither are its other children. This is usual in a container (LXC, docker in docker) whose "
        "processes are all in its root.",
        remedy=(
            "cat /sys/fs/cgroup/cgroup.type (a container has this file): is it threaded, or domain invalid?",
            (
                "First move the processes into a leaf: mkdir /sys/fs/cgroup/init && xargs -rn1 < "
                "/sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs"
            ),
        ),
        reference="https://github.com/containers/podman/issues/11841",
        rank=40,
        layout="v2",
    ),
    Entry(
        code="controller-missing-in-parent",
        title="the parent itself does not have a controller that it should enable for its children",
        patterns=(
            enabling(ENOENT),
            rf"failed to write subtree controllers \[[^\]\n]*\] to \\*\"(?P<path7>[^\"\\\n]+)\\*\": [^\n]*{ENOENT}",
        ),
        verdict="{path} cannot enable a controller for its children: that cgroup does not have it itself (ENOENT)",
        cause="A cgroup can enable for its children only what its own cgroup.controllers lists. For a user's "
        "cgroups systemd decides what that is.",
        remedy=(
            (
                "Rootless: systemctl edit user@.service, add Delegate=cpu cpuset io memory pids under [Service], then "
                "log in again."
            ),
            (
                "Root: echo '+cpu +cpuset +io +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control, and the same in "
                "each cgroup on the way down"
            ),
            "Or start the container without the limit (--blkio-weight, --cpuset-cpus).",
        ),
        reference="https://github.com/containers/crun/issues/254",
        layout="v2",
    ),
    Entry(
        code="subtree-control-not-permitted",
        title="this user may not enable controllers in the parent cgroup",
        patterns=(enabling(EACCES), opening(r"cgroup\.subtree_control", EACCES)),
        verdict="this user may not enable controllers in {path} (EACCES)",
        cause="The cgroup belongs to root or to another user: it was not delegated.",
        remedy=(
            (
                "Rootless: use the systemd cgroup driver in a session of your own: loginctl enable-linger $USER; "
                "log in again."
            ),
            "Or start inside a delegated scope: systemd-run --user --scope -p Delegate=yes <command>",
        ),
        reference="https://github.com/opencontainers/runc/issues/2339",
        layout="v2",
    ),
)
