"""The kernel's values: every container's cgroups level by level; shared ancestors are read once."""

from __future__ import annotations

from shim.audit.limits import KINDS
from shim.audit.subject import CgroupLevels, Level
from shim.containers.membership import Branch, branches
from shim.host import mountinfo
from shim.host.controllers import v1_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.container import Container
    from shim.containers.tree import HostTree
    from shim.host.facts import Host

FEW = 8
CONTROLLERS = tuple(dict.fromkeys(kind.limits[0].controller for kind in KINDS if kind.limits[0].controller))


class Kernel:
    """Reads cgroups of one host. Directories are cached, so that shared ancestors are read once."""

    def __init__(self, tree: HostTree, host: Host) -> None:
        self.tree = tree
        self.host = host
        # Of several mounts at one point the last one is visible.
        self._roots: dict[str, str] = {}
        for mount in mountinfo.parse(tree.text("/proc/self/mountinfo") or ""):
            self._roots[mount.point] = mount.root
            # `cpu` is a link to the hierarchy at `cpu,cpuacct`.
            beside = mount.point.rpartition("/")[0]
            self._roots.update({f"{beside}/{name}": mount.root for name in mount.controllers})
        self._seen: dict[tuple[str, tuple[str, ...]], Level | None] = {}
        self._files = {
            (kind.limits[0].controller, version): names for kind in KINDS for version, names in kind.files.items()
        }

    def hierarchies(self, container: Container, text: str) -> dict[str, CgroupLevels]:
        """Return controller -> the container's cgroups, from its /proc/PID/cgroup."""
        found = branches(container, text)
        return {name: self._hierarchy(name, container, found) for name in CONTROLLERS}

    def _hierarchy(self, controller: str, container: Container, found: dict[str, Branch]) -> CgroupLevels:
        place = self.host.place(controller)
        version, mount = place.version, place.mount
        if controller == "devices" and not version:
            return CgroupLevels(version=2, missing="cgroup2 has no devices controller")
        if not version:
            return CgroupLevels(version=0, missing=f"this host has no {controller} controller: {place.evidence}")
        branch = found.get("" if version == 2 else v1_name(controller))
        if branch is not None:
            branch = self._shown(mount, branch)
        if branch is None:
            return CgroupLevels(
                version=version, mount=mount, missing=f"/proc/{container.pid}/cgroup has no {controller}"
            )
        if not branch.known or container.hints.get("no-cgroup") or container.driver == "disabled":
            where = f"its process shares {branch.leaf} with others"
            above = self._levels(mount, controller, version, (branch.leaf, *branch.above))
            return CgroupLevels(version=version, mount=mount, above=above, missing=f"no cgroup of its own: {where}")
        own = self._levels(mount, controller, version, branch.inner)
        above = self._levels(mount, controller, version, branch.above)
        missing = "" if own else f"cannot be read: {mount}{branch.own}"
        return CgroupLevels(version=version, mount=mount, own=own, above=above, missing=missing)

    def _shown(self, mount: str, branch: Branch) -> Branch:
        """If only a part of the hierarchy is mounted (a bind, as in pods), paths begin at the root of the mount."""
        root = self._roots.get(mount, "/")
        if root == "/" or not branch.leaf.startswith(f"{root}/"):
            return branch
        inside = branch.own.startswith(f"{root}/")
        return branch.changed(own=branch.own[len(root) :] if inside else "", leaf=branch.leaf[len(root) :])

    def _levels(self, mount: str, controller: str, version: int, paths: tuple[str, ...]) -> tuple[Level, ...]:
        names = self._files[controller, version]
        read = (self._level(mount, path, names) for path in paths)
        return tuple(level for level in read if level is not None)

    def _level(self, mount: str, path: str, names: tuple[str, ...]) -> Level | None:
        key = (f"{mount}{path}".rstrip("/"), names)
        if key not in self._seen:
            # For many possible names the directory is listed first; a few names are just tried.
            listed = set(self.tree.names(key[0])) if len(names) > FEW else None
            texts = {name: self.tree.text(f"{key[0]}/{name}") for name in names if listed is None or name in listed}
            files = {name: text for name, text in texts.items() if text is not None}
            there = files or listed or self.tree.names(key[0])
            self._seen[key] = Level(path=path, files=files) if there else None
        return self._seen[key]
