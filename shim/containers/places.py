"""Where engines keep their records: the usual places, and those in command lines and settings.

A place belongs to a tree: this host's own, a user's home (where links are not followed), or the root of a daemon's own
mount namespace (rootless Docker and containerd), seen through /proc/PID/root.
"""

from __future__ import annotations

import re

from shim.containers import processes
from shim.containers.tree import HostTree
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.processes import Census, Process

TASKS = "io.containerd.runtime.v2.task"
OPTION = re.compile(r"""^\s*(root|state|graphroot|runroot)\s*=\s*["']([^"']+)["']""", re.MULTILINE)
STORAGE_CONF = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")


class Place(Value):
    """A directory of one tree. user: its owner, "" for root."""

    tree: HostTree
    path: str
    user: str = ""


class Places(Value):
    """All places, by their content.

    docker: data roots. exec_roots: docker's runtime state. tasks: containerd's bundles, one directory a namespace.
    metadata: containerd's roots. storage: GRAPH of podman and CRI-O. kubelet: its root. runtimes: roots of runc, crun.
    trees: pid of one of the engines' processes -> the tree in which its paths are to be read.
    """

    docker: tuple[Place, ...]
    tasks: tuple[Place, ...]
    metadata: tuple[Place, ...]
    storage: tuple[Place, ...]
    kubelet: tuple[Place, ...]
    runtimes: tuple[Place, ...]
    trees: dict[int, HostTree]

    def all(self) -> tuple[Place, ...]:
        """Every place."""
        return (*self.docker, *self.tasks, *self.metadata, *self.storage, *self.kubelet, *self.runtimes)


class Found:
    """The places collected so far, each once."""

    def __init__(self, tree: HostTree) -> None:
        self.tree = tree
        self.by_kind: dict[str, dict[tuple[str, str], Place]] = {}
        self._elsewhere: dict[str, HostTree] = {}

    def add(self, kind: str, path: str, tree: HostTree | None = None, user: str = "") -> None:
        """Add a place."""
        tree = tree or self.tree
        path = path.rstrip("/")
        if path.startswith("/"):
            place = Place(tree=tree, path=path, user=user)
            self.by_kind.setdefault(kind, {}).setdefault((tree.root, path), place)

    def tree_of(self, process: Process) -> HostTree:
        """Return the root file system that the process sees; one tree for each mount namespace.

        In a user's process no links are followed, so that a path cannot lead to another user's file.
        """
        if not process.elsewhere and process.user in (0, self.tree.owner("/proc/self")):
            return self.tree
        root = f"{self.tree.root}/proc/{process.pid}/root" if process.elsewhere else self.tree.root
        return self._elsewhere.setdefault(process.elsewhere, HostTree(root, follow=False))

    def of(self, kind: str) -> tuple[Place, ...]:
        """Return all places of a kind."""
        return tuple(self.by_kind.get(kind, {}).values())


def places(tree: HostTree, census: Census, roots: tuple[str, ...] = ()) -> Places:
    """Return every place that may hold records. roots: further state directories of runtimes."""
    found = Found(tree)
    _usual(found)
    _users(found)
    for process in census.processes:
        inside = found.tree_of(process)
        if process.kind == processes.DOCKERD:
            _dockerd(found, process, inside)
        elif process.kind == processes.CONTAINERD:
            _containerd(found, process, inside)
        elif process.kind == processes.SHIM and f"/{TASKS}/" in process.cwd:
            found.add("tasks", process.cwd.partition(f"/{TASKS}/")[0] + f"/{TASKS}", inside)
        elif process.kind == processes.CONMON:
            _conmon(found, process, inside)
        elif process.kind == processes.KUBELET:
            found.add("kubelet", process.option("--root-dir", "-root-dir") or "/var/lib/kubelet", inside)
    for root in roots:
        found.add("runtimes", root)
    names = ("docker", "tasks", "metadata", "storage", "kubelet", "runtimes")
    trees = {process.pid: found.tree_of(process) for process in census.processes}
    return Places(**{name: found.of(name) for name in names}, trees=trees)


