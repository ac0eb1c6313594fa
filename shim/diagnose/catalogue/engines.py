"""Limits that an engine drops or refuses by itself, before any runtime is called, and other words of engines alone."""

from __future__ import annotations

from shim.diagnose.checks import engines as look
from shim.diagnose.entry import EROFS, Entry

MOBY = "https://github.com/moby/moby/blob/master/daemon/daemon_unix.go"
KERNEL = r"your kernel does not support "
UNMOUNTED = r"(?: or the cgroup is not mounted)?"
MEMORY_ON = (
    "Switch the memory controller on: add cgroup_enable=memory (Raspberry Pi: cgroup_enable=memory cgroup_memory=1 in "
    "/boot/firmware/cmdline.txt or /boot/cmdline.txt) to the kernel command line, and reboot."
)
SEEN_BY = "docker info | grep WARNING lists what this engine cannot limit"


def dropped(code: str, limit: str, words: str, loss: str, *remedy: str, reference: str = MOBY) -> Entry:
    """A limit that the engine leaves out with a warning; the container starts without it."""
    return Entry(
        code=code,
        title=f"the engine dropped the limit on {limit}, because this kernel cannot enforce it",
        patterns=(words,),
        verdict=f"the limit on {limit} was dropped: the container runs without it",
        cause=f"{loss} The engine looked for the controller or its file and did not find it on the host.",
        remedy=remedy,
        reference=reference,
        tell=SEEN_BY,
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
    )


