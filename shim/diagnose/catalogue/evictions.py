"""Pods that the kubelet ended, or did not admit: evictions, rejections, and nodes that are short of something."""

from __future__ import annotations

from shim.diagnose.entry import Entry

PRESSURE = "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/"
TOPOLOGY = "https://kubernetes.io/docs/tasks/administer-cluster/topology-manager/"
USED = r"(?:[^\n]*?Container (?P<name>[\w.-]+) was using (?P<used>\d\w*))?"
FAILED_PODS = (
    "The evicted pods are kept as records: kubectl delete pod --field-selector=status.phase=Failed removes them."
)

ENTRIES = (
    Entry(
        code="pod-evicted-for-memory",
        title="the node ran short of memory, and the kubelet evicted a pod",
        patterns=(
            rf"The node was low on (?:resource: )?\[?memory\b{USED}",
            r"The node had condition: \[[^\]\n]*MemoryPressure[^\]\n]*\]",
            r"NodeHasInsufficientMemory|kubelet has insufficient memory available",
            r"Attempting to reclaim memory\b",
            r"must evict pod\(s\) to reclaim\W+(?:resourceName=)?\W*memory\b",
            r"node\.kubernetes\.io/memory-pressure|NodeUnderMemoryPressure|node\(s\) had memory pressure",
        ),
        verdict="the node ran short of memory, so the kubelet evicted pods; no limit of a container was reached",
        cause="The node had less free memory than evictionHard asks for (memory.available, 100Mi by default). The "
        "kubelet counts what all cgroups use, without page cache that can be dropped. It evicts pods that use more "
        "than they request, lowest priority first. Container {name} used {used}.",
        remedy=(
            "kubectl top pod -A --sort-by=memory: set requests.memory near the real use; a request of 0 goes first.",
            (
                "If processes outside the pods take the memory (systemd-cgtop -m): systemReserved and kubeReserved; "
                "else fewer pods on the node, or more memory."
            ),
            FAILED_PODS,
        ),
        reference=PRESSURE,
        rank=58,
    ),
    Entry(
        code="pod-evicted-for-disk",
        title="the node, or the pod, used too much disk, and the kubelet evicted a pod",
        patterns=(
            rf"The node was low on (?:resource: )?\[?(?:ephemeral-storage|DiskPressure|imagefs|nodefs|inodes){USED}",
            r"The node had condition: \[[^\]\n]*DiskPressure[^\]\n]*\]",
            r"NodeHasDiskPressure|kubelet has disk pressure|node\.kubernetes\.io/disk-pressure",
            r"NodeUnderDiskPressure|node\(s\) had disk pressure",
            r"Attempting to reclaim (?:ephemeral-storage|inodes|imagefs|nodefs)",
            r"must evict pod\(s\) to reclaim\W+(?:resourceName=)?\W*(?:ephemeral-storage|inodes|nodefs|imagefs)",
            r"exceeded its local ephemeral storage limit",
            r"[Pp]od ephemeral local storage usage exceeds the total limit of containers",
            r"Usage of EmptyDir volume \\*\"[^\"\n]*\\*\" exceeds the limit",
        ),
        verdict="the kubelet evicted a pod because of disk space; it is not about memory or cgroups",
        cause="Either the node's disk for /var/lib/kubelet or for images is nearly full (nodefs.available below 10 %, "
        "imagefs.available below 15 %), or the pod wrote more than limits.ephemeral-storage or sizeLimit of an "
        "emptyDir. An emptyDir with medium: Memory counts as memory of the container, too.",
        remedy=(
            "Node: df -h and df -i of /var/lib/kubelet and of the engine's directory; crictl rmi --prune; old logs.",
            "Pod: raise limits.ephemeral-storage or sizeLimit, or write to a volume.",
            FAILED_PODS,
        ),
        reference=PRESSURE,
        rank=58,
    ),
    Entry(
        code="pod-evicted-for-pids",
        title="the node ran short of process numbers, and the kubelet evicted a pod",
        patterns=(
            r"The node was low on (?:resource: )?\[?pids\b",
            r"The node had condition: \[[^\]\n]*PIDPressure[^\]\n]*\]",
            r"NodeHasInsufficientPID|kubelet has insufficient PID available|node\.kubernetes\.io/pid-pressure",
            r"(?:Attempting to reclaim|must evict pod\(s\) to reclaim)\W+(?:resourceName=)?\W*pids\b",
        ),
        verdict="the node ran short of process numbers (pid.available), so the kubelet evicted pods",
        cause="Threads count as well. A program that leaves zombies or starts threads without end uses up the "
        "kernel's pid_max, or the kubelet's own limit of them.",
        remedy=(
            "ps -eLf | awk '{{print $2}}' | sort | uniq -c | sort -n | tail shows who has the most threads.",
            "podPidsLimit in the kubelet's configuration limits each pod; sysctl kernel.pid_max, kernel.threads-max.",
        ),
        reference="https://kubernetes.io/docs/concepts/policy/pid-limiting/",
        rank=58,
    ),
    Entry(
        code="pod-rejected-for-topology",
        title="the Topology Manager does not admit the pod",
        patterns=(
            r"Topology ?Affinity ?Error",
            r"Resources cannot be allocated with Topology [Ll]ocality",
        ),
        verdict="the kubelet's Topology Manager rejected the pod: no NUMA node has all that a container asks for",
        cause="With topologyManagerPolicy restricted or single-numa-node, the CPUs, memory and devices of a container "
        "must come from one NUMA node, or from as few as possible. They are free on the node as a whole, but spread. "
        "The scheduler does not know the NUMA nodes, and a rejected pod is not scheduled again.",
        remedy=(
            "lscpu | grep NUMA; cat /var/lib/kubelet/cpu_manager_state: ask for no more than one NUMA node has free.",
            "Or topologyManagerPolicy: best-effort (also topologyManagerScope: container instead of pod).",
            "Delete the failed pod; a Deployment or Job then makes another.",
        ),
        reference=TOPOLOGY,
        rank=45,
    ),
    Entry(
        code="pod-rejected-for-room",
        title="the node does not have what the pod requests",
        patterns=(
            (
                r"Node didn't have enough (?:resource|capacity): (?P<resource>[\w./-]+), requested: (?P<asked>\d+), "
                r"used: (?P<used>\d+), capacity: (?P<capacity>\d+)"
            ),
            r"(?-i:\bOutOf(?P<resource2>cpu|memory|pods|ephemeral-storage|hugepages-\w+)\b)",
        ),
        verdict="the kubelet rejected the pod: the node does not have enough {resource} for its request",
        cause="Requests are counted, not use. {used} of {capacity} are taken by other pods' requests, and {asked} "
        "were asked for (CPU in thousandths, memory in bytes). The scheduler's "
        "view was older than the kubelet's: the kubelet was restarted, pods were created at the same moment, a "
        "static pod or nodeName went past the scheduler, or a pod that ends still counts.",
        remedy=(
            "kubectl describe node NAME: Allocated resources against Allocatable.",
            "Delete the failed pod; its Deployment or Job makes another. Lower the requests if it comes back.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/",
        rank=45,
    ),
    Entry(
        code="pod-device-not-free",
        title="a device of a device plugin is not free or not healthy",
        patterns=(
            (
                r"requested number of devices unavailable for (?P<name>[\w./-]+?)\.? Requested: (?P<asked>\d+), "
                r"Available: (?P<free>\d+)"
            ),
            r"no healthy devices present; cannot allocate unhealthy devices (?P<name2>[\w./-]+)",
            r"previously allocated devices are no longer healthy[^\n]*",
            r"cannot allocate unregistered device (?P<name3>[\w./-]+)",
        ),
        verdict="the kubelet rejected the pod: no device {name} is free or healthy on this node",
        cause="The device plugin was restarted or has not registered again (after a restart of the kubelet or the "
        "node), the devices are unhealthy, or a pod that is not gone yet still holds them. {asked} were asked for, "
        "and {free} are free.",
        remedy=(
            "kubectl describe node NAME | grep -A3 Allocatable; the log of the device plugin's pod; restart that pod.",
            "Delete the failed pod, so that another is made.",
        ),
        reference="https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/",
        rank=45,
    ),
    Entry(
        code="pod-rejected-for-numa-memory",
        title="the Memory Manager does not admit the pod",
        patterns=(
            (
                r"\[memorymanager\] (?:failed to find NUMA nodes|failed to get the default NUMA affinity"
                r"|preferred hint violates)[^\n]*"
            ),
        ),
        verdict="the kubelet's Memory Manager rejected the pod: the NUMA nodes do not have that much memory free",
        cause="With memoryManagerPolicy Static, a container of a Guaranteed pod gets its memory and huge pages from "
        "NUMA nodes of its own. A node that serves containers on several NUMA nodes cannot serve one alone.",
        remedy=(
            "cat /var/lib/kubelet/memory_manager_state: free, reserved, allocatable of each NUMA node.",
            "Ask for less, make the pod Burstable (requests below limits), or memoryManagerPolicy: None.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/memory-manager/",
        rank=45,
    ),
    Entry(
        code="pod-ended-for-node",
        title="the kubelet ended or rejected the pod for the node's sake",
        patterns=(
            r"[Pp]od was (?:terminated in response to|rejected)[^\n]*(?:node shutdown|node is shutting down)[^\n]*",
            r"Node is (?:in progress of )?shutting down|imminent node shutdown",
            r"Preempted in order to admit critical pod",
        ),
        verdict="the pod was ended or rejected because the node shuts down, or for a critical pod; it did not fail",
        cause="systemd announced a shutdown or reboot, and the kubelet (shutdownGracePeriod) ends all pods before it; "
        "spot nodes are taken away in this way. Or a static pod of the system needed the room.",
        remedy=(
            "Nothing is wrong with the pod: its Deployment or Job makes another elsewhere.",
            FAILED_PODS,
        ),
        reference="https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/",
        rank=62,
    ),
    Entry(
        code="sysctl-not-allowed-for-pods",
        title="the kubelet does not allow a sysctl of the pod",
        patterns=(
            r"forbidden sysctl: \\*\"(?P<key>[\w./*-]+)\\*\" not (?:allow|white)listed",
            r"\bSysctlForbidden\b",
        ),
        verdict="the kubelet rejected the pod: the sysctl {key} is not in its list of allowed ones",
        cause="Only a few sysctls count as safe. Others that belong to a namespace must be allowed on each node; "
        "those of the whole node (vm.*, fs.*, kernel.pid_max) cannot be set by a pod at all.",
        remedy=(
            (
                "On the node: its name under allowedUnsafeSysctls in the kubelet's configuration "
                "(--allowed-unsafe-sysctls=NAME), then restart the kubelet."
            ),
            "minikube: --extra-config=kubelet.allowed-unsafe-sysctls=NAME. k3s: --kubelet-arg.",
            "Of the whole node: set it on the host, in /etc/sysctl.d, or by a privileged DaemonSet.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/",
        rank=45,
    ),
    Entry(
        code="pod-rejected",
        title="the kubelet rejected the pod after it was scheduled",
        ambiguous=(
            r"(?:Allocate|Update plugin resources) failed due to (?P<reason>[^\n]+), which is unexpected",
            r"\bUnexpectedAdmissionError\b",
        ),
        verdict="the kubelet rejected the pod after it was scheduled: {reason}",
        cause="The CPU, Memory, Device or Topology Manager could not give the container what it asks for. The reason "
        "is in the words before 'which is unexpected'. Such a pod is not scheduled again.",
        remedy=(
            "kubectl describe pod NAME: Message; journalctl -u kubelet | grep -i 'admi\\|allocat'",
            "Delete the failed pod; a Deployment or Job makes another.",
        ),
        tell="kubectl get pod NAME -o jsonpath='{{.status.message}}'",
        reference=TOPOLOGY,
        offer=1,
        last=True,
    ),
)
