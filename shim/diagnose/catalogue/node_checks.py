"""Checks of a node by the tools that set it up, and init containers that enter the host's namespaces."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, EPERM, Entry

CILIUM = "https://docs.cilium.io/en/stable/operations/system_requirements/"

ENTRIES = (
    Entry(
        code="node-check-finds-no-cgroups",
        title="k0s finds no cgroup file system on the host",
        patterns=(r"unexpected file system type of \"/sys/fs/cgroup\": (?P<value>0x[0-9a-f]+)",),
        verdict="nothing is mounted on /sys/fs/cgroup (file system type {value}): k0s does not start",
        cause="0x62656572 is sysfs: the empty directory itself. Nothing mounts cgroups on hosts without systemd "
        "until a service does (Alpine, Gentoo with OpenRC, Devuan).",
        remedy=(
            (
                "OpenRC: rc-update add cgroups && rc-service cgroups start; cgroup2 alone: rc_cgroup_mode=unified in "
                "/etc/rc.conf."
            ),
            "Others: mount -t cgroup2 none /sys/fs/cgroup, or cgroupfs-mount.",
            "After a failed installation: k0s reset, then install it again.",
        ),
        reference="https://github.com/k0sproject/k0sctl/issues/688",
        tell="stat -fc %T /sys/fs/cgroup; grep cgroup /proc/mounts",
        rank=40,
    ),
    Entry(
        code="node-check-kernel-option",
        title="a check of k3s or k0s misses an option of the kernel",
        patterns=(
            (
                r"(?P<name>CONFIG_(?:CGROUP|CPUSETS|MEMCG|BLK_CGROUP|NAMESPACES|(?:UTS|IPC|PID|NET)_NS|CFS_BAND)\w*)"
                r":[^\n]{0,60} (?:missing \(fail\)|(?:not set|unknown) \(rejected\))"
            ),
        ),
        verdict="the check finds the kernel built without {name}",
        cause="CONFIG_CGROUP_CPUACCT, CONFIG_CGROUP_FREEZER and CONFIG_CGROUP_DEVICE are of cgroup v1: on a host with "
        "cgroup2 alone nothing needs them, and old checks complain nevertheless. The others are needed. Unknown: the "
        "check found no configuration of the running kernel at all.",
        remedy=(
            "Needed: install the distribution's standard kernel, or build it with {name}=y.",
            (
                "v1's on a host with cgroup2: upgrade k3s or k0s, or pass over the check (k0s: "
                "--ignore-pre-flight-checks)."
            ),
            "No configuration found: modprobe configs, or put it into /boot/config-$(uname -r).",
        ),
        reference="https://github.com/k3s-io/k3s/issues/11676",
        tell="zcat /proc/config.gz | grep {name}, or grep {name} /boot/config-$(uname -r); stat -fc %T /sys/fs/cgroup",
        rank=55,
    ),
    Entry(
        code="kernel-without-cgroup-namespaces",
        title="an init container finds no cgroup namespace to enter",
        patterns=(rf"nsenter: cannot open (?P<path>\S+/ns/cgroup): {ENOENT}",),
        verdict="{path} is not there: this kernel has no cgroup namespaces",
        cause="They came with Linux 4.6; RHEL and CentOS 7 (3.10) do not have them. Cilium's init container "
        "mount-cgroup enters them to mount cgroup2.",
        remedy=(
            "Use a newer kernel or distribution on the node (Cilium needs 4.19, and 5.10 from 1.18 on).",
            "Cilium: cgroup.autoMount.enabled=false leaves the step out, if the host mounts cgroup2 itself.",
        ),
        reference=CILIUM,
        tell="uname -r; ls /proc/self/ns on the node",
        rank=16,
    ),
    Entry(
        code="host-namespace-not-entered",
        title="a container may not enter the host's namespaces",
        patterns=(
            rf"nsenter: reassociate to namespaces? [^\n]*failed: {EPERM}",
            r"nsenter: cannot open /(?:proc|hostproc)/1/ns/\w+: Permission denied",
        ),
        verdict="the container may not enter the host's namespaces",
        cause="It needs CAP_SYS_ADMIN, for a mount namespace CAP_SYS_CHROOT as well (CRI-O does not give that by "
        "default, containerd does), CAP_SYS_PTRACE to open them, and a profile of AppArmor or SELinux that permits it. "
        "A user namespace (rootless nodes, hostUsers: false) forbids it altogether.",
        remedy=(
            "Kubernetes: privileged: true, or capabilities add SYS_ADMIN, SYS_CHROOT, SYS_PTRACE; hostPID: true.",
            "docker: --privileged --pid=host. SELinux: seLinuxOptions type spc_t.",
        ),
        reference="https://github.com/cilium/cilium/issues/20150",
        tell="grep CapEff /proc/self/status in the container; cat /proc/self/uid_map: 0 0 4294967295?",
        rank=16,
    ),
    Entry(
        code="systemd-path-used-as-name",
        title="a container's cgroup has the name SLICE:cri-containerd:ID: the engine does not use systemd",
        patterns=(r"(?P<path>/[^\s:\"']+\.slice:(?:cri-containerd|crio):[0-9a-f]+)(?![/0-9a-f])",),
        verdict="the kubelet uses the driver systemd, and the engine cgroupfs: the container's cgroup is {path}",
        cause="The kubelet with the systemd driver names a container's cgroup SLICE:PREFIX:ID. An engine with the "
        "cgroupfs driver takes that for the name of a directory. Containers start, but lie beside the pod's slice, "
        "where the pod's limits do not hold; programs that read the colons fail.",
        remedy=(
            (
                "containerd: SystemdCgroup = true below the runtime's options in /etc/containerd/config.toml "
                "(config version 3: plugins.'io.containerd.cri.v1.runtime'); CRI-O: cgroup_manager = \"systemd\"."
            ),
            "systemctl restart containerd kubelet; drain the node first: pods are made again.",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#cgroup-drivers",
        tell="containerd config dump | grep -i SystemdCgroup; grep cgroupDriver /var/lib/kubelet/config.yaml",
        rank=68,
    ),
    Entry(
        code="kubepods-named-by-systemd",
        title="a program looks for the pods' cgroups under the names of the other driver",
        patterns=(
            (
                r"^(?![^\n]*(?:mkdir|kubelet|OCI runtime|\brunc\b|inotify))[^\n]*?"
                rf"(?P<path>/sys/fs/cgroup/(?:[\w,]+/)?kubepods(?:/(?:besteffort|burstable))?)['\"]?: {ENOENT}"
            ),
        ),
        verdict="{path} is not there: on this node the pods' cgroups have other names",
        cause="With the cgroupfs driver they are kubepods/besteffort, with the systemd driver "
        "kubepods.slice/kubepods-besteffort.slice. In kind, k3d and other nodes that are containers they are below "
        "the node's own cgroup (kubelet.slice, docker/ID). The program knows only one way.",
        remedy=(
            "Upgrade the program, or tell it the directory: ls -d /sys/fs/cgroup/kubepods* /sys/fs/cgroup/*/kubepods*.",
            "In a container it needs the host's /sys/fs/cgroup, not its own.",
        ),
        reference="https://github.com/yandex/perforator/issues/24",
        tell="find /sys/fs/cgroup -maxdepth 3 -name 'kubepods*' on the node",
        rank=45,
    ),
    Entry(
        code="systemd-of-host-not-reached",
        title="systemctl in a container does not reach the host's systemd",
        patterns=(r"Failed to connect to bus: No data available",),
        verdict="systemctl finds the host's socket, and cannot speak through it from another PID namespace",
        cause="The host's /run/systemd or bus is mounted into the container, but the container has PIDs of its own, "
        "and systemd does not know the caller.",
        remedy=(
            "Kubernetes: hostPID: true; docker: --pid=host.",
            "Run the host's own program: nsenter -t 1 -m -p -- systemctl ..., or chroot /host systemctl ...",
        ),
        reference="https://github.com/litmuschaos/litmus-go/issues/797",
        rank=50,
    ),
    Entry(
        code="nvidia-hook-other-driver",
        title="NVIDIA's hook looks for the cgroup of another driver",
        patterns=(
            (
                r"nvidia-container-cli[\w.]*: [^\n]*?(?P<path>/sys/fs/cgroup/devices/[^\s:]*kubepods[^\s:/]*\.slice)"
                rf"/devices\.(?:allow|deny): {ENOENT}"
            ),
        ),
        verdict="NVIDIA's hook looks for {path}, which does not exist: its runtime uses the cgroupfs driver, the "
        "kubelet systemd",
        cause="The kubelet gives a path of systemd (slice:prefix:name). Without SystemdCgroup the runtime takes all of "
        "it for the name of a directory, and the hook reads that name only up to the colon.",
        remedy=(
            "containerd: SystemdCgroup = true in [plugins...containerd.runtimes.nvidia.options]; then restart it.",
            "nvidia-ctk runtime configure --runtime=containerd writes that section from runc's own.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-runtime/issues/127",
        tell="grep -A8 'runtimes.nvidia' /etc/containerd/config.toml; grep cgroupDriver /var/lib/kubelet/config.yaml",
        rank=30,
    ),
    Entry(
        code="namespace-of-process-missing",
        title="a process, or a kind of namespace, does not exist",
        patterns=(rf"cannot open (?P<path>\S*/(?P<number>\d+)/ns/(?P<name>pid|user|net|mnt|ipc|uts|time)): {ENOENT}",),
        verdict="{path} is not there: process {number} has ended, or the kernel has no namespaces of the kind {name}",
        cause="The number is that of the host, and changes with every start of the container. Linux before 3.8 has no "
        "files for pid, mnt and user, before 5.6 none for time.",
        remedy=(
            "docker inspect -f '{{{{.State.Pid}}}}' NAME (podman too; crictl inspect): 0 means that it does not run.",
            "In a container: the host's /proc must be mounted, or hostPID: true (--pid=host).",
            "docker exec, podman exec, kubectl exec need no nsenter.",
        ),
        reference="namespaces(7)",
        tell="uname -r; ls /proc/self/ns; ls -d /proc/{number}",
        rank=40,
    ),
    Entry(
        code="virt-host-validate-controller",
        title="virt-host-validate misses a controller",
        patterns=(r"Checking for cgroup '(?P<controller>\w+)' controller support\s*: (?:WARN|FAIL)[^\n]*",),
        verdict="a notice: virt-host-validate does not find the controller {controller}, which cgroup2 may do without",
        cause="cgroup2 has no controllers devices, freezer and cpuacct: BPF programs, cgroup.freeze and cpu do their "
        "work, and older versions of libvirt do not know that. memory, cpu, cpuset and pids exist on both.",
        remedy=(
            "devices, freezer, cpuacct on cgroup2: nothing is to be done.",
            "Others: cat /proc/cgroups (0 in the last column: switched off) and /sys/fs/cgroup/cgroup.controllers.",
        ),
        reference="https://github.com/kubevirt/kubevirt/issues/9458",
        rank=86,
    ),
    Entry(
        code="rke2-profile-not-prepared",
        title="RKE2's CIS profile finds the host unprepared",
        patterns=(
            r"missing required user: unknow\w* user etcd",
            r"invalid kernel parameter value [\w.]+=\S+ - expected \S+",
        ),
        verdict="RKE2 does not start: the CIS profile asks for a user etcd and for kernel parameters that are not set",
        cause="profile: cis in its configuration makes RKE2 check the host, and refuse it.",
        remedy=(
            (
                "cp /usr/local/share/rke2/rke2-cis-sysctl.conf /etc/sysctl.d/60-rke2-cis.conf (rpm: /usr/share/rke2); "
                "systemctl restart systemd-sysctl"
            ),
            "useradd -r -c 'etcd user' -s /sbin/nologin -M etcd -U",
        ),
        reference="https://docs.rke2.io/security/hardening_guide",
        tell="sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops; id etcd",
        ours=False,
        rank=40,
    ),
)
