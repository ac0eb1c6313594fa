"""What podman and buildah keep for themselves: runtime directory, state, storage, helpers, and who owns a container."""

from __future__ import annotations

from shim.diagnose.catalogue.buses import EXPORT, LINGER
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, Entry

TROUBLE = "https://github.com/containers/podman/blob/main/troubleshooting.md"
STORAGE = r"/[^\s:\"'`]*/?(?:containers/storage|containers/overlay|overlay-containers|overlay/|libpod)[^\s:\"'`]*"

ENTRIES = (
    Entry(
        code="podman-runtime-directory-missing",
        title="podman has no runtime directory of this user",
        patterns=(
            (
                rf"(?:stat|lstat|mkdir|open|creating tmpdir:[^\n]*|chmod) (?P<path>/run/user/\d+)(?:/(?:containers|"
                rf"libpod)[^\s:]*)?: (?:{ENOENT}|{EACCES})"
            ),
            (
                rf"(?:open|stat|mkdir|creating) (?P<path5>/tmp/(?:podman-run|run|storage-run)-\d+)/[^\s:]*: "
                rf"(?:{ENOENT}|{EACCES})"
            ),
            r"\brunroot must be set\b",
            (
                r"XDG_RUNTIME_DIR (?:directory )?\\?\"?(?P<path2>/[^\s\"\\]*)\\?\"? (?:is not owned by the current "
                r"user|is not accessible|not accessible)[^\n]*"
            ),
            r"XDG_RUNTIME_DIR (?:is )?(?:pointing to a path which is not writable)[^\n]*",
            r"could not get runtime directory: [^\n]*|get(?:ting)? runtime dir(?:ectory)?: [^\n]*",
            r"[Ff]ailed to get rootless runtime dir[^\n]*",
        ),
        verdict="podman has no runtime directory of this user: /run/user/<id> is missing or another user's",
        cause="systemd-logind makes /run/user/<id> at a login and removes it at the last logout. After su and sudo, in "
        "cron and CI it is missing, or XDG_RUNTIME_DIR still names the caller's.",
        remedy=(
            LINGER,
            EXPORT,
            (
                "Without systemd: export XDG_RUNTIME_DIR=/tmp/run-$(id -u); mkdir -m 0700 -p $XDG_RUNTIME_DIR; as root "
                "by sudo: unset XDG_RUNTIME_DIR (sudo -i)."
            ),
        ),
        reference="https://github.com/containers/podman/issues/6539",
        tell="id -u; echo $XDG_RUNTIME_DIR; ls -ld /run/user/$(id -u); loginctl show-user $USER -p Linger",
        rank=44,
    ),
    Entry(
        code="podman-state-mismatch",
        title="podman's stored state does not fit its configuration or this boot",
        patterns=(
            r"database configuration mismatch",
            r"database [\w ]+ (?:dir|root|driver|path)[^\n]*does not match our[^\n]*",
            r"current system boot ID differs from cached boot ID[^\n]*",
            r"invalid internal status, try resetting the pause process[^\n]*",
            r"could not find any running process: no such process",
            rf"cannot setresgid: {EINVAL}|could not get runtime: open /proc/\d+/ns/user: {ENOENT}",
            r"acquiring lock \d+ for (?:container|pod|volume) \w+: (?:file exists|invalid argument)",
            r"Error refreshing container \w+: [^\n]*",
            r"a BoltDB database exists but is no longer being used[^\n]*",
            r"failed to open \d+ locks in /libpod\w*: [^\n]+",
            r"root filesystem: layer is not mounted",
        ),
        verdict="what podman has stored about its containers does not fit its configuration, its version or this boot",
        cause="Its directories under /run survived a reboot (a runroot on disk, /tmp not cleared), storage.conf or the "
        "home directory changed, the pause process that keeps the user namespace was killed, or podman was upgraded.",
        remedy=(
            (
                "podman system migrate (stops containers, makes the pause process and locks again); podman system "
                "renumber for locks."
            ),
            (
                "Boot ID, or a stale runroot: rm -rf /run/user/$(id -u)/libpod /run/user/$(id -u)/containers, or "
                "/tmp/podman-run-UID and /tmp/containers-user-UID, or the directories that the message names."
            ),
            (
                "A changed path: put the old one back into storage.conf; or podman system reset, which deletes all "
                "containers, images and volumes."
            ),
        ),
        reference=TROUBLE,
        tell="podman info --format '{{{{.Store.GraphRoot}}}} {{{{.Store.RunRoot}}}}'; grep -r root "
        "~/.config/containers "
        "/etc/containers/storage.conf",
        rank=49,
    ),
    Entry(
        code="podman-helper-missing",
        title="podman does not find one of its own programs",
        patterns=(
            r"exec: \\?\"(?P<program5>rootless-cni-infra)\\?\": executable file not found[^\n]*",
            r"rootless CNI infra image not present[^\n]*",
            r"could not find \\?\"(?P<program>[\w.-]+)\\?\" in one of [^\n]*",
            r"could not find a working (?P<program2>conmon) binary[^\n]*",
            r"could not find \\?\"(?P<program3>[\w.-]+)\\?\" because there are no helper binary directories[^\n]*",
            r"(?P<program4>conmon|catatonit)(?: binary)? (?:not found|is not installed)",
        ),
        verdict="podman needs {program}, which is not installed, or is not in its list of directories",
        cause="podman looks for its helpers (netavark, aardvark-dns, rootlessport, catatonit, conmon, pasta, gvproxy) "
        "in helper_binaries_dir and conmon_path of containers.conf. Builds by hand, Nix and Homebrew put them "
        "elsewhere.",
        remedy=(
            "Install its package: {program} (apt, dnf, apk); reinstalling podman with its recommended packages does.",
            (
                'It is there: helper_binaries_dir = ["/usr/lib/podman", "<its directory>"] under [engine] in '
                "containers.conf."
            ),
        ),
        reference="https://github.com/containers/common/blob/main/docs/containers.conf.5.md",
        rank=30,
    ),
    Entry(
        code="fuse-not-available",
        title="a FUSE file system cannot be mounted: no /dev/fuse, or no right to it",
        patterns=(
            r"fuse: (?:device not found|failed to (?:open|exec)|mount failed)[^\n]*",
            r"using mount program /\S*fuse-overlayfs: [^\n]*",
            r"fuse-overlayfs: cannot mount[^\n]*",
            r"fusermount3?: (?:mount failed|failed to open (?!/etc/)|fuse device not found|option)[^\n]*",
            rf"open /dev/fuse: (?:{ENOENT}|{EPERM}|{EACCES})|Failed to open /dev/fuse: [^\n]*",
            r"squashfuse(?:_ll)? exited[^\n]*|squashfuse_ll (?:mount )?failed[^\n]*|fuse2fs[^\n]* exited[^\n]*",
        ),
        verdict="a FUSE program (fuse-overlayfs, squashfuse, fuse2fs) could not mount",
        cause="/dev/fuse is missing (module fuse, or a container without the device), may not be opened, or the mount "
        "is refused: no user namespace, no setuid fusermount3, an outer seccomp or AppArmor. Or the image or lower "
        "directory on it is damaged or unreadable.",
        remedy=(
            "Host: modprobe fuse; ls -l /dev/fuse; install fuse3 (fusermount3), fuse-overlayfs, squashfuse.",
            (
                "Inside a container: docker, podman: --device /dev/fuse --security-opt seccomp=unconfined "
                "--security-opt apparmor=unconfined, or --privileged; LXC: features fuse=1 (Proxmox)."
            ),
            (
                "podman without it: Linux 5.13 or later and no mount_program in storage.conf. Apptainer: --userns "
                "needs user namespaces; apptainer build --sandbox DIR IMAGE, and run DIR."
            ),
        ),
        reference="https://github.com/containers/fuse-overlayfs",
        tell="ls -l /dev/fuse; unshare -Ur true; the line above names the program's own reason",
        rank=43,
    ),
    Entry(
        code="storage-not-owned",
        title="files of the engine's storage belong to another user",
        patterns=(
            (
                rf"(?:open|mkdir|mkdirat|unlinkat|readlink|chmod|lstat|stat|remove|creat(?:e|ing)[^\n]*:) "
                rf"\\?\"?(?P<path>/(?:home|var/home|root)/{STORAGE[1:]})\\?\"?: (?:{EACCES}|{EPERM})"
            ),
            rf"creating runtime static files directory[^\n]*: (?:{EACCES}|{EPERM})",
            rf"cannot chown (?P<path2>\S+) to \d+:\d+: [^\n]*(?:{EPERM}|{EINVAL})",
            rf"chown (?P<path3>{STORAGE}): {EPERM}",
            rf"error (?:creating|configuring) (?:libpod )?runtime: [^\n]*{EACCES}",
        ),
        verdict="the engine may not use its own storage: {path}",
        cause="The files were made by root (sudo podman with the user's HOME), under another range of ids (/etc/subuid "
        "changed), or the home is a network file system on which ids of a user namespace cannot own files.",
        remedy=(
            (
                "podman unshare chown -R 0:0 ~/.local/share/containers; made by sudo: sudo chown -R $USER: "
                "~/.local/share/containers"
            ),
            "NFS home: graphroot (rootless_storage_path) on a local disk in ~/.config/containers/storage.conf",
            "Nothing to keep: podman system reset, or sudo rm -rf ~/.local/share/containers",
        ),
        reference=TROUBLE,
        tell="ls -ldn the path and its parents; stat -f -c %T ~; cat /etc/subuid",
        rank=45,
    ),
    Entry(
        code="container-of-another-user",
        title="podman of this user has no such container: each user has his own",
        patterns=(
            (
                r"(?<!cannot be used as a dependency: )no container with (?:name or ID|ID or name) "
                r"\\?\"(?P<name>[^\s\"\\]+)\\?\" found: no such container"
            ),
            r"no such object: \\?\"?(?P<name3>[^\s\"\\]+)",
        ),
        verdict="podman knows no container {name} here: root and every user have their own",
        cause="A container that was made without sudo is not root's, and the other way round; the same holds for "
        "images, volumes and networks. Or it was removed (--rm), or CONTAINER_HOST names another machine.",
        remedy=(
            "podman ps -a --all and sudo podman ps -a: which of them lists it? Use the same user for both commands.",
            "What needs root (checkpoint): create the container with sudo podman run, too.",
        ),
        reference="https://docs.podman.io/en/latest/markdown/podman.1.html",
        rank=62,
    ),
    Entry(
        code="engine-locks-used-up",
        title="podman has no lock left for another container",
        patterns=(
            r"allocation failed; exceeded num_locks \(\d+\)",
            r"all locks have been allocated",
            r"allocating lock for new (?:container|pod|volume): no space left on device",
        ),
        verdict="podman has used all its locks: each container, pod and volume holds one (2048 by default)",
        cause="Anonymous volumes and containers that were never removed keep theirs.",
        remedy=(
            "podman volume prune; podman container prune",
            (
                "More: num_locks = 4096 under [engine] in containers.conf, then podman system renumber with all "
                "containers stopped."
            ),
        ),
        reference="https://github.com/containers/common/blob/main/docs/containers.conf.5.md",
    ),
    Entry(
        code="wrapper-hides-reason",
        title="toolbox, distrobox or compose says only that the container did not start",
        ambiguous=(
            r"(?:^|Error: )(?:toolbox: )?failed to start container [^\s:\"]+\"?$",
            r"(?:toolbox|distrobox)[^\n]*(?:failed to start container|invalid entry point PID)[^\n]*",
            r"invalid entry point PID of container \S+",
            r"Error: (?:cannot|could not|An error occurred)[^\n]*(?:container setup|entrypoint)[^\n]*",
            r"Error: unable to start container process: exit status \d+$",
        ),
        verdict="the tool passes on no reason: podman's own words are one command away",
        cause="toolbox and distrobox start the container with podman and show only that it failed. Usual reasons: the "
        "container is older than podman or the tool (a mount or file of then is gone), subuid ranges, the user "
        "session.",
        remedy=(
            (
                "podman start --attach NAME (distrobox: also with docker); podman logs NAME; then cgshimctl explain "
                "with what it says."
            ),
            "An old container: make a new one (toolbox create, distrobox create), as after a system upgrade.",
        ),
        reference="https://containertoolbx.org/",
        tell="podman start --attach NAME",
        offer=4,
        last=True,
    ),
    Entry(
        code="podman-asks-for-too-many-capabilities",
        title="podman gives the container capabilities that its own user does not hold",
        patterns=(rf"\bcapset: {EPERM}",),
        beside=r"\bpodman\b|OCI (?:runtime )?permission denied",
        verdict="the runtime cannot set the capabilities that podman asks for",
        cause="podman 2.0 and 2.1 computed wrong sets where containers.conf has default_capabilities and the image a "
        "user other than root. In a container or LXC the outer layer holds fewer capabilities than podman gives.",
        remedy=(
            (
                "Comment out default_capabilities in containers.conf (/usr/share/containers, /etc/containers), or "
                "upgrade podman."
            ),
            "Podman in a container: --privileged for the outer one, or --cap-drop for what it does not hold.",
            "LXC: lxc.cap.drop = (empty); Proxmox: nesting=1.",
        ),
        reference="https://github.com/containers/common/issues/364",
        tell="grep -n default_capabilities -r /usr/share/containers /etc/containers; grep CapBnd /proc/self/status",
        rank=50,
    ),
)
