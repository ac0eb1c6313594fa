"""Programs that watch a node's containers by their cgroups: monitoring and security agents."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EROFS, Entry

# What such programs call the place that they look for.
PLACE = r"cgroups? (?:path|director(?:y|ies)|folder|id|mount ?points?|file)"
CONTAINER = r"(?:container|pod|docker|process|pid|task)"

ENTRIES = (
    Entry(
        code="agent-finds-no-container-cgroup",
        title="a program that watches containers does not find their cgroups",
        patterns=(
            r"No mount ?[Pp]oints were detected, current cgroup root is:? (?P<path>\S+)",
            r"[Cc]annot find [Dd]ocker cgroup directory|couldn't find any \w+ entry for process with PID",
            r"cgroup data collection disabled[^\n]*|failed to resolve cgroup: [^\n]*",
            rf"\bno {PLACE} (?:was |were )?found",
            r"(?:[Cc]ould not find|[Nn]o valid) [Cc][Gg]roup base path",
            r"Failed to create path resolver[^\n]*|Failed to read PID info for pod[^\n]*",
            r"[Ff]ailed to open file /sys/fs/cgroup/\S*(?:kubepods|docker|libpod|crio|cri-containerd)\S*cgroup\.procs",
            rf"{PLACE} not found (?:for|of|in) (?:the )?{CONTAINER}",
            r"never found valid cgroup for \S+|get cgroup path of pid \d+: [^\n]*|fail to find device cgroup",
            r"load cgroup v1 manager, pid \d+[^\n]*|Failed to apply chaos:[^\n]*controller is not supported",
            r"Error loading cgroup v2 manager: [^\n]*|can not detect cgroup driver from 'kubepods' cgroup name",
            r"detect deployment mode failed[^\n]*|Deployment mode is unknown, advanced [Cc]groups tracking[^\n]*",
            r"failed to resolve container for c[Gg]roup ID[^\n]*|Failed to load cgroups children\.[^\n]*",
            rf"error getting docker info: open /\S*cgroup/[^\n]*: {ENOENT}|Cannot access cgroup for \d+ containers",
            rf"Error in plugin[^\n]*/cgroup/[^\n]*: (?:unknown file format|{ENOENT})|Cannot find Docker cgroup file",
            r"Error loading cgroup subsystem[^\n]*|couldn't get unit's metrics: failed to read [^\n]*",
            r"enricher: (?:cannot work without|failed to get) cgroup paths[^\n]*",
            r"fail to get the cgroup manager, err[^\n]*|failed to get value from file ?\(\S*/cgroup/[^\n]*",
            r"failed to read proc cgroup: unknown container: \S+|profiler ended with error[^\n]*open cgroup: [^\n]*",
            (
                rf"(?:[Ff]ailed|[Uu]nable|[Cc]ould not|[Cc]annot|[Cc]an't|[Cc]ouldn't) (?:to )?"
                rf"(?:find|locate|get|resolve|determine) (?:the )?{PLACE} (?:for|of) (?:the )?{CONTAINER}"
            ),
        ),
        verdict="the program does not find the cgroup of a container that it watches",
        cause="Usual reasons: it is older than the host's layout, and knows v1 but not cgroup2, or not the names that "
        "systemd, containerd or a newer engine give; /sys/fs/cgroup and /proc of the host are not mounted in its "
        "container, or it looks from another cgroup namespace; or this one container has just ended.",
        remedy=(
            "Upgrade the agent: the Datadog agent knows cgroup2 since 7.33, Chaos Mesh since 2.4.3.",
            (
                "In a container it needs the host's tree: -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro -v "
                "/proc:/host/proc:ro; Kubernetes: hostPath volumes of both, hostPID: true where it looks up processes."
            ),
            "Always for another container, never for long: it has ended meanwhile, and nothing is to be done.",
        ),
        reference="https://github.com/DataDog/datadog-agent/issues/7865",
        tell="stat -fc %T /sys/fs/cgroup on the node (cgroup2fs?), and the same below the path that the agent reads",
        rank=52,
    ),
    Entry(
        code="bpf-not-attached-to-cgroup",
        title="a BPF program of an agent cannot be attached to a cgroup",
        patterns=(
            r"cgroup attach: [^\n]*(?:PROG_ATTACH|attach program|bpf_link)[^\n]*",
            r"failed to attach to cgroup: (?P<reason2>[^\n]+)",
            r"attaching sock\w* program: [^\n]*|failed to attach connect-time load balancer[^\n]*",
            r"create link: (?P<reason>bad file descriptor|operation not permitted|invalid argument)",
        ),
        verdict="the kernel refuses to attach the agent's BPF program to the cgroup that it names",
        cause="No such file, or bad file descriptor: the directory is not there, or not on a cgroup2 file system (v1 "
        "host, not mounted at /sys/fs/cgroup/unified or /run/calico/cgroup, where the agent looks). Operation not "
        "permitted: another program is attached there, or above, that allows no second one (nodes that are containers "
        "share the host's tree: kind, k3d, k0s in docker), or CAP_BPF, CAP_NET_ADMIN or CAP_SYS_ADMIN is missing. "
        "Invalid argument: the kernel does not know this kind of program.",
        remedy=(
            "Cilium: cgroup.autoMount.enabled=true, or cgroup.hostRoot= the place of cgroup2 (/sys/fs/cgroup).",
            "Calico: its init container mount-bpffs mounts it (3.24 or later); elsewhere: mount -t cgroup2 none PLACE.",
            "Nodes in docker: cgroup2 on the host and a cgroup namespace for each node (--cgroupns=private).",
            "bpftool cgroup tree shows what is attached; detach what an earlier agent has left.",
        ),
        reference="https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/",
        tell="grep cgroup2 /proc/self/mountinfo in the agent's container; bpftool cgroup tree on the host",
        rank=29,
    ),
    Entry(
        code="agent-finds-no-container-name",
        title="an agent has a container's cgroup, and does not find its name",
        patterns=(
            r"cannot find the name of docker container '[^'\n]*'",
            r"k8s_get_name: cannot find the name of cgroup with id '[^'\n]*'",
        ),
        verdict="the agent (Netdata) reads the container's cgroup, and cannot ask the engine for its name",
        cause="It asks Docker through /var/run/docker.sock, or the API server: the socket is not mounted, the agent's "
        "user may not use it, or its service account may not list pods. Or the container has just ended.",
        remedy=(
            "docker: -v /var/run/docker.sock:/var/run/docker.sock:ro and the socket's group (PGID of Netdata).",
            "Kubernetes: the agent's ClusterRole must allow get and list of pods and namespaces.",
        ),
        reference="https://github.com/netdata/netdata/issues/17072",
        rank=52,
        ours=False,
    ),
    Entry(
        code="bpf-filesystem-not-mounted",
        title="an agent finds no BPF file system on /sys/fs/bpf",
        patterns=(
            r"BPF root is not a BPF filesystem[^\n]*",
            r"[Ff]ailed to mount bpffs[^\n]*",
            rf"(?<!root)/sys/fs/bpf/(?:tc|calico|cilium|xdp|ip)\b[^\n]*?: {ENOENT}",
        ),
        verdict="/sys/fs/bpf is not a BPF file system here, and the agent cannot keep its maps in it",
        cause="systemd mounts it on the host; OpenRC before 2025, old hosts and nodes that are containers have none. "
        "In the agent's container it is the host's through a volume; mounting it there needs CAP_SYS_ADMIN in the "
        "first user namespace: rootless podman and kind have no such right (operation not permitted).",
        remedy=(
            "On the node: mount bpffs /sys/fs/bpf -t bpf; in /etc/fstab: bpffs /sys/fs/bpf bpf defaults 0 0.",
            "The agent: a hostPath volume of /sys/fs/bpf with mountPropagation: Bidirectional, privileged.",
            "kind with podman: run it as root, or extraMounts of /sys/fs/bpf.",
        ),
        reference="https://docs.cilium.io/en/stable/operations/system_requirements/",
        tell="stat -fc %T /sys/fs/bpf on the node: bpf_fs is right, sysfs means not mounted",
        rank=36,
    ),
    Entry(
        code="agent-not-in-host-proc",
        title="an agent does not find itself in the host's /proc",
        patterns=(
            r"error (?:getting group status|determining cgroups version|initializing cgroup reader)[^\n]*",
            rf"open (?P<path>/(?:hostfs|host|rootfs)/proc/self/\w+): {ENOENT}",
        ),
        verdict="the agent looks for its own process in the host's /proc, and it has another number there",
        cause="With the host's /proc mounted (hostfs, /host/proc) a container's process is found under the number that "
        "the host gives it. In a PID namespace of its own the agent knows only the inner one. Or the host's /proc "
        "is not mounted there at all. It loses figures about itself, and some do not start.",
        remedy=(
            (
                "docker: --pid=host -v /proc:/hostfs/proc:ro -v /sys/fs/cgroup:/hostfs/sys/fs/cgroup:ro; Kubernetes: "
                "hostPID: true and the same as hostPath volumes."
            ),
            "Metricbeat, Elastic Agent: upgrade; on docker set --system.hostfs=/hostfs only with these mounts.",
        ),
        reference="https://www.elastic.co/docs/reference/beats/metricbeat/running-on-docker",
        tell="ls -l /hostfs/proc/self in the agent's container: does it point to a number?",
        rank=12,
    ),
    Entry(
        code="agent-cannot-read-figures",
        title="an agent does not understand a file of figures of a cgroup",
        patterns=(
            r"(?P<file>(?:io|memory|cpu)\.(?:stat|max|pressure))['\"]?:? [^\n]*(?:does not match format|cannot parse)",
        ),
        verdict="the agent does not understand what the kernel writes in {file}",
        cause="The format grows with the kernel: some versions give several devices without figures on one line of "
        "io.stat, newer ones new keys. The container is well; only the agent's figures are missing.",
        remedy=(
            "Upgrade the agent.",
            "Or switch this group of figures off: Metricbeat: process.cgroups.enabled: false.",
        ),
        reference="https://github.com/elastic/beats/issues/32345",
        tell="cat /sys/fs/cgroup/io.stat",
        rank=55,
        ours=False,
    ),
    Entry(
        code="cadvisor-watches-other-name",
        title="cAdvisor looks for a hierarchy under another order of its names",
        patterns=(
            r"inotify_add_watch (?P<path>/sys/fs/cgroup/[a-z_]+,[a-z_,]+): no such file or directory",
            rf"mkdir (?P<path2>/sys/fs/cgroup/(?:cpuacct,cpu|net_prio,net_cls))\b[^\s:]*: (?:{EROFS}|{EACCES})",
        ),
        verdict="the kubelet or cAdvisor looks for {path}; the hierarchy is mounted under the same names in another "
        "order",
        cause="The kernel lists cpuacct,cpu where systemd mounted cpu,cpuacct. Old versions of cAdvisor, and of the "
        "kubelet, take the kernel's order for the directory.",
        remedy=(
            "mount -o remount,rw /sys/fs/cgroup && ln -s /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpuacct,cpu",
            "In a container this name would be made on a read-only tmpfs, hence the error. Or upgrade.",
        ),
        reference="https://github.com/google/cadvisor/issues/1943",
        rank=30,
    ),
    Entry(
        code="agent-finds-root-for-container",
        title="a container is in the root cgroup of one controller",
        patterns=(r"Missing target (?P<controller>[a-z]+) from paths",),
        verdict="the agent finds no figures of {controller}: for that controller the containers are in the root cgroup",
        cause="On v1 systemd moves processes into its own cgroups when it changes a controller of a service, unless "
        "that tree is delegated. With the cgroupfs driver it does not know the containers' cgroups; limits of that "
        "controller do not hold then, either.",
        remedy=(
            (
                "Use the systemd driver in both: kubelet cgroupDriver: systemd; docker native.cgroupdriver=systemd; "
                "containerd SystemdCgroup = true. Then restart both."
            ),
            "Or Delegate=yes in the units of the engine and the kubelet.",
        ),
        reference="https://github.com/coreos/fedora-coreos-tracker/issues/682",
        tell="cat /proc/PID/cgroup of a container's process: is it / or system.slice for {controller} alone?",
        rank=50,
    ),
    Entry(
        code="program-watches-cgroup2-memory",
        title="a program watches files of cgroup2 on a host with v1",
        patterns=(r"unable to setup OOM watcher",),
        verdict="the program's watch for memory reads memory.current of cgroup2, which this node does not have",
        cause="Flux's OOMWatch needs cgroup2. On v1 the files are in /sys/fs/cgroup/memory and have other names.",
        remedy=(
            (
                "Flux: remove --feature-gates=OOMWatch=true, or give --oom-watch-max-memory-path and "
                "--oom-watch-current-memory-path v1's files (memory.limit_in_bytes, memory.usage_in_bytes)."
            ),
            "Or a node with cgroup2 (Ubuntu 22.04 and later).",
        ),
        reference="https://github.com/fluxcd/helm-controller/issues/640",
        tell="stat -fc %T /sys/fs/cgroup on the node: cgroup2fs?",
        rank=40,
    ),
)
