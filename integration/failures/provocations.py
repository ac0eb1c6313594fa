"""The table of failures that can be provoked with bare runtimes on a v1 or hybrid host run by root.

A row: a name, how it changes config.json, in which layout, and for each runtime the code that the diagnosis must have
with a piece of its evidence. A runtime that is missing in `expect` starts the container without complaint, or fails in
a way that another row covers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Config = dict[str, Any]
IDS = {"containerID": 0, "hostID": 100000, "size": 65536}
OWN = "/sys/fs/cgroup$OWN"  # the test's own cgroup in the cgroup2 tree


class Provocation(NamedTuple):
    """change: edits config.json. expect: what fails, a runtime or another program; that gets nothing but `call`.
    prepare: shell in the private namespace. before: a program that starts the runtime and what explains its failure.
    around: one that starts the runtime alone. flags: before the subcommand. call: the subcommand and its words.

    In all of them "$TOP" is the test's directory, "$OWN" its cgroup, "$ID" its container, "$RUNTIME" the runtime.
    """

    name: str
    change: Callable[[Config], None]
    expect: dict[str, tuple[str, str]]
    layout: str = ""
    prepare: str = "true"
    before: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    call: tuple[str, ...] = ("run", "$ID")
    around: tuple[str, ...] = ()


def nothing(config: Config) -> None:
    """No change."""


def limits(**resources: Any) -> Callable[[Config], None]:
    """These `linux.resources`."""

    def change(config: Config) -> None:
        config["linux"]["resources"] = resources

    return change


def mounting(destination: str, kind: str, source: str, *options: str) -> Callable[[Config], None]:
    """One more mount."""

    def change(config: Config) -> None:
        mount = {"destination": destination, "type": kind, "source": source, "options": list(options)}
        config["mounts"].append(mount)

    return change


def users(*without: str, size: int = 65536, mount_cgroup: bool = False, cgroup: str = "") -> Callable[[Config], None]:
    """A user namespace, and none of the kinds in `without`."""

    def change(config: Config) -> None:
        linux = config["linux"]
        linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] not in without] + [{"type": "user"}]
        linux["uidMappings"] = [{**IDS, "size": size}]
        linux["gidMappings"] = [{**IDS, "size": size}]
        if mount_cgroup:  # twice: the second is EBUSY, and runc then binds the directory, for which it walks the path
            linux["namespaces"].append({"type": "cgroup"})
            options = ["nosuid", "noexec", "nodev", "relatime", "ro"]
            mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options}
            config["mounts"] += [mount, mount]
        if cgroup:
            linux["cgroupsPath"] = linux["cgroupsPath"].rpartition("/")[0] + cgroup

    return change


def placed(path: str, **resources: Any) -> Callable[[Config], None]:
    """`cgroupsPath` below the test's own cgroup."""

    def change(config: Config) -> None:
        config["linux"]["cgroupsPath"] = config["linux"]["cgroupsPath"].rpartition("/")[0] + path
        config["linux"]["resources"] = resources

    return change


def process(**fields: Any) -> Callable[[Config], None]:
    """These fields of `process`."""

    def change(config: Config) -> None:
        config["process"].update(fields)

    return change


def both(code: str, evidence: str = "") -> dict[str, tuple[str, str]]:
    """runc and crun alike."""
    return {"runc": (code, evidence), "crun": (code, evidence)}


def runc(code: str, evidence: str = "") -> dict[str, tuple[str, str]]:
    """Only runc fails like this."""
    return {"runc": (code, evidence)}


def crun(code: str, evidence: str = "") -> dict[str, tuple[str, str]]:
    """Only crun fails like this."""
    return {"crun": (code, evidence)}


def sleeping(**resources: Any) -> Callable[[Config], None]:
    """A container that stays, with these `linux.resources`."""

    def change(config: Config) -> None:
        config["process"]["args"] = ["/bin/sleep", "300"]
        config["linux"]["resources"] = resources

    return change


# Starts the container; its output is a file, since whoever waits for the end of a pipe waits for the container.
RUNNING = "cd $TOP/bundle; $RUNTIME run --detach $ID >$TOP/output 2>&1; cd - >$TOP/output"
MIB = 1 << 20
RES = "config.json linux.resources."
DENY_ALL = [{"allow": False, "access": "rwm"}]
HUGE = [{"pageSize": "2MB", "limit": 2 * MIB}]

