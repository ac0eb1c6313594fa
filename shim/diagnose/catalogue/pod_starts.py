"""What Kubernetes reports of a pod that does not start or stop, where the reason is elsewhere."""

from __future__ import annotations

from shim.diagnose.entry import Entry

DEBUG = "https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/"
USERNS = "https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/"
WRAPPERS = (
    r"RunContainerError|CreateContainerError|CreatePodSandboxError|FailedCreatePodSandBox|FailedCreatePodContainer"
    r"|StartError|ContainerCannotRun|KillPodSandboxError|KillContainerError|PreCreateHookError|PreStartHookError"
    r"|CreateContainerConfigError|RunInitContainerError"
)

ENTRIES = (
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
)
