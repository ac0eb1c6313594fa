"""CPU time, realtime scheduling and CPU sets."""

from __future__ import annotations

from shim.diagnose.checks import cpu as look
from shim.diagnose.checks.configured import asked_for
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, ENOSPC, ERANGE, Entry, creating, named, opening, writing

BANDWIDTH = "Linux Documentation/scheduler/sched-bwc.rst"
REALTIME = "Linux Documentation/scheduler/sched-rt-group.rst"
CPUSETS = "Linux Documentation/admin-guide/cgroup-v1/cpusets.rst"
SPEC = "OCI runtime-spec, config-linux.md, CPU"
RT_FILES = r"cpu\.rt_(?:runtime|period)_us"
QUOTA_FILES = r"cpu\.(?:cfs_quota_us|cfs_period_us|max)"

ENTRIES = (
    Entry(
        code="cpu-shares-out-of-range",
        title="cpu.shares is out of range",
        patterns=(
            r"the (?:minimum|maximum) allowed cpu-shares is \d+",
            writing(r"cpu\.weight", ERANGE),
            r"Value specified in CPUWeight is out of range",
        ),
        verdict="cpu.shares is out of range: 2 to 262144 is allowed",
        cause="Runtimes convert shares to the kernel's weight and not all of them clamp; shares 1 underflows.",
        remedy=("Set cpu.shares (docker: --cpu-shares) between 2 and 262144.",),
        reference=SPEC,
        confirm=look.bad_shares,
    ),
    Entry(
        code="cpu-quota-out-of-range",
        title="cpu.quota or cpu.period is out of range",
        ambiguous=(writing(QUOTA_FILES, EINVAL),),
        verdict="cpu.quota or cpu.period is out of range: {file} refuses it (EINVAL)",
        cause="A quota is at least 1000 microseconds, a period 1000 to 1000000.",
        remedy=("Use a larger quota, or --cpus, which keeps the period at 100000.",),
        reference=BANDWIDTH,
        confirm=look.bad_quota,
    ),
    Entry(
        code="cpu-quota-above-parent",
        title="the container asks for more CPU time than its parent has",
        ambiguous=(writing(r"cpu\.(?:cfs_quota_us|cfs_period_us)", EINVAL),),
        verdict="the container asks for more CPU time than an ancestor's quota allows (EINVAL)",
        cause="v1 requires quota/period of a child to be no larger than that of every ancestor.",
        remedy=("Raise cpu.cfs_quota_us of the ancestor shown above, or ask for less (--cpus).",),
        reference=BANDWIDTH,
        confirm=look.tight_ancestor,
    ),
    Entry(
        code="cpu-quota-minus-one",
        title="crun before 1.8.4 cannot write a quota of -1",
        patterns=(writing(r"cpu\.cfs_quota_us", ERANGE),),
        verdict="this crun cannot write the quota -1 (no limit) on v1: ERANGE",
        cause="crun before 1.8.4 prints the number without its sign.",
        remedy=("Remove cpu.quota, which means the same, or upgrade crun to 1.8.4 or later.",),
        reference=SPEC,
        confirm=look.minus_one,
    ),
    Entry(
        code="cpu-bandwidth-not-in-kernel",
        title="the kernel has no CPU quotas",
        ambiguous=(opening(QUOTA_FILES, ENOENT),),
        verdict="this kernel has no CPU quotas: {file} does not exist although the cpu controller is there",
        cause="CONFIG_CFS_BANDWIDTH is off.",
        remedy=(
            "Use cpu.shares (docker: --cpu-shares) instead, or a kernel with CONFIG_CFS_BANDWIDTH=y:",
            "grep CFS_BANDWIDTH /boot/config-$(uname -r)",
        ),
        reference="https://github.com/containers/podman/issues/13379",
        confirm=look.no_bandwidth,
        rank=40,
    ),
    Entry(
        code="cpu-idle-with-shares",
        title="cpu.idle and cpu.shares together",
        ambiguous=(writing(r"cpu\.weight", EINVAL),),
        verdict="cpu.idle and cpu.shares cannot be set together with runc on cgroup2 (EINVAL)",
        cause="runc writes cpu.idle first; an idle cgroup takes no weight.",
        remedy=("Remove cpu.shares where cpu.idle is 1.",),
        reference=SPEC,
        confirm=look.idle_with_shares,
    ),
    Entry(
        code="realtime-on-cgroup2",
        title="cgroup2 has no realtime limits",
        patterns=(r"realtime (?:runtime|period) not supported on cgroupv2", r"realtime is not supported on v2 yet"),
        verdict="cpu.realtimeRuntime and cpu.realtimePeriod do not exist on cgroup2",
        cause="cgroup2 has no realtime interface; crun refuses the fields, runc ignores them.",
        remedy=("Remove them (docker: --cpu-rt-runtime, --cpu-rt-period).",),
        reference="https://github.com/containers/podman/issues/10278",
        confirm=asked_for(("cpu", "realtimeRuntime"), ("cpu", "realtimePeriod")),
    ),
    Entry(
        code="realtime-not-in-kernel",
        title="the kernel has no realtime group scheduling",
        patterns=(opening(RT_FILES, ENOENT),),
        ambiguous=(creating(RT_FILES),),
        verdict="this kernel has no realtime group scheduling: {file} does not exist",
        cause="CONFIG_RT_GROUP_SCHED is off, as in most distributions.",
        remedy=("Remove cpu.realtimeRuntime and cpu.realtimePeriod, or use a kernel with CONFIG_RT_GROUP_SCHED=y.",),
        reference=REALTIME,
        confirm=look.no_realtime_files,
    ),
    Entry(
        code="realtime-parent-has-none",
        title="the parent has no realtime time to give",
        patterns=(writing(r"cpu\.rt_(?:runtime|period)_us", EINVAL),),
        verdict="the container asks for realtime CPU time that its parent does not have (EINVAL)",
        cause="Every new v1 cpu cgroup starts with cpu.rt_runtime_us 0, and children share what the parent has.",
        remedy=(
            "echo <microseconds> > cpu.rt_runtime_us in every ancestor, from the top down",
            "sysctl kernel.sched_rt_runtime_us is the total",
        ),
        reference="https://github.com/moby/moby/issues/31411",
        confirm=look.no_realtime_left,
    ),
    Entry(
        code="realtime-caller",
        title="a realtime process cannot enter a v1 cpu cgroup",
        patterns=(
            rf"\b(?:write|writing file|write to) [`]?(?P<path>/sys/fs/cgroup/cpu[^`\n:]*/cgroup\.procs)[`]?: {EINVAL}",
        ),
        verdict="a process with a realtime policy cannot enter the container's cpu cgroup (EINVAL)",
        cause="The engine or runtime runs as SCHED_FIFO or SCHED_RR and the new v1 cgroup has cpu.rt_runtime_us 0.",
        remedy=("chrt -p <pid of the engine>; chrt -o -p 0 <pid> makes it an ordinary process",),
        reference=REALTIME,
        confirm=look.realtime_caller,
    ),
    Entry(
        code="cpuset-cpu-does-not-exist",
        title="cpu.cpus names a CPU that this host does not have",
        patterns=(writing(r"cpuset\.cpus", ERANGE),),
        verdict="cpu.cpus names a CPU that this host does not have (ERANGE)",
        cause="CPU numbers go up to the last possible CPU of this host.",
        remedy=("cat /sys/devices/system/cpu/online; correct cpu.cpus (docker: --cpuset-cpus)",),
        reference=CPUSETS,
        confirm=look.cpus_beyond,
    ),
    Entry(
        code="cpuset-malformed",
        title="cpu.cpus or cpu.mems is no list of numbers",
        ambiguous=(writing(r"cpuset\.(?:cpus|mems)", EINVAL),),
        verdict="{file} refuses the list (EINVAL): it is not of the form 0-3,8",
        cause="The kernel takes numbers and ranges separated by commas.",
        remedy=("Correct cpu.cpus or cpu.mems (docker: --cpuset-cpus, --cpuset-mems).",),
        reference=CPUSETS,
        confirm=look.malformed_list,
    ),
    Entry(
        code="cpuset-node-offline",
        title="cpu.mems names a memory node that is not there",
        ambiguous=(writing(r"cpuset\.mems", EINVAL), writing(r"cpuset\.mems", ERANGE)),
        verdict="cpu.mems names a memory node that this host does not have",
        cause="Only NUMA nodes with memory can be used.",
        remedy=("cat /sys/devices/system/node/has_memory; correct cpu.mems (docker: --cpuset-mems)",),
        reference=CPUSETS,
        confirm=look.nodes_beyond,
    ),
    Entry(
        code="cpuset-not-in-parent",
        title="the parent cpuset lacks what the container asks for",
        patterns=(writing(r"cpuset\.(?:cpus|mems)", EACCES),),
        verdict="{file} refuses the list (EACCES): it is no subset of the parent's",
        cause="A v1 cpuset holds only what its parent holds.",
        remedy=("Ask for CPUs of the parent, or extend the parent first: echo <list> > <parent>/{file}",),
        reference=CPUSETS,
        confirm=look.not_in_parent,
    ),
    Entry(
        code="cpuset-empty",
        title="the cpuset is empty",
        patterns=(rf"\bwrit(?:e|ing file|e to) {named('cgroup.procs')}: {ENOSPC}", writing(r"cpuset\.cpus", ENOSPC)),
        verdict="no process can enter the container's cpuset: it has no CPU or no memory node (ENOSPC)",
        cause="A new v1 cpuset is empty until cpuset.cpus and cpuset.mems are written, in every ancestor too.",
        remedy=(
            "echo 0 > <ancestor>/cpuset.mems; cat <parent>/cpuset.cpus > <ancestor>/cpuset.cpus, from the top down",
        ),
        reference="https://github.com/opencontainers/runc/issues/133",
        confirm=look.empty_set,
    ),
    Entry(
        code="cpu-burst-refused",
        title="cpu.burst is larger than the quota allows",
        patterns=(writing(r"cpu\.(?:max\.burst|cfs_burst_us)", EINVAL),),
        ambiguous=(writing(r"cpu\.(?:max|cfs_quota_us)", EINVAL),),  # runc writes burst first, the quota then clashes
        verdict="cpu.burst is refused (EINVAL): it may not be larger than the quota",
        cause="The kernel takes a burst up to the quota; runc writes it first, so that the quota is what fails.",
        remedy=("Set cpu.burst to at most cpu.quota.",),
        reference=BANDWIDTH,
        confirm=look.large_burst,
    ),
)
