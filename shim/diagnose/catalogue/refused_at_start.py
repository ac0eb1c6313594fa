"""Refusals at a start whose words name the place, and whose cause is elsewhere."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ELOOP, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="engine-knows-no-such-runtime",
        title="dockerd knows no runtime of this name",
        patterns=(
            r"[Uu]nknown (?:or invalid )?runtime (?:specified|name):? (?P<program>[\w/-]+(?:\.(?!See)[\w/-]+)*)",
        ),
        verdict="dockerd knows no runtime named {program}",
        cause="Its /etc/docker/daemon.json has no such entry under runtimes, or dockerd was not restarted since. A "
        "dockerd from a snap, a rootless one and Docker Desktop read files of their own.",
        remedy=(
            (
                "NVIDIA: install nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker && "
                "systemctl restart docker. A snap: snap refresh docker; snap restart docker"
            ),
            "gVisor: runsc install && systemctl restart docker. cgshim: cgshimctl engine install docker",
            "Others: an entry under runtimes in daemon.json, then systemctl restart docker.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/838",
        tell="docker info --format '{{{{json .Runtimes}}}}'; docker context show",
        rank=15,
    ),
    Entry(
        code="nvidia-device-rules-refused",
        title="NVIDIA's hook may not change the container's device rules",
        patterns=(
            r"nvidia-container-cli:\s+mount\s+error:\s+failed\s+to\s+add\s+device\s+rules:\s+write\s+\S*devices\.allow",
            r"nvidia-container-cli: mount error: failed to add device rules\.\.\.",
        ),
        verdict="NVIDIA's hook may not add its devices to the container's device cgroup",
        cause="It writes devices.allow (v1) or loads a filter (cgroup2), which needs root of the host. In LXC, LXD and "
        "rootless the engine does not have that right.",
        remedy=(
            (
                "no-cgroups = true under [nvidia-container-cli] in /etc/nvidia-container-runtime/config.toml; the "
                "outer container must have the devices."
            ),
            "Or CDI: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; --device nvidia.com/gpu=all",
            "Or a privileged outer container.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1546",
        rank=35,
    ),
    Entry(
        code="rootless-systemd-needs-cgroup2",
        title="runc takes itself for rootless, and systemd's manager then needs cgroup2",
        patterns=(r"cgroup v2 not enabled on this host, can't use systemd \(rootless\) as cgroups manager",),
        verdict="runc takes itself for rootless; as such it uses systemd only on cgroup2, and this host has v1",
        cause="A user's systemd has no v1 cgroups to give. runc 1.0-rc93 and its time take root inside a user "
        "namespace (LXC, ChromeOS) for rootless, too.",
        remedy=(
            'cgroup_manager = "cgroupfs" in containers.conf (podman --cgroup-manager cgroupfs).',
            "Root in LXC or ChromeOS: upgrade runc to 1.0 or later, or use crun.",
            "A user: boot the host with cgroup2.",
        ),
        reference="https://github.com/containers/podman/issues/8881",
        rank=40,
    ),
    Entry(
        code="dev-null-denied",
        title="the container's device rules do not allow /dev/null",
        patterns=(rf"reopening /dev/null inside container[^\n]*open /dev/null: {EPERM}",),
        verdict="the container may not open its own /dev/null: the device rules of its cgroup deny it",
        cause="EPERM at opening comes from the device filter. config.json has no linux.resources, and an old runc then "
        "adds no rules on cgroup2; or it denies all and allows nothing; or an outer container does.",
        remedy=(
            "linux.resources.devices in config.json: deny all, and allow c 1:3, 1:5, 1:7, 1:8, 1:9, 5:0, 5:2, 136:*.",
            "Or upgrade runc, which adds these rules by itself.",
        ),
        reference="https://github.com/opencontainers/runc/pull/2318",
        rank=44,
    ),
    Entry(
        code="library-refused-to-runtime",
        title="a security module does not let the runtime open its libraries",
        patterns=(
            (
                rf"(?P<program>[\w./-]+): error while loading shared libraries: (?P<file>[^\s:]+): cannot open shared "
                rf"object file: (?:{EPERM}|{EACCES})"
            ),
        ),
        verdict="{program} may not open {file}: the library is there, and something forbids it",
        cause="EPERM: fapolicyd (profiles STIG and OSPP of RHEL) does not trust runc's copy of itself in memory. "
        "EACCES: SELinux, AppArmor, or a directory that is closed.",
        remedy=(
            (
                "EPERM: systemctl stop fapolicyd shows whether it is that; then a rule: allow perm=open exe=/ : "
                "dir=/usr/lib64"
            ),
            "EACCES: ausearch -m avc -ts recent; restorecon -Rv /usr/lib64 /usr/bin",
        ),
        reference="https://github.com/containers/podman/issues/8087",
        tell="ausearch -m fanotify -ts recent; fapolicyd --debug-deny",
        rank=14,
    ),
    Entry(
        code="sysbox-too-many-layers",
        title="sysbox cannot mount an image with very many layers",
        patterns=(rf"ReqCloneRootfs[^\n]*failed to mount overlayfs on [^\n]*: {ENOENT}",),
        verdict="sysbox cannot mount the image: its layers do not fit into the mount's options",
        cause="The names of the layers take more than a page (4096 bytes); the rest is cut off. This begins at "
        "some 70 layers.",
        remedy=(
            "An image with fewer layers: docker build --squash, or fewer RUN and COPY.",
            "A newer sysbox with Linux 5.19 or later, which needs no clone.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/634",
        tell="docker history IMAGE | wc -l",
        rank=29,
    ),
    Entry(
        code="sysbox-pod-namespaces-outside",
        title="a pod's namespaces are outside of sysbox's user namespace",
        patterns=(
            (
                rf"process_linux\.go:608: [^\n]*(?:write sysctl key \S+: write [^\n]*: {EACCES}"
                rf"|mounting \\*\"sysfs\\*\" to rootfs \\*\"(?!/var/lib/sysbox)[^\n]*: {EPERM})"
            ),
        ),
        beside=r"container_linux\.go:439: |k8s\.io",
        verdict="sysbox may not set up the pod's network or /sys: they belong to the host's user namespace",
        cause="containerd made the pod's network namespace without a user namespace, and sysbox makes one afterwards. "
        "Its root has no rights over what was made before.",
        remedy=(
            "The pod: hostUsers: false (Kubernetes 1.33 or later, containerd 2.0 or later).",
            'Or CRI-O with the annotation io.kubernetes.cri-o.userns-mode: "auto:size=65536".',
        ),
        reference="https://github.com/nestybox/sysbox/issues/1035",
        tell="kubectl get pod NAME -o yaml | grep -E 'hostUsers|userns-mode'",
        rank=41,
    ),
    Entry(
        code="host-terminals-covered-by-crun",
        title="crun 1.29 has put a container's /dev/pts over the host's",
        patterns=(r"unable to allocate pty: No such device",),
        verdict="the host has no terminals to give: /dev/pts is covered by another mount",
        cause="crun 1.29.0 and 1.29.1 mount the /dev/pts of a rootful distrobox (or another container that has the "
        "host's "
        "/dev) where the host's is. Outside of containers it is a /dev/pts that was never mounted (a chroot).",
        remedy=(
            "umount /dev/pts as root (su from a console, or ssh without a terminal: ssh -T), or reboot.",
            "crun 1.28, or one after 1.29.1; until then no distrobox --root.",
            "A chroot: mount -t devpts devpts /dev/pts",
        ),
        reference="https://github.com/containers/crun/issues/2197",
        tell="grep ' /dev/pts ' /proc/self/mountinfo: two lines? crun --version",
        rank=30,
    ),
    Entry(
        code="mount-through-link-refused",
        title="the kernel refuses mounts whose path goes through a symbolic link",
        patterns=(
            rf"(?:crun: |\bmount )[`\"]?[\w./-]+[`\"]? to [`\"]?/[^`\"\n]*[`\"]?: {ELOOP}",
            rf"\bmounting \\*\"?(?:proc|sysfs|devpts|mqueue|cgroup2?)\\*\"? to [^\n]*{ELOOP}",
        ),
        verdict="the kernel refuses the mount because a symbolic link is on its path (ELOOP)",
        cause="crun and runc mount by way of /proc/self/fd. Kernels of ChromeOS forbid symbolic links in the paths of "
        "mounts "
        "(CONFIG_SECURITY_CHROMIUMOS_NO_SYMLINK_MOUNT), also in a virtual machine with such a kernel.",
        remedy=(
            "Use a kernel without this option: in Crostini its own container, elsewhere a kernel of the distribution.",
            "Or build the kernel with CONFIG_SECURITY_CHROMIUMOS_NO_SYMLINK_MOUNT=n.",
        ),
        reference="https://github.com/containers/crun/issues/1121",
        tell="zgrep NO_SYMLINK_MOUNT /proc/config.gz; dmesg | grep -i 'symlinks prohibited'",
        rank=30,
    ),
)
