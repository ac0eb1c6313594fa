"""Limits that an engine drops or refuses by itself, before any runtime is called."""

from __future__ import annotations

from shim.diagnose.entry import Entry

MOBY = "https://github.com/moby/moby/blob/master/daemon/daemon_unix.go"
KERNEL = r"your kernel does not support "
MEMORY_ON = (
    "Enable the memory controller: add cgroup_enable=memory to the kernel command line, and reboot. Raspberry Pi: "
    "cgroup_enable=memory cgroup_memory=1 in /boot/firmware/cmdline.txt or /boot/cmdline.txt."
)
SEEN_BY = "docker info | grep WARNING lists what this engine cannot limit"


def dropped(
    code: str, limit: str, words: str, loss: str, *remedy: str, reference: str = MOBY, shown: str = ""
) -> Entry:
    """A limit that the engine drops with a warning; the container starts without it.

    shown: the line of `docker info` about it.
    """
    return Entry(
        code=code,
        title=f"the engine dropped the limit on {limit}, because this kernel cannot enforce it",
        patterns=(words, rf"WARNING: No {shown} support") if shown else (words,),
        verdict=f"the limit on {limit} was dropped: the container runs without it",
        cause=f"{loss} The engine did not find the controller or its file on the host.",
        remedy=remedy,
        reference=reference,
        tell=SEEN_BY,
        rank=80,
    )


def refused(code: str, title: str, patterns: tuple[str, ...], cause: str, *remedy: str, **more: str) -> Entry:
    """A request that the engine refuses before a runtime sees it."""
    return Entry(
        code=code,
        title=title,
        patterns=patterns,
        verdict=more.get("verdict", title),
        cause=cause,
        remedy=remedy,
        reference=more.get("reference", MOBY),
        rank=40,
    )


