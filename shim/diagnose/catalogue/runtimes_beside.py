"""What gVisor, Apptainer, LXD and rootless engines on v1 say of platforms, images and limits of their own."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, V1_NAMES, Entry

ENTRIES = (
    Entry(
        code="gvisor-platform-not-usable",
        title="gVisor does not know or cannot use the platform that it is told",
        patterns=(
            r"unknown platform: (?P<name>\w+)",
            r"gvisor[^\s]*/pkg/sentry/platform/(?P<name3>kvm|ptrace|systrap)\.",
            r"platform (?P<name2>kvm|ptrace|systrap) (?:is )?(?:not (?:supported|available)|unavailable)[^\n]*",
            r"(?:creating|initializing) platform[^\n]*: [^\n]+|KVM_RUN[^\n]*failed[^\n]*",
        ),
        verdict="runsc cannot use the platform {name}",
        cause="This build of runsc does not have it (built without it, for arm64, or an old one: systrap is "
        "there since 2023), or KVM is not there: no virtualisation in the firmware or the virtual machine, "
        "/dev/kvm closed to the sandbox's user, another hypervisor.",
        remedy=(
            (
                "Leave --platform out (systrap), or --platform=ptrace in runtimeArgs of daemon.json (runsc.toml: "
                "platform = "
                '"systrap").'
            ),
            (
                "An official build of runsc (gvisor.dev), for this machine's processor; the same version of runsc and "
                "containerd-shim-runsc-v1."
            ),
            "KVM: ls -l /dev/kvm; kvm-ok; nested virtualisation in the cloud; chmod or group kvm.",
        ),
        reference="https://gvisor.dev/docs/user_guide/platforms/",
        rank=30,
    ),
    Entry(
        code="lxd-limit-not-set",
        title="LXD or Incus cannot set a limit of a running container",
        patterns=(
            r"Failed to set cgroup (?P<file>[\w.]+)=\"?[^\":\n]*\"?[^\n]*",
            r"setting cgroup item for the container failed",
            (
                r"Cannot live update limits[^\n]*|[Ff]ailed (?:to set|setting) (?:cgroup|cpuset|memory|process(?:es)?) "
                r"(?:limits?|quota)[^\n]*"
            ),
        ),
        verdict="the kernel did not take the container's new limit",
        cause="A memory limit below what the container uses (and cannot be reclaimed) is refused with EBUSY on "
        "v1; with swap, memory.memsw must be changed in the right order. Or the controller is missing on this "
        "host, CPUs of limits.cpu do not exist, or LXD is itself in a container.",
        remedy=(
            (
                "lxc info NAME (incus info NAME) shows the memory in use: end or restart what holds it, then set "
                "the limit; or set it and restart the container."
            ),
            "limits.memory.enforce=soft, or limits.memory.swap=false.",
            (
                "Read it back: lxc config get NAME limits.memory; on the host: cat the cgroup's "
                "memory.limit_in_bytes or memory.max (after a failed change the limit may be gone)."
            ),
        ),
        reference="https://github.com/canonical/lxd/issues/3017",
        tell="lxc info NAME | grep -i memory; cat memory.usage_in_bytes or memory.current of lxc.payload.NAME",
        rank=52,
    ),
    Entry(
        code="v1-hierarchy-not-mountable-rootless",
        title="a rootless container cannot have the v1 hierarchies of the host",
        ambiguous=(
            (
                rf"mounting \\*\"cgroup\\*\" to rootfs[^\n]*mount (?:/proc/self/fd/\d+|cgroup|/sys\S*):/sys/fs/cgroup/"
                rf"(?P<controller>(?:[a-z_]+,)?{V1_NAMES})\b[^\n]*{EPERM}"
            ),
        ),
        verdict="the v1 hierarchy {controller} cannot be mounted into a container with a user namespace (EPERM)",
        cause="runc binds each v1 hierarchy of the host, read-only, into the container. A rootless user, or an engine "
        "inside an unprivileged container, may not change the flags of these mounts.",
        remedy=(
            (
                "Boot with cgroup2: systemd.unified_cgroup_hierarchy=1; Void: CGROUP_MODE=unified, OpenRC: "
                "rc_cgroup_mode=unified in /etc/rc.conf."
            ),
            "Or crun instead of runc (podman --runtime crun; runtime in containers.conf); or as root.",
        ),
        reference="https://github.com/void-linux/void-packages/issues/36136",
        tell="stat -fc %T /sys/fs/cgroup: tmpfs is v1; id -u: not 0, or inside a container?",
        offer=1,
        first_for=r"/sys/fs/cgroup/",
        layout="v1",
    ),
    Entry(
        code="build-needs-mount-namespace",
        title="buildah's chroot isolation may not make a mount namespace",
        patterns=(rf"creating new mount namespace for [^\n]*: (?:{EPERM}|{EACCES})",),
        verdict="buildah may not make the mount namespace that even --isolation chroot needs",
        cause="It needs CAP_SYS_ADMIN, or a user namespace of its own. The outer container (Docker, Kubernetes, "
        "a CI runner) gives root neither: its seccomp filter refuses unshare and mount.",
        remedy=(
            (
                "docker, podman outside: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
                "--device /dev/fuse, and run as user build of quay.io/buildah/stable; or --privileged."
            ),
            (
                "GitLab: privileged = true in the runner's config.toml. Kubernetes: seccompProfile Unconfined, "
                "runAsUser 1000 (SETUID and SETGID allowed), or privileged: true."
            ),
        ),
        reference="https://github.com/containers/buildah/blob/main/docs/tutorials/05-openshift-rootless-build.md",
        rank=40,
    ),
    Entry(
        code="gvisor-ended-without-words",
        title="the engine says only that runsc ended",
        patterns=(r"runsc did not terminate suc+essfully(?!: (?!exit status)[a-z])[^\n]*",),
        verdict="runsc ended before it could say why; its debug log has the reason",
        cause="The kernel is older than gVisor needs (4.14.77; at the time of this wording 3.17 did): "
        "memfd_create or a seccomp flag is missing. On ARM a kernel with 39-bit addresses. Or the file in "
        "daemon.json is not executable, is for another processor, or is noexec.",
        remedy=(
            "uname -r; runsc --version; runsc --rootless --network=none do true in a terminal shows its own words.",
            (
                'daemon.json: "runtimeArgs": ["--debug", "--debug-log=/tmp/runsc/"]; the newest file there ends with '
                "the reason."
            ),
            "A newer kernel, and runsc and containerd-shim-runsc-v1 of one release.",
        ),
        reference="https://gvisor.dev/docs/user_guide/debugging/",
        rank=48,
    ),
    Entry(
        code="kata-image-not-usable",
        title="Kata's hypervisor cannot use the guest's image or its memory as a file",
        patterns=(r"can.t open backing store\s+(?P<path>\S+)\s+for\s+guest\s+RAM: (?P<errno>[^\n:]+)",),
        verdict="the hypervisor cannot open {path} as the guest's memory: {errno}",
        cause="Kata maps the guest's image as nvdimm memory, writable: on a read-only file system (a snap, an "
        "image-based system) that fails. Memory in /dev/shm or huge pages: there is too little of it, or "
        "the pod's limit is smaller than the virtual machine.",
        remedy=(
            (
                "disable_image_nvdimm = true in configuration.toml (virtio-blk then), or the image on a writable "
                "file system; Kata of kata-deploy in place of the snap."
            ),
            "Memory: df -h /dev/shm; free -m; default_memory, enable_hugepages in configuration.toml.",
        ),
        reference="https://github.com/kata-containers/kata-containers/blob/main/src/runtime/config/configuration-qemu.toml.in",
        rank=30,
    ),
    Entry(
        code="kata-hypervisor-silent",
        title="Kata waits for its hypervisor, which does not answer",
        patterns=(r"QMP not ready yet: [^\n]*|qmp handshake failed[^\n]*", r"Unable to launch qemu: [^\n]*"),
        verdict="qemu was started for the sandbox and ended, or hangs, before it answered",
        cause="No KVM on this node, too little memory for the machine (signal: killed is the kernel's, or a "
        "memory limit's), huge pages that are not there, a qemu that does not fit Kata's configuration, "
        "SELinux.",
        remedy=(
            "kata-runtime check; ls -l /dev/kvm /dev/vhost-vsock; dmesg | grep -iE 'kill|kvm|denied' | tail.",
            (
                "enable_debug = true in configuration.toml, then journalctl -t kata -e: the line of qemu's own "
                "words. Run that qemu command by hand."
            ),
            "Try another hypervisor: RuntimeClass kata-clh, or kata-qemu in place of kata-qemu-runtime-rs.",
        ),
        reference="https://github.com/kata-containers/kata-containers/blob/main/docs/Developer-Guide.md",
        rank=45,
    ),
)
