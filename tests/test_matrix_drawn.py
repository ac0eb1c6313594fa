"""Random resources objects in guests of the matrix: the same for the same seed, and judged as the promises say."""

from __future__ import annotations

from typing import Any

import pytest

from integration.matrix import drawn, matrix
from integration.matrix.guest import drawing
from tests.model import limits

GUEST = {"kind": "guest", "runtimes": {"runc": "1.1.15+ds1", "crun": "1.21"}}
TRUTH = {"kind": "truth", "swaps": True}
HALF = {"cpu": {"quota": 50000}}


def record(through: str, **fields: Any) -> dict[str, Any]:
    """A container that has what HALF asks for, on cgroup2, unless said otherwise."""
    usual = {"seed": 7, "index": 0, "operation": "create", "resources": HALF, "runtime": "runc", "report": []}
    shown = {"status": 0, "text": "", "log": "", "settings": {"cpu.max": "50000 100000", "pids.max": "max"}}
    return {"kind": "drawn", "through": through, **usual, **shown, **fields}


def judged(bare: dict[str, Any], through: dict[str, Any]) -> list[str]:
    """What the judge says of the two."""
    return drawn.problems([GUEST, TRUTH, record("bare", **bare), record("cgshim", **through)])


REFUSED: dict[str, Any] = {
    "status": 1,
    "text": "cgshim: cpu.quota cannot be enforced on this host [cpu-nowhere]",
    "settings": {},
}
LOST = {"settings": {"cpu.max": "max 100000"}}
NAME = "random 0 of seed 7, runc, create {'cpu': {'quota': 50000}}: "
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "alike": ({}, {}, []),
    "lost in both": (LOST, LOST, [f"{NAME}lost silently: cpu inf instead of 1/2"]),
    "lost in both, and told": (LOST, {**LOST, "report": [["cpu.quota", "unenforceable", "cpu-nowhere"]]}, []),
    "lost bare, refused": (LOST, REFUSED, []),
    "refused though it works": ({}, REFUSED, [f"{NAME}the bare runtime enforces it, refused here (cpu-nowhere)"]),
    "refused in both": ({"status": 1, "settings": {}}, REFUSED, []),
    "stricter than bare": (
        {},
        {"settings": {"cpu.max": "50000 100000", "pids.max": "5"}},
        [f"{NAME}other values than with the bare runtime: pids 5, not inf"],
    ),
    "refused though it landed": (
        LOST,
        {"status": 1, "text": "cgshim: cpu.max is not what the kernel shows [limit-not-applied]"},
        [f"{NAME}the kernel shows what was asked for, and it was refused as not applied"],
    ),
    "hangs": ({"status": 1, "settings": {}}, {"status": 124, "settings": {}}, [f"{NAME}the call hangs"]),
}


def test_crun_that_ignores_unified_is_no_measure() -> None:
    """On v1 crun runs and ignores `unified` beside `cpu`: what it has then is not what was asked for."""
    resources = {"cpu": {"idle": 1}, "unified": {"cpu.max": "max"}}
    shown = {"resources": resources, "settings": {"cpu.cfs_quota_us": "-1"}}
    refused = {**REFUSED, "resources": resources}
    assert judged(shown, refused) == []


@pytest.mark.parametrize(("unified", "faults"), [({}, 0), ({"unified": {"cpu.max": "100000 100000"}}, 1)])
def test_a_period_alone_is_refused_on_purpose(unified: dict[str, Any], faults: int) -> None:
    """crun would remove the quota along with it; beside cpu.max in `unified` it cannot."""
    resources = {"cpu": {"period": 20000}, **unified}
    text = "cgshim: cpu.period cannot be enforced [cpu-period-alone]"
    shown = {"cpu.max": "100000 100000" if unified else "max 20000"}
    refused = {"status": 1, "text": text, "settings": {}, "resources": resources}
    assert len(judged({"resources": resources, "settings": shown}, refused)) == faults


@pytest.mark.parametrize("name", CASES)
def test_each_outcome_is_judged(name: str) -> None:
    """Equal is right; a guard that is missing must be refused or reported; what works bare must work."""
    bare, through, expected = CASES[name]
    assert judged(bare, through) == expected


def test_an_incomplete_guest_is_not_judged() -> None:
    """Without what the guest says of itself nothing is known of its runtimes and its swap."""
    assert drawn.problems([record("bare"), record("cgshim", **LOST)]) == []


def test_a_seed_draws_the_same_objects() -> None:
    """A run can be repeated: one seed, one list; another seed, another list."""
    assert drawing.objects(7, 200) == drawing.objects(7, 200)
    assert drawing.objects(7, 200) != drawing.objects(8, 200)
    assert drawing.objects(7, 20) == drawing.objects(7, 200)[:20]


def test_every_run_draws_the_same_objects_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    """No run may fail by chance: without --seed it is a fixed one, and `random` draws another."""
    assert {matrix.options_of([], []).seed for _ in range(3)} == {20240}
    assert matrix.options_of(["--seed", "7"], []).seed == 7
    assert len({matrix.options_of(["--seed", "random"], []).seed for _ in range(20)}) > 1
    with pytest.raises(SystemExit):
        matrix.options_of(["--seed", "-x"], [])
    with pytest.raises(SystemExit):
        matrix.options_of(["--seed=0x10"], [])
    assert "'0x10' is neither a number from 0 to 2147483647 nor 'random'" in capsys.readouterr().err


def test_objects_are_about_every_guard() -> None:
    """200 objects ask for each kind of guard several times, and most of them mean something."""
    meant: list[limits.Limits] = []
    for one in drawing.objects(7, 200):
        try:
            meant.append(limits.asked(one))
        except limits.Meaningless:
            continue
    assert len(meant) > 120
    kinds = [name.partition(".")[0] for found in meant for name in found]
    for kind in ("memory", "swap", "cpu", "pids", "cpus", "mems", "hugetlb", "io"):
        assert kinds.count(kind) > 5, kind


@pytest.mark.parametrize(("words", "seed"), [("quiet matrix.seed=41 panic=1", 41), ("quiet", 0)])
def test_the_seed_comes_with_the_kernel_command_line(words: str, seed: int) -> None:
    """The guest draws with the host's seed."""
    assert drawing.seed_of(words) == seed
