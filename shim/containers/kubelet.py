"""The kubelet's own records: exclusive CPUs (cpu_manager_state), and the resources allocated to pods."""

from __future__ import annotations

import json

from shim.containers.container import KUBELET, Container, RecordedLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.places import Place

CPUS, ALLOCATED = "cpu_manager_state", "allocated_pods_state"


def notes(places: tuple[Place, ...]) -> dict[tuple[str, str], RecordedLimits]:
    """Return (pod uid, container's name) -> limits by their Kubernetes names, and "exclusive" with its CPUs.

    "allocated" is set if the limits are known: a limit that is then missing was not asked for.
    """
    found: dict[tuple[str, str], RecordedLimits] = {}
    for place in places:
        path = f"{place.path}/{ALLOCATED}"
        for uid, containers in _allocations(place.tree.object(path)).items():
            for name, resources in _objects(containers).items():
                limits = resources.get("limits")
                stated = dict(limits) if isinstance(limits, dict) else {}
                _note(found, uid, name, path, {**stated, "allocated": True})
        path = f"{place.path}/{CPUS}"
        for uid, containers in _objects(place.tree.object(path).get("entries")).items():
            for name, cpus in containers.items():
                _note(found, uid, name, path, {"exclusive": str(cpus)})
    return found


def _note(found: dict[tuple[str, str], RecordedLimits], uid: str, name: str, path: str, value: dict[str, Any]) -> None:
    earlier = found.get((uid, name))
    both = {**(earlier.value if earlier else {}), **value}
    found[uid, name] = RecordedLimits(
        column=KUBELET, kind="pod", source=earlier.source if earlier else path, value=both
    )


def _allocations(state: dict[str, Any]) -> dict[str, Any]:
    """Return pod uid -> container -> resources; newer files have them as text in "data"."""
    data = state.get("data")
    if isinstance(data, str):
        try:
            inner = json.loads(data)
        except ValueError:
            return {}
        state = inner if isinstance(inner, dict) else {}
    for name in ("entries", "allocationEntries", "allocations"):
        if isinstance(state.get(name), dict):
            return {uid: _containers(entry) for uid, entry in _objects(state[name]).items()}
    return {}


def _containers(entry: dict[str, Any]) -> dict[str, Any]:
    inside = entry.get("ContainerResources")
    return inside if isinstance(inside, dict) else entry


def _objects(value: Any) -> dict[str, dict[str, Any]]:
    return {str(k): v for k, v in value.items() if isinstance(v, dict)} if isinstance(value, dict) else {}


def noted(container: Container, known: dict[tuple[str, str], RecordedLimits]) -> Container:
    """Return the container with the kubelet's record, if there is one."""
    record = known.get((container.hints.get("pod-uid", ""), container.name))
    return container.changed(records=(*container.records, record)) if record else container
