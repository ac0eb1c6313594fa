"""The watcher from end to end over a file tree that stands for a host with cgroup2: everything is polled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shim.audit.subject import HostFacts
from shim.host.view import View
from shim.watch import drift
from shim.watch.alert import Alert
from shim.watch.event import Event
from shim.watch.sample import Sample
from shim.watch.watcher import Options, Watcher
from tests.watch.made import M, Seen
from tests.watch.test_sampler import V2

if TYPE_CHECKING:
    from pathlib import Path

    from shim.host.view import Identity


class Plain(View):
    """Ordinary files stand for the kernel's."""

    def kernel_read(self, path: str) -> tuple[str, Identity] | None:
        """Their content, and the directory's identity."""
        text, parent = self.text(path), self.identity(path.rpartition("/")[0])
        return (text, parent) if text and parent else None


class Host:
    """Containers of runc below /sys/fs/cgroup/w, each with its init."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.write("/proc/self/cgroup", "0::/\n")
        self.write("/proc/self/mountinfo", "36 25 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        self.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
        self.write("/sys/fs/cgroup/cgroup.stat", "nr_descendants 1\n")
        self.write("/sys/fs/cgroup/w/memory.max", "max\n")

    def write(self, path: str, text: str) -> None:
        """A file."""
        place = self.root / path.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def start(self, name: str, pid: int, limit: int = 64 * M, updated: int = 64 * M) -> None:
        """A container with its cgroup, its process, runc's record and its bundle."""
        group = f"/sys/fs/cgroup/w/{name}"
        for file, text in V2.items():
            self.write(f"{group}/{file}", text)
        self.write(f"{group}/memory.max", f"{limit}\n")
        self.write(f"/proc/{pid}/cgroup", f"0::/w/{name}\n")
        self.write(f"/proc/{pid}/cmdline", "sleep\0")
        self.write(f"/proc/{pid}/stat", f"{pid} (sleep) S 1 " + " ".join(["0"] * 17) + f" {pid * 10} 0")
        bundle, memory = f"/b/{name}", {"limit": 64 * M}
        self.write(f"{bundle}/config.json", json.dumps({"linux": {"resources": {"memory": memory}}}))
        state = {
            "init_process_pid": pid,
            "init_process_start": pid * 10,
            "cgroup_paths": {"": group},
            "config": {"labels": [f"bundle={bundle}"], "cgroups": {"memory": updated}},
        }
        self.write(f"/run/runc/{name}/state.json", json.dumps(state))

    def counters(self, name: str, **counters: int) -> None:
        """memory.events and memory.events.local."""
        text = "".join(f"{key} {value}\n" for key, value in counters.items())
        for file in ("memory.events", "memory.events.local"):
            self.write(f"/sys/fs/cgroup/w/{name}/{file}", text)

    def end(self, name: str, pid: int) -> None:
        """All that was there is gone."""
        for path in (f"sys/fs/cgroup/w/{name}", f"proc/{pid}", f"run/runc/{name}"):
            for file in (self.root / path).iterdir():
                file.unlink()
            (self.root / path).rmdir()

    def watcher(self, **options: Any) -> tuple[Watcher, Seen]:
        """A watcher of it with a sink, which polls when it is told to."""
        root = str(self.root)
        found = Watcher(Options(root=root, listen=False, **options), view=Plain(root), clock=lambda: self.now)
        sink = Seen()
        found.desk.open([sink])
        return found, sink

    def round(self, watcher: Watcher, sink: Seen) -> list[str]:
        """One round, 5 seconds later: the result, kinds and types in order."""
        self.now += 5
        watcher.roster.due = 0.0
        del sink.got[:]
        watcher.round()
        return [_word(one) for one in sink.got]