# Starts a program under a seccomp filter: a system call (its number on x86-64) fails with an errno.
FILTER = (
    "import ctypes, os, struct, sys; number, error = map(int, sys.argv[1:3]); "
    "steps = (0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | error), (6, 0, 0, 0x7FFF0000); "
    "code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *one) for one in steps)); "
    "program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(steps), ctypes.addressof(code))); "
    "assert ctypes.CDLL(None).prctl(22, 2, program) == 0; os.execvp(sys.argv[3], sys.argv[3:])"
)
IN_PARENT = ("sh", "-c", 'echo $$ > $0; exec "$@"')  # the caller itself, and the runtime, in a cgroup of the test's


def refusing(call: str, error: str) -> tuple[str, ...]:
    """`before` of a row: the system call fails with the errno."""
    return ("python3", "-c", FILTER, call, error)


LAYOUT = (
    Provocation("hybrid", nothing, crun("crun-refuses-hybrid", "unified/cgroup.controllers: hugetlb"), "host"),
    Provocation(
        "no-devices",
        nothing,
        runc("v1-devices-not-mounted", "no cgroup mount carries the devices"),
        prepare="umount /sys/fs/cgroup/devices",
    ),
    Provocation(
        "no-memory",
        limits(memory={"limit": 64 * MIB}),
        runc("v1-controller-not-mounted", "no cgroup mount carries the memory controller"),
        prepare="umount /sys/fs/cgroup/memory",
    ),
    Provocation(
        "no-cpuset",
        limits(cpu={"cpus": "0"}),
        {
            "runc": ("v1-controller-not-mounted", "no cgroup mount carries the cpuset controller"),
            "crun": ("v1-cpuset-not-mounted", "no cgroup mount carries the cpuset controller"),
        },
        prepare="umount /sys/fs/cgroup/cpuset",
    ),
    Provocation(
        "plain-pids",
        limits(pids={"limit": 7}),
        crun("v1-controller-not-mounted", "no cgroup mount carries the pids controller"),
        prepare="umount -R /sys/fs/cgroup; mount -t tmpfs tmpfs /sys/fs/cgroup; for c in cpu cpuacct cpuset memory "
        "devices freezer blkio; do mkdir /sys/fs/cgroup/$c; mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c; done; "
        "mkdir /sys/fs/cgroup/pids",
    ),
    Provocation(
        "cpu-elsewhere",
        limits(cpu={"shares": 512}),
        runc("v1-controller-mounted-elsewhere", "$TOP/elsewhere"),
        prepare="mkdir $TOP/elsewhere; mount -t cgroup -o cpu cgroup $TOP/elsewhere; umount /sys/fs/cgroup/cpu",
    ),
    Provocation(
        "huge-on-cgroup2",
        limits(hugepageLimits=HUGE),
        runc("v1-controller-only-on-cgroup2", "unified/cgroup.controllers: hugetlb"),
        "host",
    ),
    Provocation(
        "huge", limits(hugepageLimits=HUGE), both("v1-controller-not-mounted", "the hugetlb controller"), "legacy"
    ),
    Provocation(
        "net-class", limits(network={"classID": 1}), both("v1-controller-not-mounted", "the net_cls controller")
    ),
    Provocation(
        "rdma", limits(rdma={"mlx5_1": {"hcaHandles": 3}}), runc("v1-controller-not-mounted", "the rdma controller")
    ),
    Provocation(
        "no-cgroups",
        nothing,
        both("cgroup-not-mounted", "no cgroup mount anywhere"),
        prepare="umount -R /sys/fs/cgroup",
    ),
    Provocation(
        "empty-tmpfs",
        nothing,
        both("cgroup-tmpfs-empty", "no cgroup mount below it"),
        prepare="umount -R /sys/fs/cgroup; mount -t tmpfs tmpfs /sys/fs/cgroup",
    ),
    Provocation("no-sys", nothing, both("sys-not-mounted", "nothing mounted at /sys"), prepare="umount -R /sys"),
    Provocation(
        "read-only-v2",
        nothing,
        both("cgroupfs-read-only", "/sys/fs/cgroup cgroup2 ro"),
        prepare="umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount -o "
        "remount,bind,ro /sys/fs/cgroup",
    ),
    Provocation(
        "read-only-v1",
        limits(memory={"limit": 64 * MIB}),
        both("cgroupfs-read-only", "/sys/fs/cgroup/memory cgroup ro"),
        prepare="mount -o remount,bind,ro /sys/fs/cgroup/memory",
    ),
)

