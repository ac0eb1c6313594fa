"""Whole families of messages, by what failed and its errno: asked only where no other entry fits the words.

Runtimes have more wordings for a cgroup file that cannot be opened than anybody can list. What the kernel means by the
errno is the same in all of them.
"""

from __future__ import annotations

from shim.diagnose.entry import (
    CHARACTER,
    EACCES,
    EBUSY,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EPERM,
    ERANGE,
    EROFS,
    Entry,
)

KERNEL = "Linux Documentation/admin-guide/cgroup-v2.rst"
V1 = "Linux Documentation/admin-guide/cgroup-v1/cgroups.rst"
INTERFACE = (
    r"\b(?:cgroup|memory|cpu|cpuset|cpuacct|pids|io|blkio|hugetlb|rdma|misc|devices|freezer|net_cls|net_prio|perf_event)"
    r"\.[a-zA-Z0-9_]+[\w.]*"
)
SUBJECT = rf"(?P<path>/sys/fs/cgroup\b{CHARACTER}*|{INTERFACE})"
# Between the subject and the errno stand quotes, the rest of a clause, or a second subject.
LINK = r"[^\n:]{0,80}(?:: [^\n:]{1,80}){0,2}: "
SCOPE = "systemd-run --user --scope -p Delegate=yes <command>"


def cgroup(error: str) -> str:
    """Something about a cgroup's file or directory failed with `error`; group `path`."""
    return rf"{SUBJECT}{LINK}{error}"


def mount(error: str) -> str:
    """Some mount, remount or move failed with `error`; group `source`."""
    source = r"[`'\"\\]*(?P<source>[^\s`'\"\\]+)[`'\"\\]*"
    return rf"\b(?:re)?mount(?:ing|ed)?(?: point)? {source}[^\n]*: {error}"


