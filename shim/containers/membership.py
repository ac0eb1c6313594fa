"""A container's cgroups: its own part of the path, the cgroups below it, and those above."""

from __future__ import annotations

from shim.host import membership as lines
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.container import Container
    from shim.containers.tree import HostTree

FREEZERS = ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup/systemd/freezer")


class Branch(Value):
    """One hierarchy's path: `own` is the container's cgroup, `leaf` where its process is (at or below `own`).

    known: False if nothing tells which part of the path is the container's.
    """

    own: str
    leaf: str
    known: bool = True

    @property
    def inner(self) -> tuple[str, ...]:
        """Return the container's cgroups from its own down to the process's."""
        rest = self.leaf[len(self.own) :].strip("/").split("/") if self.leaf != self.own else []
        found, path = [self.own], self.own.rstrip("/")
        for part in rest:
            path = f"{path}/{part}"
            found.append(path)
        return tuple(found)

    @property
    def above(self) -> tuple[str, ...]:
        """Return the cgroups above its own, the nearest first, without the root."""
        found, path = [], self.own
        while "/" in path.strip("/"):
            path = path.rpartition("/")[0]
            found.append(path)
        return tuple(found)


def branches(container: Container, text: str) -> dict[str, Branch]:
    """Return hierarchy (v1 controller, "" for cgroup2) -> branch, from the container's /proc/PID/cgroup."""
    return {
        name: branch(container, name, path)
        for name, path in lines.paths(text).items()
        if not path.startswith("/..") and (name == "" or not name.startswith("name="))
    }


def branch(container: Container, name: str, path: str) -> Branch:
    """Cut the path at the cgroup that the runtime recorded, else at the component with the id, else at the configured
    path.
    """
    recorded = container.recorded.get(name, "") or container.recorded.get("", "")
    for candidate in (recorded, container.cgroups_path):
        own = _tail(candidate, path)
        if own:
            return Branch(own=_scope(own), leaf=path)
    parts = path.split("/")
    for number, part in enumerate(parts):
        if container.id and container.id in part and "conmon" not in part:
            return Branch(own="/".join(parts[: number + 1]), leaf=path)
    return Branch(own=path, leaf=path, known=False)


def _tail(candidate: str, path: str) -> str:
    """Return the recorded cgroup (with or without its mount point in front) if it is `path` or above it."""
    if not candidate.startswith("/"):
        return ""
    candidate = candidate.rstrip("/")
    parts = path.split("/")
    for length in range(len(parts), 1, -1):
        prefix = "/".join(parts[:length])
        if candidate == prefix or (candidate.endswith(prefix) and candidate.startswith("/sys/fs/cgroup")):
            return prefix
    return ""


def _scope(own: str) -> str:
    """crun puts the processes one level below the scope; the scope itself is the container's, too."""
    upper, _, last = own.rpartition("/")
    return upper if last == "container" and upper.endswith(".scope") else own


def belongs(text: str, container: Container) -> bool:
    """Return whether a /proc/PID/cgroup names the container: its id, or its configured path."""
    path = container.cgroups_path.rpartition(":")[2]
    return container.id in text or (len(path) > 1 and path in text) or container.driver == "disabled"


def frozen(tree: HostTree, text: str) -> bool:
    """Return whether the process's cgroup, or one above it, is frozen (v1: freezer.state, v2: cgroup.events)."""
    paths = lines.paths(text)
    if "freezer" in paths:
        state = tree.text(f"{FREEZERS[0]}{paths['freezer']}/freezer.state") or ""
        return state.strip() in ("FROZEN", "FREEZING")
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        events = tree.text(f"{mount}{paths.get('', '/')}/cgroup.events")
        if events is not None:
            return "frozen 1" in events
    return False