TREE = (
    *(
        Provocation(
            f"v2-{name}", limits(**resources), both("controller-owned-by-v1", f"/proc/self/cgroup: {v1}:"), "unified"
        )
        for name, v1, resources in (
            ("memory", "memory", {"memory": {"limit": 64 * MIB}}),
            ("pids", "pids", {"pids": {"limit": 10}}),
            ("cpu", "cpu", {"cpu": {"shares": 512}}),
            ("cpuset", "cpuset", {"cpu": {"cpus": "0"}}),
            ("unified", "memory", {"unified": {"memory.max": "100000000"}}),
        )
    ),
    Provocation(
        "v2-unified-unknown", limits(unified={"foo.max": "1"}), both("controller-not-enabled", "(no foo)"), "unified"
    ),
    Provocation(
        "v2-unified-slash", limits(unified={"a/b.c": "1"}), both("unified-key-malformed", "unified['a/b.c']"), "unified"
    ),
    Provocation(
        "v2-unified-dotless",
        limits(unified={"memorymax": "1"}),
        both("unified-key-malformed", "unified['memorymax']"),
        "unified",
    ),
    Provocation(
        "v2-unified-file",
        limits(unified={"hugetlb.nope": "1"}),
        both("unified-file-unknown", "unified['hugetlb.nope']"),
        "unified",
    ),
    Provocation(
        "v2-unified-value",
        limits(unified={"hugetlb.2MB.max": "zz"}),
        both("unified-value-refused", "unified['hugetlb.2MB.max'] = 'zz'"),
        "unified",
    ),
    Provocation("v1-unified", limits(unified={"memory.max": "1000000000"}), both("unified-on-v1", RES + "unified")),
    Provocation(
        "max-depth",
        placed("/md/c"),
        both("cgroup-tree-limit-reached", "md/cgroup.max.depth: 0"),
        "unified",
        f"mkdir -p {OWN}/md; echo 0 > {OWN}/md/cgroup.max.depth",
    ),
    Provocation(
        "max-descendants",
        placed("/mx/c"),
        both("cgroup-tree-limit-reached", "mx/cgroup.max.descendants: 0"),
        "unified",
        f"mkdir -p {OWN}/mx; echo 0 > {OWN}/mx/cgroup.max.descendants",
    ),
    Provocation(
        "hands-down",
        placed("/st", hugepageLimits=HUGE),
        {
            "runc": ("cgroup-hands-down-controllers", ""),  # it removes the whole subtree when it fails
            "crun": ("cgroup-hands-down-controllers", "st/cgroup.subtree_control: hugetlb"),
        },
        "unified",
        (
            f"mkdir -p {OWN}/st/k; for d in /sys/fs/cgroup {OWN} {OWN}/st; do echo +hugetlb > "
            f"$d/cgroup.subtree_control; done"
        ),
    ),
    Provocation(
        "threaded",
        placed("/th/t"),
        {
            "runc": ("threaded-cgroup-has-no-procs", "th/t/cgroup.type: threaded"),
            "crun": ("crun-parent-not-a-domain", "th/t/cgroup.type: threaded"),
        },
        "unified",
        f"mkdir -p {OWN}/th/t; echo threaded > {OWN}/th/t/cgroup.type",
    ),
    Provocation(
        "threaded-parent",
        placed("/th/c", memory={"limit": 64 * MIB}),
        {
            "runc": ("threaded-domain", "th/cgroup.type: domain threaded"),
            "crun": ("crun-parent-not-a-domain", "th/cgroup.type: domain threaded"),
        },
        "unified",
        f"mkdir -p {OWN}/th/t; echo threaded > {OWN}/th/t/cgroup.type",
    ),
    Provocation(
        "busy-parent",
        placed("/b/c", hugepageLimits=HUGE),
        crun("controllers-need-empty-cgroup", "/b/cgroup.procs: "),
        "unified",
        f"mkdir -p {OWN}/b",
        before=(*IN_PARENT, f"{OWN}/b/cgroup.procs"),
    ),
)

