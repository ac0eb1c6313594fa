"""Every container on the host: all sources read once, sightings of one container joined, its processes found.

Calls no engine. A file that cannot be read, or a process that ends meanwhile, becomes a problem in the answer.
"""

from __future__ import annotations

import re

from shim.containers import containerd, crio, docker, kubelet, podman, runtime_state, units
from shim.containers.container import (
    ALIVE,
    CONFIG,
    CREATED,
    GONE,
    PAUSED,
    RUNNING,
    STOPPED,
    Container,
    key,
    merged,
    oci,
    path_of,
)
from shim.containers.membership import belongs, frozen
from shim.containers.places import places
from shim.containers.processes import CONMON, SHIM, census, parent, start_time, unlisted
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

    from shim.containers.places import Places
    from shim.containers.processes import Census, Process
    from shim.containers.tree import HostTree

# Cgroup names with an id in them: systemd's scopes, and the cgroupfs names of podman, containerd and docker.
OF_ID = re.compile(
    r"(?:^|/)(?:(docker|libpod|cri-containerd|crio|nerdctl|runc|crun)-)?([0-9a-f]{64})(?:\.scope)?(?=/|$)"
)
ENGINES = {"libpod": "podman", "cri-containerd": "cri", "crio": "cri-o"}


class Inventory(Value):
    """All containers, by engine and name. cgroups: pid -> its /proc/PID/cgroup. problems: what could not be read."""

    containers: tuple[Container, ...]
    cgroups: dict[int, str]
    problems: tuple[str, ...] = ()


def inventory(tree: HostTree, roots: tuple[str, ...] = ()) -> Inventory:
    """Return the inventory of everything below the root of `tree`. roots: further state directories of runtimes."""
    seen = census(tree)
    known = places(tree, seen, roots)
    joined: dict[tuple[str, str], Container] = {}
    for found in _sightings(known, seen):
        place = key(found)
        joined[place] = merged(joined[place], found) if place in joined else found
    _strays(joined, seen)
    notes = kubelet.notes(known.kubelet)
    done = [_finished(tree, seen, units.noted(tree, kubelet.noted(one, notes))) for one in _adopted(joined)]
    trees = {id(one): one for one in (*(place.tree for place in known.all()), *known.trees.values())}
    problems = [f"{path}: {why}" for one in (tree, *trees.values()) for path, why in sorted(one.problems.items())]
    order = sorted(done, key=lambda one: (one.engine, one.pod, one.title, one.id))
    problems = [problem for problem in problems if not problem.startswith("/proc/")]
    return Inventory(
        containers=tuple(order), cgroups=seen.cgroups, problems=tuple(dict.fromkeys((*seen.problems, *problems)))
    )


def _sightings(known: Places, seen: Census) -> Iterator[Container]:
    sources = (
        (known.docker, docker.containers),
        (known.storage, podman.containers),
        (known.storage, crio.containers),
        (known.tasks, containerd.tasks),
        (known.metadata, containerd.recorded),
        (known.runtimes, runtime_state.containers),
    )
    for where, read in sources:
        for place in where:
            yield from read(place)
    for process in seen.processes:
        found = _of_process(process, known.trees[process.pid])
        if found is not None:
            yield found


def _of_process(process: Process, tree: HostTree) -> Container | None:
    """Return the container of a shim's or conmon's command line, the only source if records cannot be read."""
    if process.kind == SHIM:
        name, namespace = process.option("-id", "--id"), process.option("-namespace", "--namespace")
        root = f"/run/containerd/runc/{namespace}"
        engine = containerd.engine_of(namespace, {})
        return Container(id=name, engine=engine, namespace=namespace, root=root) if name else None
    if process.kind != CONMON or not process.option("-c", "--cid"):
        return None
    roots = [word.partition("=")[2] for word in process.options("--runtime-arg") if word.startswith("--root=")]
    runtime = process.option("-r", "--runtime")
    of_podman = any("podman" in word for word in process.options("--exit-command"))
    name, bundle = process.option("-n", "--name"), process.option("-b", "--bundle")
    document = tree.object(f"{bundle}/config.json")
    return Container(
        id=process.option("-c", "--cid"),
        name=name,
        engine="podman" if of_podman else "cri-o",
        bundle=bundle,
        cgroups_path=path_of(document),
        records=(oci(CONFIG, f"{bundle}/config.json", document),) if document else (),
        root=roots[0] if roots else "",
        runtime=runtime,
        hints={"conmon": str(process.pid)},
    )


def _strays(joined: dict[tuple[str, str], Container], seen: Census) -> None:
    """Report cgroups named after a container without a record: its engine is gone, or hides it."""
    ids = {container.id for container in joined.values()}
    for pid, text in seen.cgroups.items():
        match = OF_ID.search(text.replace("\n", "/\n"))
        if match and match.group(2) not in ids and "conmon-" not in text:
            ids.add(match.group(2))
            prefix = match.group(1) or ""
            engine = ENGINES.get(prefix, prefix or "unknown")
            why = f"no record of it was found; its cgroup is in /proc/{pid}/cgroup"
            stray = Container(id=match.group(2), engine=engine, state=RUNNING, pid=pid, problems=(why,))
            joined[key(stray)] = stray


def _adopted(joined: dict[tuple[str, str], Container]) -> list[Container]:
    """Match a short id that an engine keeps without the runtime's root to the runtime's only container with that id."""
    by_id: dict[str, list[tuple[str, str]]] = {}
    for place in joined:
        by_id.setdefault(place[0], []).append(place)
    for places_of in by_id.values():
        if len(places_of) == 2:
            first, second = (joined[place] for place in places_of)
            if _rootless_of(first) != _rootless_of(second):
                joined[places_of[0]] = merged(first, second)
                del joined[places_of[1]]
    return list(joined.values())


def _rootless_of(container: Container) -> bool:
    """Return whether an engine knows it and a runtime does not."""
    return not container.recorded and not container.start


def _finished(tree: HostTree, seen: Census, container: Container) -> Container:
    """Return the container with the state of its process: alive, paused, gone, or replaced by another one."""
    if container.state not in ALIVE and not (container.pid and container.state != STOPPED):
        return container.changed(pid=0)
    if not container.pid and container.state == CREATED:
        return container
    text = seen.cgroups.get(container.pid) or unlisted(tree, container.pid)
    if text is None:
        why = f"process {container.pid} is gone or cannot be seen" if container.pid else "no process of it is known"
        return container.changed(state=GONE, pid=0, problems=(*container.problems, why))
    seen.cgroups[container.pid] = text
    started = start_time(tree, container.pid)
    if container.start and started and container.start != started:
        why = f"process {container.pid} started at {started}, the container's at {container.start}: another one"
        return container.changed(state=GONE, pid=0, problems=(*container.problems, why))
    monitored = container.hints.get("conmon") == str(parent(tree, container.pid))
    if not container.start and not monitored and not belongs(text, container):
        why = f"/proc/{container.pid}/cgroup does not name the container, so it may be another process"
        container = container.changed(problems=(*container.problems, why))
    return container.changed(state=PAUSED if frozen(tree, text) else container.state)
