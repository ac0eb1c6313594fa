"""Programs in a container that cannot use a device: it is not there, not allowed, or belongs to another group."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENODEV, ENOENT, EPERM, Entry, writing

DOCKER = "https://docs.docker.com/reference/cli/docker/container/run/#device"
# Runtimes and engines make devices and terminals themselves, and say so in words of their own.
PROGRAM = (
    r"^(?![^\n]*(?:OCI runtime|\brunc\b|\bcrun\b|container (?:create|init)|creating device|mounting|bind mount|fuse"
    r"|kubelet|nvidia-container-cli|slirp|pasta|Kata|qemu-system|daemon:))[^\n]*?"
)
NODE = (
    r"(?P<path>/dev/(?!null|zero|full|u?random|pts|ptmx|console|tty\b|std|fd\b|shm|mqueue|kmsg|fuse|log\b|termination"
    r"|disk/by|mapper/docker|cpuset)[\w./-]*\w)"
)
QUOTE = r"['\"`]?"
# FFmpeg does not say why it cannot use the device.
NO_DISPLAY = r"No VA display found for device (?P<path>/dev/[\w/-]+)"


def using(error: str) -> tuple[str, ...]:
    """Return patterns for a program's words that a device cannot be opened: errno behind it (C, Go) or before it
    (Python, Node.js).
    """
    behind = rf"{NODE}{QUOTE}(?: (?:for (?:reading|writing)|read-write))?\)?:?\*? ?\(?(?:open: |\d+, )?{error}"
    before = rf"(?:\[Errno \d+\] |E[A-Z]+: ){error}[^\n/]{{0,40}}['\"`]{NODE}['\"`]"
    first = rf"{error}, cannot open {NODE}"
    traced = rf"{NODE}['\"], [^\n]{{0,40}} = -1 E[A-Z]+ \({error}"  # as strace shows it
    return PROGRAM + behind, PROGRAM + before, PROGRAM + first, PROGRAM + traced


ENTRIES = (
    Entry(
        code="device-refused-by-filter",
        title="a program may not open a device: the container's device rules forbid it",
        patterns=using(EPERM),
        verdict="the device rules of the container do not allow {path}, although it is there (EPERM)",
        cause="A container may use only the devices that were given to it: by the devices cgroup on v1, by a BPF "
        "filter on cgroup2. A device that came in by a volume (-v /dev/..., a hostPath) is there and is refused. So "
        "is one that was plugged in later, or whose rule was lost by systemctl daemon-reload or an update of the "
        "container (static CPU policy, a disk added to a KubeVirt machine before 1.2).",
        remedy=(
            "docker, podman: --device {path} (compose: devices:); all of a kind: --device-cgroup-rule 'c 188:* rmw'.",
            "Kubernetes: a device plugin for {path}, or privileged: true; a hostPath alone gives no right to use it.",
            "Was it allowed before? Start the container again; upgrade runc (1.1.4 on), KubeVirt, NVIDIA's toolkit.",
        ),
        reference=DOCKER,
        tell="ls -l {path} in the container gives its numbers; v1: cat /sys/fs/cgroup/devices/devices.list there; does "
        "it work with --privileged?",
        rank=56,
    ),
    Entry(
        code="device-belongs-to-other-group",
        title="a program may not open a device: its file permissions forbid it",
        patterns=using(EACCES),
        ambiguous=(NO_DISPLAY,),
        offer=2,
        verdict="the user of the program may not open {path}: it belongs to another user or group (EACCES)",
        cause="The device keeps owner, group and mode of the host, where its group (video, render, dialout, kvm) has "
        "a number that the image does not know. Rootless, root in the container is an ordinary user on the host. "
        "SELinux refuses with the same errno.",
        remedy=(
            "docker: --group-add $(stat -c %g {path}); compose: group_add; Kubernetes: supplementalGroups.",
            "podman rootless: --group-add keep-groups (with crun), and be in the group on the host.",
            "SELinux: setsebool -P container_use_devices on.",
        ),
        reference="https://docs.podman.io/en/latest/markdown/podman-run.1.html#group-add-group-keep-groups",
        tell="ls -ln {path} on the host and in the container; id in the container; ausearch -m avc -ts recent",
        rank=57,
    ),
    Entry(
        code="device-not-in-container",
        title="a program does not find a device",
        patterns=using(rf"(?:{ENOENT}|{ENODEV})"),
        ambiguous=(NO_DISPLAY,),
        offer=1,
        verdict="{path} is not in the container, or its driver is not loaded on the host",
        cause="Devices come from the host: the driver must be loaded there, and the device be given to the container. "
        "/dev/kvm is missing in virtual machines without nested virtualization, /dev/net/tun until the module tun is "
        "loaded.",
        remedy=(
            "On the host: ls -l {path}; modprobe the driver (kvm_intel, kvm_amd, tun, loop, nvidia).",
            "docker, podman: --device {path}; Kubernetes: its device plugin; LXC, Proxmox: a dev entry.",
        ),
        reference=DOCKER,
        tell="ls -l {path} on the host: is it there?",
        rank=58,
    ),
    Entry(
        code="loop-device-refused",
        title="a program in a container gets no loop device",
        patterns=(
            r"failed to set ?up loop device",
            r"cannot find an unused loop device[^\n]*",
            r"losetup: [^\n]*(?:[Oo]peration not permitted|[Pp]ermission denied|[Nn]o such (?:device|file))[^\n]*",
            rf"/dev/loop[\w-]+{QUOTE}: (?:{EPERM}|{ENOENT})",
        ),
        verdict="the container may not use loop devices, or there is none left",
        cause="Loop devices belong to the whole host. A container sees only those that existed when it started, and "
        "may use none unless it is privileged; mounting what is on them needs CAP_SYS_ADMIN as well. Busy: the host "
        "uses the device that was given (every snap takes one).",
        remedy=(
            "docker run --privileged -v /dev:/dev; Kubernetes: privileged: true and a hostPath of /dev.",
            "On the host: losetup -f names a free one; modprobe loop max_loop=64; losetup -a shows what to detach.",
            "Without loop devices: mount the image on the host, or use guestfish, mtools, debugfs.",
        ),
        reference="https://github.com/moby/moby/issues/27886",
        tell="losetup -f on the host and in the container",
        rank=50,
    ),
    Entry(
        code="kvm-not-available",
        title="a virtual machine in a container or pod finds no KVM",
        patterns=(
            r"[Cc]ould not access KVM kernel module[^\n]*|failed to initialize kvm[^\n]*",
            r"Insufficient devices\.kubevirt\.io/kvm",
            rf"^(?![^\n]*[Kk]ata)[^\n]*?/dev/kvm{QUOTE}: (?:{ENOENT}|{EACCES}|{ENODEV})",
        ),
        verdict="QEMU finds no usable /dev/kvm: on the host, or in its container",
        cause="ENOENT: the host is a virtual machine without nested virtualization, virtualization is off in its "
        "firmware, the module is not loaded, or the device was not given to the container. EACCES: the program's user "
        "is not in the group kvm. Kata Containers, KubeVirt and QEMU in docker all need it.",
        remedy=(
            "Host: ls -l /dev/kvm; modprobe kvm_intel (kvm_amd); cloud: a machine type with nested virtualization.",
            "docker: --device /dev/kvm --group-add $(stat -c %g /dev/kvm); Kubernetes: KubeVirt's device plugin.",
            "Without KVM: KubeVirt useEmulation: true; qemu -accel tcg (slow). Kata needs it.",
        ),
        reference="https://kubevirt.io/user-guide/cluster_admin/software_emulation/",
        tell="ls -l /dev/kvm and grep -cE 'vmx|svm' /proc/cpuinfo on the host: 0 means no virtualization",
        rank=49,
    ),
    Entry(
        code="devices-have-children",
        title="the device rules of a cgroup with children cannot be rewritten",
        patterns=(
            writing(r"devices\.(?:allow|deny)", EINVAL),
            r"failed to write a \*:\* rwm to (?P<file>devices\.allow)$",
        ),
        verdict="{file} refuses a rule for all devices (EINVAL): the container has cgroups of its own below",
        cause="On v1, the rule for all devices can be written only while a cgroup has no children. docker in docker, "
        "systemd and kube-proxy before 1.16 create some, and runc before 1.0 writes all device rules at an update.",
        remedy=(
            "Upgrade runc to 1.0 or later: its update leaves the device rules alone.",
            "Or stop the inner containers first, or start the container again with the new limits.",
            (
                "At a start (podman start minikube): children are left from the last run: rmdir them below its devices "
                "cgroup, deepest first, or remove the container and make it again."
            ),
        ),
        reference="https://github.com/docker-library/docker/issues/285",
        rank=52,
        layout="v1",
    ),
)
