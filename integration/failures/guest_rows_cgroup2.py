"""Rows of `integration.failures.guest_rows` on cgroup2: tree, device filter, nested views, swap, old and new mounts."""

from __future__ import annotations

from integration.failures.provocations import (
    DENY_ALL,
    MIB,
    OWN,
    Config,
    Provocation,
    both,
    crun,
    limits,
    mounting,
    nothing,
    placed,
    refusing,
)

TOP = "/sys/fs/cgroup"
BPF = "321"
PERM, INVAL, NOSYS = "1", "22", "38"


def nested(root: str, place: str) -> tuple[str, ...]:
    """A program that starts another in the cgroup `place`, in a cgroup namespace whose root is `root`."""
    enter = f'echo $$ > {place}/cgroup.procs; umount {TOP}; mount -t cgroup2 cgroup2 {TOP}; exec "$@"'
    script = (
        f"mkdir -p {root} {place}; echo $$ > {root}/cgroup.procs; exec unshare --cgroup --mount sh -ec '{enter}' sh"
    )
    return ("sh", "-ec", f'{script} "$@"', "sh")


def _below_root(config: Config) -> None:
    config["linux"].update(cgroupsPath="/c", resources={"memory": {"limit": 64 * MIB}})


def _empty_path(config: Config) -> None:
    """crun fails in cleaning up; its status is the container's."""
    config["linux"]["cgroupsPath"] = ""
    config["process"]["args"] = ["/bin/sh", "-c", "exit 3"]


def mounts_v1(controller: str, source: str, code: str, evidence: str, prepare: str = "true") -> Provocation:
    """A row that mounts the controller as v1, as scripts do: mount(8)'s own words."""
    call = ("-t", "cgroup", "-o", controller, source, f"$TOP/{controller}")
    expect = {"mount": (code, evidence)}
    return Provocation(
        f"mount-{controller}-{source}", nothing, expect, "host", f"mkdir $TOP/{controller}; {prepare}", call=call
    )


HANDED_DOWN = f"mkdir -p {OWN}/p; echo +pids > {TOP}/cgroup.subtree_control"
OWNED = tuple(
    mounts_v1("pids", source, "v1-controller-owned-by-cgroup2", f"{TOP}/cgroup.controllers: ", HANDED_DOWN)
    for source in ("pids", "cgroup")
)
TREE = (
    Provocation(
        "v2-occupied-root",
        _below_root,
        {
            "runc": ("no-internal-processes", f"{TOP}/cgroup.procs: "),
            "crun": ("domain-controller-in-threaded-subtree", f"{TOP}/cgroup.type: domain threaded"),
        },
        "host",
        f"mkdir -p {OWN}; for d in {TOP} {OWN}; do echo +pids > $d/cgroup.subtree_control; done",
        before=nested(f"{OWN}/dind", f"{OWN}/dind"),
    ),
    Provocation(
        "v2-occupied-parent",
        placed("/in/c", memory={"limit": 64 * MIB}),
        {
            "runc": ("threaded-domain", "/in/cgroup.procs: "),
            "crun": ("crun-parent-not-a-domain", "/in/c/cgroup.type: domain invalid"),
        },
        "host",
        f"mkdir -p {OWN}/in; sleep 60 > $TOP/output 2>&1 & echo $! > {OWN}/in/cgroup.procs; "
        f"for d in {TOP} {OWN} {OWN}/in; do echo +pids > $d/cgroup.subtree_control; done",
    ),
    Provocation(
        "v2-root-path",
        _empty_path,
        crun("cgroups-path-is-root", "linux.cgroupsPath = ''"),
        "host",
        around=nested(f"{OWN}-nest/n", f"{OWN}-nest/out"),  # crun kills everything in the first
    ),
)
RULES = [*DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}]
FILTERS = tuple(
    Provocation(f"v2-bpf-{name}", limits(devices=RULES), both(code, evidence), "host", before=refusing(BPF, error))
    for name, error, code, evidence in (
        ("refused", PERM, "device-filter-not-permitted", "Seccomp: 2"),
        ("hidden", NOSYS, "device-filter-not-permitted", "Seccomp: 2"),
        # What a kernel without CONFIG_CGROUP_BPF answers.
        ("invalid", INVAL, "device-filter-not-in-kernel", ""),
    )
)
SWAPLESS = (
    Provocation(
        "v2-no-swap-max",
        limits(memory={"limit": 64 * MIB, "swap": 128 * MIB}),
        both("swap-not-accounted-v2", "memory.swap.max: absent"),
        "host",
    ),
    Provocation(
        "v2-no-swap-max-unified",
        limits(unified={"memory.swap.max": "1048576"}),
        both("swap-not-accounted-v2", "memory.swap.max: absent"),
        "host",
    ),
)
SWAPLESS_NEW = (SWAPLESS[0]._replace(expect={"runc": SWAPLESS[0].expect["runc"]}), *SWAPLESS[1:])  # crun starts
RECURSIVE = (
    Provocation(
        "recursive-read-only",
        mounting("/etc/dir", "bind", "$TOP/src", "bind", "rro"),
        both("recursive-read-only-unsupported", "/proc/sys/kernel/osrelease: 5.10."),
        "host",
    ),
)
