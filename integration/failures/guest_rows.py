"""Failures that need another kernel, layout or runtime version than this host's: which guest, which rows.

Rows are `integration.failures.provocations`' and mean the same; the guests are those of
integration/matrix.
"""

from __future__ import annotations

from typing import NamedTuple

from integration.failures import guest_rows_cgroup2 as cgroup2
from integration.failures import guest_rows_checkpoint as checkpoint
from integration.failures import guest_rows_systemd as units
from integration.failures import guest_rows_v1 as v1
from integration.failures.provocations import (
    LIMITS,
    MIB,
    OWN,
    RES,
    RUNNING,
    Config,
    Provocation,
    both,
    crun,
    limits,
    mounting,
    nothing,
    placed,
    runc,
    sleeping,
    users,
)
from integration.failures.provocations_mounts import FOREIGN, MOUNTS, USERS, together

SYSTEMD = ("--systemd-cgroup",)


class GuestHost(NamedTuple):
    """One boot. kernel, userland: Debian suites. layout: steps of matrix/guest/layout.sh. words: kernel arguments.

    frozen: the frozen ancestor is provoked there, which hangs forever anywhere else.
    packages: what the userland has beyond the usual. memory: MiB, "" for what the matrix has.
    """

    name: str
    kernel: str
    userland: str
    layout: str
    rows: tuple[Provocation, ...]
    words: str = ""
    systemd: bool = False
    frozen: bool = False
    packages: tuple[str, ...] = ()
    memory: str = ""


def named(*names: str, only: str = "") -> tuple[Provocation, ...]:
    """Rows of the host's own tables by name, to see them in the wording of other versions."""
    known = {row.name: row for row in (*LIMITS, *MOUNTS, *USERS, *FOREIGN)}
    rows = [known[name]._replace(layout="host") for name in names]
    return tuple(row._replace(expect={only: row.expect[only]}) if only else row for row in rows)


def _property(config: Config) -> None:
    config["annotations"] = {"org.systemd.property.FooBar": "'x'"}
    config["linux"]["cgroupsPath"] = "system.slice:cgshim:y"


FROZEN_V2 = f"mkdir -p {OWN}/c; echo 1 > {OWN}/c/cgroup.freeze"
FROZEN_V1 = "d=/sys/fs/cgroup/freezer$OWN; mkdir -p $d/c; echo FROZEN > $d/c/freezer.state"
# crun meets this one only on a host that is all cgroup2, and 1.28 finds a way round it.
(CLOSED_TO_RUNC,) = named("closed-cgroup")
CLOSED = CLOSED_TO_RUNC._replace(expect=both("cgroup-mount-not-searchable", "/p750: mode 0750, owner 0:0"))
MAPPED = ("mount-point", "mount-point-file", "mount-point-hidden", "tmpfs-owner")
OLD_WORDS = (  # crun 0.17 wants mounts in config.json, and says nothing about /proc
    *named("chroot", "terminal", "source-missing", "no-terminal"),
    *named("no-mount-namespace", "inside-proc", only="runc"),
)
ANYWHERE = (*named("chroot", "terminal", "no-mount-namespace", "inside-proc", "source-missing"), *named("no-terminal"))
# What depends on no layout, in the words of another version.
RUNC_ONLY = ("selinux", "apparmor")  # crun 1.28 continues without the label that the kernel does not know
VERSIONED = tuple(
    row._replace(layout="host", expect={"runc": row.expect["runc"]} if row.name in RUNC_ONLY else row.expect)
    for row in (*MOUNTS, *USERS, *FOREIGN)
    if row.name
    not in {
        *MAPPED,
        "closed-cgroup",
        "umask-077",
        "chroot",
        "terminal",
        "no-mount-namespace",
        "capability",
        "locked-flags",
    }
)
BURST = limits(cpu={"quota": 50000, "period": 100000, "burst": 90000})
CHECKED = sleeping(memory={"limit": 256 * MIB, "checkBeforeUpdate": True})

