"""What a person waits for: whole commands of engines, with the bare runtime, another wrapper and cgshim behind them.

`run.sh --engines` is the front door. Daemons, clients, shims and containers are below one cgroup, so that its CPU time
is that of everything a command set in motion, whoever started it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.benchmarks import page
from integration.benchmarks.benchmarks import machine
from integration.benchmarks.costs import Cost, interleaved, summary
from integration.benchmarks.engine_cases import ENGINES, Case, Place
from integration.bundle import find_busybox
from integration.containers import LAUNCHER, find_runtime
from integration.engines import image
from integration.engines.cri import cri_problem
from integration.engines.engine import CGROUP_PARENT
from integration.engines.front import Front
from integration.engines.sweep import Guard
from integration.engines.system import System
from integration.kernel import cgroup_mounts

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET = 0.0005  # seconds of CPU in the time between two looks, below which a command has no more followers


class Tree:
    """A cgroup for everything; `within` leads a command there."""

    def __init__(self) -> None:
        mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
        counted = [mount for mount in mounts if mount.version == 1 and "cpuacct" in mount.options]
        self._v1 = bool(counted)
        self._top = (counted or [mount for mount in mounts if mount.version == 2])[0].point / CGROUP_PARENT
        (self._top / "engines").mkdir(parents=True)
        self.within = ("sh", "-c", f'echo $$ >{self._top}/engines/cgroup.procs && exec "$@"', "sh")

    def cpu(self) -> float:
        """Seconds of CPU time so far, those of ended processes and of removed cgroups below included."""
        if self._v1:
            return int((self._top / "cpuacct.usage").read_text()) / 1e9
        return int((self._top / "cpu.stat").read_text().split()[1]) / 1e6

    def cost(self, command: Callable[[], object]) -> Cost:
        """The clock until the command returns; the CPU time until nothing of it is at work any more."""
        cpu, start = self.cpu(), time.monotonic()
        command()
        wall = time.monotonic() - start
        end = time.monotonic() + 2
        before, now = cpu, self.cpu()
        while now - before > QUIET and time.monotonic() < end:
            time.sleep(0.03)
            before, now = now, self.cpu()
        return Cost((now - cpu) * 1000, wall * 1000, 0.0)


def measured(tree: Tree, place: Place, rounds: int, only: str) -> dict[str, Any]:
    """`cases`: case -> front -> what it cost; `missing`: case -> why it is not among them."""
    cases: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for engine, (programs, names) in ENGINES.items():
        if not any(only in name or name in only for name in names):
            continue
        problem = place.system.missing(*programs)
        if problem:
            missing |= dict.fromkeys(names, problem)
            continue
        with engine(place) as found:
            for case in (one for one in found if only in one.name):
                print(f"  {case.name}", file=sys.stderr, flush=True)
                cases[case.name] = _case(tree, case, list(place.fronts), max(2, rounds // case.share))
    if "ctr run" in cases and cri_problem():
        missing["CRI"] = cri_problem()
    return {"cases": cases, "missing": missing}


def _case(tree: Tree, case: Case, fronts: list[str], rounds: int) -> dict[str, Any]:
    def measure(front: str) -> Cost:
        case.before(front)
        cost = tree.cost(lambda: case.command(front))
        case.after(front)
        return cost

    if case.share == 1:  # what is done only once, and caches; a build has them from its first steps
        for front in fronts:
            measure(front)
    variants: dict[str, Callable[[], Cost]] = {front: lambda front=front: measure(front) for front in fronts}  # type: ignore[misc]
    return summary(interleaved(variants, 0, rounds), "bare")


def _measured_below(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    tree = Tree()
    system = System("here", tree.within)
    guard = Guard(scratch)
    fronts = {"bare": find_runtime("runc"), "cgshim": str(LAUNCHER)}
    if options.peer:
        fronts = {"bare": fronts["bare"], "peer": str(options.peer.resolve()), "cgshim": fronts["cgshim"]}
    root_tar = scratch / "root.tar"
    image.write_root_tar(root_tar, find_busybox())
    try:
        place = Place(scratch, system, Front(scratch / "bin", system), fronts, root_tar)
        return measured(tree, place, options.rounds, options.only)
    finally:
        guard.sweep()


def versions() -> dict[str, str]:
    """Of the engines that are there."""
    system = System("here")
    said = {name: system([name, "--version"]).out for name in ("podman", "dockerd", "containerd") if system.find(name)}
    return {name: "".join(re.findall(r"\d+\.\d+[^\s,]*", text)[:1]) for name, text in said.items()}


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What a person waits for: engines through each runtime.")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engines", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=20, help="of a command; a build gets a fifth or a tenth")
    parser.add_argument("--only", default="", help="the cases with this in their names, such as CRI")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--peer", type=Path, help="a real wrapper that finds runc in PATH, to be measured beside it")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # engines sync all that they write
    scratch = Path(tempfile.mkdtemp(prefix="cg-", dir=memory))
    scratch.chmod(0o755)
    found = {"machine": {**machine(find_runtime("runc")), **versions()}, "rounds": options.rounds}
    found |= _measured_below(scratch, options)
    found["minutes"] = round((time.monotonic() - start) / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "engines.json").write_text(json.dumps(found, indent=1) + "\n")
    print(page.text(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
