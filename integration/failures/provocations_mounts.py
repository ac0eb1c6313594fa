"""The rows of `integration.failures.provocations` about mounts, namespaces of users, and what is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration.failures.provocations import (
    OWN,
    RUNNING,
    Provocation,
    both,
    crun,
    mounting,
    nothing,
    process,
    refusing,
    runc,
    sleeping,
    users,
)
from integration.failures.provoked import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

Config = dict[str, Any]
# A root that is no mount point, in which everything of the real one is where it always is.
CHROOT = (
    "mkdir $TOP/chroot; for name in /*; do if [ -L $name ]; then cp -P $name $TOP/chroot$name; elif [ -d $name ]; then "
    "mkdir $TOP/chroot$name; mount --rbind $name $TOP/chroot$name; fi; done"
)
# Leaves a listening socket to the program that it becomes, as an engine has one for a container's terminal.
LISTEN = (
    "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
    "s.set_inheritable(True); os.execvp(sys.argv[2], sys.argv[2:])"
)
LISTENING = ("python3", "-c", LISTEN, "$TOP/console")


def _bind(destination: str, source: str, *options: str) -> Any:
    return mounting(destination, "bind", source, *(options or ("bind",)))


def together(*changes: Callable[[Config], None]) -> Callable[[Config], None]:
    """One change after the other."""

    def change(config: Config) -> None:
        for one in changes:
            one(config)

    return change


def _read_only_over_locked(config: Config) -> None:
    users()(config)
    mounting("/etc/dir", "bind", "$TOP/locked", "bind", "ro")(config)


def _no_mounts(config: Config) -> None:
    config["mounts"] = []


def _no_devpts(config: Config) -> None:
    config["mounts"] = [one for one in config["mounts"] if one["type"] != "devpts"]


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
    Provocation(  # the destination is inside another mount, where nobody sees it from outside
        "file-onto-hidden-directory",
        together(_bind("/etc/dir", "$TOP/src"), _bind("/etc/dir/x", "$TOP/file")),
        both("mount-kinds-differ"),
        prepare="mkdir $TOP/src/x",
    ),
    Provocation(
        "destination-loop",
        _bind("/loop", "$TOP/src"),
        both("mount-destination-escapes"),
        prepare="ln -s loop $TOP/rootfs/loop",
    ),
    Provocation(  # without openat2(2), which keeps such links inside
        "destination-outside",
        _bind("/out/x", "$TOP/src"),
        crun("mount-destination-escapes"),
        prepare="ln -s ../../../../.. $TOP/rootfs/out",
        before=refusing("437", "1"),
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
    Provocation(
        "linked-root",
        nothing,
        runc("rootfs-behind-link"),
        prepare="mv $TOP/rootfs $TOP/real; ln -s real $TOP/rootfs",
    ),
    Provocation("host-root", _host_root, crun("rootfs-is-no-mount", "config.json root.path = '/'")),
    Provocation(
        "closed-root",
        _closed_root,
        both("rootfs-not-searchable", "$TOP/closed: mode 0700"),
        prepare="mkdir -p $TOP/closed/rootfs; mount --bind $TOP/rootfs $TOP/closed/rootfs; chmod 700 $TOP/closed",
    ),
    Provocation(
        "chroot",
        nothing,
        both("root-is-no-mount-point", "/proc/self/mountinfo: no mount at /"),
        prepare=CHROOT,
        before=("chroot", "$TOP/chroot", "env", f"--chdir={ROOT}"),
    ),
    Provocation(
        "terminal",
        together(process(terminal=True), _no_devpts),
        both("terminal-without-devpts", "config.json mounts: no devpts at /dev/pts"),
        before=LISTENING,
        call=("run", "--detach", "--console-socket", "$TOP/console", "$ID"),
    ),
)

# The kernel lets a user namespace mount proc where another whole one is to be seen in the mount namespace
# (fs/namespace.c, mnt_already_visible), and some hosts have one elsewhere; in the row's own namespace it goes.
ONE_PROC = (
    "grep ' - proc ' /proc/self/mountinfo | cut -d' ' -f5 | grep -vx /proc | tac "
    '| while IFS= read -r place; do umount -l "$(printf "$place")"; done'
)
USERS = (
    Provocation("sysfs", users("network"), runc("sysfs-needs-network-namespace", "but no network namespace")),
    Provocation("mqueue", users("ipc"), both("mqueue-needs-ipc-namespace", "but no ipc namespace")),
    Provocation("proc", users("pid"), both("proc-needs-pid-namespace", "but no pid namespace")),
    Provocation(
        "hidden-proc",
        users(),
        both("proc-partly-hidden", "mountinfo: /proc/irq tmpfs"),
        prepare=f"{ONE_PROC}; mount -t tmpfs tmpfs /proc/irq",
    ),
    Provocation(
        "mount-point",
        together(users(), _bind("/d", "$TOP/src")),
        both("mount-point-not-permitted", "$TOP/rootfs: mode 0755, owner 0:0"),
    ),
    Provocation(
        "mount-point-file",
        together(users(), _bind("/etc/dir/file", "$TOP/file")),
        both("mount-point-not-permitted", "$TOP/rootfs/etc/dir: mode 0755, owner 0:0"),
    ),
    Provocation(
        "mount-point-hidden",
        together(users(), mounting("/closed/d", "tmpfs", "tmpfs")),
        both("mount-point-not-permitted", "$TOP/rootfs/closed: mode 0700, owner 0:0"),
        prepare="mkdir -p $TOP/rootfs/closed/d; chmod 700 $TOP/rootfs/closed",
    ),
    Provocation(
        "tmpfs-owner",
        together(users(), mounting("/tmp", "tmpfs", "tmpfs", "uid=200000")),
        both("tmpfs-in-user-namespace", "config.json mounts /tmp: uid=200000"),
    ),
    Provocation(
        "no-mount-namespace",
        together(users("mount"), _no_mounts),
        both("mount-namespace-missing", "but no mount namespace"),
    ),
    Provocation(
        "locked-flags",
        _read_only_over_locked,
        runc("mount-flags-locked", "config.json linux.uidMappings: "),  # crun keeps the source's flags
        prepare="mkdir $TOP/locked; mount -t tmpfs -o nosuid,nodev,noexec tmpfs $TOP/locked",
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
    Provocation("no-terminal", process(terminal=True), both("terminal-missing"), before=("setsid", "--wait")),
    Provocation("cwd", process(cwd="/etc/plain"), both("working-directory-unusable")),
    Provocation(
        "exists",
        sleeping(),
        both("container-exists"),
        prepare=RUNNING,
    ),
    Provocation(
        "nowhere", nothing, both("container-does-not-exist"), call=("update", "--pids-limit", "10", "cgshim-nowhere")
    ),
    Provocation("fine", nothing, {}),
)
