"""Lines of the kernel's log that come with containers: memory it did not get, processes it ended, notices."""

from __future__ import annotations

from shim.diagnose.entry import ENOMEM, Entry

COMPACT = (
    "sync; echo 3 > /proc/sys/vm/drop_caches; echo 1 > /proc/sys/vm/compact_memory helps at once; a larger "
    "vm.min_free_kbytes for longer."
)

# The kernel's name and number of a record of the audit log, and the journal's form of it.
SECCOMP = r"(?:type=(?:1326|SECCOMP)\b|\bSECCOMP auid=)"

ENTRIES = (
    Entry(
        code="kernel-objects-not-allocated",
        title="the kernel's log says that SLUB got no memory for an object",
        patterns=(
            (
                r"SLUB: Unable to allocate memory (?:on|for) (?:node|CPU)[^\n]*"
                r"(?:\n[^\n]*cache: (?P<cache>[\w-]+)(?:\(\d+:(?P<cgroup>[^)\n]+)\))?[^\n]*)?"
            ),
        ),
        verdict="the kernel got no memory for one of its own objects (SLUB)",
        cause="Sockets, dentries, mounts and packets that a container causes count against its memory limit. In the "
        "line below, cache: NAME(NUMBER:CGROUP) names the cgroup whose limit is reached; without it the host itself "
        "has no memory. Kernels 3.10 and 4.x count too much once kernel memory is limited, and never give it back. The "
        "cgroup here is {cgroup}.",
        remedy=(
            "Raise that container's memory limit (docker, podman: --memory; Kubernetes: resources.limits.memory).",
            (
                "Upgrade the kernel: RHEL and CentOS 7 to 3.10.0-1062 or later, others to 5.x. Until then boot with "
                "cgroup.memory=nokmem, and leave out --kernel-memory."
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/841",
        rank=64,
    ),
    Entry(
        code="kernel-pages-not-allocated",
        title="the kernel's log says that pages could not be allocated",
        patterns=(
            r"(?P<program>[^\s]+): page allocation (?:failure[.:]? ?|stalls for \w+, )order:(?P<order>\d+)[^\n]*",
            r"(?P<program2>[^\s]+): vmalloc:? (?:allocation failure|error)[^\n]*",
        ),
        verdict="the kernel got no memory for {program}",
        cause="order:N asks for 2^N pages side by side. From order 3 on, memory is usually free but in pieces: a new "
        "network namespace or veth pair (copy_net_ns, veth_alloc_queues on hosts with many CPUs) needs such a piece. "
        "Order 0 means that there was no page at all at that moment: the host, or a container's limit, is full.",
        remedy=(
            COMPACT,
            "Upgrade the kernel: newer ones need no large pieces for namespaces and veth pairs (veth: since 6.9).",
            "Order 0: free -m; give the host more memory, or each container a limit.",
        ),
        reference="https://github.com/docker/for-linux/issues/1443",
        rank=64,
    ),
    Entry(
        code="namespaces-without-memory",
        title="the kernel has no memory for the container's namespaces",
        patterns=(
            rf"(?:unable to unshare namespaces|unshare\b[^\n:]{{0,80}}|could not clone|clone): {ENOMEM}",
            rf"\bnsenter: [^\n:]*(?:unshare|namespace|clone)[^\n:]*: {ENOMEM}",
            rf"\bnsexec(?:-\d)?\[\d+\]: [^\n:]*(?:: \w+)?: {ENOMEM}",
        ),
        verdict="the kernel has no memory for the container's namespaces (ENOMEM)",
        cause="A network namespace takes pieces of several pages side by side. On a host that has run for long, memory "
        "is free but in pieces, or filled by the kernel's own objects; kernels 3.10 and 4.x leak them with each "
        "container. pid_max that is reached, and a parent that is ending, also give ENOMEM.",
        remedy=(
            COMPACT,
            (
                "cat /proc/buddyinfo (all zeros to the right: in pieces); slabtop -o | head: what fills the memory? "
                "Upgrade the kernel."
            ),
        ),
        reference="https://github.com/moby/moby/issues/31037",
        rank=40,
    ),
    Entry(
        code="task-hangs-in-kernel",
        title="the kernel's log says that a process hangs in the kernel",
        patterns=(
            (
                r"\btask (?P<program>\S{1,40}(?: [^\s:]{1,20})?):\d+ (?:\([^)\n]*\) )?"
                r"blocked (?:on [^\n]{1,60} )?for more than \d+ seconds"
            ),
            r"\bState:\s+D \(disk sleep\)|\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message",
        ),
        verdict="{program} has hung in the kernel for minutes (state D): nothing can end, freeze or kill it",
        cause="It waits for a disk, a network file system (NFS, FUSE, CephFS) or a lock of the kernel. Engines then "
        "time out at stop, exec, pause and inspect; a full disk queue, or a throttled one (io.max), does it as well.",
        remedy=(
            "echo w > /proc/sysrq-trigger; dmesg shows each hanging process and where. Bring that storage back.",
            "xfs, overlay, cgroup or netns in its stack without a broken disk: a bug of that kernel; upgrade it.",
            "Otherwise only a reboot ends such a process.",
        ),
        reference="Linux Documentation/admin-guide/sysctl/kernel.rst, hung_task_timeout_secs",
        rank=63,
    ),
    Entry(
        code="process-frozen",
        title="a process is frozen with its cgroup",
        patterns=(
            r"\b(?:__refrigerator|cgroup_freezing|cgroup_enter_frozen|do_freezer_trap)\b",
            r"\bfreezer\.state:\s*(?:FROZEN|FREEZING)\b|\bcgroup\.events:frozen 1\b|\bcgroup\.freeze:1\b",
        ),
        verdict="the process does not hang: its cgroup is frozen, so it takes no step until it is thawed",
        cause="Somebody paused the container or a cgroup above it: docker pause, the kubelet's or runc's freeze while "
        "it changes device rules, a checkpoint. Who froze it was ended before it thawed it.",
        remedy=(
            "docker unpause, podman unpause; or runc --root ROOT resume ID (docker: /run/docker/runtime-runc/moby).",
            "v1: echo THAWED > freezer.state of each cgroup on the way up; cgroup2: echo 0 > cgroup.freeze.",
            "Upgrade runc to 1.1.13 or later, which thaws what it froze.",
        ),
        reference="https://github.com/opencontainers/runc/issues/4481",
        tell="cat /proc/<pid>/cgroup; then freezer.state, or cgroup.freeze and cgroup.events (frozen 1), on that way",
        rank=45,
    ),
    Entry(
        code="seccomp-in-audit-log",
        title="the audit log says that a seccomp filter acted",
        patterns=(
            (
                rf"{SECCOMP}[^\n]{{0,300}}?\bcomm=\\*\"(?P<program>[^\"\\\n]+)\\*\" exe=[^\n]{{0,200}}? "
                r"arch=(?P<arch>[0-9a-f]+) syscall=(?P<call>\d+)"
            ),
            SECCOMP,
        ),
        verdict="a seccomp filter acted on system call number {call} of {program}",
        cause="sig=31 means that the process was killed (SIGSYS). sig=0 with code=0x7ffc0000 only logs; with a code "
        "that begins with 0x5 the call got an error, which crun before 0.20 logged each time. Filters of Chromium, "
        "snaps and units (SystemCallFilter=) log so, too.",
        remedy=(
            "ausyscall {arch} {call} names the call (package auditd; arch c000003e is x86_64, c00000b7 aarch64).",
            (
                "A container: allow it in the profile (docker, podman: --security-opt seccomp=FILE; Kubernetes: "
                "seccompProfile). A unit: SystemCallFilter=."
            ),
        ),
        reference="Linux Documentation/userspace-api/seccomp_filter.rst",
        rank=62,
    ),
    Entry(
        code="memory-controller-off-at-boot",
        title="the kernel's log says that the memory controller is switched off",
        patterns=(r"cgroup: Disabling (?P<controller>\w+) control group subsystem",),
        verdict="the {controller} controller was switched off when this kernel booted (cgroup_disable=)",
        cause="No container can have a limit of it. A Raspberry Pi's firmware writes cgroup_disable=memory itself.",
        remedy=(
            (
                "Raspberry Pi: append cgroup_enable=memory to the one line of /boot/firmware/cmdline.txt (older: "
                "/boot/cmdline.txt); others: take cgroup_disable= out of the boot loader. Then reboot."
            ),
        ),
        reference="Linux Documentation/admin-guide/kernel-parameters.txt, cgroup_disable",
        rank=58,
    ),
    Entry(
        code="v1-mount-options-refused",
        title="the kernel does not accept the options of a mount of type cgroup",
        patterns=(
            (
                r"cgroup1?: (?:Need name or subsystem set|option or name mismatch|Name too long|Invalid name|Empty name"
                r"|Release agent respecified|option changes via remount|noprefix used incorrectly"
                r"|subsys name conflicts with all|none used incorrectly)[^\n]*"
            ),
        ),
        verdict="the kernel does not accept the options of this mount of a v1 hierarchy",
        cause="A v1 mount names one or more controllers, or a name: -o memory, or -o none,name=systemd. A hierarchy "
        "that exists already can be mounted again only with the same controllers and the same name.",
        remedy=(
            "mkdir -p /sys/fs/cgroup/memory; mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory",
            "cat /proc/cgroups (second column: 0 is free); grep ' cgroup' /proc/self/mountinfo: what is mounted?",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v1/cgroups.rst",
        rank=60,
    ),
    Entry(
        code="kernel-notice-of-cgroups",
        title="notices of the kernel about cgroups that harm nothing",
        patterns=(
            r"new mount options do not match the existing superblock, will be ignored",
            r"created nested cgroup for controller \"\w+\" which has incomplete hierarchy support[^\n]*",
            r"\b(?:is|are) deprecated(?: and will be removed)?\. Please report your usecase[^\n]*",
            r"disabling cgroup2 socket matching due to net_prio or net_cls activation",
            r"sched: RT throttling activated",
        ),
        verdict="a notice of the kernel, not the failure",
        cause="A mount of a v1 hierarchy keeps the options of its first mount; nested memory cgroups without "
        "use_hierarchy, kernel memory limits and soft limits go out of use. 'RT throttling activated': a realtime "
        "process used 95 % of a second of CPU time, and was stopped for the rest of it.",
        remedy=("Look for another message: the engine's own, or dmesg lines with denied, oom or error.",),
        reference="Linux Documentation/admin-guide/cgroup-v1/memory.rst",
        rank=88,
    ),
    Entry(
        code="memory-not-committed",
        title="the kernel does not promise more memory (vm.overcommit_memory=2)",
        patterns=(r"__vm_enough_memory: [^\n]*not enough memory for the allocation",),
        verdict="the host promises no more memory than it has (vm.overcommit_memory=2), and that is used up",
        cause="Go programs, runc among them, reserve far more than they use. CommitLimit is swap and half of memory.",
        remedy=("sysctl -w vm.overcommit_memory=0 on the host, or a larger vm.overcommit_ratio, or more swap.",),
        reference="Linux Documentation/mm/overcommit-accounting.rst",
        tell="grep Commit /proc/meminfo; sysctl vm.overcommit_memory",
        rank=62,
    ),
)
