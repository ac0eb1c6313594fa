"""Containers that come and go before any record of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.host.detect import detect
from shim.watch.passing import Passing
from shim.watch.place import CgroupFinder
from shim.watch.words import message
from tests.watch.made import ID
from tests.watch.test_sinks import _alert
from tests.watch.test_watcher import Plain

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = "/sys/fs/cgroup"


def _passing(root: Path, *names: str, roots: tuple[str, ...] = ()) -> Passing:
    for path, text in (
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", f"36 25 0:31 / {MOUNT} rw - cgroup2 cgroup2 rw\n"),
        ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    view = Plain(str(root))
    host = detect(view, controllers=("memory",), writable=False)
    return Passing(view, CgroupFinder(view, host), names, roots)


@pytest.mark.parametrize(
    ("path", "engine"),
    [
        (f"/machine.slice/libpod-{ID}.scope", "podman"),
        (f"/libpod_parent/libpod-{ID}", "podman"),
        (f"/system.slice/docker-{ID}.scope", "docker"),
        (f"/docker/{ID}", "docker"),
        (f"/kubepods/pod1/{ID}", "unknown"),
        (f"/kubepods.slice/a.slice/cri-containerd-{ID}.scope", "cri"),
    ],
)
def test_the_name_of_a_cgroup_that_an_engine_made(tmp_path: Path, path: str, engine: str) -> None:
    """It has the whole id; what is told of it is the path, the time, and no process."""
    passing = _passing(tmp_path)
    passing.came(f"{MOUNT}{path}", 1000.0)
    passed = passing.went(f"{MOUNT}{path}")
    assert passed is not None
    one = passed.one
    assert (one.id, one.container.engine, one.container.pid, one.place.memory.path) == (ID, engine, 0, path)
    assert passed.began == 1000.0
    assert passing.went(f"{MOUNT}{path}") is None


@pytest.mark.parametrize(
    "leaf", ["cron.service", "user.slice", f"libpod-conmon-{ID}.scope", "session-1.scope", ID[:12]]
)
def test_cgroups_that_are_no_containers(tmp_path: Path, leaf: str) -> None:
    """Services, slices, conmon's own: nobody's."""
    passing = _passing(tmp_path)
    passing.came(f"{MOUNT}/{leaf}", 1000.0)
    assert passing.went(f"{MOUNT}/{leaf}") is None


def test_a_name_that_a_runtime_has_a_directory_of(tmp_path: Path) -> None:
    """It is the container's although it is no long id; known by inotify even if the directory is gone by then."""
    (tmp_path / "r").mkdir()
    passing = _passing(tmp_path, roots=("/r",))
    passing.listen()
    (tmp_path / "r" / "web").mkdir()
    passing.came(f"{MOUNT}/web", 1.0)
    (tmp_path / "r" / "db").mkdir()
    (tmp_path / "r" / "db").rmdir()
    passing.came(f"{MOUNT}/db", 2.0)
    passing.came(f"{MOUNT}/other", 3.0)
    passing.close()
    found = [passing.went(f"{MOUNT}/{name}") for name in ("web", "db", "other")]
    assert [passed and (passed.one.id, passed.one.container.engine) for passed in found] == [
        ("web", "runc"),
        ("db", "runc"),
        None,
    ]


def test_one_that_is_followed_is_not_told_twice(tmp_path: Path) -> None:
    """Its end is the watcher's to tell."""
    passing = _passing(tmp_path)
    passing.came(f"{MOUNT}/{ID}", 1.0)
    passing.known(f"{MOUNT}/{ID}")
    assert passing.went(f"{MOUNT}/{ID}") is None


def test_only_those_that_are_named(tmp_path: Path) -> None:
    """As for containers that are followed."""
    passing = _passing(tmp_path, ID[:12])
    other = ID[::-1]
    for name in (ID, other):
        passing.came(f"{MOUNT}/{name}", 1.0)
    assert [bool(passing.went(f"{MOUNT}/{name}")) for name in (ID, other)] == [True, False]


def test_whether_init_lives_is_not_claimed() -> None:
    """Nobody has seen its first process, so the message says nothing of it."""
    victim = {"name": "tail", "pid": 7, "init": None}
    text = message(_alert(evidence={"victims": [victim]}))
    assert text == "the kernel killed tail (7) of container web of pod shop/front, which ran out of memory"
    told = message(_alert(evidence={"victims": [{**victim, "init": False}]}))
    assert told == f"{text}; its init is alive, so engines show nothing"
