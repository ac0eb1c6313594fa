"""What fails without a message, provoked for real: limits that go nowhere, memory that runs out."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, SEARCH_PATH, call, find_runtime
from integration.failures.provoked import CGROUP, LAYOUTS, provoke, remove_cgroups, whole_config
from shim.diagnose.oom import pressure, verdict
from shim.host.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

# A private /sys/fs/cgroup with every v1 hierarchy but memory, whose directory exists nevertheless.
PLAIN_MEMORY = (
    "umount -R /sys/fs/cgroup; mount -t tmpfs tmpfs /sys/fs/cgroup; "
    "for c in cpu cpuacct cpuset pids devices freezer blkio; do mkdir /sys/fs/cgroup/$c; "
    "mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c; done; mkdir /sys/fs/cgroup/memory"
)
SECONDS = 20


@pytest.fixture
def own() -> Iterator[str]:
    """A cgroup name of the test's own; everything below it is removed from every hierarchy."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    v1 = (CGROUP / "memory" / "memory.oom_control").exists()
    require("v1 memory", "" if v1 else "/sys/fs/cgroup/memory is no v1 hierarchy")
    name = f"cgshim-silent-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    yield name
    assert remove_cgroups(name) == []


def _bundle(top: Path, own: str, args: list[str], **resources: Any) -> tuple[Path, dict[str, Any]]:
    bundle = make_bundle(top / "bundle", find_busybox())
    config = whole_config(str(bundle.path / "rootfs"), f"/{own}/c")
    config["process"]["args"] = args
    config["linux"]["resources"] = resources
    bundle.write(config)
    return bundle.path, config


def test_crun_writes_a_limit_into_an_ordinary_file(tmp_path: Path, own: str) -> None:
    """Exit status 0 and no limit: the plain directory is foreseen from the same namespace."""
    require("crun", "" if find_runtime("crun") else "crun is not installed")
    bundle, config = _bundle(tmp_path, own, ["/bin/true"], memory={"limit": 64 << 20})
    argv = [find_runtime("crun"), "--root", str(tmp_path / "state"), "run", f"{own}-x"]
    context = {"config": config, "runtime": "crun", "cgroups_path": f"/{own}/c", "container": f"{own}-x"}
    answer = provoke(PLAIN_MEMORY, (), {"argv": argv, "cwd": str(bundle), "context": context})
    assert (answer["status"], answer["text"]) == (0, "")
    foreseen = dict(answer["foreseen"])
    assert foreseen["limits-written-to-tmpfs"] == ["/sys/fs/cgroup/memory: a directory on tmpfs, not a cgroup mount"]


def test_a_limit_that_kills_every_start(tmp_path: Path, own: str) -> None:
    """The bare runtime fails with a message about something else or none; cgshim refuses before it is called."""
    require("runc", "" if find_runtime("runc") else "runc is not installed")
    limit = 1 << 16
    bundle, _ = _bundle(tmp_path, own, ["/bin/true"], memory={"limit": limit})
    root = ("--root", str(tmp_path / "state"))
    bare = call([find_runtime("runc"), *root, "run", f"{own}-x"], cwd=str(bundle))
    environment = {"PATH": SEARCH_PATH, "CGSHIM_RUNTIME": find_runtime("runc"), "CGSHIM_CONFIG": str(tmp_path / "none")}
    log = ("--log", str(tmp_path / "log.json"), "--log-format", "json")
    shim = call(["/bin/sh", str(LAUNCHER), *root, *log, "run", f"{own}-y"], cwd=str(bundle), env=environment)
    assert bare.status != 0
    assert (shim.status, shim.out) == (1, "")
    text = json.loads((tmp_path / "log.json").read_text())["msg"]
    assert text == shim.err.rstrip("\n")
    assert text.splitlines()[0] == (
        f"cgshim: the memory limit of {limit} bytes kills runc before the container starts [oom-certain-at-start]"
    )
    assert f"  evidence: memory limit in config.json: {limit} bytes; runc cannot start a container with " in text
    assert not Path(f"{CGROUP}/memory/{own}/c").exists()


