"""Makes samples and recordings for tests, without a watcher."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shim.observe.memory_numbers import Memory
from shim.watch.recording import COLUMNS
from shim.watch.sample import Sample

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
BEGIN = 1_700_000_000.0
WEB = "5e" * 32


def sample(number: int, container: str = WEB, **changes: Any) -> Sample:
    """Sample `number` of a container, five seconds after the one before. changes: figures, and fields of Sample."""
    figures: dict[str, Any] = {"usage": 60 * MIB, "anonymous": 20 * MIB, "file": 30 * MIB, "shmem": 0, "kernel": MIB}
    figures.update({name: changes.pop(name) for name in list(changes) if name in Memory.__annotations__})
    fields: dict[str, Any] = {
        "time": BEGIN + 5 * number, "id": container, "engine": "docker", "name": "web", "pod": "",
        "cgroup": f"/docker/{container}", "version": "v2", "limit": 512 * MIB,
    }  # fmt: skip
    return Sample(memory=Memory(**figures), **{**fields, **changes})


def header(**changes: Any) -> dict[str, Any]:
    """The first line of a recording."""
    found = {
        "recording": "cgshim", "schema": 1, "host": "node1", "boot": "b1", "kernel": "6.1.0", "interval": 5.0,
        "time": BEGIN, "columns": list(COLUMNS),
    }  # fmt: skip
    return {**found, **changes}


def introduced(number: Any = 0, **changes: Any) -> dict[str, Any]:
    """The line that introduces a container."""
    who = {
        "k": number, "id": WEB, "engine": "docker", "name": "web", "pod": "", "cgroup": "/docker/web",
        "version": "v2", "counters": ["events.high"],
    }  # fmt: skip
    return {"c": {**who, **changes}}


def figures(number: int, anonymous: int = 20 * MIB, key: int = 0, high: int = 0) -> dict[str, Any]:
    """The line of a sample."""
    row = [anonymous + 31 * MIB, anonymous, anonymous, 30 * MIB, 0, MIB, 0, None, 512 * MIB, None, None]
    return {"s": [BEGIN + 5 * number, key, *row, high]}


def written(path: Path, *lines: dict[str, Any] | str) -> Path:
    """A recording of these lines; text is written as it is."""
    texts = [line if isinstance(line, str) else json.dumps(line, separators=(",", ":")) + "\n" for line in lines]
    path.write_text("".join(texts))
    return path
