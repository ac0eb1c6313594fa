"""Rows of `integration.failures.guest_rows` where systemd is PID 1: units, the user's bus, delegation."""

from __future__ import annotations

from integration.failures.provocations import Config, Provocation, both, crun, limits, nothing
from integration.failures.provocations_privileges import NOBODY, STATE, rootless, user_slice

FLAGS = ("--systemd-cgroup",)
TAKEN = (
    "systemctl --quiet is-active cgshim-taken.scope || { systemd-run --quiet --scope --unit=cgshim-taken sleep 600 "
    "> $TOP/output 2>&1 & until systemctl --quiet is-active cgshim-taken.scope; do sleep 0.2; done; }"
)
SERVICE = "/user.slice/cgshim-user.service"
DELEGATED = (
    *("systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--same-dir", "--unit=cgshim-user"),
    *("--slice=user.slice", "--uid=65534", "--gid=65534", "--property=Delegate=pids memory", "sh", "-ec"),
    # 0 is the writer; systemd-run takes "$$" for an escaped "$".
    f'd=/sys/fs/cgroup{SERVICE}; mkdir $d/init; echo 0 > $d/init/cgroup.procs; exec "$@"',
    "sh",
)


def _taken(config: Config) -> None:
    config["linux"]["cgroupsPath"] = "system.slice:cgshim:taken"


def _not_delegated(config: Config) -> None:
    rootless(f"{SERVICE}/c")(config)
    config["linux"]["resources"] = {"cpu": {"cpus": "0"}}


def _one_share(config: Config) -> None:
    limits(cpu={"shares": 1})(config)
    config["linux"]["cgroupsPath"] = "system.slice:cgshim:shares"


UNITS = (
    Provocation(
        "unit-taken", _taken, crun("unit-name-in-use", "/run/systemd/system: present"), "host", TAKEN, flags=FLAGS
    ),
    Provocation(
        "user-bus",
        user_slice,
        both("user-bus-missing", "/run/user/65534/bus: absent"),
        "host",
        STATE,
        before=NOBODY,
        flags=FLAGS,
    ),
    Provocation(
        "not-delegated",
        _not_delegated,
        both("controller-not-delegated", f"/proc/self/cgroup: {SERVICE}/init"),
        "host",
        STATE,
        before=DELEGATED,
    ),
)
UNITS_V1 = (
    Provocation(
        "unit-shares",
        _one_share,
        both("unit-cpu-shares-out-of-range", "cpu.shares = 1"),
        "host",
        flags=FLAGS,
    ),
)
RAMDISK = (Provocation("initramfs", nothing, both("rootfs-on-initramfs", "/ rootfs"), "host"),)
