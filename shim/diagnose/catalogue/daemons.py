"""What engines and the kubelet refuse or note of cgroups by themselves, by their sources."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, Entry

MOBY = "https://github.com/moby/moby/blob/master/daemon/daemon_unix.go"
CRIO = "https://github.com/cri-o/cri-o/blob/main/docs/crio.conf.5.md"
KUBELET = "https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/"
UNIFY = "Boot with cgroup2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line."

ENTRIES = (
    Entry(
        code="realtime-refused-by-engine",
        title="the engine refuses realtime limits",
        patterns=(
            r"kernel does not support (?:cgroup )?CPU real-?time (?:scheduler|period|runtime)(?!.*discarded)",
            r"cpu real-time runtime cannot be higher than cpu real-time period",
            r"daemon-scoped cpu-rt-period and cpu-rt-runtime are not (?:implemented|supported)[^\n]*",
        ),
        verdict="the engine refuses --cpu-rt-runtime or --cpu-rt-period",
        cause="They need cgroup v1, a kernel with CONFIG_RT_GROUP_SCHED, which distributions leave out, and a runtime "
        "that is not above the period. cgroup2 has no realtime limits.",
        remedy=(
            "Remove --cpu-rt-runtime and --cpu-rt-period (dockerd: cpu-rt-runtime and cpu-rt-period in daemon.json).",
            "For realtime priority alone: --cap-add sys_nice --ulimit rtprio=99",
        ),
        reference=MOBY,
        rank=40,
    ),
    Entry(
        code="device-rule-malformed",
        title="a device rule does not have the form that the engine expects",
        patterns=(
            r"invalid (?:m\w+ value in )?device cgroup rule format: '(?P<rule>[^'\n]*)'",
            r"crun: (?:invalid mode specified|unknown (?:access string specified:|device type)) `(?P<rule2>[^`\n]*)",
        ),
        verdict="the engine does not understand the device rule '{rule}'",
        cause="A rule is a type (a, b or c), two numbers and the rights of r, w, m: 'c 188:* rwm'; * stands for every "
        "number.",
        remedy=("Correct --device-cgroup-rule (compose: device_cgroup_rules).",),
        reference=MOBY,
        rank=40,
    ),
    Entry(
        code="cgroup-driver-unknown",
        title="the engine does not know the cgroup driver of its configuration",
        patterns=(
            r"native\.cgroupdriver option (?P<driver>\S+) (?:not supported|is internally used)",
            r"invalid cgroup manager: (?P<driver2>\S+)",
            r"invalid cgroup manager (?P<driver3>\S+) requested",
            r"cgroup manager must be one of [^\n]*",
        ),
        verdict="the engine's configuration names a cgroup driver that it does not know",
        cause="There are two: systemd and cgroupfs.",
        remedy=(
            (
                "docker: exec-opts native.cgroupdriver=systemd or =cgroupfs in daemon.json; podman: cgroup_manager in "
                "containers.conf; CRI-O: cgroup_manager in crio.conf"
            ),
        ),
        reference=CRIO,
        rank=40,
    ),
    Entry(
        code="option-needs-cgroup2",
        title="an option needs cgroup2",
        patterns=(
            r"`?cgroup_writable`? is only supported on cgroup v2",
            r"exec cgroup with CgroupFD is only supported on cgroup v2",
            r"running kind with rootless provider requires cgroup v2[^\n]*",
            r"cgroups? ?v2 (?:is|are) (?:required|needed)[^\n]*|requires cgroups? ?v2(?! for rootless)[^\n]*",
            r"make sure you are using cgroups v2",
            r"\bnot using unified cgroups\b",  # containerd/cgroups: the OpenTelemetry collector, and others
        ),
        verdict="this option, or this program, works only on cgroup2, and this host has v1",
        cause="Writable cgroups in a container, limits for a user's own containers, and exec in a cgroup that is given "
        "by a descriptor need cgroup2.",
        remedy=(
            UNIFY,
            "WSL 2: kernelCommandLine = cgroup_no_v1=all under [wsl2] in .wslconfig, then wsl --shutdown.",
            "Or leave the option out, or run it as root.",
        ),
        reference="https://kind.sigs.k8s.io/docs/user/rootless/",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs?",
        rank=55,
    ),
    Entry(
        code="cgroup-v1-deprecated",
        title="a program warns that it will drop support for cgroup v1",
        patterns=(
            r"[Ss]upport for cgroup v1 is deprecated[^\n]*",
            r"Using cgroups-v1 which is deprecated[^\n]*",
            r"(?<!\[ERROR SystemVerification\]: )cgroups? ?v1 support is (?:in maintenance mode|deprecated)[^\n]*",
        ),
        verdict="a notice, not a failure: this host uses cgroup v1, which this program will not support much longer",
        cause="Nothing fails for it now. podman 6, systemd 258 and the kubelet 1.35 (unless failCgroupV1 is false) no "
        "longer start on v1.",
        remedy=(
            UNIFY,
            "Until then, from Kubernetes 1.35 on: failCgroupV1: false in the kubelet's configuration.",
            "podman: PODMAN_IGNORE_CGROUPSV1_WARNING=1 hides it. Look for another message if something failed.",
        ),
        reference="https://github.com/moby/moby/issues/51111",
        rank=89,
    ),
    Entry(
        code="hugetlb-missing-for-engine",
        title="the engine finds no hugetlb controller for the limits of huge pages",
        patterns=(
            r"huge pages limits are specified but hugetlb cgroup controller is missing[^\n]*",
            r"cannot set hugetlb limit: container could not join or create cgroup",
        ),
        verdict="the container has limits of huge pages, and the host has no hugetlb controller",
        cause="The kubelet sets a limit for every size of huge pages. The kernel lacks CONFIG_CGROUP_HUGETLB, or "
        "it is not mounted (v1), or not in cgroup.controllers of the engine's cgroup (rootless, nested).",
        remedy=(
            "containerd, CRI plugin: tolerate_missing_hugetlb_controller = true (default from 1.4). CRI-O: upgrade it.",
            "Or use a kernel with the controller, and delegate it.",
        ),
        reference="https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
        tell="grep hugetlb /proc/cgroups /sys/fs/cgroup/cgroup.controllers",
        rank=40,
    ),
    Entry(
        code="hugepage-limit-dropped",
        title="the engine left out the limits of huge pages",
        patterns=(r"hugetlb cgroup controller is absent[^\n]*",),
        verdict="a notice: limits of huge pages were left out, because the host has no hugetlb controller",
        cause="The containers may use every huge page of the host, if it has any.",
        remedy=("Nothing is to be done where cat /proc/meminfo shows HugePages_Total: 0.",),
        reference="https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
        rank=84,
    ),
    Entry(
        code="containerd-in-user-namespace",
        title="containerd's notice about a user namespace",
        patterns=(r"Running CRI plugin in a user namespace typically requires disable_apparmor[^\n]*",),
        verdict="a notice: containerd runs in a user namespace, and may neither set AppArmor profiles nor lower OOM "
        "scores",
        cause="Without the two settings the containers fail later, with AppArmor's or oom_score_adj's own words.",
        remedy=("disable_apparmor = true and restrict_oom_score_adj = true in containerd's CRI section.",),
        reference="https://github.com/containerd/containerd/blob/main/docs/rootless.md",
        rank=85,
    ),
    Entry(
        code="crio-conmon-cgroup-invalid",
        title="CRI-O's conmon_cgroup does not fit its cgroup manager",
        patterns=(r"conmon cgroup should be 'pod'[^\n]*", r"conmon cgroup (?:\S+ )?invalid for cgroupfs[^\n]*"),
        verdict="CRI-O does not start: conmon_cgroup does not fit cgroup_manager",
        cause='With cgroupfs it must be "pod" or empty; with systemd "pod" or a slice such as system.slice.',
        remedy=('crio.conf: conmon_cgroup = "pod"; for the runtimes: monitor_cgroup.',),
        reference=CRIO,
        rank=40,
    ),
    Entry(
        code="crio-performance-not-applied",
        title="CRI-O cannot apply the performance settings of a container",
        patterns=(
            r"set CPU (?:load balancing|CFS quota|PM QOS resume latency|scaling governor): [^\n]*",
            r"failed to (?:find|create) cpuset for newly created cgroup[^\n]*",
            r"governor \S+ not available for cpu \d+",
            r"cgroup hierarchy setup unexpectedly, no cgroups of container found",
            r"no exclusive CPUs found, all CPUs[^\n]*|shared CPUs were requested for container[^\n]*",
        ),
        verdict="CRI-O cannot apply the performance annotations (*.crio.io) of this container",
        cause="They need a pod of the class Guaranteed with whole CPUs, the kubelet's static CPU manager, a runtime "
        "class that allows the annotations, and the cpuset and cpu controllers of the pod's cgroup.",
        remedy=(
            "cpuManagerPolicy: static; equal requests and limits of whole CPUs; allowed_annotations of the runtime.",
            "Or remove cpu-load-balancing.crio.io, cpu-quota.crio.io and the like from the pod.",
        ),
        reference=CRIO,
        rank=40,
    ),
    Entry(
        code="crio-finds-no-swap-accounting",
        title="CRI-O finds no swap accounting",
        patterns=(r"node not configured with memory swap",),
        verdict="CRI-O finds no accounting of swap on this node, so it sets no limit of swap",
        cause="v1 has memory.memsw.* only with swapaccount=1, cgroup2 has memory.swap.max with CONFIG_SWAP.",
        remedy=("Boot with swapaccount=1 (v1, kernels before 6.1), or with cgroup2. Nothing, if swap is off.",),
        reference="https://github.com/cri-o/cri-o/blob/main/internal/config/node/cgroups_linux.go",
        rank=60,
    ),
    Entry(
        code="oom-score-not-lowered-notice",
        title="podman or the kubelet cannot lower an OOM score",
        patterns=(
            r"Requested oom_score_adj=(?P<asked>-?\d+) is lower than the current one, changing to (?P<kept>-?\d+)",
            r"[Ff]ailed to apply oom-score-adj (?P<asked2>-?\d+)[^\n]*",
            rf"writing \"(?P<asked3>-?\d+)\" to /proc/(?:self|\d+)/oom_score_adj: {EACCES}",
        ),
        verdict="the OOM score {asked} was not set: it is lower than the caller's own, which needs CAP_SYS_RESOURCE",
        cause="Every process may raise its score; only a privileged one may lower it. podman then takes the lowest "
        "that it may; the kubelet in a container or user namespace continues with its own score.",
        remedy=(
            "Leave --oom-score-adj out, or start the container as root.",
            "Kubelet in a user namespace: the feature gate KubeletInUserNamespace=true.",
        ),
        reference="proc_pid_oom_score_adj(5)",
        rank=50,
    ),
    Entry(
        code="exclusive-cpus-not-free",
        title="the kubelet's static policy has no whole CPUs left",
        patterns=(
            r"unable to allocate \d+ CPUs[^\n]*not enough cpus available[^\n]*",
            r"not enough cpus available to satisfy request[^\n]*",
            r"SMTAlignmentError|SMT Alignment Error[^\n]*",
        ),
        verdict="the kubelet's CPU manager (static) does not have enough whole CPUs free for this container",
        cause="A pod of the class Guaranteed with whole CPUs gets them for itself. The scheduler counts them on the "
        "whole node; the reserved ones, those of a pod that is not gone yet, or another NUMA node make the difference.",
        remedy=(
            "cat /var/lib/kubelet/cpu_manager_state names the assignments; delete pods that should be gone.",
            "Fewer CPUs in the request, a request that is not whole, or another node.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/cpu-management-policies/",
        rank=50,
    ),
    Entry(
        code="engine-start-notice",
        title="an engine's notice at its start of what this host cannot limit",
        patterns=(
            (
                r"[Yy]our kernel does not support (?P<what>cgroup rt (?:runtime|period)|swap memory limit|oom control|"
                r"memory (?:swappiness|reservation)|kernel memory limit|cgroup cpu shares|cgroup cfs (?:quotas|period))"
                r"\"?$"
            ),
        ),
        verdict="a notice of the engine's start, not a failure: this host cannot enforce {what}",
        cause="A container that asks for it runs without it, or is refused. cgroup2 has no realtime limits, swappiness "
        "or OOM control of a cgroup; the others need the controller and its options in the kernel.",
        remedy=("docker info | grep WARNING lists the same. cgshimctl doctor shows what the host has.",),
        reference="https://github.com/moby/moby/tree/master/pkg/sysinfo",
        rank=86,
    ),
    Entry(
        code="conmon-only-reports",
        title="conmon reports only that the runtime failed",
        ambiguous=(
            r"Failed to create container: exit status \d+",
            r"Failed to wait for `runtime (?:create|exec)`[^\n]*",
            r"reading pid from init pipe: EOF",
            r"container create failed:\s*(?:\(no logs from conmon[^\n]*)?$",
        ),
        verdict="conmon reports only that the runtime failed; the runtime's own message is in another line",
        cause="conmon hands the runtime's output on as 'runtime stderr', and podman or CRI-O show it with their error.",
        remedy=(
            "journalctl -t conmon -t crio -e; podman --log-level=debug run ...: then cgshimctl explain with that line.",
        ),
        reference="https://github.com/containers/conmon/blob/main/src/conmon.c",
        tell="journalctl -t conmon | grep 'runtime stderr'",
        offer=1,
        last=True,
    ),
    Entry(
        code="tmpfs-without-noswap",
        title="the kubelet's notice about tmpfs and swap",
        patterns=(r"tmpfs noswap option is not supported[^\n]*",),
        verdict="a notice: secrets and emptyDirs in memory may be swapped to disk on this kernel",
        cause="tmpfs knows noswap since Linux 6.3, and the node has swap.",
        remedy=("Use a kernel 6.3 or later, encrypt swap, or swapoff -a.",),
        reference="https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
        rank=86,
    ),
    Entry(
        code="conmon-found-no-cgroup",
        title="conmon found no cgroup of the container to watch for OOM",
        patterns=(
            r"Failed to get (?:memory )?cgroup path\. Container may have exited",
            r"Failed to write to cgroup\.event_control",
            r"cgroup2_path not initialized",
            r"conmon[^\n]*Failed to open cgroups? file: [^\n]*",
        ),
        verdict="conmon could not watch the container for OOM: its cgroup was gone, or it has none",
        cause="The container ended at once, or is rootless without cgroups. If it was killed for its memory, podman "
        "will not say so; the container itself is not affected.",
        remedy=("podman logs NAME, podman inspect NAME (State): look at why it ended.",),
        reference="https://github.com/containers/conmon/blob/main/src/cgroup.c",
        rank=66,
    ),
    Entry(
        code="containerd-not-told-of-systemd",
        title="Docker uses the systemd driver, and its containerd was started without it",
        patterns=(rf"stat /sys/fs/cgroup/systemd/\S+\.service/(?:system|machine|user)\.slice\S*: {ENOENT}",),
        verdict="containerd takes the systemd path of the container for a plain directory",
        cause="dockerd has native.cgroupdriver=systemd, but a containerd that was started by hand runs runc without "
        "--systemd-cgroup.",
        remedy=(
            "Docker 1.11 to 17.x: containerd --runtime-args --systemd-cgroup=true; newer ones pass it themselves.",
            "Or take the option out: dockerd --exec-opt native.cgroupdriver=cgroupfs",
        ),
        reference="https://github.com/moby/moby/issues/22108",
        rank=20,
    ),
)
