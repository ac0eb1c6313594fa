"""Requests and limits that Kubernetes itself refuses: the API, quotas, the scheduler, and resizing in place."""

from __future__ import annotations

from shim.diagnose.entry import Entry

RESOURCES = "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
RESIZE = "https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/"
QUOTA = "https://kubernetes.io/docs/concepts/policy/resource-quotas/"

ENTRIES = (
    Entry(
        code="pod-request-above-limit",
        title="a request is above the limit",
        patterns=(
            r"must be less than or equal to (?P<resource>cpu|memory|ephemeral-storage|hugepages-\w+) limit",
            r"resources\.requests: Invalid value: \\*\"?(?P<asked>\w+)\\*\"?: must be less than or equal to[^\n]*",
        ),
        verdict="Kubernetes refuses the pod: a request is above the limit of the same container",
        cause="A limit without a request sets the request, too; a LimitRange of the namespace, or the defaults of a "
        "chart, may add the other one.",
        remedy=(
            "Set resources.requests at or below resources.limits for each container (init containers as well).",
            "kubectl get limitrange -n NAMESPACE -o yaml shows defaults that are added.",
        ),
        reference=RESOURCES,
        rank=40,
    ),
    Entry(
        code="pod-quantity-malformed",
        title="a quantity in the pod cannot be read",
        patterns=(
            r"quantities must match the regular expression[^\n]*",
            r"unable to parse quantity's suffix",
        ),
        verdict="Kubernetes cannot read a quantity of requests or limits",
        cause="Units are Ki, Mi, Gi (powers of 1024), k, M, G (of 1000) and m (a thousandth, for CPU). MB, GB and mb "
        "do not exist, and a blank between number and unit is not allowed.",
        remedy=("memory: 512Mi (not 512MB, not 512 Mi); cpu: 500m or 0.5. 512m of memory would be half a byte.",),
        reference="https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/",
        rank=40,
    ),
    Entry(
        code="namespace-quota-exceeded",
        title="a ResourceQuota or LimitRange of the namespace refuses the pod",
        patterns=(
            (
                r"exceeded quota: (?P<name>[\w.-]+), requested: (?P<asked>[^\s]+), used: (?P<used>[^\s]+), limited: "
                r"(?P<limit>[^\s]+)"
            ),
            r"failed quota: (?P<name2>[\w.-]+): must specify [^\n]*",
            (
                r"(?:maximum|minimum) (?:cpu|memory|ephemeral-storage) usage per (?:Container|Pod) is (?P<limit3>\w+)"
                r"[^\n]*"
            ),
            r"(?:cpu|memory) max limit to request ratio per (?:Container|Pod) is[^\n]*",
        ),
        verdict="a ResourceQuota or LimitRange of the namespace refuses the pod",
        cause="The API server refuses it, so no node ever saw it. The quota {name} allows {limit}; {used} are used, "
        "and {asked} were asked for. A quota for memory or CPU also needs requests or limits in every container.",
        remedy=(
            "kubectl describe resourcequota,limitrange -n NAMESPACE",
            "Give every container requests and limits within them, delete what is not needed, or raise the quota.",
        ),
        reference=QUOTA,
        rank=40,
    ),
    Entry(
        code="no-node-has-room",
        title="the scheduler finds no node with enough unrequested resources",
        patterns=(
            r"\b\d+/\d+ nodes are available:? [^\n]*[Ii]nsufficient (?P<resource>[a-z][\w./-]*\w)",
            r"FailedScheduling[^\n]*[Ii]nsufficient (?P<resource2>[a-z][\w./-]*\w)",
            r"No nodes are available that match all of the [^\n]*Insufficient (?P<resource3>[\w./-]+)",
        ),
        verdict="no node has enough {resource} left for the pod's request",
        cause="The scheduler adds up requests, not what is used: a node may be idle and still be full. Allocatable is "
        "less than the node has, by systemReserved, kubeReserved and the eviction threshold. Huge pages and devices "
        "count only where a node reports them.",
        remedy=(
            "kubectl describe nodes | grep -A8 'Allocated resources': compare with the request.",
            (
                "Lower requests, remove pods or add a node. Huge pages: reserve them at boot (hugepages=), then "
                "restart the kubelet."
            ),
        ),
        reference="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#troubleshooting",
        rank=50,
    ),
    Entry(
        code="pod-hugepages-incomplete",
        title="huge pages are asked for in a way that Kubernetes refuses",
        patterns=(
            r"HugePages require cpu or memory",
            r"must use a single hugepage size[^\n]*",
            r"hugepages-\w+[^\n]*(?:must be equal to|limit must be set|must be specified for)[^\n]*",
        ),
        verdict="Kubernetes refuses the pod: its huge pages are not asked for in the right way",
        cause="Huge pages need a request or limit of CPU or memory beside them, and cannot be overcommitted: the "
        "request equals the limit.",
        remedy=("limits: {{hugepages-2Mi: 100Mi, memory: 100Mi}}; the emptyDir medium: HugePages-2Mi.",),
        reference="https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/",
        rank=40,
    ),
    Entry(
        code="resize-below-usage",
        title="a pod's memory limit cannot be lowered below what is used",
        patterns=(
            (
                r"attempting to set (?:pod|container)[^\n]*memory limit \((?P<asked>\d+)\) below current usage "
                r"\((?P<used>\d+)\)"
            ),
            r"Aborting attempt to set pod memory limit less than current memory usage[^\n]*",  # before 1.33
            r"cannot decrease memory limit to (?P<asked2>\d+) bytes: current usage is (?P<used2>\d+) bytes",
        ),
        verdict="the memory limit was not lowered to {asked} bytes: the container uses {used}",
        cause="The kubelet (or CRI-O) refuses it, because the kernel would kill processes at once. The old limit "
        "stays, and the kubelet tries again: PodResizeInProgress, reason Error.",
        remedy=(
            "Make the program use less, or restart the container: resizePolicy: memory, RestartContainer.",
            "Or set a limit above the use: kubectl patch pod NAME --subresource resize",
        ),
        reference=RESIZE,
        rank=40,
    ),
    Entry(
        code="resize-not-allowed",
        title="Kubernetes does not allow this resize of a pod",
        patterns=(
            r"memory limits cannot be decreased unless resizePolicy is RestartContainer",
            r"Pod QOS Class may not change as a result of resizing",
            r"In-place (?:pod )?resize [^\n]*(?:not supported|disabled)[^\n]*",
            r"[Rr]esize is infeasible for [^\n]*",
            r"resources for non-sidecar init containers are immutable",
            r"cannot decrease memory limits: missing container[^\n]*memory usage",
        ),
        ambiguous=(r"pod updates may not change fields other than",),
        tell="was resources changed, and nothing else? kubectl version: server 1.33 or later?",
        offer=1,
        verdict="Kubernetes refuses to resize this pod in place",
        cause="The QoS class must stay the same, so a Guaranteed pod needs requests and limits changed together. "
        "Memory limits shrink only with RestartContainer before 1.34. Excluded are static pods, swap, and Guaranteed "
        "pods with exclusive CPUs or memory (static policies). A plain edit of a pod changes almost nothing: resources "
        "only through the subresource resize, where the API server has it. 'missing ... memory usage' passes.",
        remedy=(
            "kubectl patch pod NAME --subresource resize, requests and limits in one patch (1.33 on).",
            "Where it is excluded: change the Deployment, which makes new pods.",
        ),
        reference=RESIZE,
        rank=40,
    ),
    Entry(
        code="resize-pending",
        title="the kubelet has put off, or cannot do, a resize",
        patterns=(
            r"\bPodResizePending\b[^\n]*",
            r"\b(?:ResizeDeferred|ResizeInfeasible)\b[^\n]*",
            r"\bresize: (?:Deferred|Infeasible|Proposed)\b",
            r"Node didn't have enough capacity: [\w./-]+, requested: \d+, capacity: \d+",
        ),
        verdict="the kubelet did not resize the pod: the node does not have the room now (Deferred), or at all "
        "(Infeasible)",
        cause="The new requests, with those of the other pods, must fit into the node's Allocatable. Deferred is tried "
        "again when other pods go; Infeasible never.",
        remedy=(
            "kubectl get pod NAME -o yaml: the message of the condition PodResizePending says what is missing.",
            "Ask for less, remove other pods, or let a Deployment make the pod again on a larger node.",
        ),
        reference=RESIZE,
        rank=52,
    ),
    Entry(
        code="resize-hangs",
        title="a resize stays in progress",
        patterns=(
            r"\bPodResizeInProgress\b[^\n]*",
            r"\bResizeError\b[^\n]*",
            r"\bresize: InProgress\b|\"resize\": \"InProgress\"|\.status\.resize\"?\n\s*\"InProgress\"",
        ),
        verdict="the kubelet accepted the resize, and it is not finished",
        cause="The engine or the kernel refuses the new value (the message of the condition says which), the engine is "
        "too old for it (containerd before 1.6.9, CRI-O before 1.25), or a fault of Kubernetes 1.27 to 1.32 compares "
        "values that never become equal: CPU below 10m, no limit set, only a request of memory changed.",
        remedy=(
            (
                "kubectl get pod NAME -o yaml: status.conditions; read the limit back: cat /sys/fs/cgroup/cpu.max, "
                "memory.max in the container."
            ),
            "Upgrade to Kubernetes 1.33 or later, and the engine; until then make the pod again.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/123441",
        rank=52,
    ),
)
