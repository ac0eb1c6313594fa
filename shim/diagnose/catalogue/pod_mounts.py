"""Mounts of cgroups and of /dev in pods, and mounts of pods that stay behind on the node."""

from __future__ import annotations

from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import EACCES, ENOENT, ENOTDIR, EPERM, EROFS, Entry, mounting

OF_A_CONTAINER = r"/(?:run|var)/\S*/(?:rootfs|merged|mnt/[0-9a-f]{12,})/sys/fs"

ENTRIES = (
    Entry(
        code="cgroup-mounts-leaked",
        title="a mount of cgroups of an ended container is left on the node",
        patterns=(
            rf"\bmounting \\*\"cgroup2?\\*\" to rootfs[^\n]*: stat {OF_A_CONTAINER}/(?!cgroup)[^\n:]*: {ENOENT}",
            rf"\b(?:open|openat2|l?stat|mkdir|write) (?P<path>{OF_A_CONTAINER}/cgroup/\S*kubepods[^\s:]*): {ENOENT}",
        ),
        verdict="on this node a container's own mount of cgroups is left over, and is taken for the host's",
        cause="runc, and the kubelet with the same library, take the first mount of a hierarchy that mountinfo lists. "
        "A container that ended badly, or one that shares its mounts with the host (a mount point below "
        "/run/containerd, a kubelet or an agent in a container), has left one in front of the host's.",
        remedy=(
            "grep 'cgroup' /proc/self/mountinfo | grep rootfs: umount each mount point that it lists.",
            "Then systemctl restart containerd kubelet (if the mounts return: drain the node, and reboot it).",
            "Upgrade runc to 1.1.15, 1.2 or later, which no longer leaves them.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2404",
        tell="grep -c 'rootfs/sys/fs/cgroup' /proc/self/mountinfo in the mount namespace of containerd: more than 0?",
        rank=35,
    ),
    Entry(
        code="volume-below-cgroup-mount",
        title="a volume should be mounted below /sys/fs/cgroup of the container",
        patterns=(
            (
                r"\bmounting \\*\"(?P<source>/[^\"\\\n]*)\\*\" to rootfs(?: \\*\"[^\"\n]*\")? at "
                r"\\*\"(?P<path>(?:/(?:var|run)/[^\"\\\n]*)?/sys/fs/cgroup/[^\"\\\n]+)\\*\"[^\n]*"
                rf"(?:mkdir|mkdirat|openat2?|create mount ?point)[^\n:]*: (?:{ENOENT}|{EROFS}|{EPERM})"
            ),
        ),
        verdict="the volume {source} cannot be mounted at {path}: no directory can be made below /sys/fs/cgroup",
        cause="The runtime has mounted the container's own cgroups at /sys/fs/cgroup before, read-only or as cgroup2. "
        "The directory is not there: on cgroup2 there is no /sys/fs/cgroup/systemd, and inside a cgroup namespace none "
        "of the host's.",
        remedy=(
            "Remove this volume: podman run --systemd=always needs none; docker on cgroup2: --cgroupns=private.",
            (
                "An image with systemd in Kubernetes: securityContext.privileged: true, and no volume of "
                "/sys/fs/cgroup; an emptyDir with medium: Memory at /run and /tmp."
            ),
            "On v1, where it must be the host's: mount all of /sys/fs/cgroup, not one directory of it.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/105463",
        tell="stat -fc %T /sys/fs/cgroup on the host: cgroup2fs?",
        rank=45,
    ),
    Entry(
        code="terminal-in-bound-dev",
        title="the host's /dev is bound into a container that wants a terminal",
        patterns=(rf"(?:init: |caused:? \\*\"?)open(?:ing)? [`'\"]?/dev/console[`'\"]?: (?:{EPERM}|{EACCES})",),
        verdict="the runtime may not open /dev/console: it is the host's",
        cause="A volume puts the host's /dev over the container's own, and the container has a terminal (tty: true). "
        "The runtime makes its console at /dev/console and finds the host's device there, which the device rules "
        "(EPERM), or rootless its owner (EACCES), do not allow.",
        remedy=(
            "Do not mount all of /dev: mount the one device (docker, podman: --device; Kubernetes: a device plugin).",
            "Or without a terminal: tty: false, no -t (podman exec -it afterwards); or, as root, privileged: true.",
        ),
        reference="https://github.com/containerd/containerd/pull/11252",
        tell="kubectl get pod NAME -o yaml | grep -B3 -A3 'path: /dev$'; docker inspect NAME: Mounts",
        rank=40,
    ),
    Entry(
        code="crun-device-below-root",
        title="crun 1.4 cannot make a device directly below /",
        patterns=(rf"\bmknod `(?P<path>/[^/`\n]+)`: {ENOTDIR}",),
        verdict="crun cannot make the device {path}, because it lies directly below / of the container",
        cause="A fault of crun 1.4: it looks for the directory above the device and finds none. Pods with "
        "volumeDevices (raw block volumes, Rook, KubeVirt) meet it.",
        remedy=("Upgrade crun to 1.4.6 or later.", "Or a devicePath in a directory: /dev/xvda instead of /xvda."),
        reference="https://github.com/containers/crun/issues/917",
        rank=40,
    ),
    Entry(
        code="mount-onto-root",
        title="a volume should be mounted on / of the container",
        patterns=(r"invalid specification: destination can't be '/'", r"mount destination[^\n]* / is not allowed"),
        verdict="a volume should be mounted on / of the container, which no engine does",
        cause="The root of a container is its image. A volume, ConfigMap or Secret needs a directory of its own.",
        remedy=(
            "docker: -v SOURCE:/some/directory; Kubernetes: another mountPath; a single file: subPath.",
            "The host's directory as root: podman run --rootfs DIRECTORY.",
        ),
        reference="https://docs.docker.com/engine/storage/bind-mounts/",
        rank=50,
    ),
    Entry(
        code="config-map-mounted-on-file",
        title="a config map or secret, which is a directory, is mounted over a file",
        patterns=(
            mounting(r"/[^\"\\\n]*kubernetes\.io~(?:configmap|secret|projected|downward-api)/[^\"\\\n]*", ENOTDIR),
        ),
        verdict="the volume is a directory of files, and the image has a file at {destination}",
        cause="A configMap or secret volume is a directory with a file for each key, and mountPath names a file.",
        remedy=(
            "One file: mountPath: the path of the file, subPath: the key.",
            "Or mountPath: a directory, and the program's option for the place of its file.",
        ),
        reference="https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath",
        rank=45,
    ),
    Entry(
        code="mount-not-shared",
        title="the source's mount is not shared, so mounts cannot propagate",
        patterns=(
            (
                r"path \\?\"?(?P<source>/[^\s\"\\]*)\\?\"? is mounted on "
                r"\\?\"?(?P<mount>/[^\s\"\\]*)\\?\"? but it is not a shared(?: or slave)? mount"
            ),
            r"(?P<source2>/[^\s\"\\]*)\\?\"? is not a shared (?:or slave )?mount",
        ),
        verdict="the mount that holds {source} is not shared, so rshared or rslave cannot work",
        cause="Mounts propagate only through shared mounts. Without systemd the root mount is private. "
        "Docker Desktop's shares (/host_mnt, /run/desktop) propagate nothing from or to the host.",
        remedy=(
            "mount --make-rshared /, or --make-rshared on the mount point shown; else without :shared, :slave",
            (
                "It is shared already: the engine has a mount namespace of its own. Take MountFlags= out of "
                "docker.service (systemctl cat docker), systemctl daemon-reload, and restart docker."
            ),
        ),
        reference="mount_namespaces(7), SHARED SUBTREES",
        confirm=look.not_shared,
    ),
)
