"""Programs that read limits from files which this host, or this place in the tree, does not have."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

# Runtimes and engines name these files, too, where they write them.
READER = (
    r"^(?![^\n]*(?:\bwrit|[Cc]annot set|cgroup config|kubepods|\brunc\b|\bcrun\b|OCI runtime|daemon|inotify|mounting"
    r"|\bcrio|libpod|cgroup stats|set CPU limits|cgroup memory limit file))[^\n]*?"
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
        rank=45,
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
)