LIMITS = (
    Provocation(
        "memory-above-memsw",
        sleeping(memory={"limit": 32 * MIB, "swap": 32 * MIB}),
        runc("memory-above-memsw", "memory.memsw.limit_in_bytes: 33554432"),
        prepare=RUNNING,
        call=("update", "--memory", "67108864", "$ID"),
    ),
    Provocation(
        "limit-4096",
        limits(memory={"limit": 4096}),
        {
            "runc": ("memory-limit-below-usage", "4096 bytes"),
            "crun": ("memory-limit-kills-runtime", "4096 bytes"),
        },
    ),
    Provocation(
        "ancestor-1M",
        placed("/m/c", memory={"limit": 64 * MIB}),
        runc("memory-limit-of-ancestor", "/m/memory.limit_in_bytes: 1048576"),
        prepare="mkdir -p /sys/fs/cgroup/memory$OWN/m; echo 1M > /sys/fs/cgroup/memory$OWN/m/memory.limit_in_bytes",
    ),
    Provocation(
        "swap-below-limit",
        limits(memory={"limit": 128 * MIB, "swap": 64 * MIB}),
        both("swap-below-limit", RES + "memory.swap = 67108864"),
    ),
    Provocation("swap-alone", limits(memory={"swap": 64 * MIB}), both("swap-without-limit", "memory.limit: absent")),
    Provocation(
        "swap-zero", limits(memory={"limit": 128 * MIB, "swap": 0}), crun("swap-below-limit", RES + "memory.swap = 0")
    ),
    Provocation(
        "v2-swap-below-limit",
        limits(memory={"limit": 128 * MIB, "swap": 64 * MIB}),
        runc("swap-below-limit", RES + "memory.swap = 67108864"),
        "unified",
    ),
    Provocation(
        "v2-swap-alone",
        limits(memory={"swap": 64 * MIB}),
        both("swap-without-limit", "memory.limit: absent"),
        "unified",
    ),
    Provocation(
        "reservation",
        limits(memory={"reservation": -5}),
        runc("memory-reservation-invalid", RES + "memory.reservation = -5"),
    ),
    *(
        Provocation(f"v2-{key}", limits(memory={key: value}), crun(code, RES + f"memory.{key} = {value}"), "unified")
        for key, value, code in (
            ("kernel", 64 * MIB, "kernel-memory-removed"),
            ("kernelTCP", 64 * MIB, "kernel-memory-removed"),
            ("swappiness", 60, "swappiness-on-cgroup2"),
            ("disableOOMKiller", True, "oom-killer-on-cgroup2"),
            ("useHierarchy", True, "use-hierarchy-removed"),
        )
    ),
    Provocation("swappiness", limits(memory={"swappiness": 201}), both("swappiness-out-of-range", "swappiness = 201")),
    Provocation(
        "use-hierarchy",
        limits(memory={"limit": 64 * MIB, "useHierarchy": False}),
        crun("use-hierarchy-removed", "useHierarchy = False"),
    ),
    Provocation("shares-1", limits(cpu={"shares": 1}), runc("cpu-shares-out-of-range", RES + "cpu.shares = 1")),
    Provocation("shares-300000", limits(cpu={"shares": 300000}), runc("cpu-shares-out-of-range", "= 300000")),
    Provocation(
        "quota",
        limits(cpu={"quota": 500, "period": 100000}),
        both("cpu-quota-out-of-range", "cpu.quota = 500, at least 1000"),
    ),
    Provocation(
        "period",
        limits(cpu={"quota": 50000, "period": 500}),
        both("cpu-quota-out-of-range", "cpu.period = 500, from 1000 to 1000000"),
    ),
    Provocation(
        "quota-above-parent",
        placed("/q/c", cpu={"quota": 80000, "period": 100000}),
        both("cpu-quota-above-parent", "cpu.cfs_quota_us 50000 of cpu.cfs_period_us 100000, asked: 80000 of 100000"),
        prepare="mkdir -p /sys/fs/cgroup/cpu$OWN/q; echo 50000 > /sys/fs/cgroup/cpu$OWN/q/cpu.cfs_quota_us",
    ),
    Provocation("quota--1", limits(cpu={"quota": -1}), crun("cpu-quota-minus-one", "cpu.quota = -1")),
    Provocation(
        "realtime", limits(cpu={"realtimeRuntime": 10000}), both("realtime-parent-has-none", "/cpu.rt_runtime_us: 0")
    ),
    Provocation(
        "v2-realtime",
        limits(cpu={"realtimeRuntime": 10000}),
        crun("realtime-on-cgroup2", "realtimeRuntime = 10000"),
        "unified",
    ),
    Provocation("fifo", nothing, both("realtime-caller", "scheduling policy SCHED_FIFO"), before=("chrt", "-f", "1")),
    Provocation(
        "cpus-64", limits(cpu={"cpus": "4095"}), both("cpuset-cpu-does-not-exist", "/sys/devices/system/cpu/possible: ")
    ),
    Provocation("cpus-abc", limits(cpu={"cpus": "abc"}), both("cpuset-malformed", "cpu.cpus = 'abc'")),
    Provocation("mems-9", limits(cpu={"mems": "9"}), both("cpuset-node-offline", "cpu.mems = '9'")),
    Provocation(
        "cpus-not-in-parent",
        placed("/cs/c", cpu={"cpus": "0-1"}),
        both("cpuset-not-in-parent", "/cs/cpuset.cpus: 0"),
        prepare="d=/sys/fs/cgroup/cpuset$OWN; mkdir -p $d/cs; for e in $d $d/cs; do echo 0 > $e/cpuset.mems; "
        "echo 0 > $e/cpuset.cpus; done",
    ),
)

