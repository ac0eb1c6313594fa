"""Engines that do not answer: their sockets, their networks, and a second engine beside them."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ECONNREFUSED, ENOENT, EPERM, Entry

MOBY = "https://github.com/moby/moby"
SOCKET = r"(?:docker|containerd|buildkitd?|podman|crio)[\w.-]*\.sock"

ENTRIES = (
    Entry(
        code="engine-oom-score-notice",
        title="dockerd or containerd may not lower its OOM score",
        patterns=(r"failed to (?:change|set) OOM score[^\n]*",),
        verdict="a notice: the engine may not lower its own OOM score, because it runs in a container or as a user",
        cause="Only root of the host may lower it (CAP_SYS_RESOURCE). In an unprivileged LXC the engine works "
        "nevertheless. In a container of docker without --privileged it will not start, for other reasons.",
        remedy=(
            "Look for the engine's last error, and explain that one.",
            "docker:dind: docker run --privileged. To be rid of the line in LXC: dockerd --oom-score-adjust=0",
        ),
        reference="https://github.com/docker-library/docker/issues/111",
        tell="cat /proc/self/uid_map; grep CapEff /proc/self/status",
        rank=87,
    ),
    Entry(
        code="engine-network-not-set-up",
        title="the engine cannot set up its bridge or its rules of iptables",
        patterns=(
            r"[Ee]rror initializing network controller[^\n]*",
            r"[Ff]ailed to (?:create|add) (?:NAT|FILTER) chain DOCKER[^\n]*",
            r"can(?:'|no)t initialize ip6?tables table `\w+': [^\n]*",
            r"[Uu]nable to enable DIRECT ACCESS FILTERING[^\n]*",
            r"failed to (?:create (?:endpoint [^\n]*)?|add )(?:bridge|the host)[^\n]*operation not supported",
            r"Failed to (?:program|create) (?:NAT|FILTER)[^\n]*",
            r"failed to set MTU on host interface[^\n]*|failed to make veth pair: operation not supported",
            r"[Cc]ould not find (?:a )?available,? non-overlapping IPv4 address pool[^\n]*",
        ),
        verdict="the engine cannot set up its network: iptables or the bridge fails on this host",
        cause="It is not about cgroups. The kernel lacks the modules (bridge, veth, iptable_nat, xt_addrtype, "
        "iptable_raw for docker 28 on), or was upgraded without a reboot; iptables-nft is used on a kernel without "
        "nftables (old kernels, WSL, NAS, Android); or a firewall was reloaded and took the chains away.",
        remedy=(
            (
                "uname -r; ls /lib/modules: reboot after a kernel's upgrade; modprobe bridge veth br_netfilter "
                "iptable_nat xt_addrtype"
            ),
            "update-alternatives --set iptables /usr/sbin/iptables-legacy, then restart docker.",
            'After firewalld or iptables -F: systemctl restart docker. Without rules at all: "iptables": false.',
        ),
        reference="https://docs.docker.com/engine/network/packet-filtering-firewalls/",
        tell="iptables -t nat -S; lsmod | grep -E 'bridge|veth|nat'",
        ours=False,
        rank=60,
    ),
    Entry(
        code="engine-runs-already",
        title="another engine runs already, or left its file of the process number",
        patterns=(
            r"(?:ensure docker is not running or delete|pid file found, ensure docker is not running or delete) \S+",
            r"process with PID (?P<number>\d+) is still running",
            r"listen unix (?P<path>\S+\.sock): bind: address already in use",
            r"error while opening volume store metadata database: timeout",
        ),
        verdict="another dockerd or containerd runs already, or an old process number file points to one",
        cause="Two engines on one host (from a snap, a package, Docker Desktop's WSL integration, a script), or a "
        "container that was restarted and kept the file of its engine.",
        remedy=(
            (
                "ps aux | grep -E 'dockerd|containerd': stop one of them (snap list docker; Docker Desktop: Settings, "
                "Resources, WSL integration)."
            ),
            "If none runs: rm the named pid file, and start it again.",
        ),
        reference="https://docs.docker.com/engine/daemon/troubleshoot/",
        ours=False,
        rank=61,
    ),
    Entry(
        code="engine-socket-not-made",
        title="the engine cannot make its socket",
        patterns=(
            rf"can'?t create unix socket (?P<path>\S+?): [^\n]*(?:{EACCES}|is a directory|{EPERM}|read-only)",
            r"failed to load listeners: [^\n]*",
            r"no sockets found via socket activation[^\n]*",
            rf"failed to (?:get|create) listener for[^\n]*(?:{EACCES}|{EPERM})",
        ),
        verdict="the engine cannot make the socket on which it is asked",
        cause="Permission denied as root: AppArmor of a snap whose interfaces are not connected, or another container "
        "around it. 'is a directory': a container with a volume /var/run/docker.sock was started before the engine, "
        "and docker made a directory. 'no sockets': dockerd -H fd:// was started by hand instead of by systemd.",
        remedy=(
            (
                "Snap: snap connections docker; snap connect docker:privileged; snap connect docker:support; or "
                "docker-ce instead."
            ),
            "A directory: rmdir it, start docker first; the container after it.",
            "By hand: dockerd without -H fd://; else systemctl start docker.socket docker.",
        ),
        reference="https://github.com/canonical/docker-snap",
        tell="ls -ld /var/run/docker.sock; journalctl -k | grep -i 'apparmor.*dockerd'",
        ours=False,
        rank=59,
    ),
    Entry(
        code="engine-not-reachable",
        title="no engine answers on the socket",
        patterns=(
            r"Cannot connect to the Docker daemon(?: at (?P<path>\S+?))?\. Is ",
            r"permission denied while trying to connect to the [Dd]ocker (?:daemon socket|API)[^\n]*",
            rf"(?:dial|connect)[^\n]*unix:?(?://)? ?(?P<path2>/\S*{SOCKET})[^\n]*(?:{ENOENT}|{ECONNREFUSED}|{EACCES})",
            r"cannot access containerd socket[^\n]*",
            r"[Ee]rror during connect: [^\n]*docker\w*[eE]ngine[^\n]*",
            r"[Ee]rror during connect: This error may (?:also )?indicate that the docker daemon is not running",
            r"Couldn't connect to Docker daemon(?: at \S+)?(?: - is it running)?",
            r"rootless containerd not running\?[^\n]*",
        ),
        verdict="the command does not reach the engine: it does not run, listens elsewhere, or you may not ask it",
        cause="No such file, refused: dockerd or containerd did not start; its own log says why. Permission denied: "
        "the user is not in the group docker. WSL, Alpine, Termux, Crostini: nothing starts it by itself where "
        "systemd does not run. DOCKER_HOST or a context may point to another machine or Docker Desktop.",
        remedy=(
            (
                "systemctl status docker containerd; journalctl -u docker -e: explain its last error. Without systemd: "
                "service docker start, rc-service docker start, or dockerd in a terminal."
            ),
            "Permission: sudo usermod -aG docker $USER, then log in again; pods: supplementalGroups: [the GID].",
            "docker context ls; echo $DOCKER_HOST",
        ),
        reference="https://docs.docker.com/engine/daemon/troubleshoot/",
        tell="ls -l /var/run/docker.sock; pgrep -a dockerd; id -nG",
        ours=False,
        rank=64,
    ),
    Entry(
        code="containerd-start-timed-out",
        title="dockerd waited for containerd in vain",
        patterns=(
            r"failed to start containerd: [^\n]*",
            r"timeout waiting for containerd to start",
            r"[Ee]rror starting daemon: (?:timeout|context deadline exceeded)\s*$",
            r"failed to dial \"?[^\"\n]*containerd[^\"\n]*\.sock\"?: [^\n]*(?:deadline exceeded|timed? ?out)[^\n]*",
            r"containerd did not start before the specified timeout",
        ),
        verdict="dockerd started, but its containerd does not answer",
        cause="containerd failed or hangs: a damaged database after a power cut or a full disk, a plugin's error, a "
        "slow card or disk, or a containerd of another installation (snap, k3s, an unpacked archive) at the same "
        "socket. A container with docker:dind that was restarted finds the old process number of its containerd.",
        remedy=(
            "journalctl -u containerd -e; or run containerd in a terminal: the last error is the cause.",
            "df -h and df -i for /var/lib; which -a containerd: one version only.",
            (
                "A damaged database (panic in bbolt): move /var/lib/docker/containerd or "
                "/var/lib/containerd/io.containerd.metadata.v1.bolt away, and start again."
            ),
        ),
        reference=MOBY,
        tell="pgrep -a containerd; journalctl -u containerd -n 50",
        rank=58,
    ),
    Entry(
        code="rootless-network-not-made",
        title="the rootless engine cannot make its network",
        patterns=(
            r"(?:slirp4netns|pasta|vpnkit)(?: \([^)\n]*\))?(?: or \w+)? needs? to be installed",
            r"failed to setup network [^\n]*(?:slirp4netns|pasta|vpnkit|lxc-user-nic)[^\n]*",
            r"could not find (?:slirp4netns|pasta)[^\n]*",
            r"setting up tap \S+: [^\n]*|slirp4netns failed",
        ),
        verdict="rootlesskit, or podman, cannot make the user's network: slirp4netns or pasta is missing or failed",
        cause="It is not installed, too old (0.4.0 is needed), or may not make its own namespaces and sandbox (its "
        "seccomp and sandbox options on old kernels, AppArmor of Ubuntu, a root on initramfs, no /dev/net/tun).",
        remedy=(
            "Install slirp4netns (0.4.0 or later) or passt; modprobe tun.",
            (
                "export DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SANDBOX=false "
                "DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SECCOMP=false before dockerd-rootless.sh."
            ),
        ),
        reference="https://docs.docker.com/engine/security/rootless/troubleshoot/",
        tell="slirp4netns --version; ls -l /dev/net/tun",
        ours=False,
        rank=56,
    ),
)
