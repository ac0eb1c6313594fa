"""bubblewrap and Flatpak, systemd-nspawn, gVisor, and Kata's virtual machines: why a sandbox does not start."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, ENOSYS, EPERM, EROFS, Entry

BWRAP = "https://github.com/containers/bubblewrap"
GVISOR = "https://gvisor.dev/docs/user_guide/"
PROC = r"(?:/newroot|/oldroot)?/proc"

ENTRIES = (
    Entry(
        code="sandbox-proc-covered",
        title="a sandbox may not mount proc: the outer /proc is partly covered",
        patterns=(
            rf"(?:bwrap: )?Can't mount proc on /newroot[^\n:]*: (?:{EPERM}|{EACCES})",
            r"procfs can only be mounted if the original /proc [^\n]*",
            rf"Failed to mount proc (?:\(type proc\) )?on [^\n]*: {EPERM}",
            rf"can't mount proc filesystem to /proc: {EPERM}|Could not mount new procfs into container: {EPERM}",
            rf"unshare: (?:cannot mount|mount) /proc[^\n]*: {EPERM}",
            rf"error mounting \\?\"?proc\\?\"?[^\n]*bubblewrap[^\n]*{EPERM}",
        ),
        verdict="proc cannot be mounted for the sandbox: in a user namespace the kernel allows it only where the outer "
        "/proc is visible in full",
        cause="Something is mounted over a part of the outer /proc, or it is read-only: docker, podman, nspawn and "
        "Kubernetes mask files there; on a host it may be nfsd, binfmt_misc, lxcfs or a NVIDIA mount.",
        remedy=(
            (
                "In docker: --security-opt systempaths=unconfined; podman: --security-opt unmask=/proc/*; Kubernetes: "
                "procMount: Unmasked; LXC, nspawn: mount -t proc proc /run/proc once in the outer container."
            ),
            "On a host: grep ' /proc/' /proc/self/mountinfo; umount what is not needed.",
            "bwrap: --bind /proc /proc in place of --proc /proc. Apptainer: no --pid, no --containall.",
        ),
        reference="https://github.com/containers/bubblewrap/issues/707",
        tell="grep ' /proc' /proc/self/mountinfo: more than one line, or ro?",
        rank=14,
    ),
    Entry(
        code="bwrap-mount-refused",
        title="bubblewrap may not mount",
        patterns=(
            (
                rf"bwrap: (?:Can't mount|[Ff]ailed to (?:make|mount)|setting up newroot bind|pivot_root|Can't "
                rf"(?:re)?bind|Can't bind mount|Can't make overlay mount|Can't remount|Unable to "
                rf"(?:re)?mount)[^\n]*(?:{EPERM}|{EACCES}|{EINVAL}|{EROFS})"
            ),
            (
                r"bwrap: (?:loopback: Failed|cannot open /proc/sys|Joining specified user namespace failed|sysctl |"
                r"prctl|capset failed|Unexpected capabilities)[^\n]*"
            ),
        ),
        verdict="bubblewrap may not make a mount, or set up a namespace, of the sandbox",
        cause="It could make the user namespace, but has no rights in it: Ubuntu's AppArmor profile "
        "unprivileged_userns (RTM_NEWADDR, remount: EPERM, EACCES), or an outer container's seccomp, read-only "
        "/proc/sys and masked /proc. EINVAL at pivot_root: the root is the initramfs.",
        remedy=(
            (
                "Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with userns "
                "for /usr/bin/bwrap (bwrap-userns-restrict)."
            ),
            (
                "In docker, podman: --privileged, or --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
                "--security-opt apparmor=unconfined --security-opt systempaths=unconfined; loopback: --share-net."
            ),
        ),
        reference=BWRAP,
        tell="dmesg | grep -i 'denied.*bwrap'; cat /proc/self/attr/current; grep Seccomp /proc/self/status",
        rank=20,
    ),
    Entry(
        code="bwrap-path-missing",
        title="bubblewrap does not find a path, or cannot make it",
        patterns=(
            r"bwrap: Can't (?:re)?bind mount (?P<path2>\S+) on [^\n:]+: [^\n]+",
            (
                r"bwrap: (?:Can't find source path|Can't (?:open|access|chdir to|mkdir(?: parents for)?|create (?:file|"
                r"symlink)[^\n]*?|make symlink at|get type of source|stat|read)|execvp|Creating newroot failed) "
                r"?(?P<path>[^\n:]*): [^\n]+"
            ),
        ),
        verdict="bubblewrap could not use {path}",
        cause="ENOENT: the path, or the command, is not there, or only outside the sandbox (libraries of the command "
        "count, too). EACCES: the mapped user may not search a parent (a private home, FUSE, /root), or SELinux. "
        "EROFS: the place to mount on would have to be made in a read-only bind. ENODEV, EIO, ENOTCONN, ESTALE: a dead "
        "mount (automount, FUSE, network) lies there.",
        remedy=(
            (
                "Flatpak: flatpak override --show APP; --reset removes what opens whole trees (--filesystem=/), which "
                "leaves no place for its own mounts; flatpak update, and flatpak repair."
            ),
            "A dead mount: findmnt -R the path; umount -l it.",
            (
                "ls -ld it as the same user; bind each directory that the command needs: --ro-bind /usr /usr --symlink "
                "usr/lib64 /lib64."
            ),
            (
                "/proc/self/fd/N of Flatpak: the app's or runtime's files are missing: flatpak repair; is the "
                "installation on a mounted, readable disk?"
            ),
        ),
        reference=BWRAP,
        tell="namei -l the path; strace -f -e trace=mount,open bwrap ... | tail",
        rank=40,
    ),
    Entry(
        code="bwrap-failed",
        title="bubblewrap could not set up its sandbox",
        ambiguous=(r"\bbwrap: [^\n]+",),
        verdict="bubblewrap could not set up its sandbox; its line names the step",
        cause="EPERM, EACCES: no user namespaces here (AppArmor on Ubuntu, a sysctl, an outer container). ENOENT: a "
        "path or command that is not bound into it. Unknown option: the program wants a newer bubblewrap.",
        remedy=(
            "bwrap --ro-bind / / --dev /dev --proc /proc true: does the simplest sandbox work?",
            "It does: take the binds and options away one by one. It does not: unshare -Ur true, and its sysctls.",
        ),
        reference=BWRAP,
        tell="bwrap --version; bwrap --ro-bind / / true; dmesg | grep -i denied",
        offer=4,
        last=True,
    ),
    Entry(
        code="flatpak-run-failed",
        title="flatpak's last line only reports that the sandbox did not start",
        ambiguous=(r"[Ff]ailed to sync with dbus proxy", r"ldconfig failed, exit status \d+"),
        verdict="the sandbox ended before flatpak could use it: the line of bwrap above is the reason",
        cause="xdg-dbus-proxy and ldconfig run in bubblewrap as well, and fail as it does: no user namespaces, a bind "
        "that is not possible, or no D-Bus session.",
        remedy=(
            "flatpak run -v APP, and explain the line with bwrap:.",
            (
                "No such line: echo $DBUS_SESSION_BUS_ADDRESS; log in to a session of your own (not by su), or flatpak "
                "run --no-session-bus."
            ),
        ),
        reference="https://docs.flatpak.org/",
        tell="flatpak run -v APP 2>&1 | grep bwrap",
        offer=3,
        last=True,
    ),
    Entry(
        code="gvisor-cgroup-refused",
        title="gVisor (runsc) may not set up cgroups",
        patterns=(
            (rf"(?:cannot set up cgroup for root|configuring cgroup): [^\n]*(?:{EACCES}|{EPERM}|{EROFS})"),
            r"runsc: creating container: systemd error: [^\n]*",
            r"(?:runsc|creating container)[^\n]*(?:cannot joi?n cgroup|installing cgroup)[^\n]*",
        ),
        verdict="gVisor's runsc may not make or change the container's cgroup",
        cause="runsc sets up cgroups itself, and does not leave them out for a user as crun does: rootless, without "
        "delegation, or inside a container it fails.",
        remedy=(
            (
                "podman: --runtime-flag=ignore-cgroups; runsc --ignore-cgroups (docker: runtimeArgs in daemon.json): "
                "no limits then."
            ),
            (
                "Or run the engine as root, or in a delegated scope: systemd-run --user --scope -p Delegate=yes -- "
                "podman ..."
            ),
        ),
        reference=f"{GVISOR}rootless/",
        tell="id -u; ls -ld /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup | tail -1)",
        rank=12,
    ),
    Entry(
        code="gvisor-network-refused",
        title="gVisor (runsc) may not set up the container's network",
        patterns=(
            r"cannot run with network enabled in root network namespace",
            r"setting up network: [^\n]*(?:namespace|interface|netlink|operation not permitted)[^\n]*",
        ),
        verdict="gVisor cannot take over the container's network",
        cause="Its own network stack (network=sandbox) takes the interfaces of the container's network namespace. "
        "Rootless engines and --network host give it none of its own.",
        remedy=(
            (
                "podman: --runtime-flag=network=host, or --runtime-flag=network=none; docker: runtimeArgs: "
                '["--network=host"] in daemon.json.'
            ),
        ),
        reference=f"{GVISOR}networking/",
        rank=20,
    ),
    Entry(
        code="gvisor-sandbox-ended",
        title="gVisor's sandbox or gofer ended while it started",
        patterns=(
            r"cannot read client sync file: [^\n]*",
            r"(?:starting|creating) container: (?:starting )?(?:root container|sandbox)[^\n]*(?:EOF|urpc method)[^\n]*",
            r"(?:urpc method|starting sandbox|waiting for sandbox)[^\n]*(?:EOF|failed|exit)[^\n]*",
            (
                r"(?:cannot create|creating) (?:sandbox|gofer)[^\n]*: [^\n]*(?:EOF|exit status|permission denied|not "
                r"permitted)[^\n]*"
            ),
            r"error setting up chroot: [^\n]*",
            r"error converting mounts: [^\n]*",
            (
                r"(?:opening KVM device file|(?<!Unable to )open /dev/kvm|KVM_CREATE_VM)[^\n]*"
                rf"(?:{ENOENT}|{EACCES}|{EPERM}|{EBUSY}|{ENOSYS})[^\n]*(?:runsc|sandbox|platform)?"
            ),
        ),
        verdict="gVisor's sandbox process ended while it started; its debug log has the reason",
        cause="The chroot or mounts that it makes for itself are refused (AppArmor on Ubuntu, an outer container, no "
        "/proc, a host that runs from an initramfs: EINVAL), its platform does not work here (kvm without "
        "/dev/kvm, ptrace forbidden), a pids or memory limit is too small for it, or it uses cgroupfs beside an engine "
        "with systemd.",
        remedy=(
            "runsc --debug --debug-log=/tmp/runsc/ ... (docker: runtimeArgs); the boot log there ends with the reason.",
            (
                "runsc --platform=systrap (or ptrace); Ubuntu 24.04: sysctl -w "
                "kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        ),
        reference=f"{GVISOR}debugging/",
        tell="tail /tmp/runsc/*.boot; dmesg | grep -iE 'denied|runsc' | tail",
        rank=46,
    ),
    Entry(
        code="kata-hypervisor-not-started",
        title="the virtual machine of a Kata container does not start",
        patterns=(
            r"failed to launch (?P<program>qemu|cloud-hypervisor|firecracker|[\w/-]*qemu[\w/.-]*)[^\n]*",
            r"(?:clh-api|qmp|firecracker|fc)\.sock\b[^\n]*(?:no such file|connection refused|timeout|[Cc]onnect)[^\n]*",
            r"[Cc]ould not access KVM kernel module[^\n]*|failed to initialize kvm[^\n]*",
            (
                r"(?:vhost[-_]vsock|/dev/vhost-vsock|vsock)[^\n]*(?:no such (?:file|device)|permission denied|"
                r"failed)[^\n]*"
            ),
            r"(?:exiting QMP loop|QMP command failed|qemu-system-\w+: )[^\n]*",
            rf"/dev/(?:kvm|vhost-net|vhost-vsock|vhost-vdpa\S*): (?:{ENOENT}|{EACCES}|no such device)",
            r"[Ff]ailed to check if grpc server is working[^\n]*",
            (
                r"(?:timed out connecting to|[Ff]ailed to connect to(?! \{unix:)) "
                r"[^\n]*(?:vsock|kata-agent|agent|grpc)[^\n]*"
            ),
            (
                r"This system can't currently create (?:secure )?Kata Containers|[Kk]ata.*(?:requires|"
                r"needs).*virtuali[sz]ation"
            ),
        ),
        verdict="Kata's hypervisor did not start, or its guest does not answer",
        cause="No /dev/kvm: the node is itself a virtual machine without nested virtualization, or virtualization is "
        "off in its firmware. Otherwise: vhost_vsock is not loaded, the guest's image or kernel is missing, its memory "
        "does not fit the pod's limit, or seccomp, SELinux or a short timeout stops it.",
        remedy=(
            "ls -l /dev/kvm; kata-runtime check; cloud: a machine type with nested virtualization, or bare metal.",
            (
                "modprobe kvm_intel (kvm_amd) vhost_vsock vhost_net (VMware's vsock modules keep vhost_vsock out: "
                "unload them); default_memory and the image's path in configuration.toml; enable debug there, and read "
                "journalctl -t kata."
            ),
            "Several hypervisors are installed: try RuntimeClass kata-qemu.",
        ),
        reference="https://github.com/kata-containers/kata-containers/blob/main/docs/Developer-Guide.md",
        tell="kata-runtime check; ls -l /dev/kvm /dev/vhost-vsock; journalctl -t kata -e",
        rank=50,
    ),
    Entry(
        code="build-without-namespaces",
        title="a build inside a container may not make namespaces",
        patterns=(
            rf"error creating new mount namespace for [^\n]*: {EPERM}",
            rf"[Ee]rror during unshare\(\.\.\.\): {EPERM}",
            rf"(?:error|failed)[^\n]*(?:unshare|reexec(?:ing)?)[^\n]*user namespace[^\n]*: {EPERM}",
            rf"chroot\.setupChrootBindMounts|(?:bind )?mounting [^\n]* for chroot isolation[^\n]*: {EPERM}",
        ),
        verdict="buildah (podman build) may not make namespaces: it runs in a container without the right to",
        cause="Docker's and Kubernetes' seccomp filter forbids unshare and mount, AppArmor forbids mount, and "
        "CAP_SYS_ADMIN is missing.",
        remedy=(
            (
                "Outer docker, podman: --privileged, or --security-opt seccomp=unconfined --security-opt "
                "apparmor=unconfined --device /dev/fuse. Kubernetes: both profiles Unconfined, SETUID, SETGID. GitLab: "
                "privileged = true."
            ),
            (
                "BUILDAH_ISOLATION=chroot (buildah bud --isolation chroot) with STORAGE_DRIVER=vfs needs least; "
                "quay.io/buildah/stable is set up so."
            ),
            "Without any such right: kaniko, or BuildKit rootless, with its own settings.",
        ),
        reference="https://github.com/containers/buildah/blob/main/docs/tutorials/05-openshift-rootless-build.md",
        tell="grep -E 'Seccomp|CapEff' /proc/self/status; cat /proc/self/attr/current; unshare -Ur true",
        rank=15,
    ),
)
