"""The tools of libcgroup, and programs that do not find an account, a group, or the ids of a container."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="libcgroup-tool-refused",
        title="a tool of libcgroup (cgexec, cgcreate, cgset) may not use the group, or does not find it",
        patterns=(
            r"cgroup change of group failed[^\n]*",
            (
                r"cg(?:exec|create|set|get|classify|delete|snapshot|rulesengd): (?![^\n]*is not mounted)[^\n]*"
                r"(?:not allowed|can't be modified|non owner|does not exist|can(?:no|')t |failed|not support)[^\n]*"
            ),
            r"Error changing group of pid \d+: [^\n]*",
            (
                r"Cgroup, (?:operation not allowed|request came in from non owner|requested group parameter does not "
                r"exist|creation of controller failed)[^\n]*"
            ),
        ),
        verdict="libcgroup's tool could not use the group: it is not there, not this user's, or has no such controller",
        cause="The group is made at boot by cgconfig (or in the service's script), and that has not run; the "
        "user may not write to it; on cgroup2 the controller is not enabled above it, the old names "
        "(memory.limit_in_bytes, cpuset as its own hierarchy) do not exist, or an old libcgroup (0.41, "
        "before 2.0) knows v1 only.",
        remedy=(
            (
                "lscgroup; ls -ld /sys/fs/cgroup/GROUP; systemctl start cgconfig (CentOS 6: service cgconfig start; "
                "chkconfig cgconfig on), before the service that uses it."
            ),
            (
                "As a user: root makes it his: cgcreate -a USER:GROUP -t USER:GROUP -g memory,cpu:NAME. On cgroup2 "
                "moving a process in also needs rights on the common parent: systemd-run --user --scope instead."
            ),
            "cgroup2: cgset -r memory.max=2G NAME; libcgroup 2.0 or later.",
        ),
        reference="https://github.com/libcgroup/libcgroup",
        tell="stat -fc %T /sys/fs/cgroup; lssubsys -am; cat /sys/fs/cgroup/cgroup.subtree_control; id",
        rank=40,
    ),
    Entry(
        code="sysbox-ids-not-mapped",
        title="sysbox's container may not write to its own root file system",
        patterns=(
            (
                r"mkdirall (?:/?var/lib/(?:docker|kubelet|containerd|k0s|k3s|rancher|buildkit)\S*|/var/lib/sysbox/\S+) "
                rf"(?:with mode \d+ )?failed: [^\n]*(?:{EACCES}|{EPERM})"
            ),
            rf"reading ID mappings from \"/proc/0/uid_map\": {ENOENT}",
            r"failed to request rootfs cloning from sysbox-mgr: [^\n]*",
        ),
        verdict="the ids of the container's user namespace do not own its root file system, or the pod has no "
        "user namespace",
        cause="sysbox maps ids with shiftfs or with mounts that map ids; overlayfs takes these from kernel 5.19 "
        "on, and shiftfs is gone after an update of Ubuntu's kernel. In Kubernetes the pod must ask for a "
        "user namespace. A data root on btrfs, ZFS or NFS can take part in neither.",
        remedy=(
            (
                "uname -r; journalctl -u sysbox-mgr | grep -i -E 'shiftfs|ID-mapped': all 'no' is the cause: a newer "
                "kernel (6.x), or the module shiftfs for this one."
            ),
            (
                "Kubernetes: runtimeClassName: sysbox-runc with hostUsers: false (1.30 and later), before that the "
                'annotation io.kubernetes.cri-o.userns-mode: "auto:size=65536".'
            ),
            "docker on ext4 or xfs; restart sysbox and docker; docker without userns-remap.",
        ),
        reference="https://github.com/nestybox/sysbox/blob/master/docs/user-guide/troubleshoot.md",
        rank=30,
    ),
    Entry(
        code="kata-guest-without-controller",
        title="Kata's agent cannot mount a cgroup hierarchy in the guest",
        patterns=(r"(?:Could|could) not mount cgroup to (?P<path>/sys/fs/cgroup/\S+): [^\n]+",),
        verdict="the guest's kernel has no hierarchy for {path}",
        cause="An agent that is the guest's init (initrd, or a hand-made image) mounts what the guest's "
        "/proc/cgroups lists, or each of v1's: the kernel was built without one of them (net_cls, "
        "net_prio, hugetlb), or the agent and the kernel are of different releases.",
        remedy=(
            "Take kernel, image and agent from one release of Kata: kata-runtime env shows the paths.",
            (
                "Own kernel: CONFIG_CGROUP_NET_PRIO, CONFIG_CGROUP_NET_CLASSID, CONFIG_CGROUP_HUGETLB, "
                "CONFIG_CGROUP_PIDS=y (tools/packaging/kernel/configs)."
            ),
            (
                'Or cgroup2 in the guest: kernel_params = "systemd.unified_cgroup_hierarchy=1", or '
                "agent.unified_cgroup_hierarchy=1."
            ),
        ),
        reference="https://github.com/kata-containers/kata-containers/blob/main/tools/packaging/kernel/README.md",
        rank=30,
    ),
    Entry(
        code="nomad-of-v1-only",
        title="Nomad before 1.3 looks for v1 hierarchies",
        patterns=(r"Can't destroy: cgroup configuration empty",),
        verdict="this Nomad client has no cgroup for the task: it does not know cgroup2, or could not make its cgroups",
        cause="Nomad before 1.3 works with v1's freezer alone, and leaves tasks without a cgroup on a host with "
        "cgroup2. Later ones say so where the client could not make its own (not root, in a container).",
        remedy=(
            "Upgrade Nomad (1.3 for cgroup2, 1.8.2 for raw_exec), and run the client as root.",
            "Until then: systemd.unified_cgroup_hierarchy=0 at boot; raw_exec: no_cgroups = true.",
            ("In LXC or docker: nesting=1, --privileged --cgroupns=host; the client's log names cgroup at its start."),
        ),
        reference="https://developer.hashicorp.com/nomad/docs/upgrade/upgrade-specific",
        tell="stat -fc %T /sys/fs/cgroup; nomad node status -verbose | grep cgroup",
        rank=42,
    ),
)
