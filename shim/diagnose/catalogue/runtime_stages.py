"""Stages of runc that report only that they failed: the first child of nsexec, and the oldest wordings."""

from __future__ import annotations

from shim.diagnose.entry import EINVAL, EPERM, Entry

SHOWN = (
    "journalctl -u docker -u containerd | grep nsenter shows the child's own words; without them: runc --debug run, "
    "by hand as the engine's user"
)

ENTRIES = (
    Entry(
        code="nsexec-ended-with-status",
        title="runc's first child ended while it made or entered namespaces",
        ambiguous=(
            (
                r"(?:running|executing|exec) (?:exec )?setns process(?: for init)? caused:? \\*\"?"
                r"exit status (?P<status>\d+)"
            ),
        ),
        verdict="runc's first child ended while it made or entered namespaces (status {status})",
        cause="The number is only a place in runc's C code, another one in each version. Usual for create: user "
        "namespaces are switched off (userns-remap on CentOS and RHEL 7), the kernel has no memory for a network "
        "namespace, or no more processes are allowed. Usual for exec: the container's first process has just ended, "
        "is a zombie or hangs, or its cgroup's memory or pids limit is used up.",
        remedy=(
            (
                "create, rootless or with userns-remap: sysctl -w user.max_user_namespaces=15000; Debian: also "
                "kernel.unprivileged_userns_clone=1."
            ),
            "create: sysctl kernel.pid_max; cat /proc/buddyinfo; free -m.",
            "exec: look whether the container still runs (docker ps, docker logs), and raise its limits.",
            "CentOS 7: boot with user_namespace.enable=1. runc 1.0 and later name the reason: upgrade containerd.io.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1130",
        tell=SHOWN,
        offer=1,
        rank=60,
    ),
    Entry(
        code="runtime-names-no-step",
        title="runc says only that a system call of the start was refused",
        ambiguous=(
            (
                r"starting container process caused:? \\*\"?(?P<reason>operation not permitted|permission denied"
                r"|invalid argument|no such device or address|device or resource busy)\\*\"?(?:[:.]| *$)"
            ),
        ),
        verdict="runc says only {reason}, not at which step of the container's start",
        cause="The step is one of its own process: capabilities, the terminal and standard input and output (a chown "
        "to an owner that the user namespace does not map), ids and groups, or the program itself. EPERM: rootless, "
        "userns-remap, an outer container (LXC, OpenVZ), an id that is not mapped. EACCES: a program without x, a "
        "volume with noexec, SELinux, AppArmor.",
        remedy=(
            "Upgrade docker and runc: since 1.1 runc names the step.",
            "Try it without -u, --cap-add, --security-opt and volumes, one after the other; or with --userns=host.",
        ),
        reference="https://github.com/containerd/containerd/issues/1610",
        tell="dmesg | grep -iE 'denied|seccomp'; runc --debug run by hand in the container's bundle",
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup2-parent-not-usable",
        title="runc cannot enter a cgroup of cgroup2 with domain controllers",
        patterns=(r"cannot enter cgroupv2 \\?\"(?P<path>[^\"\\\n]+)\\?\" with domain controllers(?! --)",),
        verdict="{path} cannot take a process: it, or the cgroup above it, is threaded or holds processes itself",
        cause="On cgroup2 memory, io and others work only in domain cgroups. A parent with processes of its own and "
        "threaded controllers (cpu, pids) enabled for its children makes these 'domain invalid'.",
        remedy=(
            "grep . {path}/../cgroup.type {path}/../cgroup.procs {path}/../cgroup.subtree_control",
            "Move the parent's processes into a leaf of their own, or choose another cgroup parent (--cgroup-parent).",
            "docker: restart it after the unit that made that cgroup is stopped; or use the systemd driver.",
        ),
        reference="https://dev.arvados.org/issues/17244",
        rank=45,
    ),
    Entry(
        code="owner-not-mapped",
        title="a program in the container gives a file an owner that the user namespace does not map",
        patterns=(
            rf"\b(?:install|tar|cp|rsync): [^\n]{{0,300}}\b(?:ownership|owner|chown)\b[^\n]{{0,80}}: {EINVAL}",
            rf"\bch(?:own|grp): (?:changing (?:ownership|group) of )?[^\n:]{{1,300}}: {EINVAL}",
        ),
        verdict="a file should get an owner that the container's user namespace does not map (EINVAL)",
        cause="A rootless container, userns-remap or a pod with hostUsers: false has a range of ids, often 65536 and "
        "sometimes a single one. nobody (65534) is outside where fewer are mapped; archives made by Windows or LDAP "
        "users have far larger ids.",
        remedy=(
            "cat /proc/self/uid_map in the container shows the range; /etc/subuid and /etc/subgid give more.",
            "After a change of these: podman system migrate; docker: restart it.",
            "tar --no-same-owner, cp without -a, rsync --no-owner do without the owner.",
        ),
        reference="https://github.com/containers/podman/issues/8592",
        rank=60,
    ),
    Entry(
        code="enroot-without-user-namespace",
        title="Enroot may not make a user namespace",
        patterns=(r"enroot-\w+: failed to create user namespace: [^\n]+",),
        verdict="Enroot may not make the user namespace that it needs",
        cause="EPERM, EACCES: Ubuntu from 23.10 on lets only programs with an AppArmor profile make one; Debian before "
        "11 has them switched off; an outer container forbids them. ENOSPC: the number of them is used up, or 0 as on "
        "RHEL and CentOS 7. EINVAL: enroot writes a uid above 2147483647 as a negative number.",
        remedy=(
            "EINVAL: upgrade enroot, or give the user a smaller uid.",
            (
                "EPERM, EACCES: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile with userns for "
                "enroot-nsenter"
            ),
            "EPERM: on an older Debian: sysctl -w kernel.unprivileged_userns_clone=1",
            "ENOSPC: sysctl -w user.max_user_namespaces=65536; lsns -t user shows who has them.",
        ),
        reference="https://github.com/NVIDIA/enroot/issues/247",
        rank=15,
    ),
    Entry(
        code="old-runtime-init-refused",
        title="an old runtime says only that the container's process failed",
        patterns=(
            rf"could not synchroni[sz]e with container process: (?P<reason>{EPERM}|{EINVAL}|permission denied)",
            rf"Message: (?P<reason2>{EPERM})\s+Frames:?\s+(?:---\s+)?0: setupRootfs",
        ),
        verdict="the container's first process failed at a mount or another step that is not permitted: {reason}",
        cause="docker 1.10 to 1.12 do not say which step it was. With userns-remap it is the mount of /proc: something "
        "is mounted below the host's /proc (xenfs on Xen, binfmt_misc), and then the kernel allows no fresh one. On "
        "OpenVZ and in LXC the outer layer refuses mounts; SELinux and AppArmor do as well.",
        remedy=(
            "grep ' /proc/' /proc/self/mountinfo; umount /proc/xen (or what is there), or docker run --userns=host",
            "OpenVZ or LXC: ask for nesting, or a virtual machine. Upgrade docker: it then names the step.",
        ),
        reference="https://github.com/moby/moby/issues/26070",
        tell="docker info: does it list userns? ls /proc/vz; dmesg | grep -i denied",
        rank=58,
    ),
    Entry(
        code="device-filter-attach-refused",
        title="the kernel does not accept how the device filter is attached",
        patterns=(rf"BPF_PROG_ATTACH \(BPF_CGROUP_DEVICE[^)\n]*\): (?:can't attach program: )?{EINVAL}",),
        verdict="the kernel does not accept how the container's device filter is attached (EINVAL)",
        cause="The runtime replaces a filter in one step (BPF_F_REPLACE), which kernels before 5.6 do not know: runc "
        "before 1.0.0 and libnvidia-container before 1.8 do it without asking. A kernel without CONFIG_CGROUP_BPF, or "
        "before 4.15, answers the same.",
        remedy=(
            "Upgrade runc to 1.0.0 or later (containerd.io 1.4.7), libnvidia-container to 1.8 or later.",
            "Or use a kernel 5.6 or later with CONFIG_CGROUP_BPF=y, or v1: systemd.unified_cgroup_hierarchy=0.",
        ),
        reference="https://github.com/opencontainers/runc/issues/3008",
        tell="uname -r: before 5.6? runc --version; nvidia-container-cli --version; zgrep CGROUP_BPF /proc/config.gz",
        rank=45,
    ),
    Entry(
        code="cpu-limit-in-units-of-memory",
        title="a CPU limit of a hundred thousand CPUs: a unit of memory was written for it",
        patterns=(
            (
                r"failed to write \\*\"?(?P<asked>\d{11,})\b[^\n]{0,30}cpu\.(?:cfs_quota_us|max)"
                rf"(?:[^\n]*?: (?:{EINVAL}))?"
            ),
        ),
        verdict="the CPU limit is {asked} microseconds in each period: more than a hundred thousand CPUs",
        cause="CPU and memory were mixed up: cpu: 200Mi means 209715200 CPUs. The kernel accepts no more than the "
        "parent has.",
        remedy=("Kubernetes: limits.cpu takes CPUs, such as 2 or 500m; Mi and Gi belong to memory.",),
        reference="https://github.com/opencontainers/runc/issues/1794",
        rank=30,
    ),
    Entry(
        code="pod-quota-rounded-down",
        title="systemd rounded the pod's CPU quota, so the container's is above it",
        ambiguous=(
            (
                r"failed to write \\*\"?(?P<asked>\d*(?:[1-9]\d\d|0[1-9]\d|00[1-9]))\\*\"?(?: to cpu\.cfs_quota_us)?: "
                rf"write (?P<path>/[^\n:]*kubepods[\w-]*\.slice/[^\n:]*cpu\.cfs_quota_us): {EINVAL}"
            ),
        ),
        verdict="the container's CPU quota of {asked} is above the pod's, which systemd keeps in whole percent",
        cause="systemd keeps CPUQuota= in whole percent, here 1000 microseconds. runc before 1.0-rc6 rounded the pod's "
        "down, and the container's, which is written to the file itself, no longer fits below it.",
        remedy=(
            "Ask for whole 10m of CPU: limits.cpu 60m instead of 51m.",
            "Upgrade docker and runc (1.0-rc6 or later), which round up.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/61192",
        tell="docker info: Cgroup Driver systemd? cat cpu.cfs_quota_us of the pod's directory: is it smaller?",
        layout="v1",
        offer=1,
        rank=44,
    ),
    Entry(
        code="cpu-period-scaled-by-kernel",
        title="an old kernel changed the CPU period of a busy cgroup, so a child no longer fits below it",
        ambiguous=(
            (
                r"(?:write|open)(?: file)? [^\s:]*/kubepods[^\s:]*"
                rf"/cpu\.cfs_(?:period|quota)_us(?:\\*\")?: {EINVAL}"
            ),
        ),
        verdict="the kernel may have scaled the period of a cgroup above, and rounded its quota down",
        cause="Kernels before 5.4 (4.19.89, 4.14.159) double the period of a cgroup whose timer is late, and round its "
        "quota: quota/period of the parent is then a little smaller than what was written, and the child's does not "
        "fit below it. It comes and goes on a busy node.",
        remedy=(
            "Upgrade the kernel to 5.4, 4.19.89, 4.14.159 or later.",
            "Until then: delete the pod, and its cgroup is made again; or no CPU limit for it (cpuCFSQuota: false).",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/72878",
        tell="find /sys/fs/cgroup/cpu -name cpu.cfs_period_us -exec grep -HvE '^100000$' {{}} +: other periods that "
        "nobody asked for; uname -r",
        layout="v1",
        offer=3,
        rank=55,
    ),
)
