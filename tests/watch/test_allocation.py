"""Allocation rate and who is behind it: counters, histograms as kernels print them, and what a trace leaves behind."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shim.cli.watched import tracing
from shim.errors import ShimError
from shim.observe.allocation import CHARGED, FAULTED, allocated
from shim.state import files
from shim.watch import trace as module
from shim.watch.histogram import EVENTS, GONE, Thread, bound, parse, shares, since, together, trigger
from shim.watch.threads import Threads
from shim.watch.trace import Trace, place, started, sweep

PAGE, HUGE = 4096, 2 << 20
KMALLOC = """\
# event histogram
#
# trigger info: hist:keys=common_pid,bytes_alloc:vals=hitcount:sort=hitcount:size=16384 [active]
#

{ common_pid:        263, bytes_alloc:       1024 } hitcount:          1
{ common_pid:          1, bytes_alloc:         96 } hitcount:          4
{ common_pid:        263, bytes_alloc:      16384 } hitcount:         15

Totals:
    Hits: 20
    Entries: 3
    Dropped: 2
"""
PAGES = (
    "{ common_pid:        263, order:          0 } hitcount:       4826\n{ common_pid: 263, order: 9 } hitcount: 2\n"
)


def test_v1_counts_charges() -> None:
    """Measured on a v1 host: 16,384 pages of anonymous memory and 16,384 of a file are 16,386 and 16,420 charges."""
    found = allocated("v1", {"pgpgin": 7, "total_pgpgin": 16386}, PAGE, HUGE)
    assert (found.bytes, found.source) == (16386 * PAGE, CHARGED)


def test_cgroup2_counts_faults() -> None:
    """A fault is a page, or a huge page, of whatever size this machine has."""
    assert allocated("v2", {"pgfault": 1000}, PAGE, HUGE).bytes == 1000 * PAGE
    found = allocated("v2", {"pgfault": 1000, "thp_fault_alloc": 10}, PAGE, HUGE)
    assert (found.bytes, found.source) == (990 * PAGE + 10 * (2 << 20), FAULTED)


@pytest.mark.parametrize(("version", "key"), [("v1", "total_pgpgin"), ("v2", "pgfault")])
def test_a_kernel_without_the_counter(version: str, key: str) -> None:
    """Unknown, with the reason; never 0."""
    found = allocated(version, {}, PAGE, HUGE)
    assert (found.bytes, found.source) == (None, f"memory.stat has no {key}")


def test_histogram_of_a_kernel() -> None:
    """The text of Linux 6.1: threads, sizes, hits, and what had no room. An order is a power of two of pages."""
    found = parse("kmalloc", KMALLOC, PAGE)
    assert found.counts == {("objects", 263, 1024): 1, ("objects", 1, 96): 4, ("objects", 263, 16384): 15}
    assert found.dropped == 2
    pages = parse("mm_page_alloc", PAGES, PAGE)
    assert pages.counts == {("pages", 263, PAGE): 4826, ("pages", 263, 2 << 20): 2}
    assert parse("kmalloc", "nothing of the kind\n", PAGE).counts == {}


def test_triggers_are_the_kernels_own_words() -> None:
    """Documentation/trace/histogram.rst: keys of the event's fields, and the number of entries."""
    assert trigger("kmalloc") == "hist:keys=common_pid,bytes_alloc:size=16384"
    assert trigger("mm_page_alloc") == "hist:keys=common_pid,order:size=16384"


def test_shares_by_process() -> None:
    """263 is web's: 20 objects of which 16 KiB is not below 16 KiB; of two looks only what is new."""
    whole = together([parse("kmalloc", KMALLOC, PAGE), parse("mm_page_alloc", PAGES, PAGE)])
    web = Thread(name="web", pid=260, container="shop")
    first, other = shares(whole, {263: web})
    assert (first.name, first.pid, first.container) == ("web", 260, "shop")
    assert first.bytes == 4826 * PAGE + 2 * (2 << 20)
    assert first.classes[("objects", 1024)] == (1, 1024)
    assert first.small == pytest.approx((1 + 4826) / (1 + 15 + 4826 + 2))
    assert (other.name, other.pid, other.count, other.small) == ("(ended)", 0, 4, 1.0)
    before = parse("kmalloc", KMALLOC.replace(" 15\n", " 5\n").replace("Dropped: 2", "Dropped: 0"), PAGE)
    more = since(before, parse("kmalloc", KMALLOC, PAGE))
    assert (more.counts, more.dropped) == ({("objects", 263, 16384): 10}, 2)


