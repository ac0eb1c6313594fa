"""A node whose engine answers too late, or not at all; probes; and containers that ended meanwhile."""

from __future__ import annotations

from shim.diagnose.entry import EMFILE, Entry

NODE = "https://kubernetes.io/docs/tasks/debug/debug-cluster/"
PROBES = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"

ENTRIES = (
    Entry(
        code="node-engine-does-not-answer",
        title="the node's engine answers too late or not at all",
        patterns=(
            r"PLEG is not healthy|pleg was last seen active",
            r"container runtime is down\b",
            r"GenericPLEG: Unable to retrieve pods[^\n]*",
            r"ContainerGCFailed[^\n]*",
        ),
        verdict="the kubelet gets no timely answer from the engine (containerd, CRI-O, Docker): the node is NotReady",
        cause="The kubelet asks the engine for all containers again and again, and three minutes went by. Usual: the "
        "disk or the CPUs are overloaded, memory is short and swaps, one container or its shim hangs (a process in "
        "state D, a dead network volume, a stuck CNI plugin), or there are too many containers.",
        remedy=(
            "time crictl ps -a; crictl inspect of each: the one that hangs is the cause. docker: docker ps, inspect.",
            "top, iostat -x 1, free -m; ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/'; dmesg | tail",
            (
                "systemctl restart containerd (crio, docker), then kubelet; reserve for them: systemReserved, "
                "kubeReserved."
            ),
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/45419",
        rank=63,
    ),
    Entry(
        code="node-stopped-reporting",
        title="the kubelet no longer reports to the API server",
        patterns=(r"Kubelet stopped posting node status", r"\bNodeStatusUnknown\b"),
        verdict="the node's kubelet has stopped reporting: it does not run, cannot reach the API server, or has no "
        "CPU time or memory",
        cause="After 40 seconds without a sign of life the node is Unknown, after five minutes its pods are replaced. "
        "A node without memory is a frequent cause: pods without limits starve the kubelet.",
        remedy=(
            "On the node: systemctl status kubelet; journalctl -u kubelet -n 50; free -m; journalctl -k | grep -i oom",
            "Limits for the pods; systemReserved and kubeReserved for the node; certificates, network, clock.",
        ),
        reference=NODE,
        rank=64,
    ),
    Entry(
        code="node-figures-missing",
        title="the kubelet has no figures of the node yet",
        patterns=(
            r"missing node capacity for resources: ephemeral-storage",
            r"invalid capacity 0 on image filesystem",
            r"(?<!RecentStats: )unable to find data (?:for container /(?:[\s\])]|$)|in memory cache)(?![^\n]*rootfs)",
            r"eviction manager: (?:no observation found|failed to get (?:get )?summary stats)[^\n]*",
            r"container runtime status check may not have completed yet",
        ),
        verdict="the kubelet has not yet read the figures of the node's root cgroup and disks",
        cause="Normal for a minute after its start. If it stays, cAdvisor cannot read them: /sys/fs/cgroup is mounted "
        "late or not visible (a kubelet in a container), the file system of /var/lib/kubelet or of the images is "
        "unknown (btrfs, ZFS), or the engine does not answer.",
        remedy=(
            "Wait a minute; then journalctl -u kubelet | grep -i cadvisor, and grep cgroup /proc/self/mountinfo",
            "Kubelet in a container: mount /sys, /sys/fs/cgroup and /dev of the host. crictl info, crictl imagefsinfo.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/86765",
        rank=67,
    ),
    Entry(
        code="name-still-reserved",
        title="an earlier attempt to make the container is still under way",
        patterns=(
            r"timing out in CRI-O[^\n]*[Cc]urrently at stage (?P<stage>[^\n:]+):",
            r"failed to reserve (?:container|sandbox) name [^\n]*is reserved for[^\n]*",
            r"error reserving (?:ctr|pod) name \S+ for id \w+",
            r"pod sandbox with name \S+ already exists",
            r"Kubelet may be retrying requests that are timing out in CRI-O[^\n]*",
        ),
        verdict="the engine still works at an earlier attempt to make this container, or has forgotten to end it",
        cause="The kubelet asked, waited for its time limit, and asks again, while the first attempt is not finished: "
        "a slow or full disk, an image with many layers, a change of owner (fsGroup) or of SELinux labels of a large "
        "volume, a hung runtime or shim. CRI-O is at the stage '{stage}'.",
        remedy=(
            "iostat -x 1; df -h; journalctl -u containerd (crio): what did the first attempt say before?",
            (
                "Stage container volume configuration: a volume with many files; fsGroupChangePolicy: OnRootMismatch; "
                "SELinux: seLinuxOptions.type: spc_t, or the annotation io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel."
            ),
            "Wait. If nothing moves: crictl ps -a and crictl rm of the container, restart containerd or CRI-O.",
        ),
        reference="https://github.com/containerd/containerd/issues/4604",
        rank=48,
    ),
    Entry(
        code="engine-answers-too-late",
        title="a request to the engine took longer than the kubelet waits",
        ambiguous=(
            (
                r"(?:RunPodSandbox|CreateContainer|StartContainer|StopPodSandbox|StopContainer|RemovePodSandbox"
                r"|ExecSync|failed to (?:create|start|stop|kill) \w+|CreateContainerError|FailedCreatePodSandBox"
                r"|FailedKillPod|FailedSync)[^\n]*(?:context deadline exceeded|DeadlineExceeded|timeout)"
            ),
            r"rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            r"operation timeout: context deadline exceeded",
        ),
        verdict="the engine did not finish in the time that the kubelet waits (two minutes by default)",
        cause="It says nothing about the container itself. The disk or the CPUs are overloaded, the network plugin "
        "hangs, a process of an old container does not die (state D), or the engine is stuck.",
        remedy=(
            "journalctl -u containerd (crio, docker) at that time; time crictl ps -a; iostat -x 1",
            "Restart the engine; its containers keep running. Then drain and reboot the node.",
        ),
        tell="ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/' on the node; uptime",
        reference="https://github.com/kubernetes/kubernetes/issues/45419",
        offer=1,
        last=True,
    ),
    Entry(
        code="probe-timed-out",
        title="the command of a probe took too long",
        patterns=(
            r"[Pp]robe (?:failed|errored)[^\n]*(?:command timed out|timed out after|timeout \S+ exceeded)[^\n]*",
            r"failed to exec in container: timeout \S+ exceeded: context deadline exceeded",
            r"command \\*\"[^\n]*\\*\" timed out",
            r"ExecSync[^\n]*(?:timed out|timeout|DeadlineExceeded)[^\n]*",
        ),
        verdict="the command of the probe did not end within timeoutSeconds (1 by default)",
        cause="Kubernetes before 1.20 did not enforce it. The command is slow to start (Java, Python), the container "
        "is throttled by its CPU limit, its memory is nearly used up, or the node is overloaded.",
        remedy=(
            "timeoutSeconds: 5 in the probe, a longer periodSeconds, a startupProbe; or an httpGet or grpc probe.",
            (
                "Throttled? In the container: cat /sys/fs/cgroup/cpu.stat (v1: /sys/fs/cgroup/cpu/cpu.stat): "
                "nr_throttled grows. Then raise resources.limits.cpu."
            ),
        ),
        reference=PROBES,
        rank=57,
    ),
    Entry(
        code="probe-not-answered",
        title="the program in the container does not answer its probe",
        patterns=(
            r"[Pp]robe failed: (?:HTTP probe failed with statuscode: \d+|Get \\?\"?https?://[^\n]*)",
            r"[Pp]robe failed: dial tcp [^\n]*",
            r"[Pp]robe failed: (?:timeout|service unhealthy)[^\n]*",
        ),
        verdict="the program in the container does not answer its probe; the kubelet and the runtime did their part",
        cause="It is still starting, listens on another port or address, has hung, or is throttled by its CPU limit. "
        "When a liveness probe fails, the kubelet kills the container (exit code 137 or 143).",
        remedy=(
            "kubectl logs NAME --previous; a startupProbe or a larger initialDelaySeconds and failureThreshold",
            "Throttled? cat /sys/fs/cgroup/cpu.stat in the container: nr_throttled; raise resources.limits.cpu.",
        ),
        reference=PROBES,
        rank=66,
        ours=False,
    ),
    Entry(
        code="exec-session-broken",
        title="CRI-O lost the command that it started in the container",
        patterns=(r"command error: (?:EOF|[^\n]*), stdout: [^\n]*, stderr: [^\n]*, exit code -1",),
        verdict="CRI-O got no exit code of the command that it ran in the container (-1)",
        cause="The container ended or was killed meanwhile (its memory limit counts the command, too), the command "
        "took longer than its time, or conmon and the runtime failed; the words between 'command error' and 'stdout' "
        "are theirs.",
        remedy=(
            "kubectl describe pod NAME: Last State, Reason OOMKilled? Then raise resources.limits.memory.",
            "journalctl -t conmon -u crio at that time; timeoutSeconds of the probe; upgrade CRI-O.",
        ),
        reference="https://github.com/hashicorp/consul-helm/issues/852",
        rank=60,
    ),
    Entry(
        code="pod-sandbox-restarted",
        title="the pod's sandbox ended, and the kubelet makes another",
        ambiguous=(
            r"Pod sandbox changed, it will be killed and re-created",
            r"sandbox container \\*\"?\w*\\*\"? is not running",
        ),
        verdict="the pod's sandbox (its pause container) ended, so the kubelet makes all of it again",
        cause="Once, after a restart of the node or the engine, it is normal. Again and again it is mostly systemd "
        "that ends cgroups which it does not know: the kubelet uses the systemd driver and containerd cgroupfs "
        "(SystemdCgroup = false). Or the network plugin fails, or the pause process was killed for memory.",
        remedy=(
            (
                "grep SystemdCgroup /etc/containerd/config.toml and grep cgroupDriver /var/lib/kubelet/config.yaml: "
                "both systemd; then systemctl restart containerd kubelet."
            ),
            "kubectl describe pod NAME: an event FailedCreatePodSandBox beside it has the reason.",
        ),
        tell="journalctl -u kubelet -u containerd | grep -i sandbox; journalctl -k | grep -i 'killed process'",
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#cgroup-drivers",
        offer=1,
        last=True,
    ),
    Entry(
        code="engine-descriptors-used-up",
        title="the engine has no file descriptors left",
        patterns=(
            rf"fork/exec [^\n:]+: {EMFILE}|/proc/self/exe: {EMFILE}",
            (
                rf"\b(?:accept4?|pipe2?|dup|socket|open(?:at)?)\b(?! files) ?(?![^\n]*(?:inotify|fsnotify))[^\n:]*: "
                rf"{EMFILE}"
            ),
        ),
        verdict="the program that starts containers has no file descriptors left (EMFILE)",
        cause="It is the limit of the engine (LimitNOFILE of its unit), or of the process that calls it, not the "
        "container's. Many containers, or a leak of the engine, use it up. For inotify the words would name it.",
        remedy=(
            "ls /proc/$(pgrep -o containerd)/fd | wc -l; grep 'open files' /proc/$(pgrep -o containerd)/limits",
            (
                "systemctl edit containerd (docker, crio, snap.microk8s.daemon-containerd): [Service] "
                "LimitNOFILE=1048576; restart it, and upgrade where it leaks."
            ),
        ),
        reference="https://github.com/canonical/microk8s/issues/830",
        rank=58,
    ),
    Entry(
        code="pod-directories-left",
        title="directories of a pod that is gone are left on the node",
        patterns=(
            r"[Oo]rphaned pod \\*\"?(?P<uid>[0-9a-f-]{36})\\*\"? found, but (?:[^\n]*still present on disk|error)",
        ),
        verdict="the kubelet does not remove the directory of pod {uid}, which no longer exists",
        cause="A crash, a reboot or kubectl delete --force left its volumes. One could still be mounted, so the "
        "kubelet leaves them and logs this every two seconds. Nothing else is broken.",
        remedy=(
            "grep {uid} /proc/self/mountinfo: umount what it shows. rm over a mounted volume deletes its data.",
            "Then rm -r --one-file-system /var/lib/kubelet/pods/{uid}/volumes",
            "Many: kubectl drain NODE, reboot, and a newer kubelet and CSI driver.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/60987",
        ours=False,
        rank=82,
    ),
)
