"""Volumes: their source, type, options and propagation; their destination is in `mount_points`."""

from __future__ import annotations

from shim.diagnose.checks import mount_points
from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import (
    EACCES,
    EBUSY,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOSYS,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    Entry,
    mounted,
    mounting,
)

ANY = r"[^\"`\\\n]*"
SPEC = "OCI runtime-spec, config.md, Mounts"

ENTRIES = (
    Entry(
        code="mount-source-missing",
        title="the source of a bind mount does not exist",
        patterns=(
            mounted(rf"/{ANY}", rf"(?:stat [^\n]*|[^\n]*bindmount source[^\n]*): {ENOENT}"),
            rf"error stat'ing file `(?P<source2>/[^`\n]*)`: {ENOENT}",
            rf"\bstatfs (?P<source3>/(?!sys/fs/cgroup)[^\n:]*): {ENOENT}",
            r"bind (?:source path does not exist|mount source, source path not found): (?P<source4>/[^\n\"]*)",
            rf"failed to fulfil mount request: open (?P<source5>/[^\n:]*): {ENOENT}",  # runc from 1.2 on
            rf"(?<!\b[clrm][nmpsv]: )\bcannot stat `(?P<source6>/[^`\n]*)`: {ENOENT}",  # crun from 1.10 on
        ),
        verdict="the source of a mount does not exist: {source}",
        cause="A bind mount needs a source that exists where the engine is: a snap, a VM or dind sees other files.",
        remedy=("mkdir -p {source}, or correct the path of the volume",),
        reference=SPEC,
        confirm=look.missing_component,
    ),
    Entry(
        code="mount-source-not-reachable",
        title="the container's users may not reach the source of a mount",
        patterns=(
            mounted(rf"/{ANY}", rf"stat [^\n]*: {EACCES}"),
            rf"error stat'ing file `(?P<source2>/[^`\n]*)`: {EACCES}",
            rf"failed to fulfil mount request: open (?P<source3>/[^\n:]*): {EACCES}",
            rf"(?<!\b[clrm][nmpsv]: )\bcannot stat `(?P<source4>/[^`\n]*)`: {EACCES}",
            mounted(rf"/{ANY}", rf"mount src=[^\n]*flags=[^\n]*MS_BIND[^\n]*: {EACCES}"),  # runc from 1.4 on
            rf"could not synchroni[sz]e with container process: stat (?P<source5>/[^\n:]*): {EACCES}",  # of 2016
        ),
        verdict="the source of a mount cannot be reached: {source} (EACCES)",
        cause="A directory on the way is closed to the caller or to the ids that the user namespace maps. A FUSE mount "
        "(gocryptfs, sshfs, rclone) is closed to all but the user who made it.",
        remedy=(
            "namei -l {source}: chmod o+x (or setfacl -m u:$USER:x) what is closed to this user",
            "Reached only by membership of a group: podman run --group-add keep-groups (crun alone; runc loses them).",
            "SELinux: ausearch -m avc -ts recent; -v SOURCE:DEST:Z gives it the container's label.",
            "FUSE: mount it with -o allow_other (user_allow_other in /etc/fuse.conf).",
        ),
        reference="path_resolution(7)",
        confirm=look.unreachable,
    ),
    Entry(
        code="mount-file-onto-directory",
        title="a file is mounted onto a directory",
        ambiguous=(mounting(rf"/{ANY}", ENOTDIR), mounting(rf"/{ANY}", ENOENT)),
        verdict="a file is mounted onto a directory: {source} to {destination} (ENOTDIR)",
        cause="The source and the destination of a bind mount must both be directories, or neither of them.",
        remedy=("Name a file as destination, or check that {source} was meant to be a directory.",),
        reference=SPEC,
        confirm=look.kinds(source_is_directory=False),
        rank=40,
    ),
    Entry(
        code="mount-directory-onto-file",
        title="a directory is mounted onto a file",
        ambiguous=(mounting(rf"/{ANY}", ENOTDIR),),
        verdict="a directory is mounted onto a file: {source} to {destination} (ENOTDIR)",
        cause="Often the source was missing, and an engine created a directory in its place.",
        remedy=(
            ("If {source} was created by mistake, rmdir it and put the file there. Otherwise correct the destination."),
        ),
        reference=SPEC,
        confirm=look.kinds(source_is_directory=True),
        rank=40,
    ),
    Entry(
        code="mount-kinds-differ",
        title="source and destination do not match: one is a directory, the other a file",
        patterns=(mounting(rf"/{ANY}", ENOTDIR), r"(?<!\w)trying to mount a directory onto a file \(or vice-versa\)"),
        verdict="{source} and {destination} do not match: one is a directory and the other is not (ENOTDIR)",
        cause="The source and the destination of a bind mount must both be directories, or neither of them. If the "
        "file was not there, docker -v made a directory of its name.",
        remedy=(
            "ls -ld {source}; compare with {destination} in the image",
            (
                "ls -ld the source on the engine's own host (Docker Desktop, Toolbox: a shared path): rmdir it if it "
                "is an empty directory, put the file there, and make the container again."
            ),
        ),
        reference=SPEC,
    ),
    Entry(
        code="filesystem-unknown",
        title="the kernel does not know the file system type",
        patterns=(mounting(rf"(?!cgroup2?[\"`\\]){ANY}", ENODEV),),
        verdict="the kernel does not know the file system type of {destination} (ENODEV)",
        cause="The type is misspelt, or its kernel module is not loaded. Containers cannot load modules.",
        remedy=("modprobe <type> on the host; grep <type> /proc/filesystems",),
        reference="mount(2), ENODEV",
        confirm=look.unknown_filesystem,
    ),
    Entry(
        code="mount-needs-block-device",
        title="the file system needs a block device as source",
        patterns=(mounting(ANY, r"(?:block device required|ENOTBLK)"),),
        verdict="{source} is not a block device, which this file system type needs (ENOTBLK)",
        cause="An image file must be attached to a loop device first.",
        remedy=("losetup -f --show {source}; use the loop device as source, or type bind for a directory",),
        reference="mount(2), ENOTBLK",
        confirm=look.options_of,
    ),
    Entry(
        code="overlay-directory-missing",
        title="a directory of an overlay mount does not exist",
        patterns=(mounting("overlay", ENOENT),),
        verdict="a lower, upper or work directory of the overlay at {destination} does not exist (ENOENT)",
        cause="overlay needs all of its directories to exist, and upper and work to be on one file system.",
        remedy=("mkdir -p the directory shown as evidence",),
        reference="Linux Documentation/filesystems/overlayfs.rst",
        confirm=look.overlay_directories,
    ),
    Entry(
        code="overlay-in-user-namespace",
        title="overlay in a user namespace needs kernel 5.11",
        ambiguous=(
            mounting("overlay", EPERM),
            mounting("overlay", EINVAL),
            mounting("overlay", EBUSY),
        ),
        verdict="overlay cannot be mounted in a user namespace on this kernel",
        cause="Kernels before 5.11 allow overlay mounts only to root outside of user namespaces.",
        remedy=("Use fuse-overlayfs (storage.conf: mount_program), or a newer kernel.",),
        reference="Linux Documentation/filesystems/overlayfs.rst",
        confirm=look.old_for_overlay,
        rank=40,
        tell="uname -r: before 5.11, and is it rootless?",
        offer=1,
    ),
    Entry(
        code="overlay-options-refused",
        title="overlay refuses its options",
        patterns=(mounting("overlay", EINVAL),),
        verdict="overlay refuses the options of {destination} (EINVAL)",
        cause="An option is unknown to this kernel, or upperdir and workdir are not on one file "
        "system that supports it.",
        remedy=("dmesg | grep overlayfs names the option; see the options shown as evidence",),
        reference="Linux Documentation/filesystems/overlayfs.rst",
        confirm=look.options_of,
    ),
    Entry(
        code="mount-options-too-long",
        title="the mount options are longer than a page",
        patterns=(r"mount options? is too long",),
        ambiguous=(
            mounting(ANY, EINVAL),
            mounted(ANY, ""),
        ),
        verdict="the mount options of {destination} are too long: the kernel takes one page",
        cause="mount(2) reads at most one page of options. An overlay with many lower directories exceeds that.",
        remedy=("Shorten the options: fewer or shorter lower directories (relative paths), or a flatter image.",),
        reference="mount(2)",
        confirm=look.too_long,
        rank=30,
    ),
    Entry(
        code="idmapped-mount-refused",
        title="an idmapped mount is not possible here",
        patterns=(
            rf"failed to set MOUNT_ATTR_IDMAP on (?P<source>[^\n]*?):? (?:{EINVAL}|{EPERM}|{EOPNOTSUPP})",
            rf"\bmount_setattr `(?P<source2>[^`\n]*)`[^\n]*: (?:{EINVAL}|{EPERM})",
            r"idmap(?:ped)? mounts? (?:are|is) not supported|doesn't support idmap mounts on this host",
            r"mount: (?P<source4>/[^\n:]*): filesystem was mounted, but failed to attach idmapping",
            rf"create mapped mount for \"?(?P<source3>/[^\"\n]*)\"? on [^\n]*: (?:{EINVAL}|{EPERM}|{EOPNOTSUPP})",
        ),
        verdict="the ids of a mount cannot be mapped: {source}",
        cause="The file system does not support idmapped mounts on this kernel (NFS, many FUSE file systems, device "
        "nodes), or the container has no user namespace of its own. EPERM: the caller does not own that file system, "
        "as in rootless containers, or the source lies below a mount that is mapped already.",
        remedy=(
            (
                "Use a kernel and file system with idmapped mounts: ext4, xfs and btrfs from 5.12 and 5.15, overlay "
                "from 5.19, tmpfs from 6.3; NFS has none."
            ),
            (
                "podman: use :U, which changes the owners, instead of idmap. Kubernetes: hostUsers: true for this "
                "pod. CRI-O: keep /var/lib/containers/storage on such a file system."
            ),
        ),
        reference="mount_setattr(2), ID-mapped mounts",
        confirm=look.options_of,
    ),
    Entry(
        code="sysbox-lower-directory-lost",
        title="sysbox looks for a lower directory of the image at a relative path",
        patterns=(r"setting up ID-mapped mount on path (?P<path>l/\w+) [^\n]*lstat l: (?:no such file|ENOENT)",),
        verdict="sysbox did not find a lower directory of the image: it used the relative path {path} unchanged",
        cause="docker's overlay2 names its layers by short relative links (l/...). This sysbox splits that list "
        "wrongly and then reports that idmapped mounts are not supported, although they are.",
        remedy=(
            "Upgrade sysbox, or go back one version of docker (apt-mark hold docker-ce).",
            "Or switch idmapped mounts off: sysbox-mgr --disable-idmapped-mount, then restart sysbox.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/906",
        rank=40,
    ),
    Entry(
        code="system-mount-needs-mount-setattr",
        title="crun's own mount of /sys, /proc or /dev needs mount_setattr",
        patterns=(rf"\bmount_setattr `/?(?P<path>(?:sys|proc|dev)[^`\n]*)`: {ENOSYS}",),
        verdict="crun cannot make its own bind mount of /{path} read-only: mount_setattr is missing (ENOSYS)",
        cause="Without the right to mount a fresh sysfs, crun binds the host's /sys and makes all of it read-only. "
        "That needs mount_setattr: Linux 5.12, and a libc and a crun that know it. Nothing in your configuration asks "
        "for it.",
        remedy=(
            "Upgrade to Linux 5.12 or later, or to podman 4.4.1 and crun 1.8 or later, which continue without it.",
            "Or give the container a network namespace of its own (no --network host), so that /sys is a fresh mount.",
        ),
        reference="https://github.com/containers/crun/issues/1131",
        confirm=mount_points.old_for_attributes,
        rank=40,
    ),
    Entry(
        code="crun-null-destination",
        title="crun 1.21 cannot mount over a path that the image lacks",
        patterns=(r"cannot resolve `null` under rootfs",),
        verdict="crun could not resolve the destination of a mount in the container, and prints null for the missing "
        "path",
        cause="Without openat2 (Linux before 5.6, or a filter that forbids it) crun 1.21 refuses a destination that "
        "does not exist in the image. crun 1.22 reverts that change. The command of the image is not at fault.",
        remedy=("Use crun 1.20, or 1.22 or later.", "Or use Linux 5.6 or later."),
        reference="https://github.com/containers/crun/issues/1783",
    ),
    Entry(
        code="recursive-read-only-unsupported",
        title="recursive read-only mounts are not supported",
        patterns=(
            rf"\bmount_setattr[^\n]*: {ENOSYS}",
            r"recursive(?:ly)? read-?only[^\n]*(?:not supported|unsupported|not implemented)",
        ),
        ambiguous=(mounted(ANY, ENOSYS),),  # runc does not name the system call
        verdict="recursive mount attributes (rro) need mount_setattr, which kernel or runtime lacks (ENOSYS)",
        cause="They need Linux 5.12 and a runtime that was built against it: runc 1.1, crun 1.4, or later.",
        remedy=("Use ro instead of rro, or a newer kernel, libc and runtime.",),
        reference="https://github.com/containers/crun/issues/1131",
        confirm=mount_points.old_for_attributes,
        tell="uname -r: before 5.12? Is rro among the options of the mount?",
        offer=1,
    ),
    Entry(
        code="propagation-invalid",
        title="rootfsPropagation is not a known value",
        patterns=(r"rootfsPropagation=(?P<value>\S+) is not supported",),
        verdict="linux.rootfsPropagation is {value}, which is not a propagation type",
        cause="The valid values are shared, slave, private, unbindable and their recursive forms.",
        remedy=("Correct linux.rootfsPropagation.",),
        reference="OCI runtime-spec, config-linux.md, Rootfs Mount Propagation",
    ),
    Entry(
        code="mount-flags-locked",
        title="flags of the source's mount may not be dropped in a user namespace",
        ambiguous=(rf"\bremount[^\n]*: {EPERM}", mounting(rf"/{ANY}", EPERM)),
        verdict="the mount cannot be changed in a user namespace (EPERM): the source's mount has locked flags",
        cause="A user namespace must keep nosuid, nodev, noexec and ro of the source's mount.",
        remedy=(
            "Add the source's flags to the mount's options: findmnt -no OPTIONS -T {source}",
            "Or remove the option that contradicts them.",
            (
                "A mount of the engine's own (podman, toolbox, distrobox): upgrade the runtime (crun: 0.10.2 or "
                "later) and the engine."
            ),
        ),
        reference="mount_namespaces(7), Restrictions on mount namespaces",
        confirm=look.in_the_initial_or_not,
        tell="is it rootless or userns-remap? findmnt -no OPTIONS -T {source}: nosuid, nodev, noexec or ro?",
        offer=1,
    ),
)
