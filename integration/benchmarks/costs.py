"""One process at a time, measured by spawn.c, and what many measurements amount to."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Cost(NamedTuple):
    """What one call cost: milliseconds of CPU (its waited-for children included) and of the clock, peak in MiB."""

    cpu: float
    wall: float
    peak: float

    def plus(self, other: Cost) -> Cost:
        """Two calls, one after the other."""
        return Cost(self.cpu + other.cpu, self.wall + other.wall, max(self.peak, other.peak))


class Spawner:
    """Runs commands through the compiled `spawn`."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.environment = dict(environment)

    def of(self, runtime: str) -> Spawner:
        """The same for another runtime behind the fronts; real wrappers look for it in PATH."""
        path = f"{os.path.dirname(runtime)}:{self.environment['PATH']}"
        names = {"PATH": path, "CGSHIM_RUNTIME": runtime, "STAND_IN_RUNTIME": runtime}
        return Spawner(self.program, {**self.environment, **names})

    def start(self, argv: list[str]) -> subprocess.Popen[str]:
        """Start a command; `finish` takes what it cost."""
        line = [self.program, *argv]
        return subprocess.Popen(line, env=self.environment, stdout=subprocess.PIPE, text=True, cwd="/")

    def finish(self, child: subprocess.Popen[str], argv: list[str]) -> Cost:
        """The cost of a started command, which has to succeed."""
        out, _ = child.communicate()
        status, cpu, wall, peak = (int(word) for word in out.split())
        if status:
            raise SystemExit(f"benchmarks: wait status {status} from: {' '.join(argv)}")
        return Cost(cpu / 1000, wall / 1000, peak / 1024)

    def cost(self, argv: list[str]) -> Cost:
        """Run a command to its end."""
        return self.finish(self.start(argv), argv)


Measured = dict[str, list[Cost]]  # variant -> one cost a round


def interleaved(variants: Mapping[str, Callable[[], Cost]], seconds: float, least: int) -> Measured:
    """Rounds in which every variant has its turn, so that drift of the machine meets all; bounded in time."""
    found: Measured = {name: [] for name in variants}
    end = time.monotonic() + seconds
    names = list(variants)
    turn = 0
    while turn < least or time.monotonic() < end:
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(variants[name]())
        turn += 1
    return found


def amounts(values: list[float]) -> dict[str, float]:
    """Median, minimum and 95th percentile (nearest rank)."""
    ordered = sorted(values)
    rank = max(0, math.ceil(0.95 * len(ordered)) - 1)
    return {
        "median": round(statistics.median(ordered), 3),
        "min": round(ordered[0], 3),
        "p95": round(ordered[rank], 3),
    }


def summary(measured: Measured, base: str) -> dict[str, dict[str, object]]:
    """For each variant: CPU, clock, peak, and how it stands to `base` round by round."""
    found: dict[str, dict[str, object]] = {}
    for name, costs in measured.items():
        pairs = list(zip(costs, measured[base]))
        found[name] = {
            "rounds": len(costs),
            "cpu_ms": amounts([cost.cpu for cost in costs]),
            "wall_ms": amounts([cost.wall for cost in costs]),
            "peak_mib": round(max(cost.peak for cost in costs), 1),
            "extra_cpu_ms": amounts([cost.cpu - other.cpu for cost, other in pairs]),
            "extra_cpu_of_minima_ms": round(min(c.cpu for c in costs) - min(o.cpu for o in measured[base]), 3),
            "extra_wall_ms": amounts([cost.wall - other.wall for cost, other in pairs]),
            "cpu_ratio": amounts([cost.cpu / other.cpu for cost, other in pairs]),
            "wall_ratio": amounts([cost.wall / other.wall for cost, other in pairs]),
        }
    return found
