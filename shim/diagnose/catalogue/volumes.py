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
        code="volume-not-writable",
        title="a program in the container may not write into a directory",
        patterns=(
            (
                rf"mkdir: (?:cannot|can't) create directory [`'\"\u2018]?(?P<path>{WRITTEN})[`'\"\u2019]?: "
                rf"(?P<reason>{EACCES}|{EROFS}|{EPERM})"
            ),
            (
                rf"touch: (?:cannot touch [`'\"\u2018]?)?(?P<path2>{WRITTEN})[`'\"\u2019]?: "
                rf"(?P<reason2>{EACCES}|{EROFS}|{EPERM})"
            ),
            (
                rf"(?:mkdir|open|chown|rename|unlink)\(\) \"(?P<path5>{WRITTEN})\" failed \((?:13|30|1): "
                rf"(?P<reason5>{EACCES}|{EROFS}|{EPERM})\)"
            ),
            rf"\bunable to mkdir (?P<path6>\S+): (?P<reason6>{EACCES}|{EROFS})",
            rf"(?<!': )(?<!\w{{12}}: )\b(?:open|mkdir|rename|create) (?P<path7>{WRITTEN}): {EROFS}",
            rf"EACCES: permission denied, (?:mkdir|open|unlink|rename|scandir|copyfile|rmdir) '(?P<path3>{WRITTEN})'",
            rf"(?:Permission|OS)Error: \[Errno (?:13|30)\] (?P<reason4>{EACCES}|{EROFS}): '(?P<path4>{WRITTEN})'",
        ),
        verdict="the program of the container may not write {path}",
        cause="Permission denied: the volume's directory belongs to another user. docker makes a missing one as "
        "root, and "
        "images that do not run as root (Bitnami: 1001, group 0) write as their own number; NFS with root_squash and "
        "SELinux (no :z) refuse root, too. Read-only: --read-only, :ro, or readOnlyRootFilesystem.",
        remedy=(
            (
                "chown -R NUMBER {path}'s directory on the host (docker exec NAME id); rootless podman: podman "
                "unshare chown, "
                "or -v ...:U; Kubernetes: securityContext.fsGroup."
            ),
            "Or --user $(id -u):$(id -g), where the image allows it; a named volume takes the image's owner.",
            "SELinux: -v ...:z. Read-only: a volume or --tmpfs for that directory.",
        ),
        reference="https://docs.docker.com/engine/storage/bind-mounts/",
        tell="ls -ldn of the directory inside and outside; id in the container; ls -Z",
        ours=False,
        rank=59,
    ),
    Entry(
        code="copy-into-read-only",
        title="docker cp does not copy into what is read-only",
        patterns=(
            r"(?P<what>container rootfs) is marked read-only",
            r"(?P<what2>mount point \S+) is marked read-only",
        ),
        verdict="docker cp copies nothing: {what} is read-only",
        cause="The container was made with --read-only, or the place is a volume with :ro. docker looks only at the "
        "container's root where a writable volume lies below it.",
        remedy=(
            "Copy into a volume through the host or another container, or make the container without --read-only.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/cp/",
        ours=False,
        rank=57,
    ),
    Entry(
        code="volume-syntax-not-understood",
        title="docker cannot read what -v or volumes says",
        patterns=(
            r"invalid mount path: '(?P<path>[^'\n]*)' mount path must be\s+absolute",
            r"(?P<path2>[^\s\"]+)\"? includes invalid characters for a local volume name",
            r"invalid volume spec(?:ification)?:? ['\"](?P<path3>[^'\"\n]*)['\"]",
            r"invalid mount target, must be an absolute path: (?P<path4>[^\n\"]*)",
            r"Duplicate mount point: (?P<path5>\S+)",
            r"invalid volume mount source, must not be an absolute path(?:: (?P<path6>\S+))?",
        ),
        verdict="docker cannot take this for a volume: {path}",
        cause="It is SOURCE:DESTINATION[:ro,z]; the destination begins with a slash. A source that does not is "
        "the name of "
        "a volume: ./data works in compose, and with docker run only from client 23 on. Git Bash, MSYS and the Docker "
        "Toolbox turn paths round (C:\\data loses its backslashes, /data becomes C:/Program Files/Git/data), an empty "
        "variable leaves one part out, and VOLUME in a Dockerfile with typographic quotes is taken literally.",
        remedy=(
            'Absolute: -v "$PWD/data:/data", or --mount type=bind,source="$PWD/data",target=/data.',
            "Windows: //c/Users/me/data:/data or MSYS_NO_PATHCONV=1 in Git Bash; PowerShell: ${{PWD}}:/data.",
            (
                'compose: each destination once, quoted: "./data:/data"; docker compose config shows what it makes '
                "of it."
            ),
        ),
        reference="https://docs.docker.com/engine/storage/bind-mounts/",
        ours=False,
        rank=44,
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
        cause="--storage-opt size=, overlay2.size and volumes with size= work by project quotas: xfs mounted "
        "with pquota. "
        "ext4, btrfs, an xfs without that option, and containerd's image store cannot do it. It is no cgroup limit.",
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
