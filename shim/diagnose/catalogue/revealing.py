"""Fresh mounts of sysfs and cgroup that the kernel refuses with EPERM, which has several causes."""

from __future__ import annotations

from shim.diagnose.checks import mounts as look
from shim.diagnose.checks import nested
from shim.diagnose.checks.configured import has_namespace
from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, V1_NAMES, Entry, mounting

CGROUP = "cgroup2?"
USER_NS = "user_namespaces(7), Restrictions on mount namespaces"
OUTER = (
    (
        "Outer docker, podman: --privileged, or --cap-add SYS_ADMIN --security-opt apparmor=unconfined "
        "--security-opt seccomp=unconfined"
    ),
    "Proxmox: features nesting=1,keyctl=1. LXD, Incus: security.nesting=true",
)

ENTRIES = (
    Entry(
        code="sysfs-partly-covered",
        title="the outer /sys is partly covered, so no fresh sysfs is allowed in a user namespace",
        ambiguous=(mounting("sysfs", EPERM), r"mount: /sys: permission denied"),  # mount(8) says so for EPERM, too
        verdict="sysfs cannot be mounted in this user namespace: parts of the outer /sys are covered or read-only",
        cause="A user namespace may mount sysfs only if the outer /sys is visible in full and writable (EPERM), even "
        "with a network namespace of its own. Often /sys/fs/cgroup is read-only, or an outer container masks a part. "
        "crun falls back to a bind mount of /sys; runc does not.",
        remedy=(
            'Use crun: podman --runtime crun, or runtime = "crun" in containers.conf.',
            (
                "Or bind the outer /sys: -v /sys:/sys:ro (config.json: type none, source /sys, options "
                "rbind,nosuid,noexec,nodev,ro)."
            ),
            (
                "Inside another container: start that one with --security-opt unmask=ALL (podman) or "
                "systempaths=unconfined (docker), or unmount what covers /sys."
            ),
        ),
        reference="https://github.com/opencontainers/runc/issues/3970, https://github.com/nestybox/sysbox/issues/66",
        confirm=nested.mounts_over_sys,
        tell="grep ' /sys' /proc/self/mountinfo: is a mount below /sys read-only (ro), or a tmpfs?",
        offer=1,
        rank=48,
    ),
    Entry(
        code="sysfs-needs-network-namespace",
        title="sysfs in a user namespace needs a network namespace",
        ambiguous=(mounting("sysfs", EPERM),),
        verdict="sysfs cannot be mounted: the container has a user namespace, but uses a network "
        "namespace it does not own",
        cause="sysfs shows the network namespace, so the kernel lets only the owner of that namespace mount it "
        "(EPERM). crun falls back to a bind mount; runc does not.",
        remedy=(
            (
                "Mount /sys as a bind: type none, source /sys, options rbind,nosuid,noexec,nodev,ro (as "
                "runc spec --rootless)"
            ),
            "or give the container a network namespace: no --network host (podman, docker, compose network_mode)",
        ),
        reference="https://github.com/opencontainers/runc/issues/3672",
        confirm=look.without_namespace("network"),
        excluded=has_namespace("network"),
        tell="is the container started with the host's network (--network host, or no network namespace in "
        "config.json)?",
        offer=2,
    ),
    Entry(
        code="sysfs-denied-by-outer-layer",
        title="a security module or sandbox forbids mounting sysfs",
        ambiguous=(mounting("sysfs", EPERM), mounting("sysfs", EACCES)),
        verdict="sysfs cannot be mounted: a security module or the outer container forbids the mount",
        cause="AppArmor profiles of LXC and seccomp filters of sandboxes forbid the mount system call.",
        remedy=(*OUTER, "dmesg | grep -i denied names the profile."),
        reference="apparmor.d(5), Mount Rules",
        confirm=nested.confined_by_lxc,
        tell="dmesg | grep -i 'denied.*mount'",
        offer=3,
        rank=49,
    ),
    Entry(
        code="cgroup-mount-partly-covered",
        title="the outer /sys/fs/cgroup is read-only or partly covered, so no fresh cgroup mount is allowed",
        ambiguous=(mounting(CGROUP, EPERM),),
        verdict="cgroup cannot be mounted in a user namespace: the outer /sys/fs/cgroup is read-only or partly covered",
        cause="In a user namespace, and in a container that runs in one, the kernel allows a fresh cgroup mount only "
        "if the outer one is visible in full and writable (EPERM). Outer containers mount it read-only or mask it.",
        remedy=(
            (
                "Start the outer container with a writable one: docker --privileged --cgroupns=private; podman: "
                "--security-opt unmask=/sys/fs/cgroup; Kubernetes: a privileged pod"
            ),
            "Or bind the outer one into the inner container: -v /sys/fs/cgroup:/sys/fs/cgroup, or --cgroupns=host",
        ),
        reference=USER_NS,
        confirm=nested.mounts_over_cgroup,
        tell="grep cgroup /proc/self/mountinfo: is it ro, or is something mounted below it? cat /proc/self/uid_map",
        offer=1,
        rank=48,
    ),
    Entry(
        code="cgroup-mount-denied-by-outer-layer",
        title="a security module, or a missing capability, forbids mounting cgroup",
        ambiguous=(
            mounting(CGROUP, EPERM),
            mounting(CGROUP, EACCES),
            r"(?:^|[\s\"=])mount: /sys/fs/cgroup(?:/[^\s:]+)?: permission denied",  # mount(8)
        ),
        verdict="cgroup cannot be mounted: an outer layer forbids mounts (no CAP_SYS_ADMIN, AppArmor, seccomp)",
        cause="The runtime runs inside a container or sandbox that was not given the right to mount.",
        remedy=(*OUTER, "dmesg | grep -i denied names an AppArmor profile."),
        reference="mount(2), EPERM",
        confirm=nested.may_not_mount,
        tell="dmesg | grep -i denied; grep CapEff /proc/self/status (capsh --decode=...): is cap_sys_admin in it?",
        offer=2,
        rank=55,
    ),
    Entry(
        code="cgroup-mount-without-namespace",
        title="a cgroup mount in a user namespace without a cgroup namespace",
        ambiguous=(mounting(CGROUP, EPERM),),
        verdict="cgroup2 cannot be mounted from a user namespace without a cgroup namespace of its own (EPERM)",
        cause="Only the owner of the cgroup namespace may mount it. Old runc versions have no fallback.",
        remedy=("Give the container a cgroup namespace (--cgroupns=private), or upgrade runc to 1.0 or later.",),
        reference="https://github.com/opencontainers/runc/issues/2158",
        confirm=look.without_namespace("cgroup"),
        excluded=has_namespace("cgroup"),
        tell="config.json (docker inspect: CgroupnsMode): is there a cgroup namespace of its own? runc --version",
        offer=3,
    ),
    Entry(
        code="named-hierarchy-mount",
        title="a v1 hierarchy that has only a name cannot be mounted inside a cgroup namespace",
        patterns=(
            (
                rf"mounting \"cgroup\" to rootfs at \"[^\"\n]*\": mount "
                rf"cgroup:/sys/fs/cgroup/(?P<name>(?!{V1_NAMES}\b)[\w.-]+)"
                rf"[^\n]*data: (?:name=)?(?P=name): {EINVAL}"
            ),
        ),
        verdict="the host has a v1 hierarchy without a controller, which this runtime cannot mount",
        cause="With a cgroup namespace, runc mounts every hierarchy again. For a hierarchy that has only a name, it "
        "mistakes the directory's name for a controller.",
        remedy=(
            "Unmount that hierarchy on the host if nothing needs it: umount /sys/fs/cgroup/{name}",
            "Or share the host's cgroup namespace: --cgroupns=host (docker, podman), cgroup: host (compose)",
        ),
        reference="https://github.com/moby/buildkit/issues/4108",
        ambiguous=(mounting("cgroup", ENOENT),),
        tell="grep ' - cgroup' /proc/self/mountinfo: does a hierarchy have only a name, or lie outside /sys/fs/cgroup?",
        offer=2,
    ),
)
