"""Volumes: their source, destination, type, options and labels."""

from __future__ import annotations

from shim.diagnose.checks import mount_points
from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import EACCES, EINVAL, ENODEV, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EROFS, Entry, mounting

ANY = r"[^\"`\\\n]*"
SPEC = "OCI runtime-spec, config.md, Mounts"
ENOSYS = r"(?:function not implemented|ENOSYS)"

ENTRIES = (
    Entry(
        code="mount-source-missing",
        title="the source of a bind mount does not exist",
        patterns=(
            (
                rf"error mounting \\?\"(?P<source>/{ANY})\\?\" to rootfs at \\?\"(?P<destination>{ANY})\\?\": "
                rf"(?:stat [^\n]*|[^\n]*bindmount source[^\n]*): {ENOENT}"
            ),
            rf"error stat'ing file `(?P<source2>/[^`\n]*)`: {ENOENT}",
            rf"\bstatfs (?P<source3>/(?!sys/fs/cgroup)[^\n:]*): {ENOENT}",
            r"bind source path does not exist: (?P<source4>/[^\n]*)",
        ),
        verdict="the source of a mount does not exist: {source}",
        cause="Bind mounts need a source that is there before the container starts (ENOENT).",
        remedy=("mkdir -p {source}, or correct the path of the volume",),
        reference=SPEC,
        confirm=look.missing_component,
    ),
    Entry(
        code="mount-source-not-reachable",
        title="the container's users may not reach the source of a mount",
        patterns=(
            (
                rf"error mounting \\?\"(?P<source>/{ANY})\\?\" to rootfs at \\?\"(?P<destination>{ANY})\\?\": "
                rf"stat [^\n]*: {EACCES}"
            ),
            rf"error stat'ing file `(?P<source2>/[^`\n]*)`: {EACCES}",
        ),
        verdict="the source of a mount cannot be reached: {source} (EACCES)",
        cause="A directory on the way is closed to the caller or to the ids that the user namespace maps.",
        remedy=("chmod o+x the directory shown as evidence: namei -l {source}",),
        reference="path_resolution(7)",
        confirm=look.unreachable,
    ),
    Entry(
        code="mount-file-onto-directory",
        title="a file is mounted onto a directory",
        ambiguous=(mounting(rf"/{ANY}", ENOTDIR),),
        verdict="a file is mounted onto a directory: {source} to {destination} (ENOTDIR)",
        cause="Source and destination of a bind mount are either both directories or both not.",
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
        cause="Often the source was missing and an engine created a directory in its place.",
        remedy=("rmdir {source} if it was created by mistake and put the file there, or correct the destination",),
        reference=SPEC,
        confirm=look.kinds(source_is_directory=True),
        rank=40,
    ),
    Entry(
        code="mount-kinds-differ",
        title="of source and destination one is a directory, the other a file",
        patterns=(mounting(rf"/{ANY}", ENOTDIR),),
        verdict="of {source} and {destination} in the container one is a directory and the other is not (ENOTDIR)",
        cause="Source and destination of a bind mount are either both directories or both not.",
        remedy=("ls -ld {source}; compare with {destination} in the image",),
        reference=SPEC,
    ),
    Entry(
        code="mount-destination-below-file",
        title="the destination lies below a file",
        patterns=(
            rf"open o_path procfd: open (?P<path>/[^\n:]*): {ENOTDIR}",
            rf"\b(?:mkdir|open) `(?P<path2>/[^`\n]*)`: {ENOTDIR}",
        ),
        verdict="the destination of a mount lies below something that is a file in the image: {path}",
        cause="Every component of a destination except the last must be a directory (ENOTDIR).",
        remedy=("Choose another destination, or remove the file from the image.",),
        reference="https://github.com/containers/crun/issues/1307",
        confirm=look.file_in_the_way,
    ),
    Entry(
        code="mount-destination-in-proc",
        title="the destination lies inside /proc",
        patterns=(
            # The container's name for it: the host's is too long for a verdict, a pod's has 150 bytes before /rootfs.
            rf"to rootfs at \\?\"(?P<path>/proc/{ANY})\\?\": [^\n]* cannot be mounted because it is inside /proc",
            r"\\?\"(?P<path3>[^\"\\\n]*/proc/[^\"\\\n]*)\\?\" cannot be mounted because it is inside /proc",
            # runc from 1.2 on
            rf"to rootfs at \\?\"(?P<path4>/proc/{ANY})\\?\": create mountpoint for [^\n]*: {ENOENT}",
            rf"\bmkdir `(?P<path2>/proc/[^`\n]*)`: {ENOENT}",
        ),
        verdict="a mount has a destination inside /proc: {path}",
        cause="Nothing can be created there; runc forbids it for safety but for a few known files.",
        remedy=("Mount it elsewhere.",),
        reference=SPEC,
    ),
    Entry(
        code="mount-point-cannot-be-made",
        title="the mount point does not exist and cannot be created",
        patterns=(
            (
                rf"error mounting [^\n]*: (?:mkdir|mkdirat|openat|open|create mount ?point)[^\n]* "
                rf"(?P<path>/[^\n:]*): {EROFS}"
            ),
            rf"\b(?:mkdir|mkdirat|creat|open) `(?P<path2>/(?!sys/fs/cgroup)[^`\n]*)`: {EROFS}",
            rf"\bmkdir `(?P<path3>/sys/[^`\n]*)`: {EPERM}",
        ),
        verdict="the mount point {path} does not exist in the image and cannot be created there",
        cause="The root file system, or the file system that the destination lies in, is read-only.",
        remedy=("Create the directory in the image, or mount below a writable place such as a tmpfs.",),
        reference=SPEC,
    ),
    Entry(
        code="mount-point-not-permitted",
        title="the container's users may not create or reach the mount point",
        patterns=(
            (
                rf"error mounting [^\n]*: (?:mkdir|mkdirat|openat|open|lstat|create mount ?point)[^\n]* "
                rf"(?P<path>/[^\n:]*): {EACCES}"
            ),
            rf"\b(?:mkdir|mkdirat|creat|create|creating file) [`'](?P<path2>(?!/sys/fs/cgroup)[^`'\n]*)[`']: {EACCES}",
        ),
        ambiguous=(rf"\bopen `(?P<path3>/(?!sys/|proc/|dev/)[^`\n]*)`: {ENOENT}",),
        verdict="the mount point {path} cannot be made or reached by the container's users (EACCES)",
        cause="The directory that it lies in belongs to an id that the user namespace does not map; crun reports "
        "ENOENT for a file.",
        remedy=(
            "Create the mount point in the image, or give the directory to a mapped id: chown <hostID> <directory>",
            "or mount a tmpfs over the directory shown as evidence first",
        ),
        reference="https://github.com/containers/crun/issues/187",
        confirm=mount_points.closed_mount_point,
        rank=44,
    ),
    Entry(
        code="mount-destination-escapes",
        title="the destination leads out of the root file system through a symbolic link",
        patterns=(
            r"target `(?P<path>[^`\n]*)` not under the directory",
            r"possibly malicious path detected -- refusing to operate on (?P<path2>[^\n]+)",
            r"(?P<path3>/[^\n\"' ]*)\\?\"? is outside of rootfs",
            r"mounting [^\n]*: too many levels of symbolic links",
        ),
        verdict="the destination of a mount leads through a symbolic link out of the container: {path}",
        cause="The image has a link where the mount point should be, and the runtime refuses to follow it outside.",
        remedy=("Use the link's target inside the image as destination, or replace the link in the image.",),
        reference="https://github.com/containers/crun/issues/654",
    ),
    Entry(
        code="filesystem-unknown",
        title="the kernel does not know the file system type",
        patterns=(mounting(ANY, ENODEV),),
        verdict="the kernel does not know the file system type of {destination} (ENODEV)",
        cause="The type is misspelt, or its kernel module is not loaded; containers cannot load modules.",
        remedy=("modprobe <type> on the host; grep <type> /proc/filesystems",),
        reference="mount(2), ENODEV",
        confirm=look.unknown_filesystem,
    ),
    Entry(
        code="mount-needs-block-device",
        title="the file system needs a block device as source",
        patterns=(mounting(ANY, r"(?:block device required|ENOTBLK)"),),
        verdict="{source} is no block device, which this file system type needs (ENOTBLK)",
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
        cause="overlay wants all its directories to be there; upper and work lie on one file system.",
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
            mounting("overlay", r"(?:device or resource busy)"),
        ),
        verdict="overlay cannot be mounted in a user namespace on this kernel",
        cause="Kernels before 5.11 allow overlay only to real root.",
        remedy=("Use fuse-overlayfs (storage.conf: mount_program), or a newer kernel.",),
        reference="Linux Documentation/filesystems/overlayfs.rst",
        confirm=look.old_for_overlay,
        rank=40,
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
            r"error mounting \\?\"(?P<source>[^\"\\\n]*)\\?\" to rootfs at \\?\"(?P<destination>[^\"\\\n]*)",
        ),
        verdict="the mount options of {destination} are too long: the kernel takes one page (4096 bytes)",
        cause="mount(2) cuts its data at a page; many lower directories of an overlay reach that.",
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
            r"idmap(?:ped)? mounts? (?:are|is) not supported",
        ),
        verdict="the ids of a mount cannot be mapped: {source}",
        cause="The file system does not support idmapped mounts on this kernel (NFS, many FUSE file systems, device "
        "nodes), or the container has no user namespace of its own.",
        remedy=("Mount it without idmap and chown the files (:U in podman), or use a file system that supports it.",),
        reference="mount_setattr(2), ID-mapped mounts",
        confirm=look.options_of,
    ),
    Entry(
        code="recursive-read-only-unsupported",
        title="recursive read-only mounts are not supported",
        patterns=(
            rf"\bmount_setattr[^\n]*: {ENOSYS}",
            r"recursive(?:ly)? read-?only[^\n]*(?:not supported|unsupported|not implemented)",
        ),
        verdict="recursive mount attributes (rro) need mount_setattr, which kernel or runtime lacks (ENOSYS)",
        cause="It needs Linux 5.12 and a runtime built against it; runc since 1.1, crun since 1.4.",
        remedy=("Use ro instead of rro, or a newer kernel, libc and runtime.",),
        reference="https://github.com/containers/crun/issues/1131",
    ),
    Entry(
        code="mount-not-shared",
        title="the source's mount is not shared, so mounts cannot propagate",
        patterns=(
            (
                r"path \\?\"?(?P<source>/[^\s\"\\]*)\\?\"? is mounted on "
                r"\\?\"?(?P<mount>/[^\s\"\\]*)\\?\"? but it is not a shared(?: or slave)? mount"
            ),
            r"(?P<source2>/\S*) is not a shared (?:or slave )?mount",
        ),
        verdict="the mount that holds {source} is not shared, so rshared or rslave cannot work",
        cause="Mounts propagate only through shared mounts; without systemd the root mount is private.",
        remedy=("mount --make-rshared /, or --make-rshared on the mount point shown",),
        reference="mount_namespaces(7), SHARED SUBTREES",
        confirm=look.not_shared,
    ),
    Entry(
        code="propagation-invalid",
        title="rootfsPropagation is no known value",
        patterns=(r"rootfsPropagation=(?P<value>\S+) is not supported",),
        verdict="linux.rootfsPropagation is {value}, which is no propagation type",
        cause="shared, slave, private, unbindable and their recursive forms are known.",
        remedy=("Correct linux.rootfsPropagation.",),
        reference="OCI runtime-spec, config-linux.md, Rootfs Mount Propagation",
    ),
    Entry(
        code="mount-flags-locked",
        title="flags of the source's mount may not be dropped in a user namespace",
        ambiguous=(rf"\bremount[^\n]*: {EPERM}", mounting(rf"/{ANY}", EPERM)),
        verdict="the mount cannot be changed in a user namespace (EPERM): the source's mount has locked flags",
        cause="nosuid, nodev, noexec and ro of the source's mount must be kept inside a user namespace.",
        remedy=("Add the source's flags to the mount's options: findmnt -no OPTIONS -T <source>",),
        reference="mount_namespaces(7), Restrictions on mount namespaces",
        confirm=look.in_the_initial_or_not,
    ),
)
