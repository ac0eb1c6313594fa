"""Runs in a guest whose clock counts instructions: what create and a whole life cost with runc and with crun.

Appends one JSON object a line to /out/results; the host reads them (`integration.benchmarks.counted`).
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from integration.benchmarks import containers_made as made
from integration.benchmarks.costs import Measured, Spawner, interleaved, summary
from integration.bundle import find_busybox
from integration.containers import find_runtime

OUT = "/out/results"
PROGRAMS = Path("/cgshim/programs")
ROUNDS = 6  # instructions vary little; the first round, which reads every program for the first time, is left out
LONG = ["/bin/sleep", "1000000000"]  # the guest's clock goes its own way


def emit(**found: object) -> None:
    """Write one result; the host reads along."""
    with open(OUT, "a") as file:
        file.write(json.dumps(found) + "\n")


def cases(place: made.Place) -> dict[str, made.Timed]:
    """What is measured with each runtime."""
    plain = place.bundle("plain", resources=made.PLAIN, args=LONG)
    edits = place.bundle("edits", resources=made.EDITED, args=LONG)
    found = {
        "create, nothing to edit": made.created(place, plain),
        "create, with edits": made.created(place, edits, plain),
        "whole life": made.lived(place, plain),
    }
    return {"--version": made.passed_through(place, "--version"), **found}


def measured(runtime: str) -> None:
    """All cases with one runtime."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "CGSHIM_CONFIG": "/nonexistent"}
    spawner = Spawner(str(PROGRAMS / "spawn"), environment).of(find_runtime(runtime))
    scratch = Path("/run/benchmarks") / runtime
    scratch.mkdir(parents=True)
    stand_in = PROGRAMS / "stand-in"
    others = {"compiled": str(stand_in)} if stand_in.exists() else {}
    place = made.Place(scratch, spawner, find_runtime(runtime), others)
    for name, variants in cases(place).items():
        rounds: Measured = interleaved(variants, 0, ROUNDS)
        kept = {front: costs[1:] for front, costs in rounds.items()}
        emit(kind="cost", runtime=runtime, case=name, fronts=summary(kept, "bare"))


def main() -> None:
    """Both runtimes."""
    if not find_busybox():
        os.symlink("/run/busybox", "/bin/busybox")
    emit(kind="guest", kernel=os.uname().release, python=platform.python_version())
    for runtime in ("runc", "crun"):
        measured(runtime)
    emit(kind="end")


if __name__ == "__main__":
    main()
