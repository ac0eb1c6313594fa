"""When the watcher looks for containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.containers.inventory import Inventory
from shim.containers.tree import HostTree
from shim.watch import roster
from shim.watch.roster import BURST, REGULARLY, SETTLED, SHARE, TWICE, Roster

if TYPE_CHECKING:
    from shim.watch.place import CgroupFinder

COST = 0.5  # seconds of CPU time for one look


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Each look costs the same, and finds nobody."""
    spent = [0.0]

    def look(*_: object) -> Inventory:
        spent[0] += COST
        return Inventory(containers=(), cgroups={})

    monkeypatch.setattr(roster, "inventory", look)
    monkeypatch.setattr("time.process_time", lambda: spent[0])
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    return spent


def _roster() -> Roster:
    places: CgroupFinder = None  # type: ignore[assignment] # nobody to be placed
    return Roster(HostTree("/nowhere"), places, (), ())


@pytest.mark.usefixtures("clock")
def test_two_looks_after_a_change() -> None:
    """When the runtime has written its state, and when the engine has; then no sooner than usual."""
    found = _roster()
    found.refresh(1000.0)
    assert found.due == 1000.0 + REGULARLY
    found.changed(1010.0)
    assert found.due == 1010.0 + SETTLED
    found.refresh(1010.3)
    assert found.due == 1010.3 + TWICE
    found.refresh(1012.3)
    assert found.due == 1012.3 + REGULARLY


def test_a_host_where_containers_come_and_go_all_the_time(clock: list[float]) -> None:
    """The first changes are seen at once; for an hour of them the looks take their share and the burst, no more."""
    found, now, delays = _roster(), 1000.0, []
    found.refresh(now)
    while now < 1000.0 + 3600:
        found.changed(now)
        delays.append(found.due - now)
        now = found.due
        found.refresh(now)
    assert delays[:4] == pytest.approx([SETTLED] * 4)
    assert max(delays) == pytest.approx(COST / SHARE, rel=0.1)
    assert clock[0] <= BURST + 3600 * SHARE + 2 * COST
