"""Whole families of messages, by the failed operation and its errno: tried only if no other entry fits the words.

Runtimes have more wordings for a cgroup file that cannot be opened than any list. The kernel's meaning of the errno is
the same in all of them.
"""

from __future__ import annotations

from shim.diagnose.entry import (
    CHARACTER,
    EACCES,
    EBUSY,
    EINTR,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ERANGE,
    EROFS,
    Entry,
)

KERNEL = "Linux Documentation/admin-guide/cgroup-v2.rst"
V1 = "Linux Documentation/admin-guide/cgroup-v1/cgroups.rst"
INTERFACE = (
    r"\b(?!io\.(?!(?:max|weight|stat|latency|low|prio|pressure|cost|bfq)\b))"
    r"(?:cgroup|memory|cpu|cpuset|cpuacct|pids|io|blkio|hugetlb|rdma|misc|dmem|devices|freezer|net_cls|net_prio"
    r"|perf_event)"
    r"\.[a-zA-Z0-9_][\w.]*(?![\w.])"
)
# The host's tree, not the place of a mount below a container's root file system.
BELOW_ROOT = r"(?<!rootfs)(?<!merged)(?<!/diff)(?<![0-9a-f]{12})"
PLACE = rf"(?P<path>{BELOW_ROOT}/sys/fs/cgroup\b{CHARACTER}*)"
# Between a path and the errno there may be a quote and the rest of a clause, or a second subject; after a file without
# its path the rest of a clause. Nothing may match the same characters twice: that takes time without end on long lines.
WORD = r"(?:[^\n:]|:(?=\S))"
CLAUSES = rf"(?:: {WORD}{{1,80}}){{0,2}}: "
AFTER_PATH = rf"(?:[`'\"]{WORD}{{0,140}})?{CLAUSES}"
AFTER_FILE = rf"{WORD}{{0,140}}{CLAUSES}"
REFUSED = rf"(?:{EINVAL}|{ERANGE}|{EOVERFLOW}|no such device or address)"
SCOPE = "systemd-run --user --scope -p Delegate=yes <command>"


def cgroup(error: str) -> str:
    """Match: an operation on a cgroup's file or directory failed with `error`; group `path`."""
    made = r"[Ff]ailed to create (?:cgroup|control group) (?P<path9>/[^\n:]+)"
    moved = r"Couldn't move process \d+ to (?:directly )?requested cgroup '?(?P<path8>/[^\n:']+)'?"
    place = rf"(?:(?<!mount: ){PLACE}{AFTER_PATH}|(?:{made}|{moved}){CLAUSES})"
    return rf"(?:{place}|(?P<path7>{INTERFACE}){AFTER_FILE}){error}"


