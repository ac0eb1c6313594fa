"""The cgroup layout that runtimes find here, with the reason. Contradictions are `ambiguous`, never guessed away.

Runtimes decide only by the file systems at /sys/fs/cgroup and at its `unified` directory, so those two decide here,
too. /proc/cgroups shows neither and is not read.
"""

from __future__ import annotations

from shim.host.facts import AMBIGUOUS, HYBRID, LEGACY, NONE, UNIFIED
from shim.host.hierarchies import BASE, MOUNTINFO
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Layout
    from shim.host.hierarchies import Hierarchies

BESIDE = BASE + "/unified"


class Verdict(Value):
    """The layout, its proof, and the cgroup2 mount with its root's controllers ("" and () if there is none)."""

    layout: Layout
    evidence: str
    cgroup2_mount: str = ""
    cgroup2_controllers: tuple[str, ...] = ()


def decide(hierarchies: Hierarchies, asked: tuple[str, ...] = ()) -> Verdict:
    """Return the layout. asked: v1 names to try first, because the caller needs them anyway."""
    top = hierarchies.cgroup2(BASE)
    if top:
        return _unified(hierarchies, *top)
    # Only below something that is not cgroup2: there, `unified` would be a child cgroup of that name.
    beside = hierarchies.cgroup2(BESIDE)
    v1 = _any_v1(hierarchies, asked)
    if beside:
        evidence = f"{v1 or 'no v1 hierarchy is mounted'}; {beside[1]}"
        return Verdict(layout=HYBRID, evidence=evidence, cgroup2_mount=BESIDE, cgroup2_controllers=beside[0])
    if v1:
        return Verdict(layout=LEGACY, evidence=f"{v1}; {hierarchies.absent(BESIDE + '/cgroup.controllers')}")
    return _nothing(hierarchies)


def _unified(hierarchies: Hierarchies, controllers: tuple[str, ...], evidence: str) -> Verdict:
    inside = ""
    if hierarchies.v1_names():  # never if everything is on cgroup2, so mountinfo stays unread there
        mounts = (mount for mount in hierarchies.mounts() if mount.point.startswith(BASE + "/"))
        carriers = (mount for mount in mounts if any(not name.startswith("name=") for name in mount.controllers))
        inside = ", ".join(f"{mount.point} ({','.join(mount.controllers)})" for mount in carriers)
    if inside:
        evidence = f"{evidence}; but {MOUNTINFO}: v1 hierarchies inside it: {inside}"
    layout: Layout = AMBIGUOUS if inside else UNIFIED
    return Verdict(layout=layout, evidence=evidence, cgroup2_mount=BASE, cgroup2_controllers=controllers)


def _any_v1(hierarchies: Hierarchies, asked: tuple[str, ...]) -> str | None:
    """Return evidence of the first mounted v1 hierarchy. Named ones count: they are part of a v1 layout."""
    bound = hierarchies.own if hierarchies.readable else ("memory", "cpu", "cpuset", "pids", "devices")
    for name in (*(name for name in asked if name in bound), *bound):
        mount, evidence = hierarchies.v1(name) if name else ("", "")
        if mount:
            return evidence
    return None


def _nothing(hierarchies: Hierarchies) -> Verdict:
    """Return the verdict for neither layout at the well-known places: elsewhere, an imitation, or absent."""
    view = hierarchies.view
    elsewhere = [mount for mount in hierarchies.mounts() if view.identity(mount.point)]
    if elsewhere:
        points = ", ".join(f"{mount.type} at {mount.point}" for mount in elsewhere)
        return Verdict(layout=AMBIGUOUS, evidence=f"{MOUNTINFO}: {points}; but no cgroup file system at {BASE}")
    if MOUNTINFO in view.errors:
        return Verdict(layout=AMBIGUOUS, evidence=f"no cgroup file system at {BASE}; {view.why(MOUNTINFO)}")
    if not view.exists(BASE):
        return Verdict(layout=NONE, evidence=f"{view.why(BASE)}; {MOUNTINFO}: no cgroup mount")
    names = view.names(BASE)
    if names:
        what = f"{BASE}: plain files or directories ({' '.join(names)})"
        return Verdict(layout=AMBIGUOUS, evidence=f"{what}; but {MOUNTINFO}: no cgroup mount")
    return Verdict(layout=NONE, evidence=f"{BASE}: an empty directory; {MOUNTINFO}: no cgroup mount")
