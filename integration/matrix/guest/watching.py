"""`watch`: what the watcher says of containers that run short, beside what the files say; and its numbers of memory.

One container after the other, with the bare runtime; a watcher in a thread of this process. Judged by watched_judge.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time

from integration.matrix.guest import cgroups, container, leaks, swapping
from integration.matrix.guest.container import Container, Way
from integration.matrix.guest.watcher import AMOUNTS, BLOCKS, Taker, Watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping

    Scene = Callable[[Way, str], dict[str, Any]]

M = 1 << 20
LIMIT = 32 * M
PATIENCE = 90  # seconds: guests are slow
STATE = "/run/matrix-watch"
HOLDING = f"busybox head -c {30 * M} /dev/zero | busybox tail -c {30 * M} | busybox sleep 100000"
WORKER = "while :; do busybox sleep 3; busybox tail /dev/zero; busybox sleep 100000; done"
INIT = "busybox sleep 3; exec busybox tail /dev/zero"
# By faults of its own: to a process that asks by a system call the kernel says ENOMEM instead of waiting.
DOUBLING = "busybox sleep 3; x=aaaaaaaa; while :; do x=$x$x; done"


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """One record for each thing that happens, and one for the numbers."""
    swapping.install()
    about = {"runtime": way.runtime, "through": way.through}
    yield {"asked": "numbers", **about, **_numbers(parent)}
    yield from _played(SCENES, way, parent)


def leaking(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """The record of containers that leak, which takes minutes."""
    swapping.install()
    for record in _played({"leaks": _leaks}, way, parent):
        yield {**record, "set": "watch"}


def _played(scenes: Mapping[str, Scene], way: Way, parent: str) -> Iterator[dict[str, Any]]:
    about = {"runtime": way.runtime, "through": way.through}
    version = _version()
    for asked, run in scenes.items():
        shutil.rmtree(STATE, ignore_errors=True)
        if not version:
            yield {"asked": asked, **about, "version": "", "text": "no memory controller"}
            continue
        try:
            found = run(way, parent)
        except OSError as error:
            found = {"text": f"{type(error).__name__}: {error}"}
        yield {"asked": asked, **about, "version": version, **found}


def _hierarchy() -> tuple[str, str]:
    """("v1" or "v2", mount) of the memory controller, ("", "") where it is nowhere."""
    for one in cgroups.hierarchies():
        if "memory" in one.controllers:
            return "v1", one.mount
    for one in cgroups.hierarchies():
        if one.version == 2:
            with open(f"{one.mount}/cgroup.controllers") as file:
                if "memory" in file.read().split():
                    return "v2", one.mount
    return "", ""


def _version() -> str:
    return _hierarchy()[0]


def _enable(mount: str, path: str) -> None:
    """The memory controller of cgroup2, all the way down to the cgroups in `path`."""
    directory = mount
    for part in ["", *path.strip("/").split("/")]:
        directory = f"{directory}/{part}".rstrip("/")
        os.makedirs(directory, exist_ok=True)
        with contextlib.suppress(OSError), open(f"{directory}/cgroup.subtree_control", "w") as file:
            file.write("+memory")


def _memory(held: Container) -> str:
    """The directory of the container's memory cgroup."""
    found = cgroups.directories(held.pid(), held.path)
    return found["memory"] if "memory" in found else found["cgroup2"]


def _container(way: Way, parent: str, command: str, memory: dict[str, Any], **process: Any) -> Container:
    def config(made: dict[str, Any]) -> None:
        swapping.room(made)
        made["process"].update(args=["/bin/busybox", "sh", "-c", command], **process)

    return Container(way, {"memory": memory}, f"{parent}/watch", config=config)


@contextlib.contextmanager
def _watched(held: Container) -> Iterator[Watching]:
    with Watching(
        names=(held.name,), roots=(f"{container.RUN}/state",), state=STATE, interval=2.0, quiet=600
    ) as watching:
        watching.until(lambda _: watching.watcher.roster.followed or watching.watcher.roster.read, PATIENCE)
        yield watching


def _scene(way: Way, held: Container, after: Callable[[str], None], *wanted: str) -> dict[str, Any]:
    """Start the watcher, then the container; `after` does something to its cgroup; the alerts of these types."""
    with _watched(held) as watching:
        result = held.create("run")
        if result.status:
            return {"text": result.text[-1500:]}
        directory = _memory(held)  # before its process ends, which may be soon
        started = watching.event("started", PATIENCE)
        after(directory)
        alerts = {kind: watching.alert(kind, PATIENCE) for kind in wanted}
        found: dict[str, Any] = {"alerts": alerts, "started": started, "init": held.pid()}
        found["alive"] = os.path.exists(f"/proc/{held.pid()}/cgroup") and bool(cgroups.processes(directory))
        found["sources"] = watching.watcher.sources
        found["problems"] = [*watching.watcher.problems, *map(repr, watching.failed)]
        return found


def _nothing(_: str) -> None:
    return


def _worker(way: Way, parent: str) -> dict[str, Any]:
    with _container(way, parent, WORKER, {"limit": LIMIT, "swap": LIMIT}) as held:
        return _scene(way, held, _nothing, "oom_kill", "memory_max_hit")


def _init(way: Way, parent: str) -> dict[str, Any]:
    with _container(way, parent, INIT, {"limit": LIMIT, "swap": LIMIT}) as held:
        return _scene(way, held, _nothing, "oom_kill")


