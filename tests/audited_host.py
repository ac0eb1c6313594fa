"""Recorded hosts with containers (tests/audited), laid out as a tree that the inventory can read."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING

from tests.hosts_made import make_host
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from shim.host.facts import Host

RECORDED = ROOT / "tests" / "audited"
# Where the v1 controllers of the recorded hosts were; of `audited_host` the facts that detection reads were not kept.
MOUNTS = {"memory": "memory", "cpu": "cpu", "cpuset": "cpuset", "pids": "pids", "io": "blkio", "devices": "devices"}


def laid_out(name: str, place: Path) -> Path:
    """The tree of a recorded host below `place`."""
    recorded = json.loads(gzip.decompress((RECORDED / f"{name}.json.gz").read_bytes()))
    for path, text in recorded["files"].items():
        written(place, path).write_text(text, encoding="utf-8")
    for path, text in recorded["binary"].items():
        written(place, path).write_bytes(base64.b64decode(text))
    for path, target in recorded["links"].items():
        written(place, path).symlink_to(target)
    return place


def written(place: Path, path: str) -> Path:
    """Where a path of the host is in the tree, its directory made."""
    target = place / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def recorded_host() -> Host:
    """The host's facts: every controller on a v1 hierarchy of its own, hugetlb left in cgroup2."""
    host = make_host("hybrid", versions={"hugetlb": 2, "rdma": 0, "net_cls": 0, "net_prio": 0})
    placements = dict(host.placements)
    for controller, directory in MOUNTS.items():
        placements[controller] = placements[controller].changed(mount=f"/sys/fs/cgroup/{directory}")
    return host.changed(placements=placements)
