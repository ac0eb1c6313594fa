"""The remedy for a finding, by the code of its note. Pure.

Kernel options: Documentation/admin-guide/kernel-parameters.txt and the controllers' Kconfig help.
"""

from __future__ import annotations

from shim.host.controllers import v1_name
from shim.rules import fields, fieldspec, keyspec

UNIFIED_HOST = "use a host with cgroup2 only (boot with systemd.unified_cgroup_hierarchy=1)"
LEGACY_HOST = "leave it out: only v1 hierarchies have it"
BY_CODE = {
    "layout-unknown": "mount the cgroup file systems where systemd mounts them, /sys/fs/cgroup",
    "crun-refuses-hybrid": 'use runc, or set "crun_on_hybrid": "hide-cgroup2" in the settings',
    "swap-unaccounted": "enable swap accounting (kernels before 6.1: swapaccount=1), or turn swap off: swapoff -a",
    "swap-by-swappiness": "enable swap accounting (kernels before 6.1: swapaccount=1), or turn swap off: swapoff -a",
    "unified-without-counterpart": f"{UNIFIED_HOST}, or leave it out",
    "unified-to-classic": UNIFIED_HOST,
    "cpu-idle-unknown": "write 1 for an idle cgroup, 0 for a normal one",
    "cpu-realtime-unsupported": "use a kernel with CONFIG_RT_GROUP_SCHED, or leave it out",
    "cpu-realtime-v1-only": LEGACY_HOST,
    "network-needs-both": "mount both net_cls and net_prio, or use runc",
    "rdma-unread": "use runc, which sets it",
    "bad-resources": "write a value that this host accepts, as the reason says",
}


def of(code: str, name: str, confined: bool = False) -> str:
    """Return the remedy: by the exact code, by its ending, or a general one.

    confined: only a part of the cgroup tree is visible or writable, so that a controller may be missing here alone.
    """
    if code in BY_CODE:
        return BY_CODE[code]
    controller, _, ending = code.rpartition("-nowhere")
    if not ending and controller:
        return _nowhere(controller.replace("net-", "net_"), confined)
    controller, _, ending = code.rpartition("-in-cgroup2")
    if not ending and controller and _v1_only(name):
        return f"leave it out, or use a host with {controller} as a v1 hierarchy"
    if not ending and controller:
        return f"{UNIFIED_HOST}, or one with {controller} as a v1 hierarchy"
    if code.endswith("-not-enabled"):
        return "use runc, which enables the controller"
    return fieldspec.REMEDIES.get(_classic(name)) or f"leave {name.partition(' ')[0]} out, or use another host"


def _classic(name: str) -> str:
    """Return the field of a probe: its own, or the v1 counterpart of a key of `unified`."""
    field = name.partition(" ")[0]
    prefix = "unified."
    return keyspec.spec(field[len(prefix) :]).classic.partition(",")[0] if field.startswith(prefix) else field


def _v1_only(name: str) -> bool:
    """Return whether cgroup2 has no file for it, so that a host with only cgroup2 would not help."""
    field = name.partition(" ")[0]
    return field in fields.names() and not fields.spec(field).v2


def _nowhere(controller: str, confined: bool) -> str:
    if confined:
        return f"delegate {controller} to this part of the tree (systemd: Delegate={controller}), or leave it out"
    option = fieldspec.CONTROLLERS.get(controller, "its controller")
    v1 = v1_name(controller)
    if controller in ("net_cls", "net_prio"):
        return f"mount it (mount -t cgroup -o {v1} none /sys/fs/cgroup/{v1}), or leave it out"
    return f"use a kernel with {option}, and boot it without {controller} in cgroup_disable= or cgroup_no_v1="