ENTRIES = (
    dropped(
        "memory-limit-dropped",
        "memory",
        KERNEL
        + r"(?:memory limit|memory)(?: capabilities)?(?!\w| swap| swappi| soft| reserv)[^\n]*discarded|"
        + KERNEL
        + r"cgroup memory limit",
        "Nothing stops the container from using all memory of the host.",
        MEMORY_ON,
        "On cgroup2 check also: grep memory /sys/fs/cgroup/cgroup.controllers",
        reference="https://github.com/dawarich-app/dawarich/issues/2004",
        shown=r"memory limit",
    ),
    dropped(
        "swap-limit-dropped",
        "swap",
        r"(?:" + KERNEL + r"(?:swap limit|memory swap)(?!p)(?: capabilities)?,?[^\n]*(?:without swap|discarded)"
        r"|(?:^|[\s=\"])WARNING: No swap limit support)",
        "Memory stays limited, but the container may use any amount of swap.",
        "Boot with cgroup_enable=memory swapaccount=1 (kernels before 6.1), or turn swap off: swapoff -a.",
        "A kernel without CONFIG_MEMCG_SWAP (before 6.1) cannot do it at all.",
        "cgroup2 without systemd (OpenWrt): start dockerd in a cgroup of its own; it looks for memory.swap.max there.",
        reference="https://github.com/docker-archive/classicswarm/issues/2825",
    ),
    dropped(
        "swappiness-dropped",
        "swappiness",
        KERNEL + r"memory swappiness[^\n]*discarded",
        "The host's vm.swappiness applies.",
        "Remove --memory-swappiness (compose: mem_swappiness). cgroup2 has no swappiness per cgroup.",
    ),
    dropped(
        "memory-reservation-dropped",
        "memory reservation",
        KERNEL + r"(?:memory soft limit|memory reservation)[^\n]*discarded",
        "The reservation has no effect under memory pressure. The hard limit stays.",
        MEMORY_ON,
    ),
    dropped(
        "kernel-memory-dropped",
        "kernel memory",
        KERNEL + r"kernel memory[^\n]*(?:discarded|limit)",
        "Current kernels count kernel memory as part of the memory limit.",
        "Remove --kernel-memory (compose: kernel_memory), and set --memory.",
        shown=r"kernel memory(?: TCP)? limit",
    ),
    dropped(
        "oom-kill-disable-dropped",
        "the OOM killer (oom_kill_disable)",
        r"OomKillDisable discarded|" + KERNEL + r"OomKillDisable",
        "At the memory limit the kernel kills the container's processes, as without the option.",
        "Remove oom_kill_disable: true from compose (docker: --oom-kill-disable). Neither cgroup2 nor a kernel "
        "without the memory controller has such a switch.",
        "To protect one container, use oom_score_adj instead (docker: --oom-score-adj).",
        reference="https://github.com/mailcow/mailcow-dockerized/issues/5001",
        shown=r"oom kill disable",
    ),
    dropped(
        "pids-limit-dropped",
        "the number of processes (pids)",
        KERNEL + r"pids? (?:limit|cgroup)[^\n]*discarded|PIDs limit discarded|Disabling pod PIDs limit feature|"
        r"^mountpoint for pids not found$",
        "The container may start as many processes as the host allows.",
        "Use a kernel with CONFIG_CGROUP_PIDS (4.3 or later). v1: mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o "
        "pids cgroup /sys/fs/cgroup/pids",
        "Or limit it per user: --ulimit nproc=<number>",
        shown=r"pids limit",
    ),
    dropped(
        "cpu-shares-dropped",
        "CPU shares",
        KERNEL + r"CPU shares?[^\n]*discarded|Shares discarded",
        "All containers get the same share of the CPU.",
        "Use a kernel with CONFIG_FAIR_GROUP_SCHED and mount the cpu controller.",
        shown=r"cpu shares",
    ),
    dropped(
        "cpu-quota-dropped",
        "CPU time (period and quota)",
        KERNEL + r"CPU (?:cfs|CFS scheduler|period|quota|real-?time)[^\n]*(?:discarded|period|quota)"
        r"|(?:Period|Quota|CPU cfs \w+) discarded|Disabling CPU quotas due to missing",
        "The container may use every CPU in full.",
        "Use --cpu-shares (compose: cpu_shares) or --cpuset-cpus instead.",
        "Or use a kernel with CONFIG_CFS_BANDWIDTH=y: zgrep CFS_BANDWIDTH /proc/config.gz /boot/config-$(uname -r)",
        "minikube looks only for v1's cpu.cfs_quota_us (older versions): on a host with cgroup2 upgrade it.",
        shown=r"cpu cfs (?:quota|period)",
    ),
    dropped(
        "cpuset-dropped",
        "the set of CPUs or memory nodes",
        KERNEL + r"cpuset[^\n]*discarded|Cpuset discarded",
        "The container runs on every CPU.",
        "Use a kernel with CONFIG_CPUSETS and mount the cpuset controller.",
        shown=r"cpuset",
    ),
    dropped(
        "io-limit-dropped",
        "block I/O",
        KERNEL + r"(?:cgroup )?(?:(?:BPS |IOPS )?Block (?:I/O|IO|read|write)[^\n]*discarded|blkio \w+)"
        r"|(?:Weight|(?:BPS|IOPS)[\w /]*)(?:-device)? discarded",
        "The container may read and write without a limit.",
        "A weight needs the BFQ scheduler or iocost: modprobe bfq; echo bfq > /sys/block/<disk>/queue/scheduler",
        "A rate needs CONFIG_BLK_DEV_THROTTLING.",
        shown=r"(?:blkio|io)\.?[\w. ()]*",
    ),
    refused(
        "nano-cpus-refused",
        "the engine refuses cpus: this kernel has no CPU quotas",
        (r"NanoCPUs can ?not be set", r"CPU cfs (?:period|quota) can ?not be set, as your kernel"),
        "--cpus is a quota, and the kernel was built without CONFIG_CFS_BANDWIDTH (Synology and other NAS systems, "
        "older Raspberry Pi OS, RancherOS). Or the cpu controller is not mounted.",
        "docker: use --cpu-shares or --cpuset-cpus instead of --cpus. Compose: cpu_shares: instead of cpus: and "
        "deploy.resources.limits.cpus.",
        "Or use a kernel with CONFIG_CFS_BANDWIDTH=y: zgrep CFS_BANDWIDTH /proc/config.gz",
        verdict="the engine refuses --cpus: this kernel has no CPU quotas (CONFIG_CFS_BANDWIDTH), or no cpu controller",
        reference="https://github.com/zabbix/zabbix-docker/issues/1129",
    ),
    refused(
        "cpus-beyond-host",
        "the container requests more CPUs than this host has",
        (
            r"[Rr]ange of CPUs is from [\d.]+ to (?P<most>[\d.]+)",
            r"Range of Nano CPUs is from 1 to (?P<most4>\d+?)0{9}\b",
            r"Requested CPUs are not available[^\n]*requested (?P<asked>[\d,-]+), available: (?P<most2>[\d,-]+)",
            (
                r"Requested memory nodes are not available[^\n]*requested (?P<asked2>[\d,-]+), available: "
                r"(?P<most3>[\d,-]+)"
            ),
        ),
        "Docker compares --cpus, --cpuset-cpus and --cpuset-mems with the host's before it starts anything. A file "
        "made for a larger machine fails on a smaller one. With Docker Desktop, the CPUs of its virtual machine count.",
        "Request no more than {most}: --cpus, --cpuset-cpus, --cpuset-mems (compose: cpus, cpuset, "
        "deploy.resources.limits.cpus).",
        "nproc; cat /sys/fs/cgroup/cpuset.cpus.effective or /sys/fs/cgroup/cpuset/cpuset.cpus show what exists.",
        verdict="the container requests more CPUs or memory nodes than this host has ({most})",
        reference="https://github.com/docker/compose/issues/3306",
    ),
    refused(
        "cpuset-value-invalid",
        "the value is not a list of CPUs or memory nodes",
        (
            r"Invalid value (?P<value>\S+) for cpuset (?:cpus|mems)",
            r"resources\.Cpuset(?:Cpus|Mems)=\"(?P<value2>[^\"\n]*)\" conversion error",
        ),
        "The kernel accepts numbers and ranges separated by commas, such as 0-3,8.",
        "Correct --cpuset-cpus or --cpuset-mems (compose: cpuset).",
    ),
    refused(
        "memory-update-needs-swap",
        "the new memory limit is above the memory and swap limit that is set",
        (r"Memory limit should be smaller than already set memoryswap limit",),
        "Docker set memory plus swap when it created the container (twice the memory by default). docker update -m "
        "alone would raise the memory limit above it.",
        "docker update --memory <size> --memory-swap <the same or more, or -1 for no limit> <container>",
        reference="https://github.com/moby/moby/issues/39541",
    ),
    refused(
        "memory-swap-combination",
        "memory and memory-swap contradict each other",
        (
            r"Minimum memory ?swap limit should be larger than memory limit",
            r"You should always set the memory limit when using memory ?swap limit",
        ),
        "--memory-swap is memory plus swap, so it needs --memory and is never below it.",
        "Set --memory-swap to --memory plus the swap that you want (equal: no swap; -1: any).",
        "Compose: mem_limit, memswap_limit.",
    ),
    refused(
        "memory-reservation-above-limit",
        "the memory reservation is above the memory limit",
        (r"Minimum memory limit (?:can not|should) be less than memory reservation limit",),
        "A reservation is what the container keeps when memory is short: it is never more than the limit.",
        "Raise --memory (compose: mem_limit), or lower --memory-reservation (mem_reservation).",
        reference="https://github.com/maxyermayank/docker-compose-elasticsearch-kibana/issues/22",
    ),
    refused(
        "memory-below-minimum",
        "the memory limit is below the engine's minimum",
        (r"Minimum (?:kernel )?memory (?:limit|reservation) allowed is (?P<least>\w+)",),
        "The engine refuses a limit in which no container could start.",
        "Use at least {least} (docker: --memory, --memory-reservation; compose: mem_limit, mem_reservation). 64m "
        "without the m is 64 bytes.",
        verdict="the memory limit is below the engine's minimum of {least}",
    ),
    refused(
        "engine-value-out-of-range",
        "a value is outside the range that the engine allows",
        (
            r"(?P<what>CPU cfs (?:period|quota)) can ?not be less than (?P<allowed>[^\n]+)",
            r"Range of (?P<what2>blkio weight) is (?P<allowed2>from \d+ to \d+)",
            (
                r"Invalid value [^\n]*(?:range for|valid) (?P<what3>oom score adj|memory swappiness)(?: range)? is "
                r"(?P<allowed3>[^\n]+)"
            ),
            r"(?P<what4>SHM size) can ?not be (?P<allowed4>less than \d+)",
            r"invalid (?P<what5>CPU shares) \(-?\d+\): value must be (?P<allowed5>a positive integer)",
            r"(?P<what6>cpu(?:period|quota)) -?\d+ cannot be (?P<allowed6>less than [^\n]+)",
        ),
        "The engine checks a few values itself before it calls the runtime.",
        "Correct it: --cpu-period, --cpu-quota, --blkio-weight, --oom-score-adj, --memory-swappiness, --shm-size "
        "(compose: the same with underscores).",
        verdict="{what} is outside the range that the engine allows: {allowed}",
    ),
    refused(
        "cpu-options-conflict",
        "two options set the same CPU limit",
        (
            r"Conflicting options: (?P<first>Nano CPUs) and (?P<second>CPU (?:Period|Quota)) cannot both be set",
            r"(?P<second2>--cpu-(?:quota|period)) and (?P<first2>--cpus) cannot be set together",
            r"(?P<first3>cpus) and (?P<second3>quota/period) should be used separately",
        ),
        "--cpus is a quota and a period in one. Neither can be set beside it.",
        "Use --cpus alone (compose: cpus), or --cpu-period and --cpu-quota without it.",
        verdict="two options set the same CPU limit: {first} and {second}",
    ),
    refused(
        "oom-disable-without-limit",
        "the OOM killer is switched off without a memory limit",
        (
            r"Disabling the OOM killer[^\n]*without setting",
            r"OOM killer is disabled for the container, but no memory limit is set",
        ),
        "Without a limit the container can use up the host's memory, and nothing is killed.",
        "Set --memory too, or remove --oom-kill-disable.",
    ),
)
