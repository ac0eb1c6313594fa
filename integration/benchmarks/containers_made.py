"""The cases that need a container: pass-through, create, a whole life, run, update, many at a time."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.benchmarks.costs import Cost
from integration.bundle import base_config, find_busybox, make_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.benchmarks.costs import Spawner
    from integration.bundle import Bundle

    Timed = dict[str, Callable[[], Cost]]

# What any wrapper that starts Python costs at the least: a shell that chooses, an interpreter that does nothing.
NOTHING = "import posix, sys; posix.execve(sys.argv[1], sys.argv[1:], posix.environ)"
INTERPRETER = ("/usr/bin/python3", "-IS", "-c", NOTHING)
LAUNCHER = Path(__file__).resolve().parents[2] / "shim" / "launcher.sh"
PLAIN: dict[str, Any] = {
    "devices": [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
    ],
    "memory": {"limit": 67108864},
    "cpu": {"shares": 512, "quota": 50000, "period": 100000},
    "pids": {"limit": 100},
}
# What cgshim has to rewrite: `unified` on v1, kernel memory on v2. The other fronts get PLAIN beside it, because runc
# refuses `unified` on v1: what it limits is the same.
EDITED: dict[str, Any] = {
    **{key: value for key, value in PLAIN.items() if key != "pids"},
    "memory": {"limit": 67108864, "kernel": 67108864},
    "unified": {"pids.max": "100"},
}
UPDATE: dict[str, Any] = {"pids": {"limit": 90}, "cpu": {"shares": 600}}


def profile(size: int, rules: bool) -> dict[str, Any]:
    """A seccomp profile of about `size` bytes, in many rules or in one; its calls do not exist, so runc skips them."""
    if rules:
        each = [{"names": [f"no_such_call_{i:05d}"], "action": "SCMP_ACT_ERRNO"} for i in range(size // 64)]
    else:
        each = [{"names": [f"no_such_call_{i:05d}" for i in range(size // 22)], "action": "SCMP_ACT_ERRNO"}]
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": each}


class Place:
    """A scratch folder with bundles and a private root of the runtime; removes every container that it made."""

    def __init__(self, scratch: Path, spawner: Spawner, runtime: str, others: dict[str, str]) -> None:
        self.scratch = scratch
        self.spawner = spawner
        self.runtime = runtime
        self.others = others  # further wrappers to measure: front -> program
        self.root = scratch / "root"
        shell = ["/bin/sh", "-c", 'exec "$0" "$@"']
        self.fronts = {"bare": [runtime], "sh": [*shell, runtime], "python": [*shell, *INTERPRETER, runtime]}
        self.fronts |= {front: [program] for front, program in others.items()}
        self.fronts["cgshim"] = ["/bin/sh", str(LAUNCHER)]
        self.numbers = itertools.count()
        self.made: list[str] = []  # containers that may be there

    def bundle(self, name: str, **config: Any) -> Bundle:
        """A new bundle. Its config.json is written as engines do, without white space."""
        made = make_bundle(self.scratch / name, find_busybox())
        made.config_path.write_text(json.dumps(base_config(**config), separators=(",", ":")))
        return made

    def argv(self, front: str, *words: str) -> list[str]:
        """A call of the runtime through one of the fronts."""
        return [*self.fronts[front], "--root", str(self.root), *words]

    def name(self) -> str:
        """A container id of its own."""
        self.made.append(f"cgshim-benchmark-{os.getpid()}-{next(self.numbers)}")
        return self.made[-1]

    def delete(self, container: str) -> None:
        """Remove a container, unmeasured."""
        line = [self.runtime, "--root", str(self.root), "delete", "--force", container]
        subprocess.run(line, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.made.remove(container)

    def clear(self) -> None:
        """Remove what an aborted measurement has left."""
        for container in (name for name in list(self.made) if (self.root / name).exists()):
            print(f"benchmarks: {container} is removed", file=sys.stderr)
            self.delete(container)

    def every(self, measure: Callable[[str], Cost]) -> Timed:
        """The same measurement for each front."""
        return {front: lambda front=front: measure(front) for front in self.fronts}  # type: ignore[misc]


def created(place: Place, bundle: Bundle, others: Bundle | None = None) -> Timed:
    """One `create` of the same config.json, put back before each; `others`: whose config.json other fronts get."""
    texts = _texts(bundle, others)

    def measure(front: str) -> Cost:
        bundle.config_path.write_bytes(texts[front == "cgshim"])
        container = place.name()
        cost = place.spawner.cost(place.argv(front, "create", "--bundle", str(bundle.path), container))
        place.delete(container)
        return cost

    return place.every(measure)


def _texts(bundle: Bundle, others: Bundle | None) -> tuple[bytes, bytes]:
    return (others or bundle).config_path.read_bytes(), bundle.config_path.read_bytes()


def alone(place: Place, bundle: Bundle, others: Bundle | None = None) -> Timed:
    """A `create` for a runtime that does nothing (a copy of true): what the fronts themselves cost.

    The pid file names the init of a container that has the limits already, so that cgshim finds what it reads back.
    """
    nothing = place.scratch / "nothing" / "runc"
    if not nothing.exists():
        nothing.parent.mkdir()
        shutil.copy("/bin/true", nothing)
    without = Place(place.scratch, place.spawner.of(str(nothing)), str(nothing), place.others)
    without.numbers = place.numbers  # no name of a container that is there
    texts = _texts(bundle, others)
    pid_file = bundle.path / "pid"
    words = ("create", "--bundle", str(bundle.path), "--pid-file", str(pid_file))
    bundle.config_path.write_bytes(texts[True])
    place.spawner.cost(place.argv("cgshim", *words, place.name()))

    def measure(front: str) -> Cost:
        bundle.config_path.write_bytes(texts[front == "cgshim"])
        return without.spawner.cost(without.argv(front, *words, without.name()))

    return without.every(measure)


def side_by_side(place: Place, bundles: dict[str, Bundle]) -> Timed:
    """The same through cgshim alone, with one bundle after the other: what makes a difference for it."""
    return {name: alone(place, bundle)["cgshim"] for name, bundle in bundles.items()}


def passed_through(place: Place, *words: str) -> Timed:
    """A call that needs no Python."""
    return place.every(lambda front: place.spawner.cost(place.argv(front, *words)))


def lived(place: Place, bundle: Bundle) -> Timed:
    """create, state, start, kill, state, delete; the sum of the six."""
    text = bundle.config_path.read_bytes()

    def measure(front: str) -> Cost:
        bundle.config_path.write_bytes(text)
        container, pid_file = place.name(), place.scratch / "pid"
        create = ("create", "--bundle", str(bundle.path), "--pid-file", str(pid_file), container)
        total = Cost(0, 0, 0)
        for words in (create, ("state", container), ("start", container), ("kill", container, "KILL")):
            total = total.plus(place.spawner.cost(place.argv(front, *words)))
        gone(int(pid_file.read_text()))
        for words in (("state", container), ("delete", container)):
            total = total.plus(place.spawner.cost(place.argv(front, *words)))
        return total

    return place.every(measure)


def gone(pid: int) -> None:
    """Wait until the container's process has ended, as an engine does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.002)
    raise SystemExit(f"benchmarks: process {pid} does not end")


