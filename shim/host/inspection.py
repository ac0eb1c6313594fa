"""The complete facts about a host, for cgshimctl: every cgroup mount, whose tree each shows, and all contradictions.

The cost grows with the host's mounts, so an intercepted call never imports this.
"""

from __future__ import annotations

from shim.host import controllers as table
from shim.host import mountinfo, psi
from shim.host.detect import detect
from shim.host.facts import Fact, Host
from shim.host.hierarchies import BASE, Hierarchies
from shim.host.interface import HOST_ROOT
from shim.host.view import quote
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.host.view import View

INITIAL_CGROUP_NAMESPACE = "cgroup:[4026531835]"  # include/linux/proc_ns.h, PROC_CGROUP_INIT_INO
PROC_CGROUPS = "/proc/cgroups"
# Controllers that are on cgroup2 if no v1 hierarchy has them; others may be unused.
IN_BOTH = ("memory", "cpu", "cpuset", "pids", "io", "hugetlb", "rdma", "misc")


class Sight(Value):
    """One cgroup mount and whose tree it shows.

    shows: "host" (the hierarchy's own root), "namespace" (the root of a cgroup namespace), "subtree" (a bind of a part
    of the tree, as container engines make for pods on v1), "hidden" (another mount covers it), "unreachable".
    """

    mount: mountinfo.Mount
    shows: str
    evidence: str


class Inspection(Value):
    """A host with all known facts.

    cgroup_namespace: "initial" or "private". delegation: whether this process may make cgroups below its own. hints:
    the content of /proc/cgroups, which decides nothing. contradictions: facts that contradict each other, one sentence
    each.
    """

    host: Host
    sights: tuple[Sight, ...]
    cgroup_namespace: Fact
    delegation: Fact
    hints: tuple[str, ...]
    contradictions: tuple[str, ...]


def inspect(view: View, wanted: tuple[str, ...] = ()) -> Inspection:
    """Return every fact; makes no trial cgroup."""
    hierarchies = Hierarchies(view)
    host = detect(view, wanted=wanted, writable=False)
    mounts = hierarchies.mounts()
    points = [mount.point for mount in mounts]
    sights = tuple(sight(view, m, covered=m.point in points[index + 1 :]) for index, m in enumerate(mounts))
    fuller: Any = host.changed(psi=psi.available(view, host.cgroup2_mount), cgroup_view=_cgroup_view(host, sights))
    claims = proc_cgroups(view.text(PROC_CGROUPS) or "")
    return Inspection(
        host=fuller,
        sights=sights,
        cgroup_namespace=cgroup_namespace(view, hierarchies),
        delegation=delegation(view, host, hierarchies),
        hints=_hints(view, claims),
        contradictions=(*_mount_contradictions(view, sights), *_claim_contradictions(host, claims)),
    )


def sight(view: View, mount: mountinfo.Mount, covered: bool = False) -> Sight:
    """Return whose tree a mount shows. The inode decides; mountinfo's root field only distinguishes the other cases.

    The root field is relative to the reader's cgroup namespace: a namespace's own mount shows `/` as the host's does,
    and the host's, inherited into a namespace, shows `/../..`. `covered`: a later cgroup mount is on the same point.
    """
    found = view.identity(mount.point)
    if found is None:
        return Sight(mount=mount, shows="unreachable", evidence=view.why(mount.point))
    evidence = f"{mount.point}: inode {found.inode}; /proc/self/mountinfo: root {mount.root}"
    if covered or found.device != view.device(mount.device):
        return Sight(mount=mount, shows="hidden", evidence=f"{evidence}; another mount covers it")
    if found.inode == HOST_ROOT:
        return Sight(mount=mount, shows="host", evidence=evidence)
    above = set(mount.root.split("/")) <= {"", ".."}  # `/`, or only `..`: the root of this or an outer namespace
    return Sight(mount=mount, shows="namespace" if above else "subtree", evidence=evidence)


def cgroup_namespace(view: View, hierarchies: Hierarchies) -> Fact:
    """Return "initial" or "private". A path with `/..` also shows a private one, from outside its root."""
    path = "/proc/self/ns/cgroup"
    target = view.link(path)
    if target is None:
        climbs = any(own.startswith("/..") for own in hierarchies.own.values())
        return Fact(value="private" if climbs else None, evidence=view.why(path))
    value = "initial" if target == INITIAL_CGROUP_NAMESPACE else "private"
    return Fact(value=value, evidence=f"{path}: {target}")


