"""Checks of kubeadm, and what the kubelet says while the cluster around it does not exist yet."""

from __future__ import annotations

from shim.diagnose.entry import Entry

INSTALL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"

ENTRIES = (
    Entry(
        code="kubeadm-check-failed",
        title="a preflight check of kubeadm failed",
        ambiguous=(
            r"\[ERROR (?P<name>[A-Z][\w.-]+)\]: (?P<reason>[^\n]+)",
            r"\[preflight\] Some fatal errors occurred",
        ),
        verdict="kubeadm does not start: its check {name} failed: {reason}",
        cause="The name of the check says what kubeadm looked at. Swap, SystemVerification, NumCPU and Mem are about "
        "the host's memory, cgroups and CPUs; CRI about the engine; FileContent, Port, FileAvailable and DirAvailable "
        "about the network's sysctls, and about an earlier attempt.",
        remedy=(
            (
                "FileContent--proc-sys-net: modprobe -a br_netfilter overlay; sysctl -w net.ipv4.ip_forward=1 "
                "net.bridge.bridge-nf-call-iptables=1, and both in /etc/modules-load.d and /etc/sysctl.d."
            ),
            "Port, FileAvailable, DirAvailable: kubeadm reset removes an earlier attempt.",
            "Swap: swapoff -a. CRI: systemctl status containerd crio; SystemVerification: cat /proc/cgroups.",
        ),
        tell="kubeadm init phase preflight lists all checks that fail",
        reference=INSTALL,
        ours=False,
        offer=1,
        last=True,
    ),
    Entry(
        code="kubeadm-swap-notice",
        title="kubeadm's notice that swap is on",
        patterns=(r"swap is supported for cgroup v2 only[^\n]*",),
        verdict="a notice of kubeadm: swap is on, and the kubelet starts with it only if it is told so",
        cause="The kubelet refuses a host with swap unless failSwapOn is false. Pods can use it only on cgroup2, with "
        "memorySwap.swapBehavior: LimitedSwap. As an error it stops kubeadm.",
        remedy=(
            "swapoff -a, and remove swap from /etc/fstab.",
            "Or kubelet configuration: failSwapOn: false (KubeletConfiguration in the file for kubeadm --config).",
        ),
        reference="https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
        rank=70,
    ),
    Entry(
        code="kubelet-node-not-registered",
        title="the kubelet's notice that its node is not registered yet",
        patterns=(
            r"\"?Error getting (?:the current )?node\"? (?:from lister )?err=\\*\"node[^\n]*not found",
            r"\bkubelet\.go:\d+\] (?:\"?Error getting node\"?[^\n]*)?node \\*\"[\w.-]+\\*\" not found",
            r"[Uu]nable to register node \\*\"?[\w.-]+\\*\"? with API server[^\n]*",
            r"[Ff]ailed to ensure (?:node )?lease exists[^\n]*",
        ),
        verdict="a notice: the kubelet runs, and the API server does not know its node, or does not answer",
        cause="The control plane is a set of pods of this same kubelet: until they run, it says so. The reason why "
        "they do not run is in another line, or in their logs: cgroup drivers that differ, an engine that fails, "
        "certificates, memory.",
        remedy=(
            "crictl ps -a | grep -E 'apiserver|etcd'; crictl logs of those that ended.",
            "journalctl -u kubelet --no-pager | grep -vE 'not found|connection refused' | grep -E ' E[0-9]{{4}}| F'",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/troubleshooting-kubeadm/",
        rank=74,
        ours=False,
    ),
    Entry(
        code="kubeadm-optional-cgroups-notice",
        title="kubeadm's notice that a controller is missing which it can do without",
        patterns=(r"missing optional cgroups: (?P<controller>[a-z_]+(?: [a-z_]+)*)",),
        verdict="a notice of kubeadm: the controller {controller} is missing, and Kubernetes works without it",
        cause="hugetlb and blkio are optional: without them there are no limits of huge pages, no figures of disks. "
        "On cgroup2 the latter is called io, and older versions of kubeadm look for the old name there, too.",
        remedy=("Nothing is to be done. The error that stops kubeadm stands in another line.",),
        reference="https://github.com/kubernetes/system-validators/blob/master/validators/cgroup_validator_linux.go",
        rank=90,
    ),
)
