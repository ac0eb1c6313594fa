"""Swap as it is enforced: a process takes more memory than its limit, and what went to swap is counted.

A file that shows the right number proves that it was written; only a process that hits the limit proves what it does.
"""

from __future__ import annotations

import os
import time

from integration.matrix.guest import cgroups, container
from integration.matrix.guest.container import Container, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

M = 1 << 20
LIMIT = 48 * M
TAKEN = 80 * M  # what the process holds: LIMIT and 32 MiB more
ROOT = f"{container.RUN}/use"
PATIENCE = 240  # seconds; emulation swaps slowly

# What is asked, by name: OCI's swap is memory plus swap.
ASKED: dict[str, dict[str, Any]] = {
    "none": {"limit": LIMIT, "swap": LIMIT},
    "some": {"limit": LIMIT, "swap": LIMIT + 64 * M},
    "unlimited": {"limit": LIMIT, "swap": -1},
    "unset": {"limit": LIMIT},
}
# tail keeps all that it read until somebody takes it, and nobody does.
PROGRAM = f"busybox head -c {TAKEN} /dev/zero | busybox tail -c {TAKEN} | busybox sleep 100000"


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """One record for each way to ask: killed, held (and how much was swapped), refused or error."""
    install()
    for name, memory in ASKED.items():
        yield {"asked": name, "runtime": way.runtime, "through": way.through, **_one(way, parent, memory)}


def install() -> None:
    """A root file system with /dev, of its own: runc would fill a /dev in that of the other containers."""
    for name in ("bin", "dev", "proc"):
        os.makedirs(f"{ROOT}/{name}", exist_ok=True)
    if not os.path.exists(f"{ROOT}/bin/busybox"):
        os.link(f"{container.RUN}/rootfs/bin/sleep", f"{ROOT}/bin/busybox")
        os.link(f"{container.RUN}/rootfs/bin/sleep", f"{ROOT}/bin/sleep")


def _one(way: Way, parent: str, memory: dict[str, Any]) -> dict[str, Any]:
    before = host_swap()
    with Container(way, {"memory": memory}, parent, config=program) as held:
        result = held.create("run")
        if result.status != 0:
            refused = "  remedy: " in result.text  # only cgshim gives one
            return {"outcome": "refused" if refused else "error", "text": result.text[-2000:]}
        return {**_watch(held), "host_swap": host_swap() - before, "report": held.report()}


def room(config: dict[str, Any]) -> None:
    """The container's root is ours."""
    config["root"]["path"] = ROOT
    config["mounts"].append(
        {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind", "rw"]},
    )


def program(config: dict[str, Any]) -> None:
    """The container's process is the one that takes too much."""
    room(config)
    config["process"]["args"] = ["/bin/busybox", "sh", "-c", PROGRAM]


def _watch(held: Container) -> dict[str, Any]:
    """Until the process was killed or holds all that it wants."""
    pid = held.pid()
    directories = cgroups.directories(pid, held.path)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        kills, memory, swap = _usage(directories)
        if kills:
            return {"outcome": "killed", "memory": memory, "swap": swap}
        if _holds(pid):
            return {"outcome": "held", "memory": memory, "swap": swap}
        time.sleep(0.2)
    return {"outcome": "neither", "memory": memory, "swap": swap}


def _usage(directories: dict[str, str]) -> tuple[int, int, int]:
    """(kills, bytes of memory, bytes of swap) of the container's cgroup, -1 for what is not accounted."""
    if "memory" in directories:
        place = directories["memory"]
        memory = _number(f"{place}/memory.usage_in_bytes")
        both = _number(f"{place}/memory.memsw.usage_in_bytes")
        return keyed(f"{place}/memory.oom_control", "oom_kill"), memory, both - memory if both >= 0 else -1
    place = directories.get("cgroup2", "")
    kills = keyed(f"{place}/memory.events", "oom_kill")
    return kills, _number(f"{place}/memory.current"), _number(f"{place}/memory.swap.current")


def _holds(init: int) -> bool:
    """Has one of the container's processes the whole amount, in memory and swap together?"""
    for pid in _descendants(init):
        try:
            with open(f"/proc/{pid}/status") as file:
                sizes = {line.split(":")[0]: line.split()[1] for line in file if line.startswith(("VmRSS", "VmSwap"))}
        except (OSError, IndexError):
            continue
        if sum(int(value) * 1024 for value in sizes.values()) >= TAKEN - M:
            return True
    return False


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except OSError:
        children = []
    for child in children:
        yield from _descendants(int(child))


def host_swap() -> int:
    """Bytes of swap in use on the whole host."""
    with open("/proc/swaps") as file:
        return sum(int(line.split()[3]) * 1024 for line in file.readlines()[1:])


def _number(path: str) -> int:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return -1


def keyed(path: str, key: str) -> int:
    """A number of a file with a key and a value on each line, 0 if it cannot be read."""
    try:
        with open(path) as file:
            pairs = dict(line.split() for line in file if len(line.split()) == 2)
    except OSError:
        return 0
    return int(pairs.get(key, 0))
