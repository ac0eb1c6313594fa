"""The kubelet and kubeadm refuse their settings, or what they find on the node."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

CPU = "https://kubernetes.io/docs/tasks/administer-cluster/cpu-management-policies/"
CONFIG = "https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/"

ENTRIES = (
    Entry(
        code="kubelet-static-policy-unreserved",
        title="the static CPU policy needs CPUs that are reserved",
        patterns=(
            r"unable to determine reserved CPU resources for static policy",
            r"static policy requires systemreserved\.cpu \+ kubereserved\.cpu to be greater than zero",
            r"unable to reserve the required amount of CPUs[^\n]*",
        ),
        verdict="the kubelet does not start: cpuManagerPolicy static needs at least one CPU reserved for the system",
        cause="The static policy gives whole CPUs away for good, so some must be left: systemReserved.cpu plus "
        "kubeReserved.cpu, or reservedSystemCPUs, above zero, and no more than the node has.",
        remedy=(
            'kubelet configuration: systemReserved: {{cpu: 500m}}, or reservedSystemCPUs: "0" (a list of CPUs).',
            "k3s, rke2: --kubelet-arg=system-reserved=cpu=500m. Delete /var/lib/kubelet/cpu_manager_state, restart.",
        ),
        reference=CPU,
        rank=40,
    ),
    Entry(
        code="kubelet-reserved-memory-differs",
        title="the reserved memory of the NUMA nodes does not add up",
        patterns=(
            (
                r"the total amount \\*\"(?P<asked>\w+)\\*\" of type \\*\"(?P<resource>[\w-]+)\\*\" is not equal to the "
                r"value \\*\"(?P<value>\w+)\\*\""
            ),
            r"reserved memory configuration references a NUMA node \d+ that does not exist",
            r"you should specify the system reserved memory",
        ),
        verdict="the kubelet does not start: reservedMemory does not add up",
        cause="With memoryManagerPolicy Static, the sum of reservedMemory over all NUMA nodes must be exactly "
        "systemReserved + kubeReserved + the hard eviction threshold (memory.available, 100Mi if not set). It is "
        "{asked} for {resource}, and {value} are wanted.",
        remedy=(
            "Correct reservedMemory (--reserved-memory), e.g. 1Gi + 100Mi: limits: {{memory: 1124Mi}}.",
            "lscpu | grep NUMA: name only NUMA nodes that exist.",
            "Leave hugepages out: nothing else reserves them, so their sum must be 0.",
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/memory-manager/#reserved-memory-flag",
        rank=40,
    ),
    Entry(
        code="kubelet-policy-unknown",
        title="the kubelet does not know the name of a policy",
        patterns=(
            r"(?:Failed to (?:initialize|run)|ContainerManager|kubelet)[^\n]*unknown policy: \\*\"(?P<name>[\w-]*)",
            r"unknown policy: \\*\"(?P<name2>[\w-]*)",
            (
                r"(?P<key>topologyManager(?:Policy|Scope)|memorySwap\.swapBehavior|memoryReservationPolicy)[^\n]*"
                r"must be one of[^\n]*"
            ),
            r"could not parse (?:topology|CPU|memory) ?[mM]anager[^\n]*",
            r"invalid (?:topologymanager|cpumanager|memorymanager) (?:policy|scope)[^\n]*",
        ),
        verdict="the kubelet does not start: it does not know the policy {name}",
        cause="The names differ in their case: cpuManagerPolicy: none, static; memoryManagerPolicy: None, Static; "
        "topologyManagerPolicy: none, best-effort, restricted, single-numa-node; topologyManagerScope: container, "
        "pod; memorySwap.swapBehavior: NoSwap, LimitedSwap (UnlimitedSwap is gone since 1.30).",
        remedy=("Correct the name in /var/lib/kubelet/config.yaml (or the flag), and restart the kubelet.",),
        reference=CONFIG,
        rank=40,
    ),
    Entry(
        code="kubelet-flag-unknown",
        title="the kubelet does not know a flag or a field",
        patterns=(
            r"(?:failed to parse kubelet flag|kubelet)[^\n]*unknown flag: --(?P<key>[\w-]+)",
            (
                r"unknown flag: --(?P<key2>network-plugin|cni-\w+-dir|container-runtime|cgroup-\w+|pod-infra\S*"
                r"|experimental-\S+|docker\S*|cadvisor-port|fail-swap-on|feature-gates|allow-privileged)"
            ),
            r"failed to load [Kk]ubelet config file[^\n]*",
            r"unrecognized feature gate: (?P<key3>\w+)",
            r"strict decoding error: unknown field \\*\"(?P<key4>[\w.\[\]]+)",
            r"memorySwap\.swapBehavior cannot be set when NodeSwap feature flag is disabled",
        ),
        verdict="the kubelet does not start: this version does not know the flag or field {key}",
        cause="Flags and feature gates are removed over the versions: --container-runtime, --network-plugin and the "
        "CNI directories with 1.24 and 1.27, dockershim's with 1.24. A field that is misspelt, or newer than the "
        "kubelet, is refused as well.",
        remedy=(
            (
                "Remove it: /var/lib/kubelet/kubeadm-flags.env, /etc/default/kubelet, drop-ins of the unit "
                "(systemctl cat kubelet)."
            ),
            "kubelet --version; kubelet --help | grep the name.",
        ),
        reference="https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
        rank=55,
    ),
    Entry(
        code="kubelet-settings-refused",
        title="the kubelet refuses its settings",
        ambiguous=(
            r"[Ff]ailed to validate kubelet configuration[^\n]*",
            r"invalid configuration: (?P<reason>[a-zA-Z][^\n]*\(--[a-z-]+\)[^\n]*)",
        ),
        verdict="the kubelet does not start: it refuses a setting: {reason}",
        cause="The message names the field and what it expects. The kubelet read it from its configuration file, or "
        "from a flag.",
        remedy=("Correct the field in /var/lib/kubelet/config.yaml, and restart the kubelet.",),
        tell="grep the field in /var/lib/kubelet/config.yaml and in systemctl cat kubelet",
        reference=CONFIG,
        offer=1,
        last=True,
    ),
    Entry(
        code="kubelet-finds-no-engine",
        title="the kubelet or kubeadm cannot speak with the engine",
        patterns=(
            r"validate service connection[^\n]*|unable to determine runtime API version[^\n]*",
            r"unknown service runtime\.v1(?:alpha2)?\.(?:RuntimeService|ImageService)",
            r"CRI v1 runtime API is not implemented for endpoint[^\n]*",
            r"container runtime is not running: output[^\n]*",
            rf"dial unix \S*(?:containerd|crio|cri-dockerd|dockershim)\.sock: connect: (?:{ENOENT}|connection refused)",
            r"getting status of runtime[^\n]*(?:failed|connection error)[^\n]*",
        ),
        verdict="the kubelet (or kubeadm) cannot speak with the engine through its CRI socket; it is not about cgroups",
        cause="The engine does not run, has another socket, or has no CRI: containerd.io of Docker is installed with "
        'disabled_plugins = ["cri"], dockershim is gone since 1.24 (cri-dockerd instead), and an old containerd '
        "(before 1.6) speaks only v1alpha2.",
        remedy=(
            "systemctl status containerd crio cri-docker; journalctl -u containerd -n 30",
            (
                "containerd config default > /etc/containerd/config.toml (then SystemdCgroup = true), systemctl "
                "restart containerd"
            ),
            "crictl --runtime-endpoint unix:///run/containerd/containerd.sock info; kubeadm --cri-socket names it.",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
        rank=60,
    ),
    Entry(
        code="kubeadm-finds-no-kernel-config",
        title="kubeadm cannot read how the kernel was built",
        patterns=(
            r"failed to parse kernel config[^\n]*",
            r"unable to load kernel module: \\*\"configs\\*\"[^\n]*",
            r"no config path in \[[^\n]*\] is available",
        ),
        verdict="kubeadm cannot read the kernel's configuration, so it cannot check for cgroups and namespaces",
        cause="It looks for /proc/config.gz (module configs) and /boot/config-RELEASE. Neither exists for this kernel; "
        "in a container /lib/modules of the host is missing. The kernel itself may be all right.",
        remedy=(
            "zgrep CGROUP /proc/config.gz; ls /boot/config-$(uname -r): install it, or mount /lib/modules, /boot.",
            "If cat /proc/cgroups shows cpu, cpuset, memory and pids: --ignore-preflight-errors=SystemVerification.",
        ),
        reference="https://github.com/kubernetes/kubeadm/issues/1351",
        rank=54,
    ),
    Entry(
        code="node-below-requirements",
        title="the machine is too small for kubeadm or minikube",
        patterns=(
            r"\[ERROR NumCPU\]: the number of available CPUs (?P<asked>\d+) is less than the required (?P<least>\d+)",
            r"\[ERROR Mem\]: the system RAM \((?P<asked2>\d+ MB)\) is less than the minimum (?P<least2>\d+ MB)",
            r"RSRC_(?:INSUFFICIENT|DOCKER|INVALID)_\w+[^\n]*",
            r"[Rr]equested memory allocation \(?(?P<asked3>\w+)\)?[^\n]*less than (?:the )?[^\n]*minimum[^\n]*",
            r"has only (?P<asked4>\d+ ?MB) memory but you specified (?P<least4>\d+ ?MB)",
            r"[Rr]equested cpu count (?P<asked5>\d+) is (?:less|greater) than[^\n]*",
            r"The requested memory allocation of \S+ does not leave room for system overhead[^\n]*",
        ),
        verdict="the machine (or Docker's virtual machine) has fewer CPUs or less memory than the cluster needs",
        cause="kubeadm wants two CPUs and 1700 MB for a control plane; minikube 1800 MB. With Docker Desktop the size "
        "of its virtual machine counts, and in a container the limits of that container.",
        remedy=(
            "Give the machine more; Docker Desktop: Settings, Resources. minikube start --cpus 2 --memory 2200",
            "To try it nevertheless: kubeadm --ignore-preflight-errors=NumCPU,Mem; minikube --force",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
        rank=50,
    ),
    Entry(
        code="cgroup-driver-notice",
        title="kubeadm's notice about the cgroup driver",
        patterns=(
            r"detected \\*\"cgroupfs\\*\" as the Docker cgroup driver\. The recommended driver is \\*\"systemd\\*\"",
            r"IsDockerSystemdCheck",
        ),
        verdict="a notice, not a failure: Docker uses cgroupfs where kubeadm recommends systemd",
        cause="On a host with systemd two owners of the cgroups are unstable under load. It works as long as the "
        "kubelet uses cgroupfs as well.",
        remedy=(
            (
                '/etc/docker/daemon.json: "exec-opts": ["native.cgroupdriver=systemd"]; cgroupDriver: systemd in '
                "the kubelet's configuration; restart both."
            ),
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/configure-cgroup-driver/",
        rank=86,
    ),
    Entry(
        code="pod-network-not-ready",
        title="the pod network is not set up",
        patterns=(
            r"cni plugin not initialized|cni config uninitialized|No networks found in /etc/cni/net\.d",
            r"network plugin is not ready[^\n]*",
            r"failed to (?:set ?up|create pod) network (?:for )?sandbox[^\n]*",
            r"networkPlugin cni failed to set up pod[^\n]*",
            r"failed to find plugin \\*\"[\w-]+\\*\" in path \[[^\n]*\]",
            r"plugin type=\\*\"[\w-]+\\*\"[^\n]*failed \((?:add|delete)\)[^\n]*",
        ),
        verdict="the pod's network could not be set up: it is the network plugin's (CNI) failure, not the runtime's",
        cause="No network plugin is installed yet, its own pod does not run, its binaries are not in /opt/cni/bin, or "
        "it has no addresses left. The last words are the plugin's own.",
        remedy=(
            "ls /etc/cni/net.d /opt/cni/bin; kubectl get pods -n kube-system -o wide: does the plugin's pod run?",
            "Install the plugin (flannel, Calico, Cilium ...), or look into its pod's log.",
        ),
        reference="https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/network-plugins/",
        rank=64,
        ours=False,
    ),
    Entry(
        code="kubelet-cgroup-kill-notice",
        title="the kubelet's notices while it removes a pod's cgroup",
        patterns=(
            r"Failed to kill all the processes attached to cgroup[^\n]*",
            r"[Ff]ailed to delete cgroup paths(?![^\n]*(?:busy|denied|permitted|read-only))[^\n]*",
            r"Failed to remove cgroup \(will retry\)(?![^\n]*busy)[^\n]*",
        ),
        verdict="a notice, not the failure: the kubelet removes the cgroup of a pod that has ended, and tries again",
        cause="Processes were gone already ('os: process not initialized', 'process already finished'), or still end. "
        "If the same path returns for minutes, a process in it does not die.",
        remedy=(
            "Look for another message: why the pod ended is said elsewhere (kubectl describe pod, events).",
            "Path returns: find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs | xargs cat; state D: reboot.",
        ),
        reference="https://github.com/testcontainers/testcontainers-java/issues/10375",
        rank=86,
    ),
    Entry(
        code="kubelet-not-set-up-yet",
        title="the kubelet has no configuration: kubeadm has not been run on this node",
        patterns=(rf"open (?P<path>/var/lib/kubelet/config\.yaml|/etc/kubernetes/bootstrap-kubelet\.conf): {ENOENT}",),
        verdict="the kubelet has no {path} yet: kubeadm init or join writes it",
        cause="Until then, and after kubeadm reset, the kubelet of the package ends and is started again every ten "
        "seconds, which does no harm.",
        remedy=(
            (
                "The first node: kubeadm init. Others: kubeadm token create --print-join-command on a control plane, "
                "and run that line here."
            ),
            "kubeadm was run: its own first error (preflight) is the cause; mend that, kubeadm reset, and once more.",
            "A node that worked: kubeadm upgrade node phase kubelet-config; systemctl restart kubelet.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/82293",
        rank=20,
    ),
)
