"""From two looks at a container to what happened in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.observe.memory_numbers import Memory
from shim.watch.ears import LEVEL_SOURCE
from shim.watch.judge import Judge, threshold
from shim.watch.memory_of_alerts import Remembered
from tests.watch.made import ID, M, sample

if TYPE_CHECKING:
    from shim.watch.event import Event
    from shim.watch.sample import Sample


class Looks:
    """Looks at one container, one after the other."""

    def __init__(self) -> None:
        self.judge = Judge(Remembered(""))

    def at(self, one: Sample, source: str = "test") -> list[Event]:
        """What happened until this look."""
        return list(self.judge.events(one, source))

    def kinds(self, one: Sample) -> list[str]:
        """The same, kinds only."""
        return [event.kind for event in self.at(one)]


@pytest.mark.parametrize(
    ("counter", "kind"),
    [
        ("high", "high"),
        ("max", "max"),
        ("failcnt", "max"),
        ("memsw_failcnt", "max"),
        ("above_max", "max"),
        ("above_failcnt", "max"),
        ("above_oom", "oom"),
        ("oom", "oom"),
        ("oom_kill", "oom_kill"),
    ],
)
def test_a_counter_that_grew(counter: str, kind: str) -> None:
    """The first look is where counting begins; then each growth is an event with how much and how much in all."""
    looks = Looks()
    assert looks.at(sample(1, events={counter: 7})) == []
    (event,) = looks.at(sample(2, events={counter: 9}), "inotify memory.events")
    assert (event.kind, event.source, event.id) == (kind, "inotify memory.events", ID)
    where = {"cgroup_of_limit": "/docker/web"} if counter.startswith("above_") else {}
    assert event.evidence == {"cgroup": "/docker/web", "counter": counter, "count": 2, "total": 9, **where}
    assert looks.at(sample(3, events={counter: 9})) == []


def test_a_counter_that_fell_is_of_another_cgroup() -> None:
    """All that the new one counted is news."""
    looks = Looks()
    looks.at(sample(1, events={"max": 9}))
    (event,) = looks.at(sample(2, events={"max": 4}))
    assert (event.evidence["count"], event.evidence["total"]) == (4, 4)


def test_counters_that_no_kernel_event_stands_for_are_left_alone() -> None:
    """`low` and `oom_kill_disable` are no events."""
    looks = Looks()
    looks.at(sample(1, events={"low": 1, "oom_kill_disable": 0}))
    assert looks.at(sample(2, events={"low": 5, "oom_kill_disable": 1})) == []


@pytest.mark.parametrize(
    ("version", "high", "limit", "expected"),
    [
        ("v1", None, 64 * M, 60395520),  # 0.9 of it, down to whole pages
        ("v1", 16 * M, 64 * M, 16 * M),
        ("v1", None, None, None),
        ("v2", 16 * M, 64 * M, None),
    ],
)
def test_the_threshold(version: str, high: int | None, limit: int | None, expected: int | None) -> None:
    """v1: the soft limit, else nine tenths of the limit; cgroup2 has memory.high."""
    assert threshold(sample(version=version, high=high, limit=limit)) == expected


def test_a_threshold_is_crossed_once() -> None:
    """Again only after the usage went well below it; the hysteresis survives a restart in the remembered entry."""
    looks = Looks()
    values = [10, 57, 58, 63, 56, 58, 50, 58]  # MiB; the threshold is 57.6, and 54.7 is well below
    seen = [looks.kinds(sample(n, usage=v * M, version="v1")) for n, v in enumerate(values)]
    assert seen == [[], [], ["threshold"], [], [], [], [], ["threshold"]]


def test_page_cache_alone_crosses_no_threshold() -> None:
    """The usage is at the limit as with any file that is read, but the working set is small."""
    looks = Looks()
    memory = Memory(usage=64 * M, working_set=12 * M)
    assert looks.at(sample(1, version="v1", memory=memory)) == []


def _v1(time: float, under: int, kills: int = 0) -> Sample:
    return sample(time, version="v1", events={"under_oom": under, "oom_kill": kills, "oom_kill_disable": 1})


def test_stuck_on_v1() -> None:
    """under_oom for two seconds and no kill: told once, with what the kernel says of the killer."""
    looks = Looks()
    assert looks.at(_v1(10, 0)) == []
    assert looks.at(_v1(11, 1)) == []
    assert looks.judge.again(ID) == 1.0
    assert looks.at(_v1(12, 1)) == []
    (event,) = looks.at(_v1(13, 1))
    assert event.kind == "oom_stuck"
    assert (event.evidence["under_oom"], event.evidence["oom_kill_disable"], event.evidence["seconds"]) == (1, 1, 2)
    assert looks.at(_v1(14, 1)) == []
    assert looks.at(_v1(15, 0)) == []
    assert looks.judge.again(ID) is None
    assert [looks.kinds(_v1(n, 1)) for n in (20, 21, 22)] == [[], [], ["oom_stuck"]]


def test_a_kill_is_not_stuck() -> None:
    """Out of memory, and the kernel makes room: that is a kill and nothing else."""
    looks = Looks()
    assert looks.kinds(_v1(11, 1)) == []
    assert looks.kinds(_v1(13, 1, kills=1)) == ["oom_kill"]
    assert looks.kinds(_v1(14, 1, kills=2)) == ["oom_kill"]
    assert looks.kinds(_v1(16, 1, kills=2)) == []  # counts from here


def test_stuck_on_cgroup2() -> None:
    """`oom` grows look after look, `oom_kill` does not: nothing could be killed."""
    looks = Looks()
    seen = [looks.kinds(sample(n, events={"oom": n, "oom_kill": 0})) for n in range(1, 6)]
    assert seen == [[], ["oom"], ["oom"], ["oom", "oom_stuck"], ["oom"]]


def test_oom_on_cgroup2_that_ends_by_itself() -> None:
    """One allocation that failed, as the kernel counts it too, is not stuck."""
    looks = Looks()
    assert looks.kinds(sample(1, events={"oom": 0, "oom_kill": 0})) == []
    assert looks.kinds(sample(2, events={"oom": 1, "oom_kill": 0})) == ["oom"]
    assert [looks.kinds(sample(n, events={"oom": 1, "oom_kill": 0})) for n in (3, 4, 5, 6)] == [[], [], [], []]
    assert looks.judge.again(ID) is None


@pytest.mark.parametrize(("stalled", "expected"), [(140_000, []), (160_000, ["pressure"])])
def test_pressure_is_a_share_of_the_time(stalled: int, expected: list[str]) -> None:
    """15 % of the second between two looks."""
    looks = Looks()
    assert looks.at(sample(1, some=500)) == []
    assert looks.kinds(sample(2, some=500 + stalled)) == expected


def test_two_looks_in_a_moment_are_no_measure() -> None:
    """A tenth of a second is too short; the time runs on from the first look."""
    looks = Looks()
    looks.at(sample(1.0, some=0))
    assert looks.at(sample(1.1, some=90_000)) == []
    (event,) = looks.at(sample(2.0, some=400_000))
    assert (event.evidence["share"], event.evidence["stalled_usec"]) == (0.4, 400_000)


def test_the_word_of_v1_without_psi() -> None:
    """memory.pressure_level told it: no number, but the level."""
    (event,) = Looks().at(sample(1, version="v1"), LEVEL_SOURCE)
    assert (event.kind, event.evidence["level"]) == ("pressure", "critical")
