"""Samples, events and alerts that tests of the watcher's outputs are made of."""

from __future__ import annotations

from typing import Any

from shim.observe.memory_numbers import Memory
from shim.observe.pressure import Pressure
from shim.watch.alert import Alert
from shim.watch.event import Event
from shim.watch.sample import Sample

MIB = 1 << 20
NO_PSI = Pressure(source="", totals={}, evidence="", reason="no PSI: cgroup2 is not mounted; no delay accounting")


def sample(name: str = "web", time: float = 1000.0, **fields: Any) -> Sample:
    """One look at a container that has a limit of 100 MiB and uses 50; its id is its name, repeated."""
    memory: dict[str, Any] = {
        "usage": 60 * MIB,
        "working_set": 50 * MIB,
        "anonymous": 40 * MIB,
        "swap": 0,
        "peak": 70 * MIB,
    }
    memory.update(fields.pop("memory", {}))
    known: dict[str, Any] = {
        "time": time,
        "id": (name * 64)[:64],
        "engine": "podman",
        "name": name,
        "pod": "",
        "cgroup": f"/{name}",
        "version": "v2",
        "memory": Memory(**memory),
        "limit": 100 * MIB,
        "pressure": Pressure(source="psi", totals={"some": 0, "full": 0}, evidence="memory.pressure"),
        "events": {"oom_kill": 0, "max": 0},
    }
    return Sample(**{**known, **fields})


def event(kind: str, name: str = "web", time: float = 1000.0, **evidence: Any) -> Event:
    """Something that happened to the container of `sample`."""
    of = sample(name)
    return Event(
        time=time, kind=kind, id=of.id, engine=of.engine, name=of.name, pod=of.pod, source="test", evidence=evidence
    )


def alert(kind: str = "oom_kill", name: str = "web", time: float = 1000.0, **fields: Any) -> Alert:
    """An alert about the container of `sample`."""
    of = sample(name)
    known: dict[str, Any] = {
        "time": time,
        "type": kind,
        "id": of.id,
        "engine": of.engine,
        "name": of.name,
        "pod": of.pod,
        "threshold": None,
        "usage": 50 * MIB,
        "limit": 100 * MIB,
        "serial": f"{kind}/{name}/1",
        "message": "sh was killed",
    }
    return Alert(**{**known, **fields})
