"""The rows of `integration.provocations` about mounts, namespaces of users, and what is not ours."""

from __future__ import annotations

from typing import Any

from integration.provocations import (
    OWN,
    Provocation,
    both,
    crun,
    mounting,
    nothing,
    process,
    runc,
    users,
)

Config = dict[str, Any]


def _bind(destination: str, source: str, *options: str) -> Any:
    return mounting(destination, "bind", source, *(options or ("bind",)))


def _label(config: Config) -> None:
    config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    config["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0"


def _no_root(config: Config) -> None:
    config["root"]["path"] = "/nonexistent/rootfs"


def _host_root(config: Config) -> None:
    config["root"]["path"] = "/"


def _closed_root(config: Config) -> None:
    users()(config)
    config["root"]["path"] = "$TOP/closed/rootfs"


def _propagation(config: Config) -> None:
    config["linux"]["rootfsPropagation"] = "bogus"


MOUNTS = (
    Provocation(
        "source-missing", _bind("/d", "$TOP/src/none/deep"), both("mount-source-missing", "$TOP/src/none: absent")
    ),
    Provocation(
        "file-onto-directory",
        _bind("/etc/dir", "$TOP/file"),
        both("mount-file-onto-directory", "rootfs/etc/dir: a directory"),
    ),
    Provocation(
        "directory-onto-file",
        _bind("/etc/plain", "$TOP/src"),
        both("mount-directory-onto-file", "rootfs/etc/plain: not a directory"),
    ),
    Provocation(
        "below-file",
        _bind("/etc/plain/x", "$TOP/src"),
        both("mount-destination-below-file", "etc/plain: a file, not a"),
    ),
    Provocation("inside-proc", _bind("/proc/foo", "$TOP/src"), both("mount-destination-in-proc")),
    Provocation("inside-sys", _bind("/sys/foo", "$TOP/src"), both("mount-point-cannot-be-made")),
    Provocation("over-root", _bind("/", "$TOP/src"), both("mount-over-root", "config.json mounts /: source $TOP/src")),
    Provocation(
        "overlay-lower",
        mounting("/d", "overlay", "overlay", "lowerdir=$TOP/nothing"),
        both("overlay-directory-missing", "lowerdir $TOP/nothing: absent"),
    ),
    Provocation(
        "overlay-option",
        mounting("/d", "overlay", "overlay", "lowerdir=$TOP/src,bogus=1"),
        both("overlay-options-refused", "bogus=1"),
    ),
    Provocation(
        "tmpfs-option", mounting("/d", "tmpfs", "tmpfs", "size=zz"), both("tmpfs-options-refused", "options size=zz")
    ),
    Provocation(
        "options-too-long",
        mounting("/d", "tmpfs", "tmpfs", "size=1m", "a" * 4200),
        both("mount-options-too-long", "options of 4208 bytes, a page is 4096"),
    ),
    Provocation("unknown-type", mounting("/d", "zzfs", "zz"), both("filesystem-unknown", "/proc/filesystems: no zzfs")),
    Provocation("no-device", mounting("/d", "ext4", "$TOP/file", "ro"), both("mount-needs-block-device", "options ro")),
    Provocation(
        "idmap",
        _bind("/d", "/proc", "bind", "idmap=uids=0-1000-1;gids=0-1000-1"),
        crun("idmapped-mount-refused", "idmap="),
    ),
    Provocation("propagation", _propagation, runc("propagation-invalid")),
    Provocation("selinux", _label, both("selinux-not-enabled", "/sys/fs/selinux/enforce: absent")),
    Provocation(
        "apparmor",
        process(apparmorProfile="nope"),
        both("apparmor-not-enabled", "/sys/kernel/security/apparmor: absent"),
    ),
    Provocation("no-root", _no_root, both("rootfs-missing", "/nonexistent/rootfs: absent")),
    Provocation("host-root", _host_root, crun("rootfs-is-no-mount", "config.json root.path = '/'")),
    Provocation(
        "closed-root",
        _closed_root,
        both("rootfs-not-searchable", "$TOP/closed: mode 0700"),
        prepare="mkdir -p $TOP/closed/rootfs; mount --bind $TOP/rootfs $TOP/closed/rootfs; chmod 700 $TOP/closed",
    ),
)

USERS = (
    Provocation("sysfs", users("network"), runc("sysfs-needs-network-namespace", "but no network namespace")),
    Provocation("mqueue", users("ipc"), both("mqueue-needs-ipc-namespace", "but no ipc namespace")),
    Provocation("proc", users("pid"), both("proc-needs-pid-namespace", "but no pid namespace")),
    Provocation(
        "hidden-proc",
        users(),
        both("proc-partly-hidden", "mountinfo: /proc/irq tmpfs"),
        prepare="mount -t tmpfs tmpfs /proc/irq",
    ),
    Provocation("devpts-gid", users(size=1), both("devpts-gid-not-mapped", "gid=5")),
    Provocation(
        "closed-cgroup",
        users(mount_cgroup=True, cgroup="/p750/c"),
        runc("cgroup-mount-not-searchable", "/p750: mode 0750, owner 0:0"),
        "unified",
        f"mkdir -p -m 755 {OWN}/p750; chmod 750 {OWN}/p750",
    ),
    Provocation(
        "umask-077",
        users(mount_cgroup=True, cgroup="/u/x/c"),
        runc("cgroup-mount-not-searchable", "mode 0700, owner 0:0"),
        "unified",
        before=("sh", "-c", 'umask 077; exec "$@"', "sh"),
    ),
)


def _hook(config: Config) -> None:
    config["hooks"] = {"prestart": [{"path": "/bin/false"}]}


def _sysctl(config: Config) -> None:
    config["linux"]["sysctl"] = {"kernel.foo": "1"}


def _seccomp(config: Config) -> None:
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_NOPE"}


def _capability(config: Config) -> None:
    names = ["CAP_SYS_RESOURCE"]
    config["process"]["capabilities"] = {"bounding": names, "effective": names, "permitted": names}


FOREIGN = (
    Provocation("no-command", process(args=["nope"]), both("image-command-not-found")),
    Provocation("no-file", process(args=["/bin/nope"]), both("image-command-not-found")),
    Provocation("directory", process(args=["/etc"]), both("image-command-not-executable")),
    Provocation("no-x-bit", process(args=["/etc/plain"]), both("image-command-not-executable")),
    Provocation("no-program", process(args=["/etc/program"]), both("image-for-another-machine")),
    Provocation("hook", _hook, both("hook-failed")),
    Provocation("sysctl", _sysctl, both("sysctl-refused")),
    Provocation("seccomp", _seccomp, both("seccomp-profile-invalid")),
    Provocation("capability", _capability, both("capability-not-held")),
    Provocation("rlimit", process(rlimits=[{"type": "RLIMIT_FOO", "hard": 1, "soft": 1}]), both("bundle-invalid")),
    Provocation("fine", nothing, {}),
)
