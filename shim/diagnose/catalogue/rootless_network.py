"""Networks of rootless containers, as far as a start fails at them: pasta, slirp4netns, netavark, ports."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, EPERM, Entry

NETWORKS = "https://docs.podman.io/en/latest/markdown/podman-network.1.html"
PASTA = r"(?:pasta failed with exit code \d+|setting up Pasta|\bpasta\[\d+\]:)"
# The helper's own words follow on the same line, or on the next ones.
THEN = r"[^\n]*(?:\n[^\n]*)?(?:\n[^\n]*){0,2}?"

ENTRIES = (
    Entry(
        code="tun-device-missing",
        title="a network helper of a rootless container, or a VPN in a container, has no /dev/net/tun",
        patterns=(
            rf"open(?:\(\)|\()?[ (]?\\*\"?/dev/net/tun\\*\"?\)?: (?:{ENOENT}|{EPERM}|{EACCES}|no such device)",
            rf"[Ff]ailed to (?:open\(\)|open) /dev/net/tun: (?:{ENOENT}|{EPERM}|{EACCES}|no such device)",
            rf"ioctl\(TUNSETIFF\): (?:{EPERM}|{EACCES})|Cannot ioctl TUNSETIFF [^\n]*: {EPERM}",
            r"Cannot open TUN/TAP dev /dev/net/tun: [^\n]*|/dev/net/tun does not exist",
            rf"TUN device file(?: node)?: (?:{EPERM}|no such device)",
            rf"custom device \"?/dev/net/tun\"?: {ENOENT}",
        ),
        verdict="the network helper (slirp4netns, pasta) or VPN cannot use /dev/net/tun",
        cause="It makes its interface with it. The kernel's module tun is not loaded, or the container that it runs in "
        "(CI, a pod, LXC) does not have the device, or not CAP_NET_ADMIN.",
        remedy=(
            (
                "Host: modprobe tun; echo tun > /etc/modules-load.d/tun.conf (after a kernel update: reboot first). "
                "Synology: insmod /lib/modules/tun.ko, also as a task at boot-up in its Task Scheduler."
            ),
            (
                "Inside a container: docker, podman: --device /dev/net/tun --cap-add NET_ADMIN; Kubernetes: a device "
                "plugin, or privileged."
            ),
            (
                "LXC, Proxmox: lxc.cgroup2.devices.allow: c 10:200 rwm (a v1 host: lxc.cgroup.devices.allow) and "
                "lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file"
            ),
            "Without a network of its own: podman run --network host (or none); buildah bud --network host",
        ),
        reference="https://github.com/rootless-containers/slirp4netns",
        tell="ls -l /dev/net/tun where the engine runs; lsmod | grep tun",
        rank=30,
    ),
    Entry(
        code="pasta-finds-no-interface",
        title="pasta finds no usable network interface or route on the host",
        patterns=(
            r"External interface not usable|Couldn't pick external interface",
            r"(?:No|Failed to (?:pick|detect)[^\n]*) (?:external )?(?:routable |usable )?interface[^\n]*IPv[46]?",
            r"Couldn't (?:get|set) (?:any )?(?:IPv[46] )?(?:route|address|nameserver)[^\n]*",
            r"Couldn't configure IPv[46] route[^\n]*",
        ),
        verdict="pasta cannot copy the host's network (interface, addresses, routes) into the container",
        cause="pasta takes interface and routes from the host at the moment of the start. At boot the network is not "
        "up yet; offline there is no default route; with several interfaces, VPNs or unusual routes it copies what the "
        "container's namespace refuses.",
        remedy=(
            (
                "At boot: podman 5.3 or later, whose Quadlet waits for podman-user-wait-network-online.service; "
                "before: ExecStartPre=/bin/sh -c 'until ip route get 1.1.1.1; do sleep 2; done' in the unit."
            ),
            "Name the interface: podman run --network pasta:-i,eth0 (or pasta:-4 for IPv4 alone); upgrade passt.",
            "Offline or if it stays so: --network host or none, or podman network create NET and --network NET.",
        ),
        reference="https://passt.top/passt/about/",
        tell="ip route; ip -6 route: is there a default route, and one only? Does --network none start?",
        rank=40,
    ),
    Entry(
        code="pasta-denied",
        title="pasta may not open the container's network namespace",
        patterns=(
            rf"netns dir open: (?:{EACCES}|{EPERM})",
            (
                rf"Couldn't (?:open|enter|switch to|create) (?:network|user|PID|mount)[\w ]* ?namespace[^\n]*: "
                rf"(?:{EACCES}|{EPERM})"
            ),
            rf"{PASTA}{THEN}(?:netns|/run/user/\d+/netns)[^\n]*(?:{EACCES}|{EPERM})",
        ),
        verdict="a security module, or an outer container, keeps pasta from the container's network namespace",
        cause="SELinux: podman or its files have a wrong label, as after a home directory in an unusual place. "
        "AppArmor: passt's profile is older than podman or does not know the paths. In a container: no right to enter "
        "namespaces.",
        remedy=(
            (
                "SELinux: ausearch -m avc -ts recent; restorecon -RFv /usr/bin/podman ~/.local/share/containers; homes "
                "elsewhere: semanage fcontext -a -e /home /storage/home && restorecon -R /storage/home"
            ),
            (
                "AppArmor (Ubuntu, Debian, SUSE): dmesg | grep -i 'denied.*pasta'; upgrade passt, or aa-disable its "
                "profile."
            ),
            "For now: podman run --network slirp4netns, or default_rootless_network_cmd in containers.conf.",
        ),
        reference="https://github.com/containers/podman/issues/26157",
        tell="ausearch -m avc -ts recent; dmesg | grep -i denied: is pasta named?",
        rank=40,
    ),
    Entry(
        code="pasta-as-root",
        title="pasta was started by root, which gives up its rights",
        patterns=(r"Don't run (?:this )?as root\. Changing to nobody",),
        verdict="pasta runs as root here, changes to nobody, and then may not enter the container's namespace",
        cause="pasta is for rootless containers. podman takes itself for rootless although it is root: inside an outer "
        "container, with _CONTAINERS_USERNS_CONFIGURED or _CONTAINERS_ROOTLESS_UID set, or by --network pasta as root.",
        remedy=(
            "As root use the bridge: podman run --network bridge (netavark), or --network host inside a container.",
            (
                "Inside a container: unset _CONTAINERS_USERNS_CONFIGURED _CONTAINERS_ROOTLESS_UID; or run podman as a "
                "user other than root there."
            ),
        ),
        reference="https://github.com/containers/podman/issues/17840",
        rank=35,
    ),
    Entry(
        code="rootless-port-privileged",
        title="a rootless container may not publish a port below 1024",
        patterns=(
            r"rootlessport cannot expose privileged port (?P<port>\d+)",
            r"cannot expose privileged port (?P<port2>\d+)",
            rf"[Ff]ailed to bind (?:any )?port (?P<port3>\d{{1,3}})\b[^\n]*(?:{EACCES}|{EPERM})",
            rf"listen (?:tcp|udp)[46]? \S*:(?P<port4>\d{{1,3}}): bind: {EACCES}",
        ),
        verdict="an unprivileged user may not listen on port {port} of the host",
        cause="net.ipv4.ip_unprivileged_port_start is 1024: lower ports are for root.",
        remedy=(
            "Publish a higher port: podman run -p 8080:80",
            (
                "Or allow it for all users of the host: sysctl -w net.ipv4.ip_unprivileged_port_start={port}, and the "
                "same in /etc/sysctl.d."
            ),
            "rootless docker: setcap cap_net_bind_service=ep $(which rootlesskit), and restart it.",
        ),
        reference="https://docs.docker.com/engine/security/rootless/troubleshoot/",
        rank=40,
    ),
    Entry(
        code="low-port-inside-refused",
        title="the container's program may not listen on a port below 1024",
        patterns=(
            rf"bind\(\) to \S+:(?P<port>\d{{1,3}}) failed \(13: {EACCES}\)",
            rf"could not bind to address \S+:(?P<port2>\d{{1,3}})\b[^\n]*{EACCES}",
            rf"{EACCES}: (?:AH00072: )?make_sock: could not bind to address \S+:(?P<port3>\d{{1,3}})",
        ),
        verdict="the program in the container may not listen on port {port}: it lacks CAP_NET_BIND_SERVICE",
        cause="It does not run as root, or all capabilities are dropped. docker lowers "
        "ip_unprivileged_port_start inside containers, podman and others do not.",
        remedy=(
            "--sysctl net.ipv4.ip_unprivileged_port_start=0; Kubernetes: the same under securityContext.sysctls.",
            "Or let it listen on a higher port and publish that: -p 80:8080. Or --cap-add NET_BIND_SERVICE as root.",
        ),
        reference=NETWORKS,
        rank=41,
    ),
    Entry(
        code="port-in-use",
        title="the published port is taken on the host",
        patterns=(
            r"(?:rootlessport )?listen (?:tcp|udp)[46]? [^\n]{0,60}?:(?P<port>\d+): bind: address already in use",
            r"[Bb]ind for \S*?:(?P<port4>\d+) failed: port is already allocated",
            r"ports are not available: [^\n]{0,60}?:(?P<port5>\d+)\b[^\n]*",
            r"[Ff]ailed to bind (?:any )?port (?P<port2>\d+)\b[^\n]*[Aa]ddress already in use",
            r"cannot listen on the (?:TCP|UDP) port: [^\n]*:(?P<port3>\d+): bind: address already in use",
        ),
        verdict="port {port} of the host is in use by another program or container",
        cause="Only one program can listen on an address and port; a helper of a container that has ended "
        "(rootlessport, pasta, conmon, docker-proxy) may still hold it.",
        remedy=(
            "ss -tulpn 'sport = :{port}' names the program: stop it, or publish another port.",
            "A leftover: podman ps -a, podman rm -f it; if only the helper is left, kill that process.",
        ),
        reference=NETWORKS,
        rank=45,
    ),
    Entry(
        code="netavark-may-not-enter",
        title="netavark may not enter the container's network namespace",
        patterns=(rf"netavark[^\n]*setns: [^\n]*{EPERM}",),
        verdict="netavark may not enter the container's network namespace (EPERM)",
        cause="podman runs in an outer container without CAP_SYS_ADMIN, or whose seccomp filter forbids setns.",
        remedy=(
            (
                "Outer container: --privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt "
                "seccomp=unconfined"
            ),
            "Or no network of its own: podman run --network host",
        ),
        reference="https://github.com/containers/podman/issues/21832",
        tell="unshare -n true where podman runs",
        rank=49,
    ),
    Entry(
        code="netavark-failed",
        title="netavark could not set up the container's network",
        patterns=(
            r"netavark(?: \(exit code \d+\))?: (?!Sysctl error)[^\n]+",
            r"unable to (?:append|create|insert) (?:rule|chain)[^\n]*(?:NETAVARK|iptables|nft)[^\n]*",
        ),
        verdict="netavark, podman's network program, could not set up the container's network",
        cause="Its last words are the kernel's or the firewall tool's. Usual: iptables or nft is missing, or the "
        "kernel's modules for it (after a kernel update without a reboot; minimal kernels; WSL); rules that a "
        "firewall's reload removed; no CAP_NET_ADMIN in an outer container; an aardvark-dns of another version.",
        remedy=(
            (
                "After a kernel update: reboot. modprobe ip_tables nf_nat nf_tables veth bridge; podman network reload "
                "--all"
            ),
            'Minimal systems: firewall_driver = "nftables" (or "iptables", "none") under [network] in containers.conf.',
            (
                "Inside a container: --privileged, or podman run --network host. Upgrade netavark and aardvark-dns "
                "together."
            ),
        ),
        reference="https://github.com/containers/netavark",
        tell="nft list ruleset; iptables -t nat -L: does either fail too? lsmod | grep -E 'nf_tables|ip_tables|veth'",
        rank=50,
    ),
    Entry(
        code="slirp4netns-failed",
        title="slirp4netns could not set up the container's network",
        patterns=(
            r"slirp4netns failed[^\n]*",
            rf"ioctl\(TUNSETIFF\): (?:{EBUSY}|{EINVAL})",
            r"\b(?:child|parent) failed ?\(\d+\)",
            r"slirp4netns: (?:unrecognized|invalid) option[^\n]*",
            r"\b(?:create_sandbox|enable_seccomp|do_slirp|slirp_new|create_slirp) failed",
            r"(?:waiting for|waiting on) slirp4netns[^\n]*",
        ),
        verdict="slirp4netns, the network helper of rootless containers, ended at once",
        cause="EBUSY: the namespace has a tap0 already, from an earlier or a second start. setns EINVAL or EPERM: what "
        "it was given is not a network namespace, or belongs to another user. unrecognized option, seccomp: "
        "slirp4netns is older than podman, or the kernel lacks what it asks for. Sandbox: an outer container forbids "
        "namespaces.",
        remedy=(
            (
                "podman rm -f the container, and run it again; podman system migrate. Upgrade podman and slirp4netns "
                "together, or use pasta (package passt): podman run --network pasta."
            ),
            "Inside a container: --privileged and --device /dev/net/tun, or --network host for the inner one.",
        ),
        reference="https://github.com/rootless-containers/slirp4netns",
        tell="podman --log-level=debug run ... shows its command line and its own words; slirp4netns --version",
        rank=46,
    ),
    Entry(
        code="pasta-failed",
        title="pasta could not set up the container's network",
        ambiguous=(rf"{PASTA}{THEN}",),
        verdict="pasta, the network helper of rootless containers, ended at once",
        cause="Its own words follow: a port that is taken or privileged, an address or option it does not accept, no "
        "route on the host, or a namespace that a security module or an outer container keeps closed.",
        remedy=(
            "journalctl -t pasta -t podman -e; podman --log-level=debug run ... shows its whole command line.",
            "Upgrade passt and podman together. To do without: podman run --network slirp4netns (podman 4, 5) or host.",
        ),
        reference="https://passt.top/passt/about/",
        tell="does it start with --network none, and with --network host? dmesg | grep -i denied",
        offer=1,
        last=True,
    ),
    Entry(
        code="tun-directory-closed",
        title="the user may not reach /dev/net/tun",
        patterns=(rf"open\(\\*\"/dev/net/tun\\*\"\): {EACCES}",),
        verdict="the network helper may not open /dev/net/tun (EACCES)",
        cause="The device is there, but the mode of it or of its directory /dev/net keeps the user out; within a "
        "container it may be the outer one that gives no such device.",
        remedy=(
            (
                'chmod 755 /dev/net; chmod 666 /dev/net/tun. A rule of udev keeps it so over a reboot: KERNEL=="tun", '
                'MODE="0666"'
            ),
            "In a container: --device /dev/net/tun for the outer one. Without a network: podman run --network host",
        ),
        reference="https://github.com/containers/podman/issues/19908",
        tell="namei -l /dev/net/tun",
        rank=29,
    ),
)
