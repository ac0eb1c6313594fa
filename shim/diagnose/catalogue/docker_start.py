"""What keeps dockerd from starting before it looks at any container: runtimes, users, directories, devicemapper."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

DAEMON = "https://docs.docker.com/reference/cli/dockerd/"
ROOTLESS = "https://docs.docker.com/engine/security/rootless/"
ROOT = (
    r"/(?:var/lib/docker|[^\s:\"']*docker[^\s:\"'/]*)(?:/(?:tmp|image|volumes|containers|network|buildkit)\b[^\s:]*)?"
)
REASON = r"[^\n:]+"

ENTRIES = (
    Entry(
        code="devicemapper-not-usable",
        title="docker cannot use its devicemapper storage",
        patterns=(
            r"[Tt]here are no more loopback devices available|loopback (?:mounting|attach) failed",
            r"(?:devmapper|devicemapper): [Uu]nable to find loopback mount for: (?P<path>\S+)",
            r"\bdm_task_run failed\b|Base Device UUID and Filesystem verification failed[^\n]*",
            r"(?:devmapper|devicemapper): (?:Udev sync is not supported|Unknown device|Device (?:is )?Busy)[^\n]*",
            rf"Error mounting '/dev/mapper/[^'\n]*' on '[^'\n]*': [^\n]+|open /dev/(?:mapper|loop)[^\s:]*: {ENOENT}",
            r"(?:devmapper|devicemapper): (?:Error|Failed|Can't|Cannot|Unable)[^\n]*",
        ),
        verdict="docker's storage driver devicemapper does not work here: its loop files, pool or volumes are "
        "not usable",
        cause="No loopback devices: the module loop is not loaded, or the container, chroot or kernel has none. "
        "dm_task_run failed, no such file below /dev/mapper: device-mapper's thin pools are not in this kernel, udev "
        "does not run (a container, a static docker binary), the pool is held by another process, full or damaged "
        "after a crash. Unable to find loopback mount: the pool is active, and its file was deleted or replaced.",
        remedy=(
            "modprobe loop dm_thin_pool; dmsetup ls; dmesg | tail. A reboot gives back a pool that is held.",
            (
                'devicemapper was removed in docker 25: "storage-driver": "overlay2" in /etc/docker/daemon.json is '
                "the way out. Images and containers of the old driver are not shown afterwards: docker save first."
            ),
            "Damaged, and nothing to keep: stop docker, dmsetup remove_all -f, move /var/lib/docker away, start it.",
        ),
        reference="https://docs.docker.com/engine/deprecated/#device-mapper-storage-driver",
        tell="lsmod | grep -E 'loop|dm_thin'; dmsetup status; docker info | grep -A6 'Storage Driver'",
        rank=41,
    ),
    Entry(
        code="docker-runtime-misconfigured",
        title="dockerd does not accept the runtimes of its configuration",
        patterns=(
            r"specified default runtime '(?P<name>[^'\n]*)' does not exist",
            r"runtime (?:name )?'(?P<name2>[^'\n]*)' (?:is reserved|was already defined)",
            (
                r"runtime (?P<name3>[\w.-]+): (?:cannot configure both path and runtimeType|either a runtimeType or a "
                r"path must|args cannot be used|options cannot be used)[^\n]*"
            ),
            r"invalid runtime argument: [^\n]+",
        ),
        verdict="dockerd does not start: what its configuration says about the runtime {name} cannot be used",
        cause="default-runtime must name an entry of runtimes in the same file, or runc. runc and io.containerd.* are "
        "docker's own names. An entry has a path (with runtimeArgs) or a runtimeType (with options), never both.",
        remedy=(
            (
                "/etc/docker/daemon.json: under runtimes, a key for each runtime with its path; take default-runtime "
                "out until dockerd --validate is content."
            ),
            "NVIDIA: nvidia-ctk runtime configure --runtime=docker writes it. Then systemctl restart docker.",
        ),
        reference="https://docs.docker.com/engine/daemon/alternative-runtimes/",
        tell="dockerd --validate --config-file /etc/docker/daemon.json; systemctl cat docker | grep -- --add-runtime",
        rank=40,
    ),
    Entry(
        code="docker-needs-root",
        title="dockerd is started by a user, and not by the rootless script",
        patterns=(
            r"dockerd needs to be started with root(?: privileges)?",
            r"rootless mode needs to be enabled for running with RootlessKit",
            r"\$ROOTLESSKIT_PARENT_EUID is not set|environment variable `ROOTLESSKIT_STATE_DIR` is not set",
            r"cannot set sticky bit on files under XDG_RUNTIME_DIR|could not get XDG_(?:RUNTIME_DIR|DATA_HOME)",
            (
                r"[Rr]efusing to run rootless dockerd as (?:the )?root|Refusing to install rootless Docker as the "
                r"root user"
            ),
        ),
        verdict="dockerd was started by a user who is not root, or its rootless script by root",
        cause="As a service docker runs as root. Rootless, dockerd-rootless.sh starts it inside rootlesskit, as the "
        "user, with XDG_RUNTIME_DIR and that user's own systemd.",
        remedy=(
            "As root: sudo systemctl enable --now docker; users of the group docker then reach its socket.",
            "Rootless, as the user: dockerd-rootless-setuptool.sh install; systemctl --user enable --now docker.",
        ),
        reference=ROOTLESS,
        tell="id -u; echo $XDG_RUNTIME_DIR; ps -C dockerd -o user,cmd",
        rank=40,
    ),
    Entry(
        code="docker-userns-remap-refused",
        title="docker's userns-remap cannot be used as it is set",
        patterns=(
            r"subdirectory in your graphroot path \((?P<path>[^)\n]*)\) restricts access to the remapped root",
            r"open (?P<path2>/(?:var/)?run/docker/netns/\S+): permission denied",
            r"User namespaces: (?:ID map failure|root cannot be remapped)[^\n]*",
            r"[Cc]an't create ID mappings[^\n]*|[Uu]nable to find remapped (?:user|group)[^\n]*",
            r"containerd-snapshotter is explicitly enabled, but is not compatible with userns remapping[^\n]*",
            r"userns-remap[^\n]*(?:invalid|[Ee]rror|not found|cannot)[^\n]*",
            r"[Uu]ser namespaces (?:aren't|are not) (?:supported|enabled) in (?:this|the) kernel[^\n]*",
        ),
        verdict="dockerd cannot remap its containers' users (userns-remap)",
        cause="The remapped root needs a range in /etc/subuid and in /etc/subgid, x for others on each directory above "
        "docker's data, and a kernel with user namespaces (RHEL 7: user.max_user_namespaces, user_namespace.enable=1). "
        "containerd's image store does not go with it.",
        remedy=(
            (
                'useradd -r dockremap; echo dockremap:165536:65536 | sudo tee -a /etc/subuid /etc/subgid; "default" in '
                "userns-remap makes both by itself."
            ),
            "chmod o+x on each directory above data-root; namei -l /var/lib/docker shows them.",
            "Or take userns-remap out of /etc/docker/daemon.json.",
        ),
        reference="https://docs.docker.com/engine/security/userns-remap/",
        tell="grep dockremap /etc/subuid /etc/subgid; sysctl user.max_user_namespaces",
        rank=39,
    ),
    Entry(
        code="docker-data-root-unusable",
        title="dockerd cannot make or use its data directory",
        patterns=(
            rf"unable to get the TempDir under (?P<path>[^\s:]+): (?P<reason>{REASON})",
            r"(?:Cannot create daemon root|[Uu]nable to get the full path to root)[^\n]*",
            r"could not create or set daemon root permissions[^\n]*",
            r"[Ee]rror response from daemon: [Uu]nable to open (?:the )?database file[^\n]*",
            (
                rf"(?:failed to start daemon|Error starting daemon): (?:[^\n:]*: )?(?:mkdir|chmod|chown|lstat|stat) "
                rf"(?P<path2>{ROOT}): (?P<reason2>{REASON})"
            ),
            rf"^(?:mkdir|chmod) (?P<path3>/var/lib/(?:docker|containerd)[^\s:]*): (?P<reason3>{REASON})",
        ),
        verdict="dockerd does not start: it cannot make or use its data directory {path}: {reason}",
        cause="Read-only file system: the root of this system is read-only (appliances, immutable distributions, "
        "a disk "
        "with errors), or the disk was remounted so. File exists, no such file: /var/lib/docker is a link to a disk "
        "that is not mounted. Permission denied, not permitted: a snap, an unprivileged container, NFS or CIFS.",
        remedy=(
            'A writable place on a local disk: "data-root": "/data/docker" in /etc/docker/daemon.json.',
            "A link or a disk: mount it before docker starts (RequiresMountsFor= in a drop-in of docker.service).",
            "Read-only after an error: dmesg | tail; fsck; then mount -o remount,rw.",
        ),
        reference=DAEMON,
        tell="ls -ld /var/lib/docker; findmnt -T /var/lib/docker; readlink -f $(command -v dockerd)",
        rank=42,
    ),
    Entry(
        code="docker-on-overlay-root",
        title="docker's directory lies on an overlay root file system",
        patterns=(
            r"rename (?P<path>/\S*docker/\S+) \S+: invalid cross-device link",
            r"failed to start daemon: [^\n]*(?:invalid cross-device link|stale (?:NFS )?file handle)",
        ),
        verdict="dockerd cannot work below an overlay root file system: it cannot rename {path}",
        cause="The root is an overlay (raspi-config's overlay file system, overlayroot, live systems) that keeps "
        "changes in memory. Directories of the lower layer cannot be renamed there, and overlay2 cannot lie on it.",
        remedy=(
            (
                "A file system of its own for /var/lib/docker (a partition, a USB disk; a tmpfs if nothing needs to be "
                "kept): in /etc/fstab, or data-root in /etc/docker/daemon.json."
            ),
            "Or switch the overlay off while docker is used: raspi-config, Performance Options.",
        ),
        reference="https://github.com/RPi-Distro/raspi-config/issues/129",
        tell="findmnt -no FSTYPE -T /var/lib/docker: overlay?",
        rank=40,
    ),
    Entry(
        code="rootless-buildkit-without-session",
        title="rootless buildkitd runs without a session of its user",
        patterns=(r"^(?:\S+\[\d+\]: )?buildkitd: (?:could not create [^\n]*: )?permission denied",),
        verdict="buildkitd takes the directories of root, because XDG_RUNTIME_DIR is not set for its user",
        cause="Under rootlesskit buildkitd keeps its socket in $XDG_RUNTIME_DIR/buildkit and its data in the home "
        "directory. In a system service with User= these variables are missing.",
        remedy=(
            (
                "A unit of the user: ~/.config/systemd/user/buildkit.service; systemctl --user enable --now buildkit; "
                "loginctl enable-linger."
            ),
            "Or in the system's unit: Environment=XDG_RUNTIME_DIR=/run/user/UID HOME=/home/NAME.",
        ),
        reference="https://github.com/moby/buildkit/blob/master/docs/rootless.md",
        rank=45,
    ),
    Entry(
        code="nested-lxd-refused",
        title="LXD or Incus runs in a container that is not allowed to nest",
        patterns=(
            r"Does security\.nesting need to be turned on\?|[Ff]ailed to setup shared mounts?[^\n]*denied[^\n]*",
        ),
        verdict="LXD or Incus may not mount inside this container: nesting is off",
        cause="A container in a container needs mounts that the outer one forbids unless it is told otherwise.",
        remedy=(
            "On the outer host: lxc (incus) config set NAME security.nesting=true; lxc (incus) restart NAME.",
            "Proxmox: features nesting=1 for the container.",
        ),
        reference="https://linuxcontainers.org/incus/docs/main/reference/instance_options/",
        rank=40,
    ),
    Entry(
        code="userns-remap-conflict",
        title="a container asks for what userns-remap does not allow",
        patterns=(
            (
                r"(?:privileged mode is incompatible with user namespaces|cannot share the host[^\n]* when user "
                r"namespaces are "
                r"enabled)[^\n]*"
            ),
        ),
        verdict="dockerd runs with userns-remap: privileged containers and the host's namespaces are not allowed in it",
        cause="With userns-remap in daemon.json root of a container is an ordinary user of the host, so it cannot be "
        "privileged or share the host's network, process or IPC namespace.",
        remedy=(
            (
                "For that container alone: docker run --userns=host; compose, Nomad: userns_mode: host (with pid or "
                "network_mode: host as well)."
            ),
            "Or leave privileged and network_mode: host out, or userns-remap for the whole daemon.",
        ),
        reference="https://docs.docker.com/engine/security/userns-remap/",
        rank=44,
    ),
    Entry(
        code="docker-options-conflict",
        title="docker refuses two options together",
        patterns=(r"[Cc]onflicting options: (?P<options>[^\n]+?)\.?$",),
        verdict="docker does not take these options together: {options}",
        cause="A container that shares the network of the host or of another container has that one's name, "
        "ports, DNS and "
        "links; one that shares a UTS namespace has its host name.",
        remedy=(
            (
                "Leave out one of them: hostname, ports, dns, links or extra_hosts with network_mode: "
                "container:NAME or "
                "service:NAME (publish the ports there)."
            ),
        ),
        reference="https://docs.docker.com/engine/network/",
        ours=False,
        rank=58,
    ),
)
