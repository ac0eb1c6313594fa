"""A runtime's step that no other entry knows, by its errno: tried only if no other entry fits."""

from __future__ import annotations

from shim.diagnose.entry import (
    EACCES,
    EBUSY,
    EINVAL,
    EMFILE,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    EROFS,
    Entry,
)

ERRNO = (
    rf"(?:{EACCES}|{EPERM}|{ENOENT}|{EINVAL}|{EBUSY}|{EMFILE}|{ENOMEM}|{ENOSPC}|{ENOSYS}|{ENOTDIR}|{EOPNOTSUPP}|{EROFS}"
    r"|file exists|is a directory|invalid cross-device link|input/output error)"
)
# These have families of their own.
OTHERS = (
    r"(?![^\n]*(?:\b(?:memory|cpu|cpuset|cpuacct|pids|io|blkio|hugetlb|rdma|misc|dmem|devices|freezer|net_cls|net_prio)\.\w"
    r"|mount|cgroup|subsystem|\bsd-|-bus |seccomp|/proc|/sys/|unshare|clone|setns|exec|sysctl|dbus|systemd))"
)

ENTRIES = (
    Entry(
        code="runtime-step-failed",
        title="the runtime failed at a step of the start, with an errno",
        ambiguous=(
            (
                rf"(?:\b(?:crun|youki|runsc): |error during container init: |unable to start container process: "
                rf")(?!error during|[^\n]*(?:crun|youki|runsc): ){OTHERS}(?P<said>[^\n]{{2,200}}?): {ERRNO}"
            ),
        ),
        verdict="the runtime failed at the step: {said}",
        cause="EPERM: rootless, or in an outer container, without the right for it. EACCES: permissions, SELinux or "
        "AppArmor. ENOENT: the path is not in the image or on the host; EROFS: the root or volume is read-only. "
        "EOPNOTSUPP: the storage's file system cannot do it (NFS, an old fuse-overlayfs); EINVAL, ENOSYS: this kernel "
        "does not know the option.",
        remedy=(
            (
                "Does it start with --security-opt label=disable --security-opt apparmor=unconfined? Then it is the "
                "security module: restorecon, or its profile."
            ),
            (
                "Does it start with --runtime runc (or crun), as root, or without volumes? Upgrade the runtime and "
                "fuse-overlayfs; try STORAGE_DRIVER=vfs."
            ),
        ),
        tell="podman --log-level=debug run ...; dmesg | grep -i denied; stat -f -c %T on the storage",
        reference="errno(3)",
        offer=7,
        last=True,
    ),
)
