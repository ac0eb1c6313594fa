"""Processes that hang in the kernel, and shims that do not answer for them."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="process-in-refrigerator",
        title="a process stands still because its cgroup is frozen",
        patterns=(r"__refrigerator\+0x[0-9a-f]+", r"\bcgroup_freezing\b|\bdo_freezer_trap\+0x[0-9a-f]+"),
        verdict="the process is frozen: its cgroup, or one above it, is in the state FROZEN",
        cause="The kernel's stack shows it in the refrigerator. docker pause, or a runc that froze the cgroup while it "
        "changed device rules (systemd driver on v1, before 1.1.13) and ended before it thawed it, leaves it so. ps "
        "shows state D.",
        remedy=(
            "v1: echo THAWED > /sys/fs/cgroup/freezer$(grep freezer /proc/PID/cgroup | cut -d: -f3)/freezer.state",
            "cgroup2: echo 0 > cgroup.freeze in its cgroup; docker unpause NAME, podman unpause NAME.",
            "Upgrade runc to 1.1.13, 1.2 or later.",
        ),
        reference="https://github.com/opencontainers/runc/issues/4481",
        tell="grep -R FROZEN /sys/fs/cgroup/freezer --include=freezer.state; grep -lR 1 /sys/fs/cgroup "
        "--include=cgroup.freeze",
        rank=30,
    ),
    Entry(
        code="kernel-task-hung",
        title="the kernel reports a process that hangs",
        patterns=(
            r"INFO: task (?P<name>[^:\s]+):\d+ blocked for more than \d+ seconds",
            r"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message",
        ),
        verdict="{name} hangs in the kernel (state D): no signal ends it, and what waits for it hangs as well",
        cause="The names below Call Trace say what it waits for. io_schedule, jbd2, xfs_, ovl_sync_fs: the disk is too "
        "slow or faulty; nfs, rpc_, ceph: a server does not answer; copy_net_ns, mutex_lock: a lock in the kernel, "
        "mostly a fault of old kernels; __refrigerator: a frozen cgroup.",
        remedy=(
            "Disk: iostat -x 1, dmesg; the engine's directory on a faster disk; limits for the writers (io.max).",
            "Network storage: bring the server back; mount it soft where that is safe.",
            "Locks: a newer kernel. Only a reboot frees such a process: drain the node first.",
        ),
        reference="Linux Documentation/admin-guide/sysctl/kernel.rst, hung_task_timeout_secs",
        tell="ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/'; cat /proc/PID/stack",
        rank=62,
    ),
    Entry(
        code="shim-does-not-answer",
        title="a shim does not tell containerd the state of its container",
        patterns=(
            r"get state for \S+ error=\"?context deadline exceeded[^\n]*",
            r"failed to get (?:task|shim) (?:status|state|info)[^\n]*context deadline exceeded[^\n]*",
        ),
        verdict="containerd asks the shim for the container's state, and gets no answer within two seconds",
        cause="The node is overloaded (CPU, disk, memory that swaps or is reclaimed), a process in the container hangs "
        "(state D), or the shim itself is stuck. Probes, exec and kubectl logs then fail by time, and the node may "
        "become NotReady.",
        remedy=(
            "uptime; iostat -x 1; cat /proc/pressure/*: relieve the node, and reserve for it (systemReserved).",
            "One container only: kill its shim (pgrep -af 'containerd-shim.*ID'), then delete the pod.",
            "Upgrade containerd and runc; as a last step drain and reboot the node.",
        ),
        reference="https://github.com/containerd/containerd/issues/8982",
        tell="ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/'; time ctr -n k8s.io tasks ls",
        rank=60,
    ),
)
