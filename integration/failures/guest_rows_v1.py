"""Rows of `integration.failures.guest_rows` on v1 hierarchies: missing controllers, swap, cpusets, outer layers."""

from __future__ import annotations

from integration.failures.guest_rows_cgroup2 import mounts_v1
from integration.failures.provocations import MIB, Config, Provocation, both, crun, limits, mounting, nothing, runc
from integration.failures.provocations_privileges import NOBODY, STATE

# A container with 30 MB in a tmpfs, more than its memory.limit: the rest is swapped out.
GREEDY = "/bin/busybox head -c 30000000 /dev/zero > /dev/large; /bin/sleep 300"
FULL = (
    "cd $TOP/bundle; $RUNTIME run --detach $ID >$TOP/output 2>&1; cd - >$TOP/output; "
    "f=/sys/fs/cgroup/memory$OWN/c/memory.memsw.usage_in_bytes; "
    "for i in $(seq 150); do if [ $(cat $f) -gt 30000000 ]; then break; fi; sleep 0.2; done; "
    'echo \'{"memory": {"limit": 16777216, "swap": 16777216}}\' > $TOP/update'
)


def _greedy(config: Config) -> None:
    config["process"]["args"] = ["/bin/sh", "-c", GREEDY]
    config["linux"]["resources"] = {"memory": {"limit": 16 * MIB, "swap": 128 * MIB}}


def _mapped(config: Config) -> None:
    """A container without a user namespace of its own and without devices, below the outer layer's cgroup."""
    for mount in config["mounts"]:
        if mount["type"] == "devpts":
            mount["options"].remove("gid=5")


SWAPPED = (
    Provocation(
        "v1-memsw-below-usage",
        _greedy,
        both("memsw-below-usage", "memory.memsw.usage_in_bytes: "),
        "host",
        FULL,
        call=("update", "--resources", "$TOP/update", "$ID"),
    ),
)
# The outer layer gives its user every hierarchy but rdma, as an older sysbox does.
OUTER = (
    Provocation(
        "v1-outer-layer",
        _mapped,
        both("outer-layer-lacks-controller", "/proc/self/uid_map: 0 65534 1"),
        "host",
        f"{STATE}; for d in /sys/fs/cgroup/*/; do case $d in */rdma/) continue;; esac; mkdir -p $d$OWN; "
        "for f in cpuset.cpus cpuset.mems; do if [ -e $d$f ]; then cat $d$f > $d$OWN/$f; fi; done; "
        "chown -R 65534:65534 $d$OWN; done",
        before=(*NOBODY, "unshare", "--user", "--map-root-user"),
    ),
)
GONE = ("v1-controller-not-in-kernel", "kernel log: Unknown subsys name 'memory'")
NOT_IN_KERNEL = (
    Provocation(
        "v1-memory-not-in-kernel",
        limits(memory={"limit": 64 * MIB}),
        both(*GONE),
        "host",
    ),
    mounts_v1("memory", "cgroup", *GONE),
)
DISABLED_FOR_V1 = (
    Provocation(
        "v1-memory-disabled",
        limits(memory={"limit": 64 * MIB}),
        both("v1-controller-disabled-at-boot", "/proc/cmdline: cgroup_no_v1=memory"),
        "host",
    ),
    mounts_v1("memory", "cgroup", "v1-controller-disabled-at-boot", "/proc/cmdline: cgroup_no_v1=memory"),
)
JOINED = (Provocation("v1-joined-cpuset", nothing, crun("cpuset-empty", "cpuset.cpus: empty"), "host"),)


def _cgroup_mount(config: Config) -> None:
    mounting("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro")(config)


# A cgroup namespace of its own below mounts that show the host's hierarchies, as -v /sys/fs/cgroup makes it.
OWN_NAMESPACE = (
    Provocation(
        "v1-foreign-mounts",
        _cgroup_mount,
        runc("cgroup-path-outside-view", "(/..)"),
        "host",
        "for d in /sys/fs/cgroup/*/; do mkdir -p $d$OWN; for f in cpuset.cpus cpuset.mems; do "
        "if [ -e $d$f ]; then cat $d$f > $d$OWN/$f; fi; done; done",
        before=(
            *(
                "sh",
                "-ec",
                'for d in /sys/fs/cgroup/*/; do echo $$ > $d$0/cgroup.procs; done; exec unshare --cgroup "$@"',
            ),
            "$OWN",
        ),
    ),
)
VIEW = (Provocation("v1-subtree-mount", _cgroup_mount, runc("pod-subtree-at-cgroup-root", "/kubepods/pod"), "host"),)
CROWDED = (
    Provocation("v1-no-memory-id", nothing, both("memory-cgroups-exhausted", "memory num_cgroups 6553"), "host"),
)
