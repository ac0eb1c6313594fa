"""What crun 1.29.1 says about cgroups: the messages of its src/libcrun/cgroup*.c and ebpf.c that refuse a limit.

A message ends in the kernel's word where crun adds one. The codes follow from what crun does where it says so.
"""

from __future__ import annotations

import pytest

from shim.cli.explain import context
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import explain

WORDS = {
    "create `/sys/fs/cgroup/memory/c1`: Permission denied": "cgroup-belongs-to-another-user",
    "create `/sys/fs/cgroup/c1`: Permission denied": "cgroup-belongs-to-another-user",
    "open `memory.max` for writing: Permission denied": "several-causes",  # or not there: kernfs creates no files
    "write to `cpu.rt_runtime_us`: Operation not permitted": "cgroup-file-not-writable",
    "write to `memory.max`: Permission denied": "cgroup-file-not-writable",
    "write to `/sys/fs/cgroup/c1/cgroup.procs`: Device or resource busy": "cgroup-hands-down-controllers",
    "invalid file system type on `/sys/fs/cgroup`": "cgroup-not-mounted",
    "could not join cgroup": "cgroup-tmpfs-empty",
    "create `/sys/fs/cgroup/c1`: Resource temporarily unavailable": "cgroup-tree-limit-reached",
    "create `/sys/fs/cgroup/memory/c1`: Read-only file system": "cgroupfs-read-only",
    "create `/sys/fs/cgroup/c1`: Read-only file system": "cgroupfs-read-only",
    "open `/sys/fs/cgroup/memory/c1`: Read-only file system": "cgroupfs-read-only",
    # a removed cgroup, or one outside of the cgroup namespace: the kernel has ENOENT for both
    "write to `/sys/fs/cgroup/c1/cgroup.procs`: No such file or directory": "several-causes",
    "write to `/sys/fs/cgroup/c1/cgroup.subtree_control`: No such file or directory": "controller-missing-in-parent",
    "write to `/sys/fs/cgroup/c1/cgroup.subtree_control`: Device or resource busy": "controllers-need-empty-cgroup",
    "write to `cpu.weight`: Invalid argument": "cpu-idle-with-shares",
    "write to `cpu.max`: Invalid argument": "cpu-quota-out-of-range",
    "write `cpuset.cpus`: No space left on device": "cpuset-cannot-be-emptied",
    "write `cpuset.mems`: No space left on device": "cpuset-cannot-be-emptied",
    "write to `cpuset.cpus`: Numerical result out of range": "cpuset-cpu-does-not-exist",
    "write `cpuset.cpus`: Permission denied": "cpuset-not-in-parent",
    "write `cpuset.mems`: Permission denied": "cpuset-not-in-parent",
    "cgroups in hybrid mode not supported, drop all controllers from cgroupv2": "crun-refuses-hybrid",
    "write to `/sys/fs/cgroup/c1/cgroup.procs`: Permission denied": "delegation-containment",
    "bpf create ``: Invalid argument": "device-filter-not-in-kernel",
    "bpf create ``: Operation not permitted": "device-filter-not-permitted",
    "write to `devices.allow`: Operation not permitted": "device-rule-wider-than-parent",
    "write to `devices.allow`: Invalid argument": "devices-have-children",
    "open `hugetlb.3MB.max` for writing: No such file or directory": "hugetlb-page-size-unknown",
    "write `blkio.throttle.read_bps_device`: No such device": "io-device-unknown",
    "cannot set leaf_weight with cgroupv2": "io-leaf-weight-removed",
    "open `io.bfq.weight`: No such file or directory": "io-weight-device-without-bfq",
    "write `blkio.weight_device`: Invalid argument": "io-weight-device-without-bfq",
    "write `io.bfq.weight`: Invalid argument": "io-weight-device-without-bfq",
    "write to `io.weight`: Invalid argument": "io-weight-out-of-range",
    "write to `memory.kmem.limit_in_bytes`: Device or resource busy": "kernel-memory-on-occupied-cgroup",
    "cannot set kernel TCP with cgroupv2": "kernel-memory-removed",
    "cannot set kernel memory with cgroupv2": "kernel-memory-removed",
    "write to `memory.kmem.limit_in_bytes`: Operation not supported": "kernel-memory-removed",
    "cannot set limits without cgroups": "limits-without-cgroups",
    "write to `/sys/fs/cgroup/memory/c1/memory.limit_in_bytes`: Invalid argument": "memory-above-memsw",
    "create `/sys/fs/cgroup/memory/c1`: No space left on device": "memory-cgroups-exhausted",
    "create `/sys/fs/cgroup/c1`: No space left on device": "memory-cgroups-exhausted",
    "write to `/sys/fs/cgroup/memory/c1/memory.limit_in_bytes`: Device or resource busy": "memory-limit-below-usage",
    "cannot set the memory limit lower than its current usage": "memory-update-below-usage",
    "write `net_prio.ifpriomap`: No such device": "network-interface-unknown",
    "network limits not supported on cgroupv2": "network-on-cgroup2",
    "write to `memory.oom_control`: Invalid argument": "oom-control-refused",
    "cannot disable OOM killer with cgroupv2": "oom-killer-on-cgroup2",
    "realtime period not supported on cgroupv2": "realtime-on-cgroup2",
    "realtime runtime not supported on cgroupv2": "realtime-on-cgroup2",
    "write to `cpu.rt_runtime_us`: Invalid argument": "realtime-parent-has-none",
    "systemd not supported: Operation not supported": "runtime-built-without-systemd",
    "sd-bus call: Unit foo.slice not found.: No such file or directory": "slice-not-found",
    "write to `/sys/fs/cgroup/c1/cgroup.subtree_control`: Permission denied": "subtree-control-not-permitted",
    "cannot set memory+swap limit less than the memory limit": "swap-below-limit",
    "open `memory.swap.max`: No such file or directory": "swap-not-accounted-v2",
    "cannot set swap limit without the memory limit": "swap-without-limit",
    "cannot set memory swappiness with cgroupv2": "swappiness-on-cgroup2",
    "statfs `/sys/fs/cgroup`: No such file or directory": "sys-not-mounted",
    "key `a/b` must be a file name without any slash": "unified-key-malformed",
    "the specified key has not the form CONTROLLER.VALUE `foo`": "unified-key-malformed",
    "invalid configuration: cannot use unified on cgroup v1": "unified-on-v1",
    "sd-bus call: Unit libpod-1.scope was already loaded or has a fragment file.: File exists": "unit-name-in-use",
    "cannot set useHierarchy memory with cgroupv2": "use-hierarchy-removed",
    "systemd does not support deny rules for devices": "systemd-device-rules-narrower",
    "updating device access list not supported when using BPFProgram": "systemd-device-rules-narrower",
    "invalid systemd property name `Foo_`: Invalid argument": "systemd-property-malformed",
    "invalid `..` component in delegate-cgroup `../a`": "delegate-cgroup-refused",
    "cannot open sd-bus: Connection refused": "user-bus-closed",
    "cannot open sd-bus: Permission denied": "user-bus-closed",
    "mkdir /sys/fs/bpf/crun: No such file or directory": "bpf-file-system-not-usable",
    "mkdir /sys/fs/bpf/crun: Read-only file system": "bpf-file-system-not-usable",
    "cannot pause the container without a cgroup": "freezer-without-cgroup",
    "cannot resume the container without a cgroup": "freezer-without-cgroup",
    "open cgroup sub-directory: No such file or directory": "container-cgroup-vanished",
    "open cgroup sub-directory: Permission denied": "cgroup-access-denied",
    "kill process `42`: Operation not permitted": "signal-not-permitted",
    "invalid mode specified `rwx`": "device-rule-malformed",
    "unknown access string specified: `x`": "device-rule-malformed",
    "unknown device type `q`": "device-rule-malformed",
    "invalid value for `TimeoutStopUSec`": "systemd-property-malformed",
    "unknown type for `CollectMode`": "systemd-property-malformed",
    "invalid string `inactive`": "systemd-property-malformed",
    "sd-bus call: Interactive authentication required.: Permission denied": "user-session-missing",
}


def _code(message: str) -> str:
    text = f"crun: {message}"
    return explain(text, context(Elsewhere(), text, "", None)).code


@pytest.mark.parametrize("message", WORDS)
def test_words_of_crun(message: str) -> None:
    """Recognised by the words alone, without a fact of this host."""
    assert _code(message) == WORDS[message]


@pytest.mark.parametrize("file", ["cgroup.procs", "io.stat"])
def test_a_file_of_a_cgroup_is_no_mount_point(file: str) -> None:
    """crun names mount points in the same form, relative to the root of the container."""
    assert _code("open `etc/shadow`: Permission denied") == "mount-point-not-permitted"
    assert _code(f"open `{file}`: Permission denied") != "mount-point-not-permitted"
