"""CRI-O's records: config.json and state.json in its containers' directories, in the storage that podman uses, too.

config.json is written at creation and never again; later requests of the kubelet are only in the daemon's memory.
"""

from __future__ import annotations

import json

from shim.containers.container import CONFIG, CREATED, RUNNING, STOPPED, Container, oci, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from shim.containers.places import Place

PREFIX = "io.kubernetes.cri-o."
STATES = {"running": RUNNING, "created": CREATED, "stopped": STOPPED}


def containers(place: Place) -> Iterator[Container]:
    """Yield CRI-O's containers below a storage directory; annotations distinguish them from podman's."""
    tree = place.tree
    for driver in tree.names(place.path):
        if not driver.endswith("-containers"):
            continue
        for name in tree.names(f"{place.path}/{driver}"):
            directory = f"{place.path}/{driver}/{name}/userdata"
            document = tree.object(f"{directory}/config.json")
            annotations = document.get("annotations")
            if isinstance(annotations, dict) and _is_ours(annotations):
                yield _container(place, name, directory, document)


def _is_ours(annotations: dict[str, Any]) -> bool:
    return annotations.get("io.container.manager") == "cri-o" or f"{PREFIX}ContainerID" in annotations


def _container(place: Place, name: str, directory: str, document: dict[str, Any]) -> Container:
    annotations = document["annotations"]
    state = place.tree.object(f"{directory}/state.json")
    labels = _inner(annotations, "Labels")
    pod, space = labels.get("io.kubernetes.pod.name"), labels.get("io.kubernetes.pod.namespace")
    pid = state.get("initPid") or state.get("pid")
    start = str(state.get("initStartTime") or "")
    uid = labels.get("io.kubernetes.pod.uid")
    path = path_of(document)
    return Container(
        id=name,
        name=str(labels.get("io.kubernetes.container.name") or annotations.get(f"{PREFIX}Name") or ""),
        engine="cri-o",
        pod=f"{space}/{pod}" if pod else "",
        image=str(annotations.get(f"{PREFIX}ImageName") or ""),
        state=STATES.get(str(state.get("status")), STOPPED),
        pid=pid if isinstance(pid, int) else 0,
        start=int(start) if start.isascii() and start.isdigit() else 0,
        bundle=str(state.get("bundle") or directory),
        driver="systemd" if path.count(":") == 2 else "cgroupfs",
        cgroups_path=path,
        helper=annotations.get(f"{PREFIX}ContainerType") == "sandbox",
        hints={"pod-uid": str(uid)} if uid else {},
        records=(oci(CONFIG, f"{directory}/config.json", document),),
    )


def _inner(annotations: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an annotation that is itself a JSON object."""
    try:
        value = json.loads(annotations.get(PREFIX + name) or "{}")
    except (ValueError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}