UNIFIED = (
    Provocation(
        "v2-own-frozen", nothing, runc("container-cgroup-frozen", "/own/c/cgroup.freeze: 1"), "host", FROZEN_V2
    ),
    Provocation(
        "v2-path-escapes",
        lambda config: config["linux"].update(cgroupsPath="/../../esc"),
        crun("cgroups-path-escapes", "linux.cgroupsPath = '/../../esc'"),
        "host",
    ),
    Provocation(
        "v2-threaded-memory",
        placed("/th/t", memory={"limit": 64 * MIB}),
        {
            "runc": ("threaded-cgroup-has-no-procs", "/th/t/cgroup.type: threaded"),
            "crun": ("crun-parent-not-a-domain", "/th/t/cgroup.type: threaded"),
        },
        "host",
        f"mkdir -p {OWN}/th/t; echo threaded > {OWN}/th/t/cgroup.type",
    ),
    Provocation(
        "v2-limit-4096", limits(memory={"limit": 4096}), both("memory-limit-kills-runtime", "4096 bytes"), "host"
    ),
    Provocation(
        "v2-ancestor-1M",
        placed("/m/c", memory={"limit": 64 * MIB}),
        runc("memory-limit-of-ancestor", "/m/memory.max: 1048576"),
        "host",
        f"mkdir -p {OWN}/m; for d in /sys/fs/cgroup {OWN}; do echo +memory > $d/cgroup.subtree_control; done; "
        f"echo 1M > {OWN}/m/memory.max",
    ),
    Provocation("v2-shares-1", limits(cpu={"shares": 1}), both("cpu-shares-out-of-range", "cpu.shares = 1"), "host"),
    Provocation(
        "v2-quota", limits(cpu={"quota": 500, "period": 100000}), both("cpu-quota-out-of-range", "= 500"), "host"
    ),
    Provocation("v2-weight-5", limits(blockIO={"weight": 5}), both("io-weight-out-of-range", "weight = 5"), "host"),
    Provocation(
        "v2-throttle",
        limits(blockIO={"throttleReadBpsDevice": [{"major": 99, "minor": 0, "rate": MIB}]}),
        both("io-device-unknown", "99:0 not in /proc/partitions"),
        "host",
    ),
    Provocation(
        "v2-rdma", limits(rdma={"mlx5_1": {"hcaHandles": 3}}), runc("rdma-device-unknown", "(no mlx5_1)"), "host"
    ),
)
THREADED = next(row for row in UNIFIED if row.name == "v2-threaded-memory")
NEW_WORDS = (
    THREADED._replace(
        expect={
            "runc": ("threaded-domain", ""),  # it removes what made the parent threaded
            "crun": ("domain-controller-in-threaded-subtree", "cgroup.type: "),
        }
    ),
    # Both translate any shares into a weight that the kernel takes.
    *(row for row in UNIFIED if row.name not in ("v2-own-frozen", "v2-threaded-memory", "v2-shares-1")),
)
NEWEST = (
    Provocation("v2-burst", BURST, both("cpu-burst-refused", RES + "cpu.burst = 90000"), "host"),
    Provocation(
        "v2-idle",
        limits(cpu={"idle": 1, "shares": 1536}),
        runc("cpu-idle-with-shares", RES + "cpu.idle = 1"),
        "host",
    ),
    Provocation(
        "v2-update-below-usage",
        CHECKED,
        both("memory-update-below-usage", "/memory.current: "),
        "host",
        RUNNING + '; echo \'{"memory": {"limit": 4096, "checkBeforeUpdate": true}}\' > $TOP/update',
        call=("update", "--resources", "$TOP/update", "$ID"),
    ),
    Provocation(
        "v2-not-empty",
        nothing,
        runc("cgroup-not-empty", "/own/c/cgroup.procs: 1 process(es)"),
        "host",
        f"mkdir -p {OWN}/c; sleep 60 > $TOP/output 2>&1 & echo $! > {OWN}/c/cgroup.procs",
    ),
)
LEGACY = (
    Provocation(
        "v1-own-frozen", nothing, runc("container-cgroup-frozen", "/own/c/freezer.state: FROZEN"), "host", FROZEN_V1
    ),
    Provocation(
        "v1-realtime",
        limits(cpu={"realtimeRuntime": 10000}),
        both("realtime-not-in-kernel", "cpu.rt_runtime_us: absent"),
        "host",
    ),
    Provocation(
        "v1-interface",
        limits(network={"priorities": [{"name": "nope0", "priority": 5}]}),
        both("network-interface-unknown", "(no nope0)"),
        "host",
    ),
)
OLDEST = (
    Provocation(
        "overlay-in-user-namespace",
        together(users(), mounting("/etc/dir", "overlay", "overlay", "lowerdir=$TOP/src:$TOP/empty")),
        both("overlay-in-user-namespace", "/proc/sys/kernel/osrelease: 5.10."),
        "host",
    ),
    Provocation(  # later versions of crun start the container without the limit, and say nothing
        "disabled-manager",
        limits(memory={"limit": 64 * MIB}),
        crun("limits-without-cgroups", "config.json linux.resources.memory"),
        "host",
        flags=("--cgroup-manager=disabled",),
    ),
    Provocation(
        "v1-no-memsw",
        limits(memory={"limit": 64 * MIB, "swap": 128 * MIB}),
        both("swap-not-accounted-v1", "memory.memsw.limit_in_bytes: absent"),
        "host",
    ),
)
MEMORY_GONE = (  # mount(8) of these systems asks for the reason itself, so that nothing of it is in the kernel log
    Provocation(
        "no-v1-memory",
        limits(memory={"limit": 64 * MIB}),
        both("v1-controller-not-mounted", "mountinfo: no cgroup mount carries the memory controller"),
        "host",
    ),
)
DISABLED = (
    Provocation(
        "v2-memory-disabled",
        limits(memory={"limit": 64 * MIB}),
        both("controller-disabled-at-boot", "/proc/cmdline: cgroup_disable=memory"),
        "host",
    ),
)
UNITS = (
    Provocation("unit-path", nothing, both("cgroups-path-not-a-slice", "linux.cgroupsPath = "), "host", flags=SYSTEMD),
    Provocation(
        "unit-slice",
        lambda config: config["linux"].update(cgroupsPath="foo:cgshim:x"),
        both("slice-name-invalid", "linux.cgroupsPath = 'foo:cgshim:x'"),
        "host",
        flags=SYSTEMD,
    ),
    Provocation(
        "unit-property",
        _property,
        both("systemd-unit-refused", "/run/systemd/system: present"),
        "host",
        flags=SYSTEMD,
    ),
)

