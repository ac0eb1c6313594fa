"""Owners of files that a user namespace does not map: whose ids are missing, and the disks that layers lie on."""

from __future__ import annotations

from shim.diagnose.entry import EINVAL, EOVERFLOW, Entry

SMALL = r"(?:\d{1,4}|[1-5]\d{4})"
REQUESTED = (
    r"(?:potentially insufficient UIDs or GIDs available in user namespace|there might not be enough IDs available in "
    r"the namespace)\s+\(requested "
)
FOR_FILE = r"(?P<user>\d+):(?P<group>\d+) for (?P<path>/[^)\n]*)\)"

ENTRIES = (
    Entry(
        code="subordinate-ids-not-in-effect",
        title="podman has no range of subordinate ids, or has not read it yet",
        patterns=(rf"{REQUESTED}(?={SMALL}:{SMALL} for )(?!\d+:\d+ for /var/tmp/){FOR_FILE}",),
        verdict="podman maps no more than the user's own id: it has no range, or has not read it yet",
        cause="{user}:{group}, the owner of {path}, is an ordinary id, which any range has. /etc/subuid or /etc/subgid "
        "has no line for the user, or podman's pause process keeps the map from before it had one.",
        remedy=(
            (
                "grep $USER: /etc/subuid /etc/subgid: if a line is missing, sudo usermod --add-subuids 100000-165535 "
                "--add-subgids 100000-165535 $USER"
            ),
            "Then in each case: podman system migrate (it stops the user's containers), and pull again.",
            (
                'No such right on this machine: ignore_chown_errors = "true" below [storage.options.overlay] in '
                "~/.config/containers/storage.conf"
            ),
        ),
        reference="https://github.com/containers/podman/issues/3421",
        tell="podman unshare cat /proc/self/uid_map: one line alone, with the length 1?",
        rank=40,
    ),
    Entry(
        code="home-maps-one-id",
        title="the home directory belongs to systemd-homed, which maps the user's own id only",
        patterns=(rf"{REQUESTED}{FOR_FILE}", rf"\blchown (?P<path2>/[^\s:]*): (?:{EINVAL}|{EOVERFLOW})"),
        verdict="systemd-homed mounts this home directory so that only the user's own id exists in it",
        cause="Such users have ids from 60001 to 60513. Files of a rootless container's other ids cannot exist below "
        "the home directory, whatever /etc/subuid says.",
        remedy=(
            (
                'Move podman\'s storage: rootless_storage_path = "/var/lib/podman-$USER" in '
                "/etc/containers/storage.conf, a local directory of the user; then podman system reset."
            ),
            "Or use a user that systemd-homed does not keep.",
            'Or give all files to one user: ignore_chown_errors = "true" below [storage.options.overlay].',
        ),
        reference="https://github.com/systemd/systemd/issues/21952",
        tell="homectl list; touch ~/t; podman unshare chown 0:42 ~/t: 'Invalid argument'",
        beside=r"\s0\s+60[0-5]\d\d\s+1\s|\bhomed\b|homectl",
        rank=39,
    ),
    Entry(
        code="build-context-of-large-id",
        title="the files of the build context keep an owner that podman cannot map",
        patterns=(rf"{REQUESTED}(?P<user>\d+):(?P<group>\d+) for (?P<path>/var/tmp/libpod_builder[^)\n]*)\)",),
        verdict="the build context has files of the user {user}, an id that podman's user namespace does not map",
        cause="A client of docker's API (docker build, Podman Desktop, Testcontainers) sends the files with their "
        "owner's id. Ids of a directory service (LDAP, Active Directory) are larger than a usual range.",
        remedy=(
            "Use podman build in place of a build through docker's API.",
            "Or send a context without owners: tar --owner=0 --group=0 --numeric-owner -cf - . | docker build -",
            (
                "Or give the user a range that is larger than that id, in /etc/subuid and /etc/subgid; podman system "
                "migrate"
            ),
        ),
        reference="https://github.com/containers/podman/pull/21893",
        rank=38,
    ),
    Entry(
        code="docker-lacks-owner-of-layer",
        title="docker runs in a container, or rootless, that lacks the owner of a file in the image",
        patterns=(
            (
                rf"failed to Lchown \\*\"(?P<path>[^\"\n]*?)\\*\" for UID (?P<user>\d+), GID (?P<group>\d+)[^\n]*: "
                rf"{EINVAL}"
            ),
            rf"failed to register layer:[^\n]*\blchown (?P<path2>/[^\n:]*): {EINVAL}",
        ),
        verdict="the id map of this docker does not have the owner of {path}",
        cause="docker runs in an unprivileged LXC (Proxmox, LXD: ids 0 to 65535) or rootless, and a file of the image "
        "has an owner outside of its map ({user}:{group}). An id below 65536 is missing where lxc.idmap has gaps.",
        remedy=(
            (
                "An id above 65535: the image is at fault (COPY --chown, chown -R 0:0 in its Dockerfile): report it, "
                "or use another tag."
            ),
            "Or run docker in a virtual machine or a privileged container.",
            (
                "Rootless: a larger range for the user. Proxmox: widen root's range in /etc/subuid and /etc/subgid, "
                "and lxc.idmap: u 0 100000 RANGE, and the same with g, in /etc/pve/lxc/ID.conf, without gaps."
            ),
        ),
        reference="https://github.com/moby/moby/issues/43576",
        tell="cat /proc/self/uid_map /proc/self/gid_map where dockerd runs",
        rank=45,
    ),
    Entry(
        code="overlay-without-file-types",
        title="the disk below /var/lib/docker cannot carry overlay: XFS with ftype=0",
        patterns=(rf"mkdir /[^\s:]*/overlay2?/[0-9a-f]{{20,}}-init/merged/[^\s:]*: {EINVAL}",),
        verdict="the file system below docker's directory cannot carry overlay",
        cause="overlay needs the types of files in directories (d_type). XFS with ftype=0, the default of RHEL and "
        "CentOS 7 up to 7.2, does not store them. btrfs could not carry overlay either, and kernels up to 3.10.0-229 "
        "have an early, faulty one.",
        remedy=(
            (
                "Put docker's directory on ext4, or on XFS that is made with mkfs.xfs -n ftype=1: it cannot be changed "
                "afterwards."
            ),
            "CentOS, RHEL 7: yum update kernel (3.10.0-693 or later), and reboot.",
            'Until then: "storage-driver": "vfs" (slow) in /etc/docker/daemon.json.',
        ),
        reference="https://github.com/moby/moby/issues/32651",
        tell="xfs_info /var/lib/docker | grep ftype; docker info | grep d_type; dmesg | grep d_type",
        rank=40,
    ),
    Entry(
        code="docker-directory-in-outer-image",
        title="docker's directory lies in a layer of the outer container's image",
        patterns=(r"rename (?P<path>/[^\s:]*/docker/\w+) /[^\s:]*-old: invalid cross-device link",),
        verdict="dockerd cannot rename {path}: it comes from the image of the container that dockerd runs in",
        cause="overlay refuses to rename a directory of a lower layer (EXDEV).",
        remedy=(
            "Give the outer container a volume there: docker run --privileged -v /var/lib/docker IMAGE",
            (
                "Or remove what the image brought before dockerd starts: rm -r /var/lib/docker/runtimes "
                "/var/lib/docker/tmp"
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/230",
        tell="findmnt -T /var/lib/docker in the outer container: overlay?",
        beside=r"rror starting daemon|failed to start daemon",
        rank=40,
    ),
    Entry(
        code="file-system-damaged",
        title="the file system of the engine's disk is damaged",
        patterns=(r"(?:(?P<path>/[^\s:\"']+): )?(?:structure needs cleaning|EUCLEAN)",),
        verdict="the file system is damaged (EUCLEAN)",
        cause="The kernel found broken metadata of the file system (XFS, ext4) after a crash, or on a failing disk. "
        "No setting of the engine is at fault.",
        remedy=(
            (
                "Stop the engine, unmount the device, and repair it: xfs_repair, e2fsck -f (the root file system: "
                "at boot)."
            ),
            (
                "Docker Desktop: Troubleshoot, Clean / Purge data; Colima, podman machine: delete the machine and "
                "make a new one. Both lose images, containers and volumes."
            ),
            "Look after the disk: smartctl -a, dmesg",
        ),
        reference="https://github.com/moby/moby/issues/20298",
        tell="dmesg | grep -iE 'corrupt|EXT4-fs error|XFS'",
        ours=False,
        rank=35,
    ),
)
