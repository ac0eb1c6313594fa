"""Lines that look like failures and are none, and settings that only v1 has: systemd, podman, crun, Apptainer."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="systemd-bpf-missing",
        title="the kernel has no BPF programs for cgroups, which a unit's setting needs",
        patterns=(
            r"(?:system|kernel) does not support (?:the )?BPF(?:/cgroup| |-based)[^\n]*",
            (
                r"unit configures (?:an IP firewall|device ACL|a custom BPF program)"
                r"[^\n]*(?:not support|not running as root)[^\n]*"
            ),
            r"Proceeding WITHOUT firewalling in effect[^\n]*",
        ),
        verdict="IPAddressDeny=, DeviceAllow= and the like of some units have no effect here: a warning, not a failure",
        cause="systemd enforces them with BPF programs on cgroup2. The kernel is built without CONFIG_CGROUP_BPF "
        "(boards, NAS, WSL 1), the hierarchy is v1 alone, or this systemd is a user's or in a container.",
        remedy=(
            "Nothing is to be done: the unit runs, without this protection. What failed is said in another line.",
            "Or a kernel with CONFIG_BPF_SYSCALL=y CONFIG_CGROUP_BPF=y, and cgroup2.",
        ),
        reference="systemd.resource-control(5)",
        rank=62,
    ),
    Entry(
        code="setting-not-on-cgroup2",
        title="a setting of the container exists only in cgroup v1",
        patterns=(
            (
                r"(?P<setting>(?:realtime|kernel memory|network|net|blkio|oom)[\w -]{0,30}) "
                r"not supported (?:on|with) cgroup ?v?2"
            ),
        ),
        verdict="cgroup2 has no {setting}: the container asks for what only v1 has",
        cause="Realtime periods and runtimes (cpu.rt_*), kernel memory and the network classes of v1 have no "
        "counterpart in cgroup2's files.",
        remedy=(
            "Leave the option out: --cpu-rt-runtime, --cpu-rt-period, --kernel-memory; compose: cpu_rt_runtime.",
            "Realtime: --ulimit rtprio=99 --cap-add SYS_NICE, with CONFIG_RT_GROUP_SCHED off in the kernel.",
            "Network classes: tc with cgroup2's path (iptables -m cgroup --path).",
        ),
        reference="https://github.com/containers/crun/blob/main/crun.1.md",
        rank=30,
    ),
    Entry(
        code="podman-container-not-running",
        title="podman looks for the cgroup of a container that has ended",
        patterns=(
            r"cannot get cgroup path unless container [^\n]* is running[^\n]*",
            r"unable to load cgroup at [^\n]*: cgroup (?:does not exist|deleted)[^\n]*",
        ),
        verdict="the container is not running any more, so it has no cgroup to read or change",
        cause="podman stats, top, update and pause need a running container. It ended meanwhile, or the host "
        "rebooted and podman's state is of before; with systemd its scope was removed.",
        remedy=(
            "podman ps -a shows its state and exit code; podman logs NAME; podman start NAME.",
            "A state of before a reboot: podman system renumber, or podman container cleanup NAME.",
        ),
        reference="podman-stats(1)",
        rank=40,
    ),
    Entry(
        code="apptainer-instance-without-stats",
        title="Apptainer starts an instance without a cgroup of its own",
        patterns=(r"Instance stats will not be available(?! because XDG)[^\n]*",),
        verdict="the instance runs, but apptainer instance stats has nothing to read",
        cause="Statistics need a cgroup for the instance: cgroup2, systemd as the manager in apptainer.conf, and "
        "a login session of the user.",
        remedy=(
            "Nothing is to be done if the statistics are not wanted.",
            (
                "stat -fc %T /sys/fs/cgroup must be cgroup2fs; systemd cgroups = yes in apptainer.conf; log in with "
                "a session of systemd."
            ),
        ),
        reference="https://apptainer.org/docs/user/main/cgroups.html",
        rank=60,
    ),
    Entry(
        code="systemd-goes-on",
        title="systemd reports something that it ignores",
        ambiguous=(
            (
                r"(?:systemd|elogind|logind)[^\n]{0,60}(?:Failed|Couldn't|Cannot|Could not|Unable)"
                r"[^\n]*, ignoring[^\n]*"
            ),
            r"Cannot find unit for notify message of PID \d+, ignoring",
        ),
        verdict="systemd says that it ignores this and goes on: it is seldom the failure",
        cause="An attribute that this kernel lacks, a cgroup or a process that is gone already, or a right that "
        "systemd does not have in a container.",
        remedy=(
            "Look for the first line without 'ignoring': journalctl -b -p err; systemctl --failed.",
            (
                "In a container: more rights (podman --systemd=always, docker --privileged --cgroupns=private, "
                "nesting=1) silence most of them."
            ),
        ),
        reference="systemd(1)",
        tell="is the unit running? systemctl status UNIT",
        offer=4,
        last=True,
    ),
)
