"""Memory limits above the containers that are reached: all pods together, a class of pods, the node's own services."""

from __future__ import annotations

from shim.diagnose.entry import Entry

RESERVED = "https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/"
# The kernel's line names the cgroup whose limit was reached; Linux before 4.19 does so in other words.
LIMIT_OF = r"(?:oom_memcg=|killed as a result of limit of )"

ENTRIES = (
    Entry(
        code="services-limit-killed-process",
        title="the memory limit of the node's own services killed the kubelet, the engine or a service",
        patterns=(
            LIMIT_OF + r"(?P<path>/(?:podruntime|runtime|system|kubelet|kube|kube-?reserved|system-?reserved)"
            r"(?:\.slice)?)(?=[,\s]|$)",
        ),
        verdict="the kernel killed a service of the node: the memory limit of {path} was reached, not a container's",
        cause="The kubelet gives the cgroups of Kube Reserved and System Reserved a limit if enforceNodeAllocatable "
        "names them. The reserve was too small for the kubelet, containerd and its shims (several MB for each pod).",
        remedy=(
            "Raise kubeReserved and systemReserved in the kubelet's configuration (clouds: a larger machine type).",
            "Or do not enforce them: enforceNodeAllocatable: [pods]; the scheduler keeps the reserve free.",
        ),
        reference=RESERVED,
        tell="grep -A8 -i reserved /var/lib/kubelet/config.yaml; cat /sys/fs/cgroup{path}/memory.max",
        rank=40,
    ),
    Entry(
        code="all-pods-limit-killed-process",
        title="all pods together reached the memory that the node gives to pods",
        patterns=(LIMIT_OF + r"(?P<path>(?:/kubelet(?:\.slice)?)?/(?:kubelet-)?kubepods(?:\.slice)?)(?=[,\s]|$)",),
        verdict="the kernel killed a process of a pod: all pods together reached the limit of {path}",
        cause="The limit of that cgroup is the node's memory less kubeReserved and systemReserved (Node Allocatable). "
        "Limits of containers that add up to more than that, or pods without any, used it up; the kubelet's eviction "
        "came too late.",
        remedy=(
            "Give every container a request near its limit; find the large ones: kubectl top pod -A --sort-by=memory.",
            "evictionHard memory.available higher (with kubeReserved), or more memory, or fewer pods for each node.",
        ),
        reference=RESERVED,
        tell="kubectl describe node: Allocated resources, limits above 100 %?",
        rank=40,
    ),
)