@pytest.mark.parametrize(("size", "expected"), [(1, 8), (8, 8), (9, 16), (96, 128), (16383, 16384), (16384, 16384)])
def test_classes_are_powers_of_two(size: int, expected: int) -> None:
    """A size is in the class of the next power of two."""
    assert bound(size) == expected


class Tracefs:
    """A directory that behaves like tracefs: an instance that is made has the events, and is removed as a whole."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.instances = root / "sys/kernel/tracing/instances"
        self.instances.mkdir(parents=True)
        (root / "proc/self/ns").mkdir(parents=True)
        (root / "proc/self/ns/pid").write_text("")
        self.histograms = True
        self.root = root
        monkeypatch.setattr(module, "HOST_PIDS", os.stat(root / "proc/self/ns/pid").st_ino)
        self._mkdir, self._rmdir = os.mkdir, os.rmdir
        monkeypatch.setattr(os, "mkdir", self.mkdir)
        monkeypatch.setattr(os, "rmdir", self.rmdir)
        self.written: list[str] = []

    def mkdir(self, path: str, mode: int = 0o777, **more: Any) -> None:
        """tracefs fills it."""
        self._mkdir(path, mode, **more)
        if Path(path).parent == self.instances:
            for event in EVENTS:
                if event.endswith("_node"):
                    continue
                place_ = Path(path) / "events/kmem" / event
                os.makedirs(place_)
                (place_ / "trigger").write_text("")
                if self.histograms:
                    (place_ / "hist").write_text(PAGES if event == "mm_page_alloc" else KMALLOC)

    def rmdir(self, path: str, **more: Any) -> None:
        """tracefs takes it away with all that is in it."""
        if Path(path).parent != self.instances:
            self._rmdir(path, **more)
            return
        if not Path(path).exists():
            raise FileNotFoundError(errno.ENOENT, "none", path)
        self.written += [one.read_text() for one in sorted(Path(path).rglob("trigger"))]
        for one in sorted(Path(path).rglob("*"), reverse=True):
            one.unlink() if one.is_file() else self._rmdir(one)
        self._rmdir(path)


@pytest.fixture
def tracefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracefs:
    """A tracefs of its own."""
    return Tracefs(tmp_path, monkeypatch)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A state directory of its own."""
    return {"CGSHIM_STATE": str(tmp_path / "state")}


