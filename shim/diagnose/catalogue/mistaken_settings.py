"""Settings of the command, the engine or the node that the runtime cannot follow as they stand."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, Entry

HOST_ONLY = (  # of the first network namespace: net/core/sysctl_net_core.c, net/netfilter/nf_conntrack_standalone.c
    r"net[./]core[./](?:[rw]mem_(?:max|default)|netdev_\w+|dev_weight\w*|bpf_jit_\w+|busy_(?:poll|read)|message_\w+|"
    r"flow_limit_\w+|rps_\w+|default_qdisc|warnings|fb_tunnels_\w+|max_skb_frags|tstamp_\w+|gro_\w+|skb_defer_max)|"
    r"net[./]netfilter[./]nf_conntrack_max"
)

ENTRIES = (
    Entry(
        code="sysctl-name-with-blank",
        title="the name of a sysctl ends in a blank",
        patterns=(rf"open (?P<path>/proc/sys/[\w./-]+) +: {ENOENT}",),
        verdict="the name of the sysctl has a blank at its end, so {path} with that blank is not found",
        cause='A line such as "net.ipv4.ping_group_range = 0 0" with blanks around = was taken as it stands. '
        "containers-common 0.43.0 had one. podman's words about a command that was not found mislead.",
        remedy=(
            (
                'containers.conf: default_sysctls = ["net.ipv4.ping_group_range=0 0"], without blanks around =; or a '
                "newer containers-common."
            ),
        ),
        reference="https://github.com/containers/podman/issues/11210",
        tell="grep -rn sysctls /usr/share/containers/containers.conf /etc/containers/containers.conf*",
        rank=34,
    ),
    Entry(
        code="volume-over-root",
        title="a volume is mounted onto / of the container",
        patterns=(rf"open /proc/[^\n]*: {ENOENT}", rf"open `?/proc/[^\n]*: {ENOENT}"),
        beside=r"(?:podman|docker|nerdctl) (?:run|create)[^\n]* (?:-v|--volume)[ =]\S+:/(?::\S+)? ",
        verdict="the command mounts a volume onto / of the container, which hides /proc",
        cause="The volume covers the root file system and everything that was mounted before it. The next file that "
        "the runtime needs is then not found.",
        remedy=("Use the directory as root: podman run --rootfs DIR:O ...; or mount the volume below /.",),
        reference="https://github.com/containers/podman/issues/22341",
        rank=33,
    ),
    Entry(
        code="id-map-empty",
        title="a user namespace without a mapping for root",
        patterns=(r"User namespaces enabled, but no (?P<kind>user|group|uid|gid) mappings? found",),
        verdict="the container has a user namespace, but its root has no mapped {kind} id",
        cause="runc needs id 0 of the container to be mapped. A map of a single other id (--uidmap 1000:0:1) leaves it "
        "out.",
        remedy=(
            "podman: --userns=keep-id in place of --uidmap and --gidmap.",
            "Or a map with 0 in it: --uidmap 0:1:1000 --uidmap 1000:0:1 --uidmap 1001:1001:64536",
        ),
        reference="https://github.com/containers/podman/issues/16608",
        rank=34,
    ),
    Entry(
        code="podman-runtime-unknown",
        title="podman knows no runtime of this name",
        patterns=(r"default OCI runtime \"(?P<program>[^\"\n]+)\" not found",),
        verdict="podman knows no runtime named {program}, or finds none of the paths that belong to it",
        cause="The name stands after --runtime, or as runtime in containers.conf; docker's daemon.json does not count. "
        "Or "
        "podman's database has the directories of another user id (an account that moved to LDAP, usermod -u), and "
        "podman "
        "drops every runtime.",
        remedy=(
            "Install {program}, or drop it (podman then takes crun or runc), or name the file: podman --runtime FILE.",
            'containers.conf: [engine.runtimes] {program} = ["/path/to/program"]',
            (
                "It is installed, and sudo podman info works: sudo rm -rf ~/.local/share/containers makes a new "
                "database (and "
                "removes this user's images, containers and volumes)."
            ),
            (
                "NVIDIA: podman needs no runtime: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; podman run "
                "--device nvidia.com/gpu=all"
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1544",
        tell="podman --log-level=debug info 2>&1 | grep 'from database': directories of another id?",
        rank=14,
    ),
    Entry(
        code="mount-destination-not-reachable",
        title="the destination of a mount goes through a link that leads nowhere",
        patterns=(rf"openat2 `(?P<path>(?!proc/|sys/|dev/)[\w.-]+/[^`\n]+)`: {ENOENT}",),
        verdict="a mount's destination, /{path} in the container, cannot be made: a part of it is a link to nowhere",
        cause="crun opens the destination inside the container's root. A directory on the way that is a symbolic "
        "link (a home that is a link on the host) leads to a place that is not in the image. podman's words about a "
        "command that was not found mislead.",
        remedy=(
            "Give the real path: realpath of the directory; distrobox: --home $(realpath DIR).",
            "Or make the link's target in the image.",
        ),
        reference="https://github.com/89luca89/distrobox/issues/628",
        tell="namei -l /{path}",
        rank=47,
    ),
    Entry(
        code="containerd-runtime-type-missing",
        title="a runtime in containerd's configuration has no type",
        patterns=(r"container\.Runtime\.Name must be set",),
        verdict="the runtime in /etc/containerd/config.toml has options, but no runtime_type",
        cause="containerd takes the table as a whole: whoever sets SystemdCgroup in it has to repeat the type.",
        remedy=(
            (
                'runtime_type = "io.containerd.runc.v2" in '
                '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc], above its options; then systemctl '
                "restart containerd."
            ),
            "containerd config default shows the table as a whole.",
        ),
        reference="https://github.com/flatcar/Flatcar/issues/484",
        rank=20,
    ),
    Entry(
        code="console-directory-gone",
        title="the directory for the runtime's console socket is not there",
        patterns=(
            rf"failed to create (?:runc|OCI runtime) console socket: (?:stat|mkdir) (?P<path>[^\s:]+): {ENOENT}",
            rf"open (?P<path2>/run/user/\d+/[^\s:]*)/runc-process\d+: {ENOENT}",
        ),
        verdict="the engine cannot make its files for an exec or a terminal: {path} is not there",
        cause="containerd puts it into XDG_RUNTIME_DIR. logind removes /run/user/0 when root's last session ends; "
        "then exec -t and run -t fail, and others work.",
        remedy=(
            "mkdir -p -m 0700 {path}, and restart the engine; for good: loginctl enable-linger root.",
            "Or take XDG_RUNTIME_DIR out of the engine's environment.",
        ),
        reference="https://github.com/canonical/microk8s/issues/358",
        rank=34,
    ),
    Entry(
        code="tun-device-not-allowed",
        title="the outer container has no TUN device",
        patterns=(r"failed to write \\*\"?c 10:200 rwm\\*\"? to \\*\"?devices\.allow\\*\"?[^\n]*",),
        beside=EPERM,
        verdict="the container may not have /dev/net/tun (c 10:200): the outer container does not have it",
        cause="runc adds this rule to every container (only 1.2.0 to 1.2.3 do not). On a virtual server of OpenVZ or "
        "LXC the parent has no such device, and devices.allow refuses what the parent lacks.",
        remedy=(
            (
                "Have TUN enabled for the virtual server (OpenVZ: vzctl set ID --devnodes net/tun:rw; LXC: "
                "lxc.cgroup.devices.allow = c 10:200 rwm)."
            ),
            "Or take a KVM server.",
        ),
        reference="https://github.com/theia-ide/theia-apps/issues/128",
        rank=33,
    ),
    Entry(
        code="sysctl-of-host-only",
        title="a sysctl exists only in the host's network namespace",
        patterns=(
            rf"open (?:sysctl )?(?:/proc/sys/)?(?P<key>{HOST_ONLY})(?: file)?: (?:[^\n]*{ENOENT}|{EACCES})",
            rf"write sysctl key (?P<key3>{HOST_ONLY}): [^\n]*(?:{ENOENT}|{EACCES})",
        ),
        verdict="{key} can be set only on the host, not in a network namespace of a container's own",
        cause="The kernel has one value for all. In another network namespace the file is not there (ENOENT) or only "
        "readable (EACCES).",
        remedy=(
            "Set it on the host: a line in /etc/sysctl.d/90-net.conf, then sysctl --system.",
            (
                "Take it out of the container: Compose: sysctls:. docker, podman: --sysctl. Kubernetes: "
                "securityContext.sysctls."
            ),
        ),
        reference="Linux net/core/sysctl_net_core.c, net_core_table",
        ours=False,
        rank=40,
    ),
    Entry(
        code="domainname-needs-newer-runc",
        title="an old runc takes kernel.domainname for a sysctl of the host",
        patterns=(r"sysctl [\"“]?kernel\.domainname[\"”]? is not in a separate kernel namespace",),
        verdict="this runc does not accept kernel.domainname, which docker sets for --domainname",
        cause="runc accepts it since 2018, if the container has a UTS namespace of its own. Docker and runc do "
        "not fit each other.",
        remedy=(
            "Upgrade runc (package containerd.io, or runc).",
            "Or drop domainname: (Compose), --domainname (docker run).",
        ),
        reference="https://github.com/opencontainers/runc/pull/1827",
        rank=39,
        ours=False,
    ),
    Entry(
        code="apparmor-profile-gone",
        title="the container's AppArmor profile is not loaded",
        patterns=(
            r"AppArmor profile \\?\"(?P<profile>[^\"\n\\]+)\\?\" (?:is |specified but )not loaded",
            rf"apparmor failed to apply profile: write \S*attr/(?:apparmor/)?exec: {ENOENT}",
            rf"unable to apply apparmor profile: [^\n]*attr/(?:apparmor/)?exec: {ENOENT}",
            r"failed to apply profile: write\s+\S*attr/(?:apparmor/)?exec:\s+no\s+such\s+file",  # in a folded text
            r"apply apparmor profile `(?P<profile2>[^`\n]*)`: profile not loaded",  # crun from 1.30 on
        ),
        verdict="the container's AppArmor profile is not loaded in the kernel",
        cause="Profiles are gone after a reboot, or after systemctl restart apparmor, until somebody loads them again. "
        "An old podman loads its own only when it makes a container, not at podman start; podman 2.0.0 names one that "
        "nobody has.",
        remedy=(
            "docker: apt-get install apparmor (its apparmor_parser loads profiles), then systemctl restart docker.",
            "podman: upgrade it; until then run any new container, which loads the profile. nerdctl apparmor load",
            "A profile of your own (Kubernetes: on each node): apparmor_parser -r /etc/apparmor.d/NAME",
            "Until then: --security-opt apparmor=unconfined",
        ),
        reference="https://github.com/containers/podman/issues/6724",
        tell="aa-status lists the profiles that are loaded",
        rank=44,
    ),
    Entry(
        code="built-without-seccomp",
        title="the runtime or containerd was built without seccomp",
        patterns=(
            r"seccomp: config provided but seccomp not supported",
            r"failed to generate seccomp spec opts: seccomp is not supported",
        ),
        verdict="the container has a seccomp profile, but the program that should set it was built without seccomp",
        cause="runc says config provided; containerd says spec opts. Builds for NAS, of EPEL and by hand leave the "
        "build tag seccomp out. Or the kernel has no CONFIG_SECCOMP (boards, NAS).",
        remedy=(
            "grep Seccomp /proc/self/status: nothing means a kernel without it; use one with CONFIG_SECCOMP_FILTER=y.",
            (
                "Take the build of the distribution or of the project (containerd.io, runc's releases); runc --version "
                "names libseccomp if it has it."
            ),
            (
                "docker, podman: --security-opt seccomp=unconfined (the container then has no filter); for all: "
                "dockerd --seccomp-profile=unconfined."
            ),
            "Kubernetes: take the seccomp profile, or annotation, out of the pod.",
        ),
        reference="https://github.com/WDCommunity/wdpksrc/issues/96",
        tell="grep Seccomp /proc/self/status: the kernel has it if this line is there",
        rank=43,
    ),
    Entry(
        code="pod-id-range-refused",
        title="the kernel refuses the id range of a pod with its own user namespace",
        patterns=(rf"noop process for unshare:\s+fork/exec /proc/self/exe: (?:{EINVAL}|{EPERM})",),
        verdict="the kernel refuses the pod's id map, so the pod with hostUsers: false gets no user namespace",
        cause="EINVAL: the kubelet gave it a range that the kernel does not take, such as one that ends at 4294967295. "
        "EPERM: containerd itself runs in a user namespace (rootless, a node in a container) without these ids.",
        remedy=(
            "EINVAL: delete the pod: it then gets another range.",
            "A range for the kubelet: useradd -r kubelet; a line kubelet:65536:7208960 in /etc/subuid and /etc/subgid.",
            "A newer kubelet; until then hostUsers: true.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/139916",
        rank=17,
    ),
    Entry(
        code="dbus-user-session-missing",
        title="the user has no D-Bus: the package for it is not installed",
        patterns=(r"exec: \"dbus-launch\": executable file not found",),
        verdict="podman finds no bus of this user, and dbus-launch is not there to start one",
        cause="The user's systemd has no bus without the package dbus-user-session (Debian and Ubuntu servers). podman "
        "then continues with cgroupfs, and limits of rootless containers do not hold.",
        remedy=(
            "apt-get install dbus-user-session, then log in again; loginctl enable-linger $USER where nobody logs in.",
            (
                "In a shell after su or sudo: export XDG_RUNTIME_DIR=/run/user/$(id -u) "
                "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus"
            ),
        ),
        reference="https://github.com/containers/podman/issues/13382",
        rank=45,
    ),
    Entry(
        code="sysctl-of-other-system",
        title="the sysctl has a name that Linux does not know",
        patterns=(
            (
                r"sysctl \\*\"(?P<key>(?:kern|hw|machdep|security|net\.inet6?)\.[^\"\\\n]*)\\*\" is not in a "
                r"separate kernel namespace"
            ),
            (
                r"sysctl '(?P<key2>(?:kern|hw|machdep|security|net\.inet6?)\.[^'=\n]+)=[^'\n]*' is not "
                r"(?:whitelisted|allowed)"
            ),
            r"open /proc/sys/(?P<key3>(?:kern|hw|machdep)/[\w./-]+): no such file or directory",
        ),
        verdict="{key} is a sysctl of BSD or macOS; Linux has no such name",
        cause="Nothing can set it on Linux, neither for a container nor on the host.",
        remedy=(
            "Remove it from the container (sysctls: in compose, --sysctl).",
            "kern.maxfiles: docker run --ulimit nofile=65536:65536 (compose: ulimits), on the host fs.file-max.",
            "kern.maxproc: kernel.pid_max on the host, --pids-limit for the container.",
        ),
        reference="https://github.com/docker/compose/issues/5802",
        rank=30,
    ),
)
