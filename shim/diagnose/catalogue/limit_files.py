"""Programs that read limits from files which this host, or this place in the tree, does not have."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

# Runtimes and engines name these files, too, where they write them.
READER = (
    r"(?<!open\n)^(?![^\n]*(?:\bwrit|[Cc]annot set|cgroup config|kubepods|\brunc\b|\bcrun\b|OCI runtime|daemon|inotify"
    r"|mounting|\bcrio|libpod|cgroup stats|set CPU limits|cgroup memory limit file))[^\n]*?"
)
V1_FILE = (
    r"(?P<file>/sys/fs/cgroup/(?:memory/|cpu/|cpuset/|cpuacct/|cpu,cpuacct/|pids/|blkio/|/)(?:memory\.(?:(?:max_)?usage_in_bytes"
    r"|(?:memsw\.|soft_)?limit_in_bytes|stat|oom_control|failcnt)|cpu\.(?:cfs_quota_us|cfs_period_us|shares|stat)"
    r"|cpuacct\.(?:usage\w*|stat)|cpuset\.(?:cpus|mems)|pids\.(?:max|current)))"
)
ROOT_FILE = (
    r"(?P<file>/sys/fs/cgroup/(?:memory\.(?:max|current|high|low|min|peak|events|swap\.\w+)|cpu\.(?:max|weight)"
    r"|pids\.(?:max|current)|io\.max|cgroup\.(?:type|events|freeze|kill)))"
)


def missing(file: str) -> tuple[str, str]:
    """Return patterns for a program's words that `file` is not there: errno behind it (cat, Go, Java) or before it
    (Python, Node.js).
    """
    behind = rf"{file}\\?['\"`]?(?: for reading)?\)?:? \(?(?:open: )?{ENOENT}"
    before = rf"{ENOENT}[^\n/]{{0,40}}['\"`]{file}['\"`]"
    return READER + behind, READER + before


ENTRIES = (
    Entry(
        code="program-reads-v1-limits",
        title="a program reads its limits from a file of cgroup v1 that is not there",
        patterns=missing(V1_FILE),
        verdict="the program looks for {file}, a file of cgroup v1: this host has cgroup2, or not this controller",
        cause="Distributions use cgroup2 since 2021, and Kubernetes from 1.35 on only that. The files of v1 do not "
        "exist there, in the container as on the host. On a host with v1 the controller is not mounted, or is switched "
        "off (memory on a Raspberry Pi).",
        remedy=(
            (
                "Upgrade the program, or read cgroup2's files: /sys/fs/cgroup/memory.max and memory.current for "
                "memory.limit_in_bytes and usage_in_bytes, cpu.max for cpu.cfs_quota_us, cpu.weight for cpu.shares."
            ),
            "Until then boot the host with systemd.unified_cgroup_hierarchy=0 (systemd before 256).",
        ),
        reference="https://docs.kernel.org/admin-guide/cgroup-v2.html",
        tell="stat -fc %T /sys/fs/cgroup in the container: cgroup2fs? cat /proc/cgroups: memory with 1 at the end?",
        rank=61,
    ),
    Entry(
        code="root-cgroup-has-no-limits",
        title="a program looks for limits in the root of the cgroup tree",
        patterns=missing(ROOT_FILE),
        verdict="{file} is not there: it is the root of the tree, which has no limits, or this host has cgroup v1",
        cause="The files of limits exist in every cgroup of cgroup2 but its root. On the host itself, and in a "
        "container that shares the host's cgroup namespace (--cgroupns=host, privileged pods of containerd, v1's "
        "default), /sys/fs/cgroup is that root; the container's own cgroup is below it. On a host with v1 there are "
        "only directories of controllers. Where cgroup.type is there and memory.max is not, the memory controller is "
        "not enabled.",
        remedy=(
            (
                "Add the path that cat /proc/self/cgroup shows: cat "
                "/sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup)/memory.max"
            ),
            (
                "Or a cgroup namespace of its own: docker run --cgroupns=private; compose: cgroup: private; "
                "Kubernetes: a pod that is not privileged."
            ),
            "On v1: /sys/fs/cgroup/memory/memory.limit_in_bytes, /sys/fs/cgroup/cpu/cpu.cfs_quota_us.",
        ),
        reference="https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files",
        tell="stat -fc %T /sys/fs/cgroup; cat /proc/self/cgroup: only 0::/ ? ls /sys/fs/cgroup/cgroup.type",
        rank=45,
    ),
    Entry(
        code="root-cgroup-without-cpu-figures",
        title="a program looks for figures of the CPU in the root of the cgroup tree",
        patterns=missing(r"(?P<file>/sys/fs/cgroup/cpu\.stat)"),
        verdict="{file} is not there: the root of cgroup2 has it only since Linux 5.8",
        cause="cAdvisor and the kubelet read the figures of the whole node there, and else show zeros (kubectl top "
        "node). On a host with v1 the file is below /sys/fs/cgroup/cpu.",
        remedy=(
            "Use a kernel from 5.8 on (RHEL 8 has 4.18: take RHEL 9).",
            "Or boot with systemd.unified_cgroup_hierarchy=0 (systemd before 256; Kubernetes before 1.35).",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/111621",
        tell="uname -r; stat -fc %T /sys/fs/cgroup; cat /proc/self/cgroup",
        rank=44,
    ),
    Entry(
        code="collector-finds-no-memory-limit",
        title="the OpenTelemetry collector finds no memory limit for its percentage",
        patterns=(
            r"failed to get total memory, use fixed memory settings[^\n]*",
            r"memSpikeLimit must be smaller than memAllocLimit",
        ),
        verdict="the collector's memory_limiter could not read the limit of its own cgroup",
        cause="With limit_percentage it looks for the cgroup's memory limit. Collectors of 2021 and before know only "
        "v1 and read 0 on cgroup2. With the host's file system mounted (hostMetrics) its list of mounts shows other "
        "containers' hierarchies on v1, and it may not read theirs.",
        remedy=(
            "memory_limiter: limit_mib: 400 and spike_limit_mib: 100 in place of the percentages.",
            "Upgrade the collector, or take cgroup2 on the node.",
        ),
        reference="https://github.com/open-telemetry/opentelemetry-collector/issues/6826",
        tell="grep memory /proc/self/mountinfo in the collector's container: more than one line?",
        rank=30,
    ),
    Entry(
        code="cgroup-library-of-v1-only",
        title="Kata, Singularity or another program from before cgroup2 finds no v1 hierarchy",
        patterns=(
            (
                r"(?:sandbox (?:cgroup|resource controller)|virtcontainers|kata|[Ss]ingularity|[Aa]pptainer|cgroups "
                r"res+ources restriction|sysbox|firecracker|garden|nomad)[^\n]*cgroup\s+mountpoint\s+"
                r"does\s+not\s+exist"
            ),
            r"\bsandbox cgroup\s+cgroups:\s+cgroup\s+mountpoint\s+does\s+not\s+exist",
        ),
        verdict="the program looks for hierarchies of v1, and none is mounted: this version does not know cgroup2",
        cause="Its library for cgroups (containerd's) was one for v1 alone until 2021 or 2022: Kata before 2.5, "
        "Singularity before 3.9. On a host with cgroup2 it finds nothing. Or no cgroups are mounted at all (RHEL 6, "
        "SLES 11, a chroot, a container).",
        remedy=(
            "cgroup2 host: upgrade Kata (2.5 or later), Singularity (SingularityCE 3.9, Apptainer) or the program.",
            "Until then: systemd.unified_cgroup_hierarchy=0 on the kernel's command line, where systemd still has it.",
            (
                "None mounted: RHEL 6: yum install libcgroup; service cgconfig start; Debian: apt-get install "
                "cgroupfs-mount."
            ),
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/3038",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs? grep cgroup /proc/self/mountinfo",
        rank=30,
    ),
    Entry(
        code="session-cgroup-not-visible",
        title="the cgroup of a login session without systemd is not where programs look",
        patterns=(
            (
                rf"(?:stat|lstat|open|openat2) "
                rf"(?P<path>/sys/fs/cgroup/(?:systemd|elogind|openrc)/(?:org/freedesktop/|c?\d+\b)[^\s:]*): "
                rf"{ENOENT}"
            ),
        ),
        verdict="the session's cgroup {path}, which /proc/self/cgroup names, is not there",
        cause="Without systemd a session manager (ConsoleKit, elogind, OpenRC) puts each login into a hierarchy of its "
        "own, and this one is mounted elsewhere, under another name, or was removed when the session ended.",
        remedy=(
            (
                "cat /proc/self/cgroup; grep cgroup /proc/self/mountinfo. Mount it: mkdir -p "
                "/sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd; "
                "then log in again."
            ),
            "podman: --cgroup-manager=cgroupfs, or --cgroups=disabled (no limits); upgrade podman.",
            "Or cgroup2 alone: rc_cgroup_mode=unified in /etc/rc.conf (OpenRC).",
        ),
        reference="https://github.com/containers/podman/issues/4648",
        rank=30,
    ),
)
