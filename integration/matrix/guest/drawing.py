"""Resources objects drawn at random, each given to the bare runtime and to cgshim: `random`, and `random-200`.

The seed is the kernel argument `matrix.seed`, so that a run can be repeated. Every other object goes to runc, the rest
to crun. Some objects start containers of their own; the others update one container, which is put back to how it was
after each of them, because an update is faster than a start. What the records mean is decided on the host (drawn.py).
"""

from __future__ import annotations

import os
import random
import re
import shutil

from integration.matrix.guest import cgroups, container
from integration.matrix.guest.container import Container, Result, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

M = 1 << 20
DISK = {"major": 7, "minor": 0}  # the loop device of the layout step `disk`
# How many objects, and how many of them start a container of their own.
COUNTS = {"random": (20, 8), "random-200": (200, 24)}
TURNS = ("runc", "crun")
# What a file is set back to when it does not take what it showed: a line for each device, a size that v1 rounds.
UNLIMITED = {
    "io.max": "7:0 rbps=max wbps=max riops=max wiops=max",
    "memory.memsw.limit_in_bytes": "-1",
    "memory.limit_in_bytes": "-1",
    "memory.soft_limit_in_bytes": "-1",
    "memory.oom_control": "0",
}

LIMIT = (64 * M, 96 * M, 64 * M + 1, -1)
RATE = (1048576, 2097152, 100)
CHOICES: dict[str, tuple[Any, ...]] = {
    "memory.limit": LIMIT,
    "memory.swap": (128 * M, 96 * M, 64 * M, -1),
    "memory.reservation": (32 * M, -1),
    "memory.swappiness": (0, 60, 100),
    "memory.disableOOMKiller": (True, False),
    "memory.checkBeforeUpdate": (True, False),
    "cpu.shares": (2, 512, 1024, 262144),
    "cpu.quota": (20000, 50000, 100000, 200000, -1),
    "cpu.period": (50000, 100000, 20000),
    "cpu.burst": (1000, 10000),
    "cpu.idle": (0, 1),
    "cpu.cpus": ("0", "0,0"),
    "cpu.mems": ("0", ""),
    "pids.limit": (64, 100, -1, 1),
    "blockIO.throttleReadBpsDevice": tuple([{**DISK, "rate": rate}] for rate in RATE),
    "blockIO.throttleWriteIOPSDevice": tuple([{**DISK, "rate": rate}] for rate in RATE),
    "hugepageLimits": ([{"pageSize": "2MB", "limit": 4 * M}], [{"pageSize": "2MB", "limit": 3000000}], []),
    "network.classID": (1048577,),
    "unified/memory.max": ("64M", str(96 * M), str(64 * M + 1), "max", ""),
    "unified/memory.swap.max": ("0", "32M", "max"),
    "unified/memory.low": ("32M", "0"),
    "unified/memory.high": ("48M", "max"),
    "unified/memory.oom.group": ("1", "0"),
    "unified/cpu.max": ("50000 100000", "100000 100000", "20000", "max 50000", "max"),
    "unified/cpu.weight": ("100", "200"),
    "unified/cpuset.cpus": ("0", "0,0", ""),
    "unified/pids.max": ("64", "max", " 100 "),
    "unified/io.max": ("7:0 rbps=1048576", "7:0 rbps=2097152 wiops=100", "7:0 riops=max"),
    "unified/hugetlb.2MB.max": ("4M", "3000000", "max"),
}
# Most objects are about one of these, so that its fields meet.
TOPICS = (
    r"memory|unified/memory",
    r"cpu|unified/cpu",
    r"pids|unified/pids",
    r"blockIO|unified/io",
    r"huge|unified/huge",
)


def objects(seed: int, count: int) -> list[dict[str, Any]]:
    """`count` objects; the same ones for the same seed."""
    draw = random.Random(seed)
    return [_object(draw) for _ in range(count)]


def _object(draw: random.Random) -> dict[str, Any]:
    topic = draw.choice(TOPICS)
    near = [name for name in CHOICES if re.match(topic, name)]
    names = draw.sample(near, draw.randint(1, min(4, len(near)))) + draw.sample(list(CHOICES), draw.randint(0, 3))
    made: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        section, _, key = name.partition("/") if "/" in name else name.partition(".")
        value = draw.choice(CHOICES[name])
        if key:
            made.setdefault(section, {})[key] = value
        else:
            made[section] = value
    return made


