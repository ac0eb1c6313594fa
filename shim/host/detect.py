"""Detection for an intercepted call: reads a handful of files, whatever the number of mounts and cgroups.

`shim.host.inspection` looks deeper, at every mount. Both return the same facts.
"""

from __future__ import annotations

from shim.host import controllers as table
from shim.host import layout, namespaces, parents, swap
from shim.host.facts import Fact, Host, Placement
from shim.host.hierarchies import Hierarchies
from shim.host.interface import Interface
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.layout import Verdict
    from shim.host.view import View

WITHOUT_LIMITS = ("devices", "freezer", "cpuacct", "perf_event")
NOT_LOOKED_AT = Fact(value=None, evidence="not looked at")


def detect(
    view: View,
    wanted: tuple[str, ...] = (),
    target: str = "",
    writable: bool = True,
    controllers: tuple[str, ...] | None = None,
) -> Host:
    """Return the facts that planning needs.

    wanted: interface file names to answer in `Host.interface`.
    target: the container's `cgroupsPath`, "" if unknown; files are looked up as close to it as possible.
    writable: a trial cgroup may be made for a wanted file if no existing cgroup gives the answer.
    controllers: v2 names to place (those of `wanted` are added); None for all. Swap is detected with "memory".
    """
    names = tuple(dict.fromkeys((*(table.ALL if controllers is None else controllers), *_controllers_of(wanted))))
    hierarchies = Hierarchies(view)
    verdict = layout.decide(hierarchies, tuple(table.v1_name(name) for name in names))
    user = namespaces.user(view)
    rootless = namespaces.rootless(view, user)
    path = parents.expand(target, hierarchies.own.get("", ""), as_user=rootless.value is True)
    placements = _placements(hierarchies, verdict, names, (path, target), rootless)
    interface = Interface(hierarchies, path)
    answers = interface.answers(wanted, {**placements, "": _core(verdict)}, writable)
    memory = placements.get("memory")
    return Host(
        layout=verdict.layout,
        layout_evidence=verdict.evidence,
        cgroup2_mount=verdict.cgroup2_mount,
        cgroup2_controllers=verdict.cgroup2_controllers,
        placements=placements,
        interface={name: value for name, (value, _) in answers.items()},
        interface_evidence=tuple(f"{name}: {evidence}" for name, (_, evidence) in answers.items()),
        swap_accounting=swap.accounting(interface, memory, answers) if memory else NOT_LOOKED_AT,
        swap_present=swap.present(view) if memory else NOT_LOOKED_AT,
        psi=NOT_LOOKED_AT,
        cgroup_view=cgroup_view(hierarchies, verdict, placements),
        user_namespace=user,
        rootless=rootless,
        own=hierarchies.own,
    )


def _placements(
    hierarchies: Hierarchies, verdict: Verdict, names: tuple[str, ...], paths: tuple[str, str], rootless: Fact
) -> dict[str, Placement]:
    """Return where each controller is for the container. paths: expanded, and as in `cgroupsPath`."""
    path, target = paths
    available = delegated(hierarchies, verdict, path, rootless.value is not False)
    placements = {name: table.place(hierarchies, verdict, available, name) for name in names}
    if rootless.value is True:
        return {name: _as_user(hierarchies, place, target) for name, place in placements.items()}
    return placements


def delegated(hierarchies: Hierarchies, verdict: Verdict, path: str, rootless: bool) -> tuple[tuple[str, ...], str]:
    """Return the cgroup2 controllers that a container at `path` can get, with the evidence.

    Root can enable all controllers of the mount's root, down to any level. A user is confined to the delegated part of
    the tree: the deepest existing cgroup on the container's path decides.
    """
    mount = verdict.cgroup2_mount
    if not mount:
        return (), ""
    if rootless:
        own = hierarchies.own.get("", "")
        near = path or parents.delegated_to_user(own) or own
        directory = next(parents.existing(hierarchies.view, mount, near), mount)
        file = f"{directory}/cgroup.controllers"
        if not hierarchies.view.writable(directory):
            return (), _not_ours(hierarchies, directory)
        text = hierarchies.view.text(file)
        return (tuple(text.split()), quote(file, text)) if text is not None else ((), hierarchies.view.why(file))
    return verdict.cgroup2_controllers, quote(f"{mount}/cgroup.controllers", " ".join(verdict.cgroup2_controllers))


def _as_user(hierarchies: Hierarchies, place: Placement, target: str) -> Placement:
    """Return "nowhere" for a v1 controller in which this user can make no cgroup: v1 hierarchies usually belong to
    root.

    Controllers without limits that the caller asked for are exempt: runtimes ignore that a user cannot set device rules
    on v1.
    """
    if place.version != 1 or place.controller in WITHOUT_LIMITS:
        return place
    own = hierarchies.own.get(table.v1_name(place.controller), "/")
    near = parents.expand(target, own, as_user=True) or own
    directory = next(parents.existing(hierarchies.view, place.mount, near), place.mount)
    if hierarchies.view.writable(directory):
        return place
    return Placement(controller=place.controller, version=0, evidence=_not_ours(hierarchies, directory))


def _not_ours(hierarchies: Hierarchies, directory: str) -> str:
    return f"{directory}: not writable for user id {hierarchies.view.euid()}, who cannot create a cgroup there"


def cgroup_view(hierarchies: Hierarchies, verdict: Verdict, placements: dict[str, Placement]) -> Fact:
    """Return whose tree this is, judged by the first v1 hierarchy in use, or by cgroup2 if there is none."""
    for place in placements.values():
        if place.version == 1:
            own = hierarchies.own.get(table.v1_name(place.controller), "")
            return namespaces.cgroup(hierarchies, place.mount, own)
    return namespaces.cgroup(hierarchies, verdict.cgroup2_mount, hierarchies.own.get("", ""))


def _controllers_of(wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in map(table.of_file, wanted) if name)


def _core(verdict: Verdict) -> Placement:
    """Return the placement for `cgroup.*` files: cgroup2's core, which belongs to no controller."""
    version = 2 if verdict.cgroup2_mount else 0
    return Placement(controller="", version=version, mount=verdict.cgroup2_mount, evidence="no cgroup2 mount")
