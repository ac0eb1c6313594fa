"""Memory and swap limits."""

from __future__ import annotations

from shim.diagnose.checks import memory as look
from shim.diagnose.checks import said
from shim.diagnose.checks.configured import asked, asked_for, value_is
from shim.diagnose.entry import (
    EBUSY,
    EINVAL,
    ENOENT,
    ENOSPC,
    EOPNOTSUPP,
    WROTE,
    Entry,
    creating,
    making,
    opening,
    writing,
)

V1_DOC = "Linux Documentation/admin-guide/cgroup-v1/memory.rst"
V2_DOC = "Linux Documentation/admin-guide/cgroup-v2.rst, Memory"
SPEC = "OCI runtime-spec, config-linux.md, Memory"
CUT_OFF = (
    r"sync socket: (?:broken pipe|connection reset by peer)",
    r"can't get final child's PID from pipe: EOF",
    r"getting the final child's pid from pipe caused:? \"?EOF",
    r"write init-p: broken pipe",
    r"copying bootstrap data to pipe[^\n]*(?:broken pipe|EOF)",
    r"BPF_PROG_ATTACH[^\n]*can't attach program: " + ENOENT,
)
MEMSW = r"memory\.memsw\.limit_in_bytes"

ENTRIES = (
    Entry(
        code="memory-limit-below-usage",
        title="the memory limit is below what is used already",
        patterns=(
            r"unable to set memory limit to (?P<limit>\d+) \(current usage: (?P<usage>\d+), peak usage: \d+\)",
            writing(r"memory\.limit_in_bytes", EBUSY),
        ),
        verdict="the memory limit ({limit} bytes) is below what the container's cgroup uses already ({usage} bytes)",
        cause="v1 refuses a limit below the usage: at a start that of the runtime's own init process, at an update "
        "that of the container.",
        remedy=(
            "At an update name more than {usage} bytes, or let the container use less first.",
            (
                "At a start give it at least 12 MiB. In Kubernetes check the suffix: m means thousandths "
                "of a byte, Mi mebibytes."
            ),
        ),
        reference="https://github.com/moby/moby/issues/41167",
        confirm=look.small_limit,
        rank=20,
    ),
    Entry(
        code="memory-limit-kills-runtime",
        title="the memory limit kills the runtime before the container starts",
        patterns=(r"container init was OOM-killed", r"OOM: [^\n]*sync socket"),
        ambiguous=CUT_OFF,
        verdict="the memory limit killed the container's init process before it could start (OOM)",
        cause="The runtime's init process lives inside the container's limit. Whatever else the message says is what "
        "was left when the process was gone.",
        remedy=(
            (
                "Give the container at least 12 MiB. In Kubernetes check the suffix: m means thousandths "
                "of a byte, Mi mebibytes."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/3986",
        tell="journalctl -k | grep -i oom shows whether the kernel killed the runtime's process",
        confirm=look.was_killed,
        excluded=look.ample_limit,
        offer=3,
        rank=25,
    ),
    Entry(
        code="memory-limit-of-ancestor",
        title="an ancestor's memory limit kills the runtime",
        ambiguous=(r"container init was OOM-killed", *CUT_OFF),
        verdict="an ancestor's memory limit is too small for a container to start, whatever its own limit",
        cause="A cgroup cannot use more memory than the smallest limit above it.",
        remedy=("Raise the limit shown above, or start the container under another parent.",),
        reference=V2_DOC,
        confirm=look.tight_ancestor,
        rank=22,
    ),
    Entry(
        code="swap-below-limit",
        title="memory.swap is smaller than memory.limit",
        patterns=(
            r"memory\+swap limit should be >= memory limit",
            r"cannot set memory\+swap limit less than the memory limit",
        ),
        ambiguous=(writing(MEMSW, EINVAL), opening(r"memory\.max", ENOENT)),
        verdict="memory.swap is smaller than memory.limit",
        cause="In OCI memory.swap is memory plus swap, so it is never below memory.limit; equal means no swap. "
        "A value of 0 is written as it stands by crun on v1.",
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
        title="somebody else changed the memory limit between the two writes",
        ambiguous=(WROTE + writing(MEMSW, EINVAL),),
        verdict="memory+swap is refused (EINVAL): at that moment the memory limit of the cgroup was larger",
        cause="The runtime writes the memory limit and the memory+swap limit one after the other. Old systemd "
        "and Docker (1.9 to "
        "1.12) each wrote their own in between, so that the same container fails only now and then.",
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
        ambiguous=(creating(MEMSW), r"memory\.memsw\.limit_in_bytes[`'\"]?: permission denied"),
        verdict="this host does not account swap, so memory.swap cannot be set",
        cause="The v1 memory hierarchy has no memory.memsw files: CONFIG_MEMCG_SWAP is off, or swapaccount=0 "
        "on kernels before 6.1.",
        remedy=("Start without a swap limit, or boot with swapaccount=1.",),
        reference="https://github.com/containerd/containerd/issues/7828",
        confirm=look.no_memsw,
    ),
    Entry(
        code="swap-not-accounted-v2",
        title="this kernel has no memory.swap.max",
        ambiguous=(opening(r"memory\.swap\.max", ENOENT), creating(r"memory\.swap\.max")),
        verdict="this kernel has no memory.swap.max, so swap cannot be limited",
        cause="The kernel is built without swap, or swap accounting is off; kubelet 1.28.0 to 1.28.2 "
        "wrote the file anyway.",
        remedy=("Start without a swap limit; for kubelet upgrade to 1.28.3 or later.",),
        reference="https://github.com/kubernetes/kubernetes/pull/120784",
        confirm=look.no_swap_max,
        rank=44,
    ),
    Entry(
        code="memory-above-memsw",
        title="the new memory limit is above the present memory+swap limit",
        ambiguous=(WROTE + writing(r"memory\.limit_in_bytes", EINVAL),),
        verdict="the new memory limit is above the memory+swap limit the cgroup has now",
        cause="v1 wants limit <= memory+swap at every moment; raising only the limit breaks that.",
        remedy=("Raise both in one update: memory.limit and memory.swap (docker update --memory --memory-swap).",),
        reference=V1_DOC,
        confirm=look.memsw_order,
        tell="cat memory.memsw.limit_in_bytes of the cgroup in the message: is it below the new limit?",
        offer=1,
        layout="v1",
    ),
    Entry(
        code="memsw-below-usage",
        title="the memory+swap limit is below what is used already",
        patterns=(writing(MEMSW, EBUSY),),
        verdict="the memory+swap limit is below what the cgroup uses already (EBUSY)",
        cause="v1 refuses a limit that it cannot reach by reclaiming: at a start from what the runtime's own init "
        "process uses, at an update from what the container does.",
        remedy=(
            "Choose a larger memory.swap, or free memory in the container first.",
            "At a start give the container at least 12 MiB, in memory.limit and memory.swap.",
        ),
        reference="https://github.com/containers/podman/issues/2473",
        confirm=look.usage_or_small,
    ),
    Entry(
        code="memory-reservation-invalid",
        title="memory.reservation is no size",
        patterns=(writing(r"memory\.(?:soft_limit_in_bytes|low)", EINVAL), r"invalid memory value: (?P<value>-\d+)"),
        verdict="a memory value is negative: only -1 (no limit) is allowed below zero",
        cause="The kernel takes bytes, or -1 for no limit.",
        remedy=("Correct memory.limit and memory.reservation in the container's configuration.",),
        reference=SPEC,
        confirm=asked_for(("memory", "reservation"), ("memory", "limit")),
    ),
    Entry(
        code="kernel-memory-removed",
        title="kernel memory limits no longer exist",
        patterns=(
            r"cannot set kernel (?:memory|TCP) with cgroupv2",
            rf"memory\.kmem\.(?:tcp\.)?limit_in_bytes[`'\"]?: (?:{EOPNOTSUPP}|{EINVAL}|{ENOENT})",
        ),
        verdict="kernel memory limits (memory.kernel, memory.kernelTCP) do not exist on this host",
        cause="Kernel memory is part of memory.limit; the separate limits left the kernel.",
        remedy=("Remove memory.kernel and memory.kernelTCP (docker: --kernel-memory).",),
        reference="https://github.com/nestybox/sysbox/issues/557",
        confirm=asked_for(("memory", "kernel"), ("memory", "kernelTCP")),
    ),
    Entry(
        code="swappiness-on-cgroup2",
        title="cgroup2 has no swappiness per cgroup",
        patterns=(r"cannot set memory swappiness with cgroupv2",),
        verdict="memory.swappiness does not exist on cgroup2",
        cause="cgroup2 has no swappiness per cgroup; crun refuses the field, runc ignores it.",
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
        offer=1,
        verdict="memory.swappiness is out of range",
        cause="runc takes 0 to 100; the kernel takes up to 200 since 5.8.",
        remedy=("Set memory.swappiness between 0 and 100.",),
        reference=V1_DOC,
        confirm=value_is(lambda value: not 0 <= value <= 100, "memory", "swappiness"),
    ),
    Entry(
        code="swappiness-not-changeable",
        title="an old kernel does not let swappiness be changed in this cgroup",
        ambiguous=(WROTE + writing(r"memory\.swappiness", EINVAL),),
        verdict="this kernel does not let memory.swappiness be changed here, whatever the value (EINVAL)",
        cause="Kernels before 3.16, and RHEL 7 with its 3.10, refuse it in every cgroup below one with use_hierarchy.",
        remedy=(
            (
                "Remove --memory-swappiness (compose: mem_swappiness). Nomad and Docker Swarm set it to 0 by "
                "themselves: upgrade them."
            ),
            "Or use a newer kernel (many NAS systems and boards have 3.10).",
        ),
        reference=V1_DOC,
        excluded=said.where(said.swappiness_out_of_range),
        confirm=look.old_kernel,
        tell="uname -r: is it 3.10?",
        offer=2,
        layout="v1",
    ),
    Entry(
        code="oom-killer-on-cgroup2",
        title="cgroup2 cannot switch the OOM killer off",
        patterns=(r"cannot disable OOM killer with cgroupv2",),
        verdict="memory.disableOOMKiller does not exist on cgroup2",
        cause="cgroup2 always kills at memory.max; crun refuses the field, runc ignores it.",
        remedy=("Remove it (docker: --oom-kill-disable); memory.high throttles instead of killing.",),
        reference=V2_DOC,
        confirm=asked("memory", "disableOOMKiller"),
    ),
    Entry(
        code="use-hierarchy-removed",
        title="memory.useHierarchy can no longer be chosen",
        patterns=(r"cannot set useHierarchy memory with cgroupv2", writing(r"memory\.use_hierarchy", EINVAL)),
        verdict="memory.useHierarchy cannot be set: memory is always accounted hierarchically",
        cause="Kernels since 5.11 have no other mode on v1, and cgroup2 never had one.",
        remedy=("Remove memory.useHierarchy.",),
        reference=V1_DOC,
        confirm=asked("memory", "useHierarchy"),
    ),
    Entry(
        code="memory-cgroups-exhausted",
        title="the kernel has no memory cgroup id left",
        patterns=(rf"mkdir (?P<path>/sys/fs/cgroup/memory/[^\n:]*): {ENOSPC}",),
        ambiguous=(making(ENOSPC), making(ENOENT)),  # crun goes on without the parent that it could not make
        verdict="no further memory cgroup can be made: all 65535 ids are in use (ENOSPC)",
        cause="Removed cgroups keep their id until the last page charged to them is freed.",
        remedy=("echo 3 > /proc/sys/vm/drop_caches frees some; find what makes cgroups without removing them.",),
        reference="https://github.com/moby/moby/issues/24559",
        confirm=look.crowded,
    ),
    Entry(
        code="kernel-memory-accounting-leak",
        title="kernel memory accounting of old kernels leaks cgroups",
        ambiguous=(
            r"mkdir (?P<path>/sys/fs/cgroup/memory/[^\n:]*): (?:cannot allocate memory|no space left on device)",
        ),
        verdict="this kernel leaks memory cgroups once kernel memory is accounted: {path} cannot be created",
        cause="Known bug of the 3.10 kernels; runc built without nokmem switches the accounting on.",
        remedy=("Boot with cgroup.memory=nokmem, or use a newer kernel.",),
        reference="https://github.com/opencontainers/runc/issues/1725",
        confirm=look.old_kernel,
        rank=40,
    ),
    Entry(
        code="memory-update-below-usage",
        title="checkBeforeUpdate: the new limit is below the usage",
        patterns=(
            r"rejecting memory(?:\+swap)? limit (?P<limit>\d+) <= usage (?P<usage>\d+)",
            r"cannot set the memory limit lower than its current usage",
        ),
        verdict="the new memory limit is not above what the container uses now",
        cause="memory.checkBeforeUpdate asks for this refusal; without it cgroup2 would reclaim, then kill.",
        remedy=("Choose a larger limit, or remove memory.checkBeforeUpdate.",),
        reference=SPEC,
        confirm=look.usage,
    ),
)