ENTRIES = (
    Entry(
        code="cgroup-file-missing",
        title="a file or directory of a cgroup is not there",
        ambiguous=(
            r"Failed to open cgroups? file: (?P<path>/sys/fs/cgroup\S*)",
            cgroup(rf"(?:{ENOENT}|{ENODEV})"),
            r"no such directory for (?P<path>\S+)",
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
        ambiguous=(cgroup(rf"(?:{EINVAL}|{ERANGE}|no such device or address)"),),
        verdict="the kernel refuses the value for {path}",
        cause="EINVAL, ERANGE: the value is no number, out of range, or does not fit its neighbours: the parent's limit, "
        "the CPUs and nodes that exist, a second file that it belongs to.",
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
        title="a cgroup is in use, so that it cannot be changed or removed",
        ambiguous=(
            cgroup(EBUSY),
            rf"(?:cannot delete path|[Ff]ailed to remove paths?|unable to remove)[^\n]*{EBUSY}",
            rf"cannot (?:destroy subsystem|delete path) [^\n]*{EBUSY}",
        ),
        verdict="a cgroup cannot be changed or removed while processes or other cgroups are in it: {path}",
        cause="EBUSY: processes are left (hanging in state D, frozen, or started by exec), cgroups below it exist, or on "
        "cgroup2 it has both processes and controllers for children.",
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
            rf"cannot (?:chown|get file owner for) [`'\"]?{SUBJECT}[^\n]*: [^\n]+",
        ),
        verdict="this process may not change {path}",
        cause="The cgroup belongs to another user or was not delegated (rootless), an outer container shows cgroups "
        "that it protects, or a security module forbids it. An old runtime says EACCES where a v1 file does not exist.",
        remedy=(
            f"Rootless: cgroup2, a login session, and {SCOPE}",
            "Inside a container: start the outer one with --privileged and --cgroupns=private, or do not limit the "
            "inner one.",
        ),
        tell="ls -ld the path: who owns it, is it there? id -u; grep cgroup /proc/self/mountinfo",
        reference=f"{KERNEL}, Delegation",
        offer=1,
        last=True,
    ),
    Entry(
        code="cgroup-not-writable",
        title="the cgroup file system is read-only for this process",
        ambiguous=(cgroup(EROFS), rf"[`'\"]?(?P<path2>/sys/fs/cgroup[^\s`'\":]*)[`'\"]?[^\n]*{EROFS}"),
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
        cause="Creating: leaked cgroups fill the kernel's 65535 memory cgroups (zombies after kernel memory was limited), "
        "or cgroup.max.descendants is reached. cpuset: the set is empty. cgroup.procs: pids.max or realtime time is used "
        "up.",
        remedy=(
            "grep memory /proc/cgroups; cat /sys/fs/cgroup/cgroup.stat: many (dying) cgroups are a leak of old kernels; "
            "echo 3 > /proc/sys/vm/drop_caches helps for a while, a newer kernel for good.",
            "cpuset on v1: write the parent's cpuset.cpus and cpuset.mems first.",
        ),
        tell="cat /proc/cgroups; cat cgroup.max.descendants and pids.max on the way down",
        reference=V1,
        offer=1,
        last=True,
    ),
    Entry(
        code="mount-not-permitted",
        title="a mount of the container is not permitted",
        ambiguous=(mount(rf"(?:{EPERM}|{EACCES})"), rf"mount through procfd: (?:{EPERM}|{EACCES})"),
        verdict="the kernel, or a security module, does not permit the container's mount of {source}",
        cause="EPERM: no CAP_SYS_ADMIN over the mount namespace, flags that an outer user namespace has locked, or a "
        "/proc or /sys that is partly covered outside. EACCES: AppArmor or SELinux, a read-only device, or a directory "
        "that this user may not search (NFS, FUSE, /root).",
        remedy=(
            "Rootless: compare the source's mount flags (nosuid, nodev, noexec, ro) with what is asked; add them.",
            "Inside a container: --privileged, or security.nesting=true (LXD, Incus), features nesting=1 (Proxmox).",
            "dmesg | grep -i denied names the security module's rule.",
        ),
        tell="findmnt -T the source: its options; namei -l on it; dmesg | grep -i denied; cat /proc/self/uid_map",
        reference="mount_namespaces(7), Restrictions on mount namespaces",
        offer=1,
        last=True,
    ),
    Entry(
        code="mount-refused-by-kernel",
        title="the kernel does not accept a mount of the container",
        ambiguous=(mount(rf"(?:{EINVAL}|{ENODEV}|{ENOSYS}|unknown filesystem type[^\n]*|wrong fs type[^\n]*)"),),
        verdict="the kernel does not accept the container's mount of {source}",
        cause="EINVAL: an option that this file system or this kernel does not know, or a source that is no mount or is "
        "unbindable. ENODEV: the kernel has no such file system (a v1 controller, overlay, fuse). ENOSYS: the new mount "
        "calls (fsopen, mount_setattr) are missing or filtered.",
        remedy=(
            "dmesg | tail often names the option. Remove it, or modprobe the file system.",
            "cgroup mounts: grep the controller in /proc/cgroups and /sys/fs/cgroup/cgroup.controllers; it can be only in "
            "one of the two.",
        ),
        tell="dmesg | tail; cat /proc/filesystems; uname -r",
        reference="mount(2)",
        offer=1,
        last=True,
    ),
    Entry(
        code="mount-place-missing",
        title="the source or the place of a mount is not there",
        ambiguous=(mount(rf"(?:{ENOENT}|not a directory|is a directory|{EROFS}|too many levels of symbolic links)"),),
        verdict="the source, or the place in the container, of the mount of {source} is not there or of another kind",
        cause="ENOENT: the source was removed or lies on a volume that is not mounted (yet), or the root file system has "
        "no such directory. ENOTDIR, EISDIR: a file is to be mounted on a directory. EROFS: the place would have to be "
        "made in a read-only root.",
        remedy=(
            "ls -ld the source on the host where the engine runs (a virtual machine has other files).",
            "Make the place in the image, or mount elsewhere.",
        ),
        tell="ls -ld the source; look into the image: is the destination there, of the same kind?",
        reference="mount(2)",
        offer=1,
        last=True,
    ),
    Entry(
        code="mount-busy",
        title="the place of a mount is in use",
        ambiguous=(mount(EBUSY), rf"(?:umount|unmount(?:ing)?|remov(?:e|ing)|unlinkat) [^\n]*{EBUSY}"),
        verdict="the place of a mount is in use, or has that mount already",
        cause="EBUSY: the same file system is mounted there already, or another process, in another mount namespace, "
        "still uses it. Containers that mount the engine's directory (monitoring, cAdvisor) hold such mounts.",
        remedy=(
            "grep -l the path /proc/*/mountinfo names the processes that hold it; restart these.",
            "Mount the engine's directory into other containers with :rslave only.",
        ),
        tell="grep -l the path /proc/*/mountinfo",
        reference="umount(2)",
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
        cause="The last words are systemd's or the bus's own. Usual: no session of the user (su, sudo, cron, CI), a unit "
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
    Entry(
        code="namespaces-refused",
        title="the container's namespaces cannot be made or entered",
        ambiguous=(
            rf"\b(?:unshare|clone3?|setns|nsenter)\b[^\n]*: (?:{EPERM}|{EINVAL}|{ENOSPC}|{EACCES}|{ENOSYS})",
            r"failed to unshare[^\n]*",
            r"(?:set(?:res)?[ug]id|setgroups)\b[^\n]*: (?:operation not permitted|invalid argument)",
            rf"write[^\n]*/(?:uid_map|gid_map|setgroups)[^\n]*: (?:{EPERM}|{EINVAL}|{EACCES})",
        ),
        verdict="the container's namespaces cannot be made or entered",
        cause="EPERM: no CAP_SYS_ADMIN, user namespaces switched off, or an outer container's seccomp or AppArmor. EINVAL: "
        "the kernel lacks this kind, or ids are not mapped. ENOSPC: the number in /proc/sys/user/max_*_namespaces is "
        "used up.",
        remedy=(
            "grep . /proc/sys/user/max_*_namespaces; sysctl kernel.unprivileged_userns_clone "
            "kernel.apparmor_restrict_unprivileged_userns",
            "Inside a container: --privileged, or --security-opt seccomp=unconfined with CAP_SYS_ADMIN.",
        ),
        tell="unshare -Urmpf true; unshare -C true: which of them fails?",
        reference="namespaces(7)",
        offer=3,
        last=True,
    ),
    Entry(
        code="seccomp-filter-failed",
        title="the container's seccomp filter could not be made or loaded",
        ambiguous=(r"\b(?:seccomp|libseccomp)\b[^\n]*: [^\n]+", r"[Ff]ailed to (?:init|set|load) seccomp[^\n]*"),
        verdict="the container's seccomp filter could not be made or loaded",
        cause="A profile of a newer engine names system calls, architectures or flags that this libseccomp or kernel does "
        "not know; or the kernel is built without filters, or an outer filter forbids seccomp().",
        remedy=(
            "Upgrade libseccomp and the runtime together: they must know what the engine's profile names.",
            "To see whether it is that: --security-opt seccomp=unconfined (Kubernetes: seccompProfile: Unconfined).",
        ),
        tell="grep Seccomp /proc/self/status; cat /proc/sys/kernel/seccomp/actions_avail",
        reference="seccomp(2)",
        offer=3,
        last=True,
    ),
    Entry(
        code="process-cgroup-unknown",
        title="the runtime does not find in which cgroup a process is",
        ambiguous=(
            r"cgroups: (?:invalid group path|pid must be greater than 0|parsing file with invalid format failed)",
            r"cannot find (?:cgroup2|(?:memory|pids|memory or pids) controller|cgroup)(?: for)? (?:the )?(?:current )?process"
            r"[^\n]*",
            r"cannot parse [`'\"]?/proc/(?:self|\d+)/cgroup[^\n]*",
            r"invalid cgroup (?:entry|path|mode)\b[^\n]*",
            r"cgroup path (?:not found|is empty)|no cgroup path(?: specified)?|bad sub cgroup path",
            r"error migrating pid \d+[^\n]*",
            r"invalid file system type on [`'\"]?/sys/fs/cgroup[^\n]*",
            r"cannot (?:un)?pause the container without a cgroup|the container is not using cgroups",
            r"cannot set limits on the \w+ cgroup, as the container has not joined it",
            r"(?:is not a sub cgroup path|unknown controller \S+ in SubCgroupPaths)",
        ),
        verdict="the runtime cannot find, or use, the cgroup of a process or of the container",
        cause="The process has ended, no cgroup file system of the expected version is mounted at /sys/fs/cgroup, the "
        "cgroup namespace hides the path, or the container was made without a cgroup (rootless, cgroups=disabled).",
        remedy=(
            "cat /proc/self/cgroup; grep cgroup /proc/self/mountinfo: does the path exist below the mount?",
            "Inside a container: mount /sys/fs/cgroup with the same cgroup namespace (--cgroupns=private and cgroup2).",
        ),
        tell="cat /proc/self/cgroup; ls -d /sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup | tail -1)",
        reference="cgroups(7)",
        offer=1,
        last=True,
    ),
    Entry(
        code="proc-path-refused",
        title="a file of /proc cannot be used while the container is prepared",
        ambiguous=(
            rf"(?:open|write(?: to)?|opening|openat2?|readlink|stat) [`'\"]?(?P<path>/proc/[^\s`'\":]*)[`'\"]?[^\n]*: "
            rf"(?:{EPERM}|{EACCES}|{ENOENT}|{EROFS}|{EINVAL})",
            r"(?P<path2>/proc/[^\s`'\":]*)[`'\"]? is not on (?:a )?[`'\"]?procfs",
        ),
        verdict="{path} cannot be read or written while the container is prepared",
        cause="/proc is covered, read-only or filtered by an outer container (LXC, gVisor, sysbox), a security module "
        "forbids it, the kernel lacks the file, or the process has ended.",
        remedy=(
            "Inside a container: --privileged, or nesting (LXD, Incus: security.nesting=true; Proxmox: nesting=1).",
            "Remove the setting that writes it (docker: --sysctl, --oom-score-adj, --security-opt label=...).",
        ),
        tell="ls -l the path on the host; mount | grep ' on /proc'; dmesg | grep -i denied",
        reference="proc(5)",
        offer=4,
        last=True,
    ),
)
