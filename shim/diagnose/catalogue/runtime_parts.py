"""What the loader, crun and conmon say when a part of them is missing, or may not be read."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, Entry

ENTRIES = (
    Entry(
        code="storage-without-label",
        title="SELinux does not let a container's programs use the files of its image",
        patterns=(
            (
                r"error while loading shared libraries: (?P<name>[\w./+-]+): cannot (?:change memory protections|apply "
                r"additional memory protection after relocation)[^\n]*"
            ),
            rf"Error relocating (?P<name2>/[^\n:]+): RELRO protection failed: {EACCES}",  # musl
        ),
        verdict="the files of the image do not have SELinux's label for containers ({name})",
        cause="The storage was moved, copied or made while container-selinux was missing, so its files carry the "
        "label of a home or of /var: the program may be read, not mapped.",
        remedy=(
            "restorecon -RF ~/.local/share/containers (rootful: /var/lib/containers; Docker: /var/lib/docker).",
            (
                "Storage elsewhere: semanage fcontext -a -e /var/lib/containers/storage /NEW/PATH, then restorecon "
                "-RF /NEW/PATH; a shared image store as well."
            ),
            "dnf reinstall container-selinux; podman system reset only if the labels do not stay.",
        ),
        reference="https://github.com/containers/podman/issues/3234",
        tell="ausearch -m avc -ts recent; ls -Z of the storage: container_ro_file_t is right; --security-opt "
        "label=disable shows whether it is SELinux",
        rank=34,
    ),
    Entry(
        code="crun-finds-nothing-open",
        title="crun cannot open a directory of the container, and does not say which",
        patterns=(r"open `\.\.`: No such file or directory(?:: OCI (?:runtime )?(?:not found|attempted)[^\n]*)?",),
        verdict="crun lost its way in the container's root while it made or mounted a path there",
        cause="crun 0.17 to 0.19 had faults with relative links and with mounts over links; or the image's root "
        "lacks the directory since the storage is damaged.",
        remedy=(
            "Upgrade crun; meanwhile podman --runtime runc.",
            "Without one of the -v after the other: the one that goes through a link is the cause; give its real path.",
            "Pull the image again: podman rmi -f IMAGE.",
        ),
        reference="https://github.com/containers/podman/issues/9475",
        rank=40,
    ),
    Entry(
        code="podman-shm-not-mounted",
        title="podman cannot mount the container's /dev/shm",
        patterns=(
            r"failed to mount shm tmpfs \\*\"(?P<path>[^\"\\]+)\\*\": (?P<error>[^\n\"]+)",
            r"error (?:mounting|unmounting) shm tmpfs[^\n]*",
        ),
        verdict="the kernel refused the tmpfs for /dev/shm: {error}",
        cause="Podman mounts it with the container's SELinux label before the runtime starts. EINVAL: the loaded "
        "policy does not know the label (container-selinux is not installed, a wrong label=level:, a label from "
        "before SELinux was changed). EPERM: no right to mount here, in a container or beside another one's user "
        "namespace.",
        remedy=(
            (
                "EINVAL: install container-selinux and make a new container; --security-opt "
                "label=level:s0:c110,c200; without labels: --security-opt label=disable, or label=false under "
                "[containers] of containers.conf."
            ),
            (
                "EPERM in a container: --privileged, or --cap-add sys_admin,mknod --security-opt label=disable "
                "--security-opt seccomp=unconfined."
            ),
            "Rootless with --net=container:NAME: add --ipc=host, or upgrade podman (1.2).",
        ),
        reference="https://github.com/containers/podman/issues/9682",
        rank=44,
    ),
    Entry(
        code="sysbox-misreads-systemd",
        title="sysbox-runc takes the host's systemd for too old",
        patterns=(r"systemd version is < 218; sysbox-runc requires[^\n]*",),
        verdict="sysbox-runc could not read systemd's version, and refuses its cgroup driver",
        cause="It asks systemd over D-Bus and gets no number that it understands (a distribution's own version "
        "string), or no answer.",
        remedy=(
            '"exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json; restart docker.',
            "Upgrade sysbox; systemctl --version and busctl must answer for root.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/690",
        rank=30,
    ),
    Entry(
        code="conmon-step-failed",
        title="conmon fails in a step of its own",
        ambiguous=(
            (
                r"\[conmon:e\]: (?P<step>(?:Failed|Unable|Could not|Error|No|Cannot|Unknown|Invalid)[^\n]*|[^\n:]+ "
                r"failed[^\n]*)"
            ),
            r"conmon[^\n]{0,60}?<(?:n?error|nwarn)>: (?P<step2>Failed[^\n]*)",
            r"\bconmon: (?P<step3>(?:Failed to|Unable to|Error|option parsing failed)[^\n]*)",
        ),
        verdict="conmon, the container's monitor, failed: {step}",
        cause="Conmon opens the log, the terminal's sockets, the exit and OOM files and starts the runtime. The line "
        "names the step; what follows in the log is the runtime's own reason.",
        remedy=(
            "podman --log-level=debug start shows conmon's arguments and the runtime's words.",
            "df -h and df -i of the storage and $XDG_RUNTIME_DIR; a path below 108 characters for sockets; ulimit -n.",
            "Upgrade conmon together with podman or CRI-O.",
        ),
        reference="https://github.com/containers/conmon",
        tell="the line after it, or the engine's own error, names the reason",
        offer=3,
        last=True,
    ),
    Entry(
        code="fuse-storage-ended",
        title="the FUSE program behind the container's root has ended",
        patterns=(
            r"(?P<path>/[^\s:]{0,300}/merged[^\s:]{0,200}): transport endpoint is not connected",
            r"(?P<path2>/[^\s:]{0,300}/overlay/[0-9a-f]{20,}[^\s:]{0,200}): [Tt]ransport endpoint is not connected",
        ),
        verdict="fuse-overlayfs, which shows the container's root, has ended: {path}",
        cause="It was started by a login, su or a service that ended, and systemd ended it with the rest of that "
        "session or cgroup; or it was killed for memory.",
        remedy=(
            "podman stop -t0 NAME; podman unshare umount -l PATH/merged; podman start NAME.",
            (
                "loginctl enable-linger USER; start at boot by a user's unit (Quadlet, podman-restart.service), not "
                "rc.local."
            ),
            "Kernel 5.13 or later: overlay without FUSE (no mount_program in storage.conf, then podman system reset).",
        ),
        reference="https://github.com/containers/podman/issues/14885",
        rank=30,
    ),
    Entry(
        code="crun-handler-failed",
        title="crun's handler (krun, wasm) cannot start",
        patterns=(
            r"failed configuring mounts for handler at phase: [^\n]*",
            r"exec container process failed with handler as [^\n:]+: [^\n\"]+",
        ),
        verdict="the handler of this container (krun, wasm) does not start",
        cause="krun starts a virtual machine: /dev/kvm is missing or closed to the user, or libkrun-sev is "
        "installed on a machine without AMD SEV (/dev/sev). wasm needs an image of that platform.",
        remedy=(
            "ls -l /dev/kvm; group kvm, or nested virtualisation; dnf remove libkrun-sev; upgrade crun and libkrun.",
            "A common container: no --runtime krun, and no annotation run.oci.handler.",
        ),
        reference="https://github.com/containers/crun/issues/1120",
        rank=30,
    ),
    Entry(
        code="bundle-not-in-directory",
        title="the runtime finds no config.json in the directory it was started in",
        patterns=(
            r"cannot read the file: (?P<path>\S*config\.json)",
            r"JSON specification file (?P<path2>\S*config\.json) not found",
            rf"(?:load|open) `?(?P<path3>config\.json)`?: (?:{ENOENT}|cannot read[^\n]*)",
        ),
        verdict="there is no {path} where the runtime looks for it",
        cause="crun and runc run a bundle: a directory with config.json and the root. Images are podman's or docker's.",
        remedy=(
            "cd BUNDLE, or -b BUNDLE; crun spec (runc spec) makes a config.json; the root is in rootfs.",
            "An image: podman --runtime crun run IMAGE.",
        ),
        reference="https://github.com/containers/crun/issues/966",
        rank=55,
    ),
)
