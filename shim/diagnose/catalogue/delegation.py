"""cgroup.subtree_control: why a controller cannot be handed down to the container's cgroup."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, Entry, opening, writing

ENTRIES = (
    Entry(
        code="controller-refused-for-realtime",
        title="the cpu controller cannot be enabled while realtime processes run",
        patterns=(writing(r"cgroup\.subtree_control", EINVAL),),
        verdict="the kernel refuses to enable controllers for children (EINVAL): for cpu this means realtime processes",
        cause="A kernel with CONFIG_RT_GROUP_SCHED enables cpu on cgroup2 only while every realtime process is "
        "in the root "
        "cgroup. rtkit-daemon, audio servers and multipathd are such processes. A name that is no controller "
        "gives the same "
        "errno.",
        remedy=(
            "ps -eo pid,cls,rtprio,cmd | awk '$2 ~ /RR|FF/' lists them; end them or move them to the root cgroup.",
            (
                "Upgrade crun to 0.18 or later, which continues without cpu; or use a kernel without "
                "CONFIG_RT_GROUP_SCHED."
            ),
        ),
        reference="https://github.com/containers/crun/pull/591",
        tell="zgrep RT_GROUP_SCHED /proc/config.gz /boot/config-$(uname -r); ps -eo cls,cmd | grep -E '^ *(RR|FF)'",
        layout="v2",
    ),
    Entry(
        code="controller-missing-in-parent",
        title="a controller is to be handed down that the parent itself does not have",
        patterns=(writing(r"cgroup\.subtree_control", ENOENT),),
        verdict="a controller cannot be handed down in {path}: that cgroup does not have it itself (ENOENT)",
        cause="A cgroup can hand down only what is in its own cgroup.controllers. For a user's cgroups systemd "
        "decides that.",
        remedy=(
            (
                "Rootless: mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset "
                "io memory "
                "pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload; log in again"
            ),
            "Root: echo '+cpu +cpuset +io +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control, and on the way down",
            "Or start the container without the limit (--blkio-weight, --cpuset-cpus).",
        ),
        reference="https://github.com/containers/crun/issues/254",
        layout="v2",
    ),
    Entry(
        code="subtree-control-not-permitted",
        title="this user may not enable controllers in the parent cgroup",
        patterns=(writing(r"cgroup\.subtree_control", EACCES), opening(r"cgroup\.subtree_control", EACCES)),
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
