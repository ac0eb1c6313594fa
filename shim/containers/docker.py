"""Docker's records: DATA/containers/ID/config.v2.json and hostconfig.json (moby, container/container.go).

hostconfig.json is the request after dockerd's checks. At create, update and start dockerd examines the host and saves
the structure with every limit that it cannot enforce set to zero. So an absent limit there does not prove that nobody
asked for it.
"""

from __future__ import annotations

from shim.containers.container import ASKED, CREATED, PAUSED, RUNNING, STOPPED, Container, RecordedLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from shim.containers.places import Place

# The keys for limits only: the file also has environment variables.
LIMITS = (
    *("Memory", "MemorySwap", "MemoryReservation", "MemorySwappiness", "OomKillDisable", "OomScoreAdj", "KernelMemory"),
    *("NanoCpus", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus"),
    *("CpusetMems", "PidsLimit", "BlkioWeight", "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps"),
    *("BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "CgroupParent", "Runtime", "Privileged"),
)
COMPOSE = "com.docker.compose.project.config_files"


def containers(place: Place) -> Iterator[Container]:
    """Yield Docker's containers below a data root."""
    data = [place.path]
    data += [f"{place.path}/{name}" for name in place.tree.names(place.path) if _remapped(name)]
    for root in data:
        for name in place.tree.names(f"{root}/containers"):
            config = place.tree.object(f"{root}/containers/{name}/config.v2.json")
            if config.get("ID") == name:
                yield _container(place, root, config)


def _remapped(name: str) -> bool:
    """With userns-remap the data are one level deeper, in UID.GID."""
    user, dot, group = name.partition(".")
    return bool(dot) and user.isdigit() and group.isdigit()


def _container(place: Place, root: str, config: dict[str, Any]) -> Container:
    container = str(config["ID"])
    source = f"{root}/containers/{container}/hostconfig.json"
    host = place.tree.object(source)
    state = config.get("State")
    state = state if isinstance(state, dict) else {}
    inner = config.get("Config")
    inner = inner if isinstance(inner, dict) else {}
    labels = inner.get("Labels")
    labels = labels if isinstance(labels, dict) else {}
    pid = state.get("Pid")
    problem = place.tree.problems.get(source) or ("" if host else "is not there")
    hints = {"compose": str(labels[COMPOSE])} if labels.get(COMPOSE) else {}
    record = RecordedLimits(column=ASKED, kind="docker", source=source, value={k: host[k] for k in LIMITS if k in host})
    namespace, name = labels.get("io.kubernetes.pod.namespace"), labels.get("io.kubernetes.pod.name")
    return Container(
        id=container,
        name=str(config.get("Name") or "").lstrip("/"),
        engine="docker",
        pod=f"{namespace}/{name}" if name else "",
        image=str(inner.get("Image") or ""),
        state=_state(state),
        pid=pid if isinstance(pid, int) and state.get("Running") else 0,
        hints=hints,
        records=(record,) if host else (),
        problems=(f"{source}: {problem}",) if problem else (),
        user=place.user,
    )


def _state(state: dict[str, Any]) -> str:
    if state.get("Paused"):
        return PAUSED
    if state.get("Running"):
        return RUNNING
    # Go's zero time: the container was never started.
    return CREATED if str(state.get("FinishedAt") or "0001").startswith("0001") else STOPPED
