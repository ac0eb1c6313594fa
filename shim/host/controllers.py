"""Where each controller is: a v1 hierarchy, cgroup2, or nowhere (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from shim.host.facts import Placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.hierarchies import Hierarchies
    from shim.host.layout import Verdict

# cgroup2's names if they exist: every controller that the OCI runtime-spec can name and mountinfo may show.
ALL = (
    "memory",
    "cpu",
    "cpuset",
    "pids",
    "io",
    "hugetlb",
    "devices",
    "rdma",
    "misc",
    "net_cls",
    "net_prio",
    "freezer",
    "cpuacct",
    "perf_event",
)
# What cgroup2 has in place of a controller, so that "nowhere" is not taken for "impossible".
_INSTEAD = {
    "devices": "cgroup2 has no devices controller; runtimes attach a BPF program",
    "freezer": "cgroup2 has no freezer controller; every cgroup has cgroup.freeze",
    "cpuacct": "cgroup2 has no cpuacct controller; cpu.stat has its numbers",
    "perf_event": "cgroup2 has perf_event implicitly; it is never listed",
    "net_cls": "cgroup2 has no net_cls controller",
    "net_prio": "cgroup2 has no net_prio controller",
}


def v1_name(controller: str) -> str:
    """Return the name in v1 mounts and file names; only `io` differs."""
    return "blkio" if controller == "io" else controller


def v2_name(controller: str) -> str:
    """The inverse of `v1_name`."""
    return "io" if controller == "blkio" else controller


def of_file(name: str) -> str:
    """Return the controller of an interface file, cgroup2's name, by its prefix: `blkio.bfq.weight` -> `io`; "" for
    `cgroup.*`.
    """
    prefix = name.partition(".")[0]
    return "" if prefix == "cgroup" else v2_name(prefix)


def place(hierarchies: Hierarchies, verdict: Verdict, available: tuple[tuple[str, ...], str], name: str) -> Placement:
    """Return the placement of one controller. available: the cgroup2 controllers that a container can get, and the
    evidence.
    """
    mount, v1 = hierarchies.v1(v1_name(name)) if name in ALL else ("", "")
    if mount:
        return Placement(controller=name, version=1, mount=mount, evidence=v1)
    listed, v2 = available
    if not verdict.cgroup2_mount:
        return Placement(controller=name, version=0, evidence=v1 or f"no cgroup2 mount for {name}")
    if name in listed:
        return Placement(controller=name, version=2, mount=verdict.cgroup2_mount, evidence=v2)
    parts = (v1, v2, _INSTEAD.get(name, ""))
    return Placement(controller=name, version=0, evidence="; ".join(part for part in parts if part))