def delegation(view: View, host: Host, hierarchies: Hierarchies) -> Fact:
    """Return True if cgroups can be made below our own; the evidence lists the controllers that can be enabled
    there.
    """
    mount, name = host.cgroup2_mount, ""
    for place in host.placements.values():
        if not mount and place.version == 1:
            mount, name = place.mount, table.v1_name(place.controller)
    if not mount:
        return Fact(value=False, evidence="no cgroup file system")
    own = hierarchies.own.get(name, "/")
    directory = (mount + own).rstrip("/")
    if not view.exists(directory):
        return Fact(value=None, evidence=view.why(directory))
    value = view.writable(directory)
    evidence = [f"{directory}: {'writable' if value else 'not writable'}"]
    for file in ("cgroup.controllers", "cgroup.subtree_control"):
        text = view.text(f"{directory}/{file}")
        if text is not None:
            evidence.append(quote(f"{directory}/{file}", text))
    return Fact(value=value, evidence="; ".join(evidence))


def proc_cgroups(text: str) -> dict[str, tuple[int, bool]]:
    """Return v1 controller -> (hierarchy id, enabled) from /proc/cgroups; malformed lines are left out."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {r[0]: (int(r[1]), r[3] == "1") for r in rows if len(r) == 4 and r[1].isdigit()}


def _cgroup_view(host: Host, sights: tuple[Sight, ...]) -> Fact:
    """Return the view as `detect` does, or from mountinfo if the mount is listed there."""
    first = next((place for place in host.placements.values() if place.version == 1), None)
    point = first.mount if first else host.cgroup2_mount
    for seen in reversed(sights):
        if seen.mount.point == point and seen.shows in ("host", "namespace", "subtree"):
            return Fact(value=seen.shows, evidence=seen.evidence)
    return host.cgroup_view


def _hints(view: View, claims: dict[str, tuple[int, bool]]) -> tuple[str, ...]:
    if PROC_CGROUPS in view.errors:
        return (view.why(PROC_CGROUPS),)
    rows = (f"{PROC_CGROUPS}: {name} hierarchy {number} enabled {int(on)}" for name, (number, on) in claims.items())
    return tuple(rows)


def _mount_contradictions(view: View, sights: tuple[Sight, ...]) -> tuple[str, ...]:
    """Return mounts at a well-known place that do not match its name, and look-alikes of interface files."""
    found = []
    for seen in sights:
        mount, name = seen.mount, seen.mount.point.rpartition("/")[2]
        known = mount.point == f"{BASE}/{name}" and table.v2_name(name) in table.ALL
        if known and mount.type == "cgroup" and name not in mount.controllers and seen.shows != "hidden":
            found.append(f"{mount.point}: carries {','.join(mount.controllers)}, not {name}")
    for directory in (BASE, *(f"{BASE}/{table.v1_name(controller)}" for controller in table.ALL)):
        for file in ("memory.pressure", "cpu.pressure", "cgroup.clone_children", "cgroup.procs"):
            forged = view.identity(f"{directory}/{file}")
            if forged and forged.size:
                found.append(f"{directory}/{file}: {forged.size} bytes, a regular file, not the kernel's")
    return tuple(found)


def _claim_contradictions(host: Host, claims: dict[str, tuple[int, bool]]) -> tuple[str, ...]:
    """Return where /proc/cgroups contradicts the mounts, on a host whose own tree is visible."""
    found: list[str] = []
    if host.cgroup_view.value != "host":
        return ()
    for name, (number, enabled) in claims.items():
        place = host.place(table.v2_name(name))
        if enabled and place.version == 0 and table.v2_name(name) in IN_BOTH:
            found.append(f"{PROC_CGROUPS}: {name} enabled 1, hierarchy {number}; yet it is nowhere: {place.evidence}")
    for place in host.placements.values():
        if place.version == 2 and claims and table.v1_name(place.controller) not in claims:
            found.append(f"{PROC_CGROUPS}: does not list {place.controller}; yet {place.evidence}")
    return tuple(found)
