"""Memory that only cgroup2 has, under a runtime that works on v1: a limit that kills, follows and goes.

On hybrid hosts whose kernel has no v1 code for memory. Read from the kernel: `memory.max` after create and update, the
cgroup of an exec'd process, `memory.events` of a container that took too much, and what is left after delete.
"""

from __future__ import annotations

import os
import time

from integration.matrix.guest import cgroups, container, swapping
from integration.matrix.guest.container import Container, Result, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

M = 1 << 20
PATIENCE = 60  # seconds
SUPERVISED = f"while :; do {swapping.PROGRAM}; done"  # the shell stays when tail is killed, and so does the cgroup


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """One record for each thing that is looked at."""
    swapping.install()
    about = {"runtime": way.runtime, "through": way.through}
    yield {"asked": "life", **about, **_life(way, parent)}
    yield {"asked": "too much", **about, **_too_much(way, parent)}


def _failed(result: Result) -> dict[str, Any]:
    return {"outcome": "error", "status": result.status, "text": result.text[-800:]}


def _life(way: Way, parent: str) -> dict[str, Any]:
    """create, start, exec, update, delete."""
    with Container(way, {"memory": {"limit": 64 * M}}, parent, config=swapping.room) as held:
        result = held.create()
        if result.status != 0:
            return _failed(result)
        place = cgroups.directories(held.pid(), held.path).get("cgroup2", "")
        found: dict[str, Any] = {"outcome": "created", "place": place, "created": _text(f"{place}/memory.max")}
        started = container.call(way, "start", held.name)
        executed = container.call(way, "exec", held.name, "/bin/busybox", "cat", "/proc/self/cgroup")
        found["exec"] = "".join(line[3:] for line in executed.text.splitlines() if line.startswith("0::"))
        updated = held.update({"memory": {"limit": 96 * M}})
        found["updated"] = _text(f"{place}/memory.max")
        deleted = container.call(way, "delete", "--force", held.name)
        found["statuses"] = [call.status for call in (started, executed, updated, deleted)]
        found["texts"] = [call.text[-300:] for call in (started, executed, updated, deleted)]
        found["left"] = [path for path in (place, f"{_mount()}/cgshim") if path and os.path.exists(path)]
        return found


def _too_much(way: Way, parent: str) -> dict[str, Any]:
    """A process beyond the limit: how often the kernel killed in this very cgroup."""
    with Container(way, {"memory": {"limit": 48 * M, "swap": 48 * M}}, parent, config=_supervised) as held:
        result = held.create("run")
        if result.status != 0:
            return _failed(result)
        place = cgroups.directories(held.pid(), held.path).get("cgroup2", "")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if swapping.keyed(f"{place}/memory.events", "oom_kill"):
                break
            time.sleep(0.2)
        return {
            "outcome": "killed" if swapping.keyed(f"{place}/memory.events", "oom_kill") else "not killed",
            "events": _text(f"{place}/memory.events"),
            "limit": _text(f"{place}/memory.max"),
            "swap_limit": _text(f"{place}/memory.swap.max"),
        }


def _supervised(config: dict[str, Any]) -> None:
    swapping.program(config)
    config["process"]["args"][-1] = SUPERVISED


def _mount() -> str:
    return next((h.mount for h in cgroups.hierarchies() if h.version == 2), "")


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return " ".join(file.read().split())
    except OSError as error:
        return f"unreadable: {error.strerror}"
