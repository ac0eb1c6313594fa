"""Swap: limits of memory plus swap, swap accounting and swappiness."""

from __future__ import annotations

from shim.diagnose.catalogue.memory import MEMSW, SPEC, V1_DOC, V2_DOC
from shim.diagnose.checks import memory as look
from shim.diagnose.checks import said
from shim.diagnose.checks.configured import asked, value_is
from shim.diagnose.entry import EBUSY, EINVAL, ENOENT, WROTE, Entry, creating, opening, writing

# Pasted without its errno.
MEMSW_CUT = r"failed to write -?\d+ to /sys/fs/cgroup/memory/\S*/memory\.memsw\.limit_in_bytes$"

ENTRIES = (
    Entry(
        code="swap-below-limit",
        title="memory.swap is smaller than memory.limit",
        patterns=(
            r"memory\+swap limit should be >= memory limit",
            r"cannot set memory\+swap limit less than the memory limit",
            r"memory swap limit \(\d+\) cannot be lower than memory limit \(\d+\)",
        ),
        ambiguous=(writing(MEMSW, EINVAL), opening(r"memory\.max", ENOENT)),
        verdict="memory.swap is smaller than memory.limit",
        cause="In OCI, memory.swap is memory plus swap, so it is never below memory.limit. Equal values mean no swap. "
        "crun on v1 writes a value of 0 unchanged.",
        remedy=("Set memory.swap to memory.limit plus the swap wanted (docker: --memory-swap), or leave it out.",),
        reference=SPEC,
        confirm=look.swap_below_limit,
        excluded=look.swap_is_fine,
        tell="is --memory-swap (compose: memswap_limit) below --memory (mem_limit)?",
        offer=1,
    ),
    Entry(
        code="swap-without-limit",
        title="memory.swap without memory.limit",
        patterns=(
            r"unable to set swap limit without memory limit",
            r"cannot set swap limit without the memory limit",
            r"Memory\.Swap is set without Memory\.Limit",  # gVisor
        ),
        ambiguous=(writing(MEMSW, EINVAL),),
        verdict="memory.swap is set, but memory.limit is not",
        cause="memory.swap is memory plus swap and means nothing without a memory limit.",
        remedy=("Set memory.limit too (docker: --memory together with --memory-swap), or drop memory.swap.",),
        reference=SPEC,
        confirm=look.swap_alone,
        excluded=look.limit_is_there,
        tell="is --memory-swap (compose: memswap_limit) given without --memory (mem_limit)?",
        offer=2,
    ),
    Entry(
        code="swap-limit-raced",
        title="another process changed the memory limit between the two writes",
        # A code in brackets is of Docker before 1.11, which compares the two limits itself before it starts anything.
        patterns=(rf"\[8\] System error: write \S*/docker-\w+\.scope/memory\.memsw\.limit_in_bytes: {EINVAL}",),
        ambiguous=(WROTE + writing(MEMSW, EINVAL),),
        verdict="memory+swap is refused (EINVAL): at that moment the memory limit of the cgroup was larger",
        cause="The runtime writes the memory limit and the memory+swap limit one after the other. Old systemd and "
        "Docker (1.9 to 1.12) wrote their own values in between, so the same container fails only sometimes.",
        remedy=(
            "Start it again; upgrade Docker and systemd.",
            "Or give --memory-swap -1 (compose: memswap_limit: -1), which leaves swap without a limit.",
        ),
        reference="https://github.com/coreos/bugs/issues/1122",
        tell="does the same command work most of the time? docker version: before 17?",
        offer=3,
        rank=56,
        layout="v1",
    ),
    Entry(
        code="swap-not-accounted-v1",
        title="swap limits need swap accounting, which this v1 host lacks",
        patterns=(opening(MEMSW, ENOENT),),
        ambiguous=(creating(MEMSW), r"memory\.memsw\.limit_in_bytes[`'\"]?: permission denied", MEMSW_CUT),
        verdict="this host does not account swap, so memory.swap cannot be set",
        cause="The v1 memory hierarchy has no memory.memsw files: CONFIG_MEMCG_SWAP is off, or a kernel before 6.1 "
        "was booted with swapaccount=0.",
        remedy=("Start without a swap limit, or boot with swapaccount=1.",),
        reference="https://github.com/containerd/containerd/issues/7828",
        confirm=look.no_memsw,
        tell="ls /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes: is it missing?",
        offer=1,
    ),
    Entry(
        code="swap-not-accounted-v2",
        title="this kernel has no memory.swap.max",
        patterns=(rf"unified resource \\*\"memory\.swap\.max\\*\": [^\n]*{ENOENT}",),
        ambiguous=(opening(r"memory\.swap\.max", ENOENT), creating(r"memory\.swap\.max")),
        verdict="this kernel has no memory.swap.max, so swap cannot be limited",
        cause="The kernel is built without swap, or swap accounting is off; where memory.max is missing, too, the "
        "memory controller is not enabled for the cgroup. kubelet 1.28.0 to 1.28.2 write the file nevertheless.",
        remedy=(
            (
                "Start without a swap limit, or boot with swapaccount=1 (before Linux 6.1; podman and crun set one for "
                "--memory as well). kubelet: upgrade to 1.28.3 or later."
            ),
        ),
        reference="https://github.com/kubernetes/kubernetes/pull/120784",
        confirm=look.no_swap_max,
        rank=44,
        tell="ls /sys/fs/cgroup/*/memory.swap.max: is it missing beside memory.max?",
        offer=1,
    ),
    Entry(
        code="memsw-below-usage",
        title="the memory+swap limit is below what is used already",
        patterns=(writing(MEMSW, EBUSY),),
        verdict="the memory+swap limit is below what the cgroup uses already (EBUSY)",
        cause="v1 refuses a limit that it cannot reach by reclaiming. At a start the usage of the runtime's own init "
        "process counts, at an update that of the container.",
        remedy=(
            "Choose a larger memory.swap, or free memory in the container first.",
            "At a start give the container at least 12 MiB, in memory.limit and memory.swap.",
        ),
        reference="https://github.com/containers/podman/issues/2473",
        confirm=look.usage_or_small,
    ),
    Entry(
        code="swappiness-on-cgroup2",
        title="cgroup2 has no swappiness per cgroup",
        patterns=(r"cannot set memory swappiness with cgroupv2",),
        verdict="memory.swappiness does not exist on cgroup2",
        cause="The field belongs to cgroup v1. crun refuses it, and runc ignores it.",
        remedy=("Remove memory.swappiness (docker: --memory-swappiness).",),
        reference=V2_DOC,
        confirm=asked("memory", "swappiness"),
    ),
    Entry(
        code="swappiness-out-of-range",
        title="memory.swappiness is out of range",
        patterns=(r"invalid memory swappiness value: (?P<value>\d+)", r"valid memory swappiness range is 0-100"),
        ambiguous=(WROTE + writing(r"memory\.swappiness", EINVAL),),
        stated=said.swappiness_out_of_range,
        excluded=said.unless(said.swappiness_out_of_range),
        tell="is --memory-swappiness (compose: mem_swappiness) outside 0 to 100?",
        offer=2,
        verdict="memory.swappiness is out of range",
        cause="runc accepts 0 to 100. The kernel accepts up to 200 since 5.8.",
        remedy=("Set memory.swappiness between 0 and 100.",),
        reference=V1_DOC,
        confirm=value_is(lambda value: not 0 <= value <= 100, "memory", "swappiness"),
    ),
    Entry(
        code="swappiness-not-changeable",
        title="an old kernel does not let swappiness be changed in this cgroup",
        ambiguous=(WROTE + writing(r"memory\.swappiness", EINVAL),),
        verdict="this kernel does not let memory.swappiness be changed here, whatever the value (EINVAL)",
        cause="Kernels before 3.16, and the 3.10 kernel of RHEL 7, refuse it in every cgroup below one with "
        "use_hierarchy.",
        remedy=(
            (
                "Remove --memory-swappiness (compose: mem_swappiness). Nomad, Docker Swarm and Portainer set it to 0 "
                "by themselves: upgrade them; compose: mem_swappiness: -1."
            ),
            "Or use a newer kernel (many NAS systems and boards have 3.10).",
        ),
        reference=V1_DOC,
        excluded=said.where(said.swappiness_out_of_range),
        confirm=look.old_kernel,
        tell="uname -r: is it 3.10?",
        offer=1,
        layout="v1",
    ),
)
