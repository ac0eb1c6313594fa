"""The files of a container's cgroups: of the memory controller, of cpu, and of cgroup2 for its pressure."""

from __future__ import annotations

from shim.containers.container import ALIVE, Container
from shim.containers.membership import branches
from shim.host import mountinfo
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from shim.containers.inventory import Inventory
    from shim.containers.membership import Branch
    from shim.host.facts import Host
    from shim.host.view import View

NO_OWN = "its processes are in {}, which it shares with others"


class Spot(Value):
    """One cgroup directory. path: below the mount. device: of the mount, and so of every valid file."""

    version: int
    mount: str
    path: str
    device: int

    @property
    def directory(self) -> str:
        """The mount and the path."""
        return f"{self.mount}{self.path}".rstrip("/")

    @property
    def above(self) -> tuple[Spot, ...]:
        """The cgroups above it, the nearest first, without the root of the mount."""
        found, path = [], self.path
        while path.count("/") > 1:
            path = path.rpartition("/")[0]
            found.append(self.changed(path=path))
        return tuple(found)


class ContainerCgroups(Value):
    """A container's cgroups. unified: in cgroup2, None if it has none of its own there. inode: of the memory cgroup."""

    memory: Spot
    inode: int
    cpu: Spot | None = None
    unified: Spot | None = None


class Followed(Value):
    """A container that is watched."""

    container: Container
    place: ContainerCgroups

    @property
    def id(self) -> str:
        """The container's full id."""
        return self.container.id

    @property
    def named(self) -> dict[str, str]:
        """The names for samples, events and alerts."""
        one = self.container
        return {"id": one.id, "engine": one.engine, "name": one.title, "pod": one.pod}


class CgroupFinder:
    """Finds the cgroups of containers on one host."""

    def __init__(self, view: View, host: Host) -> None:
        self.view = view
        self.host = host
        self.roots: dict[str, str] = {}
        for mount in mountinfo.parse(view.text("/proc/self/mountinfo") or ""):
            self.roots[mount.point] = mount.root
            beside = mount.point.rpartition("/")[0]  # `cpu` is a link to the hierarchy at `cpu,cpuacct`
            self.roots.update({f"{beside}/{name}": mount.root for name in mount.controllers})
        self.devices: dict[str, int] = {}

    def of(self, container: Container, text: str) -> ContainerCgroups | str:
        """Return the container's cgroups from its /proc/PID/cgroup, or why it has none."""
        found = branches(container, text)
        memory = self._spot(found, "memory")
        if isinstance(memory, str):
            return memory
        identity = self.view.identity(memory.directory)
        if identity is None:
            return self.view.why(memory.directory)
        cpu, unified = self._spot(found, "cpu"), self._unified(found)
        return ContainerCgroups(
            memory=memory,
            inode=identity.inode,
            cpu=None if isinstance(cpu, str) else cpu,
            unified=None if isinstance(unified, str) else unified,
        )

    def _spot(self, found: dict[str, Branch], controller: str) -> Spot | str:
        place = self.host.place(controller)
        if not place.version:
            return f"this host has no {controller} controller: {place.evidence}"
        return self._at(found.get("" if place.version == 2 else controller), place.mount, place.version)

    def _unified(self, found: dict[str, Branch]) -> Spot | str:
        mount = self.host.cgroup2_mount
        return self._at(found.get(""), mount, 2) if mount else "cgroup2 is not mounted"

    def _at(self, branch: Branch | None, mount: str, version: int) -> Spot | str:
        if branch is None:
            return "its cgroup is outside of what can be seen here"
        if not branch.known:
            return NO_OWN.format(branch.leaf)
        return Spot(version=version, mount=mount, path=self._below(mount, branch.own), device=self._device(mount))

    def _below(self, mount: str, path: str) -> str:
        """Return a path of /proc/PID/cgroup relative to the mount, which may show only a part of the hierarchy."""
        root = self.roots.get(mount, "/")
        return path[len(root) :] if root != "/" and path.startswith(f"{root}/") else path

    def _device(self, mount: str) -> int:
        if mount not in self.devices:
            identity = self.view.identity(mount)
            self.devices[mount] = identity.device if identity else -1
        return self.devices[mount]

    def directory(self, path: str) -> str:
        """Return the directory of a memory cgroup, from its path in /proc/PID/cgroup."""
        mount = self.host.place("memory").mount
        return f"{mount}{self._below(mount, path)}".rstrip("/")

    def memory(self, directory: str) -> Spot:
        """Return the memory cgroup at a directory below its mount."""
        place = self.host.place("memory")
        path = directory[len(place.mount) :]
        return Spot(version=place.version, mount=place.mount, path=path, device=self._device(place.mount))


def follow(
    places: CgroupFinder, found: Inventory, names: Iterable[str] = ()
) -> tuple[dict[str, Followed], dict[str, str]]:
    """Return the running containers that can be followed, by id, and why others cannot (id -> reason).

    names: ids, names or POD/NAME, or the beginning of an id; all containers if empty. Pods' pause containers are left
    out unless they are named.
    """
    chosen = tuple(names)
    followed: dict[str, Followed] = {}
    reasons: dict[str, str] = {}
    for container in found.containers:
        if container.state not in ALIVE or not container.pid:
            continue
        if (container.helper and not chosen) or (chosen and not any(is_called(container, name) for name in chosen)):
            continue
        place = places.of(container, found.cgroups.get(container.pid, ""))
        if isinstance(place, ContainerCgroups):
            followed[container.id] = Followed(container=container, place=place)
        else:
            reasons[container.id] = place
    return followed, reasons


def is_called(container: Container, name: str) -> bool:
    """Return whether the container has this name; three characters of an id are enough."""
    full = f"{container.pod}/{container.name}"
    return name in (container.name, container.id, full) or (len(name) > 2 and container.id.startswith(name))