def test_the_straggler_is_foreseen(tmp_path: Path, own: str) -> None:
    """On a hybrid host crun's refusal is known before it happens; in the legacy layout there is nothing to foresee."""
    straggler = CGROUP / "unified" / "cgroup.controllers"
    require("hybrid", "" if straggler.exists() and straggler.read_text().split() else "cgroup2 owns no controller")
    request = {"argv": ["true"], "cwd": str(tmp_path), "context": {"runtime": "crun"}}
    hybrid = dict(provoke(LAYOUTS["host"], (), request)["foreseen"])
    legacy = dict(provoke(LAYOUTS["legacy"], (), request)["foreseen"])
    assert hybrid["crun-refuses-hybrid"] == [f"{straggler}: {' '.join(straggler.read_text().split())}"]
    assert "crun-refuses-hybrid" not in legacy


def test_the_oom_killer_leaves_its_count(tmp_path: Path, own: str) -> None:
    """A container that takes more than its limit is killed once, and the counters of its cgroup say so."""
    require("runc", "" if find_runtime("runc") else "runc is not installed")
    # The shell stays, so the cgroup stays: its child takes 64 MB of a limit of 16 MB and is killed.
    script = "dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 60"
    limit = 16 << 20
    bundle, _ = _bundle(tmp_path, own, ["/bin/sh", "-c", script], memory={"limit": limit, "swap": limit})
    (bundle / "rootfs" / "bin" / "dd").symlink_to("busybox")
    base = [find_runtime("runc"), "--root", str(tmp_path / "state")]
    started = call([*base, "run", "--detach", "--bundle", str(bundle), f"{own}-x"])
    try:
        assert started.status == 0, str(started)
        directory = f"{CGROUP}/memory/{own}/c"
        found = _until_killed(directory)
        told = verdict(View(), directory)
    finally:
        call([*base, "delete", "--force", f"{own}-x"])
    assert (found.kills, found.stuck) == (1, False)
    assert told is not None
    assert told.code == "container-oom-killed"
    assert f"{directory}/memory.oom_control: oom_kill_disable 0 under_oom 0 oom_kill 1" in told.evidence


def _until_killed(directory: str) -> Any:
    for _ in range(SECONDS * 10):
        found = pressure(View(), directory)
        # The kernel counts the kill first and takes the mark away after it (mm/memcontrol.c, mem_cgroup_oom).
        if found is not None and found.kills and not found.stuck:
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing was killed: {found}")


def test_a_stuck_cgroup_is_told_from_a_killed_one(tmp_path: Path, own: str) -> None:
    """With the OOM killer switched off under_oom is 1, oom_kill stays 0, and nothing goes on."""
    require("runc", "" if find_runtime("runc") else "runc is not installed")
    # The shell takes memory by faults of its own. To a system call, such as that of dd, the kernel says ENOMEM.
    script = "x=aaaaaaaa; while :; do x=$x$x; done"
    limit = 16 << 20
    memory = {"limit": limit, "swap": limit, "disableOOMKiller": True}
    bundle, _ = _bundle(tmp_path, own, ["/bin/sh", "-c", script], memory=memory)
    base = [find_runtime("runc"), "--root", str(tmp_path / "state")]
    started = call([*base, "run", "--detach", "--bundle", str(bundle), f"{own}-x"])
    directory = f"{CGROUP}/memory/{own}/c"
    try:
        assert started.status == 0, str(started)
        told = None
        for _ in range(SECONDS * 10):
            told = told or verdict(View(), directory)
            if told is None:
                time.sleep(0.1)
    finally:
        Path(f"{directory}/memory.oom_control").write_text("0")
        call([*base, "delete", "--force", f"{own}-x"])
    assert told is not None
    assert told.code == "memory-oom-deadlock"
    assert f"{directory}/memory.oom_control: oom_kill_disable 1 under_oom 1 oom_kill 0" in told.evidence
