"""What Apptainer's helpers, bubblewrap, Android in LXC and systemd-run say beside the usual failures."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="apptainer-fuse-missing",
        title="Apptainer lacks the FUSE programs that mount images and overlays",
        patterns=(
            r"(?P<program>squashfuse(?:_ll)?|fuse2fs|fuse-overlayfs|gocryptfs) not found, will not be able[^\n]*",
            r"(?P<program2>fuse2fs) (?:failed to mount|instance exited)[^\n]*|fuse2fs exited",
        ),
        verdict="Apptainer cannot use {program}",
        cause="Without setuid or in a user namespace images and overlays are mounted by FUSE programs. They are not "
        "installed, or fuse2fs cannot mount an overlay that is inside of the SIF (Apptainer 1.3.0 to 1.3.3).",
        remedy=(
            "Install squashfuse, fuse2fs (e2fsprogs) and fuse-overlayfs; ls -l /dev/fuse; upgrade Apptainer.",
            "An overlay in a file of its own: apptainer overlay create --size 1024 o.img; --overlay o.img.",
            "Without: apptainer build --sandbox DIR IMAGE, then run DIR.",
        ),
        reference="https://github.com/apptainer/apptainer/issues/2335",
        rank=43,
    ),
    Entry(
        code="systemd-run-without-user",
        title="systemd-run asks the system's systemd, which refuses a user",
        patterns=(
            (
                r"Failed to start transient (?P<kind>scope|service|timer) unit: (?:Interactive authentication "
                r"required|Access "
                rf"denied|{EPERM}|{EACCES})[^\n]*"
            ),
        ),
        verdict="systemd-run asked the system's systemd for a {kind}, and a user may not have one there",
        cause="Without --user the request goes to the first process, which asks polkit for a password.",
        remedy=(
            (
                "systemd-run --user --scope -p MemoryMax=1G COMMAND (MemoryMax needs cgroup2; there is a session: "
                "loginctl)."
            ),
            "Or as root for the user: sudo systemd-run --scope --uid=$USER -p MemoryMax=1G COMMAND.",
        ),
        reference="systemd-run(1)",
        rank=35,
    ),
    Entry(
        code="bwrap-without-cgroup-namespace",
        title="bubblewrap asks for a cgroup namespace, which this kernel does not have",
        patterns=(r"Cannot create new cgroup namespace because the kernel does not support it",),
        verdict="this kernel has no cgroup namespaces, which the program asks bubblewrap for",
        cause="They came with Linux 4.6; RHEL and CentOS 7 (3.10) have none, and some kernels are built without "
        "CONFIG_CGROUPS.",
        remedy=(
            "bwrap --unshare-cgroup-try in place of --unshare-cgroup (--unshare-all tries by itself).",
            "Or a newer kernel: ls /proc/self/ns/cgroup.",
        ),
        reference="bwrap(1)",
        rank=30,
    ),
    Entry(
        code="android-without-cgroups",
        title="Android in a container (Waydroid, Anbox, redroid) may not arrange its cgroups",
        patterns=(
            r"libprocessgroup: Failed to (?:mount|setup|make and chown|write|open)[^\n]*",
            r"createProcessGroup\(\d+, \d+\) failed for service '(?P<name>[^'\n]+)'[^\n]*",
        ),
        verdict="Android's init may not make cgroups of its own in its container, and continues",
        cause="LXC mounts /sys/fs/cgroup read-only, and Android 10 to 12 want hierarchies of v1, which a host with "
        "cgroup2 does not give. Android runs without them; a crash has another cause.",
        remedy=(
            "Writable: lxc.mount.auto = cgroup:rw in /var/lib/waydroid/lxc/waydroid/config (redroid: --privileged).",
            "waydroid log and waydroid logcat: the first service that ends; binder, ashmem and GPU are more usual.",
        ),
        reference="https://github.com/waydroid/waydroid/issues/2265",
        rank=33,
    ),
    Entry(
        code="nvidia-program-missing",
        title="NVIDIA's program for containers is not installed",
        patterns=(
            r"Command not found: nvidia-container-cli[^\n]*",
            (
                r"(?:exec: |executable file )[^\n]{0,80}nvidia-container-(?:cli|runtime(?:-hook)?|toolkit)[^\n]*(?:not "
                r"found|no such file)[^\n]*"
            ),
        ),
        verdict="nvidia-container-cli, which mounts the driver into the container, is not there",
        cause="The host, or the image of the Slurm node, lacks NVIDIA's container toolkit; or PATH of slurmd or of the "
        "service does not hold it.",
        remedy=(
            "Install libnvidia-container-tools (nvidia-container-toolkit) on each node; nvidia-container-cli info.",
            "enroot without GPU: NVIDIA_VISIBLE_DEVICES=void, or no 98-nvidia.sh in /etc/enroot/hooks.d.",
        ),
        reference="https://github.com/NVIDIA/pyxis/issues/101",
        rank=30,
    ),
    Entry(
        code="lxc-cpuset-empty",
        title="LXC enters a cpuset of v1 that has no CPUs",
        patterns=(r"No space left on device - Failed to enter cgroup \"(?P<path>/[^\"\n]*/cpuset/[^\"\n]*)\"",),
        verdict="the cpuset {path} of v1 has no CPUs, so no process may enter it",
        cause="A new cpuset of v1 is empty unless its parent has cgroup.clone_children, which a liblxc before "
        "3.0.3 or a distribution's package does not set.",
        remedy=(
            (
                "echo 1 > /sys/fs/cgroup/cpuset/cgroup.clone_children; rmdir the lxc.monitor directories below; "
                "start again."
            ),
            "Upgrade liblxc (or LXD as a snap); or boot with cgroup2.",
        ),
        reference="https://github.com/canonical/lxd/issues/5060",
        rank=30,
    ),
    Entry(
        code="runtime-state-wiped",
        title="the runtime's notes of a running container are gone",
        patterns=(
            rf"opening file [`'\"]?(?P<path>/(?:run/user|tmp)/[^`'\"\n]*/crun/[0-9a-f]{{12,}}/status)[`'\"]?: {ENOENT}",
        ),
        verdict="crun has no note of this container at {path}, though podman knows it",
        cause="systemd removes /run/user/UID when the user's last session ends, and with it the state of the "
        "containers; or podman runs with another XDG_RUNTIME_DIR than at the start (su -, sudo, cron).",
        remedy=(
            "loginctl enable-linger USER; log in as that user itself (ssh, machinectl shell USER@), not with su.",
            "podman restart NAME (podman system renumber, or podman rm -f NAME, if it does not start).",
        ),
        reference="https://github.com/containers/podman/issues/24239",
        rank=40,
    ),
    Entry(
        code="cgroup-of-container-not-visible",
        title="the container's cgroup on the host is not below the mounts of this file system",
        patterns=(
            rf"/userdata/cgroup\\*\" to rootfs[^\n]{{1,400}}?stat (?P<path>/sys/fs/cgroup/[^\s:\"\\]+): {ENOENT}",
        ),
        verdict="the runtime looks for the container's cgroup {path}, which systemd made on the host and this "
        "container does not show",
        cause="The inner podman asks the host's systemd (a mounted bus or /run) for the cgroup, and its own "
        "/sys/fs/cgroup is another mount.",
        remedy=(
            (
                "-v /sys/fs/cgroup:/sys/fs/cgroup for the outer container, on the host's cgroup namespace "
                "(--cgroupns=host)."
            ),
            "Or podman --cgroup-manager=cgroupfs inside, without the host's D-Bus.",
        ),
        reference="https://github.com/containers/podman/issues/1412",
        rank=40,
    ),
    Entry(
        code="chromium-sandbox-not-set-up",
        title="Chromium finds neither user namespaces nor its setuid helper",
        patterns=(r"The SUID sandbox helper binary was found, but is not configured correctly[^\n]*",),
        verdict="Chromium (Electron) may not make user namespaces here, and its setuid helper is not set up either",
        cause="Within Flatpak, a container or AppArmor's rules of Ubuntu 23.10 and later, user namespaces are closed "
        "to it. The helper would have to belong to root with mode 4755, which is not possible within Flatpak.",
        remedy=(
            "Flatpak: start the program with zypak-wrapper (its manifest), not with chmod.",
            (
                "Ubuntu: an AppArmor profile with userns for the program, or: sysctl -w "
                "kernel.apparmor_restrict_unprivileged_userns=0"
            ),
            (
                "In a container: --security-opt seccomp=unconfined, or --cap-add SYS_ADMIN; --no-sandbox as the "
                "last resort."
            ),
        ),
        reference="https://github.com/flathub/org.signal.Signal/issues/92",
        tell="unshare -Ur true where the program runs",
        ours=False,
        rank=18,
    ),
)