DEVICES = (
    Provocation("weight", limits(blockIO={"weight": 500}), crun("io-weight-without-bfq", "blkio.weight: absent")),
    Provocation("leaf-weight", limits(blockIO={"leafWeight": 500}), both("io-leaf-weight-removed", "leafWeight = 500")),
    Provocation(
        "v2-leaf-weight",
        limits(blockIO={"leafWeight": 500}),
        crun("io-leaf-weight-removed", "leafWeight = 500"),
        "unified",
    ),
    Provocation(
        "weight-device",
        limits(blockIO={"weightDevice": [{"major": 254, "minor": 0, "weight": 500}]}),
        both("io-weight-device-without-bfq", "blockIO.weightDevice = "),
    ),
    Provocation(
        "throttle",
        limits(blockIO={"throttleReadBpsDevice": [{"major": 99, "minor": 0, "rate": MIB}]}),
        both("io-device-unknown", "99:0 not in /proc/partitions"),
    ),
    Provocation(
        "v2-huge-64k",
        limits(hugepageLimits=[{"pageSize": "64KB", "limit": MIB}]),
        both("hugetlb-page-size-unknown", "pageSize '64KB'"),
        "unified",
    ),
    Provocation(
        "v2-network", limits(network={"classID": 1}), crun("network-on-cgroup2", "linux.resources.network"), "unified"
    ),
    Provocation(
        "pids-5000000", limits(pids={"limit": 5000000}), both("pids-limit-above-maximum", "pids.limit = 5000000")
    ),
    Provocation(
        "pids-full",
        nothing,
        crun("pids-limit-reached", "/p: pids.current "),
        prepare="mkdir -p /sys/fs/cgroup/pids$OWN/p; echo 2 > /sys/fs/cgroup/pids$OWN/p/pids.max",
        before=(*IN_PARENT, "/sys/fs/cgroup/pids$OWN/p/cgroup.procs"),
    ),
    Provocation("pids--1", limits(pids={"limit": -1}), crun("pids-limit-negative", "pids.limit = -1")),
    Provocation(
        "v2-memlock",
        limits(devices=[*DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}]),
        crun("memlock-cannot-be-raised", "no CAP_SYS_RESOURCE"),
        "unified",
    ),
    Provocation(
        "device-wider-than-parent",
        placed(
            "/dv/c",
            devices=[
                {"allow": False, "access": "rwm"},
                {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "rwm"},
            ],
        ),
        both("device-rule-wider-than-parent", "/dv/devices.list: c 1:3 rwm"),
        prepare="d=/sys/fs/cgroup/devices$OWN/dv; mkdir -p $d; echo a > $d/devices.deny; echo 'c 1:3 "
        "rwm' > $d/devices.allow",
    ),
)
