"""Runtimes that are not runc or crun, and agents that make cgroups for the tasks of a cluster."""

from __future__ import annotations

from shim.diagnose.entry import EOVERFLOW, Entry

ENTRIES = (
    Entry(
        code="kata-sandbox-cgroup-failed",
        title="Kata Containers (runtime-rs) could not make or change its cgroup on the host",
        patterns=(
            r"cgroupfs error: [^\n]*?(?:code: (?P<number>\d+)|caused by)[^\n]*",
            r"add runtime to (?:sandbox|overhead) cgroup[^\n]*",
        ),
        verdict="Kata's shim could not make, or use, the cgroup of the sandbox on the host",
        cause="The last code is the kernel's: 17, it exists already (a sandbox of the same id that was not cleaned "
        "up, or two shims at once); 2, its parent or a controller is missing; 13 or 1, not allowed (rootless); 16, "
        "processes are left in it; 22, a value is refused.",
        remedy=(
            (
                "17, 16: end the old shim and remove its cgroup (find /sys/fs/cgroup -depth -type d -name '*kata*' "
                "-exec rmdir {{}} +), then start again."
            ),
            "sandbox_cgroup_only = true in Kata's configuration.toml; upgrade Kata where the host has cgroup2.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/12176",
        tell="ps aux | grep containerd-shim-kata; find /sys/fs/cgroup -name '*kata*' -type d",
        rank=45,
    ),
    Entry(
        code="shim-without-cgroup-driver",
        title="nerdctl's notice that it cannot choose the cgroup driver of another runtime",
        patterns=(r"cannot set cgroup manager to \\?\"(?P<driver>\w+)\\?\" for runtime \\?\"(?P<name>[^\"\\\n]+)",),
        verdict="a notice: nerdctl does not choose the cgroup driver of {name}; if it failed, the next line says why",
        cause="Only runc's shim takes the option. Runtimes with a virtual machine (Kata) also need root and /dev/kvm, "
        "so that 'operation not permitted' beside this line means: not rootless.",
        remedy=(
            "Kata: run it as root (sudo nerdctl); check kata-runtime check.",
            "To be rid of the notice: nerdctl --cgroup-manager=cgroupfs",
        ),
        reference="https://github.com/containerd/nerdctl/issues/135",
        rank=87,
    ),
    Entry(
        code="ecs-agent-made-no-cgroup",
        title="the ECS agent cannot make the cgroup of a task",
        patterns=(
            r"(?-i:\bCgroupError): [^\n]*",
            r"unable to create cgroup taskARN=[^\n]*",
            r"cgroup resource[^\n]*(?:unable to (?:create|setup)|setup|init)[^\n]*",
            r"unable to create v2 manager: [^\n]*",
        ),
        verdict="the ECS agent cannot make a cgroup for the limits of the task",
        cause="The memory controller is off (Raspberry Pi, Debian), the agent is older than the host's cgroup2 (before "
        "1.61), or its own container lacks what it needs: /sys/fs/cgroup writable, and /run/systemd/private with "
        "cgroup2 and systemd.",
        remedy=(
            "Memory: cgroup_enable=memory on the kernel command line, reboot; grep memory /proc/cgroups.",
            (
                "Upgrade the agent and ecs-init; give the agent's container -v /sys/fs/cgroup:/sys/fs/cgroup and "
                "-v /run/systemd/private:/run/systemd/private."
            ),
            "Or ECS_ENABLE_TASK_CPU_MEM_LIMIT=false in /etc/ecs/ecs.config: no limits of the task, only of containers.",
        ),
        reference="https://github.com/aws/amazon-ecs-agent/issues/3227",
        tell="grep memory /proc/cgroups; stat -fc %T /sys/fs/cgroup; cat /var/log/ecs/ecs-agent.log | grep -i cgroup",
        rank=30,
    ),
    Entry(
        code="program-knows-only-v1",
        title="a program that knows only cgroup v1 runs on a host with cgroup2",
        patterns=(
            r"cgroups? ?v(?:ersion )?2 (?:is|are) not (?:yet )?supported[^\n]*",
            r"(?:does not|doesn't) (?:yet )?support cgroups? ?v(?:ersion )?2[^\n]*",
            r"only supports? cgroups? ?v(?:ersion )?1[^\n]*|(?:requires|needs) cgroups? ?v(?:ersion )?1\b[^\n]*",
            r"Can't set cgroup permission on the host for [^\n]*",
            r"Expected cgroup file not found[^\n]*|mount: ?can't find /sys/fs/cgroup in /proc/mounts",
            r"failed to find controller (?:cpuacct|blkio|devices|freezer|memory|cpu)\b",
            r"Could not detect slice of whitelisted controller[^\n]*",
            r"^\++ grep [`'\"]?:?(?:devices|memory|cpuset|cpu,cpuacct|name=systemd):?[`'\"]? /proc/(?:self|1)/cgroup",
            r"Can not mount cpuset cgroup\. Probably cgroup support is missing[^\n]*",
            r"CgroupHierarchyMissing\(\"No hierarchy found for this cgroup version",  # Firecracker's jailer
        ),
        verdict="this program, or its version, knows only cgroup v1, and the host has cgroup2",
        cause="Distributions use cgroup2 since 2021. Programs from before look for v1's files (devices, "
        "memory.limit_in_bytes) and refuse, or read nothing.",
        remedy=(
            (
                "Upgrade the program: Home Assistant's supervisor and os-agent, AWS Greengrass, monitoring agents, old "
                "Java know cgroup2 by now. Firecracker's jailer takes --cgroup-version 2."
            ),
            (
                "Until then boot with systemd.unified_cgroup_hierarchy=0 (systemd before 258). "
                "Cgroup Version in docker info shows which one is in use."
            ),
        ),
        reference="https://www.home-assistant.io/more-info/unsupported/cgroup_version/",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs is cgroup2, tmpfs is v1",
        rank=60,
    ),
    Entry(
        code="gvisor-cgroup-path-relative",
        title="gVisor does not understand the path of its cgroup",
        patterns=(r"Rel: can't make (?P<path>\S+) relative to /",),
        verdict="gVisor does not understand the cgroup path {path}: it does not begin with a slash",
        cause="The engine's own cgroup is given as a relative path, as on Talos, and this runsc expects an absolute "
        "one.",
        remedy=(
            (
                'Upgrade runsc; until then ignore-cgroups = "true" under [runsc_config] in /etc/containerd/runsc.toml: '
                "then no limit of the container holds in gVisor."
            ),
        ),
        reference="https://github.com/siderolabs/extensions/issues/4",
        rank=40,
    ),
    Entry(
        code="shiftfs-refuses",
        title="Sysbox's shiftfs does not fit this kernel",
        patterns=(rf"/shiftfs/[^\n]*?{EOVERFLOW}",),
        verdict="shiftfs, which shifts the owners of files for Sysbox, does not work on this kernel (EOVERFLOW)",
        cause="Ubuntu's kernels from 5.15.0-48 on broke it. Kernels from 5.19 on map owners themselves (ID-mapped "
        "mounts), and Sysbox 0.6 uses that.",
        remedy=(
            "ExecStart=/usr/bin/sysbox-mgr --disable-shiftfs in sysbox-mgr.service; systemctl restart sysbox.",
            "Or Sysbox 0.6 or later on a kernel of 5.19 or later.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/596",
        rank=30,
    ),
    Entry(
        code="lxc-controllers-not-enabled",
        title="LXC cannot enable controllers in a cgroup above the container's",
        patterns=(r"Could not enable \"(?P<controllers>\+[^\"\n]*)\" controllers in the unified cgroup[^\n]*",),
        verdict="the kernel did not let LXC enable {controllers} in a cgroup above the container's: no limit holds",
        cause="EBUSY: processes are in that cgroup itself (a login session, OpenRC's own, or LXC within a container), "
        "and cgroup2 allows them only in the last ones. EINVAL: a process there with a realtime priority (cpu), or a "
        "kernel thread bound to CPUs (cpuset). ENOENT: the cgroup above lacks the controller. EACCES: it is not the "
        "user's.",
        remedy=(
            "As a user: systemd-run --user --scope -p Delegate=yes -- lxc-start NAME",
            "OpenRC, or LXC within a container: move the processes into a cgroup of their own below it.",
            (
                "EINVAL: LXC enables all at once, so find the one: echo +cpuset > "
                "/sys/fs/cgroup/cgroup.subtree_control, one by one; at boot (rc.local) it still works."
            ),
        ),
        reference="https://github.com/lxc/lxc/issues/3242",
        tell="cat /proc/self/cgroup /sys/fs/cgroup/cgroup.subtree_control; cat the cgroup.procs above the container",
        rank=50,
    ),
    Entry(
        code="libvirt-without-controllers",
        title="libvirt finds no controller for a virtual machine",
        patterns=(r"At least one cgroup controller is required[^\n]*",),
        verdict="a notice: libvirt found no cgroup controller to use, and starts the virtual machine without cgroups",
        cause="KubeVirt switches them off in libvirt (cgroup_controllers = [ ]), because the pod's cgroup has the "
        "limits. On a host no controller is enabled or mounted where libvirt runs. What fails is another line.",
        remedy=(
            "KubeVirt: nothing is to be done; look for the next error, and kubectl describe vmi NAME.",
            "A host: cgroup_controllers in /etc/libvirt/qemu.conf, and cat /sys/fs/cgroup/cgroup.controllers.",
        ),
        reference="https://libvirt.org/cgroups.html",
        rank=86,
    ),
    Entry(
        code="kata-agent-error-unnamed",
        title="Kata's agent failed without saying why",
        patterns=(r"UnknownErrno: Unknown errno[^\n]*",),
        verdict="Kata's agent in the guest failed to make the container, and its error has no number",
        cause="The agent of Kata 2.0 to 3.1 reports any failure that is not a system call so: a hook in the guest, a "
        "cgroup controller that the guest's kernel lacks, or a specification that it does not understand. Only its own "
        "log has the reason.",
        remedy=(
            "enable_debug = true in configuration.toml; then journalctl -t kata | grep -i erro names the step before.",
            "Use the guest's kernel and image of the same release as the shim, and upgrade both.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/2610",
        tell="journalctl -t kata | grep -B5 UnknownErrno",
        rank=50,
    ),
)