def _high(way: Way, parent: str) -> dict[str, Any]:
    """memory.high, or the soft limit, below what the container holds."""

    def lower(directory: str) -> None:
        name = "memory.high" if os.path.exists(f"{directory}/memory.high") else "memory.soft_limit_in_bytes"
        with open(f"{directory}/{name}", "w") as file:
            file.write(str(16 * M))

    with _container(way, parent, f"busybox sleep 4; {HOLDING}", {"limit": 64 * M}) as held:
        kinds = {"v1": "cgroup_v1_memory_threshold_exceeded", "v2": "cgroup_v2_memory_high_exceeded"}
        return _scene(way, held, lower, kinds[_version()])


def _stuck(way: Way, parent: str) -> dict[str, Any]:
    """v1: the killer is disabled. cgroup2: nothing may be killed."""
    memory: dict[str, Any] = {"limit": LIMIT, "swap": LIMIT}
    process: dict[str, Any] = {"oomScoreAdj": -1000}
    if _version() == "v1":
        memory["disableOOMKiller"], process = True, {}
    with _container(way, parent, DOUBLING, memory, **process) as held:
        found = _scene(way, held, _nothing, "oom_stuck")
        with contextlib.suppress(OSError), open(f"{_memory(held)}/memory.oom_control", "w") as file:
            file.write("0")
        return found


def _drift(way: Way, parent: str) -> dict[str, Any]:
    """Somebody writes another limit than the runtime did."""

    def open_up(directory: str) -> None:
        time.sleep(3)
        v2 = os.path.exists(f"{directory}/memory.max")
        with open(f"{directory}/{'memory.max' if v2 else 'memory.limit_in_bytes'}", "w") as file:
            file.write(str(128 * M))

    from shim.watch import drift

    before, drift.AGE = drift.AGE, 2.0
    try:
        with _container(way, parent, "busybox sleep 100000", {"limit": 64 * M}) as held:
            return _scene(way, held, open_up, "limit_drift")
    finally:
        drift.AGE = before


def _restart(way: Way, parent: str) -> dict[str, Any]:
    """A kill while no watcher is there; the next one tells of it, the one after that does not."""
    go = f"{swapping.ROOT}/go"
    command = "while [ ! -e /go ]; do busybox sleep 1; done; busybox tail /dev/zero; busybox sleep 100000"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(go)
    with _container(way, parent, command, {"limit": LIMIT, "swap": LIMIT}) as held:
        with _watched(held) as first:
            result = held.create("run")
            if result.status:
                return {"text": result.text[-1500:]}
            first.event("started", PATIENCE)
            first.until(lambda seen: seen.samples, PATIENCE)
        with open(go, "w"):
            time.sleep(10)
        told = []
        for _ in range(2):
            with _watched(held) as again:
                again.until(lambda seen: len(seen.samples) > 2, PATIENCE)
                told.append([one.shape() for one in again.seen.alerts if one.type == "oom_kill"])
        facts: dict[str, Any] = {}
        with contextlib.suppress(OSError), open(f"{_memory(held)}/memory.oom_control") as file:
            facts["oom_control"] = file.read()
        return {**facts, "told": told, "before": len([one for one in first.seen.alerts if one.type == "oom_kill"])}


def _forged(way: Way, parent: str) -> dict[str, Any]:
    """A file of a tmpfs over memory.stat: what is in it must not be believed."""

    def forge(directory: str) -> None:
        with open("/run/forged", "w") as file:
            file.write("anon 1\ntotal_rss 1\nfile 0\nshmem 0\ninactive_file 0\ntotal_inactive_file 0\n")
        subprocess.run(["mount", "--bind", "/run/forged", f"{directory}/memory.stat"], check=True)

    with _container(way, parent, "busybox sleep 100000", {"limit": LIMIT}) as held, _watched(held) as watching:
        result = held.create("run")
        if result.status:
            return {"text": result.text[-1500:]}
        directory = _memory(held)
        forge(directory)
        try:
            seen = watching.until(lambda seen: [one for one in seen.samples if one.problems], PATIENCE)
            return {"sample": seen[0].shape() if seen else {}, "directory": directory}
        finally:
            subprocess.run(["umount", f"{directory}/memory.stat"], check=True)


def _leaks(way: Way, parent: str) -> dict[str, Any]:
    return leaks.leaks(way, parent, STATE)


SCENES = {
    "worker": _worker,
    "init": _init,
    "high": _high,
    "stuck": _stuck,
    "drift": _drift,
    "restart": _restart,
    "forged": _forged,
}


def _numbers(parent: str) -> dict[str, Any]:
    """Each figure before and after a process takes a known amount of each kind."""
    from shim.observe.memory_numbers import FILES, measure

    version, mount = _hierarchy()
    if not version:
        return {"version": ""}
    if version == "v2":
        _enable(mount, parent)
    directory = f"{mount}{parent}/watch-numbers"
    os.makedirs(directory, exist_ok=True)
    if version == "v2" and not os.path.exists(f"{directory}/memory.current"):
        return {"version": version, "text": f"{directory} has no memory controller"}

    def look() -> dict[str, Any]:
        names = [name for name in FILES[version] if os.path.exists(f"{directory}/{name}")]
        texts = {}
        for name in names:
            with open(f"{directory}/{name}") as file:
                texts[name] = file.read()
        return measure(version, texts, populated=True).shape()

    taker = Taker([directory])
    steps = [["", 0, look()]]
    try:
        for kind, amount in AMOUNTS.items():
            if kind != "file" or os.path.exists(BLOCKS):
                taker.take(kind, amount)
                time.sleep(3)  # the kernel flushes its statistics every two seconds (mm/memcontrol.c, FLUSH_TIME)
                steps.append([kind, amount, look()])
    finally:
        taker.end()
        container.remove(directory)
    return {"version": version, "steps": steps}
