"""Mounts of the kernel's own file systems, and of the container's root."""

from __future__ import annotations

from shim.diagnose.checks import mount_points
from shim.diagnose.checks import mounts as look
from shim.diagnose.checks.configured import has_namespace
from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, ENOTDIR, EPERM, Entry, mounted, mounting

USER_NS = "user_namespaces(7), Restrictions on mount namespaces"
CGROUP = "cgroup2?"
NO_ROOT = rf"\breadlink ``: {ENOENT}"  # crun 1.28, for any problem with root.path

ENTRIES = (
    Entry(
        code="cgroup-mount-not-searchable",
        title="the cgroup mount is refused: the container's users may not search the path to their cgroup",
        patterns=(r"the current cgroup is not accessible \(too restrictive umask\?\)",),
        ambiguous=(
            mounting(CGROUP, EACCES),
            mounted("cgroup", rf"(?:[^\n]*: )?stat (?P<path>/sys/fs/cgroup/[^\n:]*): {EACCES}"),
        ),
        verdict="the container's users may not search the path to their own cgroup, so it cannot be mounted (EACCES)",
        cause="To mount cgroup2, a user namespace needs to search the path to the container's cgroup with its mapped "
        "ids, and a directory is closed. Engines with a restrictive umask (0027, 0077) create such directories.",
        remedy=(
            "chmod 0755 the directory shown as evidence",
            "for good: UMask=0022 in the engine's unit (rootless: user@.service), then recreate the cgroups",
            "or run in the host's cgroup namespace: --cgroupns=host",
        ),
        reference="https://github.com/containers/crun/issues/1736",
        confirm=look.closed_cgroup,
        tell="namei -l on the cgroup of the container: is a directory on the way closed (no x for others)?",
        offer=1,
    ),
    Entry(
        code="cgroup-mount-busy",
        title="cgroup2 is already mounted in the /sys that is bound into the container",
        ambiguous=(mounting(CGROUP, EBUSY),),
        layout="v2",
        verdict="cgroup2 cannot be mounted at /sys/fs/cgroup: the bind-mounted /sys already contains it (EBUSY)",
        cause="With the host's network, the engine bind-mounts /sys recursively. crun before 1.3 then mounts cgroup2 "
        "on top of it.",
        remedy=("Upgrade crun to 1.3 or later, or give the container a network namespace.",),
        reference="https://github.com/containers/crun/issues/729",
        confirm=look.shared_sys,
        tell="is it started with --network host? crun --version: before 1.3?",
        offer=1,
    ),
    Entry(
        code="mqueue-needs-ipc-namespace",
        title="mqueue in a user namespace needs an IPC namespace",
        patterns=(mounting("mqueue", EPERM),),
        verdict="mqueue cannot be mounted: the container has a user namespace, but uses an IPC "
        "namespace it does not own",
        cause="Message queues belong to the IPC namespace; only its owner may mount them (EPERM).",
        remedy=("Drop the /dev/mqueue mount, bind the host's (-v /dev/mqueue:/dev/mqueue), or do not use --ipc=host.",),
        reference=USER_NS,
        confirm=look.without_namespace("ipc"),
    ),
    Entry(
        code="proc-needs-pid-namespace",
        title="proc in a user namespace needs a PID namespace",
        ambiguous=(mounting("proc", EPERM),),
        verdict="proc cannot be mounted: the container has a user namespace, but uses a PID namespace it does not own",
        cause="proc shows the PID namespace, so the kernel lets only its owner mount it (EPERM).",
        remedy=("Do not use --pid=host together with a user namespace, or bind the host's /proc instead.",),
        reference=USER_NS,
        confirm=look.without_namespace("pid"),
        excluded=has_namespace("pid"),
        tell="is the container started with --pid=host (compose: pid: host; Kubernetes: hostPID), or without a "
        "pid namespace?",
        offer=2,
        rank=40,
    ),
    Entry(
        code="proc-partly-hidden",
        title="the outer /proc is partly hidden, so no fresh proc is allowed",
        ambiguous=(mounting("proc", EPERM), rf"open /proc/sys/kernel/cap_last_cap: {ENOENT}"),
        tell="grep ' /proc' /proc/self/mountinfo where the engine runs: is anything mounted over a part of it, or ro?",
        offer=1,
        verdict="proc cannot be mounted: the outer container hides parts of its /proc, so the kernel allows no "
        "complete one",
        cause="A user namespace may mount proc only if the outer /proc is visible in full and writable (EPERM).",
        remedy=(
            (
                "outer podman: --security-opt unmask=/proc/*; outer docker: --security-opt systempaths=unconfined; "
                "Kubernetes: procMount: Unmasked"
            ),
            "or bind the outer /proc into the inner container",
        ),
        reference="https://github.com/opencontainers/runc/issues/1658",
        confirm=look.covered_proc,
    ),
    Entry(
        code="devpts-gid-not-mapped",
        title="the devpts mount names a group that is not mapped",
        patterns=(
            r"cannot specify gid= mount options for unmapped gid",
            r"cannot specify [gu]id=\d+ mount option for rootless container",  # runc from 1.4 on
        ),
        ambiguous=(mounting("devpts", EINVAL),),
        verdict="devpts cannot be mounted: its gid= option names a group that the user namespace does not map (EINVAL)",
        cause="gid=5 (tty) is usual, but a small mapping does not include it.",
        remedy=("Remove gid=5 from the options of /dev/pts, or map at least 6 group ids (/etc/subgid).",),
        reference=USER_NS,
        confirm=look.unmapped_gid,
        tell="cat /etc/subgid: are at least 6 ids mapped, or does the mount of /dev/pts have gid=5?",
        offer=1,
    ),
    Entry(
        code="tmpfs-options-refused",
        title="tmpfs refuses its options",
        ambiguous=(mounting("tmpfs", EINVAL),),
        verdict="tmpfs refuses the options of {destination} (EINVAL)",
        cause="An option is unknown to tmpfs or its value has the wrong form.",
        remedy=("Correct the options; tmpfs takes size=, nr_inodes=, mode=, uid=, gid= and huge= (docker: --tmpfs).",),
        reference="tmpfs(5)",
        confirm=look.options_of,
        tell="look at the options of this mount (docker: --tmpfs, compose: tmpfs): does tmpfs(5) know each of them?",
        offer=1,
    ),
    Entry(
        code="tmpfs-in-user-namespace",
        title="tmpfs is refused in a user namespace",
        ambiguous=(mounting("tmpfs", EINVAL), mounting("tmpfs", EPERM), mounting("tmpfs", EACCES)),
        verdict="tmpfs at {destination} is refused in a user namespace",
        cause="uid= or gid= is not mapped (EINVAL), or a security module forbids the mount (EACCES, EPERM).",
        remedy=(("Correct uid= and gid= of the mount. dmesg | grep -i denied names a security module."),),
        reference=USER_NS,
        confirm=mount_points.foreign_owner,
        rank=45,
        first_for=r"\b[ug]id=\d",
        tell="is it rootless, and does the mount have uid= or gid= among its options?",
        offer=2,
    ),
    Entry(
        code="mount-namespace-missing",
        title="a user namespace without a mount namespace",
        ambiguous=(
            rf"preparing rootfs(?:: mount (?:dst=)?/, flags[^\n]*| caused): {EPERM}",
            rf"\b(?:create device|openat) `/dev/[^`\n]*`: {EACCES}",
        ),
        verdict="the container has a user namespace but no mount namespace, so nothing can be mounted for it",
        cause="Mounts belong to the user namespace that owns the mount namespace, which is the host's here (EPERM).",
        remedy=('Add {{"type": "mount"}} to linux.namespaces of config.json.',),
        reference=USER_NS,
        confirm=look.without_namespace("mount"),
        tell="does config.json list a user namespace and no mount namespace?",
        offer=2,
    ),
    Entry(
        code="root-is-no-mount-point",
        title="the runtime runs in a chroot whose root is not a mount point",
        patterns=(
            rf"error preparing rootfs: mount (?:dst=)?/, flags[^\n]*: {EINVAL}",
            rf"set propagation for `/`: {EINVAL}",
        ),
        ambiguous=(rf"preparing rootfs caused: {EINVAL}",),  # runc before 1.1
        verdict="{runtime} runs in a chroot whose root is not a mount point, so no container can start (EINVAL)",
        cause="Every container start changes the propagation of the mount at /. A plain chroot has no mount there.",
        remedy=(
            "Make it a mount point before the chroot: mount --bind <root> <root>, then chroot (or pivot_root) into it",
            "or use systemd-nspawn or unshare --mount with pivot_root instead of chroot",
        ),
        reference="mount(2), MS_PRIVATE and EINVAL; chroot(2)",
        confirm=mount_points.no_mount_at_root,
        foresee=mount_points.root_without_mount,
        rank=30,
        tell="grep ' / / ' /proc/self/mountinfo: is the root of this chroot missing there?",
        offer=1,
    ),
    Entry(
        code="terminal-without-devpts",
        title="a terminal is requested, but no devpts is mounted for it",
        patterns=(rf"\bopen [`'\"]?/dev/(?:pts/)?ptmx[`'\"]?: (?:{ENOENT}|no such device(?: or address)?)",),
        verdict="the container needs a terminal, and there is no /dev/ptmx that works (ENOENT, ENODEV)",
        cause="/dev/ptmx belongs to the devpts file system at /dev/pts. config.json does not mount it, or the host "
        "does not have it.",
        remedy=(
            "Mount devpts at /dev/pts of the container: type devpts, options newinstance,ptmxmode=0666",
            "on the host or in a chroot: mount -t devpts devpts /dev/pts; ln -s pts/ptmx /dev/ptmx",
            "or start without a terminal (process.terminal false; no -t)",
        ),
        reference="OCI runtime-spec, config-linux.md, Default Devices; pts(4)",
        confirm=mount_points.no_devpts,
    ),
    Entry(
        code="rootfs-is-no-mount",
        title="the root file system is not a separate mount",
        patterns=(rf"\bpivot_root(?: \.)?: {EBUSY}",),
        verdict="the container's root file system is the host's root or not a separate mount (EBUSY at pivot_root)",
        cause="pivot_root needs a new root that is a mount point and differs from the current one.",
        remedy=("mount --bind <rootfs> <rootfs>, or use a rootfs other than /",),
        reference="pivot_root(2)",
        confirm=look.root_is_no_mount,
    ),
    Entry(
        code="rootfs-on-initramfs",
        title="pivot_root does not work on an initramfs",
        patterns=(rf"\bpivot_root(?:\(\))?(?: \.| \w+ failed)?:? {EINVAL}|{EINVAL} - (?:failed to )?piv[io]+t_root",),
        verdict="pivot_root is refused (EINVAL): the host runs from an initramfs, or its root mount is shared",
        cause="The kernel cannot pivot away from the initial ramfs. It also refuses if the root, the new one "
        "or its parent is a shared mount (mount --make-rprivate /), or the new root is not a mount point.",
        remedy=(
            "{runtime} --no-pivot, engine option no-pivot (DOCKER_RAMDISK=true), or switch_root to a real root first",
        ),
        reference="pivot_root(2)",
        confirm=mount_points.ramdisk,
    ),
    Entry(
        code="rootfs-missing",
        title="the container's root file system does not exist",
        patterns=(
            rf"invalid rootfs: stat (?P<path>[^\n:]+): {ENOENT}",
            rf"\bmake `(?P<path2>[^`\n]+)` private: {ENOENT}",
            r"the rootfs path `(?P<path3>[^`\n]+)` does not exist",  # crun from 1.29 on
        ),
        ambiguous=(NO_ROOT,),
        verdict="the container's root file system does not exist",
        cause="The path in root.path of config.json does not exist, for example because the image was not mounted.",
        remedy=(
            (
                "Mount or unpack the image at root.path of config.json, or correct the path. ls -ld shows what exists "
                "there."
            ),
        ),
        reference="OCI runtime-spec, config.md, Root",
        confirm=look.root_problem,
        tell="ls -ld on root.path of config.json: is it there?",
        offer=1,
    ),
    Entry(
        code="rootfs-is-a-file",
        title="the container's root file system is a file, not a directory",
        patterns=(r"unable to start init: fork/exec /proc/self/(?:exe|fd/\d+): (?:not a directory|ENOTDIR)",),
        ambiguous=(
            rf"\bopen `(?P<path>/[^`\n]*)`: {ENOTDIR}",
            rf"the target `(?P<path2>/[^`\n]*)` is invalid: {ENOTDIR}",  # crun 1.8
        ),
        verdict="root.path of config.json is a file, not a directory (ENOTDIR)",
        cause="root.path names an image file or an archive. The runtime needs the directory that it was unpacked to.",
        remedy=("Unpack or mount the image, and write that directory into root.path.",),
        reference="OCI runtime-spec, config.md, Root",
        confirm=mount_points.root_is_file,
        rank=40,
    ),
    Entry(
        code="rootfs-behind-link",
        title="the path of the container's root file system has a symbolic link in it",
        patterns=(r"invalid rootfs: not an absolute path, or a symlink",),
        verdict="root.path of config.json is a symbolic link, or leads through one, which runc refuses",
        cause="runc requires the resolved path, so that nobody can redirect it. crun follows the link.",
        remedy=("realpath <root.path> shows the path to write into config.json",),
        reference="OCI runtime-spec, config.md, Root",
    ),
    Entry(
        code="rootfs-not-searchable",
        title="the container's users may not reach their root file system",
        patterns=(
            rf"error preparing rootfs: mount (?P<path>/[^\n:]+):[^\n]*: {EACCES}",
            rf"\bmake `(?P<path2>[^`\n]+)` private: {EACCES}",
            rf"error preparing rootfs: remount-private dst=(?P<path3>/[^\n,]+),[^\n]*: {EACCES}",  # runc from 1.2 on
        ),
        ambiguous=(
            rf"jailing process inside rootfs(?: caused)?:? (?:pivot_root )?\"?{EACCES}",
            rf"pivot_root(?: [^\n:]*)?: {EACCES}",
            rf"preparing rootfs(?: caused)?:? \"?{EACCES}",
            NO_ROOT,
            rf"\bopen `(?P<path4>/[^`\n]+/(?:rootfs|merged))`: {EACCES}",
        ),
        verdict="the container's users may not reach their root file system (EACCES)",
        cause="A directory on the way is closed to the ids that the user namespace maps. crun 1.28 reports ENOENT.",
        remedy=("chmod o+x the directory shown as evidence: namei -l <root.path>",),
        reference=USER_NS,
        confirm=look.unreachable,
        first_for=r"\bopen ",
        tell="namei -l on the container's root: is a directory on the way closed (no x for others)?",
        offer=2,
    ),
    Entry(
        code="mount-over-root",
        title="a mount onto / of the container",
        patterns=(
            rf"\bmount `(?P<source>[^`\n]+)` to ``: (?:{EINVAL}|{ENOENT})",
            r"create mountpoint for / mount: mountpoint [^\n]* is on the top of rootfs",  # runc from 1.2 on
        ),
        ambiguous=(
            rf"error\s+closing\s+exec\s+fds:\s+open\s+/proc/self/fd: {ENOENT}",
            rf"(?<!`: )\bopenat2 `[^`\n]*`: {ENOENT}",  # crun 1.28: the file that it needs next is hidden
        ),
        verdict="a mount has / of the container as its destination, which runtimes do not support",
        cause="Such a mount hides everything mounted before it, /proc included. crun refuses it with EINVAL or ENOENT.",
        remedy=("Use the directory as root.path (podman run --rootfs) instead of mounting it at /.",),
        reference="https://github.com/containers/crun/issues/1752",
        confirm=look.over_root,
        tell="does a mount of the container have / as its destination?",
        offer=1,
    ),
)
