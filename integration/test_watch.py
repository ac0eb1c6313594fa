"""The watcher over real containers on this host: what it tells of them is what the kernel did to them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.matrix.guest.watcher import AMOUNTS, M, Taker, Watching
from shim.host.detect import detect
from shim.host.view import View
from shim.observe.memory_numbers import FILES, measure
from shim.watch import drift, exits
from shim.watch.exit_sources import Taskstats
from shim.watch.exits import Exits
from shim.watch.sinks import file_alerts
from shim.watch.watcher import Options, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

LIMIT = 32 * M
PATIENCE = 60  # seconds
# Each processor charges 64 pages of 4 KiB in advance, before and after (mm/memcontrol.c, MEMCG_CHARGE_BATCH).
SLACK = 2 * 64 * 4096 * (os.cpu_count() or 1) + M // 2  # and page tables
# One process takes all of it. With a pipeline the kernel may kill a second one before the first has given back its own.
GREEDY = "tail /dev/zero"  # it keeps an endless line in memory
# The shell takes memory by faults of its own. To one that asks by a system call the kernel says ENOMEM instead.
DOUBLING = "x=aaaaaaaa; while :; do x=$x$x; done"
APPLETS = ("tail", "dd")
# What follows waits until the watcher knows the container: when that is, is for this machine's other work to say.
WAIT = "until [ -e /go ]; do sleep 0.1; done; "


@pytest.fixture
def state(tmp_path: Path) -> str:
    """A directory for the watcher alone."""
    return str(tmp_path / "watch")


@pytest.fixture
def memory(bundle: Bundle) -> Bundle:
    """A bundle whose container has the applets that take memory, and /dev/zero."""
    for applet in APPLETS:
        (bundle.path / "rootfs" / "bin" / applet).symlink_to("busybox")
    return bundle


def _configure(bundle: Bundle, command: str, memory: dict[str, Any]) -> None:
    bundle.configure(args=["/bin/sh", "-c", command], resources={"memory": memory})


def _watching(runtime: Runtime, container: str, state: str, **more: Any) -> Watching:
    options = {"names": (container,), "roots": (str(runtime.root),), "state": state, "interval": 1.0, "quiet": 600.0}
    return Watching(**{**options, **more})


def _run(runtime: Runtime, bundle: Bundle, container: str) -> int:
    runtime.must("run", "--detach", "--bundle", str(bundle.path), container)
    return runtime.pid(container)


def test_a_killed_worker_is_told_with_its_name(
    runtime: Runtime, memory: Bundle, container: str, state: str, cgroup_values: type[CgroupValues]
) -> None:
    """The kernel kills a process that is not init: engines show nothing; the alert has its pid, and init lives."""
    _configure(memory, f"while :; do sleep 1; {GREEDY}; sleep 300; done", {"limit": LIMIT})
    with _watching(runtime, container, state) as watching:
        init = _run(runtime, memory, container)
        alert = watching.alert("oom_kill", PATIENCE)
        hit = watching.alert("memory_max_hit", PATIENCE)
        started = watching.event("started", PATIENCE)
    assert started["source"] == "inotify on the hierarchy"
    (victim,) = alert["evidence"]["victims"]
    assert (victim["name"], victim["init"]) == ("tail", False)
    assert victim["pid"] != init
    assert alert["message"].endswith("; its init is alive, so engines show nothing")
    assert (alert["container_id"], alert["engine"]) == (container[:12], runtime.name)
    assert (hit["limit_bytes"], hit["threshold_bytes"]) == (LIMIT, LIMIT)
    procs = cgroup_values(init).directory("memory") / "cgroup.procs"
    assert str(init) in procs.read_text().split()


def test_a_killed_init_is_told_although_its_cgroup_is_gone(
    runtime: Runtime, memory: Bundle, container: str, state: str
) -> None:
    """Init takes too much and is killed, and the container is deleted at once."""
    _configure(memory, WAIT + "exec tail /dev/zero", {"limit": LIMIT})
    with _watching(runtime, container, state) as watching:
        init = _run(runtime, memory, container)
        _go(watching, memory)
        watching.until(lambda _: runtime.state(container)["status"] == "stopped", PATIENCE)
        runtime.must("delete", "--force", container)
        alert = watching.alert("oom_kill", PATIENCE)
        assert watching.until(lambda seen: seen.gone_ones, PATIENCE) == [container]
    (victim,) = alert["evidence"]["victims"]
    assert (victim["name"], victim["pid"], victim["init"]) == ("tail", init, True)


def _go(watching: Watching, bundle: Bundle) -> None:
    """The watcher knows the container, so what waits in it goes on (WAIT)."""
    assert watching.event("started", PATIENCE)
    (bundle.path / "rootfs" / "go").touch()


def _exits(watching: Watching, container: str) -> list[dict[str, Any]]:
    events = [one.shape() for one in watching.seen.events if one.kind == "exit" and one.id == container]
    return [{"source": one["source"], **one["evidence"]} for one in events]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it costs: other processes of this machine end as well."""
    monkeypatch.setattr(exits, "SHARE", 1.0)


