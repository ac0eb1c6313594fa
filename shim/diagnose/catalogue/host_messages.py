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
            r"Attaching (?:e|in)gress BPF program to cgroup [^\n]*failed[^\n]*",
            r"bpf-(?:lsm|firewall|devices|restrict\S+|socket\S+|foreign): Failed to [^\n]*",
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
        code="podman-stats-without-cgroup",
        title="podman does not find the cgroup of a container whose statistics it is to read",
        patterns=(
            r"cannot get cgroup path unless container [^\n]* is running[^\n]*",
            r"unable to load cgroup at (?P<path>/[^\n]*): (?:cgroups: )?cgroup (?:does not exist|deleted)[^\n]*",
            r"[Ff]ailed to retrieve cgroup stats: [^\n]*|unable to obtain cgroup stats: [^\n]*",
        ),
        verdict="podman looks for a cgroup of the container that is not there, or has no such file: no failure "
        "of the container",
        cause="The container has ended; or it is rootless on v1, or below a cgroup without the memory or pids "
        "controller; or it was made with the other cgroup manager than podman uses now; or systemd within "
        "it has moved the processes (v1, podman before 3.3); podman 2.2.0 looked in a wrong place.",
        remedy=(
            (
                "podman ps -a: is it running? cat /proc/$(podman inspect -f '{{.State.Pid}}' NAME)/cgroup shows "
                "where it is."
            ),
            (
                "Rootless: cgroup2, with memory and pids delegated (systemctl show user@$UID.service -p "
                "DelegateControllers)."
            ),
            "podman --cgroup-manager=cgroupfs stats (or =systemd), as at podman run; upgrade podman.",
        ),
        reference="https://github.com/containers/podman/issues/9252",
        tell="stat -fc %T /sys/fs/cgroup; podman info -f '{{.Host.CgroupManager}}'",
        rank=38,
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
        rank=54,
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
            r"Failed to (?:set|reset) invocation ID on control group[^\n]*",
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
    Entry(
        code="unit-default-weight-refused",
        title="systemd in a container cannot set its default weight",
        patterns=(r"Failed to set 'blkio\.(?:bfq\.)?weight' attribute on [^\n]* to 'default \d+': Invalid argument",),
        verdict="systemd in the container could not write its default weight for block devices; nothing is lost",
        cause="It writes cgroup2's form (default 500) into v1's file. The unit starts with the weight that it has.",
        remedy=("Nothing needs to be done; look for another message if a unit does not start.",),
        reference="https://github.com/kubernetes-sigs/kind/issues/2460",
        rank=82,
    ),
)