def ran(place: Place, bundle: Bundle) -> Timed:
    """`run` of true, from start to end."""
    text = bundle.config_path.read_bytes()

    def measure(front: str) -> Cost:
        bundle.config_path.write_bytes(text)
        return place.spawner.cost(place.argv(front, "run", "--bundle", str(bundle.path), place.name()))

    return place.every(measure)


def updated(place: Place, container: str) -> Timed:
    """`update` with a file of resources."""
    file = place.scratch / "resources.json"
    file.write_text(json.dumps(UPDATE))
    return passed_through(place, "update", "--resources", str(file), container)


def at_once(place: Place, bundle: Bundle, many: int) -> Timed:
    """`many` creates started together; the clock until the last one is done, the CPU of all."""
    # A bundle for each, as engines have it: the stand-in would read what another is just writing.
    config = {**bundle.config, "root": {"path": str(bundle.path / "rootfs"), "readonly": True}}
    bundles = [bundle.path / str(number) for number in range(many)]
    for path in bundles:
        path.mkdir(exist_ok=True)

    def measure(front: str) -> Cost:
        for path in bundles:
            (path / "config.json").write_text(json.dumps(config))
        names = [place.name() for _ in bundles]
        lines = [place.argv(front, "create", "--bundle", str(path), name) for path, name in zip(bundles, names)]
        start = time.monotonic()
        children = [place.spawner.start(line) for line in lines]
        try:
            costs = [place.spawner.finish(child, line) for child, line in zip(children, lines)]
        finally:
            for child in children:  # all have ended before anything of theirs is removed
                child.wait()
        wall = (time.monotonic() - start) * 1000
        for name in names:
            place.delete(name)
        return Cost(sum(cost.cpu for cost in costs), wall, max(cost.peak for cost in costs))

    return place.every(measure)
