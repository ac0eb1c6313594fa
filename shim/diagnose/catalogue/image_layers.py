"""Layers of an image that cannot be unpacked, and device nodes that cannot be made in a container."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EDQUOT, ENOENT, ENOSPC, ENOSYS, EPERM, EROFS, Entry

LAYER = (
    r"(?:failed to (?:register|extract|unpack|apply) (?:layer|image)|ApplyLayer|applying layer|Untar|"
    r"Error processing tar file|writing blob|error creating layer|failed to prepare extraction snapshot)"
)
NODE = r"(?:creating device nodes(?: caused)?:? [^\n]*|mknod(?:at|Device)? [^\n]*|error creating device nodes: [^\n]*)"


def layer(error: str) -> str:
    """Match: a layer of an image could not be unpacked, for `error`."""
    return rf"{LAYER}[^\n]*{error}"


ENTRIES = (
    Entry(
        code="layer-not-permitted",
        title="the engine may not unpack a layer of the image",
        patterns=(
            layer(rf"(?:{EPERM}|{EACCES})"),
            rf"failed to get filesystem from image: (?:ch|lch|mk|un)\w+ [^\n:]+: (?:{EPERM}|{EACCES})",  # kaniko
        ),
        verdict="the engine may not unpack the layers of the image",
        cause="Permission denied, as root: AppArmor around the engine (docker from snap, LXC without nesting). "
        "Operation not permitted: an unprivileged container or user namespace that may not chown, make device nodes "
        "or unshare, a storage driver on NFS or CIFS, or a virus scanner.",
        remedy=(
            "Snap: snap refresh docker; or snap remove docker, and docker-ce or docker.io with apt.",
            "LXC: Proxmox features nesting=1,keyctl=1; LXD, Incus: security.nesting=true. dind: --privileged",
            "kaniko: as root, with the capabilities CHOWN, FOWNER, DAC_OVERRIDE, SETUID and SETGID.",
            "The engine's directory on a local file system (ext4, xfs); rootless: enough ids in /etc/subuid.",
        ),
        reference="https://github.com/canonical/docker-snap/issues/281",
        tell="journalctl -k | grep -i 'apparmor.*denied'; stat -f -c %T /var/lib/docker; readlink -f $(which docker)",
        rank=58,
    ),
    Entry(
        code="layer-without-room",
        title="there is no room to unpack a layer of the image",
        patterns=(layer(rf"(?:{ENOSPC}|{EDQUOT})"),),
        verdict="the disk of the engine's directory is full, or has no inodes left",
        cause="Images, build cache and logs of containers fill it. It is not about cgroups.",
        remedy=("docker system df; docker system prune; docker builder prune; df -h and df -i for /var/lib/docker",),
        reference="https://docs.docker.com/engine/manage-resources/pruning/",
        ours=False,
        rank=58,
    ),
    Entry(
        code="layer-not-unpacked",
        title="a layer of the image cannot be unpacked onto this file system",
        patterns=(
            layer(rf"(?:operation not supported|{ENOSYS}|{EROFS}|{ENOENT}|invalid argument|input/output error)"),
        ),
        verdict="a layer of the image cannot be unpacked onto the engine's file system",
        cause="Not supported: extended attributes or device nodes on NFS, CIFS, eCryptfs or FUSE. No such file: the "
        "store is damaged (power cut, a full disk, two engines). Invalid argument: an owner that the user namespace "
        "does not map. Input/output error, read-only: the disk fails.",
        remedy=(
            'Move the engine\'s directory to a local ext4 or xfs: "data-root" in /etc/docker/daemon.json.',
            "Damaged: docker image rm, docker system prune -a, pull again. Rootless: more ids in /etc/subuid.",
        ),
        reference="https://docs.docker.com/engine/storage/drivers/select-storage-driver/",
        tell="stat -f -c %T /var/lib/docker; dmesg | tail",
        ours=False,
        rank=63,
    ),
    Entry(
        code="device-node-not-made",
        title="a device node cannot be made or opened in the container",
        patterns=(
            rf"{NODE}: (?:{EPERM}|{EACCES})",
            rf"\bmknod (?P<path2>[^\s:]+) (?:{EPERM}|{EACCES})",
            rf"{NODE}(?P<path>/dev/[^\s:\\\"]+): (?:no such device or address|{ENOENT}|{EROFS}|file exists)",
        ),
        verdict="the runtime cannot make a device node of the container in its /dev",
        cause="Not permitted: an outer container (LXC, ChromeOS, sysbox) forbids mknod. No such device or address: "
        "the image itself has that node in /dev (made from a running system), and in a user namespace the runtime "
        "opens it. No such file: the device, or the directory for it, is not there.",
        remedy=(
            "Without --privileged, which asks for every device of the host; name single ones with --device.",
            "LXC: nesting, and a privileged outer container, or bind the device into it (lxc.mount.entry).",
            "Build the image without nodes in /dev: FROM scratch, ADD with tar --exclude=./dev/*",
        ),
        reference="https://github.com/opencontainers/runc/blob/main/libcontainer/rootfs_linux.go",
        tell="cat /proc/self/uid_map: another line than 0 0 4294967295 is a user namespace; ls -l the device",
        rank=50,
    ),
)
