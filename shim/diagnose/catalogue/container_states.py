"""Names that are taken, containers that ended before their start, and mount points that an image makes impossible."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, ENOTDIR, Entry

ENTRIES = (
    Entry(
        code="name-in-use",
        title="the name of a container, pod, volume or network is taken",
        patterns=(
            r"the container name \\?\"(?P<name>[^\s\"\\]+)\\?\" is already in use by[^\n]*",
            r"name \\?\"?(?P<name2>[\w.-]+)\\?\"? is in use: (?:pod|container|volume|network) already exists",
            r"(?:the )?network name (?P<name3>\S+) (?:is )?already (?:used|in use)",
            r"\\?\"(?P<name4>[\w.-]+)\\?\" is a pod, not a container",
            r"that name is already in use",
            r"(?:pod|volume|network) already exists$",
        ),
        verdict="the name {name} is taken by a container, pod or volume that is left from before",
        cause="It was not removed: the machine went down, compose was started twice, or another project, or a pod, has "
        "the same name. Containers and pods share their names in podman.",
        remedy=(
            (
                "podman ps -a --pod; podman rm -f NAME, podman pod rm -f NAME (docker: docker rm -f NAME); compose: "
                "podman-compose down, then up."
            ),
            "podman run --replace --name NAME; Quadlet does so by itself.",
            (
                "Two projects in directories of the same name: podman-compose -p OTHER up. A pod of the container's "
                "name: upgrade podman-compose, or name the container otherwise."
            ),
        ),
        reference="https://docs.podman.io/en/latest/markdown/podman-run.1.html",
        rank=60,
    ),
    Entry(
        code="container-ended-before-start",
        title="the container that was to be started has ended, or was started already",
        patterns=(rf"(?:open|opening file) [`']?\S*/exec\.fifo[`']?: {ENOENT}", rf"exec\.fifo: {ENOENT}"),
        verdict="nothing waits for the start any more: the container was started twice, or its first process has ended",
        cause="Between create and start the runtime's init waits at exec.fifo. Two programs that start the same "
        "container (compose, a restart policy, a pod), a kill for memory, or a stop in between take it away.",
        remedy=(
            "podman ps -a, podman logs NAME: does it run, or how did it end? podman rm -f NAME, and once more.",
            (
                "Compose: start its services one after the other (podman-compose --in-pod=false up; depends_on), and "
                "upgrade it."
            ),
        ),
        reference="https://github.com/containers/podman-compose/issues/921",
        tell="podman inspect NAME --format '{{{{.State.Status}}}} {{{{.State.OOMKilled}}}}'",
        rank=40,
    ),
    Entry(
        code="container-of-other-cgroup-version",
        title="podman made the container under the other cgroup version",
        patterns=(r"cgroup namespace is not supported with cgroup v1 and systemd mode",),
        verdict="the container's stored settings belong to cgroup2, and this host now runs with v1 hierarchies",
        cause="podman notes the cgroup namespace when it makes a container. After a boot with the other version it "
        "does not fit any more.",
        remedy=(
            "podman rm NAME, and make it again; volumes stay.",
            "Or boot as before: without systemd.unified_cgroup_hierarchy=0 on the kernel's command line.",
        ),
        reference="https://github.com/containers/podman/issues/24107",
        tell="stat -fc %T /sys/fs/cgroup; podman inspect NAME --format '{{{{.HostConfig.CgroupMode}}}}'",
        rank=30,
    ),
    Entry(
        code="network-namespace-not-made",
        title="the engine cannot make a network namespace",
        patterns=(
            r"creating network namespace for container \w+: [^\n]+",
            rf"failed to create namespace: (?:{EACCES}|permission denied|operation not permitted|invalid argument)",
            r"mount --make-r?shared \S*netns[^\n]*: [^\n]+",
        ),
        verdict="podman cannot make, or keep, a network namespace for the container",
        cause="EPERM: an outer container or its filter forbids it. Or there are no namespaces here (WSL 1), or the "
        "directory /run/user/<id>/netns (root: /run/netns) cannot be mounted on.",
        remedy=(
            "Inside a container: --privileged for the outer one. WSL: wsl --set-version DISTRO 2.",
            (
                "Without a network namespace: podman run --network host. A stale directory: rm -rf /run/user/$(id "
                "-u)/netns while no container runs."
            ),
        ),
        reference="network_namespaces(7)",
        tell="unshare -Urn true (root: unshare -n true); uname -r: does it say Microsoft, 4.4?",
        rank=20,
    ),
    Entry(
        code="rootless-containerd-not-running",
        title="nerdctl finds no rootless containerd of this user",
        patterns=(
            r"rootless containerd not running\?[^\n]*(?:no such file|connection refused|permission denied)[^\n]*",
            r"stat \S+/containerd-rootless(?:/child_pid)?: no such file[^\n]*",
        ),
        verdict="no rootless containerd of this user runs",
        cause="nerdctl as a user talks to containerd of the same user, which is a user's service of its own. Tools "
        "such as kind take nerdctl because it is installed, though another engine was meant.",
        remedy=(
            "containerd-rootless-setuptool.sh install; systemctl --user start containerd; loginctl enable-linger $USER",
            "Root's containerd: sudo nerdctl. kind with podman: export KIND_EXPERIMENTAL_PROVIDER=podman.",
        ),
        reference="https://github.com/containerd/nerdctl/blob/main/docs/rootless.md",
        rank=30,
    ),
    Entry(
        code="session-helper-missing",
        title="toolbox does not reach Flatpak's session helper",
        patterns=(r"failed to call org\.freedesktop\.Flatpak\.SessionHelper\.RequestSession[^\n]*",),
        verdict="toolbox needs flatpak-session-helper on the session bus, and does not reach it",
        cause="The package flatpak (flatpak-session-helper) is not installed, or there is no D-Bus session: ssh, su, "
        "cron.",
        remedy=(
            "dnf install flatpak (or flatpak-session-helper); newer toolbox brings it along.",
            "Log in as the user itself; echo $DBUS_SESSION_BUS_ADDRESS.",
        ),
        reference="https://github.com/containers/toolbox/issues/203",
        rank=40,
    ),
    Entry(
        code="document-portal-not-visible",
        title="flatpak does not find the document portal in this container",
        patterns=(r"bwrap: Can't find source path /run/user/\d+/doc\S*: [^\n]+",),
        verdict="flatpak runs inside a container (toolbox, distrobox), where the document portal is not mounted",
        cause="/run/user/<id>/doc is a FUSE mount of the host's session; it does not show in a container that was "
        "started before it, or without its propagation.",
        remedy=(
            "Run it on the host: flatpak-spawn --host flatpak run APP (distrobox-host-exec flatpak run APP).",
            "On the host itself: systemctl --user restart xdg-document-portal; ls /run/user/$(id -u)/doc",
        ),
        reference="https://github.com/containers/toolbox/issues/659",
        rank=30,
    ),
    Entry(
        code="mount-point-behind-dangling-link",
        title="a mount point lies behind a link in the image that leads nowhere",
        patterns=(
            rf"creating `(?P<path>[^`\n]+)`: openat2 `(?P<name>[^`\n]+)`: (?:{ENOENT}|{ENOTDIR})",
            rf"creating `(?P<path2>[^`\n]+)`: openat `(?P<name2>[^`\n]+)`: (?:{ENOENT}|{ENOTDIR})",
            rf"\bcrun: openat2 `(?P<name3>home|root|srv|opt|mnt|media|var|tmp)`: {ENOENT}",
        ),
        verdict="the mount point {path} cannot be made: /{name} is missing, is not a directory, or is a link that "
        "leads nowhere in this image",
        cause="The link's target has to be in the image before the engine makes its own mount points "
        "(/run/.containerenv) or the user's. Images of ostree systems (Silverblue, bazzite, Kinoite) have /home as a "
        "link to var/home.",
        remedy=(
            (
                "podman run --rm --entrypoint ls IMAGE -ld /{name} shows the link. Make its target in the image (RUN "
                "mkdir -p), or use a tag of the image that has it."
            ),
            (
                "ostree: RUN mkdir -p /var/home, or mount at the target (-v $HOME:/var/home/$USER), or use an image "
                "for containers, not that of a host."
            ),
        ),
        reference="https://github.com/89luca89/distrobox/issues/1844",
        tell="podman run --rm --entrypoint ls IMAGE -ld the directory",
        rank=30,
    ),
    Entry(
        code="distrobox-setup-failed",
        title="distrobox's first steps in the container failed",
        patterns=(
            (
                r"(?:Installing|Setting up|Integrating|Executing|Copying|Mounting|"
                r"Initiali[sz]ing)[^\n]*\.\.\.[\s\[\]A-Za-z]{0,80}Error: An error occurred"
            ),
            r"distrobox-init[^\n]*(?:failed|error)[^\n]*",
        ),
        verdict="a step of distrobox-init in the container failed; the container's log has its words",
        cause="The first start installs packages in the container: the image's repositories are gone (a release "
        "without support), there is no network or name server in it, or its package manager needs rights that a "
        "rootless container lacks.",
        remedy=(
            "podman logs NAME | tail -30 (docker logs NAME); distrobox enter NAME --verbose",
            (
                "A supported image (distrobox create --image ...), or --init-hooks to repair the repositories; podman "
                "unshare, podman run --rm IMAGE cat /etc/resolv.conf: is there a name server?"
            ),
        ),
        reference="https://github.com/89luca89/distrobox/issues/1354",
        rank=58,
    ),
    Entry(
        code="youki-cgroups-refused",
        title="youki may not make or change the container's cgroup",
        patterns=(
            (
                rf"[Ff]ailed to add tasks? to cgroup(?: manager)?[\s\S]{{0,260}}?(?:{EACCES}|PermissionDenied|os error "
                rf"(?:1|13|30)"
                r"\b)"
            ),
            r"err=V[12]\([^\n]*kind: (?:PermissionDenied|ReadOnlyFilesystem)[^\n]*path: \"(?P<path>[^\"\n]+)",
            r"cgroup error: (?:io|v1|v2|systemd) error:[^\n]*(?:[Pp]ermission denied|os error 13)[^\n]*",
        ),
        verdict="youki may not make the container's cgroup, or move it there: {path}",
        cause="A user gets cgroups of its own only on cgroup2, from systemd and in a login session. v1 hierarchies "
        "(WSL, hybrid hosts) cannot be delegated; in an outer container cgroups are read-only.",
        remedy=(
            (
                "cgroup2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line (WSL: kernelCommandLine = "
                "cgroup_no_v1=all in .wslconfig), and loginctl enable-linger $USER."
            ),
            "youki --systemd-cgroup with its systemd feature, or sudo; in an outer container: --privileged.",
        ),
        reference="https://github.com/youki-dev/youki/issues/2484",
        tell="stat -fc %T /sys/fs/cgroup; cat /proc/self/cgroup; id -u",
        rank=40,
    ),
    Entry(
        code="virtual-machine-not-started",
        title="LXD or Incus could not start the QEMU of a virtual machine",
        patterns=(
            r"Failed to run: fork(?:limits|lxc|start|console)?[^\n]*qemu-system-\w+[^\n]*",
            r"(?:[Ff]ailed to (?:start|initiali[sz]e)|[Ii]nstance type)[^\n]*(?:QEMU|qemu|virtual-machine)[^\n]*",
        ),
        verdict="QEMU did not start; its own words are in the instance's log",
        cause="No /dev/kvm (nested without virtualization), too little memory or huge pages, missing firmware (OVMF), "
        "a device that is in use, or AppArmor's profile.",
        remedy=(
            "incus info NAME --show-log (lxc info NAME --show-log): the last line is QEMU's reason.",
            "ls -l /dev/kvm; incus config set NAME security.secureboot=false; free -m against limits.memory.",
        ),
        reference="https://linuxcontainers.org/incus/docs/main/howto/instances_troubleshoot/",
        rank=56,
    ),
)