@pytest.mark.usefixtures("listening")
def test_exits_of_init_and_of_workers(runtime: Runtime, memory: Bundle, container: str, state: str) -> None:
    """With the status or the signal of each, from the process connector; the container is gone soon after its init."""
    known = importlib.util.find_spec("pyroute2.netlink.connector")
    require("pyroute2's process connector", "" if known else "the installed pyroute2 has none")
    commands = WAIT + "(exit 3); sh -c 'kill -TERM $$'; sh -c 'exit 4' & wait; exit 9"
    _configure(memory, commands, {"limit": LIMIT})
    with _watching(runtime, container, state) as watching:
        init = _run(runtime, memory, container)
        _go(watching, memory)
        watching.until(lambda seen: seen.gone_ones, PATIENCE)
        found = _exits(watching, container)
    assert {one["source"] for one in found} == {"process connector"}
    assert [(one["pid"], one["status"]) for one in found if one["init"]] == [(init, 9)]
    workers = [one for one in found if not one["init"]]
    assert [one.get("status", one.get("signal")) for one in workers if one["parent"] == init][-3:] == [3, "SIGTERM", 4]


@pytest.mark.usefixtures("listening")
def test_the_status_by_taskstats(
    runtime: Runtime, memory: Bundle, container: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pyroute2 has no process connector (0.7.2): the kernel's record of init's exit."""
    monkeypatch.setattr(Exits.__init__, "__defaults__", ((Taskstats,),))
    _configure(memory, WAIT + "exit 9", {"limit": LIMIT})
    with _watching(runtime, container, state) as watching:
        init = _run(runtime, memory, container)
        _go(watching, memory)
        watching.until(lambda seen: seen.gone_ones, PATIENCE)
        (told,) = _exits(watching, container)
    assert (told["pid"], told["init"], told["status"]) == (init, True, 9)
    assert told["source"] == "taskstats (records of exits)"


def test_a_container_that_lives_for_a_moment(runtime: Runtime, memory: Bundle, container: str, state: str) -> None:
    """It is gone before its records are read: its start, its end and its kill are reported nevertheless."""
    _configure(memory, "tail /dev/zero & wait; true", {"limit": 8 * M})
    with _watching(runtime, container, state) as watching:
        watching.until(lambda _: watching.watcher.roster.read, PATIENCE)
        # Nobody looks at records: how long a container takes to come and go is for this machine's other work to say.
        watching.watcher.roster.earliest = time.monotonic() + 2 * PATIENCE
        runtime.must("run", "--bundle", str(memory.path), container)
        runtime.must("delete", "--force", container)
        alert = watching.alert("oom_kill", PATIENCE)
        assert watching.until(lambda seen: seen.gone_ones, PATIENCE) == [container]
        told = [(one.kind, one.source) for one in watching.seen.events]
    (victim,) = alert["evidence"]["victims"]
    assert (victim["name"], victim["init"], alert["evidence"]["count"]) == ("tail", None, 1)
    assert alert["message"].endswith("ran out of memory")
    hierarchy = "inotify on the hierarchy"
    assert told == [("started", hierarchy), ("oom_kill", "kernel log (/dev/kmsg)"), ("gone", hierarchy)]


@pytest.fixture
def v1(memory: Bundle) -> None:
    """Only where the memory controller is on a v1 hierarchy."""
    version = detect(View(), controllers=("memory",)).version("memory")
    require("memory on cgroup v1", "" if version == 1 else f"it is on version {version}")


def test_the_threshold_of_v1(runtime: Runtime, memory: Bundle, container: str, state: str, v1: None) -> None:
    """Nine tenths of the limit, told by the kernel: an eventfd in cgroup.event_control."""
    # Between the threshold, 60395520, and the limit, 67108864, with what else the container's processes are charged.
    _configure(memory, WAIT + "head -c 63500000 /dev/zero | tail -c 63500000 | sleep 300", {"limit": 64 * M})
    with _watching(runtime, container, state, interval=30.0) as watching:
        _run(runtime, memory, container)
        _go(watching, memory)
        alert = watching.alert("cgroup_v1_memory_threshold_exceeded", PATIENCE)
    assert alert["threshold_bytes"] == 60395520  # 0.9 of 64 MiB, down to whole pages
    assert alert["usage_bytes"] >= 60395520
    assert alert["evidence"]["source"].startswith("cgroup.event_control (memory.oom_control, thresholds)")


def test_a_stuck_container(runtime: Runtime, memory: Bundle, container: str, state: str, v1: None) -> None:
    """The OOM killer is disabled: the container stands still, under_oom is 1, and nothing is killed."""
    _configure(memory, WAIT + DOUBLING, {"limit": LIMIT, "disableOOMKiller": True})
    with _watching(runtime, container, state) as watching:
        _run(runtime, memory, container)
        _go(watching, memory)
        alert = watching.alert("oom_stuck", PATIENCE)
    evidence = alert["evidence"]
    assert (evidence["under_oom"], evidence["oom_kill_disable"], evidence["oom_kill"]) == (1, 1, 0)
    assert evidence["seconds"] >= 2
    assert alert["message"].endswith("the OOM killer is disabled")


@pytest.mark.long
def test_a_limit_that_somebody_changed(  # noqa: PLR0917 # fixtures
    runtime: Runtime,
    memory: Bundle,
    container: str,
    state: str,
    cgroup_values: type[CgroupValues],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`runc update` is not drift; a number that somebody else writes into the file is."""
    monkeypatch.setattr(drift, "AGE", 1.0)
    _configure(memory, "sleep 300", {"limit": 64 * M})
    with _watching(runtime, container, state) as watching:
        init = _run(runtime, memory, container)
        watching.until(lambda seen: seen.samples, PATIENCE)
        time.sleep(3)
        asked = 64 * M
        if runtime.name == "runc":  # crun keeps no record of its updates
            asked = 80 * M
            runtime.must("update", "--memory", str(asked), container)
            time.sleep(4)
        directory = cgroup_values(init).directory("memory")
        limit = next(name for name in ("memory.max", "memory.limit_in_bytes") if (directory / name).exists())
        (directory / limit).write_text(str(96 * M))
        alert = watching.alert("limit_drift", PATIENCE)
        drifts = [one.shape()["evidence"] for one in watching.seen.alerts if one.type == "limit_drift"]
    assert (alert["evidence"]["asked"], alert["evidence"]["kernel"]) == (asked, 96 * M)
    assert [(one["limit"], one["kernel"]) for one in drifts] == [("memory.limit", 96 * M)]


def test_a_restart_loses_nothing_and_tells_nothing_twice(
    runtime: Runtime, memory: Bundle, container: str, state: str, tmp_path: Path
) -> None:
    """A kill while no watcher runs is told by the next one, once; the file has it once."""
    _configure(memory, "sleep 300", {"limit": LIMIT})
    path = str(tmp_path / "alerts")
    options = Options(names=(container,), roots=(str(runtime.root),), state=state, interval=0.2)
    _run(runtime, memory, container)
    Watcher(options).run([file_alerts(path)], rounds=2)
    runtime("exec", container, "/bin/tail", "/dev/zero")
    for _ in range(3):
        Watcher(options).run([file_alerts(path)], rounds=3)
    with open(path) as file:
        alerts = [json.loads(line) for line in file]
    kills = [one for one in alerts if one["alert_type"] == "oom_kill"]
    assert [(one["evidence"]["count"], len(one["evidence"]["victims"])) for one in kills] == [(1, 1)]
    assert kills[0]["evidence"]["victims"][0]["name"] == "tail"
    serials = [one["serial"] for one in alerts]
    assert len(serials) == len(set(serials))


def test_a_forged_file_is_named_and_not_read(  # noqa: PLR0917 # fixtures
    runtime: Runtime, memory: Bundle, container: str, state: str, tmp_path: Path, cgroup_values: type[CgroupValues]
) -> None:
    """memory.stat of another file system in the place of the kernel's: no figure comes from it."""
    _configure(memory, "sleep 300", {"limit": LIMIT})
    init = _run(runtime, memory, container)
    forged = tmp_path / "forged"
    forged.write_text("total_rss 1\nanon 1\n")
    target = cgroup_values(init).directory("memory") / "memory.stat"
    subprocess.run(["mount", "--bind", str(forged), str(target)], check=True)
    try:
        watcher = Watcher(Options(names=(container,), roots=(str(runtime.root),), state=state))
        watcher.discover("test")
        (one,) = watcher.roster.followed.values()
        sample = watcher.sampler.sample(one, 0.0)
    finally:
        subprocess.run(["umount", str(target)], check=True)
        watcher.close()
    why = f"{target}: on another device than the cgroup file system, so it is not the kernel's"
    assert sample is not None
    assert sample.problems == {"memory.stat": why}
    assert (sample.memory.anonymous, sample.memory.absent["anonymous"]) == (None, why)
    assert sample.memory.usage


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[tuple[Taker, Any]]:
    """A process in a memory cgroup of its own, and what looks at that cgroup."""
    host = detect(View(), controllers=("memory",))
    place = host.place("memory")
    require("a memory controller", "" if place.version else place.evidence)
    directory = f"{place.mount}/cgshim-taker-{os.getpid()}"
    os.mkdir(directory)
    blocks = tmp_path / "blocks"
    blocks.write_bytes(os.urandom(16 * M))
    handle = os.open(blocks, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)

    def look() -> dict[str, Any]:
        texts = {}
        for name in FILES[f"v{place.version}"]:
            if os.path.exists(f"{directory}/{name}"):
                with open(f"{directory}/{name}") as file:
                    texts[name] = file.read()
        return measure(f"v{place.version}", texts, populated=True).shape()

    process = Taker([directory], str(blocks))
    yield process, look
    process.end()
    for _ in range(100):
        try:
            os.rmdir(directory)
            break
        except OSError:
            time.sleep(0.05)


@pytest.mark.parametrize("kind", AMOUNTS)
def test_each_figure_is_what_was_taken(taker: tuple[Taker, Any], kind: str) -> None:
    """A process takes a known amount of one kind: that figure grows by it, and no other but usage and working set."""
    process, look = taker
    before = look()
    process.take(kind, AMOUNTS[kind])
    time.sleep(2.5)  # the kernel flushes its statistics every two seconds (mm/memcontrol.c, FLUSH_TIME)
    after = look()
    if after["kernel"] is None or "kernel_stack" in after["sources"]["kernel"]:
        require("memory.stat with kernel", "" if kind != "kernel" else "this kernel tells parts of it only")
    grown = {name: after[name] - before[name] for name in ("usage", "working_set", "anonymous", "file", "shmem")}
    if after["kernel"] is not None:
        grown["kernel"] = after["kernel"] - before["kernel"]
    wanted = dict.fromkeys(grown, 0)
    wanted.update({kind: AMOUNTS[kind], "usage": AMOUNTS[kind]})
    wanted["working_set"] = 0 if kind == "file" else AMOUNTS[kind]
    off = {name: (grown[name], wanted[name]) for name in grown if abs(grown[name] - wanted[name]) > SLACK}
    assert off == {}