ENTRIES = (
    dropped(
        "memory-limit-dropped",
        "memory",
        KERNEL + r"(?:memory limit|memory)(?: capabilities)?(?!\w| swap| swappi| soft| reserv)[^\n]*discarded",
        "Nothing stops the container from using all memory of the host.",
        MEMORY_ON,
        "On cgroup2 check also: grep memory /sys/fs/cgroup/cgroup.controllers",
        reference="https://github.com/dawarich-app/dawarich/issues/2004",
    ),
    dropped(
        "swap-limit-dropped",
        "swap",
        r"(?:" + KERNEL + r"(?:swap limit|memory swap)(?: capabilities)?,?[^\n]*(?:without swap|discarded)"
        r"|^WARNING: No swap limit support)",
        "Memory stays limited, but the container may use any amount of swap.",
        "Boot with cgroup_enable=memory swapaccount=1 (kernels before 6.1), or switch swap off: swapoff -a.",
        "A kernel without CONFIG_MEMCG_SWAP (before 6.1) cannot do it at all.",
        reference="https://github.com/docker-archive/classicswarm/issues/2825",
    ),
    dropped(
        "swappiness-dropped",
        "swappiness",
        KERNEL + r"memory swappiness[^\n]*discarded",
        "The host's own vm.swappiness counts.",
        "Remove --memory-swappiness (compose: mem_swappiness). cgroup2 has no swappiness for each cgroup.",
    ),
    dropped(
        "memory-reservation-dropped",
        "memory reservation",
        KERNEL + r"(?:memory soft limit|memory reservation)[^\n]*discarded",
        "The container's memory is not protected or pushed back under pressure; its hard limit stays.",
        MEMORY_ON,
    ),
    dropped(
        "kernel-memory-dropped",
        "kernel memory",
        KERNEL + r"kernel memory[^\n]*(?:discarded|limit)",
        "Kernel memory is counted as part of the memory limit in all present kernels.",
        "Remove --kernel-memory (compose: kernel_memory), and set --memory.",
    ),
    dropped(
        "oom-kill-disable-dropped",
        "the OOM killer (oom_kill_disable)",
        r"OomKillDisable discarded|" + KERNEL + r"OomKillDisable",
        "The kernel kills the container's processes when it reaches its memory limit, as it does without the option.",
        "Remove oom_kill_disable: true from compose (docker: --oom-kill-disable). cgroup2 has no such switch, and a "
        "kernel without the memory controller does not either.",
        "To protect one container, use oom_score_adj instead (docker: --oom-score-adj).",
        reference="https://github.com/mailcow/mailcow-dockerized/issues/5001",
    ),
    dropped(
        "pids-limit-dropped",
        "the number of processes (pids)",
        KERNEL + r"pids? (?:limit|cgroup)[^\n]*discarded|PIDs limit discarded",
        "The container may start as many processes as the host allows.",
        "Use a kernel with CONFIG_CGROUP_PIDS (4.3 or later). v1: mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o "
        "pids cgroup /sys/fs/cgroup/pids",
        "Or limit it by the user: --ulimit nproc=<number>",
    ),
    dropped(
        "cpu-shares-dropped",
        "CPU shares",
        KERNEL + r"CPU shares?[^\n]*discarded|Shares discarded",
        "All containers get the same part of the CPU.",
        "Use a kernel with CONFIG_FAIR_GROUP_SCHED and mount the cpu controller.",
    ),
    dropped(
        "cpu-quota-dropped",
        "CPU time (period and quota)",
        KERNEL + r"CPU (?:cfs|CFS scheduler|period|quota|real-?time)[^\n]*(?:discarded|period|quota)"
        r"|(?:Period|Quota|CPU cfs \w+) discarded",
        "The container may use every CPU in full.",
        "Use --cpu-shares (compose: cpu_shares) or --cpuset-cpus instead.",
        "Or use a kernel with CONFIG_CFS_BANDWIDTH=y: zgrep CFS_BANDWIDTH /proc/config.gz /boot/config-$(uname -r)",
    ),
    dropped(
        "cpuset-dropped",
        "the set of CPUs or memory nodes",
        KERNEL + r"cpuset[^\n]*discarded|Cpuset discarded",
        "The container runs on every CPU.",
        "Use a kernel with CONFIG_CPUSETS and mount the cpuset controller.",
    ),
    dropped(
        "io-limit-dropped",
        "block I/O",
        KERNEL + r"(?:cgroup )?(?:BPS |IOPS )?Block (?:I/O|IO|read|write)[^\n]*discarded|(?:Weight|(?:BPS|IOPS)[\w /]*)"
        r"(?:-device)? discarded",
        "The container may read and write without a limit.",
        "A weight needs the BFQ scheduler or iocost: modprobe bfq; echo bfq > /sys/block/<disk>/queue/scheduler",
        "A rate needs CONFIG_BLK_DEV_THROTTLING.",
    ),
    refused(
        "nano-cpus-refused",
        "the engine refuses cpus: this kernel has no CPU quotas",
        (r"NanoCPUs can ?not be set", r"CPU cfs (?:period|quota) can ?not be set, as your kernel"),
        "--cpus is a quota, and the kernel was built without CONFIG_CFS_BANDWIDTH, as on Synology and other NAS systems, "
        "older Raspberry Pi OS and RancherOS. Or the cpu controller is not mounted.",
        "Compose: remove cpus: and deploy.resources.limits.cpus, and use cpu_shares: instead. docker: --cpu-shares in "
        "place of --cpus. --cpuset-cpus works too.",
        "Or use a kernel with CONFIG_CFS_BANDWIDTH=y: zgrep CFS_BANDWIDTH /proc/config.gz",
        verdict="the engine refuses --cpus: this kernel has no CPU quotas (CONFIG_CFS_BANDWIDTH), or no cpu controller",
        reference="https://github.com/zabbix/zabbix-docker/issues/1129",
    ),
    refused(
        "cpus-beyond-host",
        "more CPUs are asked for than this host has",
        (
            r"Range of CPUs is from [\d.]+ to (?P<most>[\d.]+)",
            r"Requested CPUs are not available[^\n]*requested (?P<asked>[\d,-]+), available: (?P<most2>[\d,-]+)",
            r"Requested memory nodes are not available[^\n]*requested (?P<asked2>[\d,-]+), available: (?P<most3>[\d,-]+)",
        ),
        "Docker compares --cpus, --cpuset-cpus and --cpuset-mems with the host's own before it starts anything. A file "
        "made for a larger machine fails on a smaller one, and in a virtual machine (Docker Desktop) its CPUs count.",
        "Ask for no more than {most}: --cpus, --cpuset-cpus, --cpuset-mems (compose: cpus, cpuset, "
        "deploy.resources.limits.cpus).",
        "nproc; cat /sys/fs/cgroup/cpuset.cpus.effective or /sys/fs/cgroup/cpuset/cpuset.cpus shows what there is.",
        verdict="more CPUs or memory nodes are asked for than this host has ({most})",
        reference="https://github.com/docker/compose/issues/3306",
    ),
    refused(
        "cpuset-value-invalid",
        "the list of CPUs or memory nodes is not one",
        (r"Invalid value (?P<value>\S+) for cpuset (?:cpus|mems)",),
        "The kernel takes numbers and ranges separated by commas, such as 0-3,8.",
        "Correct --cpuset-cpus or --cpuset-mems (compose: cpuset).",
    ),
    refused(
        "memory-update-needs-swap",
        "the new memory limit is above the memory and swap limit that is set",
        (r"Memory limit should be smaller than already set memoryswap limit",),
        "Docker set memory plus swap when the container was made (twice the memory by default), and docker update -m "
        "alone would raise the memory limit above it.",
        "docker update --memory <size> --memory-swap <the same or more, or -1 for no limit> <container>",
        reference="https://github.com/moby/moby/issues/39541",
    ),
    refused(
        "memory-swap-combination",
        "memory and memory-swap do not fit together",
        (
            r"Minimum memory ?swap limit should be larger than memory limit",
            r"You should always set the memory limit when using memory ?swap limit",
            r"Minimum memory limit (?:can not|should) be less than memory reservation limit",
        ),
        "--memory-swap is memory plus swap, so it needs --memory and is never below it; a reservation is below the limit.",
        "Set --memory-swap to --memory plus the swap that you want (equal: no swap; -1: any).",
        "Compose: mem_limit, memswap_limit, mem_reservation.",
    ),
    refused(
        "memory-below-minimum",
        "the memory limit is below the engine's minimum",
        (r"Minimum (?:kernel )?memory (?:limit|reservation) allowed is (?P<least>\w+)",),
        "The engine refuses a limit in which no container could start.",
        "Ask for at least {least} (docker: --memory; compose: mem_limit). 64m without the m is 64 bytes.",
        verdict="the memory limit is below the engine's minimum of {least}",
    ),
    refused(
        "oom-disable-without-limit",
        "the OOM killer is switched off without a memory limit",
        (r"Disabling the OOM killer[^\n]*without setting",),
        "Without a limit the container can use up the host's memory, and nothing is killed.",
        "Set --memory too, or remove --oom-kill-disable.",
    ),
    Entry(
        code="mount-source-not-creatable",
        title="the engine cannot create the source of a volume",
        patterns=(
            r"error while creating mount source path '(?P<source>[^'\n]*)': mkdir [^\n]*: " + EROFS,
            r"creat(?:e|ing) (?:bind )?(?:mount|volume)[^\n]* source(?: path)? [`'\"](?P<source2>[^`'\"\n]*)[`'\"]: [^\n]*"
            + EROFS,
        ),
        verdict="docker cannot create {source}: for the daemon that place is read-only",
        cause="The daemon does not see the same file system as you. Docker from a snap is confined to /home, /media and "
        "/mnt; Docker Desktop, docker-machine and CoreOS-like hosts have a root file system that is read-only.",
        remedy=(
            "Snap: put the volume below /home, or replace the snap: snap remove docker, then install docker-ce or "
            "docker.io with apt.",
            "Elsewhere: choose a directory that is writable for the daemon (/var, /home), or create it on the host first.",
        ),
        reference="https://github.com/canonical/docker-snap/issues/188",
        tell="readlink -f $(command -v docker); snap list docker",
        confirm=look.docker_from_snap,
    ),
    Entry(
        code="runtime-not-installed",
        title="the engine cannot find the program of the OCI runtime on the host",
        patterns=(
            r"unable to retrieve OCI runtime error[^\n]*\): (?:fork/)?exec:? \"?(?P<program>[^\":\n]+)\"?: "
            r"(?:executable file not found|[^\n]*no such file or directory)",
            r"failed to (?:create|start) (?:shim|containerd task)[^\n]*exec: \"(?P<program2>[^\"\n]*(?:shim|runc|crun|runtime)"
            r"[^\"\n]*)\": executable file not found",
            r"runtime \"(?P<program3>[^\"\n]+)\" binary not installed",
            r"default OCI runtime \"(?P<program4>[^\"\n]+)\" not found",
            r"[Uu]nknown (?:or invalid )?runtime (?:specified|name):? (?P<program5>[\w./-]+)",
            r"no runtime for \"(?P<program6>[^\"\n]+)\" is configured",
            r"no such OCI runtime \"?(?P<program7>[\w./-]+)",
            r"exec: \"(?P<program8>[^\"\n]*nvidia-container-(?:runtime|toolkit)[^\"\n]*)\": executable file not found",
            r"fork/exec (?P<program9>/[^\s:]*(?:runc|crun|cgshim|runtime|kata|youki)[^\s:]*): no such file or directory",
        ),
        verdict="the engine cannot run {program}: the OCI runtime is not installed on the host where it looks",
        cause="This is the runtime on the host, not a command in the image. Its package was removed or never installed, "
        "or the engine's configuration names it still.",
        remedy=(
            "NVIDIA: install nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker && "
            "systemctl restart docker",
            "cgshim: install it again, or take it out of the engine: cgshimctl engine remove <engine>",
            "docker: correct runtimes and default-runtime in /etc/docker/daemon.json. containerd: the runtime's "
            "BinaryName. podman: runtime in containers.conf. Kubernetes: the RuntimeClass's handler.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1269",
        rank=15,
    ),
    Entry(
        code="runtime-ended-without-words",
        title="the OCI runtime ended before it could say why",
        patterns=(
            r"unable to retrieve OCI runtime error[^\n]*\): (?P<program>\S+) did not terminate success?fully",
            r"unable to retrieve OCI runtime error[^\n]*\): exit status \d+",
        ),
        verdict="{program} ended before it wrote its log, so its reason is lost",
        cause="The runtime, or a wrapper around it, ended before it opened its log. A wrapper of another architecture or "
        "with a missing interpreter does so, and a process that was killed.",
        remedy=(
            "Run {program} --version as the engine's user, and read what it says.",
            "journalctl -k | grep -iE 'oom|segfault|denied'; journalctl -u docker -u containerd -e",
        ),
        reference="https://github.com/awslabs/oci-add-hooks/issues/14",
        rank=58,
    ),
    Entry(
        code="image-ids-not-mapped",
        title="the image has owners that the user namespace does not map",
        patterns=(
            r"container ID (?P<number>\d+) cannot be mapped to a host ID",
            r"potentially insufficient UIDs or GIDs available in user namespace",
            r"lchown [^\n]*: invalid argument",
        ),
        verdict="the image has files of an owner that the user namespace does not map",
        cause="A user namespace maps a range of ids (65536 for a pod of Kubernetes). A file of the image has an owner "
        "above it, so its owner cannot be kept.",
        remedy=(
            "Build the image again with owners below 65536: find / -xdev -uid +65535 in it shows the files.",
            "Kubernetes: hostUsers: true for this pod. Rootless podman: more ids in /etc/subuid and /etc/subgid, then "
            "podman system migrate. docker: userns-remap with a larger range.",
        ),
        reference="https://github.com/containerd/containerd/issues/12329",
    ),
    Entry(
        code="containerd-passwd-link",
        title="containerd cannot read the user list of an image behind a link",
        patterns=(r"openat etc/(?:passwd|group): path escapes from parent",),
        verdict="containerd cannot read /etc/passwd of the image: it is a link that leads out of the image's root",
        cause="containerd 2.2.1 opens the file in a way that follows no absolute link. Images of NixOS and others have "
        "/etc/passwd as such a link.",
        remedy=("Upgrade containerd to a version after 2.2.1, or go back to 2.2.0.", "Or give the user as a number."),
        reference="https://github.com/containerd/containerd/issues/12683",
        ours=False,
    ),
    Entry(
        code="inotify-limit-reached",
        title="no further file watch can be made",
        patterns=(
            r"(?:fsnotify|inotify)[^\n]*too many open files",
            r"inotify_(?:add_watch|init)[^\n]*(?:no space left on device|too many open files)",
        ),
        verdict="no further file watch can be made: the user's limit of inotify instances is reached",
        cause="The kernel counts inotify instances and watches for each user, over all containers. This has nothing to do "
        "with the number of open files.",
        remedy=(
            "sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288; to keep it, write it into "
            "/etc/sysctl.d/90-inotify.conf",
        ),
        reference="https://github.com/flatcar/Flatcar/issues/563",
        ours=False,
    ),
)
