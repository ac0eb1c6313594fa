"""The answer for a run: what a rise of each kind means, what happened, what kills hide, when the limit is reached."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shim.watch.execs import Execs
from shim.watch.leaks.assess import assess
from shim.watch.leaks.runs import runs, survey
from shim.watch.recording import COLUMNS, Recording
from tests.watch.recordings import BEGIN, MIB, header, introduced, written

if TYPE_CHECKING:
    from pathlib import Path

    from shim.watch.event import Event
    from shim.watch.leaks.assess import Assessment

COUNT = 240
CALM = {"anonymous": 20 * MIB, "file": 30 * MIB, "shmem": 0, "kernel": MIB, "swap": 0, "limit": 512 * MIB}


def _assessed(tmp_path: Path, *lines: dict[str, Any], **figures: Any) -> Assessment:
    """A run of COUNT samples, five seconds apart. figures: name -> function of the sample's number."""
    counters = [name for name in figures if "." in name]
    rows = []
    for number in range(COUNT):
        known = {**CALM, **{name: figure(number) for name, figure in figures.items()}}
        known["usage"] = known["anonymous"] + known["file"] + known["shmem"] + known["kernel"]
        rows.append({"s": [BEGIN + 5 * number, 0, *(known.get(name) for name in (*COLUMNS, *counters))]})
    path = written(tmp_path / "r", header(), introduced(counters=counters), *rows, *lines)
    with Recording(str(path)) as recording:
        (run,) = runs(recording.records(), survey(recording.extents()))
    return assess(run)


def _rising(number: int) -> int:
    return 20 * MIB + number * MIB // 4


@pytest.mark.parametrize("kind", ["anonymous", "shmem", "kernel"])
def test_what_can_leak(tmp_path: Path, kind: str) -> None:
    """Held memory: a leak, from the start; the limit is reached when the rest is used up, at 1/20 MiB a second."""
    found = _assessed(tmp_path, **{kind: _rising})
    assert (found.verdict, found.leaking, found.began) == ("leak", (kind,), None)
    assert found.reaches is not None
    held = sum(CALM[name] for name in ("anonymous", "shmem", "kernel") if name != kind) + _rising(COUNT)
    assert found.reaches.rate == pytest.approx(MIB / 20, rel=0.01)
    assert found.reaches.seconds == pytest.approx((512 * MIB - held) / (MIB / 20), rel=0.01)
    assert found.reaches.soonest <= found.reaches.seconds <= (found.reaches.latest or 0)
    assert ("dentries" in found.kinds[kind].why) == (kind == "kernel")


def test_page_cache_is_no_leak(tmp_path: Path) -> None:
    """However it grows."""
    found = _assessed(tmp_path, file=_rising)
    assert (found.verdict, found.leaking, found.reaches) == ("cache", (), None)


def test_swap_that_takes_from_memory_is_no_leak(tmp_path: Path) -> None:
    """Memory is moved; with memory that stays as it is, it is a leak."""
    moved = _assessed(tmp_path, swap=_rising, anonymous=lambda number: 100 * MIB - _rising(number))
    assert (moved.kinds["swap"].verdict, moved.leaking) == ("moved", ())
    assert _assessed(tmp_path, swap=_rising).leaking == ("swap",)


def test_a_leak_that_the_kernel_ends_again_and_again(tmp_path: Path) -> None:
    """Four times up and down: with kills a leak, without them memory that is given back."""
    teeth = {"anonymous": lambda number: 20 * MIB + number % 60 * 2 * MIB}
    killed = _assessed(tmp_path, **teeth, **{"events.oom_kill": lambda number: number // 60})
    assert killed.leaking == ("anonymous",)
    why = "it comes down only when the kernel kills for lack of memory, 3 times, and rises again: it rises, "
    assert killed.kinds["anonymous"].why.startswith(why)
    given = _assessed(tmp_path, **teeth)
    assert (given.verdict, given.leaking) == ("given back", ())


def test_the_fastest_leak_comes_first(tmp_path: Path) -> None:
    """Two kinds leak; the beginning is that of the fastest, with what happened then and no more."""
    late = {"e": {"time": BEGIN + 1000, "kind": "exec", "id": "5e" * 32, "source": "x", "evidence": {"command": "sh"}}}
    near = {"e": {**late["e"], "time": BEGIN + 605}}
    found = _assessed(tmp_path, near, late, shmem=_rising, anonymous=lambda number: (20 + max(0, number - 120)) * MIB)
    assert found.leaking == ("anonymous", "shmem")
    assert found.began == pytest.approx(BEGIN + 600, abs=15)
    assert [event.what for event in found.happened] == ["exec: command sh"]


def test_without_a_limit_it_is_never_reached(tmp_path: Path) -> None:
    """And nothing is guessed."""
    found = _assessed(tmp_path, anonymous=_rising, limit=lambda _: None)
    assert (found.leaking, found.reaches) == (("anonymous",), None)


def test_execs_are_told(tmp_path: Path) -> None:
    """A new process whose parent is outside; not the child of a process inside, not init, not what was there before."""
    cgroup, proc = tmp_path / "cgroup", tmp_path / "proc"
    cgroup.mkdir()
    parents = {10: 1, 11: 10, 12: 1, 13: 11}
    for pid, parent in parents.items():
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "stat").write_text(f"{pid} (a ) b) S {parent} 0")
    one: Any = SimpleNamespace(
        id="x",
        named={"id": "x", "engine": "runc", "name": "web", "pod": ""},
        container=SimpleNamespace(pid=10),
        place=SimpleNamespace(memory=SimpleNamespace(directory=str(cgroup))),
    )
    told: list[Event] = []
    execs = Execs(lambda: [one], told.append, str(proc))
    (cgroup / "cgroup.procs").write_text("10\n11\n")
    execs.tick(1.0)
    (cgroup / "cgroup.procs").write_text("10\n11\n12\n13\n14\n")
    (proc / "12" / "stat").write_text("12 (runc:[2:INIT]) S 1 0")
    execs.tick(2.0)
    (proc / "12" / "stat").write_text("12 (a ) b) S 1 0")
    assert told == []
    execs.tick(3.0)
    execs.close()
    assert [(event.time, event.kind, event.evidence) for event in told] == [
        (2.0, "exec", {"pid": 12, "command": "a ) b"})
    ]