def test_trace_leaves_nothing(tracefs: Tracefs, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A note and an instance while it counts; afterwards neither, and the triggers were taken back first."""
    monkeypatch.setattr(module, "place", lambda _: str(tracefs.instances.parent))
    trace = Trace(environment)
    assert [one.name for one in tracefs.instances.iterdir()] == [f"cgshim-{os.getpid()}"]
    assert files.names(f"{environment['CGSHIM_STATE']}/traces") == [f"cgshim-{os.getpid()}.json"]
    assert trace.read().counts[("pages", 263, PAGE)] == 4826
    assert trace.events == ["kmalloc", "kmem_cache_alloc", "mm_page_alloc"]
    trace.close()
    assert list(tracefs.instances.iterdir()) == []
    assert files.names(f"{environment['CGSHIM_STATE']}/traces") == []
    assert all(text.startswith("!hist:keys=common_pid,") for text in tracefs.written)


def test_killed_watcher_is_cleaned_up_after(tracefs: Tracefs, environment: dict[str, str]) -> None:
    """Its process is gone, or its number is another's by now: removed. One that lives, and what is not ours: not."""
    notes = f"{environment['CGSHIM_STATE']}/traces"
    places = {name: str(tracefs.instances / name) for name in ("cgshim-1", "cgshim-2", "cgshim-3", "mine")}
    for path in places.values():
        os.mkdir(path)
    living = {"pid": os.getpid(), "started": started(os.getpid())}
    files.write(notes, "cgshim-1.json", {"pid": 1 << 30, "started": "5", "instance": places["cgshim-1"]})
    files.write(notes, "cgshim-2.json", {**living, "started": "5", "instance": places["cgshim-2"]})
    files.write(notes, "cgshim-3.json", {**living, "instance": places["cgshim-3"]})
    files.write(notes, "cgshim-4.json", {"pid": 1 << 30, "started": "5", "instance": places["mine"]})
    files.write(notes, "cgshim-5.json", {"pid": 1 << 30, "started": "5", "instance": "/etc/cgshim-5"})
    assert sorted(sweep(environment)) == [places["cgshim-1"], places["cgshim-2"]]
    assert sorted(one.name for one in tracefs.instances.iterdir()) == ["cgshim-3", "mine"]


def test_where_histograms_are_missing(
    tracefs: Tracefs, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option of the kernel is named, and nothing is left behind."""
    monkeypatch.setattr(module, "place", lambda _: str(tracefs.instances.parent))
    tracefs.histograms = False
    with pytest.raises(ShimError) as caught:
        Trace(environment)
    assert caught.value.code == "no-trace"
    assert caught.value.cause == "this kernel was built without CONFIG_HIST_TRIGGERS"
    assert list(tracefs.instances.iterdir()) == []
    assert files.names(f"{environment['CGSHIM_STATE']}/traces") == []


def test_where_tracefs_is_closed(tmp_path: Path, tracefs: Tracefs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not mounted, not ours to read, another PID namespace: three reasons, three remedies."""
    assert place(str(tmp_path)) == str(tracefs.instances.parent)
    monkeypatch.setattr(module, "HOST_PIDS", 1)
    with pytest.raises(ShimError, match="ns/pid is not the host's"):
        place(str(tmp_path))
    (tmp_path / "proc/self/ns/pid").unlink()

    def closed(path: str) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", closed)
        with pytest.raises(ShimError, match="Permission denied") as caught:
            place(str(tmp_path))
        assert caught.value.cause == "only root may trace"
        assert caught.value.remedy == ("run it as root of the host",)
    tracefs._rmdir(tracefs.instances)
    with pytest.raises(ShimError, match="no tracefs on") as caught:
        place(str(tmp_path))
    assert caught.value.remedy == ("mount -t tracefs tracefs /sys/kernel/tracing",)


def test_threads_are_their_process_and_container(tmp_path: Path) -> None:
    """A thread's process is in its status, its container in its cgroup; one that ended keeps what was known."""
    proc = tmp_path / "proc"
    for thread, tgid, cgroup in ((10, 10, "/docker/a"), (12, 10, "/docker/a/inner"), (20, 20, "/docker/ab")):
        (proc / str(thread)).mkdir(parents=True)
        (proc / str(thread) / "status").write_text(f"Name:\tx\nTgid:\t{tgid}\n")
        (proc / str(thread) / "cgroup").write_text(f"4:memory:{cgroup}\n0::/\n")
        (proc / str(thread) / "comm").write_text(f"process{tgid}\n")

    one = SimpleNamespace(container=SimpleNamespace(pid=10, title="shop"))
    threads = Threads(str(tmp_path))
    found = threads.look_up([10, 12, 20, 30], [one])  # type: ignore[list-item]
    assert found[12] == Thread(name="process10", pid=10, container="shop")
    assert found[20] == Thread(name="process20", pid=20, container="")
    assert found[30] == GONE
    (proc / "12/status").unlink()
    assert threads.look_up([12], [])[12] == Thread(name="process10", pid=10, container="shop")


def test_table_and_lines(tracefs: Tracefs, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink: a JSON line each round, or a table at the end."""
    monkeypatch.setattr(module, "place", lambda _: str(tracefs.instances.parent))
    monkeypatch.setenv("CGSHIM_STATE", environment["CGSHIM_STATE"])
    monkeypatch.setattr(tracing, "Threads", lambda: Threads(str(tracefs.root)))  # where no thread lives
    written: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            pass

    sink = tracing.Tracing(lambda: (), Stream(), lines=True)
    sink.tick(1000.0)
    sink.close()
    first = json.loads(written[0])
    assert (first["schema"], first["type"], first["time"]) == (1, "allocations", 1000.0)
    assert first["allocations"] == 2 * 20 + 4828
    assert first["below_16_kib"] == pytest.approx(1 - (2 * 15 + 2) / 4868, abs=1e-4)
    assert first["processes"][0]["classes"][-1] == {"of": "pages", "up_to": 2 << 20, "count": 2, "bytes": 4 << 20}
    written.clear()
    sink = tracing.Tracing(lambda: (), Stream(), lines=False)
    sink.close()
    lines = written[0].splitlines()
    assert lines[2].split() == ["PROCESS", "PID", "CONTAINER", "PAGES", "OBJECTS", "BELOW", "16", "KiB", "MOST", "OF"]
    assert lines[3].startswith("(ended)  -    -          ")  # its name, no process, no container
    assert "99.3%" in lines[3]
    assert lines[3].endswith("pages of 4 KiB, objects of 16 KiB, objects of 128 bytes")
    assert lines[4] == "4868 allocations, 99.3% of them below 16 KiB."
    assert lines[5] == "note: 4 allocations are missing: the kernel's histogram was full"
    assert list(tracefs.instances.iterdir()) == []
