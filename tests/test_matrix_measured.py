"""What the matrix takes for right of a process that took more than its limit (integration/matrix/measured.py)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.matrix.measured import expected, problems

M = 1 << 20
ACCOUNTED, UNACCOUNTED = ["memory.swap.max"], ["memory.max"]


@pytest.mark.parametrize(
    ("asked", "accounted", "swaps", "right"),
    [
        ("none", True, True, "killed"),
        ("none", False, True, "killed"),
        ("none", True, False, "killed"),
        ("some", True, True, "held"),
        ("some", False, True, "refused"),
        ("some", False, False, "killed"),
        ("unlimited", True, True, "held"),
        ("unlimited", False, True, "held"),
        ("unset", True, True, "held"),
        ("unset", True, False, "killed"),
    ],
)
def test_expected(asked: str, accounted: bool, swaps: bool, right: str) -> None:
    """By what was asked, whether the kernel accounts for swap, and whether there is any."""
    assert expected(asked, accounted, swaps) == right


def _problems(record: dict[str, Any], files: list[str], *, swaps: bool = True) -> list[str]:
    about = {"kind": "measured", "set": "swap-use", "runtime": "runc", "through": "cgshim", **record}
    return problems([{"kind": "truth", "files": files, "swaps": swaps}, about])


def test_swap_faults() -> None:
    """A process that lives where it must die, swaps where it must not, or does not where it should."""
    none = {"asked": "none", "outcome": "killed", "swap": 0}
    assert _problems(none, ACCOUNTED) == []
    assert _problems({**none, "swap": 4096}, ACCOUNTED) == ["swap-use none, runc cgshim: 4096 bytes went to swap"]
    assert _problems({**none, "outcome": "held"}, ACCOUNTED) == ["swap-use none, runc cgshim: held, not killed"]
    some = {"asked": "some", "outcome": "held", "swap": 33 * M, "host_swap": 33 * M}
    assert _problems(some, ACCOUNTED) == []
    assert _problems({**some, "swap": M, "host_swap": M}, ACCOUNTED) == [
        f"swap-use some, runc cgshim: only {M} bytes went to swap"
    ]
    assert _problems(some, UNACCOUNTED) == ["swap-use some, runc cgshim: held, not refused"]
    refused = {"asked": "some", "outcome": "refused", "text": "cgshim: x [swap-unaccounted]"}
    assert _problems(refused, UNACCOUNTED) == []
    assert len(_problems({**refused, "text": "cgshim: x [other]"}, UNACCOUNTED)) == 1


def test_bridge_faults() -> None:
    """The life of a bridged container: limits, statuses, the exec'd process's cgroup, and what is left."""
    life = {
        "set": "bridge-use",
        "asked": "life",
        "outcome": "created",
        "created": str(64 * M),
        "updated": str(96 * M),
        "statuses": [0, 0, 0, 0],
        "left": [],
        "place": "/sys/fs/cgroup/unified/c9",
        "exec": "/c9",
    }
    assert _problems(life, ACCOUNTED) == []
    for key, value in (("created", "max"), ("updated", "max"), ("left", ["/x"]), ("exec", "/"), ("exec", "")):
        assert len(_problems({**life, key: value}, ACCOUNTED)) == 1, key
    bare = {"set": "bridge-use", "asked": "life", "through": "bare", "outcome": "error"}
    assert _problems({**bare, "text": "cannot set memory limit: container could not join"}, ACCOUNTED) == []
    assert len(_problems({**bare, "outcome": "created", "text": ""}, ACCOUNTED)) == 1
    killed = {"set": "bridge-use", "asked": "too much", "outcome": "killed", "limit": str(48 * M), "swap_limit": "0"}
    assert _problems(killed, ACCOUNTED) == []
    assert len(_problems({**killed, "outcome": "not killed"}, ACCOUNTED)) == 1


def test_a_guest_that_said_nothing() -> None:
    """Without the guest's own facts nothing can be judged here; that it did not finish is another problem."""
    assert problems([{"kind": "guest"}]) == []
