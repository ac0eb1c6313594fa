"""A host with many containers, made of a recorded one: `python3 -m tests.audited_many DIRECTORY [COUNT]`.

Each recorded container of docker, CRI and podman is copied under new ids, pids and names, with all its records and
cgroups, and a shim or conmon of its own; so files are as large and as many as engines make them.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.audited_host import RECORDED, written

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "debian-12"
GRAPH = "/var/lib/containers/storage"
TABLES = """CREATE TABLE ContainerConfig (ID TEXT, Name TEXT, PodID TEXT, JSON TEXT);
CREATE TABLE ContainerState (ID TEXT, State INTEGER, ExitCode INTEGER, JSON TEXT);"""


class Model(NamedTuple):
    """A recorded container: its id, its init's pid, that of its shim or conmon, and the files that name it."""

    engine: str
    id: str
    pid: str
    monitor: str
    files: dict[str, str]
    links: dict[str, str]


def recorded() -> dict[str, Any]:
    """What was recorded."""
    return dict(json.loads(gzip.decompress((RECORDED / f"{HOST}.json.gz").read_bytes())))


def models(host: dict[str, Any]) -> Iterator[Model]:
    """The containers that can be copied: docker's, CRI's and podman's that run."""
    for path, text in host["files"].items():
        if not path.endswith("/state.json"):
            continue
        container = path.split("/")[-2]
        pid = str(json.loads(text)["init_process_pid"])
        if len(container) != 64:
            continue
        about = {p: t for p, t in host["files"].items() if container in p or p.startswith(f"/proc/{pid}/")}
        lines = {p: t for p, t in host["files"].items() if p.endswith("/cmdline") and container in t}
        monitor = next((p.split("/")[2] for p in lines if "/shim" in lines[p] or "conmon" in lines[p]), "")
        about.update({p: t for p, t in host["files"].items() if monitor and p.startswith(f"/proc/{monitor}/")})
        links = {p: t for p, t in host["links"].items() if p.startswith((f"/proc/{pid}/", f"/proc/{monitor}/"))}
        engine = "podman" if "libpod" in text else "docker" if "/moby/" in path else "cri"
        yield Model(engine, container, pid, monitor, about, links)


def make(place: Path, count: int) -> None:
    """Lay out `count` containers below `place`."""
    host = recorded()
    for path, target in host["links"].items():
        if path.startswith("/proc/self"):
            written(place, path).symlink_to(target)
    for path, text in host["files"].items():
        program = host["files"].get("/".join(path.split("/")[:3]) + "/cmdline", "").partition("\0")[0]
        if path.endswith(".toml") or (path.startswith("/proc/") and program.endswith(("dockerd", "containerd"))):
            written(place, path).write_text(text, encoding="utf-8")
    found = list(models(host))
    assert {model.engine for model in found} == {"podman", "docker", "cri"}
    podman: list[tuple[str, int, Model]] = []
    for number in range(count):
        model = found[number % len(found)]
        container = _copied(place, model, number)
        if model.engine == "podman":
            podman.append((container, number, model))
    _database(place, podman)


def _copied(place: Path, model: Model, number: int) -> str:
    """One copy; its id."""
    container = f"{number:08x}" + model.id[8:]
    names = {model.id: container, f"/proc/{model.pid}/": f"/proc/{100_000 + number}/"}
    pids = {f'"init_process_pid":{model.pid}': f'"init_process_pid":{100_000 + number}'}
    pids[f'"Pid":{model.pid},'] = f'"Pid":{100_000 + number},'
    if model.monitor:
        names[f"/proc/{model.monitor}/"] = f"/proc/{200_000 + number}/"
    for path, text in model.files.items():
        new = model.pid if path.endswith("/init.pid") else ""
        content = str(100_000 + number) if new else _replaced(text, {**names, **pids})
        if path.startswith("/proc/") and path.endswith("/stat"):
            content = content.replace(model.pid, str(100_000 + number), 1)
        written(place, _replaced(path, names)).write_text(content, encoding="utf-8")
    for path, target in model.links.items():
        written(place, _replaced(path, names)).symlink_to(_replaced(target, names))
    return container


def _replaced(text: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        text = text.replace(old, new)
    return text


def _database(place: Path, podman: list[tuple[str, int, Model]]) -> None:
    """podman's database as 4.8 and later have it."""
    database = sqlite3.connect(written(place, f"{GRAPH}/db.sql"))
    database.executescript(TABLES)
    for container, number, model in podman:
        spec = next(json.loads(text) for path, text in model.files.items() if path.endswith("/config.json"))
        argv = ["podman", "run", "--detach", "localhost/box", "/bin/sleep", "3000"]
        config = {"id": container, "name": f"many-{number}", "CreateCommand": argv, "spec": spec, "runtime": "runc"}
        state = {"state": 3, "pid": 100_000 + number}
        database.execute("INSERT INTO ContainerConfig VALUES (?, ?, '', ?)", (container, "", json.dumps(config)))
        database.execute("INSERT INTO ContainerState VALUES (?, 3, 0, ?)", (container, json.dumps(state)))
    database.commit()
    database.close()


def meta() -> bytes:
    """containerd's recorded meta.db."""
    return next(base64.b64decode(text) for path, text in recorded()["binary"].items() if path.endswith("meta.db"))


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
