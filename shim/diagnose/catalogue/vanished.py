"""A cgroup that was there and is gone, that cannot be frozen, or whose state an outer layer distorts."""

from __future__ import annotations

from shim.diagnose.checks import vanished as look
from shim.diagnose.entry import CHARACTER, EACCES, EBUSY, EINVAL, ENODEV, ENOENT, EPERM, V1_HIERARCHY, Entry, writing

CGROUP = rf"(?P<path>/sys/fs/cgroup/{CHARACTER}+)"
PROCS = rf"[`'\"]?{CGROUP}/(?:cgroup\.procs|tasks)[`'\"]?"
OPENED = r"\b(?:open|openat2|opening|opening file|lstat|stat|access|error reading from file)"
ENTRIES = (
    Entry(
        code="exec-cgroup-vanished",
        title="the cgroup in which exec should start is gone: the container moved or removed it",
        patterns=(rf"can't open cgroup: [^\n]*?{CGROUP}: {ENOENT}",),
        verdict="exec cannot enter {path}: the container moved its processes away and removed that cgroup",
        cause="runc 1.4.0 starts exec in the cgroup that the container was given, and fails if that cgroup is gone. A "
        "container in the host's cgroup namespace with a writable /sys/fs/cgroup (docker in docker, k3d, buildkitd, "
        "systemd) can move to a cgroup of its own; the empty one is then removed. Probes that use exec fail, too.",
        remedy=(
            (
                "Upgrade runc to 1.4.1 or later, which then enters the cgroup of the container's first process, as "
                "1.3 does."
            ),
            "Kubernetes: use a TCP or HTTP probe instead of exec for this container.",
        ),
        reference="https://github.com/opencontainers/runc/issues/5089",
        confirm=look.gone,
        rank=30,
    ),
    Entry(
        code="container-cgroup-vanished",
        title="the container's cgroup is gone",
        patterns=(
            rf"failed to write \d+: {OPENED} {PROCS}: {ENOENT}",
            rf"{OPENED} {PROCS}(?: for writing)?: {ENOENT}",
            rf"\bwrite {PROCS}: {ENODEV}",  # removed between open and write
            r"Unit (?P<unit>\S+\.scope) (?:is )?not (?:found|loaded)",
            r"cgroup (?:PIDs|path): [^\n]*no such file",
            rf"open cgroup (?:sub-)?directory(?: `[^`\n]*`)?: (?:{ENOENT}|{ENODEV})",
        ),
        ambiguous=(
            r"\bcgroup deleted\b",
            rf"\b(?:write|write to) {PROCS}: {ENOENT}",
            (
                rf"{OPENED} [`'\"]?(?P<path2>/sys/fs/cgroup/{CHARACTER}+\.scope(?:/[^\s/]+)?)/[a-z]+\.[\w.]+"
                rf"[`'\"]?: {ENOENT}"
            ),
            (
                rf"{OPENED} [`'\"]?(?P<path3>{V1_HIERARCHY}{CHARACTER}+?)/(?P<file>[a-z_]+\.[\w.]+)[`'\"]?(?: for "
                rf"writing)?: "
                rf"{ENOENT}"
            ),
            rf"mounting [^\n]*cgroup[^\n]*: stat (?P<path5>/sys/fs/cgroup/(?:[^\n:]|:(?! ))+): {ENOENT}",
            rf"{OPENED} `(?P<path4>{V1_HIERARCHY.replace('controller', 'controller2')}[^`\n]+)`: {ENOENT}",
        ),
        verdict="the container's cgroup no longer exists: {path}",
        cause="The controller is not at fault: something removed the cgroup. Its last process ended during the start "
        "(a race), systemd removed the scope (daemon-reload, an upgrade, another cgroup driver; with runc before "
        "1.0-rc5 also while it made it), or somebody else did. exec, update and probes of such a container fail, too.",
        remedy=(
            "Start the container again (Kubernetes: delete the pod; docker, podman: restart it).",
            (
                "If it happens again: use the same cgroup driver in the kubelet and the engine, and let only one "
                "systemd instance manage the slice (Delegate=yes for the engine's unit)."
            ),
        ),
        reference="https://github.com/opencontainers/runc/pull/1683, "
        "https://github.com/opencontainers/runc/issues/4620",
        tell="ls -d the cgroup of the message: does it exist? Did the container just end? grep cgroup "
        "/proc/<pid of the container>/mountinfo",
        confirm=look.gone,
        offer=2,
        rank=37,
    ),
    Entry(
        code="cgroup-not-freezable",
        title="the container's cgroup cannot be frozen in time",
        patterns=(
            r"unexpected state \w+ while freezing",
            r"expected \"cgroup\.freeze\"[^\n]* to be [^\n]*",
            r"timeout of \S+ reached waiting for the cgroup to (?:freeze|thaw)",
            r"unexpected state \w+ while freezing",
            r"expected \"cgroup\.freeze\"[^\n]* to be [^\n]*",
            r"timeout of \S+ reached waiting for the cgroup to (?:freeze|thaw)",
            r"\bunable to freeze\b",
            r"freez(?:e|ing)[^\n]*(?:timed out|timeout|not in the expected state)",
            r"(?:cannot|can't|failed to) freeze (?:container|cgroup)",
        ),
        verdict="the runtime could not freeze the container's cgroup in time, and gave up",
        cause="With the systemd driver on v1, runc freezes the container while it changes the device rules. A process "
        "does not freeze while it gets no CPU time (a full or throttled node) or hangs in the kernel (state D).",
        remedy=(
            "Look for starved or hanging processes: ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /^D/'; top",
            "Reserve CPU for the system (kubelet: systemReserved, kubeReserved), or start fewer containers at once.",
            "Upgrade runc to 1.1.13, 1.2 or later, or use a host with cgroup2, where this freeze is not needed.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/131087",
        tell="cat /sys/fs/cgroup/freezer/<the container's cgroup>/freezer.state: FREEZING means that a process "
        "does not stop",
    ),
    Entry(
        code="devices-distorted-by-outer-layer",
        title="the outer layer shows another device list than runc wrote",
        patterns=(r"resulting devices cgroup doesn't match target mode",),
        verdict="the device rules that runc wrote did not take effect: an outer layer (Virtuozzo, OpenVZ, LXC) "
        "changes them",
        cause="runc before 1.0 computes the rules to write from the outer device list, and refuses if the result "
        "differs. Virtuozzo and LXC show another list than they enforce.",
        remedy=(
            "Upgrade docker and runc (1.0 or later, containerd.io 1.4.8 or later), or keep docker 19.03.",
            "Ask the provider for a real virtual machine (KVM) instead of a container (OpenVZ, Virtuozzo).",
        ),
        reference="https://github.com/mailcow/mailcow-dockerized/issues/3953",
    ),
    Entry(
        code="oom-control-refused",
        title="the host does not let the OOM killer be switched off",
        patterns=(writing(r"memory\.oom_control", rf"(?:{EACCES}|{EPERM}|{EINVAL}|{EBUSY})"),),
        verdict="the OOM killer of this container cannot be switched off: memory.oom_control refuses it",
        cause="OpenVZ and Virtuozzo, which many rented servers use, forbid it in containers. EINVAL comes from a "
        "cgroup whose children have other settings.",
        remedy=(
            "Compose: remove oom_kill_disable: true from every service. docker: leave out --oom-kill-disable.",
            "Use oom_score_adj: (docker: --oom-score-adj), so that other processes are killed first.",
        ),
        reference="https://github.com/mailcow/mailcow-dockerized/issues/1629",
        tell="ls /proc/vz /proc/user_beancounters: they exist on OpenVZ and Virtuozzo",
    ),
    Entry(
        code="kernel-memory-on-occupied-cgroup",
        title="a kernel memory limit is set on a cgroup that is in use",
        patterns=(
            r"failed to set memory\.kmem\.limit_in_bytes, because either tasks have already joined",
            writing(r"memory\.kmem\.limit_in_bytes", EBUSY),
        ),
        verdict="the kernel memory limit cannot be set: the cgroup has processes or children already (EBUSY)",
        cause="Kernels before 4.6 accept a kernel memory limit only for an empty cgroup. The limit is deprecated "
        "since Linux 5.4, and runc no longer sets it since 1.0-rc94.",
        remedy=(
            (
                "Remove it: docker --kernel-memory, compose kernel_memory, memory.kernel of config.json. --memory "
                "limits kernel memory too."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/1083",
    ),
    Entry(
        code="freezer-without-cgroup",
        title="a container without a cgroup of its own cannot be paused or listed",
        patterns=(
            r"pause[^\n]*cannot toggle freezer: cgroups not configured for container",
            r"cannot (?:pause|resume) the container without a cgroup",
            rf"freezer not supported: [^\n]*?(?P<path>/sys/fs/cgroup/{CHARACTER}+)/cgroup\.freeze: {ENOENT}",
            r"cannot (?:pause|resume|freeze) the container without a cgroup",
            rf"getting all container pids from cgroups[^\n]*lstat : {ENOENT}",
            r"no such directory for freezer\.state(?!\s+Error: error pausing container)",  # runc before 1.0, on v1
        ),
        verdict="the container has no cgroup of its own: it cannot be paused, nor its processes listed",
        cause="Pausing freezes the container's cgroup, and top reads its processes from it. gVisor, and a rootless "
        "engine without delegated cgroups (docker info: Cgroup Driver: none), start containers without one. On "
        "cgroup2, freezing needs Linux 5.2; on v1, a hierarchy with the freezer controller.",
        remedy=(
            "Rootless: let the engine use systemd as its cgroup driver, on cgroup2, with delegation.",
            "If that is not possible: stop the container instead of pausing it; ps instead of top.",
        ),
        reference="https://github.com/docker/desktop-feedback/issues/27",
        rank=50,
    ),
)
