"""What keeps dockerd from starting before it looks at any container: runtimes, users, directories, devicemapper."""

from __future__ import annotations

from shim.diagnose.entry import Entry

DAEMON = "https://docs.docker.com/reference/cli/dockerd/"
ROOTLESS = "https://docs.docker.com/engine/security/rootless/"
ROOT = (
    r"/(?:var/lib/docker|[^\s:\"']*docker[^\s:\"'/]*)(?:/(?:tmp|image|volumes|containers|network|buildkit)\b[^\s:]*)?"
)
REASON = r"[^\n:]+"

ENTRIES = (
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
