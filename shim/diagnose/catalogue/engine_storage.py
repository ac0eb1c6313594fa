"""The storage and service of rootless engines, CNI and CDI: what stops a container before its runtime is called."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, ENOSPC, EPERM, Entry

TROUBLE = "https://github.com/containers/podman/blob/main/troubleshooting.md"
STORE = r"(?:/containers/|/overlay/|/overlay-|/storage|/vfs/|/buildah|/docker/|/container_images_)"
ENGINES = r"/(?:var/)?lib/(?:docker|containerd|containers)/"
STORED = rf"/(?!sys/|cgroup/|run/|var/run/|tmp/)[^\s:\"'`]*{STORE}[^\s:\"'`]*"

ENTRIES = (
    Entry(
        code="engine-storage-full",
        title="the disk of the engine's storage, or of its temporary files, is full",
        patterns=(
            (
                rf"(?:write|writing|open|mkdir|mkdirat|copy_file_range|fsync|symlink|chown|creating) "
                rf"(?P<path>{STORED}): {ENOSPC}"
            ),
            rf"(?:storing blob to file|processing tar file|copying up|committing)[^\n]*{ENOSPC}",
            rf"write (?P<path2>/var/tmp/[^\s:]+): {ENOSPC}",
            r"lack of free space|[Nn]ot enough (?:free )?(?:disk )?space[^\n]*(?:storage|image|container)[^\n]*",
            rf"{ENGINES}(?![^\n]*, flags: 0x)[^\n]*: {ENOSPC}",
            r"Thin Pool has \d+ free (?:data|metadata) blocks which is less than",
        ),
        ambiguous=(r"At least one invalid signature was encountered",),
        offer=2,
        verdict="the file system of the engine's storage, or /var/tmp, has no space or no inodes left",
        cause="Images, volumes, build cache and logs of containers fill it; podman's blobs pass through /var/tmp first "
        "(TMPDIR). A quota of the home directory, a thin pool of devicemapper, and a memory limit of a tmpfs, give the "
        "same message.",
        remedy=(
            (
                "df -h and df -i of /var/lib/docker (podman: ~/.local/share/containers, /var/lib/containers, "
                "/var/tmp; containerd: /var/lib/containerd); quota"
            ),
            (
                "docker system df; docker system prune; docker builder prune; logs: max-size under log-opts. podman "
                "system prune -a --volumes; kubelet, containerd: crictl rmi --prune."
            ),
            (
                "A larger disk: data-root in daemon.json; graphroot in storage.conf; TMPDIR=/large podman pull, or "
                "image_copy_tmp_dir in containers.conf. devicemapper was removed from docker: move to overlay2."
            ),
        ),
        reference="https://docs.docker.com/engine/manage-resources/pruning/",
        tell="df -h /var/lib/docker /var/lib/containers /var/tmp; df -i of the same",
        rank=40,
    ),
    Entry(
        code="engine-storage-damaged",
        title="the engine's storage lacks a layer or a file that it has noted",
        patterns=(
            r"changing to intended-new-root directory[^\n]*|error in copier subprocess[^\n]*",
            r"\blayer not known\b|\bimage not known\b[^\n]*layer|error loading storage metadata",
            rf"readlink (?P<path>{STORED}): (?:{ENOENT}|invalid argument)",
            (
                rf"(?:stat|lstat|open|unlinkat|remove) (?P<path2>/[^\s:]*/overlay(?:2|-layers|-images|"
                rf"-containers)?/[^\s:]*): {ENOENT}"
            ),
            r"layer in lower level storage driver not accounted for|can't stat (?:\(or find\?\) )?lower layer[^\n]*",
            r"(?:layer|image|container) (?:content modified|data item (?:is missing|has incorrect size))",
            r"panic: (?:invalid page type|page \d+ already freed)[\s\S]{0,4000}?(?:podman|libpod)",
        ),
        verdict="the engine's storage is damaged: a layer or link that it has noted is not there",
        cause="A crash, a kill or a full disk during a pull or removal, two engines on one storage (an older podman, "
        "another machine on NFS, a hostPath: mounts of one do not show in the other), or files removed by hand.",
        remedy=(
            "podman system check --repair (podman 5.1 or later); podman rmi -f the image, and pull it again.",
            (
                "A missing overlay/l link: podman rm -f its containers; if all images are concerned: podman system "
                "reset (deletes images, containers and volumes)."
            ),
        ),
        reference=TROUBLE,
        rank=50,
    ),
    Entry(
        code="podman-service-not-reachable",
        title="no podman service listens on the socket",
        patterns=(
            r"unable to connect to Podman(?: socket)?[^\n]*",
            r"Cannot connect to Podman\. Please verify your connection[^\n]*",
            r"dial unix (?P<path>\S*podman\.sock): connect: [^\n]+",
            r"connect (?:ECONNREFUSED|ENOENT|EACCES) (?P<path3>\S*podman\.sock)",
            r"Error: failed to connect: dial tcp [^\n]*(?:127\.0\.0\.1|\[::1\]):\d+: connect: connection refused",
            r"Cannot connect to the Docker daemon at unix://(?P<path2>\S*podman\.sock)[^\n]*",
            r"Error while fetching server API version[^\n]*(?:podman|run/user)[^\n]*",
        ),
        verdict="no podman service listens on its socket, or this user may not use it",
        cause="podman has no daemon: the socket (for docker-compose, podman --remote, IDEs) is a unit of systemd that "
        "must be enabled, each user's own. After an update or a logout without linger it is gone.",
        remedy=(
            (
                "systemctl --user enable --now podman.socket; export "
                "DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock; loginctl enable-linger $USER"
            ),
            (
                "As root: systemctl enable --now podman.socket (/run/podman/podman.sock). Without systemd: podman "
                "system service --time=0 &. macOS, Windows: podman machine start."
            ),
        ),
        reference="https://docs.podman.io/en/latest/markdown/podman-system-service.1.html",
        tell="systemctl --user status podman.socket; echo $DOCKER_HOST $CONTAINER_HOST; podman info",
        rank=45,
    ),
    Entry(
        code="cni-failed",
        title="a CNI plugin could not set up the container's network",
        patterns=(
            r"plugin type=\\?\"[\w-]+\\?\"[^\n]*failed[^\n]*|cni plugin \S+ failed[^\n]*",
            r"failed to (?:find plugin|locate iptables|list chains|delegate add)[^\n]*",
            r"CNI network \\?\"?[\w.-]+\\?\"? not found|[Mm]issing CNI default network",
            r"[Ee]rror validating CNI config file[^\n]*|plugin \w+ does not support config version[^\n]*",
            (
                r"error (?:adding|configuring) (?:pod|"
                r"network)[^\n]*CNI[^\n]*"
            ),
        ),
        verdict="a plugin of CNI could not set up the container's network",
        cause="The plugins are missing (containernetworking-plugins) or older than the configuration's version, "
        "iptables or its kernel modules are missing, a configuration is missing or broken; in Kubernetes the network "
        "add-on is not ready.",
        remedy=(
            (
                "ls /opt/cni/bin /usr/lib/cni /etc/cni/net.d ~/.config/cni/net.d; apt-get install "
                "containernetworking-plugins "
                'iptables; "does not support config version": set cniVersion to 0.4.0 in that file.'
            ),
            'podman 4 or later: network_backend = "netavark" and podman system reset. After a kernel update: reboot.',
            "Kubernetes: kubectl -n kube-system get pods: is the network add-on running?",
        ),
        reference="https://www.cni.dev/docs/",
        rank=52,
    ),
    Entry(
        code="cdi-device-unknown",
        title="the engine knows no CDI device of this name",
        patterns=(
            r"unresolvable CDI devices? (?P<name>[^\n]+)",
            r"CDI device injection failed[^\n]*|could not select device driver \\?\"cdi\\?\"[^\n]*",
        ),
        verdict="no CDI specification names the device {name}",
        cause="The file in /etc/cdi or /var/run/cdi was not made, is older than the driver, or a rootless engine or an "
        "outer container does not see it.",
        remedy=(
            (
                "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; nvidia-ctk cdi list shows the names; again "
                "after each driver update."
            ),
            'docker: "features": {{"cdi": true}} in daemon.json (before 28.2); podman 4.1 or later.',
        ),
        reference="https://github.com/cncf-tags/container-device-interface",
        rank=40,
    ),
    Entry(
        code="linger-denied",
        title="this user may not switch lingering on",
        patterns=(r"Could not enable linger: [^\n]*",),
        verdict="loginctl may not keep the user's systemd running (linger)",
        cause="polkit asks for an administrator's consent outside a local session (ssh, a service), or polkit or "
        "logind does not run. Read-only file system, timed out: logind itself is at fault.",
        remedy=("As root: sudo loginctl enable-linger USER; or: sudo touch /var/lib/systemd/linger/USER, and reboot.",),
        reference="loginctl(1)",
        rank=40,
    ),
    Entry(
        code="build-step-failed",
        title="buildah or podman build says only that a step failed",
        ambiguous=(
            r"(?:error )?building at STEP [^\n]*(?:while running runtime|exit status|error mounting)[^\n]*",
            r"error (?:running container|while running runtime)[^\n]*: exit status \d+",
            rf"error running container[^\n]*(?:{EPERM}|{EACCES})",
        ),
        verdict="a RUN step of the build failed: by its own command, or because the container for it could not be made",
        cause="exit status of the command itself is the image's matter. If nothing of the command was printed, the "
        "step's container failed: in an outer container without rights, without subordinate ids, or with overlay on "
        "overlay.",
        remedy=(
            "Read the lines above: the command's own output, or crun's and runc's error.",
            (
                "In CI or Kubernetes: BUILDAH_ISOLATION=chroot, STORAGE_DRIVER=vfs, --device /dev/fuse, seccomp "
                "unconfined."
            ),
        ),
        reference="https://github.com/containers/buildah/blob/main/troubleshooting.md",
        tell="does RUN true fail, too? Then it is not the command",
        offer=3,
        last=True,
    ),
    Entry(
        code="overlay-refused-to-user",
        title="this kernel does not allow overlay in a user namespace",
        patterns=(rf"failed to mount rootfs component [^\n]*overlay[^\n]*: {EPERM}",),
        beside=r"/home/[^/\s]+/\.(?:rancher|local)|--rootless\b|rootlesskit",
        verdict="the user may not mount overlay: this kernel does not allow it in a user namespace",
        cause="Linux allows it from 5.11 on (Debian and Ubuntu earlier). SELinux may forbid it still.",
        remedy=(
            "k3s: --snapshotter=fuse-overlayfs, or --snapshotter=native; containerd: the same snapshotters.",
            "docker, podman: fuse-overlayfs as the storage driver. Or a newer kernel.",
        ),
        reference="https://github.com/k3s-io/k3s/issues/1122",
        tell="uname -r: 5.11 or later? unshare -Urm mount -t overlay ...",
        rank=58,
    ),
    Entry(
        code="rootless-overlay-needs-fuse",
        title="a user's podman cannot use the kernel's overlay here",
        patterns=(
            r"kernel does not support overlay fs: 'overlay' is not supported over \S+ at \"?/[^\n]*",
            rf"creating overlay mount to /home/[^\n]*userxattr\\?\"?: {EINVAL}",
        ),
        beside=r"\.local/share/containers",
        verdict="a user may not use overlay on this kernel: it needs Linux 5.11, or fuse-overlayfs",
        cause="Overlay in a user namespace needs Linux 5.11 and its option userxattr (Debian and Ubuntu had an own "
        "way). The driver of the store is remembered in podman's database, so vfs in storage.conf is overwritten.",
        remedy=(
            (
                'apt-get install fuse-overlayfs; mount_program = "/usr/bin/fuse-overlayfs" under '
                "[storage.options.overlay] in ~/.config/containers/storage.conf"
            ),
            "Another driver: podman system reset removes all containers and images of the user, and the old choice.",
        ),
        reference="https://github.com/containers/storage/issues/863",
        tell="uname -r; podman info -f '{{.Store.GraphDriverName}} {{.Store.GraphOptions}}'",
        rank=40,
    ),
)
