"""Messages of the kubelet, CRI-O and k3s about cgroups before, or beside, a container's start."""

from __future__ import annotations

from shim.diagnose.checks import said
from shim.diagnose.entry import Entry

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
            r"[Ff]ailed to get (?:system container stats|cgroup stats) for \\*\"(?P<path2>[^\"\\\s]*)",
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
)
