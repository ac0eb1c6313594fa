"""Programs around a node's engine: Mesos, sysbox, device plugins, CI runners; and what they meet of cgroups."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EOPNOTSUPP, EPERM, EROFS, Entry

HUGE = "https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/"

ENTRIES = (
    Entry(
        code="mesos-finds-no-hierarchy",
        title="Mesos finds no v1 hierarchy",
        patterns=(
            r"Failed to mount cgroups hierarchy at '(?P<path>[^'\n]*)'",
            r"Failed to determine the hierarchy where the subsystem (?P<controller>\w+) is attached",
            r"Failed to find a mounted cgroups hierarchy for the '(?P<controller2>\w+)' subsystem",
            r"Failed to (?:create|prepare) (?:Linux launcher|hierarchy for)[^\n]*",
            r"Failed to create isolator 'cgroups/(?P<controller3>\w+)'[^\n]*",
        ),
        verdict="the Mesos agent does not find the {controller} controller as a v1 hierarchy, and may not mount it",
        cause="Its launcher needs freezer, its isolators cpu and memory, each as a hierarchy of v1. The host has "
        "cgroup2 alone (Docker Desktop since 4.3, most distributions since 2021), or the agent is in a container that "
        "does not see /sys/fs/cgroup or may not mount. Only later builds (--enable-cgroups-v2) know cgroup2.",
        remedy=(
            "In a container: docker run --privileged -v /sys/fs/cgroup:/sys/fs/cgroup:ro",
            (
                "Host with cgroup2: systemd.unified_cgroup_hierarchy=0 on the kernel's command line, where systemd "
                "still has it (before 256)."
            ),
            "Without these limits: mesos-agent --launcher=posix --isolation=posix/cpu,posix/mem",
        ),
        reference="https://github.com/apache/mesos/blob/master/src/slave/containerizer/mesos/linux_launcher.cpp",
        tell="stat -fc %T /sys/fs/cgroup; grep freezer /proc/self/mountinfo",
        rank=33,
    ),
    Entry(
        code="runc-enters-unified-path",
        title="runc enters a cgroup2 path that nobody made on a hybrid host",
        patterns=(
            (
                r"error adding pid \d+ to cgroups: failed to write \d+: open(?:at2)? "
                r"(?P<path>/sys/fs/cgroup/unified/[^\n:]+/cgroup\.procs): " + ENOENT
            ),
        ),
        verdict="runc wants to enter the container's cgroup in cgroup2, too, and it is not there: {path}",
        cause="On a hybrid host runc enters /sys/fs/cgroup/unified beside the v1 hierarchies. Since 1.1.6 its systemd "
        "driver no longer puts the path of process 1 before the container's. In a node that is a container itself "
        "(kind, k3d) the two then differ, and exec and probes fail.",
        remedy=(
            "kind: a newer release and node image (0.21 on); elsewhere go back to runc 1.1.5 in the node.",
            "Or leave the hybrid layout: boot the host with systemd.unified_cgroup_hierarchy=1 (cgroup2 alone).",
            "At once: umount /sys/fs/cgroup/unified in the node (docker exec NODE umount ...).",
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/3223",
        tell="runc --version; grep /sys/fs/cgroup/unified /proc/self/mountinfo",
        rank=28,
    ),
    Entry(
        code="systemd-in-threaded-cgroup",
        title="systemd in a container is in a threaded cgroup",
        patterns=(
            rf"Failed to create (?P<path>/[^\n:]*) control group: {EOPNOTSUPP}",
            rf"Failed to allocate manager object: {EOPNOTSUPP}",
        ),
        verdict="systemd in the container cannot enter its cgroup, because a cgroup above it is threaded (EOPNOTSUPP)",
        cause="A container in a container: the outer one has processes in the cgroup in which controllers were "
        "enabled, so that new ones below it are 'domain invalid'.",
        remedy=(
            (
                "The outer container: docker run --privileged --cgroupns=private with docker:dind 20.10.8 or later, "
                "whose start script moves the processes away."
            ),
            (
                "By hand, in the outer one: mkdir /sys/fs/cgroup/init; xargs -rn1 < /sys/fs/cgroup/cgroup.procs > "
                "/sys/fs/cgroup/init/cgroup.procs; then enable controllers."
            ),
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Threads",
        tell="cat /sys/fs/cgroup/cgroup.type in the outer container: domain, or threaded?",
        rank=34,
    ),
    Entry(
        code="hugepages-not-granted",
        title="the program gets no huge pages",
        patterns=(
            r"No free (?:\d+ kB )?hugepages reported",
            r"EAL: Cannot (?:get hugepage information|init memory|allocate memory)[^\n]*",
            r"hugepages of size \d+ reserved, but no mounted hugetlbfs found",
            r"eal_memalloc\.c|\balloc_seg\b[^\n]*socket_id",
            r"(?:hugetlb|huge ?pages?)[^\n]*(?:SIGBUS|Bus error)|(?:SIGBUS|Bus error)[^\n]*(?:hugetlb|huge ?page)",
        ),
        verdict="the program gets no huge pages: the host has none free, or the container's hugetlb limit is 0",
        cause="A pod without hugepages-2Mi (or -1Gi) in its limits has the hugetlb limit 0, even if it is privileged: "
        "mmap succeeds, and the first access is killed with SIGBUS. Other reasons: none are reserved on the host, or "
        "hugetlbfs is not mounted in the container.",
        remedy=(
            "Host: sysctl vm.nr_hugepages=512; grep Huge /proc/meminfo; restart the kubelet.",
            "Pod: resources.limits: hugepages-2Mi: 1Gi and memory: ...; an emptyDir with medium: HugePages.",
            "docker: -v /dev/hugepages:/dev/hugepages; no limit of its own.",
        ),
        reference=HUGE,
        tell="cat /sys/fs/cgroup/hugetlb.2MB.max (v1: hugetlb/hugetlb.2MB.limit_in_bytes) in the container: 0?",
        rank=55,
    ),
    Entry(
        code="crio-refuses-unlimited-swap",
        title="CRI-O takes unlimited swap for too little",
        patterns=(r"memory swap limit \(-1\) cannot be lower than memory limit \((?P<limit>\d+)\)",),
        verdict="CRI-O takes the kubelet's unlimited swap (-1) for a number below the memory limit",
        cause="The kubelet sends -1 with swapBehavior: UnlimitedSwap, which CRI-O up to 1.24 compared as a number.",
        remedy=(
            "Upgrade CRI-O. UnlimitedSwap is gone since Kubernetes 1.30: memorySwap.swapBehavior: LimitedSwap.",
            "Or switch the feature gate NodeSwap off.",
        ),
        reference="https://github.com/cri-o/cri-o/issues/6040",
        rank=30,
    ),
    Entry(
        code="runtime-handler-unknown",
        title="the engine has no runtime of the pod's RuntimeClass",
        patterns=(
            r"RuntimeHandler \\*\"(?P<name>[\w.-]+)\\*\" not supported",
            r"failed to find runtime handler (?P<name2>[\w.-]+) from runtime list",
            r"RuntimeClass \\*\"(?P<name3>[\w.-]+)\\*\" not found",
        ),
        verdict="the node's engine has no runtime with the name {name}, which the pod's RuntimeClass asks for",
        cause="Not supported: these are the words of docker's side (dockershim, cri-dockerd), which has no such "
        "runtimes. Otherwise the handler is not in containerd's or CRI-O's configuration on that node, or the engine "
        "was not restarted (sysbox up to 0.6 needs CRI-O).",
        remedy=(
            "Not supported: give this node's kubelet containerd or CRI-O, or leave runtimeClassName out for its pods.",
            (
                "containerd: [plugins...containerd.runtimes.{name}] in /etc/containerd/config.toml; CRI-O: "
                "[crio.runtime.runtimes.{name}]; restart it."
            ),
            "kubectl get node -o wide shows each node's engine; nodeSelector in the RuntimeClass picks the right ones.",
        ),
        reference="https://kubernetes.io/docs/concepts/containers/runtime-class/",
        rank=40,
    ),
    Entry(
        code="sysbox-pod-without-user-namespace",
        title="sysbox starts a pod without a user namespace of its own",
        ambiguous=(rf"mounting \\*\"(?:sysfs|proc)\\*\" to rootfs \\*\"/var/lib/sysbox/[^\n]*{EPERM}",),
        verdict="sysbox may not mount sysfs or proc for the pod: it has no user or network namespace of its own",
        cause="In Kubernetes, sysbox needs the annotation io.kubernetes.cri-o.userns-mode in the pod, and a network "
        "namespace of its own: hostNetwork: true fails. In docker, --network host and --userns host fail so.",
        remedy=(
            (
                'Pod: metadata.annotations: io.kubernetes.cri-o.userns-mode: "auto:size=65536"; runtimeClassName; no '
                "hostNetwork."
            ),
            "docker: remove --network host, --userns host and --privileged.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/950",
        tell="kubectl get pod NAME -o yaml | grep -E 'userns-mode|hostNetwork'",
        offer=1,
        first_for=r"/var/lib/sysbox",
    ),
    Entry(
        code="process-cgroup-hidden",
        title="a program may not read another process's cgroup",
        patterns=(
            r"Could not find (?:a part of the path|file) '/proc/(?P<pid>\d+|self)/cgroup'",
            rf"(?:open|cat:?|read) /proc/(?P<pid2>1)/cgroup: (?:{EACCES}|{ENOENT}|{EPERM})",
        ),
        verdict="the program cannot read /proc/{pid}/cgroup, from which it tells whether it is in a container",
        cause="/proc is mounted with hidepid=, which hides the processes of other users; the program does not run as "
        "root; or the system has no /proc (macOS) or no cgroups in its kernel.",
        remedy=(
            "Run it as root or in the group of hidepid's gid=; or mount -o remount,hidepid=0 /proc.",
            "Upgrade the program: it should read /proc/self/cgroup (the GitHub runner does since 2024).",
        ),
        reference="https://github.com/actions/runner/issues/2007",
        tell="grep ' /proc ' /proc/mounts: hidepid? id -u",
        rank=50,
    ),
    Entry(
        code="nvidia-gpu-lost",
        title="the driver has lost a GPU",
        patterns=(r"GPU is lost|GPU has fallen off the bus|Xid[^\n]*: 79,",),
        verdict="NVIDIA's driver has lost a GPU: it is a fault of the hardware, its power or the bus",
        cause="The device plugin then fails for all GPUs of the node. The container and its cgroup are not at fault.",
        remedy=(
            "nvidia-smi; dmesg | grep -i xid; drain the node and reboot it (nvidia-smi -r may do); check power, heat.",
        ),
        reference="https://github.com/NVIDIA/k8s-device-plugin/issues/231",
        rank=40,
        ours=False,
    ),
    Entry(
        code="host-directory-read-only",
        title="docker cannot make a directory on the host",
        patterns=(rf"Error response from daemon: mkdir (?P<path>/[^\n:]+): {EROFS}",),
        verdict="docker cannot make {path}: this place is read-only for the daemon, which runs on the host",
        cause="The daemon makes the source of a volume on its own host, not in the container of the client: with the "
        "socket of the host (CI in a pod), paths of the pod mean nothing there. Container-Optimized OS, Flatcar, "
        "Docker Desktop and snaps have a read-only root.",
        remedy=(
            "Choose a directory that exists on the host and is writable there (/home, /var, /mnt/stateful_partition).",
            "CI: docker in docker with a shared volume, or a hostPath with the same path in the pod and on the node.",
        ),
        reference="https://github.com/buildkite-plugins/docker-buildkite-plugin/issues/17",
        rank=45,
    ),
    Entry(
        code="runtime-takes-dash-for-name",
        title="the runtime takes - for the name of a container",
        patterns=(r"container \"-\" does not exist",),
        verdict="the runtime took the - of its command line for the container's name: the update was not made",
        cause="runc update --resources - <id> reads the new limits from its input; an older containerd (before 1.4.5, "
        "k3s of early 2021) calls it in a way that its runc reads otherwise. Limits stay as they were.",
        remedy=("Upgrade containerd (k3s) and runc together; the cpuset of running pods is then set again.",),
        reference="https://github.com/k3s-io/k3s/issues/3104",
        rank=40,
    ),
    Entry(
        code="hierarchy-names-in-other-order",
        title="the runtime looks for a hierarchy under another order of its names",
        patterns=(rf"cgroup directory `(?P<path>/sys/fs/cgroup/(?:net_prio,net_cls|cpuacct,cpu)/[^`\n]*)`: {ENOENT}",),
        ambiguous=(
            rf"\bopen `(?P<path2>/sys/fs/cgroup/(?:cpu|cpuacct|net_cls|net_prio)/[^`\n]*/[0-9a-f]{{64}})`: {ENOENT}",
        ),
        tell="ls -l /sys/fs/cgroup | grep -E 'cpu|net': which names are directories, which links? crun --version",
        offer=1,
        first_for=r"\bopen `",
        verdict="the runtime looks for {path}; the hierarchy is mounted under the same names in another order",
        cause="The kernel lists net_prio,net_cls (or cpuacct,cpu) where systemd mounted net_cls,net_prio. An old crun "
        "takes the kernel's order for the directory (RHEL and CentOS 7: cpuacct,cpu).",
        remedy=(
            "Upgrade crun, or take runc; or use cgroup2.",
            "mount -o remount,rw /sys/fs/cgroup && ln -s net_cls,net_prio /sys/fs/cgroup/net_prio,net_cls",
        ),
        reference="https://github.com/cri-o/cri-o/issues/4833",
        rank=30,
    ),
    Entry(
        code="hybrid-taken-for-v1",
        title="a program takes the cgroup2 of a hybrid host for a v1 hierarchy",
        patterns=(rf"open (?P<path>/sys/fs/cgroup/unified/\S*/tasks): (?:{EACCES}|{ENOENT})",),
        verdict="the program takes /sys/fs/cgroup/unified for a v1 hierarchy: cgroup2 has no file tasks",
        cause="With a hybrid layout systemd mounts cgroup2 there, beside v1. Of an engine's monitor (conmon) it is a "
        "warning: the monitor stays in the engine's cgroup.",
        remedy=("Upgrade the engine (CRI-O, podman), or boot with cgroup2 only, or with v1 only.",),
        reference="https://github.com/containers/libpod/issues/3912",
        rank=30,
    ),
)
