"""Volumes on network and foreign file systems: they cannot be mounted, or their owner cannot be changed."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, EROFS, Entry

WRITTEN = r"/(?!sys/|proc/|dev/|run/(?:user|systemd|docker|containerd|crio|podman)|var/run/)[^'`\"\n:\u2019]*"

ENTRIES = (
    Entry(
        code="volume-owner-not-changeable",
        title="the owner or the mode of a volume cannot be changed",
        patterns=(
            rf"\bl?chown (?P<path>/[^\n:]+): (?:{EPERM}|{EACCES}|{EROFS})",
            (
                rf"\bch(?:own|mod|grp): (?:changing (?:ownership|permissions|group) of )?['\"`]?"
                rf"(?P<path2>[^\s'\"`:]+)['\"`]?: (?:{EPERM}|{EACCES}|{EROFS})"
            ),
        ),
        verdict="the owner or the mode of {path} cannot be changed from here",
        cause="NFS with root_squash maps root to nobody; CIFS, NTFS, exFAT, VirtualBox, GlusterFS and Windows' own "
        "files (/mnt/c) have no Unix owners; in a user namespace (rootless, userns-remap, LXC) the owner is not "
        "mapped; or the container lacks CAP_CHOWN or CAP_FOWNER (--cap-drop, --user), or the volume is read-only.",
        remedy=(
            "NFS: no_root_squash in the server's /etc/exports, or files that belong to the container's user already.",
            (
                "CIFS, exFAT, NTFS: mount with uid=, gid=, file_mode= and dir_mode=; Docker's volume: -v "
                "name:/data:nocopy."
            ),
            "WSL, Docker Desktop: a named volume, or a path inside the distribution. LXC: map the id (lxc.idmap).",
            "A pod, or --user: the user that the image expects (securityContext.runAsUser, fsGroup), or start as root.",
        ),
        reference="https://docs.docker.com/engine/storage/volumes/",
        tell="findmnt -T the path: which file system? cat /proc/self/uid_map; grep CapEff /proc/self/status",
        rank=65,
    ),
    Entry(
        code="volume-not-mounted",
        title="docker cannot mount the file system of a volume",
        patterns=(
            r"error while mounting volume (?:with options|'[^'\n]*')[^\n]*?: (?P<reason>[a-z][^\n:\"]*?)\.?(?:\"|$)",
            r"failed to mount local volume: [^\n]*: (?P<reason2>[a-z][^\n:\"]*?)\.?(?:\"|$)",
            r"VolumeDriver\.Mount: (?P<reason3>[^\n\"]*)",
        ),
        verdict="docker cannot mount the volume's file system: {reason}",
        cause="The local driver calls mount with exactly these options. Permission denied: the share's user, "
        "password or "
        "export; no such file: the device or the directory on the server; invalid argument: addr= is missing for NFS, "
        "or vers=; no such device: the kernel has no nfs or cifs (old NAS, linux-modules-extra is missing), or "
        "the type "
        "is a FUSE file system; host is down: the server does not speak this vers= of SMB. Exit status, no such "
        "volume: "
        "a plugin's; its log says more. Unprivileged containers (LXC) cannot mount network file systems at all.",
        remedy=(
            "Try it on the host: mount -t <type> -o <options> <device> /mnt; dmesg | tail has the server's answer.",
            "NFS: o: addr=<server>,vers=4; CIFS: o: addr=<server>,username=,password=,vers=3.0",
            "docker volume rm and create again: an existing volume keeps its old options.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/volume/create/",
        tell="docker volume inspect NAME; dmesg | tail; grep -E 'nfs|cifs' /proc/filesystems",
        rank=57,
    ),
    Entry(
        code="container-size-not-limitable",
        title="the size of a container or a volume cannot be limited on this file system",
        patterns=(
            r"--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
            r"--?storage-opt is not supported for \w+",
            r"quota size requested(?: for volume)?,? but no quota support",
            r"Storage option overlay2\.size (?:not supported|only supported)[^\n]*",
        ),
        verdict="docker cannot limit the size: the file system below its directory keeps no project quotas",
        cause="--storage-opt size=, overlay2.size and volumes with size= need project quotas: xfs mounted with pquota. "
        "ext4, btrfs, xfs without that option and containerd's image store do not support them. This is not a cgroup "
        "limit.",
        remedy=(
            (
                "xfs: pquota (prjquota) in /etc/fstab for /var/lib/docker; a root file system needs rootflags=pquota "
                "at boot "
                "and a reboot: remounting is not enough. xfs_info: ftype=1."
            ),
            "Or leave size= out: limit a volume by a file system of its own, or --tmpfs /data:size=1g.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#storage-opt",
        tell="findmnt -no FSTYPE,OPTIONS -T /var/lib/docker",
        rank=44,
    ),
    Entry(
        code="tmpfs-mounted-read-only",
        title="a read-only tmpfs is refused by an old runc",
        patterns=(rf"mounting \\*\"tmpfs\\*\" to rootfs[^\n]*(?:: |caused:? \\*\")chmod (?P<path>/[^\n:]+): {EROFS}",),
        verdict="runc mounted the tmpfs read-only and then could not set its mode",
        cause="runc before 1.0 mounts with the option ro at once and changes the directory's mode afterwards.",
        remedy=(
            "Leave :ro out of --tmpfs; an empty read-only place: --tmpfs PATH:nr_blocks=1,nr_inodes=2.",
            "Upgrade runc (containerd.io, docker).",
        ),
        reference="https://github.com/opencontainers/runc/issues/2246",
        rank=36,
    ),
)
