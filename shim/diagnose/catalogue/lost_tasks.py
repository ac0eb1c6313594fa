"""Containers of which the engine and the runtime do not say the same: one has lost what the other still has."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="engine-lost-exit",
        title="the engine takes a container for running whose process has ended",
        patterns=(
            r"task must be stopped before deletion: (?P<state>\w+)",
            r"[Cc]annot kill container[^\n]*(?:container destroyed|[Cc]ontainer does not exist)",
            r"runc did not terminate suc+ess?ful+y: container (?!\\*\"?-)\\*\"?(?:\S+ )?does not exist",
            r"(?:[Ff]ailed to kill|unknown error after kill)[^\n]*(?:no such process|already finished|does not exist)",
            r"ExecSync for [^\n]*cannot exec in a stopped container",
        ),
        verdict="the engine still has the container as running, and the runtime no longer knows it",
        cause="Its process has ended, and the news did not arrive: the shim was killed or hung (memory, an overloaded "
        "node), containerd or docker was restarted or upgraded at that moment, or the runtime's directory below /run "
        "was removed. Stop, delete and exec then fail each time.",
        remedy=(
            (
                "Find its shim: ps -ef | grep 'shim.*ID'; kill it, then crictl rm -f ID (docker rm -f NAME), or "
                "restart containerd (docker)."
            ),
            "A pod that hangs in Terminating: kubectl delete pod NAME --grace-period=0 --force, after the former.",
            "Upgrade containerd (1.6.27, 1.7.12 or later), where several losses of exits were mended.",
        ),
        reference="https://github.com/containerd/containerd/issues/11133",
        tell="ctr -n k8s.io tasks ls (docker inspect -f '{{{{.State.Pid}}}}' NAME): is there a process of that number?",
        rank=38,
    ),
    Entry(
        code="kubelet-cannot-place-itself",
        title="the kubelet cannot move itself, or the engine, into the cgroup that is set for it",
        patterns=(
            r"[Ff]ailed to ensure (?:state of|process in container)[^\n]*?\\*\"(?P<path>/[^\"\\\n]*)\\*\"",
            r"[Ff]ailed to move PIDs? [\d,]+ \(in[^\n]*",
        ),
        verdict="the kubelet goes on, but cannot put itself into {path}",
        cause="--kubelet-cgroups or --runtime-cgroups names a cgroup that it may not make or enter: rootless on v1, "
        "in a container with read-only cgroups, or a slice of systemd that does not exist. It goes on in its own "
        "cgroup, and repeats this; an OOM score that it may not lower belongs to it.",
        remedy=(
            "Leave --kubelet-cgroups, --runtime-cgroups (kubeletCgroups in its configuration) out, or name its own.",
            "Rootless: use cgroup2 with Delegate=yes, and the feature gate KubeletInUserNamespace=true.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/kubelet-in-userns/",
        rank=14,
    ),
    Entry(
        code="process-without-number",
        title="an engine looks up process 0 in /proc",
        patterns=(r"(?P<path>/proc/0/[\w/]+)[`'\"]?: no such file or directory",),
        verdict="the engine looks for {path}: for it the process has number 0, so it has ended or was never there",
        cause="State.Pid is 0 once the container has ended; the command came too late. The same number is given for "
        "a process outside of one's PID namespace (an engine in a container). CRI-O 1.27 does so for pods with a user "
        "namespace.",
        remedy=(
            "Start the container, and look into its log why it ended. An engine in a container: --pid=host.",
            "Kubernetes: delete the pod; upgrade containerd or CRI-O.",
        ),
        reference="https://github.com/cri-o/cri-o/issues/7568",
        tell="docker, podman inspect NAME --format '{{{{.State.Pid}}}} {{{{.State.Status}}}}'",
        rank=50,
    ),
    Entry(
        code="shim-lost-at-restart",
        title="containerd gave up a shim whose container still runs",
        patterns=(r"cannot delete a running process", r"cleaning leaked shim process"),
        verdict="containerd started again, could not take over a shim, and no longer knows its container, which still "
        "runs",
        cause="At its start containerd asks every shim for its state; one that answers too late, or whose cgroup it "
        "cannot read (a container with cgroups of its own below), counts as left over. The kubelet then starts a "
        "second container beside the first.",
        remedy=(
            "pgrep -af 'containerd-shim.*ID' finds it: kill the container's process, then the shim.",
            "Drain a node before containerd is upgraded or restarted; upgrade to the newest patch release.",
        ),
        reference="https://github.com/containerd/containerd/issues/13784",
        tell="pgrep -af containerd-shim against ctr -n k8s.io tasks ls: which shim has no task?",
        rank=40,
    ),
    Entry(
        code="scope-stopped-by-force",
        title="systemd had to kill the processes of a container's scope",
        patterns=(r"(?P<unit>\S+\.scope):? (?:State '[\w-]+' |[Ss]topping )timed out\. Killing",),
        verdict="systemd stopped {unit}, and killed its processes when they had not ended after 90 seconds",
        cause="The kubelet, the engine or a shutdown had the scope stopped. Its processes ignore SIGTERM, or hang in "
        "the kernel (state D: storage that does not answer), or the engine did not take them down first.",
        remedy=(
            "Let the program end on SIGTERM (exec form of CMD, docker run --init); terminationGracePeriodSeconds.",
            "State D: bring the storage back (NFS, iSCSI), or reboot. Before a reboot: kubectl drain.",
            "Leftover units: systemctl --failed; systemctl reset-failed.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/84595",
        tell="journalctl -u kubelet -u containerd at that minute; ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/'",
        rank=70,
    ),
)
