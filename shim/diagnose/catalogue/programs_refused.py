"""Programs in a container that the kernel refuses a call, for lack of a capability or because of the seccomp filter."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, EROFS, Entry

# EPERM of execve(2): EACCES would be a missing x, noexec or SELinux.
EXEC_REFUSED = (
    rf"exec user process caused:? \\*\"?{EPERM}",
    rf"exec: \\?\"[^\"\n]*\\?\": (?:stat [^:\n]*: )?{EPERM}",
    rf"(?:^|: )exec /[^\s:]+: {EPERM}",
)

ENTRIES = (
    Entry(
        code="tracing-not-allowed",
        title="a program in the container may not trace or measure processes",
        patterns=(
            rf"ptrace\(PTRACE_\w+[^\n]*\): {EPERM}",
            r"Access to performance monitoring and observability operations is limited",
            r"(?:No permission to enable|You may not have permission to collect) [^\n]*(?:event|stats)[^\n]*",
        ),
        verdict="strace, gdb, perf and their like are not allowed in this container",
        cause="ptrace needs CAP_SYS_PTRACE in the container, or the same user and no yama (kernel.yama.ptrace_scope of "
        "the host); docker's seccomp filter allowed it without only from Linux 4.8 on. perf needs CAP_PERFMON or "
        "CAP_SYS_ADMIN and the call perf_event_open, which the filter forbids, and kernel.perf_event_paranoid of "
        "the host.",
        remedy=(
            "docker run --cap-add=SYS_PTRACE (compose: cap_add; Kubernetes: securityContext.capabilities.add).",
            (
                "perf: --cap-add=PERFMON (docker 20.10 and Linux 5.8; before: SYS_ADMIN), and on the host sysctl -w "
                "kernel.perf_event_paranoid=1."
            ),
            "A container that runs: from the host, nsenter is not needed: strace -p PID there.",
        ),
        reference="https://docs.kernel.org/admin-guide/perf-security.html",
        ours=False,
        rank=44,
    ),
    Entry(
        code="file-capability-not-held",
        title="a program has capabilities in its file that the container does not have",
        ambiguous=(
            *EXEC_REFUSED,
            rf"(?:^|\s)(?:/bin/)?(?:sh|ash|bash|dash): (?:\d+: )?(?:line \d+: )?/[\w./-]+: {EPERM}",
        ),
        verdict="the kernel does not execute a program whose file asks for a capability outside the container's set",
        cause="A file with effective capabilities (getcap) can be executed only where all of them are in the "
        "bounding set: "
        "ping with cap_net_raw, loolmount and coolmount with cap_sys_admin, in a container with --cap-drop or without "
        "--cap-add.",
        remedy=(
            "getcap on the file; then --cap-add for what it names, or setcap -r on it in the image.",
            "Collabora's mount program is only faster: without it, it copies.",
        ),
        reference="capabilities(7), File capabilities",
        tell="getcap FILE; grep CapBnd /proc/self/status",
        offer=1,
        ours=False,
    ),
    Entry(
        code="program-lacks-capability",
        title="a program in the container lacks a capability",
        patterns=(
            rf"RTNETLINK answers: {EPERM}",
            rf"Unable to access interface: {EPERM}",
            rf"(?:[Ff]ailed to create TUN device|Cannot open TUN/TAP dev[^\n:]*): {EPERM}",
            rf"(?:^|[`'\"\s])(?:mbind|set_mempolicy|get_mempolicy|migrate_pages|move_pages)(?:\(\))?: {EPERM}",
            rf"hwloc_set_membind[^\n]*failed \(errno 1 {EPERM}\)",
            rf"nice: cannot set niceness: (?:{EACCES}|{EPERM})",
            rf"date: cannot set date: {EPERM}|hostname: you must be root to change the host name",
            rf"swapo(?:n|ff): [^\n]*: (?:swapon failed: )?{EPERM}",
            rf"dmesg: (?:read kernel buffer failed|klogctl): {EPERM}",
            rf"ping: (?:socket|icmp open socket): {EPERM}|ping: permission denied \(are you root\?\)",
        ),
        verdict="the kernel refused a program of the container what needs a capability that docker does not give",
        cause="Root in a container has only some capabilities. Networks and WireGuard need NET_ADMIN (a TUN "
        "device also "
        "--device /dev/net/tun), NUMA and nice SYS_NICE, the clock SYS_TIME, the host's name and swap SYS_ADMIN, dmesg "
        "SYSLOG, ping NET_RAW where net.ipv4.ping_group_range does not hold its group. A program that is not root has "
        "none at all. mysqld's mbind is a notice: it continues without NUMA.",
        remedy=(
            (
                "docker, podman: --cap-add NET_ADMIN (compose: cap_add: [NET_ADMIN]; Kubernetes: "
                "securityContext.capabilities.add); with it --sysctl for what the program sets in /proc/sys/net."
            ),
            (
                "Rootless engines can give it only for the container's own network, and the module must be loaded: "
                "modprobe "
                "wireguard on the host."
            ),
            "Host clock, swap, kernel log: do it on the host.",
        ),
        reference="https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities",
        tell="grep Cap /proc/self/status in the container; capsh --decode=NUMBER",
        ours=False,
        rank=58,
    ),
    Entry(
        code="io-uring-not-allowed",
        title="the container may not use io_uring",
        patterns=(
            rf"io_uring\w{{0,20}}(?:\(\))?[^\n]{{0,40}}?(?:: | ){EPERM}",
            rf"failed to create io_uring ring fd:? {EPERM}",
            r"io_uring_queue_init\w* failed for all ring entry/flag combinations",
        ),
        ambiguous=(rf"^queue_init: {EPERM}",),
        verdict="the calls of io_uring are refused: the engine's seccomp filter does not allow them",
        cause="docker 25 and containerd 2.0 took io_uring out of their filters, as it gets round them; Docker Desktop "
        "4.42 blocks it altogether. kernel.io_uring_disabled of the host does the same (Linux 6.6).",
        remedy=(
            "Let the program use epoll or threads (MariaDB: innodb_use_native_aio=0).",
            (
                "Or a filter of your own: docker's default.json with io_uring_setup, io_uring_enter and "
                "io_uring_register "
                "added: --security-opt seccomp=FILE."
            ),
        ),
        reference="https://github.com/moby/moby/issues/47532",
        tell="sysctl kernel.io_uring_disabled; does it work with --security-opt seccomp=unconfined?",
        offer=1,
        ours=False,
        rank=44,
    ),
    Entry(
        code="setuid-not-effective",
        title="sudo and other setuid programs have no effect in the container",
        patterns=(
            r"sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root",
            r"sudo: effective uid is not 0, is \S+ on a file system with the 'nosuid' option set[^\n]*",
        ),
        verdict="the setuid bit of sudo has no effect here: no_new_privs is set, or its file system is mounted nosuid",
        cause="--security-opt no-new-privileges, no-new-privileges in daemon.json, allowPrivilegeEscalation: false, "
        "noNewPrivileges of runc's own config.json, and bubblewrap set that flag for good. An image stored on "
        "NFS, on a "
        "nosuid mount or without its setuid bits (a copy by another user) looks the same.",
        remedy=(
            (
                "Start the container as root (--user 0) instead of sudo in it; or leave the option out: "
                "--security-opt no-new-privileges=false, allowPrivilegeEscalation: true."
            ),
            "grep NoNewPrivs /proc/self/status: 0? Then findmnt -T $(command -v sudo), ls -l of it.",
        ),
        reference="https://docs.kernel.org/userspace-api/no_new_privs.html",
        ours=False,
        rank=44,
    ),
    Entry(
        code="sysfs-read-only-in-container",
        title="/sys is read-only in the container",
        patterns=(
            rf"(?P<path>/sys/(?:bus|class|devices|block|kernel|module|power|firmware)/[^\s'\"]+)[^\n]{{0,20}}{EROFS}",
        ),
        verdict="a program in the container cannot write {path}: engines mount /sys read-only",
        cause="Only a privileged container has a writable /sys; what is written there concerns the whole host.",
        remedy=(
            "Do it on the host: a udev rule, a service, or sysfsutils.",
            "Or a volume of that directory alone: -v /sys/class/gpio:/sys/class/gpio; or --privileged.",
        ),
        reference="https://docs.docker.com/engine/containers/run/",
        ours=False,
        rank=58,
    ),
    Entry(
        code="dev-mem-refused",
        title="a program in the container may not use /dev/mem",
        patterns=(
            r"No access to /dev/mem\.[^\n]*",
            r"initPeripherals: mmap \w+ failed[^\n]*",
            r"(?:[Cc]an(?:'|no)t|[Ff]ailed to|[Uu]nable to) (?:open|mmap) /dev/mem\b[^\n]*",
        ),
        verdict="the program wants the memory of the machine (/dev/mem), which containers do not have",
        cause="Libraries for GPIO (RPi.GPIO, pigpio, wiringPi) and firmware tools map registers. It needs the device, "
        "CAP_SYS_RAWIO, and a kernel that permits it: CONFIG_STRICT_DEVMEM and lockdown forbid it even to a privileged "
        "container.",
        remedy=(
            (
                "GPIO alone: --device /dev/gpiomem (Pi 5: /dev/gpiomem0), or a library on /dev/gpiochip0 (libgpiod, "
                "lgpio)."
            ),
            "Else --device /dev/mem --cap-add SYS_RAWIO, or --privileged; kernel command line: iomem=relaxed.",
        ),
        reference="https://github.com/joan2937/pigpio/issues/235",
        tell="ls -l /dev/mem /dev/gpiomem* /dev/gpiochip*; cat /sys/kernel/security/lockdown; dmesg | tail",
        rank=60,
    ),
    Entry(
        code="new-privileges-refused",
        title="AppArmor does not let the container's first program change its profile (no-new-privileges)",
        ambiguous=EXEC_REFUSED,
        verdict="the kernel does not execute the first program: AppArmor may not change its profile",
        cause="no-new-privileges forbids a change of the AppArmor profile that loosens it. Where dockerd itself is "
        "confined (docker from snap, an outer container), the container's profile counts as looser, and every image "
        "fails.",
        remedy=(
            "Install docker from apt (docker.com, docker.io) in place of the snap, or leave out no-new-privileges.",
            "Another security module (fapolicyd, an antivirus): its log names the program.",
        ),
        reference="https://github.com/alpinelinux/docker-alpine/issues/126",
        tell="command -v docker: below /snap? docker inspect NAME: no-new-privileges? dmesg | grep -i denied",
        offer=2,
    ),
    Entry(
        code="program-root-read-only",
        title="a program wants to write to its root, which is read-only",
        patterns=(
            r"(?P<path>/(?!sys/|proc/)[^\s\"']+)\"? failed \(30: Read-only file system\)",
            (
                rf"\b(?:mkdir|touch|cp|mv|ln|install|sed|tee): (?:can(?:no|')t |cannot )?[^\n]*?"
                rf"(?<![\w/])['\"]?(?P<path2>/(?!sys/|proc/)[^\s'\":]+)['\"]?: {EROFS}"
            ),
            (
                rf"(?:can(?:no|')t create|cannot create|Unable to create|unable to open|open\(\)) "
                rf"['\"]?(?P<path3>/(?!sys/|proc/)[^\s'\":]+)['\"]?: {EROFS}"
            ),
        ),
        verdict="the program may not write to {path}: the container's root, or the volume there, is read-only",
        cause="--read-only, read_only: true, readOnlyRootFilesystem or a policy of the cluster; or a volume with :ro, "
        "a config map or a secret.",
        remedy=(
            "docker: --tmpfs for each directory that it names (/run, /tmp, /var/cache/nginx); compose: tmpfs:",
            "Kubernetes: an emptyDir at each of them; with a user: fsGroup (docker: /run:uid=101,gid=101).",
            "Or without read-only, where nothing demands it.",
        ),
        reference="https://github.com/nginx/docker-nginx-unprivileged/issues/175",
        tell="docker inspect NAME | grep -E 'ReadonlyRootfs|Mode'; kubectl get pod NAME -o yaml | grep -i readonly",
        ours=False,
        rank=58,
    ),
    Entry(
        code="owner-in-read-only-volume",
        title="the entrypoint may not change the owner of files in a read-only volume",
        patterns=(rf"ch(?:own|mod|grp): (?:changing \w+ of )?\W?(?P<path>/[^\s'\":]+)\W?: {EROFS}",),
        verdict="the owner of {path} cannot be changed: its volume is read-only (EROFS)",
        cause="It is a config map or a secret, which are always read-only, or a volume with :ro. The entrypoint of the "
        "image changes the owner of all files there, and ends when it fails.",
        remedy=(
            "Kubernetes: an init container that copies the config map into an emptyDir, which is mounted there.",
            "Mount the file elsewhere and name it (--config), or start the program itself in place of the entrypoint.",
            "docker: leave :ro off this volume (the owner on the host changes then).",
        ),
        reference="https://github.com/31z4/zookeeper-docker/issues/106",
        tell="grep {path} /proc/mounts in the container",
        rank=50,
    ),
)
