"""What kubelets, kube-proxies and nodes in containers say at their start."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EROFS, V1_NAMES, Entry

KUBERNETES = "https://github.com/kubernetes/kubernetes"

ENTRIES = (
    Entry(
        code="conntrack-max-of-host-only",
        title="kube-proxy may not set nf_conntrack_max in a node that is a container",
        patterns=(rf"\bopen (?P<path>/proc/sys/net/netfilter/nf_conntrack_\w+): {EACCES}",),
        verdict="kube-proxy may not write {path}: this node is a container, and the host alone may set it",
        cause="The kernel has one value for all network namespaces. From Linux 5.12.2 on only the first one may write "
        "it. kube-proxy ends if it finds a smaller value than it computes and cannot set its own.",
        remedy=(
            "kube-proxy's configuration: conntrack.maxPerCore: 0. k3s, k3d: --kube-proxy-arg=conntrack-max-per-core=0",
            "Or on the host, before the node starts: sysctl -w net.netfilter.nf_conntrack_max=1048576",
            "kind (0.11 or later), minikube and k3d of mid-2021 set maxPerCore by themselves: upgrade them.",
        ),
        reference="https://github.com/kubernetes/minikube/issues/11418",
        beside=r"conntrack\.go:|kube-?proxy|server\.go:\d+\] open",
        rank=30,
    ),
    Entry(
        code="mount-line-with-blank",
        title="a line of /proc/mounts has a blank too many",
        patterns=(r"wrong number of fields \(expected 6, got \d+\)",),
        verdict="the kubelet cannot read /proc/mounts: the options of a mount have a blank in them",
        cause="WSL with Docker Desktop mounts C:\\Program Files\\... with such an option. The kernel escapes blanks of "
        "paths, not those of a file system's own options.",
        remedy=(
            "awk 'NF != 6' /proc/mounts shows the line: umount its mount point.",
            "Docker Desktop: switch its WSL integration off for this distribution. Or upgrade the kubelet.",
        ),
        reference=f"{KUBERNETES}/pull/135555",
        rank=30,
    ),
    Entry(
        code="mount-without-source",
        title="a mount has no source, and a program cannot read its line",
        patterns=(r"found less than 3 fields post '-' in \\*\"\d+ \d+ \S+ \S+ (?P<path>/[^\s\"\\]*)[^\n]*",),
        verdict="the mount at {path} has an empty source, and this program cannot read its line in mountinfo",
        cause="mount -t tmpfs '' DIRECTORY leaves the field of the source empty. Old kubelets and runtimes count the "
        "fields between blanks.",
        remedy=("umount {path}, or mount it again with a name: mount -t tmpfs tmpfs {path}", "Or upgrade the kubelet."),
        reference=f"{KUBERNETES}/issues/66134",
        tell="grep ' -  *[a-z0-9]* *  rw' /proc/self/mountinfo",
        rank=30,
    ),
    Entry(
        code="docker-1-10-minimum-of-shares",
        title="docker 1.10 takes the kernel's default for the lowest cpu-shares",
        patterns=(r"The minimum allowed cpu-shares is 1024",),
        verdict="docker compares cpu.shares too early: the lowest value is 2, not 1024",
        cause="libcontainer of docker 1.10 writes the shares through systemd, and reads them back before they are "
        "there. On a busy machine it reads the default, 1024.",
        remedy=("Upgrade docker to 1.11 or later; the requested value is in order.",),
        reference=f"{KUBERNETES}/issues/25892",
        rank=30,
    ),
    Entry(
        code="host-without-sys-fs-cgroup",
        title="the host has no directory /sys/fs/cgroup",
        patterns=(rf"mkdir /sys/fs/cgroup: {ENOENT}",),
        verdict="this kernel has no /sys/fs/cgroup, and nothing can be made below /sys",
        cause="Kernels before 2.6.39 have no such directory; RHEL and CentOS 6 mount their hierarchies at /cgroup.",
        remedy=(
            "RHEL, CentOS 6: -v /cgroup:/host/sys/fs/cgroup:ro in place of /sys/fs/cgroup; service cgconfig start.",
            "Or a newer release of the system.",
        ),
        reference="https://github.com/DataDog/docker-dd-agent/issues/264",
        rank=30,
    ),
    Entry(
        code="kind-entrypoint-ended",
        title="the entrypoint of a kind node does not get past the cgroup mounts",
        patterns=(r"INFO: fix cgroup mounts for all subsystems\s*(?:\$\s+echo\s+\$\?\s*\d+\s*)?(?:[^\n]*[$#]\s*)?\Z",),
        verdict="the node image's entrypoint ended while it arranged the cgroup mounts",
        cause="The script of that image does not know this host's layout: images of the end of 2020 fail on cgroup2.",
        remedy=(
            "Use a newer kind, and the node image that its release names.",
            (
                "stat -fc %T /sys/fs/cgroup: cgroup2fs is cgroup2. For an old image boot with v1: "
                "systemd.unified_cgroup_hierarchy=0"
            ),
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/2013",
        rank=60,
    ),
    Entry(
        code="resource-only-container",
        title="a daemon of Kubernetes wants a cgroup of its own",
        patterns=(r"Failed to start in resource-only container \\*\"?(?P<path>/[^\s\"\\:]*)",),
        verdict="kube-proxy (or the kubelet) could not move itself into a cgroup {path} of its own",
        cause="--resource-container asks for that cgroup. In a container the hierarchies are read-only, so it cannot "
        "be made. It is a warning: the daemon goes on.",
        remedy=('kube-proxy: --resource-container="". Kubernetes 1.17 no longer has the option.',),
        reference=f"{KUBERNETES}/issues/17619",
        rank=30,
    ),
    Entry(
        code="rootless-k3s-wants-sysctl",
        title="rootless k3s wants a sysctl of the host",
        patterns=(
            (
                r"expected sysctl value \\*\"(?P<key>[\w.]+)\\*\" to be \\*\"(?P<value>[^\"\\\n]*)\\*\", got "
                r"\\*\"(?P<was>[^\"\\\n]*)"
            ),
        ),
        verdict="rootless k3s needs {key} = {value} on the host; it is {was}",
        cause="A user may not set it. ip_forward is for its load balancer, dmesg_restrict for the kubelet's watch on "
        "processes killed for memory. In a container that container's own value counts.",
        remedy=(
            "As root on the host: sysctl -w {key}={value}, and the same in /etc/sysctl.d/90-k3s.conf",
            "In docker: docker run --sysctl net.ipv4.ip_forward=1",
        ),
        reference="https://github.com/k3s-io/k3s/pull/2585",
        rank=30,
    ),
    Entry(
        code="crio-finds-no-conmon",
        title="CRI-O does not find conmon where its configuration names it",
        patterns=(
            rf"(?:invalid conmon path|conmon validation)[^\n]*:\s+stat (?P<path>/[^\n:]*): {ENOENT}",
            rf"fork/exec (?P<path2>/\S*conmon): {ENOENT}",
        ),
        verdict="conmon is not at {path}, where the configuration names it",
        cause="The package conmon is not installed, or a file in /etc/crio/crio.conf.d (one of NVIDIA's, or one of an "
        "older release) names the place of another release.",
        remedy=(
            (
                "Remove conmon and monitor_path from the files in /etc/crio/crio.conf.d: then the PATH is searched; "
                "systemctl restart crio."
            ),
            "Or install it: apt-get install conmon; dnf install conmon",
        ),
        reference="https://github.com/cri-o/cri-o/issues/2903",
        tell="grep -rn conmon /etc/crio; command -v conmon; ls /usr/libexec/crio",
        rank=30,
    ),
    Entry(
        code="unit-makes-hierarchy-that-kernel-lacks",
        title="a unit makes a cgroup of a controller that this host has not mounted",
        patterns=(
            (
                rf"mkdir[^\n]*: cannot create directory "
                rf".?/sys/fs/cgroup/(?P<controller>{V1_NAMES}|systemd)(?P<path>/[^\n:'\u2019]*)?.?: {EROFS}"
            ),
        ),
        beside=r"kubelet\.service|[Cc]ontrol process exited|ExecStartPre|Starting Kubernetes",
        verdict="the host has no hierarchy {controller}, and its mkdir meets the read-only tmpfs of /sys/fs/cgroup",
        cause="The kernel lacks the controller (pids in the 3.10 of CentOS before 7.3), or the host is on cgroup2, "
        "which has no directories of controllers. A line ExecStartPre=mkdir in the unit wants it, for kube-reserved.",
        remedy=(
            "Upgrade the kernel (CentOS 7: yum update), if grep {controller} /proc/cgroups shows nothing.",
            "Or remove these ExecStartPre lines (kubeasz: KUBE_RESERVED_ENABLED: no) and kubeReservedCgroup.",
            "cgroup2: the lines are for v1; cgroupDriver: systemd needs none of them.",
        ),
        reference="https://github.com/easzlab/kubeasz/issues/575",
        tell="grep {controller} /proc/cgroups; stat -fc %T /sys/fs/cgroup",
        rank=28,
    ),
)
