"""Programs in a container that pin threads to CPUs or memory to nodes."""

from __future__ import annotations

from shim.diagnose.entry import EINVAL, EPERM, Entry

ENTRIES = (
    Entry(
        code="affinity-outside-cpuset",
        title="a program pins itself to CPUs that its container does not have",
        patterns=(
            rf"(?:taskset: failed to set pid \d+'s affinity|(?:sched|pthread)_setaffinity\w*\b[^\n]*): {EINVAL}",
            r"libnuma: Warning: (?:cpu argument|node argument) \S+ is out of range[^\n]*",
            r"<[\d,-]+> is invalid\n?[^\n]*usage: numactl",
            rf"\bsetting (?:membind|interleave|preferred|cpunodebind|physcpubind|localalloc)[^\n:]*: {EINVAL}",
        ),
        verdict="a program asks for CPUs or memory nodes that its cgroup does not have (EINVAL)",
        cause="The container's cpuset (--cpuset-cpus, the kubelet's static CPU manager, a partition) holds other CPUs "
        "than the program asks for, often those that it reads from /proc/cpuinfo, which shows the host's.",
        remedy=(
            "taskset -pc 1 in the container, or cat /sys/fs/cgroup/cpuset.cpus.effective, lists what it may use.",
            "Memory nodes: grep Mems_allowed_list /proc/self/status lists them.",
            "docker, podman: --cpuset-cpus, --cpuset-mems; Kubernetes: ask for whole CPUs, or no static policy.",
        ),
        reference="https://github.com/scylladb/seastar/issues/582",
        rank=62,
    ),
    Entry(
        code="numa-calls-refused",
        title="a program in the container may not place its memory on nodes",
        patterns=(rf"\b(?:mbind|[gs]et_mempolicy(?:_home_node)?|migrate_pages|move_pages)\b[^\n]{{0,60}}: {EPERM}",),
        verdict="a program in the container may not place its memory on nodes (EPERM)",
        cause="Seccomp profiles of engines allow mbind, set_mempolicy and their like only with CAP_SYS_NICE. Databases "
        "(MySQL, ClickHouse, MongoDB with numactl) print it and go on.",
        remedy=(
            "It is a notice for most programs: nothing is to be done.",
            "docker, podman: --cap-add SYS_NICE (compose: cap_add: [SYS_NICE]; Kubernetes: capabilities.add).",
        ),
        reference="https://docs.docker.com/engine/security/seccomp/",
        rank=56,
    ),
)
