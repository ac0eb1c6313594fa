"""What Kubernetes reports of a pod that does not start or stop, where the reason is elsewhere."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, Entry

DEBUG = "https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/"
USERNS = "https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/"
WRAPPERS = (
    r"RunContainerError|CreateContainerError|CreatePodSandboxError|FailedCreatePodSandBox|FailedCreatePodContainer"
    r"|StartError|ContainerCannotRun|KillPodSandboxError|KillContainerError|PreCreateHookError|PreStartHookError"
    r"|CreateContainerConfigError|RunInitContainerError"
)

ENTRIES = (
    Entry(
        code="pod-start-reason-elsewhere",
        title="Kubernetes reports only that a container could not be made or started",
        ambiguous=(
            rf"(?-i:\b\d+/\d+ +(?:Init:)?(?P<name>{WRAPPERS})\b)",
            rf"(?-i:^\W*(?:[Rr]eason\W+)?(?P<name2>{WRAPPERS})\W*$)",
            rf"(?-i:\bwith (?P<name3>{WRAPPERS})\W*$)",
        ),
        verdict="Kubernetes reports that a step of the pod failed ({name}); the reason is in the words of the engine",
        cause="The kubelet passes on what the engine said. CreateContainerConfigError: a ConfigMap, a Secret or a "
        "setting of the pod. CreatePodSandboxError: the network or the pod's cgroup. RunContainerError, StartError: "
        "the runtime, a mount, the command.",
        remedy=(
            "kubectl describe pod NAME: the events' whole text; kubectl get pod NAME -o yaml: state, message.",
            "On the node: journalctl -u containerd -u crio -u kubelet -e, then cgshimctl explain with that line.",
        ),
        tell="kubectl get events --sort-by=.lastTimestamp",
        reference=DEBUG,
        offer=9,
        last=True,
    ),
    Entry(
        code="pod-user-namespace-refused",
        title="the node cannot give the pod a user namespace",
        patterns=(
            r"(?:[Rr]untime|handler)[^\n]{0,60}does not support user namespaces",
            r"snapshotter \\*\"(?P<name>[\w-]+)\\*\" doesn't support idmap mounts on this host",
            r"OCI runtime doesn't support idmap mounts",
            r"failed to create idmapped mount: [^\n]*|Unable to shift GID/UID for [^\n]*",
            r"hostUsers[^\n]{0,40}(?:is )?not supported",
        ),
        verdict="the pod has hostUsers: false, and this node's engine, runtime or kernel cannot do it",
        cause="It takes containerd 2.0 or CRI-O 1.25, runc 1.2 or crun 1.9, and a file system that can map ids "
        "(overlay from Linux 5.19, tmpfs from 6.3; not NFS, not device nodes).",
        remedy=(
            "Upgrade the engine, the runtime and the kernel, or hostUsers: true for this pod.",
            "containerd on an older kernel: slow_chown = true in [plugins.'io.containerd.snapshotter.v1.overlayfs'].",
        ),
        reference=USERNS,
        tell="containerd --version; runc --version; uname -r; stat -f -c %T of each volume",
        rank=45,
    ),
    Entry(
        code="sandbox-not-removed",
        title="the kubelet cannot end a pod's sandbox or remove its volumes",
        patterns=(
            rf"KillPodSandbox[^\n]*{EBUSY}",
            r"[Oo]rphaned pod \\*\"?[\w-]+\\*\"? found, but (?:volume paths|volumes)[^\n]*",
        ),
        verdict="the kubelet cannot end the pod: the engine or the kernel does not let go of a container or a mount",
        cause="A process in state D, a container that is paused or frozen, a mount in another mount namespace, or a "
        "shim that is gone. The new pod usually starts nevertheless.",
        remedy=(
            "crictl ps -a; crictl inspect, then crictl stop and rm; systemctl restart containerd (crio).",
            "grep -l POD-UID /proc/*/mountinfo names who holds a mount; state D: drain and reboot the node.",
        ),
        reference=DEBUG,
        rank=64,
    ),
    Entry(
        code="node-images-not-collected",
        title="the kubelet cannot free disk space by removing images",
        patterns=(
            r"failed to garbage collect required amount of images[^\n]*",
            r"\b(?:ImageGCFailed|FreeDiskSpaceFailed)\b",
        ),
        verdict="the node's disk for images is nearly full, and the kubelet finds no image to remove",
        cause="All images are in use, or something else fills the disk: logs, volumes, leftovers of containers. It is "
        "not about cgroups; evictions for disk space come next.",
        remedy=("df -h /var/lib/containerd /var/lib/kubelet; du -xsh of both; crictl rmi --prune; larger disk.",),
        reference="https://kubernetes.io/docs/concepts/architecture/garbage-collection/#container-image-lifecycle",
        rank=60,
        ours=False,
    ),
    Entry(
        code="pod-metrics-missing",
        title="Kubernetes has no figures of a pod's memory and CPU",
        patterns=(
            r"Metrics API not available|metrics not available yet",
            r"[Uu]nable to fetch (?:pod|node) metrics for[^\n]*",
            r"(?:unable|failed) to get metrics for resource (?:cpu|memory)[^\n]*",
            r"failed to get (?:cpu|memory) (?:utilization|usage): [^\n]*",
        ),
        verdict="there are no figures of memory and CPU for the pod, so kubectl top and autoscalers cannot use them",
        cause="metrics-server is not installed, cannot reach the kubelets (certificates, network), or the pod is only "
        "seconds old. An autoscaler by percentage also needs requests in every container. If all nodes answer and "
        "pods are missing, cAdvisor in the kubelet does not find their cgroups: other cgroup drivers in the kubelet "
        "and the engine, or a version too old for the layout.",
        remedy=(
            "kubectl get apiservices v1beta1.metrics.k8s.io; kubectl -n kube-system logs deploy/metrics-server",
            "Set resources.requests.cpu and memory in each container of the pod, sidecars as well.",
            "kubectl get --raw /api/v1/nodes/NODE/proxy/stats/summary: are the pods there?",
        ),
        reference="https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/",
        rank=60,
        ours=False,
    ),
    Entry(
        code="automatic-user-namespace-ids",
        title="there are no ids left for another automatic user namespace",
        patterns=(r"not enough (?:unused|available) IDs in user namespace",),
        verdict="the engine finds no free range of ids for the container's or pod's user namespace",
        cause="With userns=auto (podman --userns=auto, CRI-O's annotation userns-mode) every container gets a range of "
        'its own, 65536 ids by default, out of those of the user "containers" in /etc/subuid and /etc/subgid. There '
        "is no such line, or it is used up.",
        remedy=(
            "echo containers:200000:268435456 | tee -a /etc/subuid /etc/subgid, and restart CRI-O.",
            "Fewer ids for each: --userns=auto:size=65536, or the annotation auto:size=65536; remove old containers.",
        ),
        reference="https://docs.podman.io/en/latest/markdown/podman-run.1.html#userns-mode",
        tell="grep containers /etc/subuid /etc/subgid",
        rank=60,
    ),
    Entry(
        code="sysctl-forbidden-by-policy",
        title="a policy of the cluster forbids a sysctl of the pod",
        patterns=(
            r"Forbidden: unsafe sysctl \\*\"(?P<key>[\w./*-]+)\\*\" is not allowed",
            r"forbidden sysctls? \((?P<key2>[^)\n]+)\)",
        ),
        verdict="the API server refuses the pod: a policy forbids the sysctl {key}",
        cause="PodSecurity (baseline and restricted), PodSecurityPolicy (before 1.25) or OpenShift's constraints allow "
        "only safe sysctls. The kubelet's own list (allowedUnsafeSysctls) comes after that.",
        remedy=(
            "kubectl label namespace NAME pod-security.kubernetes.io/enforce=privileged, for trusted pods only.",
            "PodSecurityPolicy, SecurityContextConstraints: allowedUnsafeSysctls: [{key}].",
            "Or set it on the node, in /etc/sysctl.d.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/",
        rank=50,
        ours=False,
    ),
    Entry(
        code="sandbox-ended-before-network",
        title="the pod's sandbox had ended before its network was made",
        patterns=(
            r"[Ff]ailed to [Ss]tatfs \\*\"/proc/\d+/ns/net\\*\": no such file or directory",
            r"cannot find network namespace for the terminated container",
        ),
        verdict="the pause container of the pod has ended before the network plugin reached its network namespace",
        cause="The pod was deleted in this moment (a job that ended at once), or the sandbox was killed: its memory "
        "limit is the pod's, and a few MB are too little for the start (6 to 20 MB with docker and runc).",
        remedy=(
            "Once, with a pod that is being deleted: nothing is to be done.",
            "Always: raise the pod's memory limit; journalctl -k | grep -i oom on the node.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/72044",
        tell="kubectl get pod NAME -o yaml | grep -A3 limits; journalctl -k | grep -i oom",
        rank=40,
    ),
    Entry(
        code="exec-into-ended-container",
        title="kubectl exec finds no running container",
        patterns=(r"unable to upgrade connection: (?:container not found|pod does not exist)[^\n]*",),
        verdict="the kubelet has no running container of that name: it has ended, or the node is another",
        cause="A container that ends again and again runs only for moments. pod does not exist: the API server reached "
        "the kubelet of another node (the same address for all nodes, Vagrant's first interface).",
        remedy=(
            "kubectl get pod NAME -o wide; kubectl logs NAME --previous; kubectl describe pod NAME: Last State.",
            "To look into it: kubectl debug -it NAME --image=busybox --copy-to=NAME-debug -- sh",
            "pod does not exist: kubelet --node-ip with each node's own address.",
        ),
        reference="https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/",
        rank=74,
        ours=False,
    ),
)
