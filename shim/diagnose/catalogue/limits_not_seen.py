"""A limit that does not show where people look for it: no message, only a command and its output."""

from __future__ import annotations

from shim.diagnose.entry import Entry

LIMITED = r"(?:--pids-limit|--memory|-m|--cpus|--cpu-quota)[= ]\"?\d"
UNLIMITED = r"^[`'\"]?(?:max(?: 100000)?|9223372036854771712|9223372036854775807|-1)[`'\"]?(?: is returned)?\s*$"
READ = (
    rf"(?:podman|docker|nerdctl) (?:run[^\n]*{LIMITED}|exec)[^\n]*/(?P<file>memory\.(?:max|limit_in_bytes)|pids\.max"
    r"|cpu\.max|cpu\.cfs_quota_us)\b[`'\"]*\s*$"
)

ENTRIES = (
    Entry(
        code="limit-ignored-rootless-v1",
        title="podman as a user sets no limits on a host with v1",
        patterns=(READ,),
        beside=rf"cgroupVersion: v1(?s:.)*{UNLIMITED}|{UNLIMITED}(?s:.)*cgroupVersion: v1"
        rf"|podman run[^\n]*/sys/fs/cgroup/(?:memory|pids|cpu)/[^\n]*\n{UNLIMITED}",
        verdict="the limit was not set: a user's podman on cgroup v1 leaves limits out, so {file} has none",
        cause="v1 hierarchies belong to root and are not delegated. An older podman says nothing about it.",
        remedy=(
            "Boot the host with cgroup2: systemd.unified_cgroup_hierarchy=1 on the kernel command line.",
            'Then cgroup_manager = "systemd" in containers.conf, and Delegate= for the controllers of user@.service.',
            "Until then run the container as root: sudo podman run.",
        ),
        reference="https://github.com/containers/podman/issues/13891",
        rank=68,
    ),
    Entry(
        code="limit-not-shown",
        title="the container's cgroup shows no limit although one was asked for",
        patterns=(READ,),
        beside=rf"(?:{LIMITED}|\bMemoryMax=\d|\bmem_limit: ?\d)(?s:.)*{UNLIMITED}",
        verdict="{file} shows no limit in the container although the command asks for one",
        cause="The engine left it out (a user's engine without this controller, a kernel without it or with it off at "
        "boot), and said so only in a warning; or the file is of another cgroup: a parent has the limit, or the host's "
        "/sys/fs/cgroup is mounted in the container.",
        remedy=(
            "docker info | grep WARNING; podman info: is the controller among cgroupControllers?",
            "A user's engine: Delegate=cpu cpuset io memory pids for user@.service, and log in again.",
            "Memory on a Raspberry Pi: cgroup_enable=memory on the one line of cmdline.txt.",
        ),
        reference="https://github.com/containers/podman/issues/22521",
        tell="on the host: cat /proc/PID/cgroup of the container's process, and the file in that directory",
        rank=70,
    ),
    Entry(
        code="memory-of-host-shown",
        title="free and /proc/meminfo show the host's memory in a container",
        patterns=(
            r"(?:docker|podman|nerdctl) run[^\n]*(?:--memory|-m)[= ]\"?\d[^\n]*(?:\bfree(?: -\w+)*|/proc/meminfo)\s*$",
            r"^(?:[^\n]*[#$] ?)?free(?: -+ ?\w+)*\s*$",
        ),
        beside=r"(?:docker|podman|nerdctl) run[^\n]*(?:--memory|-m)[= ]\"?\d(?s:.)*^ *Mem: ",
        verdict="free does not show the limit: it reads /proc/meminfo, which shows the host's memory in any container",
        cause="The kernel has one /proc/meminfo for all. The limit is in the container's cgroup. "
        "Without --memory-swap a container may use as much swap again.",
        remedy=(
            "Read it: cat /sys/fs/cgroup/memory.max (v1: memory/memory.limit_in_bytes), or docker stats.",
            (
                "Programs that size themselves by the host: give them their own setting (java -XX:MaxRAMPercentage), "
                "or mount LXCFS's files over /proc/meminfo."
            ),
        ),
        reference="https://github.com/moby/moby/issues/20688",
        rank=78,
    ),
    Entry(
        code="cpus-of-host-shown",
        title="nproc and /proc/cpuinfo show the host's CPUs in a container",
        patterns=(
            r"(?:docker|podman|nerdctl)[^\n]* run[^\n]*--cpus[= ]\"?[\d.]+[^\n]*\bnproc\b",
            r"(?:docker|podman|nerdctl)[^\n]* run[^\n]*--cpu[\w-]*[= ]\"?[\d.,-]+[^\n]*/proc/cpuinfo\b",
        ),
        verdict="nproc does not show the limit: --cpus limits CPU time, and the host's CPUs are all still visible",
        cause="--cpus=2 is a quota (cpu.max): the time of two CPUs, spread over all of them. --cpuset-cpus takes CPUs "
        "away; nproc then shows fewer, /proc/cpuinfo still all.",
        remedy=(
            "Read it: cat /sys/fs/cgroup/cpu.max (v1: cpu/cpu.cfs_quota_us).",
            (
                "Programs that count CPUs: --cpuset-cpus 0-1, or their own setting (make -j2, GOMAXPROCS, "
                "-XX:ActiveProcessorCount)."
            ),
        ),
        reference="https://github.com/moby/moby/issues/42356",
        rank=78,
    ),
    Entry(
        code="cpu-limit-of-other-scheduler",
        title="a kernel with another scheduler has the files of the cpu controller, but no limit behind them",
        patterns=(r"\blimits?\b[^\n]*(?:\bCPU\b|--cpus)|(?:\bCPU\b|--cpus)[^\n]*\blimits?\b",),
        beside=r"\d-(?:liquorix|lqx)\d*-",
        verdict="CPU limits have no effect on this kernel: its scheduler only imitates the cpu controller's files",
        cause="liquorix (and other kernels with PDS, BMQ or MuQSS) has cpu.max and cpu.weight so that engines start; "
        "what is written there does nothing.",
        remedy=(
            "Boot the distribution's kernel if limits must hold.",
            "Until then: nice for the heavy processes, as the kernel's maker advises.",
        ),
        reference="https://github.com/damentz/liquorix-package/issues/231",
        rank=72,
    ),
    Entry(
        code="io-weight-without-scheduler",
        title="a block I/O weight has no effect with this scheduler of the disk",
        patterns=(r"--blkio-weight(?:-device)?[ =]\S+",),
        beside=r"^[^\n]*\[(?:mq-deadline|deadline|none|noop|kyber)\]|^none$",
        verdict="the weight has no effect: the disk's scheduler does not weigh cgroups",
        cause="v1: only CFQ (before Linux 5.0) and BFQ do. cgroup2: BFQ, or io.cost where it is switched on for the "
        "disk. And only where several containers really compete for the disk (direct I/O).",
        remedy=(
            "echo bfq > /sys/block/DISK/queue/scheduler (an old kernel: cfq)",
            "Or a fixed limit, which needs no scheduler: --device-write-bps /dev/DISK:10mb, --device-read-bps.",
        ),
        reference="https://github.com/docker/cli/issues/3275",
        rank=71,
    ),
)
