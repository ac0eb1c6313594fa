"""Leaks that are suspected while it is watched: bounded memory, high confidence, seldom asked."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from shim.watch.judge import Judge
from shim.watch.leak import CONFIDENCE, VALUES, Windows, suspected
from shim.watch.memory_of_alerts import Remembered
from tests.watch.recordings import BEGIN, MIB, sample

if TYPE_CHECKING:
    from shim.watch.sample import Sample

MINUTE = 60.0
RATE = MIB // 8  # bytes of a minute


def _minutes(count: int, **figures: Any) -> list[Sample]:
    """A sample a minute; a figure may be a function of its number."""
    return [
        sample(0, time=BEGIN + MINUTE * number, **{
            name: figure(number) if callable(figure) else figure for name, figure in figures.items()
        })
        for number in range(count)
    ]  # fmt: skip


def _growing(number: int) -> int:
    return 20 * MIB + RATE * number


@pytest.mark.parametrize("kind", ["anonymous", "shmem", "kernel"])
def test_growth_is_suspected(kind: str) -> None:
    """An eighth of a MiB a minute, for an hour and a half: kind, rate and confidence are told."""
    found = suspected(_minutes(90, **{kind: _growing}))
    assert found is not None
    assert found["kind"] == kind
    assert found["rate"] == pytest.approx(RATE / MINUTE, rel=0.01)
    assert found["rate_low"] <= found["rate"] <= found["rate_high"]
    assert (found["confidence"], found["values"], found["seconds"]) == (CONFIDENCE, 90, 89 * 60)


@pytest.mark.parametrize(
    "figures",
    [
        {"file": _growing},
        {"swap": _growing},
        {"anonymous": lambda number: 20 * MIB + number % 13 * MIB},
        {"anonymous": lambda number: 20 * MIB + (50 * MIB if number > 40 else 0)},
        {"anonymous": None},
    ],
    ids=["page cache", "swap alone", "given back", "a step", "not known"],
)
def test_what_is_not_a_leak(figures: dict[str, Any]) -> None:
    """Nothing of it is suspected, in a row of samples or while it is watched."""
    samples = _minutes(200, **figures)
    assert suspected(samples) is None
    windows = Windows()
    assert [found for found in map(windows.add, samples) if found] == []


def test_no_samples() -> None:
    """Nothing is known of nothing."""
    assert suspected([]) is None


def test_it_is_suspected_while_it_is_watched() -> None:
    """As an event of the watcher, when it is a hundredth of the limit, which takes 41 minutes; not at each look."""
    judge = Judge(Remembered(""))
    found = [
        (number, event)
        for number, one in enumerate(_minutes(64, anonymous=_growing))
        for event in judge.events(one, "polling")
        if event.kind == "leak"
    ]
    assert found
    first, event = found[0]
    assert 41 <= first <= 50
    assert event.evidence["kind"] == "anonymous"
    assert len(found) <= 10


def test_a_leak_under_a_garbage_collector() -> None:
    """Every five seconds, teeth of 4 MiB and a minute: the lowest value of each minute rises."""
    source, windows, found = random.Random(1), Windows(), []
    for number in range(12 * 60):
        teeth = number % 12 * MIB // 3 + source.randrange(MIB // 4)
        found.append(windows.add(sample(number, anonymous=20 * MIB + number * RATE // 12 + teeth)))
    kinds = {one["kind"] for one in found if one}
    assert kinds == {"anonymous"}


def test_a_clock_that_is_set_back_begins_again() -> None:
    """What was kept does not count any more, and nothing fails."""
    windows = Windows()
    for one in _minutes(40, anonymous=_growing):
        windows.add(one)
    windows.add(sample(0, time=BEGIN - 86400))
    assert all(len(window.starts) == 1 for window in windows.kept[sample(0).id])


def test_memory_is_bounded() -> None:
    """A container takes less than 8 KiB, however long it lives; of one that is gone nothing stays."""
    windows = Windows()
    tracemalloc.start()
    try:
        for container in range(20):
            for number in range(3 * VALUES):
                windows.add(sample(0, container=f"{container:064}", time=BEGIN + MINUTE * number))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 20 < 8192
    for container in range(20):
        windows.forget(f"{container:064}")
    assert (windows.kept, windows.counts) == ({}, {})
