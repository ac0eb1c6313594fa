"""Failures of unprivileged callers, and of processes without the required capabilities."""

from __future__ import annotations

from shim.diagnose.catalogue.units import SCOPE_REFUSED
from shim.diagnose.checks import devices
from shim.diagnose.checks import privileges as look
from shim.diagnose.entry import EACCES, ENOSPC, EPERM, Entry, making, named

# Limits, but no file that has an entry of its own.
LIMITS = r"(?:memory|cpu|cpuset|pids|io|blkio|hugetlb|net_cls|net_prio|rdma|misc|dmem|freezer)\.(?!oom_control)[\w.]+"
CONTAINMENT = "Linux Documentation/admin-guide/cgroup-v2.rst, Delegation Containment"
RLIMIT = (
    rf"error setting rlimit type (?P<number>\d+): {EPERM}",
    rf"setrlimit `?(?P<name>RLIMIT_\w+)`?: {EPERM}",
)

ENTRIES = (
    Entry(
        code="rootless-without-cgroup-permission",
        title="limits for a user who may not create cgroups",
        patterns=(r"rootless needs no limits \+ no cgrouppath when no permission is granted for cgroups",),
        verdict="this user may not create cgroups, so the container's limits cannot be set",
        cause="Without delegation an unprivileged runtime has no cgroup to write to. crun drops the limits silently "
        "in this case.",
        remedy=(
            (
                "As a user: loginctl enable-linger $USER; log in again; use the systemd cgroup driver (podman does "
                "by default)"
            ),
            "or start inside a delegated scope: systemd-run --user --scope -p Delegate=yes <command>",
            (
                "Without systemd (OpenRC, elogind), as root: mkdir /sys/fs/cgroup/$USER; chown -R $USER it; enable its "
                "controllers in cgroup.subtree_control above; echo the shell's pid > its cgroup.procs."
            ),
            "or without limits: leave out --memory, --cpus and --pids-limit.",
        ),
        reference="https://rootlesscontaine.rs/getting-started/common/cgroup2/",
        confirm=look.unprivileged,
    ),
    Entry(
        code="cgroup-belongs-to-another-user",
        title="the parent cgroup belongs to another user",
        patterns=(making(EACCES),),
        verdict="this user may not create a cgroup at {path} (EACCES)",
        cause="The parent directory belongs to another user: it was not delegated to this user. Where this is root: "
        "SELinux or AppArmor, or the outer container of a virtual server, forbids it. A v1 hierarchy (a controller's "
        "name, or name=systemd, in the path) cannot be delegated to a user at all.",
        remedy=(
            "Start inside a delegated scope: systemd-run --user --scope -p Delegate=yes <command>",
            "or remove cgroupsPath, so that the runtime uses the user's own cgroup",
            "v1: boot with cgroup2 (systemd.unified_cgroup_hierarchy=1), or run it as root.",
            "A warning of podman about conmon's cgroup alone is harmless: the container starts.",
        ),
        reference=CONTAINMENT,
        confirm=look.foreign_owner,
    ),
    Entry(
        code="cgroup-file-not-writable",
        title="this process may not write to the files of the container's cgroup",
        ambiguous=(
            rf"\b(?:open|opening file|write|write to|writing file) {named(LIMITS)}(?: for writing)?: {EACCES}",
            rf"\b(?:write|write to|writing file) {named(LIMITS)}: {EPERM}",
            rf"\b(?:open|opening file) {named(r'devices[.](?:allow|deny)')}(?: for writing)?: {EACCES}",
            rf"\bopenat2 {named(LIMITS)}: {EACCES}",
            rf"\bopenat2 {named(r'cgroup[.][a-z.]+')}: {EACCES}",
        ),
        verdict="the container's cgroup cannot be set up: this process may not open {path} (EACCES)",
        cause="The file belongs to another user, as in a user namespace or without delegation. Or an outer container "
        "shows the host's cgroups and forbids writing to them.",
        remedy=(
            (
                "Inside a container: start the outer one with --privileged and a private cgroup namespace "
                "(docker, podman: --cgroupns=private), or do not limit the inner one."
            ),
            "Rootless: cgroup2 and a delegated scope: systemd-run --user --scope -p Delegate=yes <command>",
        ),
        reference=CONTAINMENT,
        tell="ls -l on the file: who owns it? If it does not exist at all, the kernel lacks this limit.",
        offer=2,
    ),
    Entry(
        code="delegation-containment",
        title="processes cannot be moved in from outside the delegated subtree",
        patterns=(
            rf"(?:failed to write \d+: )?\bwrit(?:e|ing file|e to) {named(r'(?:cgroup.procs|tasks)')}: {EACCES}",
            rf"unable to start unit [^\n]*Name:PIDs [^\n]*: {EACCES}",  # as runc gets it
        ),
        ambiguous=(SCOPE_REFUSED,),
        verdict="the process may not be moved into {path} (EACCES), even if that directory is this user's",
        cause="Moving a process needs write access to cgroup.procs of the common ancestor of its old and its new "
        "cgroup.",
        remedy=(
            "Start from inside the delegated subtree: systemd-run --user --scope <command>",
            (
                "Rootless: log in as that user itself (ssh, machinectl shell user@), not with su or sudo: the "
                "process must be below user@.service. For services: loginctl enable-linger $USER. cgroup2 with "
                "systemd before 238: upgrade."
            ),
        ),
        reference=CONTAINMENT,
        tell="does systemd[1] log it, or a user's systemd[<pid>]? Only a user's needs delegation; cat "
        "/proc/self/cgroup",
        confirm=look.common_ancestor,
        offer=1,
    ),
    Entry(
        code="rootless-root-not-shared",
        title="RootlessKit notes that the host's root mount is not shared",
        ambiguous=(r"The host root filesystem is mounted as \"(?P<how>[^\"\n]*)\"\. Setting child propagation to",),
        verdict="a notice: the host's root mount is not shared, so later mounts of the host do not reach the "
        "containers",
        cause="Inside a container or a pod, and on hosts without systemd, / is private or a slave. RootlessKit "
        "goes on. "
        "If it then ends, its next line says why.",
        remedy=(
            "On the host: mount --make-rshared /. In a pod or a container: nothing is to be done.",
            "Explain the line that follows it.",
        ),
        reference="https://github.com/rootless-containers/rootlesskit/issues/359",
        tell="findmnt -no PROPAGATION /",
        rank=83,
        offer=1,
        last=True,
    ),
    Entry(
        code="rlimit-above-nr-open",
        title="RLIMIT_NOFILE is above fs.nr_open",
        ambiguous=RLIMIT,
        verdict="RLIMIT_NOFILE is above fs.nr_open, which not even root may exceed (EPERM)",
        cause="fs.nr_open is the largest number of file descriptors that a process may have.",
        remedy=("Lower the limit (docker: --ulimit nofile=), or: sysctl -w fs.nr_open=<more>",),
        reference="Linux Documentation/admin-guide/sysctl/fs.rst, nr_open",
        confirm=look.above_nr_open,
        rank=45,
    ),
    Entry(
        code="rlimit-needs-sys-resource",
        title="a hard limit may not be raised without CAP_SYS_RESOURCE",
        patterns=RLIMIT,
        verdict="a resource limit of the container is above the caller's hard limit (EPERM)",
        cause="Raising a hard limit needs CAP_SYS_RESOURCE. The caller lacks it, as in many virtual machines and "
        "rootless setups. Types by number: 6 nproc, 7 nofile, 8 memlock, 9 as, 14 rtprio.",
        remedy=(
            (
                "docker, podman: lower --ulimit (nofile=, nproc=) to the hard limit in the engine's "
                "/proc/<pid>/limits. Compose: ulimits."
            ),
            (
                'podman without --ulimit: set default_ulimits = ["nofile=1024:4096"] under [containers] in '
                "containers.conf, with numbers up to that limit. With podman 4.3, --ulimit host does not help."
            ),
            (
                "Or raise the engine's own limit: LimitNOFILE= and LimitNPROC= in its unit (rootless: user@.service), "
                "or give it CAP_SYS_RESOURCE. LXC: lxc.prlimit.memlock and the like."
            ),
        ),
        reference="https://github.com/containers/podman/issues/17358",
        confirm=look.rlimit_evidence,
        foresee=devices.no_sys_resource,
    ),
    Entry(
        code="oom-score-may-not-be-lowered",
        title="oom_score_adj may not be lowered",
        patterns=(
            rf"^(?![^\n]*\bconmon\b)[^\n]*\bfailed to (?:update|write to) /proc/(?:self|\d+)/oom_score_adj: {EACCES}",
            (
                r"^(?![^\n]*(?:change OOM score|\bconmon\b))[^\n]*\bwrite(?: to)? [`]?/proc/(?:self|\d+)/oom_score_adj"
                rf"[`]?: {EACCES}"
            ),
        ),
        verdict="process.oomScoreAdj is lower than the caller's own, which needs CAP_SYS_RESOURCE (EACCES)",
        cause="Every process may raise its score. Only a privileged one may lower it.",
        remedy=(
            (
                "docker, podman: --oom-score-adj no lower than the engine's own: cat /proc/$(pidof "
                "dockerd)/oom_score_adj. Compose: oom_score_adj. config.json: process.oomScoreAdj."
            ),
            (
                "Kubernetes sets it by itself (-998 for the pod's own container): give the engine CAP_SYS_RESOURCE. "
                "CRI-O and containerd inside a container: restrict_oom_score_adj = true in containerd's CRI section."
            ),
        ),
        reference="proc_pid_oom_score_adj(5)",
        confirm=look.oom_score,
        rank=15,
    ),
    Entry(
        code="rootless-on-v1",
        title="v1 hierarchies cannot be delegated to users",
        patterns=(
            r"rootless netns[^\n]*\n[^\n]*could not join or create cgroup",
            r"resource limits are not supported and ignored on cgroups V1 rootless systems",
            r"cannot use rootless systemd cgroups manager on cgroup v1",
            r"rootless cgroups requires cgroups v2",  # Singularity
            r"cannot specify resource limits without cgroups v2",  # podman 1.9 to 2.1
        ),
        ambiguous=(r"cannot set (?P<controller>\w+) limit: (?:\w+: )?container could not join or create cgroup",),
        verdict="on v1 hierarchies an unprivileged user has no cgroups: limits need cgroup2",
        cause="v1 has no safe delegation, so engines ignore or refuse the limits of rootless containers. podman 1.9 "
        "to 2.1 prints the same on cgroup2 without systemd as its cgroup manager.",
        remedy=(
            "Boot with cgroup2: systemd.unified_cgroup_hierarchy=1 on the kernel command line.",
            "If /sys/fs/cgroup is cgroup2 already: podman --cgroup-manager=systemd, from a login session.",
        ),
        reference=CONTAINMENT,
        confirm=look.rootless_v1,
        rank=30,
    ),
    Entry(
        code="outer-layer-forbids-namespaces",
        title="an outer layer forbids creating namespaces or mounts",
        patterns=(
            rf"failed to unshare remaining namespaces(?: \(except cgroupns\))?: {EPERM}",
            rf"failed to unshare user namespace: {EPERM}",
            rf"(?:^|: )clone: {EPERM}",
            rf"(?<!start the child: )fork/exec /proc/self/exe: {EPERM}",  # Go: gVisor, rootlesskit, buildkit
            rf"set propagation for `[^`]*`: {EPERM}",
        ),
        ambiguous=(rf"preparing rootfs(?:: mount (?:dst=)?/, flags[^\n]*| caused:?) ?{EPERM}",),
        tell="unshare -m true where the engine runs: is it refused?",
        offer=1,
        verdict="this process may not create namespaces (EPERM): an outer container or sandbox forbids it",
        cause="CAP_SYS_ADMIN is missing, or a seccomp filter blocks unshare and mount. A sysctl may also switch user "
        "namespaces off.",
        remedy=(
            "Start the outer container with --privileged or --cap-add SYS_ADMIN --security-opt seccomp=unconfined",
            (
                "A user on Ubuntu 23.10 or later: an AppArmor profile with userns for the program, or: sysctl -w "
                "kernel.apparmor_restrict_unprivileged_userns=0. Older Debian: sysctl -w "
                "kernel.unprivileged_userns_clone=1"
            ),
        ),
        reference="unshare(2), ERRORS",
        confirm=look.no_namespaces,
        foresee=look.namespaces_out_of_reach,
        rank=18,
    ),
    Entry(
        code="namespace-limit-reached",
        title="no further namespace is allowed",
        patterns=(
            rf"failed to unshare[^\n]*: {ENOSPC}",
            rf"(?:^|: )clone: {ENOSPC}",
            rf"fork/exec /proc/self/exe: {ENOSPC}",
        ),
        verdict="cannot create another namespace: user.max_*_namespaces is reached (ENOSPC)",
        cause="The number of namespaces is limited per user. 0 switches a kind off.",
        remedy=(
            (
                "sysctl -a 2>/dev/null | grep 'user.max_.*_namespaces' shows the limits. Raise one: sysctl -w "
                "user.max_user_namespaces=15000"
            ),
        ),
        reference="namespaces(7), The /proc/sys/user directory",
        confirm=look.namespace_limits,
        rank=18,
    ),
)
