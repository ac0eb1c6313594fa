"""Containers that leak, side by side: recorded by a watcher, judged by what `cgshimctl leaks` is made of.

What runs in them is leaking.py, by the guest's Python. A scene of watching.py.
"""

from __future__ import annotations

import contextlib
import os
import time

from integration.matrix.guest import container, swapping
from integration.matrix.guest.container import Container, Way
from integration.matrix.guest.watcher import BLOCKS, Watching
from shim.watch import watcher
from shim.watch.leaks.assess import assess
from shim.watch.leaks.runs import runs, survey
from shim.watch.record import Recorder
from shim.watch.recording import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from shim.watch.sample import Sample

M = 1 << 20
LIMIT = 128 * M
STARTED = 15  # seconds in which the interpreters of all containers are up: until then they grow, too
SAMPLES = 30  # of each container; the tests of a trend take ten
PATIENCE = 75  # seconds: a slow guest may have fewer samples by then
# What runs -> MiB a second; of BLOCKS, which has 16 MiB, less than all is read in that time.
RATES = {"anonymous": 0.5, "shmem": 0.5, "sockets": 0.2, "dentries": 0.2, "cache": 0.2, "steady": 0.0}
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(container.__file__)), "leaking.py")


def leaks(way: Way, parent: str, state: str) -> dict[str, Any]:
    """What runs -> the verdict and the kinds that leak; without `cache` where the guest has no block device."""
    kinds = [kind for kind in RATES if kind != "cache" or _uncached(BLOCKS)]
    with open(PROGRAM) as file:
        program = file.read()
    path = f"{container.RUN}/recording"
    with contextlib.ExitStack() as stack:
        held = {kind: stack.enter_context(_leaking(way, parent, kind, program)) for kind in kinds}
        for one in held.values():
            result = one.create("run")
            if result.status:
                return {"text": result.text[-1500:]}
        names = {one.name: kind for kind, one in held.items()}
        recorder = Recorder(path, 1.0, tell=print)
        options = {"names": tuple(names), "roots": (f"{container.RUN}/state",), "state": state, "interval": 1.0}
        time.sleep(STARTED)
        with _unbounded(), Watching(recorder, **options) as watching:
            watching.until(lambda seen: _fewest(seen.samples, names) >= SAMPLES, PATIENCE)
    return {"found": _judged(path, names), "problems": watching.watcher.problems + list(map(repr, watching.failed))}


def _uncached(path: str) -> bool:
    """Is the device there. None of it is cached afterwards: whoever reads what another one cached is not charged."""
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


@contextlib.contextmanager
def _unbounded() -> Iterator[None]:
    """Rounds take what they take: in emulation a hundredth of a processor is a round in a minute."""
    before, watcher.SHARE = watcher.SHARE, 1.0
    try:
        yield
    finally:
        watcher.SHARE = before


def _fewest(samples: list[Sample], names: dict[str, str]) -> int:
    seen = [one.id for one in samples]
    return min(seen.count(name) for name in names)


def _judged(path: str, names: dict[str, str]) -> dict[str, Any]:
    with Recording(path) as recording:
        filled = runs(recording.records(), survey(recording.extents()))
    os.unlink(path)
    found = {}
    for one in map(assess, filled):
        reasons = {kind: [judged.verdict, judged.why] for kind, judged in one.kinds.items()}
        found[names[one.who.id]] = {"verdict": one.verdict, "leaking": list(one.leaking), "kinds": reasons}
    return found


def _leaking(way: Way, parent: str, kind: str, program: str) -> Container:
    """A container with the guest's Python, a tmpfs, for `cache` the block device as a file, and for `dentries` a file
    system that remembers names that do not exist, which the tmpfs of the guest does not.
    """

    def config(made: dict[str, Any]) -> None:
        swapping.room(made)
        made["process"]["args"] = ["/usr/bin/python3", "-c", program, kind, str(RATES[kind])]
        made["mounts"] += [
            *(_bound(path, path) for path in ("/usr", "/lib", "/lib64") if os.path.exists(path)),
            {"destination": "/shm", "type": "tmpfs", "source": "tmpfs", "options": ["size=64m"]},
            *([_bound(BLOCKS, "/files/large")] if kind == "cache" else []),
            *([_stacked("/names", "bin", "sys")] if kind == "dentries" else []),
        ]

    devices = [{"allow": True, "access": "rwm"}]
    return Container(way, {"memory": {"limit": LIMIT}, "devices": devices}, f"{parent}/watch", config=config)


def _bound(source: str, destination: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": os.path.realpath(source), "options": ["rbind", "ro"]}


def _stacked(destination: str, *directories: str) -> dict[str, Any]:
    """A read-only overlay of directories of the containers' root file system."""
    lower = ":".join(f"{container.RUN}/rootfs/{one}" for one in directories)
    return {"destination": destination, "type": "overlay", "source": "overlay", "options": [f"lowerdir={lower}"]}
