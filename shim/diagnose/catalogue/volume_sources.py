"""Sources of volumes that exist for their user, but not where the engine or the kubelet looks for them."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EEXIST, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, Entry, mounted

MAKING = r"error while creating mount source path '(?P<source>[^'\n]*)':\s+mkdir\s+"
ELSEWHERE = r"(?!/(?:host_mnt|run/desktop|var/lib/kubelet|mnt/wsl|Users|Volumes)/)"
DEAD = (
    r"(?:stale (?:NFS )?file handle|host is down|transport endpoint is not connected|input/output error|required key "
    r"not available)"
)

NOT_OURS = r"(?!/(?:sys|proc)/)"


def looking(error: str) -> tuple[str, ...]:
    """Match: the source of a bind mount could not be looked at, or made, because of `error`: the wordings of docker
    (-v, --mount), runc (before and from 1.2 on), podman, crun and containerd; group `source`.
    """
    return (
        rf"{MAKING}[^\n]*?: {error}",
        rf"invalid mount config for type \\*\"bind\\*\": stat (?P<source>/[^\n]*?): {error}",
        mounted(rf"{NOT_OURS}/[^\"`\\\n]*", rf"(?:stat|open|lstat) [^\n]*?: {error}"),
        rf"failed to fulfil mount request: open (?P<source>{NOT_OURS}/[^\n:]*): {error}",
        (
            rf"(?:\bstatfs|error stat'ing file|(?<!\b[clrm][nmpsv]: )\bcannot stat) "
            rf"`?(?P<source>{NOT_OURS}/[^`\n:]*)`?: {error}"
        ),
        rf"\bMessage: stat (?P<source>{NOT_OURS}/[^\n:]*): {error}",  # docker before 1.10
        rf"failed to (?:stat|mkdir) \\*\"(?P<source>{NOT_OURS}/[^\"\n]*?)\\*\": (?:stat|mkdir) [^\n]*?: {error}",
    )


ENTRIES = (
    Entry(
        code="volume-source-mount-dead",
        title="the source of a volume lies on a mount that is dead",
        patterns=looking(DEAD),
        verdict="{source} lies on a mount that no longer answers",
        cause="The server of the mount (NFS, SMB, CephFS) was restarted or lost, or the FUSE program (sshfs, rclone, "
        "mergerfs, gocryptfs) has ended, and the mount is left over. 'Required key not available': the directory is "
        "encrypted, and locked or not this caller's.",
        remedy=(
            "umount -l the mount (FUSE: fusermount -uz), mount it again, and start the container.",
            "Start the container after the mount: systemd's RequiresMountsFor=, or x-systemd.automount in /etc/fstab.",
            "FUSE in a container: start that one first; and its mount reaches others only with :rshared.",
        ),
        reference="https://docs.kernel.org/filesystems/fuse.html, fusermount3(1)",
        tell="findmnt -T {source}; ls {source}",
        rank=43,
    ),
    Entry(
        code="volume-source-closed",
        title="the engine may not look into, or make, the source of a volume",
        patterns=(
            rf"{MAKING}{ELSEWHERE}(?P<path>/[^\n]*?): {EACCES}",
            rf"invalid mount config for type \\*\"bind\\*\": stat (?P<source2>/[^\n]*?): {EACCES}",
            rf"Error response from daemon: mkdir (?P<source6>/(?:home|mnt|media|nfs|data)/[^\n:]*): {EACCES}",
            rf"\bstatfs (?P<source3>{NOT_OURS}/[^\n:]*): {EACCES}",
            rf"failed to (?:stat|mkdir) \\*\"(?P<source4>{NOT_OURS}/[^\"\n]*?)\\*\": (?:stat|mkdir) [^\n]*?: {EACCES}",
        ),
        verdict="the engine may not reach {source} (EACCES)",
        cause="For an engine that runs as root, it is a FUSE mount without allow_other, or an NFS export with "
        "root_squash, which takes root for nobody. A rootless engine needs what its user needs: search permission on "
        "every directory of the path. Docker from a snap sees /home, /media and /mnt only.",
        remedy=(
            "Rootless: namei -l {source}; chmod o+x (or setfacl -m u:USER:x) what is closed, or use another directory.",
            "FUSE: mount it with allow_other (user_allow_other in /etc/fuse.conf).",
            "NFS: make the directory as a user who may, open the way to it (chmod o+x), or export with no_root_squash.",
            "Snap: snap list docker; use docker-ce or docker.io in its place, or a path below /home.",
        ),
        reference="path_resolution(7), exports(5)",
        tell="findmnt -T {source} (nfs, fuse.*?); sudo ls -ld {source}",
        rank=44,
    ),
    Entry(
        code="volume-source-not-readable",
        title="docker cannot look into the source of a volume: a FUSE mount that is closed to root, or a dead one",
        patterns=(rf"{MAKING}{ELSEWHERE}(?P<path>/[^\n]*?): {EEXIST}",),
        verdict="docker cannot look into {path}, takes it for missing, and fails to make it (EEXIST)",
        cause="A FUSE mount (rclone, sshfs, encfs, Google Drive) is closed to all but its user, root included, unless "
        "it was made with allow_other. Or the program or server behind a mount has ended, and the mount is left over.",
        remedy=(
            (
                "FUSE: mount it for root, too: rclone mount --allow-other, sshfs -o allow_other, encfs --public (a "
                "user needs user_allow_other in /etc/fuse.conf)."
            ),
            "A dead mount: fusermount -uz {path} (or umount -l {path}), and mount it again.",
            "Start the container after the mount. If rclone or mergerfs runs in a container, start that one first.",
        ),
        reference="https://github.com/moby/moby/issues/27026",
        tell="sudo ls {path}: 'Permission denied' is FUSE without allow_other; 'Transport endpoint is not connected' "
        "or 'Stale file handle' is a dead mount",
        rank=44,
    ),
    Entry(
        code="desktop-drive-lost",
        title="Docker Desktop's virtual machine does not have the drive of Windows",
        patterns=(
            rf"{MAKING}(?P<path>/(?:run/desktop/mnt/host|host_mnt)/[a-z]): {EEXIST}",
            rf"\bmkdir (?P<path2>/(?:run/desktop/mnt/host|host_mnt)/[a-z]): {EEXIST}",
        ),
        verdict="Docker Desktop's virtual machine has lost the drive of Windows, or never had it: {path}",
        cause="After sleep, a changed Windows password, or for a virtual, network or removable drive (Google Drive, "
        "VeraCrypt, subst), the drive is not mounted in the virtual machine.",
        remedy=(
            "Quit Docker Desktop, run wsl --shutdown, start Docker Desktop, then start the container again.",
            "Hyper-V: Settings, Resources, File sharing: remove the drive and add it, with the new password.",
            "A virtual drive: copy the files to a local NTFS drive, or into the WSL distribution.",
        ),
        reference="https://github.com/docker/for-win/issues/11245",
        tell="wsl -d docker-desktop ls /mnt/host: is the drive's letter there, and can it be read?",
        rank=43,
    ),
    Entry(
        code="desktop-bind-entry-stale",
        title="Docker Desktop has a stale entry for a path of the WSL distribution",
        patterns=(r"docker-desktop-bind-mounts/(?P<name>[^/\n'\"]+)/[0-9a-f]{16,}[^\n]*: " + EEXIST,),
        verdict="Docker Desktop's entry for this path of {name} is stale",
        cause="It binds each source at a place of its own. The source was removed, made again, or changed between file "
        "and directory since, and the old entry is in the way.",
        remedy=(
            "Quit Docker Desktop; in WSL: sudo rm -r /mnt/wsl/docker-desktop-bind-mounts/{name}; start Docker Desktop.",
            "Or close all terminals of WSL, wsl --shutdown, and start Docker Desktop.",
        ),
        reference="https://github.com/docker/for-win/issues/9823",
        tell="ls -l /mnt/wsl/docker-desktop-bind-mounts/{name}: an entry with ????, or of the wrong kind",
        rank=42,
    ),
    Entry(
        code="mac-folder-denied",
        title="macOS does not let the engine's application use a directory",
        patterns=(rf"{MAKING}(?P<path>(?:/host_mnt)?/(?:Users|Volumes|private|etc|opt)\b[^\n]*?): {EPERM}",),
        verdict="macOS does not let Docker Desktop or OrbStack make or enter {source}",
        cause="Its privacy settings deny the application this folder (Documents, Downloads, Desktop, iCloud, other "
        "disks). Or the directory does not exist, and your user may not make it there (/etc, /private).",
        remedy=(
            (
                "System Settings, Privacy & Security, Files and Folders (or Full Disk Access): allow Docker or "
                "OrbStack, and restart it."
            ),
            "If it does not exist: make it (sudo mkdir), or use a path below your home directory.",
        ),
        reference="https://github.com/orbstack/orbstack/issues/415",
        tell="ls -ld {source} on the Mac: if it exists, the privacy settings are the cause",
        rank=44,
    ),
    Entry(
        code="mac-socket-not-shareable",
        title="a socket of macOS cannot be a volume",
        patterns=(rf"{MAKING}(?P<path>[^\n]*?): {EOPNOTSUPP}",),
        verdict="{source} is a socket of macOS, which the virtual machine's file sharing cannot pass on",
        cause="VirtioFS shares files and directories. The sockets of an ssh agent ($SSH_AUTH_SOCK) and of docker on "
        "the Mac itself exist only there.",
        remedy=(
            (
                "The ssh agent, Docker Desktop: -v /run/host-services/ssh-auth.sock:/run/host-services/ssh-auth.sock "
                "-e SSH_AUTH_SOCK=/run/host-services/ssh-auth.sock"
            ),
            "docker's socket: -v /var/run/docker.sock:/var/run/docker.sock, which is the virtual machine's own.",
            "Colima: colima start --ssh-agent",
        ),
        reference="https://github.com/docker/for-mac/issues/6375",
        tell="ls -l the path on the Mac: the line begins with s",
        rank=44,
    ),
    Entry(
        code="synology-makes-no-sources",
        title="Synology's docker does not make the source of a volume",
        patterns=(r"Bind mount failed: '(?P<source>[^'\n]*)' does not exists?",),
        verdict="the source of the volume does not exist on the NAS: {source}",
        cause="Unlike docker elsewhere, the package of DSM does not make it. Paths of a stack in Portainer "
        "(/data/compose) do not exist on the NAS, and /volume1 itself cannot be a volume.",
        remedy=(
            "mkdir -p {source} over ssh, or in File Station; a file: touch it.",
            "Write whole paths of a shared folder (/volume1/docker/NAME) in place of ./ and $HOME.",
        ),
        reference="https://github.com/jonaswinkler/paperless-ng/issues/1170",
        rank=43,
    ),
    Entry(
        code="machine-does-not-share-path",
        title="the path is not in podman's virtual machine",
        patterns=(rf"\bstatfs (?P<source>/(?:Users|Volumes|private|[a-z])/[^\n:]*): {ENOENT}",),
        verdict="{source} is on your computer, but not in podman's virtual machine",
        cause="podman machine sees the directories that were named when it was made: on macOS /Users, /private and "
        "/var/folders (nothing before podman 4.1), on Windows the drives below /mnt.",
        remedy=(
            (
                "Once more with the directory (it loses images and containers): podman machine rm; podman machine init "
                "-v /Users:/Users -v /Volumes:/Volumes; podman machine start"
            ),
            "macOS: /private/tmp in place of /tmp. It worked before: podman machine stop, podman machine start.",
        ),
        reference="https://github.com/containers/podman/issues/18444",
        tell="podman machine ssh ls {source}; podman machine inspect shows Mounts",
        rank=44,
    ),
    Entry(
        code="time-zone-file-missing",
        title="the host has no file of the time zone, and docker made a directory in its place",
        patterns=(
            rf"mounting \\*\"(?P<source>/etc/(?:timezone|localtime))\\*\" to rootfs[^\n]*{ENOTDIR}",
            (
                rf"error while creating mount source path '(?P<source2>/etc/(?:timezone|localtime))': mkdir [^\n]*: "
                rf"{EEXIST}"
            ),
        ),
        verdict="this host has no file {source}; docker made a directory of that name, or found a link",
        cause="Only Debian and Ubuntu have /etc/timezone. Elsewhere docker -v makes an empty directory, which cannot "
        "be mounted over the file of the image. /etc/localtime may be missing or a link, as on Alpine and macOS.",
        remedy=(
            "Leave this volume out, and set the zone by the environment: TZ=Europe/Berlin (the image needs tzdata).",
            "rmdir {source}, if docker made it.",
            "Or make the file: timedatectl show -p Timezone --value >/etc/timezone; then make the container again.",
        ),
        reference="https://github.com/immich-app/immich/issues/4333",
        tell="ls -ld /etc/timezone /etc/localtime",
        rank=42,
    ),
    Entry(
        code="mac-time-zone-moved",
        title="the time zone of macOS has moved to another directory",
        patterns=(rf"{MAKING}(?P<path>[^\n]*/timezone/tz/[^\n]*?): ",),
        verdict="{source} is where macOS kept the time zone when the container was made",
        cause="/etc/localtime of macOS is a link into a directory whose name has the version of the data. Docker keeps "
        "the path to which it led, and macOS removes that directory with the next version.",
        remedy=(
            "Leave this volume out, and set TZ=Area/City in the environment.",
            "Or make the container again, so that the link is followed again: docker compose up -d --force-recreate",
        ),
        reference="https://github.com/docker/for-mac/issues/7188",
        tell="ls -l /etc/localtime on the Mac",
        rank=42,
    ),
)
