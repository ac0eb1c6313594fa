"""Faults of single versions of a program, which another version does not have."""

from __future__ import annotations

from shim.diagnose.checks import layout
from shim.diagnose.entry import EACCES, EBUSY, ENODEV, ENOENT, EPERM, EROFS, Entry

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
        title="the kubelet does not start without the pids controller",
        patterns=(r"Failed to find subsystem mount for required subsystem: pids",),
        verdict="the kubelet needs the pids controller, which this kernel does not have, or which is not mounted",
        cause="A kernel without CONFIG_CGROUP_PIDS (boards, Linux before 4.3). Kubelets from 1.14 on limit pids by "
        "default.",
        remedy=(
            "Use a kernel with CONFIG_CGROUP_PIDS=y: zgrep CGROUP_PIDS /proc/config.gz",
            "If the kernel has it: mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o pids cgroup /sys/fs/cgroup/pids",
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
        cause="The program runs as root, so only an outer container (docker, Kubernetes) that withholds CAP_SYS_ADMIN, "
        "or a seccomp filter, can refuse this.",
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
    Entry(
        code="lxc-cpumask-of-offline-cpus",
        title="liblxc of August 2021 stumbles over offline CPUs",
        patterns=(r"Failed to create cpumask for offline cpus",),
        verdict="this liblxc cannot make a cpuset on a v1 host with offline CPUs",
        cause="A change of August 2021 (LXD 4.17) computed the mask of offline CPUs wrongly. It was corrected soon.",
        remedy=("Upgrade LXC or LXD: snap refresh lxd.", "Until then: snap revert lxd, or boot with cgroup2."),
        reference="https://github.com/canonical/lxd/issues/9114",
        tell="cat /sys/devices/system/cpu/offline",
        rank=45,
    ),
    Entry(
        code="kata-cpuset-in-guest",
        title="Kata applies the host's cpuset inside its virtual machine",
        patterns=(r"Could not run process: [^\n]*failed to write (?P<value>\S+) to cpuset\.cpus[^\n]*",),
        verdict="CPU {value} does not exist in Kata's virtual machine, where the cpuset is applied",
        cause="The virtual machine starts with few CPUs (one by default), numbered from 0. An old Kata hands the "
        "host's --cpuset-cpus to its agent as it stands.",
        remedy=(
            "Upgrade Kata, which leaves the cpuset to the host.",
            "Until then start without --cpuset-cpus, or with more CPUs: default_vcpus in configuration.toml.",
        ),
        reference="https://github.com/kata-containers/runtime/issues/1093",
        rank=44,
    ),
    Entry(
        code="old-engine-on-cgroup2",
        title="containerd of an old Docker finds no v1 controllers",
        patterns=(r"unable to find \\?\"(?P<controller>(?!systemd)\w+)\\?\" in controller set",),
        verdict="this Docker (18.09 or its time) looks for the {controller} controller among v1 hierarchies, and there "
        "is none",
        cause="The host has cgroup2 alone, as distributions have since 2021, and this version knows only v1. Or the "
        "kernel was built without the controller (cpuacct: kernels with another scheduler); containerd before 1.2.5 "
        "needs it.",
        remedy=(
            "Upgrade docker to 20.10 or later (containerd 1.4).",
            "Or boot with v1: systemd.unified_cgroup_hierarchy=0 (systemd before 258).",
        ),
        reference="https://github.com/docker/desktop-linux/issues/212",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs? docker version",
        confirm=layout.not_mounted,
        layout="v1",
    ),
    Entry(
        code="mount-through-link-of-image",
        title="an old Docker mounts onto a path that is a link in the image",
        patterns=(
            rf"setup mount namespace mounting (?P<source>\S+) into (?P<destination>\S+/var/run/\S+) (?:{ENOENT})",
        ),
        verdict="this Docker (before 1.0) cannot mount onto {destination}: /var/run is a link in the image",
        cause="The link leads to /run, and this version follows it on the host's side.",
        remedy=("Mount onto /run/... in place of /var/run/..., or onto another path.", "Upgrade docker."),
        reference="https://github.com/boot2docker/boot2docker/issues/334",
        rank=45,
    ),
    Entry(
        code="gvisor-searches-as-user",
        title="gVisor looks for a mount's destination with the user's rights",
        patterns=(rf"can't find mount destination \"(?P<destination>[^\"\n]+)\": {EACCES}",),
        verdict="gVisor may not look for {destination} in the image: it does so as the container's user",
        cause="runsc of 2019 searches the destination with the rights of the user of -u, who may not enter a directory "
        "on the way (/root).",
        remedy=("Upgrade runsc.", "Until then mount elsewhere, or start without -u."),
        reference="https://github.com/google/gvisor/issues/720",
        rank=45,
    ),
    Entry(
        code="systemd-hook-obsolete",
        title="the hook oci-systemd-hook fails",
        patterns=(
            r"error executing hook `?\S*oci-systemd-hook`?[^\n]*",
            r"docker-current[^\n]*running prestart hook \d+ caused[^\n]*exit status 1, stdout: , stderr: [\\\" ]*\.?$",
            r"oci-systemd-hook[^\n]*(?:exit status|exit code)[^\n]*",
        ),
        verdict="oci-systemd-hook fails: it prepares cgroups for systemd in a container, as v1 and the systemd driver "
        "have them",
        cause="It knows neither cgroup2 nor the cgroupfs driver. podman does its work by itself (--systemd).",
        remedy=(
            "podman: dnf remove oci-systemd-hook.",
            (
                'docker of RHEL and CentOS 7: "native.cgroupdriver=systemd" again (--exec-opt), or yum remove '
                "oci-systemd-hook."
            ),
        ),
        reference="https://github.com/containers/podman/issues/6185",
        tell="ls /usr/libexec/oci/hooks.d /usr/share/containers/oci/hooks.d",
        rank=35,
    ),
    Entry(
        code="docker-runc-renamed",
        title="an older engine calls runc by its old name",
        patterns=(r"exec: \\*\"docker-runc\\*\": executable file not found",),
        verdict="the engine calls docker-runc, which newer packages name runc",
        cause="Parts of two versions of Docker meet: docker-runc was renamed in 18.09.",
        remedy=(
            "Upgrade or go back with docker, containerd and runc together (a snap: snap revert).",
            "Until then: ln -s $(command -v runc) /usr/bin/docker-runc, where the engine runs.",
        ),
        reference="https://github.com/canonical/microk8s/issues/430",
        rank=14,
    ),
    Entry(
        code="runc-older-than-specification",
        title="an old runc asks for a field that the specification no longer has",
        patterns=(r"target os +mismatch with current os",),
        verdict="this runc (1.0-rc2, rc3) asks for the platform in config.json, which the engine no longer writes",
        cause="The field platform left the specification before 1.0.",
        remedy=("Upgrade runc to the version that the engine was tested with: runc --version.",),
        reference="https://github.com/cri-o/cri-o/issues/723",
        rank=40,
    ),
    Entry(
        code="runtime-gave-no-status",
        title="the runtime ended without telling containerd its status",
        patterns=(r"no status provided on response",),
        verdict="runc or its shim ended without an answer, as when its package does not fit containerd",
        cause="Debian's runc 1.0.0~rc10+dfsg1 had this fault.",
        remedy=("Upgrade runc, containerd and docker together, or go back to the versions before.",),
        reference="https://github.com/telekom-security/tpotce/issues/611",
        tell="runc --version; dpkg -l runc containerd docker.io",
        rank=55,
    ),
)