def _word(one: Sample | Event | Alert) -> str:
    if isinstance(one, Sample):
        return f"sample {one.name}"
    return f"event {one.kind} {one.name}" if isinstance(one, Event) else f"alert {one.type} {one.name}"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with the container `web`."""
    found = Host(tmp_path / "host")
    found.start("web", 77)
    return found


def test_a_container_from_its_start_to_its_end(host: Host) -> None:
    """What was there when the first watcher came is no news; what starts later is followed from its start."""
    watcher, sink = host.watcher()
    assert host.round(watcher, sink) == ["event started web", "sample web"]
    host.start("db", 78)
    host.counters("db", high=0, max=3, oom=0, oom_kill=0)
    assert host.round(watcher, sink) == [
        "event started db",
        "sample db",
        "event max db",
        "alert memory_max_hit db",
        "sample web",
    ]
    host.counters("web", high=1, max=2, oom=1, oom_kill=5)
    kill = [one for one in _got(host, watcher, sink) if isinstance(one, Alert)]
    assert [(one.type, one.name, one.evidence["count"]) for one in kill] == [("oom_kill", "web", 2)]
    host.end("db", 78)
    assert host.round(watcher, sink) == ["event gone db", "sample web"]
    watcher.close()


def _got(host: Host, watcher: Watcher, sink: Seen) -> list[Any]:
    host.round(watcher, sink)
    return sink.got


def test_only_those_that_are_named(host: Host) -> None:
    """The other one is not read."""
    host.start("db", 78)
    watcher, sink = host.watcher(names=("db",))
    assert host.round(watcher, sink) == ["event started db", "sample db"]
    watcher.close()


def test_a_restart_over_the_state_file(host: Host, state_directory: Path) -> None:
    """Counters that grew, and a container that started, while nobody watched: told by the next watcher, once."""
    place = str(state_directory / "watch")
    first, sink = host.watcher(state=place)
    host.round(first, sink)
    first.close()
    host.counters("web", high=2, max=2, oom=1, oom_kill=3)
    host.start("db", 78)
    host.counters("db", high=0, max=0, oom=0, oom_kill=1)
    second, sink = host.watcher(state=place)
    assert [one for one in host.round(second, sink) if not one.startswith("sample")] == [
        "event started db",
        "event oom_kill db",
        "alert oom_kill db",
        "event high web",
        "alert cgroup_v2_memory_high_exceeded web",
    ]
    second.close()
    third, sink = host.watcher(state=place)
    assert host.round(third, sink) == ["sample db", "sample web"]
    third.close()


def test_a_limit_that_drifted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen once it may be that the records are older; with records read afterwards it is drift, and told once."""
    monkeypatch.setattr(drift, "AGE", 0.0)
    monkeypatch.setattr(
        drift, "facts_of", lambda *_: HostFacts()
    )  # of this tree's root nobody would know what is above
    watcher, sink = host.watcher()
    host.round(watcher, sink)
    host.write("/sys/fs/cgroup/w/web/memory.max", f"{128 * M}\n")
    rounds = [[one for one in host.round(watcher, sink) if "drift" in one] for _ in range(4)]
    assert rounds[0] == []
    assert [one for found in rounds for one in found] == ["event drift web", "alert limit_drift web"]
    host.write("/sys/fs/cgroup/w/web/memory.max", f"{64 * M}\n")
    assert all("drift" not in one for _ in range(2) for one in host.round(watcher, sink))
    watcher.close()


def test_an_update_is_no_drift(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has another limit, and so has runc's own record, as after `runc update`; config.json is old."""
    monkeypatch.setattr(drift, "AGE", 0.0)
    monkeypatch.setattr(
        drift, "facts_of", lambda *_: HostFacts()
    )  # of this tree's root nobody would know what is above
    watcher, sink = host.watcher()
    host.round(watcher, sink)
    host.start("web", 77, 128 * M, updated=128 * M)
    assert all("drift" not in one for _ in range(4) for one in host.round(watcher, sink))
    watcher.close()


def test_a_host_without_a_memory_controller(host: Host) -> None:
    """Nothing can be sampled, and why is known."""
    host.write("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n")
    watcher, sink = host.watcher()
    assert host.round(watcher, sink) == []
    (why,) = watcher.roster.unfollowed.values()
    assert why.startswith("this host has no memory controller: ")
    watcher.close()


def test_a_process_that_shares_its_cgroup(host: Host) -> None:
    """A container without a cgroup of its own has no figures of its own."""
    host.write("/proc/77/cgroup", "0::/somewhere/else\n")
    watcher, sink = host.watcher()
    assert host.round(watcher, sink) == []
    assert list(watcher.roster.unfollowed.values()) == [
        "its processes are in /somewhere/else, which it shares with others"
    ]
    watcher.close()


def test_run_ends_and_closes(host: Host) -> None:
    """After so many rounds, or when it is stopped; the sinks are closed either way."""
    closed: list[str] = []

    class Closing(Seen):
        def close(self) -> None:
            closed.append("closed")

    root = str(host.root)
    Watcher(Options(root=root, listen=False, interval=0.01), view=Plain(root)).run([Closing()], rounds=3)
    stopped = Watcher(Options(root=root, listen=False), view=Plain(root))
    stopped.stop()
    stopped.run([Closing()])
    assert closed == ["closed", "closed"]