GUESTS = (  # the longest come first, two at a time
    GuestHost("mounts-7", "forky", "forky", "unified,disk", (*NEW_WORDS, *VERSIONED)),
    GuestHost(
        "unified-6.1", "bookworm", "bookworm", "unified,disk",
        (*UNIFIED, CLOSED, *cgroup2.OWNED, *cgroup2.TREE, *cgroup2.FILTERS), frozen=True,
    ),
    GuestHost(
        "unified-7", "forky", "forky", "unified,disk",
        (*NEWEST, CLOSED_TO_RUNC, *named(*MAPPED), *ANYWHERE, *cgroup2.OWNED[1:], *cgroup2.FILTERS),
    ),
    GuestHost(
        "unified-5.10", "bullseye", "bullseye", "unified",
        (*cgroup2.SWAPLESS, *cgroup2.FILTERS), "swapaccount=0",
    ),
    GuestHost(
        "new-on-5.10", "bullseye", "forky", "unified",
        (*cgroup2.SWAPLESS_NEW, *cgroup2.RECURSIVE), "swapaccount=0",
    ),
    GuestHost(
        "legacy-5.10", "bullseye", "bullseye", "legacy", (*OLDEST, *LEGACY[1:], *named(*MAPPED), *OLD_WORDS),
        "swapaccount=0",
    ),
    GuestHost(
        "legacy-6.1", "bookworm", "bookworm", "legacy,zram",
        (*LEGACY, *v1.SWAPPED, *v1.OUTER, *v1.OWN_NAMESPACE), frozen=True,
    ),
    GuestHost("crowded-6.1", "bookworm", "bookworm", "legacy,crowd", v1.CROWDED, memory="3072"),
    GuestHost("joined-6.1", "bookworm", "bookworm", "joined", v1.JOINED),
    GuestHost("legacy-6.12", "trixie", "trixie", "legacy", (*MEMORY_GONE, *v1.NOT_IN_KERNEL[1:])),
    GuestHost("old-on-6.12", "trixie", "bookworm", "legacy", v1.NOT_IN_KERNEL),
    GuestHost("no-v1-memory", "bookworm", "bookworm", "legacy", v1.DISABLED_FOR_V1, "cgroup_no_v1=memory"),
    GuestHost("subtree-legacy", "bookworm", "bookworm", "legacy,subtree_legacy", v1.VIEW),
    GuestHost("memory-off", "bookworm", "bookworm", "unified", DISABLED, "cgroup_disable=memory"),
    GuestHost("initramfs", "bookworm", "bookworm", "unified", units.RAMDISK, "matrix.root=initramfs"),
    GuestHost("systemd", "bookworm", "bookworm", "systemd", (*UNITS, *units.UNITS), systemd=True),
    GuestHost(
        "systemd-v1", "bookworm", "bookworm", "systemd", units.UNITS_V1, "systemd.unified_cgroup_hierarchy=0",
        systemd=True,
    ),
    GuestHost("criu-3.17", "bookworm", "bookworm", "unified", checkpoint.OLDER, packages=("criu",)),
    GuestHost("criu-4.2", "forky", "forky", "unified", checkpoint.NEWER, packages=("criu", "libcriu2")),
    GuestHost("criu-absent", "forky", "forky", "unified", checkpoint.NO_LIBRARY),
)  # fmt: skip
