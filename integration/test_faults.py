"""Errors and signals at the system calls of cgshim: the share of them that fits into CI, and that the judge can see.

Everything else: `python -m integration.faults --all`; docs/reliability.md has its figures.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import program_problem, require, root_problem
from integration.faults.campaign import known, run
from integration.faults.injecting import Fault, Outcome, faults, inject, recorded
from integration.faults.judging import KINDS, judge
from integration.faults.scenarios import SCENARIOS, Workspace, made_ready, problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEAST = 2000
NONE = Fault("openat", 1, "error=EIO", True, "")
NAME = "create with edits"


@pytest.fixture(scope="module", autouse=True)
def injection_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    """strace may trace here, there is a compiler, and v1 hierarchies for the stand-in's containers."""
    require("root", root_problem())
    require("strace", program_problem("strace"))
    require("gcc", program_problem("gcc"))
    require("cgroup v1", problem(SCENARIOS[NAME]))
    fault = Fault("getcwd", 1, "error=ENOENT", False, "")
    outcome = inject(fault, ["/bin/sh", "-c", "/bin/pwd -P"], {}, tmp_path_factory.mktemp("probe"))
    require("strace's injection", "" if outcome.injected or "getcwd" not in outcome.err else outcome.err)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, injection_works: None) -> Path:
    """The program and the stand-in runtime."""
    return made_ready(tmp_path_factory.mktemp("ready"))


@pytest.fixture
def work(tmp_path: Path, ready: Path) -> Iterator[Workspace]:
    """A place in which a call was made that succeeded."""
    with Workspace(tmp_path / "worker", SCENARIOS[NAME], ready) as made:
        made.prepare()
        assert made.undisturbed() == 0
        made.new = (made.bundle / "config.json").read_bytes()
        yield made


def _kinds(work: Workspace, status: int | None, err: str = "", fault: Fault = NONE) -> set[str]:
    return {kind for kind, _ in judge(work, fault, Outcome(status, err, injected=True))}


@pytest.mark.long
def test_nothing_unknown_happens(tmp_path: Path) -> None:
    """Two thousand faults and more: config.json whole, no limit missing, nothing left, no hang, no traceback."""
    result = run(tmp_path, SCENARIOS)
    assert [str(violation) for violation in result.unknown] == []
    possible = sum(scenario.share for scenario in SCENARIOS.values() if not problem(scenario))
    total = sum(scenario.share for scenario in SCENARIOS.values())
    assert result.injected >= LEAST * possible // total


def test_a_call_that_went_well_is_judged_well(work: Workspace) -> None:
    """The container is there, its limits are, and the new configuration is."""
    assert _kinds(work, 0) == set()


def test_the_judge_sees_a_broken_configuration(work: Workspace) -> None:
    """Half of it, another one with other limits, or another mode."""
    path = work.bundle / "config.json"
    for content in (work.new[: len(work.new) // 2], work.new.replace(b"31", b"32"), b""):
        path.write_bytes(content)
        assert _kinds(work, 0) == {"config-broken"}
    path.write_bytes(work.new)
    path.chmod(0o600)
    assert _kinds(work, 0) == {"config-broken"}


def test_another_report_is_no_broken_configuration(work: Workspace) -> None:
    """A host of which less could be seen: the annotation says so, and the limits are the same."""
    path = work.bundle / "config.json"
    path.write_bytes(work.new.replace(b"hybrid", b"legacy").replace(b"/usr", b"/opt"))
    assert _kinds(work, 0) == set()


def test_the_judge_sees_a_missing_limit(work: Workspace) -> None:
    """Success with another value in the kernel."""
    (work_file := _pids(work)).write_text("max")
    assert work_file.read_text() == "max\n"
    assert _kinds(work, 0) == {"limit-lost"}


def _pids(work: Workspace) -> Path:
    from integration.faults.scenarios import CGROUPS

    return CGROUPS / "pids" / work.id / "pids.max"


def test_the_judge_sees_a_container_too_many_or_too_few(work: Workspace) -> None:
    """A failed call with a container, unless a signal ended it; a successful one without."""
    assert _kinds(work, 1, "cgshim: x [y]") == {"container-left"}
    assert _kinds(work, -9, fault=NONE._replace(what="signal=SIGKILL")) == set()
    work.delete()
    assert _kinds(work, 0) == {"no-container"}


def test_the_judge_sees_what_is_left(work: Workspace) -> None:
    """A half-written file that no later call of the same kind removes, and a new file among the program's."""
    (work.bundle / ".something-else").write_text("")
    assert _kinds(work, 0) == {"left-behind"}
    assert work.left() == []
    (work.code / "shim" / "new.pyc").write_text("")
    assert _kinds(work, 1, "cgshim: x [y]") == {"code-changed"}


@pytest.mark.parametrize(
    ("status", "err", "kind"),
    [
        (None, "", "hang"),
        (1, "", "silent"),
        (-11, "", "crash"),
        (1, "cgshim: a fault of cgshim itself: OSError [own-fault]", "own-fault"),
        (1, "Traceback (most recent call last):", "traceback"),
    ],
)
def test_the_judge_sees_how_a_call_ends(work: Workspace, status: int | None, err: str, kind: str) -> None:
    """No end, no words, the wrong words."""
    work.delete()
    assert _kinds(work, status, err) == {kind}


def test_every_call_gets_its_faults(work: Workspace) -> None:
    """The recording has the shell's, the interpreter's and our own calls; each is interrupted, and most can fail."""
    work.delete()
    work.prepare()
    calls = recorded(work.line(), work.environment, work.place / "trace")
    found = faults(calls, str(work.code))
    places = {(fault.call, fault.number) for fault in found}
    assert len(places) >= len(calls) - 1  # exit_group cannot fail and ends no sooner for a signal
    assert {fault.what for fault in found if fault.is_signal} == {"signal=SIGTERM", "signal=SIGKILL", "signal=SIGINT"}
    first = next(fault for fault in found if fault.ours)
    assert str(work.code) in first.seen
    assert any(fault.call.startswith("rename") and fault.ours for fault in found)
    assert os.path.basename(work.program) == "runc"


def test_known_violations_are_of_a_kind() -> None:
    """A row of the list that names no kind would hide nothing and tell nothing."""
    assert {row.kind for row in known()} <= set(KINDS)