def _usual(found: Found) -> None:
    tree = found.tree
    found.add("docker", "/var/lib/docker")
    found.add("tasks", f"/run/containerd/{TASKS}")
    found.add("tasks", f"/run/docker/containerd/daemon/{TASKS}")
    found.add("metadata", "/var/lib/containerd")
    found.add("metadata", "/var/lib/docker/containerd/daemon")
    found.add("kubelet", "/var/lib/kubelet")
    found.add("storage", "/var/lib/containers/storage")
    for path in STORAGE_CONF:
        for name, value in OPTION.findall(tree.text(path) or ""):
            if name == "graphroot":
                found.add("storage", value)
    for name in ("runc", "crun"):
        found.add("runtimes", f"/run/{name}")
    _namespaces(found, tree, "/run/containerd/runc")
    for name in tree.names("/run/docker"):
        if name.startswith("runtime-"):
            _namespaces(found, tree, f"/run/docker/{name}")
    settings = tree.object("/etc/docker/daemon.json")
    _docker_roots(found, tree, settings.get("data-root") or settings.get("graph"), settings.get("exec-root"))


def _namespaces(found: Found, tree: HostTree, path: str) -> None:
    """Add a runtime root for each of containerd's namespaces."""
    for name in tree.names(path):
        found.add("runtimes", f"{path}/{name}", tree)


def _users(found: Found) -> None:
    """Add rootless podman's storage in homes and runtimes' state below XDG_RUNTIME_DIR, where users may write."""
    for line in (found.tree.text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) < 7 or not fields[5].startswith("/") or fields[5] == "/" or fields[2] == "0":
            continue
        home = HostTree(found.tree.root + fields[5], follow=False)
        found.add("storage", "/.local/share/containers/storage", home, fields[2])
    for name in found.tree.names("/run/user"):
        inside = HostTree(f"{found.tree.root}/run/user/{name}", follow=False)
        for runtime in ("runc", "crun"):
            found.add("runtimes", f"/{runtime}", inside, name)


def _dockerd(found: Found, process: Process, tree: HostTree) -> None:
    settings = tree.object(process.option("--config-file") or "/etc/docker/daemon.json")
    data = process.option("--data-root", "--graph", "-g") or settings.get("data-root")
    _docker_roots(found, tree, data, process.option("--exec-root") or settings.get("exec-root"))


def _docker_roots(found: Found, tree: HostTree, data: Any, executed: Any) -> None:
    if isinstance(data, str) and data:
        found.add("docker", data, tree)
        found.add("metadata", f"{data}/containerd/daemon", tree)
    if isinstance(executed, str) and executed:
        found.add("tasks", f"{executed}/containerd/daemon/{TASKS}", tree)
        for name in tree.names(executed):
            if name.startswith("runtime-"):
                _namespaces(found, tree, f"{executed}/{name}")


def _containerd(found: Found, process: Process, tree: HostTree) -> None:
    text = tree.text(process.option("--config", "-c") or "/etc/containerd/config.toml") or ""
    # Lines before the first table are the daemon's own settings.
    settings = dict(OPTION.findall(re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]))
    root = process.option("--root") or settings.get("root", "/var/lib/containerd")
    state = process.option("--state") or settings.get("state", "/run/containerd")
    found.add("metadata", root, tree)
    found.add("tasks", f"{state}/{TASKS}", tree)
    _namespaces(found, tree, f"{state}/runc")
    if tree is not found.tree:
        _namespaces(found, tree, "/run/containerd/runc")


def _conmon(found: Found, process: Process, tree: HostTree) -> None:
    """BUNDLE is GRAPH/DRIVER-containers/ID/userdata for podman and below RUN for CRI-O; the command line has the
    rest.
    """
    bundle = process.option("-b", "--bundle")
    graph, between, _ = bundle.partition("-containers/")
    if between:
        found.add("storage", graph.rpartition("/")[0], tree)
    later = process.options("--exit-command-arg")
    for position, word in enumerate(later[:-1]):
        if word == "--root":
            found.add("storage", later[position + 1], tree)
    if tree is not found.tree:
        for runtime in ("/run/runc", "/run/crun"):
            found.add("runtimes", runtime, tree)
    for word in process.options("--runtime-arg"):
        if word.startswith("--root="):
            found.add("runtimes", word.partition("=")[2], tree)
