"""Many faults, two at a time, each judged."""

from __future__ import annotations

import functools
import itertools
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from integration.bundle import find_busybox, make_bundle
from integration.faults.injecting import Fault, faults, inject, recorded
from integration.faults.judging import Violation, judge
from integration.faults.scenarios import SCENARIOS, Workspace, made_ready, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WORKERS = 2
KNOWN = Path(__file__).resolve().parent / "known.txt"
THRICE = 3  # a fault that is not reached is tried so often: memory is not asked for the same way twice


class Known(NamedTuple):
    """A violation that is known: its kind, and what its text has in it."""

    kind: str
    pattern: re.Pattern[str]


class Result(NamedTuple):
    """injected: faults that took place. figures: scenario -> (injected, seconds)."""

    injected: int
    violations: list[Violation]
    figures: dict[str, tuple[int, float]]
    known: tuple[Known, ...]

    def is_known(self, violation: Violation) -> bool:
        """Is this one among the known."""
        return any(row.kind == violation.kind and row.pattern.search(str(violation)) for row in self.known)

    @property
    def unknown(self) -> list[Violation]:
        """The violations that nobody knows of."""
        return [one for one in self.violations if not self.is_known(one)]


def known(path: Path = KNOWN) -> tuple[Known, ...]:
    """The rows of the file, in which `#` begins a remark."""
    lines = [line.partition("#")[0].split(None, 1) for line in path.read_text().splitlines()]
    return tuple(Known(kind=row[0], pattern=re.compile(row[1].strip())) for row in lines if row)


def run(
    place: Path, names: Iterable[str], *, everything: bool = False, told: bool = False, one: Fault | None = None
) -> Result:
    """Inject into these scenarios: every fault, or each scenario's share, or one. told: print what was violated."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell starts this in the background
    ready = made_ready(place)
    violations: list[Violation] = []
    figures: dict[str, tuple[int, float]] = {}
    for name in names:
        scenario, began = SCENARIOS[name], time.monotonic()
        if problem(scenario):
            print(f"left out: {name}: {problem(scenario)}", file=sys.stderr)
            continue
        rootfs = _rootfs(place) if scenario.runtime != "stand-in" else None
        make = functools.partial(Workspace, scenario=scenario, ready=ready, rootfs=rootfs)
        injected, found = _all_of(place, name, make, functools.partial(_wanted, everything=everything, one=one))
        violations += found
        figures[name] = (injected, time.monotonic() - began)
        print(f"{name}: {injected} injected, {figures[name][1]:.0f} s, {len(found)} violations", flush=True)
        if told:
            print("\n".join(map(str, found)), flush=True)
    return Result(sum(count for count, _ in figures.values()), violations, figures, known())


def _rootfs(place: Path) -> Path:
    bundle = place / "busybox"
    if not bundle.exists():
        make_bundle(bundle, find_busybox())
    return bundle / "rootfs"


def chosen(all_of_them: list[Fault], most: int) -> list[Fault]:
    """An even share: of our own code's calls four for each one of the shell's and of the interpreter's start."""
    ours = [fault for fault in all_of_them if fault.ours]
    others = [fault for fault in all_of_them if not fault.ours]
    return _even(others, most // 5) + _even(ours, most - most // 5)


def _even(faults_there: list[Fault], most: int) -> list[Fault]:
    if len(faults_there) <= most:
        return faults_there
    return [faults_there[number * len(faults_there) // most] for number in range(most)]


def _all_of(
    place: Path, name: str, make: Callable[[Path], Workspace], choose: Callable[[Workspace], list[Fault]]
) -> tuple[int, list[Violation]]:
    """The faults of one scenario, dealt out to the workers."""
    violations: list[Violation] = []
    counts: list[int] = []
    errors: list[BaseException] = []
    turn = itertools.count()

    def work(number: int) -> None:
        try:
            with make(place / f"worker{number}") as workspace:
                wanted = choose(workspace)
                while (at := next(turn)) < len(wanted):
                    injected, found = _one(workspace, wanted[at])
                    counts.append(injected)
                    violations.extend(Violation(kind, what, wanted[at], name) for kind, what in found)
        except BaseException as error:  # noqa: BLE001 # the thread's end is not to be missed
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    return sum(counts), violations


def _wanted(workspace: Workspace, everything: bool, one: Fault | None) -> list[Fault]:
    """The faults of the scenario, from a recording; what config.json becomes is kept, too."""
    workspace.prepare()
    status = workspace.undisturbed()
    missing = workspace.missing()
    succeeds = not workspace.scenario.ignores
    if (status == 0) != succeeds or (succeeds and missing):
        raise AssertionError(f"{workspace.line()}: status {status} without any fault; {missing}")
    workspace.new = (workspace.bundle / "config.json").read_bytes()
    workspace.delete()
    workspace.prepare()
    calls = recorded(workspace.line(), workspace.environment, workspace.place / "trace")
    workspace.delete()
    found = [one] if one else faults(calls, str(workspace.code))
    return found if everything else chosen(found, workspace.scenario.share)


def _one(workspace: Workspace, fault: Fault) -> tuple[int, list[tuple[str, str]]]:
    for _ in range(THRICE):
        workspace.prepare()
        outcome = inject(fault, workspace.line(), workspace.environment, workspace.place)
        found = judge(workspace, fault, outcome)
        workspace.delete()
        if outcome.injected or found:
            break
    return int(outcome.injected), found
