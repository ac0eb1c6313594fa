"""Host values made by hand, for tests of rules: the layout decides where controllers live, overrides move them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.host.facts import HYBRID, LEGACY, UNIFIED, Fact, Host, Placement

if TYPE_CHECKING:
    from collections.abc import Mapping


BOTH = ("cpu", "cpuset", "io", "memory", "hugetlb", "pids", "rdma")
V1_ONLY = ("devices", "net_cls", "net_prio")
V1_MOUNTS = {"cpu": "cpu,cpuacct", "io": "blkio", "net_cls": "net_cls,net_prio", "net_prio": "net_cls,net_prio"}


def make_host(
    layout: str = UNIFIED,
    *,
    versions: Mapping[str, int] | None = None,
    interface: Mapping[str, bool | None] | None = None,
    **facts: object,
) -> Host:
    """A host of `layout` with every controller where that layout has it.

    versions: controller -> 1, 2 or 0, for those that live elsewhere. interface: as in Host. facts: other Host fields,
    of which swap is accounted and present, and everything runs as root in the initial namespaces.
    """
    placed = {
        **dict.fromkeys(BOTH, 2 if layout == UNIFIED else 1),
        **dict.fromkeys(V1_ONLY, 0 if layout == UNIFIED else 1),
    }
    placed.update(versions or {})
    given: dict[str, object] = {
        "layout": layout,
        "layout_evidence": f"made for a test: {layout}",
        "cgroup2_mount": {UNIFIED: "/sys/fs/cgroup", HYBRID: "/sys/fs/cgroup/unified"}.get(layout, ""),
        "cgroup2_controllers": tuple(name for name, version in placed.items() if version == 2),
        "placements": {name: _placement(name, version, layout) for name, version in placed.items()},
        "interface": dict(interface or {}),
        "swap_accounting": Fact(value=True, evidence="made for a test: swap is accounted"),
        "swap_present": Fact(value=True, evidence="made for a test: swap is present"),
        "psi": Fact(value=True, evidence="made for a test: psi"),
        "cgroup_view": Fact(value="host", evidence="made for a test: the host's own root"),
        "user_namespace": Fact(value=False, evidence="made for a test: initial user namespace"),
        "rootless": Fact(value=False, evidence="made for a test: uid 0"),
    }
    return Host(**{**given, **facts})  # type: ignore[arg-type]


def made_hybrid(**versions: int) -> Host:
    """A hybrid host with the named controllers elsewhere: `made_hybrid(pids=2)`."""
    return make_host(HYBRID, versions=versions)


def _placement(name: str, version: int, layout: str) -> Placement:
    if version == 0:
        return Placement(controller=name, version=0, evidence=f"no mount names {name}")
    if version == 1:
        mount = f"/sys/fs/cgroup/{V1_MOUNTS.get(name, name)}"
        return Placement(controller=name, version=1, mount=mount, evidence=f"{mount} is a v1 hierarchy")
    mount = "/sys/fs/cgroup" if layout == UNIFIED else "/sys/fs/cgroup/unified"
    return Placement(controller=name, version=2, mount=mount, evidence=f"{mount}/cgroup.controllers names {name}")


LAYOUTS = (UNIFIED, HYBRID, LEGACY)
