"""Inside a container: read-only cgroups, views that show only a part, layers that grant too little."""

from __future__ import annotations

from shim.diagnose.checks import layout as look
from shim.diagnose.checks import nested
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, EROFS, V1_HIERARCHY, Entry, making, mounting

ENTRIES = (
    Entry(
        code="cgroupfs-read-only",
        title="the cgroup file system is mounted read-only",
        patterns=(
            making(EROFS),
            rf"\bopen(?:ing file|ing)? [`'\"]?(?P<path>/sys/fs/cgroup/[^`'\"\n]*?)[`'\"]?(?: for writing)?: {EROFS}",
        ),
        ambiguous=(making(ENOENT), rf"\bopen `(?P<path2>{V1_HIERARCHY}[^`\n]*)`: {ENOENT}"),  # crun 1.29
        verdict="the cgroup file system is read-only here: {path}",
        cause="This is usual inside a container: engines mount cgroups read-only by default.",
        remedy=(
            "Start the outer container with --privileged, or podman run --security-opt unmask=/sys/fs/cgroup",
            "or, with CAP_SYS_ADMIN: mount -o remount,rw /sys/fs/cgroup",
            "LXC (an OpenRC or systemd inside): lxc.mount.auto = cgroup:rw, or proc sys alone with a cgroup namespace.",
            (
                "An image that makes /sys/fs/cgroup/init (Rancher, k3s, dind) on cgroup2: its newer version, or "
                "--privileged."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/2639",
        confirm=look.read_only,
        foresee=look.read_only_anywhere,
        rank=33,
        tell="grep ' cgroup' /proc/self/mountinfo: is the mount ro, and is this inside a container?",
        offer=3,
    ),
    Entry(
        code="cgroup-path-outside-view",
        title="the process's cgroup is outside its mounts",
        patterns=(
            r"cgroup parent path outside cgroup root",
            rf"(?:stat|lstat|open|openat2) (?P<path>/sys/fs/cgroup/[^\n:]*/\.\.[^\n:]*): {ENOENT}",
        ),
        ambiguous=(
            rf"(?:stat|lstat) (?P<path>/sys/fs/cgroup/(?:[^\n:]|:(?! ))*): {ENOENT}",
            rf"canonicalize \\?\"(?P<path3>/sys/fs/cgroup/[^\"\n]*)\\?\": {ENOENT}",  # youki
            rf"\bmount `(?P<path2>/sys/fs/cgroup/[^`\n]*)` to [`'][^`'\n]*[`']: {ENOENT}",
        ),
        verdict="the cgroup of this process is not visible through its cgroup mount: {path}",
        cause="The path in /proc/self/cgroup and the mount belong to different cgroup namespaces, as in a container "
        "that shares the host's cgroup namespace but not its hierarchy, or the other way round.",
        remedy=(
            "Start the outer container with a private cgroup namespace: docker run --cgroupns=private",
            "or mount the real hierarchy: -v /sys/fs/cgroup:/sys/fs/cgroup:rw with --cgroupns=host",
        ),
        reference="cgroup_namespaces(7)",
        confirm=look.above_namespace,
        tell="cat /proc/self/cgroup; ls -d {path}: is the cgroup of this process below /sys/fs/cgroup?",
        offer=1,
    ),
    Entry(
        code="pod-subtree-at-cgroup-root",
        title="a pod's own cgroup is mounted where the host's root is expected",
        patterns=(r"cgroup mountpoint is not in the host cgroup namespace",),
        ambiguous=(rf"(?:stat|lstat) (?P<path>/sys/fs/cgroup/[^\n:]*): {ENOENT}",),
        verdict="/sys/fs/cgroup shows a subtree (a pod's own cgroup), not the host's root",
        cause="Kubernetes nodes with v1 bind-mount the pod's cgroup there, and the host's absolute cgroup paths do "
        "not exist below it. A host root has root / in mountinfo and inode 1.",
        remedy=(
            "Mount the host's hierarchy into the pod: hostPath /sys/fs/cgroup",
            "or look through the host's init: /proc/1/root/sys/fs/cgroup (needs hostPID)",
        ),
        reference="https://github.com/aquasecurity/tracee/issues/4311",
        confirm=look.pod_subtree,
        foresee=look.subtree,
        rank=42,
    ),
    Entry(
        code="outer-layer-lacks-controller",
        title="the outer container or sandbox did not delegate a newer controller",
        patterns=(rf"\bmkdir (?P<path>/sys/fs/cgroup/(?P<controller>rdma|misc)/[^\n:]*): {EACCES}",),
        # crun continues without the parent that it may not make.
        ambiguous=(
            (
                rf"\bcreating cgroup directory `(?P<path>/sys/fs/cgroup/(?P<controller>rdma|misc)/[^`\n]*)`: "
                rf"(?:{EACCES}|{ENOENT})"
            ),
        ),
        verdict="the outer layer did not delegate the {controller} controller: {path} cannot be created",
        cause="Newer runc versions join the rdma and misc controllers, which an older sysbox or LXC does not delegate.",
        remedy=(
            (
                "Upgrade the outer layer (sysbox, LXC), or unmount the controller inside: umount "
                "/sys/fs/cgroup/{controller}"
            ),
        ),
        reference="https://github.com/nestybox/sysbox/issues/544",
        confirm=look.nested,
        rank=40,
        tell="is this inside a container? Does /proc/self/mountinfo have a writable mount of {controller}?",
        offer=1,
    ),
    Entry(
        code="mount-denied-by-outer-layer",
        title="an outer container, a sandbox or a security module forbids the mount",
        ambiguous=(
            rf"jailing process inside rootfs(?: caused)?:? (?:pivot_root )?\"?(?:{EACCES}|{EPERM})",
            rf"pivot_root(?: [^\n:]*)?: (?:{EACCES}|{EPERM})",
            mounting(r"(?:proc|tmpfs|devpts|mqueue|shm|udev)", EACCES),
            rf"preparing rootfs caused:? \"?{EACCES}",
            mounting(r"(?:tmpfs|devpts|shm|udev|/[^\"`\\\n]*)", EPERM),
            (
                r"(?:^|[\s\"=])mount: (?:(?!/sys/fs/cgroup[/:])[^\s:]+: )?permission denied(?: \(are you root\?\))?"
                r"\.?(?:\"|\s|$)"
            ),
        ),
        verdict="{source} may not be mounted at {destination}: an outer container, a sandbox or a security module "
        "forbids it",
        cause="Mounting needs CAP_SYS_ADMIN, and the AppArmor profile of LXC or the seccomp filter of docker may still "
        "forbid it. A FUSE file system is closed even to root unless it is mounted with allow_other or allow_root.",
        remedy=(
            "Proxmox: features nesting=1,keyctl=1; LXD, Incus: security.nesting=true; LXC: lxc.apparmor.profile",
            (
                "Outer docker, podman: --privileged, or --security-opt apparmor=unconfined --security-opt "
                "seccomp=unconfined"
            ),
            "buildah in a container: --isolation chroot; BuildKit: --oci-worker-no-process-sandbox",
        ),
        reference="https://github.com/moby/buildkit/blob/master/docs/rootless.md",
        tell="dmesg | grep -i denied on the outermost host: does AppArmor name this mount? systemd-detect-virt",
        offer=2,
        rank=57,
    ),
    Entry(
        code="proc-not-in-container",
        title="the runtime finds no /proc inside the container",
        ambiguous=(rf"open /proc/self/fd: {ENOENT}",),
        verdict="there is no /proc in the new container when the runtime needs it",
        cause="The runtime closes its files through /proc/self/fd after it has made the mounts. config.json does not "
        "mount proc, something is mounted over it, or an outer sandbox that handles mounts itself (sysbox, gitpod, "
        "gVisor) did not mount it. Only exec fails so where the host's root is a ramdisk and containers are started "
        "without pivot_root (no_pivot): exec then sees another root.",
        remedy=(
            "Start it again: under a sandbox it can be a race. Upgrade the sandbox.",
            "Ramdisk: switch_root into a real file system at boot, as newer Kairos does, and no_pivot off.",
            "config.json: mount proc at /proc, and nothing over / or /proc (docker: look at -v).",
        ),
        reference="https://github.com/gitpod-io/gitpod/issues/9247",
        tell="systemd-detect-virt; mount | grep -c proc: is the engine inside another container?",
        confirm=nested.without_proc,
        offer=2,
        first_beside=r"\bexec failed\b",
        rank=60,
    ),
    Entry(
        code="root-cannot-be-pivoted",
        title="the kernel cannot change to the container's root",
        patterns=(rf"jailing process inside rootfs caused:? \\*\"?(?:pivot_root )?{EINVAL}",),
        verdict="the kernel cannot change to the container's root (pivot_root: EINVAL)",
        cause="The host's root is a ramdisk (initramfs, rootfs), which cannot be left by pivot_root; or a volume of "
        "this container is mounted on / or is shared with the host.",
        remedy=(
            "If other containers start: look for a volume with the target / or . in this one (compose: volumes).",
            "On a ramdisk: DOCKER_RAMDISK=true in the daemon's environment, runc --no-pivot; or boot from a disk.",
        ),
        reference="pivot_root(2), ERRORS",
        tell="findmnt -no FSTYPE,PROPAGATION /; docker inspect -f '{{json .Mounts}}' NAME",
        rank=62,
    ),
    Entry(
        code="systemd-hierarchy-beside-cgroup2",
        title="a hierarchy name=systemd of v1 stands beside cgroup2 and misleads crun",
        patterns=(r"/sys/fs/cgroup/name=systemd/[^\n]*",),
        verdict="crun looks for name=systemd below cgroup2, where it cannot be",
        cause="/proc/self/cgroup has a line for name=systemd: somebody mounted this v1 hierarchy on a host with "
        "cgroup2, and crun of that time (2019) takes its name for a directory.",
        remedy=("umount the hierarchy: mount | grep name=systemd. Upgrade crun and podman.",),
        reference="https://github.com/containers/podman/issues/4707",
        tell="cat /proc/self/cgroup; mount | grep 'type cgroup '",
        rank=32,
    ),
)
