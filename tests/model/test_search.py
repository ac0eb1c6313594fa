"""The command that searches: its calls, its words and its status."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.model import search
from tests.model.judged import Call

if TYPE_CHECKING:
    import pytest

AS_IT_IS = ["--calls", "30", "--seed", "5", "--jobs", "1"]


def test_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The seed comes first, then how far it is."""
    assert search.main(AS_IT_IS) == 0
    assert capsys.readouterr().out.splitlines() == [
        "seed 5",
        "30 starts, 0 updates, 0 faults",
        "30 starts, 30 updates, 0 faults",
    ]


def test_a_fault_is_shown_with_its_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is enough to make the call again."""

    def judged(call: Call) -> list[str]:
        return [] if call.changes is None else ["lost: memory"]

    monkeypatch.setattr(search, "faults", judged)
    assert search.main(["--calls", "1", "--seed", "5", "--jobs", "1"]) == 1
    call = search.drawn(random.Random("5 0 True"), update=True)
    _, _, fault, last = capsys.readouterr().out.splitlines()
    assert fault.startswith(f"{call.host.name} {call.family} ")
    assert fault.endswith(": lost: memory")
    assert last == "1 starts, 1 updates, 1 faults"


def test_numbers_are_of_any_length() -> None:
    """Among a thousand calls there are numbers that no table lists, and everything that a table lists."""
    chance = random.Random(1)
    calls = [search.drawn(chance, update=True) for _ in range(1000)]
    limits = {(call.changes or {}).get("memory", {}).get("limit") for call in calls}
    assert {-1, 0, 64 << 20, (1 << 63) - 1} < limits
    assert len(limits) > 12
    assert {call.family for call in calls} == {"runc", "crun"}
    assert len({call.host.name for call in calls}) == len(search.HOSTS)


def test_pieces_are_all_that_was_asked_for() -> None:
    """Starts and updates in turn, the last piece smaller."""
    assert list(search.pieces(7, 5001)) == [(7, 0, False, 5000), (7, 0, True, 5000), (7, 1, False, 1), (7, 1, True, 1)]
