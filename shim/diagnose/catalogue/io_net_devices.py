"""Block I/O, huge pages, network, RDMA, pids and devices."""

from __future__ import annotations

from shim.diagnose.checks import devices as look
from shim.diagnose.checks.configured import asked, asked_for
from shim.diagnose.entry import (
    EINVAL,
    ENODEV,
    ENOENT,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    Entry,
    creating,
    named,
    opening,
    writing,
)
from shim.diagnose.host_words import LXC

BLKIO = "Linux Documentation/admin-guide/cgroup-v1/blkio-controller.rst"
IO = "Linux Documentation/admin-guide/cgroup-v2.rst, IO"
DEVICES = "Linux Documentation/admin-guide/cgroup-v1/devices.rst"
SPEC = "OCI runtime-spec, config-linux.md, Block IO"
WEIGHTS = r"(?:blkio\.(?:bfq\.)?weight|io\.(?:bfq\.)?weight)"
WEIGHT_DEVICE = r"(?:blkio\.(?:bfq\.)?weight_device|io\.bfq\.weight)"
# No bpf system call: the kernel lacks it (CONFIG_BPF_SYSCALL), or a seccomp filter returns ENOSYS.
FILTER_HIDDEN = (
    rf"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: {ENOSYS}",
    rf"\bbpf create `[^`]*`: {ENOSYS}",
    rf"can't load program: {ENOSYS}",
)

