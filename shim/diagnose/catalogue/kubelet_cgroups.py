"""What the kubelet finds, or cannot make, of its cgroups: controllers, limits, and the network namespace of a pod."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOSPC, EPERM, Entry

KUBELET = "https://kubernetes.io/docs/concepts/architecture/cgroups/"

INSTALL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
ENTRIES = (
    Entry(
        code="kubelet-controllers-missing",
        title="controllers of cgroup2 are not enabled in the kubelet's cgroup",
        patterns=(
            (
                r"cgroup \[\\*\"?(?P<path>[^\]\"\\\n]*)\\*\"?\] has some missing controllers: "
                r"(?P<controller>[a-z]+(?:, [a-z]+)*)"
            ),
        ),
        verdict="the kubelet does not start: its cgroup ({path}) does not have the controllers {controller}",
        cause="On cgroup2 every directory on the way must enable them in cgroup.subtree_control. The kernel does not "
        "have it (WSL kernels of one's own, boards: memory), a v1 hierarchy holds it, realtime processes keep cpu "
        "from being enabled, or the node is a container to which it was not delegated.",
        remedy=(
            "cat /sys/fs/cgroup/cgroup.controllers: missing there? The kernel, or its command line, lacks it.",
            (
                "Else: echo '+cpu +cpuset +memory +pids +hugetlb' > /sys/fs/cgroup/cgroup.subtree_control, and the "
                "same in {path}; Delegate=yes in the kubelet's unit."
            ),
            "WSL: wsl --update, and no kernel= in .wslconfig; kind, k3d, minikube: make the node again.",
        ),
        reference=KUBELET,
        tell="cat /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control; cat /proc/cgroups",
        rank=45,
        layout="v2",
    ),
    Entry(
        code="pod-netns-refused",
        title="the engine cannot make the network namespace of a pod",
        patterns=(
            (
                r"failed to (?:create|set ?up) (?:network namespace|netns)[^\n]*: "
                rf"(?P<reason>{EACCES}|{EPERM}|{ENOSPC})"
            ),
        ),
        verdict="the engine cannot make, or keep, the network namespace of the pod's sandbox: {reason}",
        cause="Permission denied: a profile of AppArmor or SELinux confines the engine itself (apparmor.d, a snap). "
        "Operation not permitted: the engine runs in a container that is not privileged, or rootless. No space: "
        "user.max_net_namespaces is reached, for example by namespaces in /run/netns that nobody removed.",
        remedy=(
            "Rootless: a /run of its own (the unit k3s-rootless, containerd-rootless.sh).",
            "journalctl -k | grep -i 'apparmor=.DENIED': aa-complain the engine's profile, or aa-disable it.",
            "ip netns list | wc -l; sysctl user.max_net_namespaces; a node in a container: start it --privileged.",
        ),
        reference="https://github.com/roddhjav/apparmor.d/pull/57",
        tell="unshare -n true as the engine's user; cat /proc/$(pgrep -o containerd)/attr/current",
        rank=45,
    ),
    Entry(
        code="evictions-without-pods-cgroup",
        title="the kubelet finds no cgroup of all pods, by which it decides about evictions",
        patterns=(r"system container \\*\"pods\\*\" not found in metrics",),
        verdict="the kubelet has no figures of the pods' common cgroup (kubepods): allocatableMemory is not watched",
        cause="With cgroupsPerQOS: false there is no such cgroup; with a cgroupRoot of one's own, or a kubelet in a "
        "container that does not see the host's tree, it is somewhere else. The node goes on working, and evicts "
        "only by the memory of the whole node.",
        remedy=(
            "cgroupsPerQOS: true and enforceNodeAllocatable: [pods] (the defaults), and leave cgroupRoot out.",
            "In the first minute after a start it is only a notice.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/",
        tell="ls -d /sys/fs/cgroup/kubepods* /sys/fs/cgroup/*/kubepods*; grep -i cgroup /var/lib/kubelet/config.yaml",
        rank=50,
    ),
    Entry(
        code="systemd-units-used-up",
        title="systemd holds as many units as it can",
        patterns=(r"[Ff]ailed to start transient (?:scope|service|mount) unit: Argument list too long",),
        verdict="systemd on this host makes no more units: it holds the 131072 that it can",
        cause="Units of mounts or scopes that ended were not forgotten, as with systemd before 247 and many mounts by "
        "the kubelet (dead .mount and run-*.scope units). Then neither mounts nor cgroups can be made.",
        remedy=(
            "systemctl list-units --all | wc -l; systemctl reset-failed; systemctl daemon-reexec; else reboot.",
            "Upgrade systemd.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/57345",
        tell="systemctl list-units --all --no-legend | awk '{{print $4}}' | sort | uniq -c",
        rank=40,
    ),
    Entry(
        code="kubelet-finds-no-pid-file",
        title="the kubelet's notice that it does not find the engine's process",
        patterns=(r"error opening pid file (?P<path>/[^\s:]+): open",),
        verdict="a notice: the kubelet finds no {path}, so it cannot move the engine into a cgroup",
        cause="An old kubelet looks there for docker's or containerd's process number, to set its OOM score and its "
        "cgroup. Other versions of docker have it elsewhere, or a kubelet in a container does not see /run.",
        remedy=(
            "Nothing is to be done for this. A kubelet in a container: mount /run of the host. Or upgrade the kubelet.",
        ),
        reference="https://github.com/pires/kubernetes-vagrant-coreos-cluster/issues/224",
        rank=88,
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
    Entry(
        code="kubelet-cgroups-differ",
        title="the kubelet's cpu and memory cgroups are not the same on v1",
        patterns=(r"cpu and memory cgroup hierarchy not unified\. +cpu: (?P<cpu>\S+), memory: (?P<memory>\S+)",),
        verdict="the kubelet is in {cpu} for cpu and in {memory} for memory: before 1.15 it stops, later it warns",
        cause="On v1, systemd creates a unit's cgroup only in the controllers that the unit accounts or limits.",
        remedy=(
            "systemctl edit kubelet: [Service], CPUAccounting=true, MemoryAccounting=true; systemctl restart kubelet",
            "Or upgrade the kubelet, or boot with cgroup2, which has one tree.",
        ),
        reference="https://github.com/cri-o/cri-o/issues/2632",
        rank=55,
        layout="v1",
    ),
)
