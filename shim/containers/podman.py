"""podman's records: its database (SQLite, before 4.8 BoltDB) has each container's create command and OCI spec.

`podman` itself is never called: it takes locks, and its first call after a boot may migrate the database.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile

from shim.containers import bolt
from shim.containers.container import (
    ASKED,
    CONFIG,
    CREATED,
    PAUSED,
    RUNNING,
    SPEC,
    STOPPED,
    Container,
    RecordedLimits,
    family_of,
    oci,
    path_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from shim.containers.places import Place

# libpod/define/containerstate.go
STATES = {2: CREATED, 3: RUNNING, 4: STOPPED, 5: PAUSED, 6: STOPPED}
QUERY = """SELECT c.ID, c.JSON, s.JSON FROM ContainerConfig c LEFT JOIN ContainerState s ON c.ID = s.ID"""
ATTEMPTS = 5


def containers(place: Place) -> Iterator[Container]:
    """Yield podman's containers in a storage directory; the tree keeps problems with the database."""
    for path, read in ((f"{place.path}/db.sql", _sqlite), (f"{place.path}/libpod/bolt_state.db", _bolt)):
        handle = place.tree.open(path)
        if handle is None:
            continue
        try:
            pairs = read(place, path, handle)
        finally:
            os.close(handle)
        for config, state in pairs:
            if isinstance(config.get("id"), str):
                yield _container(place, path, config, state)
        return


def _bolt(place: Place, path: str, handle: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def visit(top: bolt.Bucket) -> None:
        of_containers = top.bucket("ctr")
        for _, bucket in of_containers.buckets() if of_containers else ():
            values = bucket.values()
            found.append((_parsed(values.get("config")), _parsed(values.get("state"))))

    try:
        bolt.walk(handle, visit, found.clear)
    except bolt.Torn as error:
        place.tree.problems[path] = f"cannot be read: {error}"
    return found


def _sqlite(place: Place, path: str, handle: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """A copy is opened, so that no lock is taken and no foreign journal is touched."""
    try:
        import sqlite3
    except ImportError:
        place.tree.problems[path] = "this Python has no sqlite3"
        return []
    problem = ""
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="cgshim-audit-") as room:
            copied = f"{room}/db.sql"
            before = _stamp(handle)
            _copy(handle, copied)
            for ending in ("-journal", "-wal"):
                beside = place.tree.open(path + ending)
                if beside is not None:
                    _copy(beside, copied + ending)
                    os.close(beside)
            if _stamp(handle) != before:
                problem = "it changes faster than it can be copied"
                continue
            connection = sqlite3.connect(f"file:{copied}?nolock=1", uri=True)
            try:
                return [(_parsed(config), _parsed(state)) for _, config, state in connection.execute(QUERY)]
            except sqlite3.Error as error:
                problem = str(error)
            finally:
                connection.close()
    place.tree.problems[path] = f"cannot be read: {problem}"
    return []


def _stamp(handle: int) -> tuple[int, int]:
    found = os.fstat(handle)
    return found.st_mtime_ns, found.st_size


def _copy(handle: int, target: str) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    with os.fdopen(os.dup(handle), "rb") as source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


def _parsed(content: bytes | str | None) -> dict[str, Any]:
    try:
        value = json.loads(content) if content else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _container(place: Place, path: str, config: dict[str, Any], state: dict[str, Any]) -> Container:
    pid, number = state.get("pid"), state.get("state")
    spec = config.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    records = []
    command = config.get("CreateCommand")
    if isinstance(command, list) and command:
        argv = {"argv": [str(word) for word in command]}
        records.append(RecordedLimits(column=ASKED, kind="podman", source=f"{path}: CreateCommand", value=argv))
    records.append(oci(SPEC, f"{path}: spec", spec))
    bundle = str(config.get("staticDir") or "")
    records += _on_disk(place, str(state.get("configPath") or f"{bundle}/config.json"))
    name = config.get("runtime")
    runtime = name if isinstance(name, str) else ""
    disabled = bool(config.get("noCgroups")) or config.get("cgroupsMode") == "disabled"
    hints = {"cgroups-mode": str(config.get("cgroupsMode") or ""), "storage": place.path}
    return Container(
        id=str(config["id"]),
        name=str(config.get("name") or ""),
        engine="podman",
        pod=str(config.get("pod") or "")[:12],
        image=str(config.get("rootfsImageName") or ""),
        state=STATES.get(number, CREATED) if isinstance(number, int) else CREATED,
        pid=pid if isinstance(pid, int) else 0,
        bundle=bundle,
        runtime=runtime,
        family=family_of(runtime),
        driver="disabled" if disabled else str(config.get("cgroupManager") or ""),
        cgroups_path=path_of(spec),
        helper=bool(config.get("pause")),
        hints=hints,
        records=tuple(records),
        user=place.user,
    )


def _on_disk(place: Place, path: str) -> list[RecordedLimits]:
    """Return config.json from the last start; a user's is below the home, which is our tree's root."""
    home = place.tree.root
    inside = path[len(home) :] if place.user and path.startswith(f"{home}/") else path
    document = place.tree.object(inside)
    return [oci(CONFIG, path, document)] if document else []