ENTRIES = (
    Entry(
        code="cgroup-file-missing",
        title="a file or directory of a cgroup is not there",
        ambiguous=(
            r"Failed to open cgroups? file: (?P<path>/sys/fs/cgroup\S*)",
            cgroup(rf"(?:{ENOENT}|{ENODEV}|bad file descriptor)"),
        ),
        verdict="{path} is not there: its cgroup is gone, or has no such controller",
        cause="ENOENT has three usual causes: the cgroup was removed meanwhile; its controller is not enabled in the "
        "parent (cgroup2) or not mounted (v1); or the kernel was built without this limit.",
        remedy=(
            "Start the container again, which gives it a new cgroup. exec into it cannot work any more.",
            "If it comes back: leave the limit out, or enable its controller on the way from the root down.",
        ),
        tell="ls the directory: where it is missing, the cgroup is gone; where other files of the controller are there "
        "and this is not, the kernel lacks it; else cat cgroup.controllers in it, and cgroup.subtree_control above it.",
        reference=KERNEL,
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-value-refused",
        title="the kernel refuses a value for a file of a cgroup",
        ambiguous=(
            rf"(?P<path>/sys/fs/cgroup/{CHARACTER}*\.(?!procs|threads){CHARACTER}+){AFTER_PATH}{REFUSED}",
            rf"(?P<path2>(?!cgroup\.procs){INTERFACE}){AFTER_FILE}{REFUSED}",
        ),
        verdict="the kernel refuses the value for {path}",
        cause="The value is not a number, is out of range, or does not fit its neighbours (EINVAL, ERANGE, EOVERFLOW): "
        "the parent's limit, the existing CPUs and nodes, or a second file that belongs to it.",
        remedy=(
            "Compare what was written with the parent's file of the same name, and correct the limit.",
            "Leave the limit out to see whether the container starts without it.",
        ),
        tell="cat the same file in the parent's directory, and dmesg | tail",
        reference=KERNEL,
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-busy",
        title="a cgroup is in use, so it cannot be changed or removed",
        ambiguous=(
            cgroup(EBUSY),
            (
                r"(?:cannot delete path|[Ff]ailed to remove paths?|unable to remove(?! (?:root )?filesystem))"
                rf"[^\n]*{EBUSY}"
            ),
            rf"cannot (?:destroy subsystem|delete path) [^\n]*{EBUSY}",
        ),
        verdict="a cgroup cannot be changed or removed while processes or other cgroups are in it: {path}",
        cause="EBUSY: processes are left (hanging in state D, frozen, or started by exec), cgroups below it exist, or "
        "on cgroup2 it has both processes and controllers for children.",
        remedy=(
            "find the cgroup's directory -name cgroup.procs | xargs cat: end these processes, then repeat.",
            "A process in state D waits for a disk or network file system; only its return, or a reboot, ends it.",
        ),
        tell="cat cgroup.procs and cgroup.subtree_control in the cgroup; ps -o pid,stat,wchan:30,cmd -p <pids>",
        reference=KERNEL,
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-access-denied",
        title="this process may not change the cgroup",
        ambiguous=(
            cgroup(rf"(?:{EACCES}|{EPERM})"),
            r"cgroup manager can ?not access cgroup \(rootless container\)",
            rf"open cgroup (?:sub-)?directory(?: `[^`\n]*`)?: (?:{EACCES}|{EPERM})",
            rf"cannot (?:chown|get file owner for) [`'\"]?{PLACE}[^\n]*: [^\n]+",
        ),
        verdict="this process may not change {path}",
        cause="The cgroup belongs to another user or was not delegated (rootless), an outer container shows cgroups "
        "that it protects, or a security module forbids it. An old runtime says EACCES where a v1 file does not exist.",
        remedy=(
            f"Rootless: cgroup2, a login session, and {SCOPE}",
            (
                "Inside a container: start the outer one with --privileged and --cgroupns=private, or do not limit the "
                "inner one."
            ),
            "docker from snap: its AppArmor profile may be too narrow: snap remove docker; apt-get install docker.io.",
        ),
        tell="ls -ld the path: who owns it, is it there? id -u; grep cgroup /proc/self/mountinfo",
        reference=f"{KERNEL}, Delegation",
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-not-writable",
        title="the cgroup file system is read-only for this process",
        ambiguous=(cgroup(EROFS), rf"[`'\"]?(?P<path2>/sys/fs/cgroup[^\s`'\":]*)(?![^\s`'\":])[^\n]{{0,300}}?{EROFS}"),
        verdict="{path} is on a cgroup file system that is mounted read-only here",
        cause="Engines mount cgroups read-only into a container that is not privileged. A service with "
        "ProtectControlGroups=yes sees them so, too.",
        remedy=(
            "Start the outer container with --privileged (or podman --security-opt unmask=/sys/fs/cgroup).",
            "For a systemd service: ProtectControlGroups=no and Delegate=yes.",
        ),
        tell="grep cgroup /proc/self/mountinfo: does it say ro?",
        reference="https://github.com/opencontainers/runc/issues/2639",
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-room-missing",
        title="the kernel has no room for another cgroup, or none in this one",
        ambiguous=(cgroup(rf"(?:{ENOSPC}|{ENOMEM}|resource temporarily unavailable)"),),
        verdict="the kernel has no room for {path}",
        cause="Creating: leaked cgroups fill the kernel's 65535 memory cgroups (zombies after kernel memory was "
        "limited), or cgroup.max.descendants is reached. cpuset: the set is empty. cgroup.procs: pids.max or realtime "
        "time is used up. ENOMEM can also mean that the kernel itself has no memory left.",
        remedy=(
            (
                "grep memory /proc/cgroups; cat /sys/fs/cgroup/cgroup.stat: many (dying) cgroups are a leak of old "
                "kernels; echo 3 > /proc/sys/vm/drop_caches helps for a while, a newer kernel for good."
            ),
            "cpuset on v1: write the parent's cpuset.cpus and cpuset.mems first.",
        ),
        tell="cat /proc/cgroups; cat cgroup.max.descendants and pids.max on the way down",
        reference=V1,
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-operation-unsupported",
        title="the kernel does not support this operation on the cgroup",
        ambiguous=(cgroup(EOPNOTSUPP),),
        verdict="the kernel does not support this for {path}",
        cause="EOPNOTSUPP: on cgroup2 the cgroup is threaded or domain invalid; or the limit needs something that the "
        "device, its I/O scheduler or the kernel's configuration does not have.",
        remedy=(
            "cgroup2: choose a cgroup of type domain, or a new one; its siblings are threaded because of the parent.",
            "Leave the limit out to see whether the container starts without it.",
        ),
        tell="cat cgroup.type in the cgroup and in its parent; dmesg | tail",
        reference=f"{KERNEL}, Threads",
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-write-interrupted",
        title="a signal interrupted the write to the cgroup",
        ambiguous=(cgroup(EINTR),),
        verdict="a signal came while the kernel worked on {path}",
        cause="EINTR: lowering a memory limit makes the kernel reclaim memory, which may take long. Somebody ended "
        "the runtime meanwhile, as engines do after a timeout, or its language sent it a signal.",
        remedy=(
            "Do it again. If it happens each time, the limit is far below what the container uses: lower it in steps.",
            "Upgrade the runtime: runc repeats such a write since 1.0-rc91.",
        ),
        tell="cat memory.usage_in_bytes or memory.current of the cgroup: is it far above the limit?",
        reference="https://github.com/opencontainers/runc/commit/f34eb2c00",
        offer=1,
        last=True,
    ),
    Entry(
        code="systemd-request-failed",
        title="systemd, or the way to it, refused a request about the container's unit",
        ambiguous=(
            r"sd-bus (?:call|message|open|close|match|add|process|wait)[^\n]*: [^\n]+",
            r"cannot open sd-bus: [^\n]+",
            r"(?:set up dbus message|sd_bus_message_\w+): [^\n]+",
            r"(?:unable|failed) to (?:start|stop|set properties of|get) (?:systemd )?(?:unit|slice|scope)[^\n]*",
            r"(?:error|unable)[^\n]* (?:setting|set) unit properties[^\n]*",
            r"(?:dbus|D-Bus|org\.freedesktop\.(?:DBus|systemd1))[^\n]*(?:error|failed|denied|closed|refused)[^\n]*",
            r"could not execute `(?:busctl|systemctl) [^\n]*",
            r"could not detect the OwnerUID[^\n]*",
            r"error (?:while )?(?:dialing|authenticating connection|sending Hello message)[^\n]*",
            r"(?:did not|could not|cannot|failed to) create (?:systemd|pod) (?:cgroup|slice|scope)[^\n]*",
        ),
        verdict="systemd did not do what the runtime asked it for the container's unit",
        cause="The last words are systemd's or the bus's own. Usual: no session of the user (su, sudo, cron, CI), a "
        "unit "
        "of the same name that is left, a property that this systemd does not know, systemd or dbus being restarted.",
        remedy=(
            "journalctl -b _PID=1 | tail (rootless: journalctl --user) shows systemd's reason.",
            "Rootless: loginctl enable-linger $USER, and log in as that user itself; root: systemctl daemon-reexec.",
            "Or the cgroupfs driver: podman --cgroup-manager cgroupfs; containerd: SystemdCgroup = false.",
        ),
        tell="systemctl (--user) is-system-running; loginctl show-user $USER -p Linger; ls -l /run/user/$(id -u)/bus",
        reference="org.freedesktop.systemd1(5)",
        offer=2,
        last=True,
    ),
)