ENTRIES = (
    Entry(
        code="io-weight-without-bfq",
        title="v1 has no weight file without the BFQ scheduler",
        patterns=(opening(r"blkio\.(?:bfq\.)?weight", ENOENT),),
        ambiguous=(creating(r"blkio\.(?:bfq\.)?weight"),),
        verdict="blockIO.weight cannot be set: this host has no {file}",
        cause="The CFQ scheduler left the kernel in 5.0. On v1 only BFQ has weights, as blkio.bfq.weight. crun before "
        "1.8.2 does not know that name.",
        remedy=(
            "modprobe bfq; echo bfq > /sys/block/<disk>/queue/scheduler",
            "or start without --blkio-weight; with crun upgrade to 1.8.2 or later",
        ),
        reference="https://github.com/opencontainers/runc/pull/3010",
        confirm=look.no_weight_file,
        tell="ls /sys/fs/cgroup/blkio/blkio.weight /sys/fs/cgroup/blkio/blkio.bfq.weight: are both missing?",
        offer=1,
    ),
    Entry(
        code="io-weight-not-in-kernel",
        title="cgroup2 has no io.weight",
        ambiguous=(
            opening(r"io\.(?:bfq\.)?weight", ENOENT),
            creating(r"io\.(?:bfq\.)?weight"),
            rf"(?<![/\w.])io\.(?:bfq\.)?weight: {ENOENT}",
        ),
        verdict="blockIO.weight cannot be set: the io controller is there, but this kernel has no io.weight",
        cause="io.weight needs CONFIG_BLK_CGROUP_IOCOST or the BFQ scheduler. podman reports this failure as a "
        "command that was not found.",
        remedy=("Start without --blkio-weight, or: modprobe bfq",),
        reference=IO,
        confirm=look.no_io_weight,
        rank=40,
        tell="ls /sys/fs/cgroup/*/io.weight /sys/fs/cgroup/*/io.max: is only io.max there?",
        offer=1,
        first_for=r"io\.(?:bfq\.)?weight",
    ),
    Entry(
        code="io-throttle-not-in-kernel",
        title="cgroup2 has no io.max",
        ambiguous=(opening(r"io\.max", ENOENT), creating(r"io\.max")),
        verdict="blockIO throttles cannot be set: the io controller may be there, but this kernel has no io.max",
        cause="io.max needs CONFIG_BLK_DEV_THROTTLING, which kernels of virtual machines and boards often lack.",
        remedy=("Start without --device-read-bps and the like, or use a kernel with CONFIG_BLK_DEV_THROTTLING.",),
        reference="https://github.com/docker/for-mac/issues/7175",
        tell="ls /sys/fs/cgroup/*/io.*: is io.stat there, but not io.max? zgrep THROTTLING /proc/config.gz",
        offer=3,
    ),
    Entry(
        code="io-weight-device-without-bfq",
        title="weights per device need BFQ on that device",
        patterns=(
            writing(WEIGHT_DEVICE, rf"(?:{EOPNOTSUPP}|{EINVAL})"),
            rf"\bopen(?:at2|ing file)? {named(WEIGHT_DEVICE)}(?: for writing)?: {ENOENT}",
        ),
        ambiguous=(rf"\bopen `?io\.weight`?: {ENOENT}", creating(WEIGHT_DEVICE)),
        verdict="a block I/O weight cannot be set: the disk does not use the BFQ scheduler ({file})",
        cause="Only BFQ (before 5.0: CFQ) takes a weight per device. runc 1.0-rc93 writes the plain weight there, "
        "too. On cgroup2, where io.stat is missing as well, the "
        "io controller is not enabled for the cgroup.",
        tell="cat /sys/block/<disk>/queue/scheduler: is [bfq] chosen?",
        offer=3,
        remedy=(
            "modprobe bfq; echo bfq > /sys/block/<disk>/queue/scheduler",
            "Or start without --blkio-weight, --blkio-weight-device (Pterodactyl: Block IO Proportion).",
            "If only a plain weight is set, upgrade runc.",
        ),
        reference="https://github.com/opencontainers/runc/issues/3529",
        confirm=asked("blockIO", "weightDevice"),
        rank=45,
    ),
    Entry(
        code="io-leaf-weight-removed",
        title="leaf weights no longer exist",
        patterns=(
            r"cannot set leaf_weight with cgroupv2",
            opening(r"blkio\.leaf_weight(?:_device)?", ENOENT),
        ),
        ambiguous=(creating(r"blkio\.leaf_weight(?:_device)?"),),
        tell="ls /sys/fs/cgroup/blkio/blkio.leaf_weight: is it missing?",
        offer=1,
        verdict="blockIO.leafWeight does not exist on this host",
        cause="Leaf weights belonged to the CFQ scheduler, which left the kernel in 5.0.",
        remedy=("Remove blockIO.leafWeight.",),
        reference=BLKIO,
        confirm=asked_for(("blockIO", "leafWeight"), ("blockIO", "weightDevice")),
    ),
    Entry(
        code="io-weight-out-of-range",
        title="blockIO.weight is out of range",
        patterns=(
            writing(WEIGHTS, EINVAL),
            writing(WEIGHTS, ERANGE),
            writing(r"blkio\.(?:leaf_weight|(?:bfq\.)?weight_device)", ERANGE),
        ),
        verdict="blockIO.weight is out of range: 10 to 1000 is allowed",
        cause="On cgroup2 smaller values underflow when the runtime converts them for io.weight. v1: the kernel of "
        "RHEL 6 takes 100 to 1000 only.",
        remedy=("Set blockIO.weight (docker: --blkio-weight) between 10 and 1000.",),
        reference=SPEC,
        confirm=look.weight_out_of_range,
    ),
    Entry(
        code="io-device-unknown",
        title="a throttle names a device that does not exist",
        patterns=(
            writing(
                r"(?:blkio\.(?:throttle\.\w+|(?:bfq\.)?weight_device)|io\.(?:max|latency|(?:bfq\.)?weight))", ENODEV
            ),
            rf"\bwrite [`](?P<file>[rw](?:bps|iops))[`]: {ENODEV}",
        ),
        verdict="blockIO throttles a device that this host does not have, or a partition of one ({file})",
        cause="Limits apply to whole disks, named by major and minor number.",
        remedy=(
            (
                "lsblk -d -o NAME,MAJ:MIN shows the disks; correct --device-read-bps, or the option that names the "
                "device"
            ),
        ),
        reference=SPEC,
        confirm=look.unknown_disk,
    ),
    Entry(
        code="hugetlb-page-size-unknown",
        title="the kernel has no huge pages of this size",
        patterns=(opening(r"hugetlb\.\w+\.(?:rsvd\.)?(?:max|limit_in_bytes)", ENOENT),),
        ambiguous=(creating(r"hugetlb\.\w+\.(?:rsvd\.)?(?:max|limit_in_bytes)"),),
        verdict="this host has no huge pages of the requested size: {file} does not exist",
        cause="Each supported size has its own interface file. On cgroup2, where no hugetlb file is there at all, the "
        "controller is not enabled for the cgroup.",
        remedy=("ls /sys/kernel/mm/hugepages shows the sizes; correct hugepageLimits",),
        reference="Linux Documentation/admin-guide/cgroup-v1/hugetlb.rst",
        confirm=look.page_sizes,
        tell="ls /sys/kernel/mm/hugepages: is there a directory of this size?",
        offer=1,
    ),
    Entry(
        code="network-on-cgroup2",
        title="cgroup2 has no network classes or priorities",
        patterns=(r"network limits not supported on cgroupv2",),
        verdict="linux.resources.network does not exist on cgroup2",
        cause="net_cls and net_prio are v1 controllers. crun refuses the field, and runc ignores it.",
        remedy=("Remove it; use tc or eBPF with cgroup2 paths instead.",),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Misc",
        confirm=asked("network"),
    ),
    Entry(
        code="network-interface-unknown",
        title="a network priority names an unknown interface",
        patterns=(writing(r"net_prio\.ifpriomap", ENODEV),),
        verdict="linux.resources.network.priorities names an interface that does not exist here",
        cause="Priorities are set in the network namespace of the runtime, not of the container.",
        remedy=("ip link shows the interfaces; correct the name",),
        reference="Linux Documentation/admin-guide/cgroup-v1/net_prio.rst",
        confirm=look.unknown_interface,
    ),
    Entry(
        code="rdma-device-unknown",
        title="an RDMA limit names an unknown device",
        patterns=(writing(r"rdma\.max", ENODEV),),
        verdict="linux.resources.rdma names a device that this host does not have",
        cause="The kernel knows only registered RDMA devices. crun ignores the field altogether.",
        remedy=("ls /sys/class/infiniband; correct or remove the device",),
        reference="Linux Documentation/admin-guide/cgroup-v1/rdma.rst",
        confirm=look.unknown_rdma,
    ),
    Entry(
        code="device-rule-wider-than-parent",
        title="a device rule is wider than the parent's",
        patterns=(
            writing(r"devices\.(?:allow|deny)", EPERM),
            r"failed to write \\*\"(?P<rule>[abc] (?:\*|\d+):(?:\*|\d+) [rwm]+)\\*\"[\s.\"\\]*$",
        ),
        verdict="a device rule is wider than what the parent cgroup allows: {file} refuses it (EPERM)",
        cause="On v1 a container gets only devices that its parent has. This holds inside LXC or another container, "
        "too. crun 1.18 alone (CRI-O 1.30.7 and 1.31.2) failed so on every v1 host.",
        remedy=(
            "Drop the wider rule (docker: --device-cgroup-rule), or widen devices.allow of the parent.",
            "crun --version: is it 1.18? Then take another version.",
        ),
        reference=DEVICES,
        confirm=look.narrow_parent,
    ),
    Entry(
        code="device-filter-not-permitted",
        title="the device filter may not be loaded",
        patterns=(
            rf"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: {EPERM}",
            rf"\bbpf create `[^`]*`: {EPERM}",
            rf"BPF_PROG_ATTACH[^\n]*{EPERM}",
            r"The bpf device cgroup requires real root",  # LXC
            rf"(?:can't load|load) program: {EPERM}",  # runc before 1.0
            rf"unable to find any existing device filters attached to the cgroup: [^\n]*{EPERM}",  # NVIDIA's hook
        ),
        ambiguous=FILTER_HIDDEN,
        verdict="this process may not load the device filter (eBPF)",
        cause="On cgroup2, device rules are eBPF programs. They need the bpf system call, and CAP_BPF or "
        "CAP_SYS_ADMIN in the initial user namespace. runc loads one for every container.",
        remedy=(
            (
                "Upgrade runc to 1.0 or later, which loads no filter in a user namespace, or use crun, which "
                "continues without it."
            ),
            (
                "NVIDIA's hook in LXC or rootless: no-cgroups = true under [nvidia-container-cli] in "
                "/etc/nvidia-container-runtime/config.toml"
            ),
            "Or start the outer container with --privileged, or allow bpf in its seccomp profile and add CAP_BPF.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2792",
        confirm=look.bpf_refused,
        foresee=look.bpf_out_of_reach,
        tell="is this inside another container or a sandbox? Its seccomp filter may answer ENOSYS for bpf.",
        offer=2,
        first_beside=LXC,
    ),
    Entry(
        code="device-filter-not-in-kernel",
        title="the kernel rejects the device filter",
        patterns=(
            rf"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: {EINVAL}",
            rf"\bbpf create `[^`]*`: {EINVAL}",
            rf"(?:can't load|load) program: {EINVAL}",
        ),
        ambiguous=FILTER_HIDDEN,
        verdict="this kernel does not accept the device filter (eBPF)",
        cause="EINVAL: CONFIG_CGROUP_BPF is off, or the kernel is older than the query that runc makes. ENOSYS: the "
        "kernel has no bpf system call.",
        remedy=("Use a kernel with CONFIG_CGROUP_BPF=y (4.15 or later), or upgrade the runtime.",),
        reference="https://github.com/opencontainers/runc/issues/3008",
        tell="zgrep -E 'CONFIG_(BPF_SYSCALL|CGROUP_BPF)=' /proc/config.gz /boot/config-$(uname -r): is one missing?",
        offer=1,
    ),
    Entry(
        code="memlock-cannot-be-raised",
        title="crun cannot raise RLIMIT_MEMLOCK for the device filter",
        patterns=(r"setrlimit \(RLIM_MEMLOCK\): " + EPERM,),
        verdict="crun may not raise RLIMIT_MEMLOCK for the device filter (EPERM)",
        cause="crun before 1.14.1 raises it whenever there are device rules. That needs CAP_SYS_RESOURCE.",
        remedy=("Upgrade crun to 1.14.1 or later, use runc, or run ulimit -l unlimited before the engine starts.",),
        reference="getrlimit(2), RLIMIT_MEMLOCK",
        confirm=look.cannot_raise,
    ),
    Entry(
        code="gpu-lost-after-reload",
        title="a device disappears after systemctl daemon-reload",
        patterns=(r"Failed to initialize NVML: Unknown Error",),
        verdict="the GPU was taken away: systemd applied its own device rules again",
        cause="With the systemd driver, a daemon-reload replaces the device rules by those that systemd knows. "
        "systemd knows only devices that have a link in /dev/char. "
        "On Kubernetes an update of the container does the same (static CPU policy, in-place resize).",
        remedy=(
            "nvidia-ctk system create-dev-char-symlinks --create-all",
            "or pass the devices explicitly (--device, CDI), or use the cgroupfs driver",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/48",
    ),
)
