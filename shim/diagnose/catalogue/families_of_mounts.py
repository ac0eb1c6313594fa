"""Failures of mounts, namespaces, /proc and filters by their errno: tried only if no other entry fits."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, ENOSYS, EPERM, EROFS, Entry


def mount(error: str) -> str:
    """Match: a mount, remount or move failed with `error`; group `source`."""
    # What is mounted is quoted, a path, or a file system's name; other words are not about a mount of the container.
    names = r"(?:proc|sysfs|cgroup2?|tmpfs|devpts|mqueue|overlay|fuse|none|bind|src=)[^\s`'\"\\]*"
    source = rf"(?:[`'\"\\]+(?P<source>[^`'\"\\\n]+)[`'\"\\]+|(?P<source2>[^\s`'\"\\]*/[^\s`'\"\\]*|{names}))"
    return rf"\b(?:re)?mount(?:ing|ed)?:?(?: point)? {source}[^\n]*: {error}"


ENTRIES = (
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
            "EACCES: NFS (root_squash), FUSE: start it as the user who may read it, or take a local directory.",
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
        cause="EINVAL: an option that this file system or this kernel does not know, or a source that is not a mount "
        "or is unbindable. ENODEV: the kernel has no such file system (a v1 controller, overlay, fuse). ENOSYS: the "
        "new mount calls (fsopen, mount_setattr) are missing or filtered.",
        remedy=(
            "dmesg | tail often names the option. Remove it, or modprobe the file system.",
            (
                "cgroup mounts: grep the controller in /proc/cgroups and /sys/fs/cgroup/cgroup.controllers; it can be "
                "only in one of the two."
            ),
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
        cause="ENOENT: the source was removed or lies on a volume that is not mounted (yet), or the root file system "
        "has no such directory. ENOTDIR, EISDIR: a file is to be mounted on a directory. EROFS: the place would have "
        "to be made in a read-only root.",
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
        ambiguous=(
            mount(EBUSY),
            r"mount: (?P<destination>/[^\n:]*): [^\n:]+ already mounted or mount point busy",
            rf"(?:umount|unmount(?:ing)?|remov(?:e|ing)|unlinkat) [^\n]*{EBUSY}",
        ),
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
        code="namespaces-refused",
        title="the container's namespaces cannot be made or entered",
        ambiguous=(
            (
                r"\b(?:unshare|clone3?|setns|nsenter)\b(?![^\n]*/sys/fs/cgroup/)[^\n]*: "
                rf"(?:{EPERM}|{EINVAL}|{ENOSPC}|{EACCES}|{ENOSYS})"
            ),
            r"failed to unshare[^\n]*",
            r"(?:set(?:res)?[ug]id|setgroups)\b[^\n]*: (?:operation not permitted|invalid argument)",
            rf"writ(?:e|ing)[^\n]*/(?:uid_map|gid_map|setgroups)[^\n]*: (?:{EPERM}|{EINVAL}|{EACCES})",
        ),
        verdict="the container's namespaces cannot be made or entered",
        cause="EPERM: no CAP_SYS_ADMIN, user namespaces switched off, or an outer container's seccomp or AppArmor. "
        "EINVAL: the kernel lacks this kind, or ids are not mapped. ENOSPC: the number in "
        "/proc/sys/user/max_*_namespaces is used up.",
        remedy=(
            (
                "grep . /proc/sys/user/max_*_namespaces; sysctl kernel.unprivileged_userns_clone "
                "kernel.apparmor_restrict_unprivileged_userns"
            ),
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
        ambiguous=(
            r"(?<![+-])\b(?:seccomp|libseccomp)\b(?!: entry on tid| is experimental)[^\n]*: [^\n]+",
            r"[Ff]ailed to (?:init|set|load) seccomp[^\n]*",
        ),
        verdict="the container's seccomp filter could not be made or loaded",
        cause="A profile of a newer engine names system calls, architectures or flags that this libseccomp or kernel "
        "does not know; or the kernel is built without filters, or an outer filter forbids seccomp().",
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
            (
                r"cannot find (?:cgroup2|memory or pids controller|cgroup)(?: for)? (?:the "
                r")?(?:current "
                r")?process"
                r"[^\n]*"
            ),
            r"cannot parse [`'\"]?/proc/(?:self|\d+)/cgroup[^\n]*",
            r"invalid cgroup (?:entry|path|mode)\b[^\n]*",
            r"cgroup path (?:not found|is empty)|no cgroup path(?: specified)?|bad sub cgroup path",
            r"error migrating pid \d+[^\n]*",
            r"invalid file system type on [`'\"]?/sys/fs/cgroup[^\n]*",
            r"cannot (?:un)?pause the container without a cgroup|the container is not using cgroups",
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
            (
                rf"(?:open|write(?: to)?|opening|openat2?|readlink|stat) [`'\"]?"
                rf"(?P<path>/proc/[^\s`'\":]*)[`'\"]?[^\n]*: "
                rf"(?:{EPERM}|{EACCES}|{ENOENT}|{EROFS}|{EINVAL})"
            ),
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