def seed_of(command_line: str) -> int:
    """The seed that the host gave."""
    found = re.search(r"matrix\.seed=(\d+)", command_line)
    return int(found.group(1)) if found else 0


def drawn(sets: str, way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """The records of one way: for each object what was said and which settings are other than in a new container."""
    chosen = [COUNTS[name] for name in sets.split(",") if name in COUNTS]
    if not chosen:
        return
    count, starts = chosen[0]
    with open("/proc/cmdline") as file:
        seed = seed_of(file.read())
    asked: list[dict[str, Any]] = [
        {"seed": seed, "index": index, "resources": one} for index, one in enumerate(objects(seed, count))
    ]
    asked = [about for about in asked if TURNS[about["index"] % len(TURNS)] == way.runtime]
    starts //= len(TURNS)
    for about in asked[:starts]:
        with Container(way, about["resources"], parent) as held:
            result = held.create()
            settings = held.settings() if result.status == 0 else {}
            yield _record(way, {**about, "operation": "create", "report": held.report()}, result, settings)
    yield from _updates(way, parent, asked[starts:])


def _updates(way: Way, parent: str, asked: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    rest = list(asked)
    while rest:
        with Container(way, {}, parent) as held:
            if held.create("run").status != 0:
                return
            before, kept = held.settings(), Kept(held)
            while rest:
                about = rest.pop(0)
                result = held.update(about["resources"])
                yield _record(way, {**about, "operation": "update", "report": []}, result, held.settings())
                if not kept.restored(before):
                    break  # a new container for the rest


def _record(way: Way, about: dict[str, Any], result: Result, settings: dict[str, str]) -> dict[str, Any]:
    return {
        **about,
        "runtime": way.runtime,
        "through": way.through,
        "status": result.status,
        "text": result.text[-1000:],
        "log": result.log[-2500:],
        "settings": {name: value for name, value in settings.items() if re.match(GUARDS, name)},
    }


# The files that state a limit which protects the host, in either hierarchy (tests/model/limits.py reads them).
GUARDS = (
    r"memory\.(max|swap\.max|limit_in_bytes|memsw\.limit_in_bytes)$|cpu\.(max|cfs_quota_us|cfs_period_us)$|pids\.max$"
    r"|cpuset\.(cpus|mems)$|io\.max$|blkio\.throttle\.(read|write)_(bps|iops)_device$|hugetlb\.\w+\.(max|limit_in_bytes)$"
)


class Kept:
    """How a container is before an update: what its runtime remembers of it (its state directory)."""

    def __init__(self, held: Container) -> None:
        self.held = held
        self.state = f"{container.RUN}/state/{held.name}"
        self.copy = f"{container.RUN}/kept"
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(
            self.state, self.copy, symlinks=True, ignore=shutil.ignore_patterns("*.fifo", "*.sock", "notify*")
        )

    def restored(self, before: dict[str, str]) -> bool:
        """Set the cgroups and the runtime's memory back; False where the kernel shows something else afterwards."""
        for name in os.listdir(self.copy):
            if os.path.isfile(f"{self.copy}/{name}"):
                shutil.copy2(f"{self.copy}/{name}", f"{self.state}/{name}")
        places = cgroups.directories(self.held.pid(), self.held.path).values()
        for _ in range(2):  # memory and memory+swap keep each other from being written first
            now = self.held.settings()
            if now == before:
                return True
            for name in now:
                if now[name] != before.get(name):
                    _set_back(places, name, before.get(name, ""))
        return self.held.settings() == before


def _set_back(places: Any, name: str, value: str) -> None:
    if name.startswith("blkio.throttle."):
        value = value or "7:0 0"
    elif not value or value == "9223372036854771712" or name == "memory.oom_control":
        value = UNLIMITED.get(name, "\n")
    for place in places:
        if os.path.exists(f"{place}/{name}"):
            try:
                with open(f"{place}/{name}", "w") as file:
                    file.write(value)
            except OSError:
                pass  # shows afterwards
