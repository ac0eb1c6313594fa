"""What pods ask of a node that it does not have: profiles, slices; and what stays when they end."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

CRICTL = "https://github.com/kubernetes-sigs/cri-tools/blob/master/docs/crictl.md#run-pod-sandbox-with-config-file"
USERNS = "https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/"

ENTRIES = (
    Entry(
        code="pod-apparmor-not-enforceable",
        title="the node cannot apply the pod's AppArmor profile",
        patterns=(
            r"[Cc]annot enforce AppArmor: (?P<reason>[^\n]+)",
            r"(?P<reason2>AppArmor is not enabled on the host)",
        ),
        verdict="the kubelet rejects the pod, since it cannot apply its AppArmor profile: {reason}",
        cause="Profiles belong to a node: Kubernetes does not distribute them. RHEL, Fedora, Amazon Linux, "
        "Bottlerocket and nodes that are containers (kind, k3d) have no AppArmor at all.",
        remedy=(
            "Not loaded: apparmor_parser -r FILE on every node (a DaemonSet, security-profiles-operator).",
            "No AppArmor: remove securityContext.appArmorProfile, or the annotation container.apparmor..., of the pod.",
            "A kubelet in a container: mount /sys/kernel/security and apparmor_parser of the host into it (Rancher).",
            "Debian, Ubuntu: apt-get install apparmor; the kernel needs apparmor in lsm= (older: security=apparmor).",
        ),
        reference="https://kubernetes.io/docs/tutorials/security/apparmor/",
        tell="cat /sys/module/apparmor/parameters/enabled on the node: Y? aa-status | grep PROFILE",
        rank=40,
    ),
    Entry(
        code="seccomp-profile-file-missing",
        title="the file of the seccomp profile is not on the node",
        patterns=(
            (
                r"(?:load|open|read)\w* (?:the )?seccomp profile (?!failed)\(?\\*\"?(?P<path>[^\s\"\\)]+)[^\n]*"
                rf"(?:{ENOENT})"
            ),
        ),
        verdict="there is no file {path}, which the pod or the container names as its seccomp profile",
        cause="localhostProfile is a path below /var/lib/kubelet/seccomp on the node where the pod runs; Kubernetes "
        "does not distribute such files. With docker and podman it is a file on the client's machine.",
        remedy=(
            "Put the file there on every node (DaemonSet, security-profiles-operator, the image of the node).",
            "Or securityContext.seccompProfile.type: RuntimeDefault, which needs no file.",
            "A kubelet with another root directory (--root-dir, microk8s, k0s): the file belongs below that one.",
        ),
        reference="https://kubernetes.io/docs/tutorials/security/seccomp/",
        tell="ls -l {path} on the node of kubectl get pod -o wide",
        rank=40,
    ),
    Entry(
        code="sandbox-without-slice",
        title="a sandbox made by hand has no slice as its parent",
        patterns=(
            r"expected cgroupsPath to be of format \\*\"slice:prefix:name\\*\"[^\n]*got \\*\"(?P<path>/k8s\.io/)",
            r"did not receive slice as parent: (?P<path2>(?!/kubepods)\S*)",
        ),
        verdict="the configuration of the pod names no slice, which the systemd driver needs",
        cause="With crictl and other direct clients nobody fills in the parent; a kubelet with the systemd driver "
        "does. With a kubelet in between, the kubelet uses cgroupfs.",
        remedy=(
            'crictl: in the pod\'s JSON "linux": {{"cgroup_parent": "test.slice"}}',
            "With a kubelet: cgroupDriver: systemd in /var/lib/kubelet/config.yaml, and restart it.",
            "Or the cgroupfs driver in the engine: SystemdCgroup = false; CRI-O cgroup_manager and conmon_cgroup.",
        ),
        reference=CRICTL,
        rank=30,
    ),
    Entry(
        code="crio-slice-without-limit",
        title="a notice of CRI-O: the pod's slice has no file of a memory limit",
        patterns=(r"Failed to find (?P<file>memory\.\w+) for slice: \\*\"(?P<path>[^\"\\\n]+)",),
        verdict="a notice: CRI-O finds no {file} in {path}, so it does not check whether the limit is large enough",
        cause="The slice does not exist yet, or the memory controller is not enabled in it. CRI-O goes on.",
        remedy=(
            "Nothing is to be done for it. If limits do not hold: cat /sys/fs/cgroup/cgroup.subtree_control: memory?",
        ),
        reference="https://github.com/cri-o/cri-o/issues/3301",
        rank=88,
    ),
    Entry(
        code="resource-class-unknown",
        title="a pod names a class of RDT or block IO that the engine does not have",
        patterns=(
            r"unknown RDT class \\?\"(?P<name>[^\"\\\n]+)",
            r"no OCI BlockIO parameters for class \\?\"(?P<name2>[^\"\\\n]+)",
            (
                r"(?:rdt|RDT|blockio|BlockIO) class \\?\"(?P<name3>[^\"\\\n]+)\\?\" (?:not found|does not exist"
                r"|is not configured)"
            ),
        ),
        verdict="the class {name} of RDT or block IO is not in the engine's, or cri-resmgr's, configuration",
        cause="Classes of cache, memory bandwidth and block IO come from a file of the node. A pod's annotation, or "
        "the pod's quality of service (Guaranteed, Burstable, BestEffort), names one that this file does not define.",
        remedy=(
            "Define it: CRI-O: rdt_config_file, blockio_config_file; containerd: rdt_config_file of the tasks service.",
            "Or remove the pod's annotation (rdt.resources.beta.kubernetes.io, blockio.resources.beta.kubernetes.io).",
        ),
        reference="https://github.com/intel/goresctrl/blob/main/doc/blockio.md",
        rank=50,
    ),
    Entry(
        code="resctrl-not-mounted",
        title="a notice: no resctrl file system, so no RDT",
        patterns=(r"failed to detect resctrl mount point[^\n]*",),
        verdict="a notice, not a failure: this node has no resctrl file system, so the engine does without RDT",
        cause="RDT (shares of cache and memory bandwidth) is a feature of servers' CPUs; virtual machines mostly lack "
        "it. Containers start without it; only a pod that names an RDT class fails.",
        remedy=("If the CPU has it: mount -t resctrl resctrl /sys/fs/resctrl, also in /etc/fstab. Else leave it.",),
        reference="https://github.com/cri-o/cri-o/issues/5302",
        tell="grep -cE 'cat_l3|mba' /proc/cpuinfo: 0 means that the CPU has no RDT",
        rank=86,
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
        code="image-would-run-as-root",
        title="the pod must not run as root, and its image does, or names no numeric user",
        patterns=(
            r"container has runAsNonRoot and image (?:will run as root|has non-numeric user \((?P<name>[^)\n]*)\))",
            r"container's runAsUser breaks non-root policy",
        ),
        verdict="the kubelet refuses the container: runAsNonRoot is set, and the image runs as root or as a user whose "
        "number is not known",
        cause="The image has no USER, or one that is given as a name, which the kubelet cannot look up in the image.",
        remedy=(
            "Give the number in the pod: securityContext: runAsUser: 1000 (that of the image's user), fsGroup: 1000.",
            "Your own image: USER 1000 at the end of the Dockerfile, a number and not a name.",
            "The image needs root: runAsNonRoot: false for it, where the policy of the namespace allows that.",
        ),
        reference="https://kubernetes.io/docs/tasks/configure-pod-container/security-context/",
        tell="docker inspect IMAGE | grep -w User: empty, root or a name?",
        ours=False,
        rank=35,
    ),
    Entry(
        code="volume-of-ending-pod",
        title="the kubelet comes to a volume of a pod that is ending",
        patterns=(r"object \\*\"(?P<namespace>[^\"\\\n]+)\\*\"/\\*\"(?P<name>[^\"\\\n]+)\\*\" not registered",),
        verdict="the kubelet has let go of this pod already; the object {name} is not missing",
        cause="The pod has ended or is being deleted (a finished job), and its volumes are looked at once more. "
        "Kubernetes 1.22 and 1.23 do so very often.",
        remedy=(
            "A finished or deleted pod: ignore it. What failed, if anything did, is another message.",
            "Kubelets of 1.22 and 1.23: their last patch release, or 1.24 and later.",
            "A pod that stays in Terminating: systemctl restart kubelet on its node.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/105204",
        tell="kubectl get pod NAME: Completed, Terminating or gone?",
        ours=False,
        rank=82,
    ),
    Entry(
        code="pod-user-namespace-gate",
        title="the kubelet's feature gate for user namespaces of pods is off",
        patterns=(r"feature gate \\*\"UserNamespacesSupport\\*\" is disabled",),
        verdict="the pod has hostUsers: false, and this kubelet's feature gate UserNamespacesSupport is off",
        cause="The API server knows the field. The kubelet's gate is on by default from Kubernetes 1.33.",
        remedy=(
            "featureGates: UserNamespacesSupport: true in the configuration of every kubelet; restart it.",
            "Or leave hostUsers out.",
        ),
        reference="https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/",
        rank=35,
    ),
)
