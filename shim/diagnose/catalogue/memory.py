"""Memory and swap limits."""

from __future__ import annotations

from shim.diagnose.checks import memory as look
from shim.diagnose.checks.configured import asked, asked_for
from shim.diagnose.entry import (
    EBUSY,
    EINVAL,
    ENOENT,
    ENOMEM,
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
    r"waiting for init preliminary setup[^\n]*(?:caused)?:? \\*\"?EOF",
    r"getting the final child's pid from pipe caused:? \"?EOF",
    r"write (?:init-p|parent): broken pipe",
    r"read (?:init-p|parent): connection reset by peer",
    r"container init exited prematurely",
    r"OOM: read from the init process",
    r"cannot start a (?:stopped process|container that has (?:run and )?stopped)",
    r"(?:executing setns process|exec setns process for init) caused:? \"?exit status \d+",
    r"container init caused:? ?(?:\\*\"\\*\"|\Z)",
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
            writing(r"memory\.(?:kmem\.tcp\.)?limit_in_bytes", EBUSY),
        ),
        verdict="the memory limit ({limit} bytes) is below what the container's cgroup uses already ({usage} bytes)",
        cause="v1 refuses a limit below the present usage. At a start that is the usage of the runtime's own init "
        "process, at an update that of the container.",
        remedy=(
            "For an update: choose more than {usage} bytes, or let the container use less first.",
            (
                "For a start: give it at least 12 MiB. In Kubernetes check the suffix: m means thousandths of a byte, "
                "Mi mebibytes."
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
        cause="The runtime's init process runs inside the container's limit. The rest of the message only reports "
        "that the process is gone. Kernels of RHEL 7 before 3.10.0-514 count kernel memory wrongly, and kill sooner.",
        remedy=(
            (
                "Raise the limit: the start alone needs 12 MiB, and more with hooks and many mounts. In Kubernetes "
                "check the suffix: m means thousandths of a byte, Mi mebibytes."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/3986",
        tell="journalctl -k | grep -i oom shows whether the kernel killed the runtime's process",
        confirm=look.was_killed,
        excluded=look.ample_limit,
        first_beside=r"signal: killed|container create failed: time=|FailedCreatePodSandBox|create pod sandbox|"
        r"kubepods|limits\.memory|OpenShift",
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
        code="memory-above-memsw",
        title="the new memory limit is above the present memory+swap limit",
        ambiguous=(WROTE + writing(r"memory\.limit_in_bytes", EINVAL),),
        verdict="the new memory limit is above the memory+swap limit the cgroup has now",
        cause="v1 requires limit <= memory+swap at every moment. Raising only the limit breaks that.",
        remedy=("Raise both in one update: memory.limit and memory.swap (docker update --memory --memory-swap).",),
        reference=V1_DOC,
        confirm=look.memsw_order,
        tell="cat memory.memsw.limit_in_bytes of the cgroup in the message: is it below the new limit?",
        offer=1,
        layout="v1",
    ),
    Entry(
        code="memory-reservation-invalid",
        title="memory.reservation is not a size",
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
            r"kernel memory accounting not supported by this kernel",
            r"cannot set kernel (?:memory|TCP) with cgroupv2",
            rf"memory\.kmem\.(?:tcp\.)?limit_in_bytes[`'\"]?: (?:{EOPNOTSUPP}|{EINVAL}|{ENOENT})",
            writing(r"memory\.kmem\.(?:tcp\.)?limit_in_bytes", rf"(?:{EOPNOTSUPP}|{EINVAL})"),
            opening(r"memory\.kmem\.(?:tcp\.)?limit_in_bytes", ENOENT),
        ),
        ambiguous=(creating(r"memory\.kmem\.(?:tcp\.)?limit_in_bytes"),),
        tell="ls /sys/fs/cgroup/memory/memory.kmem.*limit_in_bytes: is it missing?",
        offer=1,
        verdict="kernel memory limits (memory.kernel, memory.kernelTCP) do not exist on this host",
        cause="Kernel memory is part of memory.limit. The kernel no longer has separate limits for it.",
        remedy=(
            "Remove memory.kernel and memory.kernelTCP (docker: --kernel-memory).",
            (
                "Nothing of it configured: runc before 1.0-rc94 writes it by itself, and fails since Linux 5.16: "
                "upgrade docker, containerd.io, microk8s or k3s."
            ),
            "The kubelet, k3s: only Linux 6.1.54 lacks the file; 6.1.55 has it again. runc 1.1.10 does not need it.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/557",
        confirm=asked_for(("memory", "kernel"), ("memory", "kernelTCP")),
    ),
    Entry(
        code="oom-killer-on-cgroup2",
        title="cgroup2 cannot disable the OOM killer",
        patterns=(r"cannot disable OOM killer with cgroupv2",),
        verdict="memory.disableOOMKiller does not exist on cgroup2",
        cause="cgroup2 always kills at memory.max. crun refuses the field, and runc ignores it.",
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
        patterns=(
            rf"mkdir (?P<path>/sys/fs/cgroup/memory/[^\n:]*): {ENOSPC}",
            rf"{ENOSPC} - failed to create directory '(?P<path2>/sys/fs/cgroup/memory/[^'\n]*)'",  # LXC
        ),
        # crun continues without the parent that it could not make
        ambiguous=(
            making(rf"(?:{ENOSPC}|{EBUSY})"),
            rf"creating cgroup directory `?(?P<path3>/sys/fs/cgroup/memory/[^`\n]*)`?: {ENOENT}",
        ),
        verdict="cannot create another memory cgroup: all 65535 ids are in use (ENOSPC, since Linux 6.12 EBUSY)",
        cause="Removed cgroups keep their id until the last page charged to them is freed. Kernels 3.10 and 4.x never "
        "free it "
        "once kernel memory is limited, as the kubelet and runc did.",
        remedy=(
            "Kernel 3.10, 4.x: reboot, and boot with cgroup.memory=nokmem; or upgrade the kernel.",
            (
                "echo 3 > /proc/sys/vm/drop_caches frees some ids. Then find the program that creates cgroups and "
                "does not remove them."
            ),
        ),
        reference="https://github.com/moby/moby/issues/24559",
        confirm=look.crowded,
        tell="find /sys/fs/cgroup -type d | wc -l: are there tens of thousands?",
        offer=2,
    ),
    Entry(
        code="kernel-memory-accounting-leak",
        title="kernel memory accounting of old kernels leaks cgroups",
        ambiguous=(rf"mkdir (?P<path>/sys/fs/cgroup/memory/[^\n:]*): (?:{ENOMEM}|{ENOSPC})",),
        verdict="this kernel leaks memory cgroups once kernel memory is accounted: {path} cannot be created",
        cause="This is a known bug of the 3.10 kernels. A runc that was built without nokmem switches the accounting "
        "on.",
        remedy=("Boot with cgroup.memory=nokmem, or use a newer kernel.",),
        reference="https://github.com/opencontainers/runc/issues/1725",
        confirm=look.old_kernel,
        tell="uname -r: is it 3.10 (RHEL 7, CentOS 7, some NAS)? grep memory /proc/cgroups: tens of thousands "
        "in the third column?",
        offer=1,
        rank=40,
    ),
    Entry(
        code="memory-update-below-usage",
        title="checkBeforeUpdate: the new limit is below the usage",
        patterns=(
            r"rejecting memory(?:\+swap)? limit (?P<limit>\d+) <= usage (?P<usage>\d+)",
            r"cannot set the memory limit lower than its current usage",
            r"cannot decrease memory limit to (?P<limit2>\d+) bytes: current usage is (?P<usage2>\d+)",
            r"attempting to set [^\n]* memory limit \((?P<limit3>\d+)\) below current usage \((?P<usage3>\d+)\)",
        ),
        verdict="the new memory limit is not above what the container uses now",
        cause="memory.checkBeforeUpdate asks for this refusal. Without it, cgroup2 would reclaim memory and then kill.",
        remedy=(
            "Choose a larger limit. config.json: or remove memory.checkBeforeUpdate. CRI-O and the kubelet always ask.",
        ),
        reference=SPEC,
        confirm=look.usage,
    ),
    Entry(
        code="soft-limit-on-realtime-kernel",
        title="a realtime kernel has no soft memory limit on v1",
        patterns=(writing(r"memory\.soft_limit_in_bytes", EOPNOTSUPP),),
        verdict="memory.soft_limit_in_bytes cannot be set: this kernel is built with PREEMPT_RT (EOPNOTSUPP)",
        cause="Since Linux 5.18 a kernel with PREEMPT_RT refuses the soft limit of v1.",
        remedy=(
            "Start without memory.reservation (docker: --memory-reservation; compose: mem_reservation).",
            "uname -v shows PREEMPT_RT: boot the distribution's ordinary kernel, or with cgroup2 (memory.low).",
        ),
        reference="https://github.com/IceWhaleTech/CasaOS/issues/1832",
        layout="v1",
    ),
)
