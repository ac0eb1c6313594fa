"""What to do about a finding, by the code of its note. Pure.

Kernel options: Documentation/admin-guide/kernel-parameters.txt and the controllers' Kconfig help.
"""

from __future__ import annotations

from shim.host.controllers import v1_name

CONFIGS = {
    "memory": "CONFIG_MEMCG",
    "cpu": "CONFIG_CGROUP_SCHED",
    "cpuset": "CONFIG_CPUSETS",
    "pids": "CONFIG_CGROUP_PIDS",
    "io": "CONFIG_BLK_CGROUP",
    "hugetlb": "CONFIG_CGROUP_HUGETLB",
    "rdma": "CONFIG_CGROUP_RDMA",
    "misc": "CONFIG_CGROUP_MISC",
    "dmem": "CONFIG_CGROUP_DMEM",
    "net_cls": "CONFIG_CGROUP_NET_CLASSID",
    "net_prio": "CONFIG_CGROUP_NET_PRIO",
}
UNIFIED_HOST = "use a host with cgroup2 alone (boot with systemd.unified_cgroup_hierarchy=1)"
LEGACY_HOST = "leave it out: only v1 hierarchies have it"
# What cgroup2 has no file for at all: a host with cgroup2 alone would not help.
V1_ONLY = ("memory.kernel", "memory.kernelTCP", "memory.swappiness", "memory.disableOOMKiller", "memory.useHierarchy")
BY_CODE = {
    "layout-unknown": "mount the cgroup file systems where systemd mounts them, /sys/fs/cgroup",
    "crun-refuses-hybrid": 'use runc, or set "crun_on_hybrid": "hide-cgroup2" in the settings',
    "swap-unaccounted": "enable swap accounting (kernels before 6.1: swapaccount=1), or switch swap off: swapoff -a",
    "swap-by-swappiness": "enable swap accounting (kernels before 6.1: swapaccount=1), or switch swap off: swapoff -a",
    "unified-without-counterpart": f"{UNIFIED_HOST}, or leave it out",
    "unified-to-classic": UNIFIED_HOST,
    "kernel-memory": "leave it out: memory.limit counts kernel memory too",
    "swappiness": LEGACY_HOST,
    "oom-killer": "leave it out, or give the container the memory that it needs",
    "hierarchy": "leave it out: the kernel always accounts hierarchically",
    "check-needs-swap": "leave it out, or use a kernel that accounts for swap",
    "cpu-idle-unsupported": "use a kernel from 5.15 on, or cpu.shares 2",
    "cpu-burst-unsupported": "use a kernel from 5.14 on, or leave it out",
    "cpu-quota-unsupported": "use a kernel with CONFIG_CFS_BANDWIDTH",
    "cpu-realtime-unsupported": "use a kernel with CONFIG_RT_GROUP_SCHED, or leave it out",
    "cpu-realtime-v1-only": LEGACY_HOST,
    "blockio-leaf-weight-unsupported": "leave it out: kernels from 5.0 on have no leaf weights",
    "blockio-leaf-weight-v1-only": "leave it out: kernels from 5.0 on have no leaf weights",
    "blockio-weight-unsupported": "load the BFQ scheduler (modprobe bfq) and choose it for the disk",
    "blockio-weight-device-unsupported": "load the BFQ scheduler (modprobe bfq) and choose it for the disk",
    "blockio-throttle-unsupported": "use a kernel with CONFIG_BLK_DEV_THROTTLING",
    "network-v1-only": LEGACY_HOST,
    "network-needs-both": "mount both net_cls and net_prio, or use runc",
    "rdma-unread": "use runc, which sets it",
    "bad-resources": "write a value that this host knows, as the reason says",
}


def of(code: str, name: str, confined: bool = False) -> str:
    """What to do: by the code as it is, by its ending, or in general.

    confined: only a part of the cgroup tree is visible or writable, so that a controller may be missing here alone.
    """
    if code in BY_CODE:
        return BY_CODE[code]
    controller, _, ending = code.rpartition("-nowhere")
    if not ending and controller:
        return _nowhere(controller.replace("net-", "net_"), confined)
    controller, _, ending = code.rpartition("-in-cgroup2")
    if not ending and controller and name in V1_ONLY:
        return f"leave it out, or use a host with {controller} as a v1 hierarchy"
    if not ending and controller:
        return f"{UNIFIED_HOST}, or one with {controller} as a v1 hierarchy"
    if code.endswith("-not-enabled"):
        return "use runc, which enables the controller"
    return f"leave {name.partition(' ')[0]} out, or use another host"


def _nowhere(controller: str, confined: bool) -> str:
    if confined:
        return f"have {controller} delegated to this part of the tree (systemd: Delegate={controller}), or leave it out"
    option = CONFIGS.get(controller, "its controller")
    v1 = v1_name(controller)
    if controller in ("net_cls", "net_prio"):
        return f"mount it (mount -t cgroup -o {v1} none /sys/fs/cgroup/{v1}), or leave it out"
    return f"use a kernel with {option}, and boot it without {controller} in cgroup_disable= or cgroup_no_v1="
