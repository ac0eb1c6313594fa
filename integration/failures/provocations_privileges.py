"""The rows of `integration.failures.provocations` about callers with few rights, rlimits, and the systemd driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.failures.provocations import HUGE, OWN, Config, Provocation, both, mounting, nothing, process, runc

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NEW_USERS = ("unshare", "--user", "--map-root-user", "sh", "-e", "-c")
STATE = "mkdir -m 777 $TOP/state"


def rootless(path: str | None, *, tty_group: bool = False) -> Callable[[Config], None]:
    """As `nobody` would start it: one id mapped, a limit, and cgroupsPath as given or below the test's own cgroup."""

    def change(config: Config) -> None:
        linux = config["linux"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 65534, "size": 1}]
        linux["resources"] = {"hugepageLimits": HUGE}
        own = linux.pop("cgroupsPath").rpartition("/")[0]
        if path is not None:
            linux["cgroupsPath"] = path.replace("$OWN", own)
        for mount in config["mounts"]:
            if mount["type"] == "devpts" and not tty_group:
                mount["options"].remove("gid=5")

    return change


def closed_source(config: Config) -> None:
    """As `nobody`, without a limit, and with a volume from a directory that is closed to `nobody`."""
    rootless(None)(config)
    config["linux"]["resources"] = {}
    mounting("/etc/dir", "bind", "$TOP/closed/in", "bind")(config)


def user_slice(config: Config) -> None:
    """As `nobody`, with the systemd driver and without a limit."""
    rootless(None)(config)
    config["linux"].update(cgroupsPath="user.slice:cgshim:x", resources={})


PRIVILEGES = (
    Provocation(
        "rootless-systemd",
        user_slice,
        runc("rootless-on-v1", "Uid: 65534 (effective)"),
        prepare=f"{STATE}; mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system",  # what sd_booted(3) looks for
        before=NOBODY,
        flags=("--systemd-cgroup",),
    ),
    Provocation(
        "no-ipc-namespace",
        nothing,
        both("namespace-limit-reached", "/proc/sys/user/max_ipc_namespaces: 0"),
        before=(*NEW_USERS, 'echo 0 > /proc/sys/user/max_ipc_namespaces; exec "$@"', "sh"),
    ),
    Provocation(
        "closed-source",
        closed_source,
        both("mount-source-not-reachable", "$TOP/closed: mode 0700, owner 1:1"),
        prepare=f"{STATE}; mkdir -p $TOP/closed/in; chown 1:1 $TOP/closed; chmod 700 $TOP/closed",
        before=NOBODY,
    ),
    Provocation(
        "rootless-limits",
        rootless(None),
        runc("rootless-without-cgroup-permission", "Uid: 65534 (effective)"),
        "unified",
        STATE,
        before=NOBODY,
    ),
    Provocation(
        "rootless-path",
        rootless("/cgshim-not-mine"),
        both("cgroup-belongs-to-another-user", "/sys/fs/cgroup: owner 0:0"),
        "unified",
        STATE,
        before=NOBODY,
    ),
    Provocation(
        "rootless-delegated",
        rootless("$OWN/dl/c"),
        {
            "runc": ("delegation-containment", "/dl: owner 65534, this process's own"),  # it removes its directory
            "crun": ("delegation-containment", "/dl/c: owner 65534, this process's own"),
        },
        "unified",
        f"{STATE}; mkdir -p {OWN}/dl; chown -R 65534:65534 {OWN}/dl",
        before=NOBODY,
    ),
    Provocation(
        "rootless-tty-group",
        rootless("/cgshim-not-mine", tty_group=True),
        runc("devpts-gid-not-mapped", "config.json mounts /dev/pts: gid=5"),
        "unified",
        STATE,
        before=NOBODY,
    ),
    Provocation(
        "nofile",
        process(rlimits=[{"type": "RLIMIT_NOFILE", "hard": 2000000000, "soft": 1024}]),
        both("rlimit-above-nr-open", "/proc/sys/fs/nr_open: "),
    ),
    Provocation(
        "nproc",
        process(rlimits=[{"type": "RLIMIT_NPROC", "hard": 1 << 40, "soft": 1024}]),
        both("rlimit-needs-sys-resource", "/proc/self/limits: Max processes"),
    ),
    Provocation("oom-score", process(oomScoreAdj=-1000), both("oom-score-may-not-be-lowered", "oomScoreAdj = -1000")),
    Provocation(
        "no-sys-admin",
        nothing,
        both("outer-layer-forbids-namespaces", "no CAP_SYS_ADMIN"),
        before=("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"),
    ),
    Provocation(
        "systemd-path",
        nothing,
        {
            "runc": ("cgroups-path-not-a-slice", "linux.cgroupsPath = "),
            "crun": ("systemd-not-running", "/run/systemd/system: absent"),
        },
        flags=("--systemd-cgroup",),
    ),
    Provocation(
        "podman-parent",
        nothing,
        {"podman": ("cgroup-drivers-disagree", "")},
        call=(
            *("--root", "$TOP/containers", "--runroot", "$TOP/run", "--cgroup-manager", "systemd"),
            *("create", "--cgroup-parent", "/machine", "--rootfs", "$TOP/rootfs", "/bin/true"),
        ),
    ),
    Provocation(
        "systemd-slice",
        lambda config: config["linux"].update(cgroupsPath="system.slice:cgshim:x"),
        both("systemd-not-running", "/run/systemd/system: absent"),
        flags=("--systemd-cgroup",),
    ),
)
