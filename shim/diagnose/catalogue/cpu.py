"""CPU time and realtime scheduling."""

from __future__ import annotations

from shim.diagnose.checks import cpu as look
from shim.diagnose.checks import said
from shim.diagnose.checks.configured import asked_for
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, ERANGE, WROTE, Entry, creating, opening, writing

BANDWIDTH = "Linux Documentation/scheduler/sched-bwc.rst"
REALTIME = "Linux Documentation/scheduler/sched-rt-group.rst"
SPEC = "OCI runtime-spec, config-linux.md, CPU"
RT_FILES = r"cpu\.rt_(?:runtime|period)_us"
INTO_CPU = (
    r"\b(?:write|writing file|write to) `?(?P<path>/sys/fs/cgroup/cpu(?!set)[^`\n:]*/(?:cgroup\.procs|tasks))`?: "
    + EINVAL
)
QUOTA_FILES = r"cpu\.(?:cfs_quota_us|cfs_period_us|max)"

ENTRIES = (
    Entry(
        code="cpu-shares-out-of-range",
        title="cpu.shares is out of range",
        patterns=(
            r"the (?:minimum|maximum) allowed cpu-shares is (?!1024\b)\d+",
            writing(r"cpu\.weight", ERANGE),
            r"Value specified in CPUWeight is out of range",
        ),
        verdict="cpu.shares is out of range: 2 to 262144 is allowed",
        cause="Runtimes convert shares to the kernel's weight, and not all of them clamp the value: 1 share "
        "underflows.",
        remedy=("Set cpu.shares (docker: --cpu-shares) between 2 and 262144.",),
        reference=SPEC,
        confirm=look.bad_shares,
    ),
    Entry(
        code="cpu-quota-out-of-range",
        title="cpu.quota or cpu.period is out of range",
        ambiguous=(WROTE + writing(QUOTA_FILES, EINVAL),),
        verdict="cpu.quota or cpu.period is out of range: {file} refuses it (EINVAL)",
        cause="A quota is at least 1000 microseconds, a period 1000 to 1000000, each a whole number. A burst "
        "(cpu.burst) above the quota gives the same errno.",
        remedy=("Use a larger quota, or --cpus, which keeps the period at 100000.",),
        reference=BANDWIDTH,
        confirm=look.bad_quota,
        stated=said.cpu_out_of_range,
        excluded=said.unless(said.cpu_out_of_range),
        tell="the quota is --cpus times the period, or --cpu-quota: is it below 1000?",
        offer=3,
    ),
    Entry(
        code="cpu-quota-above-parent",
        title="the container asks for more CPU time than its parent has",
        ambiguous=(WROTE + writing(r"cpu\.(?:cfs_quota_us|cfs_period_us)", EINVAL),),
        verdict="the container asks for more CPU time than an ancestor's quota allows (EINVAL)",
        cause="On v1, quota/period of a cgroup must not exceed that of any ancestor. A burst (cpu.burst) above the new "
        "quota gives the same errno.",
        remedy=(
            (
                "Ask for less: --cpus, --cpu-quota (docker, podman), cpus: (compose), limits.cpu (Kubernetes: the "
                "pod's sum counts)."
            ),
            (
                "Or raise cpu.cfs_quota_us of the ancestor (-1: no limit); for a slice of systemd: systemctl "
                "set-property <slice> CPUQuota="
            ),
            "limits.cpu has no unit Mi. Systemd driver with runc before 1.0: multiples of 10m, to which it rounds.",
        ),
        reference=BANDWIDTH,
        confirm=look.tight_ancestor,
        excluded=said.where(said.cpu_out_of_range),
        tell="grep -H . <the cgroup of the message and each one above it>/cpu.cfs_*_us: is a quota/period "
        "above it smaller?",
        offer=2,
        layout="v1",
    ),
    Entry(
        code="cpu-period-order",
        title="period and quota are written one after the other below a limited parent",
        ambiguous=(WROTE + writing(r"cpu\.cfs_period_us", EINVAL),),
        verdict="the CPU period is refused (EINVAL): together with the old quota it briefly exceeds what the parent "
        "allows",
        cause="On v1, period and quota are two files, and runc before 1.0.2 writes the period first. Below a parent "
        "with a limit, the new period with the old quota is too much, although the final values are not.",
        remedy=(
            "Upgrade runc to 1.0.2 or later (Docker's package: containerd.io), which tries the other order.",
            "Until then keep the default period of 100000, and change the quota alone.",
        ),
        reference="https://github.com/opencontainers/runc/issues/3084",
        excluded=said.where(said.cpu_out_of_range),
        tell="runc --version: before 1.0.2?",
        offer=1,
        rank=54,
        layout="v1",
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
        patterns=(
            rf"Failed to set '?(?P<file>cpu\.cfs_(?:quota|period)_us)\b[^\n]*: (?:{EACCES}|{ENOENT})",
        ),  # systemd
        ambiguous=(opening(QUOTA_FILES, ENOENT), creating(QUOTA_FILES)),
        verdict="this kernel has no CPU quotas: {file} does not exist although the cpu controller is there",
        cause="CONFIG_CFS_BANDWIDTH is off.",
        remedy=(
            "Use cpu.shares (docker: --cpu-shares) instead, or a kernel with CONFIG_CFS_BANDWIDTH=y:",
            "grep CFS_BANDWIDTH /boot/config-$(uname -r)",
        ),
        reference="https://github.com/containers/podman/issues/13379",
        confirm=look.no_bandwidth,
        rank=40,
        tell="ls /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/*/cpu.max: are both missing?",
        offer=1,
    ),
    Entry(
        code="cpu-weight-not-in-kernel",
        title="the kernel has no CPU weights for cgroups",
        ambiguous=(opening(r"cpu\.weight", ENOENT), creating(r"cpu\.weight")),
        verdict="this kernel has no CPU weights: {file} does not exist although the cpu controller is there",
        cause="CONFIG_FAIR_GROUP_SCHED is off: a board's own kernel, or one with another scheduler (PDS, BMQ, MuQSS: "
        "liquorix, xanmod). The kubelet finds the cpu controller and starts; then every pod fails.",
        remedy=(
            "Use a kernel with CONFIG_FAIR_GROUP_SCHED=y:",
            "zgrep FAIR_GROUP_SCHED /proc/config.gz; grep FAIR_GROUP_SCHED /boot/config-$(uname -r)",
        ),
        reference="https://github.com/canonical/microk8s/issues/3693",
        confirm=look.no_weight,
        layout="v2",
        rank=40,
        tell="ls the directory of the message: is cpu.stat there, and no cpu.weight?",
        offer=2,
        first_beside=r"/kubepods/|cgroup/system\.slice\b",
    ),
    Entry(
        code="cpu-idle-with-shares",
        title="cpu.idle and cpu.shares together",
        patterns=(r"cannot set both `cpu\.idle` and `cpu\.(?:shares|weight)`",),
        ambiguous=(writing(r"cpu\.(?:weight|shares)", EINVAL),),
        verdict="cpu.idle and cpu.shares cannot be set together (EINVAL)",
        cause="runc writes cpu.idle first, and an idle cgroup accepts no weight. A weight that is not a number has the "
        "same errno.",
        remedy=("Remove cpu.shares if cpu.idle is 1.",),
        reference=SPEC,
        confirm=look.idle_with_shares,
        tell="does the container set cpu.idle to 1 (unified or cpu.idle) and shares as well?",
        offer=1,
    ),
    Entry(
        code="realtime-on-cgroup2",
        title="cgroup2 has no realtime limits",
        patterns=(r"realtime (?:runtime|period) not supported on cgroupv2", r"realtime is not supported on v2 yet"),
        verdict="cpu.realtimeRuntime and cpu.realtimePeriod do not exist on cgroup2",
        cause="The fields belong to cgroup v1. crun refuses them, and runc ignores them.",
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
        tell="ls /sys/fs/cgroup/cpu/cpu.rt_runtime_us: is it missing?",
        offer=1,
    ),
    Entry(
        code="realtime-parent-has-none",
        title="the parent has no realtime time to give",
        patterns=(writing(r"cpu\.rt_(?:runtime|period)_us", EINVAL),),
        verdict="the container asks for realtime CPU time that its parent does not have (EINVAL)",
        cause="Every new v1 cpu cgroup starts with cpu.rt_runtime_us 0, and children share what the parent has.",
        remedy=(
            (
                "In every ancestor, from the top down, write microseconds into cpu.rt_runtime_us (dockerd "
                "--cpu-rt-runtime does)."
            ),
            "sysctl kernel.sched_rt_runtime_us shows the total.",
        ),
        reference="https://github.com/moby/moby/issues/31411",
        confirm=look.no_realtime_left,
    ),
    Entry(
        code="realtime-caller",
        title="a realtime process cannot enter a v1 cpu cgroup",
        ambiguous=(INTO_CPU,),
        verdict="a process with a realtime policy cannot enter the container's cpu cgroup (EINVAL)",
        cause="The engine or the runtime runs as SCHED_FIFO or SCHED_RR, and the new v1 cgroup has cpu.rt_runtime_us "
        "0. A kernel thread that is bound to a CPU is refused, too.",
        remedy=("chrt -p <pid of the engine> shows the policy; chrt -o -p 0 <pid> makes it an ordinary process",),
        reference=REALTIME,
        confirm=look.realtime_caller,
        tell="chrt -p <pid of the engine>: SCHED_FIFO or SCHED_RR? ps -eo cls,cmd | grep -E '^ *(RR|FF)'",
        offer=2,
    ),
    Entry(
        code="process-too-new-for-cpu-cgroup",
        title="the process was moved into its cpu cgroup before the scheduler knew it",
        ambiguous=(rf"(?:failed to write \d+ to cgroup\.procs: )?{INTO_CPU}",),
        verdict="the process could not enter the container's cpu cgroup (EINVAL): it was created only a moment before",
        cause="Since 4.8 the kernel refuses a process that has not run yet. It is a race, more frequent on a busy "
        "host. runc before 1.0-rc7 gives up at once; later versions try five times.",
        remedy=(
            "Start it again: the outcome depends on timing.",
            "Upgrade runc to 1.0 or later (docker: 18.09.2, containerd.io 1.2.2 or later).",
        ),
        reference="https://github.com/opencontainers/runc/commit/bdf3524b34ff",
        tell="does the same command work most of the time? runc --version: before 1.0-rc7?",
        offer=1,
    ),
    Entry(
        code="cpu-burst-refused",
        title="cpu.burst is larger than the quota allows",
        patterns=(
            writing(r"cpu\.(?:max\.burst|cfs_burst_us)", EINVAL),
            # With a quota and a period in their ranges nothing else is left.
            rf"Failed to set 'cpu\.max' attribute on [^\n]* to '[1-9]\d{{3,14}} [1-9]\d{{3,5}}': {EINVAL}",
        ),
        ambiguous=(writing(r"cpu\.(?:max|cfs_quota_us)", EINVAL),),  # runc writes burst first, the quota then clashes
        verdict="cpu.burst is refused (EINVAL): it may not be larger than the quota",
        cause="The kernel accepts a burst up to the quota. runc writes the burst first, so the quota fails.",
        remedy=("Set cpu.burst to at most cpu.quota.",),
        reference=BANDWIDTH,
        confirm=look.large_burst,
    ),
    Entry(
        code="realtime-priority-refused",
        title="a program in the container may not get a realtime priority",
        patterns=(
            (
                r"(?:set|change|get)[^\n]{0,30}(?:scheduling|real-?time|RT) "
                rf"(?:priority|policy|scheduling)[^\n]*: {EPERM}"
            ),
            rf"(?:sched_setscheduler|sched_setparam|pthread_setsched(?:param|prio)|chrt)\b[^\n]*: {EPERM}",
            r"RTKit error: [^\n]*",
        ),
        verdict="a program in the container may not get a realtime priority (EPERM)",
        cause="It needs CAP_SYS_NICE, or a limit of rtprio. On v1, with a kernel that has CONFIG_RT_GROUP_SCHED, a new "
        "cgroup also has no realtime time (cpu.rt_runtime_us is 0), which gives the same errno even to root.",
        remedy=(
            (
                "docker, podman: --cap-add SYS_NICE --ulimit rtprio=99; compose: cap_add and ulimits; Kubernetes: "
                "securityContext.capabilities.add."
            ),
            (
                "v1 with realtime groups: dockerd --cpu-rt-runtime=950000, and docker run --cpu-rt-runtime=95000; or "
                "boot with cgroup2, or a kernel without CONFIG_RT_GROUP_SCHED."
            ),
        ),
        reference="https://docs.docker.com/engine/containers/resource_constraints/",
        tell="cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us in the container; grep CapEff /proc/self/status; ulimit -r",
        rank=55,
    ),
)
