"""What Apptainer's helpers, bubblewrap, Android in LXC and systemd-run say beside the usual failures."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, Entry

ENTRIES = (
    Entry(
        code="apptainer-fakeroot-missing",
        title="Apptainer has no fakeroot command to build with",
        patterns=(
            r"fakeroot command not found",
            r"while copying pseudo devices: while creating (?P<path>\S+): operation not permitted",
            r"/\.singularity\.d/libs/(?:faked|fakeroot)[^\n]*(?:not found|No such file)[^\n]*",
        ),
        verdict="the build has neither subordinate ids nor a fakeroot command that works in this image",
        cause="Without a line in /etc/subuid Apptainer maps root alone, and fakeroot pretends the rest: it must be "
        "installed on the host, and its C library must not be newer than the image's.",
        remedy=(
            "Install fakeroot (RHEL: from EPEL), or apptainer config fakeroot --add USER (root) for real ids.",
            "Another libc in the image (Alpine, old images): --ignore-fakeroot-command, or fakeroot inside the image.",
        ),
        reference="https://apptainer.org/docs/user/latest/fakeroot.html",
        rank=30,
    ),
    Entry(
        code="apptainer-temporary-directory-gone",
        title="Apptainer's directory for the build is not there",
        patterns=(r"(?P<path>/[^\s:]{0,200}/build-temp-\d+[^\s:]{0,200}): no such file or directory",),
        verdict="Apptainer does not find the directory it builds in: {path}",
        cause="APPTAINER_TMPDIR (or TMPDIR) is on an automounted or network file system, or below a home that the "
        "namespace of --fakeroot does not show, or it was cleaned up.",
        remedy=(
            "A local directory: mkdir -p /tmp/$USER; export APPTAINER_TMPDIR=/tmp/$USER (also SINGULARITY_TMPDIR).",
            "An absolute path; automounts entered beforehand (ls it); df -h /tmp for the image's size.",
        ),
        reference="https://apptainer.org/docs/user/latest/build_env.html",
        rank=30,
    ),
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
        verdict="a notice: Android's init would make cgroups of its own, which its container does not let it",
        cause="LXC mounts /sys/fs/cgroup read-only, and Android 10 to 12 want hierarchies of v1, which a host with "
        "cgroup2 does not give. Android goes on without them; a crash has another cause.",
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
)
