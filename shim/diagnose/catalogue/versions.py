"""Faults of single versions of a program, which another version does not have."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, ENODEV, ENOENT, EPERM, EROFS, Entry

ENTRIES = (
    Entry(
        code="crun-reads-removed-subgroup",
        title="crun 1.29 and 1.29.1 look for a sub-cgroup that the container has removed",
        patterns=(rf"crun: open `?(?P<path>/sys/fs/cgroup/[^`\n]*\.scope/container)/cgroup\.freeze`?: {ENOENT}",),
        verdict="crun 1.29 looks for {path}, which is not there",
        cause="crun 1.29 and 1.29.1 read the frozen state in the sub-cgroup named container inside the scope. Where "
        "the container has removed it (systemd inside, distrobox), its start or exec fails, although it is well. "
        "podman's words about a command that was not found mislead.",
        remedy=("crun 1.28, or one newer than 1.29.1.", 'Until then: runtime = "runc" in containers.conf.'),
        reference="https://github.com/containers/crun/issues/2193",
        tell="crun --version",
        rank=36,
    ),
    Entry(
        code="youki-adds-rule-twice",
        title="youki adds a rule of the seccomp profile twice",
        patterns=(r"(?:initialize seccomp|failed to add (?:seccomp action|rule))[^\n]*(?:EEXIST|File exists)",),
        verdict="youki adds two rules for one system call, and libseccomp refuses the second (EEXIST)",
        cause="youki before 0.6.1 makes a rule of each condition of a system call (socket in Docker's profile has "
        "several).",
        remedy=(
            "Upgrade youki to 0.6.1 or later.",
            "Until then another runtime, or no seccomp profile: --security-opt seccomp=unconfined.",
        ),
        reference="https://github.com/youki-dev/youki/issues/3479",
        tell="youki --version",
        rank=35,
    ),
    Entry(
        code="sysbox-needs-dmi",
        title="sysbox mounts over a directory of /sys that this host does not have",
        patterns=(rf"failed to mkdirall \S*/sys/devices/virtual/dmi/id: [^\n]*{EPERM}",),
        verdict="sysbox hides /sys/devices/virtual/dmi/id, which this host does not have, and nobody can make it",
        cause="Boards (Raspberry Pi and other ARM hosts) have no DMI, and sysfs takes no new directories. Sysbox 0.5.2 "
        "and earlier expect it.",
        remedy=("Upgrade sysbox to a release after 0.5.2.",),
        reference="https://github.com/nestybox/sysbox/issues/638",
        tell="ls /sys/devices/virtual/dmi; sysbox-runc --version",
        rank=35,
    ),
    Entry(
        code="kata-agent-sees-no-netns",
        title="Kata's agent refuses a sysctl of the network",
        patterns=(
            (
                r"rpc error: [^\n]*rpc error: code = Unknown desc = sysctl \"(?P<key>[^\"\n]+)\" is not allowed in the "
                r"hosts? network namespace"
            ),
        ),
        verdict="Kata's agent refuses {key}: inside the virtual machine the container has no network namespace of its "
        "own",
        cause="The pod's network namespace is outside, on the host. The agent's runc code sees none and takes the "
        "sysctl for one of the host. Later agents allow it.",
        remedy=(
            "Upgrade Kata Containers.",
            "Until then remove {key} from securityContext.sysctls of this pod, or run it with runc.",
        ),
        reference="https://github.com/kata-containers/agent/issues/138",
        rank=34,
    ),
    Entry(
        code="wasm-shim-makes-mount-point-on-host",
        title="a shim for WebAssembly makes a mount point on the host's own root",
        patterns=(rf"failed to create bind mount destination file ?: {EROFS}",),
        verdict="the shim makes the place of a bind mount on the host's root, which is read-only",
        cause="runwasi's shims of that time used the mount's destination as a path of the host. It shows on systems "
        "with a read-only root (Talos, Bottlerocket, Flatcar's /usr).",
        remedy=("Upgrade the shim (runwasi: wasmtime, wasmedge, spin).",),
        reference="https://github.com/containerd/runwasi/issues/325",
        rank=36,
    ),
    Entry(
        code="cgroup-mount-in-use",
        title="/sys/fs/cgroup cannot be unmounted, because it is in use",
        patterns=(rf"umount: (?P<path>/sys/fs/cgroup[^\s:]*): (?:target is busy|{EBUSY})[^\n]*",),
        verdict="a start script unmounts {path}, and something has files open there or a mount below it",
        cause="Engines in a container replace /sys/fs/cgroup by a mount of their own namespace. A process that reads "
        "it (an agent of the node, systemd), or a mount inside it, keeps it busy.",
        remedy=(
            "umount -l {path}; then mount -t cgroup2 cgroup2 /sys/fs/cgroup. envbox: 0.6.7, or one newer than 0.6.8.",
            "fuser -vm {path} names who uses it.",
        ),
        reference="https://github.com/coder/envbox/issues/179",
        rank=56,
    ),
    Entry(
        code="old-docker-races-systemd",
        title="systemd removes the scope of an old Docker while it is made",
        patterns=(rf"\[8\] System error: write /sys/fs/cgroup/\S+\.scope/cgroup\.procs: (?:{ENOENT}|{ENODEV})",),
        verdict="systemd removed the container's scope before this Docker (1.9 or older) could enter it",
        cause="The scope is empty for a moment while the container starts, and systemd removes an empty one. Later "
        "versions give systemd the process along with the request.",
        remedy=(
            "Upgrade Docker to 1.10 or later.",
            "Until then: docker daemon --exec-opt native.cgroupdriver=cgroupfs; or start the container again.",
        ),
        reference="https://github.com/moby/moby/issues/17653",
        rank=36,
    ),
    Entry(
        code="kubelet-needs-pids-controller",
        title="a kubelet of its time does not start without the pids controller",
        patterns=(r"Failed to find subsystem mount for required subsystem: pids",),
        verdict="the kubelet needs the pids controller, which this kernel does not have, or which is not mounted",
        cause="A kernel without CONFIG_CGROUP_PIDS (boards, Linux before 4.3). Kubelets from 1.14 on limit pids by "
        "default.",
        remedy=(
            "Use a kernel with CONFIG_CGROUP_PIDS=y: zgrep CGROUP_PIDS /proc/config.gz",
            "The kernel has it: mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o pids cgroup /sys/fs/cgroup/pids",
            "A kubelet before 1.20: --feature-gates=SupportPodPidsLimit=false,SupportNodePidsLimit=false",
        ),
        reference="https://github.com/archlinuxarm/PKGBUILDs/pull/1773",
        tell="grep pids /proc/cgroups",
        rank=49,
    ),
    Entry(
        code="apptainer-in-container",
        title="Apptainer or Singularity runs in a container that forbids mount namespaces",
        patterns=(rf"Failed to unshare root file system: {EPERM}",),
        verdict="Apptainer's setuid program may not make a mount namespace: it runs in a container without the right",
        cause="The program runs as root, so only an outer container (docker, Kubernetes) that keeps CAP_SYS_ADMIN, or "
        "a seccomp filter, can refuse this.",
        remedy=(
            "docker run --privileged; Kubernetes: securityContext.privileged: true.",
            (
                "Or without setuid (apptainer): --security-opt seccomp=unconfined --security-opt "
                "systempaths=unconfined --device /dev/fuse"
            ),
        ),
        reference="https://github.com/NeuroDesk/vnm/issues/3",
        rank=29,
    ),
)
