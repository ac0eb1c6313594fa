"""Messages of the kubelet, CRI-O and k3s about cgroups before, or beside, a container's start."""

from __future__ import annotations

from shim.diagnose.checks import said
from shim.diagnose.entry import Entry

RESERVED = r"Failed to enforce (?P<kind>Kube|System) Reserved Cgroup Limits on \"(?P<path>[^\"\n]*)\""

ENTRIES = (
    Entry(
        code="systemd-property-unknown",
        title="this systemd does not know a property that the runtime sets",
        patterns=(
            r"Cannot set property (?P<property>\w+), or unknown property",
            r"Unknown (?:assignment|property):? \"?(?P<property2>\w+)",
        ),
        verdict="systemd does not know the property {property}, which the runtime sets for the container's unit",
        cause="The runtime, the kubelet or the engine is newer than systemd: TasksAccounting came with systemd 227, "
        "CPUQuotaPeriodUSec with 242, AllowedCPUs with 244. CentOS 7 had 219, and got some of them in updates.",
        remedy=(
            "Update systemd and restart (CentOS, RHEL 7: yum update systemd; systemctl daemon-reexec).",
            "Or use the cgroupfs driver in the kubelet and the engine; on cgroup2 use a newer distribution.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/76820",
        tell="systemctl --version",
        rank=43,
    ),
    Entry(
        code="kubelet-refuses-swap",
        title="the kubelet does not start on a host with swap",
        patterns=(
            r"running with swap on is not supported",
            r"running with swap on is not supported\. Please disable swap",
            r"swap is (?:on|enabled)[^\n]*(?:production deployments|not supported)",
        ),
        verdict="the kubelet refuses to start because swap is on",
        cause="A memory limit that lets a pod swap would not hold in the sense of Kubernetes; failSwapOn is true by "
        "default.",
        remedy=(
            "swapoff -a, and remove swap from /etc/fstab (also zram and systemd's *.swap units).",
            "Or kubelet configuration: failSwapOn: false, with memorySwap.swapBehavior (cgroup2, Kubernetes 1.28 on).",
        ),
        reference="https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
    ),
    Entry(
        code="kubelet-finds-no-system-cgroup",
        title="the kubelet asks for statistics of a cgroup that cAdvisor does not know",
        patterns=(
            (
                r"[Ff]ailed to get (?:system container stats|cgroup stats|container info)[^\n]*unknown container \\*\"?"
                r"(?P<path>/[^\"\\\s]*)"
            ),
            r"[Ff]ailed to get (?:system container stats|cgroup stats) for \\*\"(?P<path2>/[^\"\\\s]+)",
            r"unknown container \\*\"(?P<path3>/[^\"\\\s]+)",
        ),
        verdict="the kubelet finds no statistics of {path}",
        cause="The kubelet (or the engine) runs in a cgroup without accounting of its own: on CentOS 7 systemd gives "
        "a service cpu and memory cgroups only when asked. Where the path is a container's, it has just ended. It is a "
        "warning; pods are not affected.",
        remedy=(
            (
                "kubelet: --runtime-cgroups=/system.slice/containerd.service "
                "--kubelet-cgroups=/system.slice/kubelet.service"
            ),
            "And in both units (drop-in): CPUAccounting=true and MemoryAccounting=true; then restart both.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/56850",
        rank=57,
    ),
    Entry(
        code="pod-slice-with-cgroupfs-engine",
        title="the kubelet gives a slice, and the engine uses the cgroupfs driver",
        patterns=(
            r"configured with cgroupfs cgroup manager, but received (?:systemd )?slice as parent:? ?(?P<path>\S*)",
            r"cgroup-parent for cgroupfs (?:should not|must not|cannot) be a (?:valid )?slice",
            r"systemd slice received as cgroup parent when using cgroupfs",
        ),
        verdict="the kubelet uses the systemd cgroup driver and the engine cgroupfs; they must be the same",
        cause="The kubelet names a slice as the parent of its pods, which only the systemd driver understands.",
        remedy=(
            (
                'CRI-O: cgroup_manager = "systemd" in /etc/crio/crio.conf.d; podman: the same in containers.conf; '
                "containerd: SystemdCgroup = true; docker: native.cgroupdriver=systemd; restart the engine."
            ),
            "Or kubelet: cgroupDriver: cgroupfs",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#cgroup-drivers",
        rank=44,
    ),
    Entry(
        code="memory-limit-too-low-for-engine",
        title="the engine refuses a memory limit in which no runtime can start",
        patterns=(
            r"set memory limit (?P<asked>\d+) too low; should be at least (?P<least>\w+(?: bytes)?)",
            r"pod set memory limit (?P<asked2>\d+) cannot be less than (?P<least2>\d+)",
            r"memory limit (?:of )?(?P<asked3>\w+) (?:is )?(?:too low|cannot be less than)[^\n]*?(?P<least3>\d\w*)",
        ),
        verdict="the engine refuses a memory limit of {asked}; the least is {least}",
        cause="CRI-O refuses limits in which the runtime itself would be killed at the start. Often a unit was "
        "forgotten: memory: 512 is 512 bytes, and 512m are half a byte.",
        remedy=("Kubernetes: resources.limits.memory with a unit: 512Mi. docker, podman: --memory 512m.",),
        reference="https://github.com/cri-o/cri-o/issues/3119",
    ),
    Entry(
        code="pod-cgroup-not-set",
        title="the kubelet cannot bring a pod's or a class's cgroup up to date",
        patterns=(
            r"[Ff]ailed to (?:update QoS cgroup|reconcile QoS|update top level \w+ QOS cgroup)[^\n]*",
            r"[Ff]ailed to set (?:config for )?supported (?:cgroup )?subsystems?[^\n]*",
            r"[Ff]ailed to update Node Allocatable Limits[^\n]*",
            r"failed to ensure that the pod: \S+ cgroups exist and are correctly applied[^\n]*",
            r"[Ff]ailed to create (?:\[\\*\"?kubepods\\*\"?\]|container for \[kubepods[^\]]*\])[^\n]*",
            (
                r"[Ff]ailed to start ContainerManager(?![^\n]*(?:rootfs info|device for dir))[^\n]*"
                r"(?:cgroup|kubepods|QOS|subsystem|slice|scope|dbus|systemd)[^\n]*"
            ),
        ),
        excluded=said.kernel_refused,
        verdict="the kubelet cannot make, or set, a cgroup below kubepods",
        cause="The words at the end of the message are the kernel's or systemd's: a controller that is not mounted or "
        "not enabled, a cgroup that was removed, a leftover unit, or a parent that holds processes or less than is "
        "asked for; at an empty path, the root cgroup, which takes no limits.",
        remedy=(
            (
                "Look at the tree: cat /sys/fs/cgroup/cgroup.subtree_control; ls -d /sys/fs/cgroup/*/kubepods* "
                "/sys/fs/cgroup/kubepods*; systemctl status kubepods.slice"
            ),
            "Use one cgroup driver in the kubelet and the engine; drain the node, reboot it if cgroups were left over.",
        ),
        reference="https://kubernetes.io/docs/concepts/architecture/cgroups/",
        rank=62,
    ),
    Entry(
        code="reserved-cgroup-missing",
        title="the cgroup for reserved resources does not exist",
        patterns=(RESERVED,),
        verdict="the kubelet cannot enforce {kind} Reserved: the cgroup {path} does not exist in every controller",
        cause="kubeReservedCgroup and systemReservedCgroup must exist before the kubelet starts, in the controllers "
        "cpu, cpuset, memory, pids and hugetlb. systemd creates a slice only in some of them, and not in cpuset and "
        "hugetlb.",
        remedy=(
            (
                "v1: mkdir -p /sys/fs/cgroup/CONTROLLER{path} for each of them and for systemd, before the kubelet "
                "starts (ExecStartPre=)"
            ),
            "Or leave kube-reserved and system-reserved out of enforceNodeAllocatable; the reservation itself stays.",
        ),
        reference="https://github.com/bottlerocket-os/bottlerocket/issues/1684",
        rank=46,
    ),
    Entry(
        code="reserved-cgroup-not-named",
        title="the kubelet is to enforce a reservation, and no cgroup is named for it",
        patterns=(r"Failed to enforce (?P<kind>System|Kube) Reserved Cgroup Limits on \\?\"\\?\":[^\n]*",),
        verdict="{kind} Reserved is to be enforced, and the kubelet was given no cgroup for it",
        cause="enforceNodeAllocatable names system-reserved or kube-reserved, and systemReservedCgroup or "
        "kubeReservedCgroup is empty. Old kubelets then take the root of the tree, which has no limits.",
        remedy=(
            "systemReservedCgroup: /system.slice; kubeReservedCgroup: a slice of its own, which must exist.",
            "Or enforceNodeAllocatable: [pods] alone; the reservation itself stays.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/83228",
        rank=45,
    ),
    Entry(
        code="reserved-cgroup-not-a-slice",
        title="systemd does not know the slice that is set for reserved resources",
        patterns=(RESERVED + r"[^\n]*: Unit (?P<unit>\S+\.slice) (?:is not loaded|not found|not loaded)",),
        verdict="the kubelet cannot enforce {kind} Reserved: systemd knows no slice for {path}",
        cause="With the systemd driver the kubelet reads every name as that of a slice, and adds .slice: a service "
        "cannot be named. The slice must exist before the kubelet starts.",
        remedy=(
            "Name a slice, without .slice (/kubelet); make kubelet.slice, and set Slice=kubelet.slice in services.",
            "Or leave kube-reserved and system-reserved out of enforceNodeAllocatable; the reservation itself stays.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/110288",
        rank=44,
    ),
    Entry(
        code="kubelet-takes-container-mount",
        title="the kubelet takes a container's mount for the host's hierarchy",
        patterns=(
            (
                r"failed to write \d+ to\s(?P<file>[\w.]+): write\s(?P<path>/var/lib/docker/\S+/sys/fs/cgroup/\S+):\s"
                r"invalid argument"
            ),
        ),
        verdict="the kubelet writes {file} in a container's mount of the hierarchy, and there to the root cgroup",
        cause="An old kubelet takes the first mount of a hierarchy that it finds, and a container (systemd, cAdvisor) "
        "has mounted it below its root. The root cgroup takes no limit (EINVAL). The event comes again and again; "
        "pods run, but the node's limit for all pods is not set.",
        remedy=("Upgrade Kubernetes; until then start the kubelet before such containers, or do without them.",),
        reference="https://github.com/kubernetes/kubernetes/issues/55867",
        rank=44,
    ),
    Entry(
        code="cri-plugin-not-loaded",
        title="containerd answers without its CRI plugin",
        patterns=(r"unknown service runtime\.v1(?:alpha2)?\.(?:RuntimeService|ImageService)",),
        verdict="containerd runs, but its CRI plugin is not loaded, or does not know this version of CRI",
        cause='Docker\'s package containerd.io has disabled_plugins = ["cri"]; a config.toml of another version, or an '
        "error in it, keeps the plugin from loading; containerd before 1.6 has only v1alpha2, which Kubernetes from "
        "1.26 on does not use.",
        remedy=(
            "ctr plugins ls | grep cri: error? Then journalctl -u containerd | grep -i cri names the reason.",
            "Move /etc/containerd/config.toml away, or correct it; systemctl restart containerd.",
            "Kubernetes 1.26 or later: containerd 1.6 or later.",
        ),
        reference="https://github.com/containerd/containerd/issues/4581",
        tell="grep -n disabled_plugins /etc/containerd/config.toml; containerd --version",
        rank=59,
    ),
)
