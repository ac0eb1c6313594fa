"""The container's /proc and its sysctls, and what prevents a runtime from reaching them."""

from __future__ import annotations

from shim.diagnose.checks import nested
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, ENOSYS, EPERM, EROFS, Entry

SYSCTLS = "OCI runtime-spec, config-linux.md, Sysctl"
REOPEN = "https://github.com/opencontainers/runc/issues/4968"
# The container's /proc/sys in the words of the runtimes: by path, or through a file descriptor (runc from 1.2.8 on).
KEY = r"(?P<key>[\w.*/-]+)"
PROC_SYS = r"(?:/proc/|fsmount:fscontext:proc/|/proc/thread-self/fd/\d+/)(?:\./)?sys/"
UNSAFE = r"unsafe procfs detected: [^\n]*"

ENTRIES = (
    Entry(
        code="procfs-denied-by-apparmor",
        title="the AppArmor profile of an outer container denies runc access to the new container's /proc",
        patterns=(
            rf"\breopen fd \d+: (?:{EACCES}|{EPERM})",
            rf"can't mask (?:dir|path|file) [^\n]*: {EACCES}",
            rf"{UNSAFE}: {EACCES}",
            rf"open sysctl {KEY} file: [^\n]*: {EACCES}",
        ),
        verdict="the AppArmor profile of the outer container (LXC, Proxmox, Incus) denies runc access to the new /proc",
        cause="Since 1.2.8, 1.3.3 and 1.4, runc opens /proc through a mount that has no path yet (CVE-2025-52881). "
        "AppArmor mistakes /proc/sys in it for /sys, which the profile of the outer container denies. The sysctl in "
        "the message is not at fault.",
        remedy=(
            "Proxmox: upgrade lxc-pve to 6.0.5-2 or later on the host, then restart the LXC container.",
            "Incus: upgrade to 6.19 or later. LXD and LXC: upgrade to a version whose profile allows it.",
            (
                "Until then, in the LXC container's own configuration on the host: lxc.apparmor.profile: unconfined "
                "(this gives up the profile's protection)"
            ),
            "Or go back to the containerd.io or runc package before this change; it lacks the security fix.",
        ),
        reference=REOPEN,
        confirm=nested.confined_by_lxc,
    ),
    Entry(
        code="procfs-without-openat2",
        title="openat2 fails as if the kernel did not have it",
        patterns=(
            rf"{UNSAFE}{ENOSYS}",
            rf"openat2 [^\n]*proc[^\n]*: {ENOSYS}",
            rf"openat2 `[^`\n]*`: {EPERM}",  # crun, whose openat2 a filter answers so
        ),
        verdict="the runtime cannot open its /proc safely: openat2 fails (ENOSYS, or EPERM from a filter)",
        cause="Ubuntu's package of runc 1.3.3 had such a fault. The same happens on kernels before 5.6, and under a "
        "sandbox or seccomp filter that does not know openat2 (systemd-nspawn before 247, libseccomp before 2.5, "
        "docker before 20.10.10); such a filter often answers EPERM.",
        remedy=(
            "Ubuntu: apt-get update && apt-get install --only-upgrade runc, or go back one version of the package.",
            (
                "Inside another container: upgrade the outer engine and libseccomp, so that its profile knows openat2; "
                "systemd-nspawn: SystemCallFilter=openat2 in its .nspawn file."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/5007",
    ),
    Entry(
        code="procfs-covered",
        title="something is mounted over a part of /proc, and runc refuses to use it",
        patterns=(
            (
                r"unsafe procfs detected: [^\n]*(?:(?:invalid )?cross-device link|EXDEV|overmount|incorrect "
                r"procfs|not a procfs"
                r"|wrong type|too many levels)"
            ),
        ),
        verdict="runc refuses this /proc as unsafe: something is mounted over a part of it",
        cause="Since 1.2.8 and 1.3.3, runc does not follow a path in /proc into another mount. Sysbox and lxcfs mount "
        "files of their own over parts of /proc, such as /proc/sys.",
        remedy=(
            (
                "Upgrade the outer layer: sysbox to a version that supports runc 1.3.3, LXC and lxcfs to their latest "
                "versions."
            ),
            "Until then keep an older docker and runc inside: apt-mark hold docker-ce containerd.io",
        ),
        reference="https://github.com/nestybox/sysbox/issues/973",
        tell="grep ' /proc/' /proc/self/mountinfo lists what is mounted over parts of /proc",
        confirm=nested.mounts_over_proc,
    ),
    Entry(
        code="proc-mount-trapped",
        title="proc cannot be mounted through a file descriptor: the outer layer traps mounts by their path",
        patterns=(
            rf"mounting \"proc\" to rootfs at \"/proc\": mount src=proc, [^\n]*dstFd=[^\n]*: {ENOENT}",
            rf"mounting \"proc\" to rootfs (?:\"[^\"\n]*\" )?at \"/proc\" caused:? mount through procfd: {ENOENT}",
        ),
        verdict="proc cannot be mounted through a file descriptor, as runc 1.0 and later do (ENOENT)",
        cause="Sysbox handles the mounts of its containers itself. It looks for the destination by its path, and this "
        "form has none.",
        remedy=(
            "Upgrade sysbox (0.4 for runc 1.0, a later one for runc 1.2).",
            "Or keep an older engine in its containers: docker 20.10.2, or runc 1.1 (apt-mark hold containerd.io).",
        ),
        reference="https://github.com/opencontainers/runc/issues/4542",
    ),
    Entry(
        code="mask-refused-by-old-kernel",
        title="this kernel refuses the small tmpfs with which runc covers a directory",
        patterns=(rf"can't mask (?:dir|path) [^\n]*nr_inodes=1[^\n]*: {EINVAL}",),
        verdict="this kernel refuses the tmpfs with which runc hides a directory of the container "
        "(nr_inodes=1, EINVAL)",
        cause="runc 1.3.6, 1.4.3 and 1.5.0 cover directories with a tmpfs of one inode. Ubuntu 20.04's kernel 5.4 has "
        "a patch that requires two.",
        remedy=(
            "Upgrade runc to 1.5.1 or later, which uses a plain tmpfs again. BuildKit: use an image with such a runc.",
            "Or use Ubuntu 20.04's newer kernel (linux-generic-hwe-20.04, 5.15).",
            "Inside gVisor (GKE Sandbox), whose tmpfs does not know the option: a newer gVisor, or an older runc.",
        ),
        reference="https://github.com/opencontainers/runc/issues/5348",
        rank=40,
    ),
    Entry(
        code="masked-path-refused",
        title="a masked or read-only path of the container cannot be covered",
        patterns=(
            r"can't (?:mask|make)(?: (?:dir|path|file))? \"?(?P<path>/[^\"\n:]*)\"?(?: read-?only)?: [^\n]*",
            r"mask(?:ing)? path \"?(?P<path2>/[^\"\n:]*)\"?: [^\n]*",
        ),
        verdict="the runtime cannot cover {path} inside the container",
        cause="Engines hide parts of /proc and /sys with an empty mount. Here an outer container or a security module "
        "forbids that, or a rootless user lacks the permission on the file.",
        remedy=(
            (
                "docker: --security-opt systempaths=unconfined; podman: --security-opt unmask=ALL; "
                "Kubernetes: procMount: Unmasked"
            ),
            "dmesg | grep -i denied shows whether a security module refused it.",
        ),
        reference="OCI runtime-spec, config-linux.md, Masked Paths",
        rank=60,
    ),
    Entry(
        code="sysctl-unknown",
        title="the kernel does not have the sysctl that the container asks for",
        patterns=(
            rf"open {PROC_SYS}(?!kernel/cap_last_cap){KEY}: {ENOENT}",
            rf"open sysctl {KEY} file: [^\n]*: {ENOENT}",
            rf"\bopen `(?:/proc/sys/)(?!kernel/cap_last_cap)(?P<key2>[^`\n]*)`: {ENOENT}",
            rf"write sysctl key (?P<key3>[\w./-]+): open [^\n]*: {ENOENT}",
            rf"sysctl: cannot stat (?P<path>/proc/sys/[\w./-]+): {ENOENT}",
        ),
        verdict="this kernel has no sysctl {key} in the container (ENOENT)",
        cause="The kernel is older than the sysctl, or its module is not loaded. net.ipv4.ip_unprivileged_port_start "
        "needs Linux 4.11, and many NAS kernels are older. Docker 20.10 and later set it for every container, except "
        "with --network host. Some of net.* (net.core.rmem_*, netfilter's) exist only in the host's network namespace, "
        "or did so before a certain kernel; in a user namespace (rootless) more of them are missing.",
        remedy=(
            (
                "Compose: remove it under sysctls:. docker, podman: leave out --sysctl. Kubernetes: "
                "securityContext.sysctls."
            ),
            "sysctl {key} on the host shows whether the kernel has it. modprobe loads a missing module.",
            "The host has it, the container does not: set it on the host, or use --network host.",
        ),
        reference=SYSCTLS,
        ours=False,
    ),
    Entry(
        code="sysctl-value-refused",
        title="the kernel refuses the value of a sysctl",
        patterns=(
            rf"failed to write sysctl {KEY} = \"(?P<value>[^\"\n]*)\": [^\n]*{EINVAL}",
            rf"write (?:to )?{PROC_SYS}(?P<key2>[\w./-]+): {EINVAL}",
            rf"\bwrite(?: to)?(?: file)? `(?:/proc/)?sys/(?P<key3>[^`\n]*)`: {EINVAL}",
        ),
        verdict="the kernel refuses the value of the sysctl {key} (EINVAL)",
        cause="The value has the wrong form or is out of range for this sysctl.",
        remedy=(
            "Correct it in sysctls: (compose), --sysctl (docker, podman) or securityContext.sysctls (Kubernetes).",
            "sysctl {key} on the host shows a value of the right form.",
        ),
        reference=SYSCTLS,
        ours=False,
    ),
    Entry(
        code="sysctl-refused",
        title="a sysctl cannot be set for this container",
        patterns=(
            r"sysctl \"(?P<key>[^\"\n]*)\" is not in a separate kernel namespace",
            r"sysctl \\?\"?(?P<key5>[\w./-]+)\\?\"? not allowed in host \w+ namespace",
            r"sysctl '(?P<key6>[^'=\n]+)=[^'\n]*' is not (?:whitelisted|allowed)",
            r"the sysctl `(?P<key2>[^`\n]*)` (?:is not namespaced|requires a new [^\n]*)",
            rf"open {PROC_SYS}(?!kernel/cap_last_cap)(?P<key3>[\w./-]+): (?:{EACCES}|{EROFS}|{EPERM})",
            rf"\bopen `/proc/sys/(?!kernel/cap_last_cap)(?P<key4>[^`\n]*)`: (?:{EACCES}|{EROFS}|{EPERM})",
        ),
        verdict="the sysctl {key} cannot be set for this container",
        cause="A container can set only the sysctls of its own namespaces: net.* with a network namespace of its own, "
        "kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* with an IPC namespace of its own, "
        "kernel.domainname with a UTS "
        "namespace and a newer runc.",
        remedy=(
            (
                "Set it on the host instead: sysctl -w {key}=<value>, and remove it from the container: sysctls: "
                "(compose), --sysctl (docker, podman), securityContext.sysctls (Kubernetes)."
            ),
            "Or give the container its own namespace: no --network host for net.*, no --ipc host for kernel.*.",
        ),
        reference=SYSCTLS,
        ours=False,
    ),
    Entry(
        code="kernel-without-setgroups",
        title="the kernel has no user namespaces, which this runc takes for granted",
        patterns=(rf"{UNSAFE}/setgroups: {ENOENT}",),
        verdict="runc does not find /proc/self/setgroups: the kernel has no user namespaces",
        cause="runc 1.3.3, 1.3.4 and 1.4 open it at every start. Kernels without CONFIG_USER_NS (Synology, old "
        "boards) do not have it.",
        remedy=("Use runc 1.3.2, which does not open it.",),
        reference="https://github.com/telnetdoogie/synology-docker/issues/51",
        tell="ls /proc/self/setgroups; zgrep USER_NS /proc/config.gz",
        rank=40,
    ),
    Entry(
        code="procfs-refused",
        title="runc may not make a private /proc of its own",
        patterns=(rf"unsafe procfs detected: openat2 fsmount:[^\n]*: (?:{EPERM}|{EACCES})",),
        verdict="runc may not read its own private /proc: an outer layer forbids it",
        cause="Since 1.2.8 and 1.3.3 runc opens files of a /proc that it has mounted itself. A seccomp filter or a "
        "security module of an outer container, or of the host, refuses that.",
        remedy=(
            ("Upgrade runc, and the outer layer: LXC, Incus, sysbox, containers-common, AppArmor."),
            "Until then the runc before: 1.2.7 or 1.3.2 (apt-mark hold docker-ce containerd.io).",
        ),
        reference="https://github.com/opencontainers/runc/issues/4984",
        tell="dmesg | grep -i denied; runc --version",
        rank=40,
    ),
    Entry(
        code="sysctl-of-later-interface",
        title="the sysctl belongs to an interface that is not there yet",
        patterns=(
            (
                rf"open /proc/sys/net/ipv[46]/(?:conf|neigh)/(?!all/|default/|lo/)(?P<interface>[^/\s]+)/"
                rf"(?P<name>\w+): {ENOENT}"
            ),
        ),
        verdict="the interface {interface} does not exist when the runtime sets its sysctl {name}",
        cause="docker 26.0.0 makes the interfaces of a container after runc has written the sysctls. With any docker, "
        "the number of eth0 may differ, or the container may not have that network.",
        remedy=(
            "docker 26.0.0: upgrade; 26.0.1 took the change back.",
            (
                'docker 27 and later: --network name=NET,"driver-opt=com.docker.network.endpoint.sysctls='
                'net.ipv4.conf.IFNAME.{name}=VALUE" (write IFNAME as it stands here).'
            ),
            "Or set the default key in place of the interface's.",
        ),
        reference="https://github.com/moby/moby/issues/47619",
        ours=False,
        rank=40,
    ),
    Entry(
        code="sysctl-of-missing-ipv6",
        title="the kernel runs without IPv6",
        patterns=(rf"(?:open|stat) (?:sysctl )?\W?/proc/sys/net/ipv6(?:/(?:conf/(?:all|default)/)?\w*)?\W?: {ENOENT}",),
        verdict="this kernel runs without IPv6, so there is no sysctl net.ipv6.*",
        cause="It was booted with ipv6.disable=1, or built without IPv6. Even the sysctl that would switch IPv6 off is "
        "missing then.",
        remedy=(
            "Remove the net.ipv6.* lines under sysctls: (compose), or their --sysctl options.",
            (
                "Or boot without ipv6.disable=1 (/etc/default/grub, update-grub), and switch IPv6 off by sysctl "
                "net.ipv6.conf.all.disable_ipv6=1. A module: modprobe ipv6."
            ),
        ),
        reference="https://github.com/moby/moby/issues/51541",
        tell="ls /proc/sys/net/ipv6; grep -o ipv6.disable=1 /proc/cmdline",
        ours=False,
        rank=40,
    ),
)
