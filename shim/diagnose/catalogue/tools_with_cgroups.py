"""What shells and programs say that write to cgroups themselves, where the file is not in their words."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, EROFS, Entry

KERNEL = "Linux Documentation/admin-guide/cgroup-v2.rst"

ENTRIES = (
    Entry(
        code="shell-write-refused",
        title="a shell's write to a file of the kernel was refused, and the file is not named",
        ambiguous=(
            (
                r"^(?![^\n]*/sys/fs/cgroup/)[^\n]*\bwrite error: "
                rf"(?:{EBUSY}|{EINVAL}|{ENOSPC}|{ENOENT}|{EOPNOTSUPP}|{ENODEV}|{EACCES}|{EPERM}|{EROFS}"
                r"|no such process|I/O error|resource busy)"
            ),
            r"\becho: (?:echo: )?I/O error",  # dash has no other words
        ),
        verdict="the kernel refused what a shell wrote to one of its files; the shell does not say to which",
        cause="In a cgroup, EBUSY: controllers are enabled for children while it holds processes "
        "(cgroup.subtree_control, cgroup.procs), or a memory limit is below the usage; EINVAL: not a value that the "
        "file takes, or not within the parent's; ENOENT: its parent does not have that controller. ENOSPC: a cpuset "
        "without CPUs or nodes; EOPNOTSUPP: a threaded cgroup; ENODEV: a partition, or no such disk; ESRCH: the "
        "process has ended.",
        remedy=(
            "bash -x SCRIPT shows the command before the error: explain it together with the error's line.",
            (
                "Busy, in a container: mkdir /sys/fs/cgroup/init; xargs -rn1 < /sys/fs/cgroup/cgroup.procs > "
                "/sys/fs/cgroup/init/cgroup.procs; only then enable controllers."
            ),
        ),
        tell="which file stands behind > in that line? cat it, and the same one in the parent's directory",
        reference=KERNEL,
        offer=1,
        last=True,
    ),
    Entry(
        code="rust-shim-cgroup-failed",
        title="containerd's shim in Rust could not put a task into a cgroup",
        patterns=(r"runc\.v2-rs\b[^\n]*(?:control group|cgroup)[^\n]*",),
        verdict="containerd's shim in Rust (io.containerd.runc.v2-rs) could not put the task into its cgroup",
        cause="It is younger than the shim in Go: it takes options of the runtime in another form, and knows fewer "
        "layouts of cgroups.",
        remedy=(
            'Use the shim in Go: runtime_type = "io.containerd.runc.v2" in /etc/containerd/config.toml.',
            "Or upgrade it, and take options of the runtime (ShimCgroup, SystemdCgroup) out to see which one it is.",
        ),
        reference="https://github.com/containerd/rust-extensions/pull/366",
        rank=40,
    ),
    Entry(
        code="benchexec-cgroups-refused",
        title="BenchExec may not use the cgroups",
        patterns=(
            r"Cannot use cgroup hierarchy mounted at (?P<path>[^\s]+) for subsystem (?P<name>\w+)[^\n]*",
            r"Cgroup subsystem (?P<name2>\w+) is required for limiting[^\n]*",
            r"Cannot reliably kill sub-processes without freezer cgroup[^\n]*",
            r"Required cgroups? (?:is|are) not available[^\n]*|Cannot use cgroup (?P<path2>/[^\s,]+) because[^\n]*",
            r"If you are using BenchExec within a container, please make \"/sys/fs/cgroup\" available",
        ),
        verdict="BenchExec may not make cgroups of its own",
        cause="It needs a cgroup that belongs to its user: on cgroup2 a scope that systemd delegates, on v1 "
        "hierarchies that are open to the user. /run/lxcfs/controllers is LXCFS's own copy, not the place.",
        remedy=(
            "cgroup2: systemd-run --user --scope --slice=benchexec -p Delegate=yes benchexec ...; pip install pystemd.",
            "v1: usermod -aG benchexec USER with its package, or chmod the hierarchies as it says; log in again.",
            "In a container: docker --privileged --cap-drop=all; see doc/benchexec-in-container.md of its repository.",
        ),
        reference="https://github.com/sosy-lab/benchexec/blob/main/doc/INSTALL.md",
        rank=58,
    ),
    Entry(
        code="procd-cgroup-not-made",
        title="OpenWrt's procd could not make the cgroup of a service",
        patterns=(r"procd: failed adding instance cgroup for (?P<name>[^\s:]+): [^\n]+",),
        verdict="OpenWrt's procd could not make the cgroup of the service {name}",
        cause="The controllers are not enabled in the parent cgroup, or the kernel is built without them. The service "
        "runs anyway, without limits.",
        remedy=(
            "It is a notice. For limits: upgrade OpenWrt (procd), and choose a kernel with CONFIG_CGROUPS.",
            "echo '+cpu +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control; cat /sys/fs/cgroup/cgroup.controllers",
        ),
        reference="https://github.com/openwrt/procd/pull/42",
        rank=66,
    ),
    Entry(
        code="runner-inside-container",
        title="the runner of GitHub Actions refuses containers because it runs in one",
        patterns=(r"Container feature is not supported when runner is already running inside container",),
        verdict="this runner of GitHub Actions runs in a container itself, and therefore starts none for jobs",
        cause="It reads /proc/1/cgroup, and takes docker, kubepods or the like in it for being in a container. On "
        "cgroup2 with a cgroup namespace of its own (0::/) it sees none.",
        remedy=(
            "Run the runner on the host or in a virtual machine; or leave container: and services: out of the job.",
            "actions-runner-controller: containerMode: kubernetes or dind.",
        ),
        reference="https://github.com/actions/runner/issues/406",
        rank=60,
    ),
    Entry(
        code="zabbix-metric-file-missing",
        title="Zabbix's module for docker finds no file of the container's cgroup",
        patterns=(r"Cannot open (?:Docker container )?metric file: '(?P<path>/[^'\n]*)'[^\n]*",),
        verdict="Zabbix's module does not find {path}",
        cause="The container has ended; or the path is another one: the systemd driver and a --cgroup-parent have "
        "other directories, and on cgroup2 these files do not exist. Two slashes or a short id mean that the module "
        "could not ask docker for the whole id. memory is missing where that controller is off (Debian 8, boards).",
        remedy=(
            "cat /proc/$(docker inspect -f '{{{{.State.Pid}}}}' CONTAINER)/cgroup: is that the path of the message?",
            "usermod -aG docker zabbix, and restart the agent; in a container: -v /:/rootfs -v /var/run:/var/run.",
            "cgroup2: Zabbix agent 2, whose docker plugin asks docker; memory: cgroup_enable=memory, then reboot.",
        ),
        reference="https://github.com/monitoringartist/zabbix-docker-monitoring/issues/139",
        rank=30,
    ),
    Entry(
        code="libvirt-cgroup-not-seen",
        title="libvirt in a container does not find the cgroup of its virtual machine",
        patterns=(rf"(?P<path>/sys/fs/cgroup/machine(?:\.slice)?/qemu-[^\s'\"]*?)/?'?: {ENOENT}",),
        verdict="libvirt does not find the cgroup that it made for the virtual machine: {path}",
        cause="Without systemd, libvirt makes its cgroups itself. In a container with a cgroup namespace of its own, "
        "docker's default on cgroup2, they are not where it looks.",
        remedy=(
            (
                "Use the host's namespace: docker run --privileged --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup "
                "(compose: cgroup: host, privileged: true)."
            ),
        ),
        reference="https://github.com/vaggeliskls/windows-in-docker-container/issues/9",
        tell="docker inspect NAME | grep CgroupnsMode: private?",
        rank=44,
    ),
)
