"""The runtimes' records: runc's ROOT/ID/state.json with the limits of the last update, crun's ROOT/ID/status without.

An update erases fields from runc's record that it does not name (quota and period, cpuset, pids, unified), though the
kernel keeps the limits. So their absence from the record proves nothing.
"""

from __future__ import annotations

import os

from shim.containers.container import (
    CONFIG,
    REMEMBERED,
    RUNNING,
    STOPPED,
    Container,
    RecordedLimits,
    family_of,
    oci,
    path_of,
)
from shim.containers.places import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

LEFT_OUT = ("devices", "path", "name", "parent", "scope_prefix", "Paths", "Systemd", "Rootless", "OwnerUID")


def containers(place: Place) -> Iterator[Container]:
    """Yield the containers of one state directory."""
    for name in place.tree.names(place.path):
        directory = f"{place.path}/{name}"
        state = place.tree.object(f"{directory}/state.json")
        if isinstance(state.get("config"), dict):
            yield _of_runc(place, name, f"{directory}/state.json", state)
            continue
        status = place.tree.object(f"{directory}/status")
        if "cgroup-path" in status or "bundle" in status:
            yield _of_crun(place, name, directory, status)


def _of_runc(place: Place, name: str, source: str, state: dict[str, Any]) -> Container:
    config = state["config"]
    groups = config.get("cgroups")
    groups = groups if isinstance(groups, dict) else {}
    listed = config.get("labels")
    labels = [label for label in listed if isinstance(label, str)] if isinstance(listed, list) else []
    bundle = next((label[len("bundle=") :] for label in labels if label.startswith("bundle=")), "")
    limits = {key: value for key, value in groups.items() if key not in LEFT_OUT}
    limits["oom_score_adj"] = config.get("oom_score_adj")
    paths = state.get("cgroup_paths")
    driver = "systemd" if groups.get("Systemd") or groups.get("systemd") else "cgroupfs"
    return _with_config(
        place,
        Container(
            id=name,
            engine="runc",
            state=RUNNING if state.get("init_process_pid") else STOPPED,
            pid=_number(state.get("init_process_pid")),
            start=_number(state.get("init_process_start")),
            bundle=bundle,
            root=place.path,
            runtime="runc",
            family="runc",
            driver=driver,
            recorded={str(k): str(v) for k, v in paths.items()} if isinstance(paths, dict) else {},
            records=(RecordedLimits(column=REMEMBERED, kind="runc", source=source, value=limits),),
            user=place.user,
        ),
    )


def _of_crun(place: Place, name: str, directory: str, status: dict[str, Any]) -> Container:
    path = status.get("cgroup-path")
    document = place.tree.object(f"{directory}/config.json")
    return Container(
        id=name,
        engine="crun",
        state=RUNNING,
        pid=_number(status.get("pid")),
        start=_number(status.get("process-start-time")),
        bundle=str(status.get("bundle") or ""),
        root=place.path,
        runtime="crun",
        family=family_of("crun"),
        driver="systemd" if status.get("systemd-cgroup") else "cgroupfs",
        cgroups_path=path_of(document),
        recorded={"": str(path)} if isinstance(path, str) and path else {},
        hints={} if path else {"no-cgroup": f"{directory}/status: cgroup-path is empty"},
        records=(oci(CONFIG, f"{directory}/config.json", document),) if document else (),
        user=place.user,
    )


def _with_config(place: Place, container: Container) -> Container:
    """Add the bundle's config.json, which for a container without an engine is all that was asked for."""
    path = os.path.join(container.bundle, "config.json")
    home = place.tree.root
    inside = path[len(home) :] if home and path.startswith(f"{home}/") else path
    readable = not place.user or inside != path  # a user's file in another place would be read with links followed
    document = place.tree.object(inside) if container.bundle.startswith("/") and readable else {}
    if not document:
        return container
    records = (*container.records, oci(CONFIG, path, document))
    return container.changed(records=records, cgroups_path=path_of(document))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
