"""Samples, containers and events for the tests of the watcher."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shim.containers.container import Container
from shim.observe.memory_numbers import Memory
from shim.observe.pressure import Pressure
from shim.watch.place import ContainerCgroups, Followed, Spot
from shim.watch.sample import Sample
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from pathlib import Path

    from shim.watch.alert import Alert
    from shim.watch.event import Event

M = 1 << 20
ID = "0123456789abcdef" * 4


def sample(time: float = 1000.0, *, usage: int | None = 10 * M, some: int | None = None, **fields: Any) -> Sample:
    """A sample of the container `web`; some: microseconds of PSI."""
    totals = {} if some is None else {"some": some, "full": 0}
    pressure = Pressure(source="psi" if totals else "", totals=totals, evidence="/c/memory.pressure" if totals else "")
    defaults: dict[str, Any] = {
        "time": time,
        "id": ID,
        "engine": "docker",
        "name": "web",
        "pod": "",
        "cgroup": "/docker/web",
        "version": "v2",
        "memory": Memory(usage=usage, working_set=usage),
        "limit": 64 * M,
        "limit_of": "/docker/web",
        "pressure": pressure,
    }
    return Sample(**{**defaults, **fields})


def followed(root: Path, version: int = 2, path: str = "/a/web", pid: int = 77) -> Followed:
    """The container `web` with one directory below `root` for all its files."""
    directory = root / "cg"
    (directory / path.strip("/")).mkdir(parents=True, exist_ok=True)
    spot = Spot(version=version, mount="/cg", path=path, device=os.stat(directory).st_dev)
    place = ContainerCgroups(memory=spot, inode=5, cpu=spot, unified=spot if version == 2 else None)
    return Followed(container=Container(id=ID, name="web", engine="docker", pid=pid), place=place)


class Seen(Sink):
    """Keeps what it gets; has: serials that it claims to have got before."""

    def __init__(self, has: tuple[str, ...] = ()) -> None:
        self.got: list[Any] = []
        self.claimed = has

    def sample(self, sample: Sample) -> None:
        """Keep."""
        self.got.append(sample)

    def event(self, event: Event) -> None:
        """Keep."""
        self.got.append(event)

    def alert(self, alert: Alert) -> None:
        """Keep."""
        self.got.append(alert)

    def has(self, serial: str) -> bool:
        """As claimed."""
        return serial in self.claimed
