"""Volumes: their destinations."""

from __future__ import annotations

from shim.diagnose.checks import mount_points
from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import EACCES, EEXIST, ELOOP, ENOENT, ENOTDIR, EPERM, EROFS, Entry, mounting

ANY = r"[^\"`\\\n]*"
SPEC = "OCI runtime-spec, config.md, Mounts"
# crun names a file of a cgroup without its directory, as it does with mount points.
OF_CGROUP = r"(?:cgroup|cpu|cpuset|memory|io|blkio|pids|hugetlb|devices|freezer|net_cls|net_prio|rdma|misc)\."

ENTRIES = (
    Entry(
        code="mount-destination-below-file",
        title="the destination is below a file",
        patterns=(
            rf"open o_path procfd: open (?P<path>/[^\n:]*): {ENOTDIR}",
            rf"\b(?:mkdir|open) `(?P<path2>/[^`\n]*)`: {ENOTDIR}",
            rf"lookup mountpoint target: [^\n]*openat2 (?P<path3>/[^\n:]*): {ENOTDIR}",  # runc from 1.2 on
            rf"error creating directory `(?P<path4>[^`\n]*)` since `[^`\n]*` exists and it is {ENOTDIR}",
        ),
        verdict="the destination of a mount is below a file of the image: {path}",
        cause="Every component of a destination except the last must be a directory (ENOTDIR).",
        remedy=("Choose another destination, or remove the file from the image.",),
        reference="https://github.com/containers/crun/issues/1307",
        confirm=look.file_in_the_way,
        rank=45,
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
        cause="Nothing can be created in /proc. For safety runc forbids mounts there, except on a few known files.",
        remedy=("Mount it elsewhere.",),
        reference=SPEC,
    ),
    Entry(
        code="mount-over-proc",
        title="something else than a procfs is to be mounted onto /proc",
        patterns=(r"\\*\"(?P<path>/proc)\\*\"(?:: | caused )[^\n]*cannot be mounted because it is not of type proc",),
        verdict="only a procfs may be mounted onto /proc, and this mount is none",
        cause="For safety runc refuses it from 1.0-rc9 on (CVE-2019-16884). The mount comes from -v, from compose, or "
        "from VOLUME /proc in the image's Dockerfile.",
        remedy=(
            "Leave the mount out, or build the image without VOLUME /proc.",
            "The host's own /proc is allowed: -v /proc:/proc.",
        ),
        reference="https://github.com/opencontainers/runc/pull/2129",
        rank=40,
    ),
    Entry(
        code="mount-point-cannot-be-made",
        title="the mount point does not exist and cannot be created",
        patterns=(
            (
                rf"\bmounting [^\n]*(?:: |caused \\*\")(?:mkdir|mkdirat|openat|open|create mount ?point)[^\n]* "
                rf"(?P<path>/[^\n:]*): {EROFS}"
            ),
            rf"\b(?:mkdir|mkdirat|creat|open) `(?P<path2>/(?!sys/fs/cgroup)[^`\n]*)`: {EROFS}",
            rf"\bmkdir `(?P<path3>/sys/[^`\n]*)`: {EPERM}",
            (
                rf"\bmkdir /\S*(?:rootfs|merged|mnt/[0-9a-f]{{12,}})(?P<path4>/(?:sys|proc)/\S*): "
                rf"(?:{ENOENT}|{EPERM}|{EROFS})"
            ),
        ),
        verdict="the mount point {path} does not exist in the image and cannot be created there",
        cause="The root file system, or the file system of the destination, is read-only, or a secret or volume "
        "above it is (/run/secrets). In /sys and /proc nobody can make a directory: a kernel without /sys/fs/cgroup "
        "(RHEL 6, 2.6.32) cannot run images with systemd at all. Below /var/lib/sysbox it is sysbox: an upgrade of it "
        "fits to a newer docker or kernel.",
        remedy=(
            "Create the directory in the image, or mount below a writable place such as a tmpfs.",
            "Below /sys or /proc: is the name spelt right? Elsewhere it is never there.",
        ),
        reference=SPEC,
    ),
    Entry(
        code="mount-destination-relative",
        title="the destination of a mount does not begin with a slash",
        patterns=(r"mount destination (?P<path>[^\n]+?) (?:is )?not absolute",),
        verdict="the mount's destination {path} is not an absolute path, and this runtime refuses it",
        cause="runc 1.0.0-rc94 and rc95 (containerd.io 1.4.5, 1.4.6) refuse it; other versions take it from /. It "
        "comes from VOLUME in the image's Dockerfile, -v, or compose, often from a Windows path or a variable that is "
        "empty.",
        remedy=(
            "Write it with a leading slash: docker run -v name:/data; compose: volumes; Dockerfile: VOLUME /data.",
            "Upgrade containerd.io (runc 1.0.0 or later only warns), and make the container again.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2928",
        ours=False,
        rank=45,
    ),
    Entry(
        code="mount-point-not-permitted",
        title="the container's users may not create or reach the mount point",
        patterns=(
            (
                rf"\bmounting [^\n]*: (?:mkdir|mkdirat|openat|open|lstat|create mount ?point)[^\n]* "
                rf"(?P<path>/[^\n:]*): {EACCES}"
            ),
            rf"make mountpoint \\?\"(?P<path4>[^\"\\\n]+)\\?\": (?:openat file: )?{EACCES}",  # runc from 1.2 on
        ),
        ambiguous=(
            (
                rf"(?<!can't )\b(?:mkdir|create?|openat2|open) "
                rf"[`](?P<path2>(?!/(?:sys|proc|dev)/|{OF_CGROUP})[^`\n]*)[`]: {EACCES}"
            ),
            rf"\bcreating file [`'](?P<path5>[^`'\n]*)[`']: {EACCES}",
            rf"\bopen `(?P<path3>/(?!sys/|proc/|dev/)[^`\n]*(?<!exec\.fifo))`: {ENOENT}",
        ),
        verdict="the container's users may not create or reach the mount point {path} (EACCES)",
        cause="The directory above it belongs to an id that the user namespace does not map, or to a group of the user "
        "that runc does not keep (a device's directory, such as /dev/vboxusb). For a file, crun reports ENOENT.",
        remedy=(
            "Create the mount point in the image, or give the directory to a mapped id: chown <hostID> <directory>",
            "or mount a tmpfs over the directory shown as evidence first",
            "a device of a group: podman --runtime crun --group-add keep-groups, as a user in that group",
        ),
        reference="https://github.com/containers/crun/issues/187",
        confirm=mount_points.closed_mount_point,
        rank=44,
        tell="namei -l on the destination below the container's root: may the mapped users write there?",
        offer=1,
    ),
    Entry(
        code="mount-destination-escapes",
        title="the destination leads through symbolic links out of the root file system, or in a circle",
        patterns=(
            r"target `(?P<path>[^`\n]*)` not under the directory",
            r"possibly malicious path detected -- refusing to operate on (?P<path2>[^\n]+)",
            r"(?P<path3>/[^\n\"' ]*)\\?\"? is outside of rootfs",
            rf"mounting [^\n]*: {ELOOP}",
            rf"\bopenat2 `(?P<path4>[^`\n]*)`: {ELOOP}",
        ),
        verdict="the destination of a mount leads through symbolic links out of the container, or in a circle: {path}",
        cause="The image has a symbolic link at the mount point, and the runtime does not follow it out of the "
        "container. crun fails on such a link only without openat2(2), for example under an old seccomp profile.",
        remedy=("Use the link's target inside the image as destination, or replace the link in the image.",),
        reference="https://github.com/containers/crun/issues/654",
    ),
    Entry(
        code="lxcfs-lacks-path",
        title="lxcfs does not have the file that is to be mounted",
        patterns=(rf"mkdir /var/lib/lxcfs(?:/[^\n:]*)?: (?:{EPERM}|{EACCES}|{ENOENT}|{EEXIST})",),
        verdict="lxcfs does not serve the path that is to be mounted, and nothing can be created below /var/lib/lxcfs",
        cause="lxcfs serves sys/devices/system/cpu only since 4.0; an older one, or one that is not running or was "
        "started again after the container, lacks the path. The engine then tries to make a directory.",
        remedy=(
            "systemctl status lxcfs; ls /var/lib/lxcfs; start it before the containers.",
            "Upgrade lxcfs to 4.0 or later, or leave out the mount of /var/lib/lxcfs/sys/devices/system/cpu.",
        ),
        reference="https://github.com/lxc/lxcfs/issues/572",
        rank=40,
    ),
    Entry(
        code="kernel-mount-source-missing",
        title="a file system of the kernel that is a mount's source is not there",
        patterns=(
            rf"failed to fulfil mount request: open (?P<path>/sys/(?:kernel|firmware|fs/bpf)\b[^\n:]*): {ENOENT}",
            (
                r"(?:failed to mkdir|mount source path) [\"'](?P<path2>/(?:sys|proc)/[^\"'\n]+)[\"']: mkdir [^\n:]+: "
                rf"(?:{EPERM}|{ENOENT}|{EACCES})"
            ),
        ),
        verdict="the source of a mount, {path}, belongs to the kernel, and this kernel does not have it",
        cause="The directories below /sys/kernel and /sys/fs exist only where the kernel was built for them; no "
        "program can create them.",
        remedy=(
            "Start it on a kernel that has the option (CONFIG_SECURITYFS, CONFIG_BPF_SYSCALL, CONFIG_DEBUG_FS).",
            "Or take the mount out of the container's settings: what needs it must then do without.",
        ),
        reference="https://github.com/siderolabs/talos/issues/9431",
        rank=47,
    ),
    Entry(
        code="socket-mounted-read-only",
        title="crun cannot mount a socket read-only",
        patterns=(r"open mount target [`'\"]?(?P<path>[^`'\"\n]+)[`'\"]?: (?:No such device or address|ENXIO)",),
        verdict="crun cannot mount the socket {path} read-only",
        cause="crun up to 1.15 opens the target of a read-only bind mount for reading, which a socket refuses (ENXIO).",
        remedy=(
            "Mount it without ro (:ro adds nothing for a socket: anyone who sees it may connect).",
            "Or upgrade crun to 1.16 or later, or use runc.",
        ),
        reference="https://github.com/containers/crun/issues/1463",
        rank=45,
    ),
    Entry(
        code="host-root-not-readable",
        title="the host's root directory is closed to the user",
        patterns=(rf"\bopen [`']/[`']: {EACCES}",),
        verdict="the user may not open the host's root directory /",
        cause="Its mode has no r and x for others (751, 750), and crun opens it while it sets the container up.",
        remedy=("chmod 755 /", "Or upgrade crun."),
        reference="https://github.com/containers/crun/issues/249",
        tell="stat -c %a /",
        rank=40,
    ),
    Entry(
        code="namespace-files-not-mountable",
        title="files of another process's namespaces cannot be mounted",
        patterns=(mounting(r"/proc/\d+/ns[^\"\\\n]*", EACCES),),
        verdict="{source} may not be mounted into the container: reading the namespaces of that process is refused",
        cause="The kernel asks for ptrace rights on the process, and SELinux or Yama refuses them. Cilium 1.10.2 "
        "mounted /proc/1/ns so.",
        remedy=(
            "Mount /proc of the host instead, and use /hostproc/1/ns (Cilium 1.10.3 and later do).",
            "To find out: setenforce 0; ausearch -m avc -ts recent",
        ),
        reference="https://github.com/cilium/cilium/issues/16814",
        tell="getenforce; ausearch -m avc -ts recent | grep ptrace",
        rank=43,
    ),
    Entry(
        code="mount-point-not-in-sysfs",
        title="a mount point below /sys does not exist on this host",
        patterns=(
            (
                rf"create mountpoint for (?P<destination>/sys/(?!fs/cgroup)[\w./-]+) mount: [^\n]*: "
                rf"(?:{EPERM}|{ENOENT}|{EROFS}|{EACCES})"
            ),
        ),
        verdict="{destination} does not exist on this host, and nothing can be created in sysfs",
        cause="The container is to have a mount there. The kernel has the directory only with the part that it belongs "
        "to: /sys/fs/selinux with SELinux, /sys/kernel/security with a security module.",
        remedy=(
            (
                "Make the container again, without that mount (distrobox, toolbox: after a change of the kernel or of "
                "SELinux)."
            ),
            "Or boot a kernel that has it: ls -d {destination}",
        ),
        reference="https://github.com/89luca89/distrobox/issues/1730",
        tell="ls -d {destination} on the host",
        rank=58,
    ),
    Entry(
        code="mount-point-in-read-only-volume",
        title="the outer of two nested volumes is read-only and has no directory for the inner one",
        patterns=(
            rf"create mountpoint for (?P<path>/(?!\s?(?:sys|proc|dev)/)[^\n]*?) mount: [^\n]*{EROFS}",
            (
                rf"mounting (?![^\n]*/sys/fs/cgroup)[^\n]* at \\*\"(?P<path2>/(?!sys/|proc/|dev/)[^\"\\\n]*)\\*\" "
                rf"caused[^\n]*mkdir [^\n]*: {EROFS}"
            ),
        ),
        verdict="there is no place for the mount at {path}, and it cannot be made: what is above it is read-only",
        cause="A volume with :ro is above it, and its source lacks that directory (node_modules, vendor, .venv); or "
        "the container's root is read-only and the image lacks it.",
        remedy=(
            "Make the directory in the source of the outer volume, on the host: mkdir -p (keep it with a .gitkeep).",
            "Or without :ro for the outer one, or single volumes for what is needed.",
            "A read-only root: RUN mkdir -p in the image, or a tmpfs above it.",
            "Kubernetes: no mount below a config map, secret or read-only volume; use subPath or a projected volume.",
        ),
        reference="https://github.com/docker/for-linux/issues/128",
        tell="docker compose config, docker inspect NAME: which volume is above {path}, and is it read-only?",
        rank=42,
    ),
)
