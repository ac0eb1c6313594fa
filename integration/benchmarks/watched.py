"""What `cgshimctl watch` costs with many containers: `python -m integration.benchmarks.watched [COUNT [SECONDS]]`.

Makes COUNT (1000) cgroups as podman names its containers', in cgroup v1's memory, cpu and pids hierarchies and in
cgroup2, where they are, each with one process that sleeps; starts the watcher, lets it settle for SECONDS (60), and
reads its user and system time (/proc/PID/stat) over SECONDS more. On a machine that is not quiet the watcher also works
for what others do, so the parts are shown, too: rounds, looks for containers, and processes that ended. Needs root.
What it made is removed at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from shim.watch.exits import Exits
from shim.watch.roster import Roster
from shim.watch.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HIERARCHIES = ("memory", "cpu", "pids", "unified", "")
ABOVE = "cgshim-benchmark.slice"
TICK = os.sysconf("SC_CLK_TCK")


def directories() -> list[Path]:
    """Where containers get their cgroups: the hierarchies that this host has."""
    mounts = [Path("/sys/fs/cgroup", name) for name in HIERARCHIES]
    return [mount / ABOVE for mount in mounts if (mount / "cgroup.procs").exists()]


@contextlib.contextmanager
def containers(count: int) -> Iterator[None]:
    """So many, each with a process."""
    processes = []
    made: list[Path] = []
    try:
        for above in directories():
            above.mkdir()
            made.append(above)
            if (above.parent / "cgroup.subtree_control").exists():
                for directory in (above.parent, above):
                    with contextlib.suppress(OSError):
                        (directory / "cgroup.subtree_control").write_text("+memory +cpu +pids")
        for number in range(count):
            processes.append(subprocess.Popen(["sleep", "100000"]))
            for above in directories():
                own = above / f"libpod-{number:064x}.scope"
                own.mkdir()
                made.append(own)
                (own / "cgroup.procs").write_text(str(processes[-1].pid))
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        for directory in reversed(made):
            with contextlib.suppress(OSError):
                directory.rmdir()


def _spent(pid: int) -> float:
    """Seconds of user and system time (proc(5), stat: fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _memory(pid: int) -> dict[str, int]:
    """KiB: resident, of those private, and the highest so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    known = dict(line.split(":", 1) for line in lines)
    names = {"VmRSS": "resident", "RssAnon": "private", "VmHWM": "highest"}
    return {shown: int(known[name].split()[0]) for name, shown in names.items()}


PARTS: tuple[tuple[str, Any, str], ...] = (
    ("rounds", Watcher, "round"),
    ("looks for containers", Roster, "refresh"),
    ("batches of exits", Exits, "_ready"),
)


def watch(path: str) -> None:
    """The watcher in this process. path: of a file that gets, after each part, how often and for how long each ran."""
    from shim.cli.main import main as command

    spent: dict[str, list[float]] = {name: [0, 0.0] for name, _, _ in PARTS}
    with open(path, "w") as file:
        for name, owner, method in PARTS:
            setattr(owner, method, _counted(getattr(owner, method), spent[name], lambda: _put(file, spent)))
        command(["watch", "--alert", "file:/dev/null"])


def _counted(step: Any, into: list[float], after: Any) -> Any:
    def run(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return step(*arguments, **named)
        finally:
            into[0], into[1] = into[0] + 1, into[1] + time.process_time() - began
            after()

    return run


def _put(file: Any, spent: dict[str, list[float]]) -> None:
    file.seek(0)
    file.write(json.dumps(spent).ljust(1000) + "\n")
    file.flush()


def measure(seconds: float) -> str:
    """One watcher, alerts to a file that nobody reads; lines of figures."""
    with tempfile.NamedTemporaryFile("r") as parts:
        argv = [sys.executable, "-m", "integration.benchmarks.watched", "--watch", parts.name]
        watcher = subprocess.Popen(argv, cwd=ROOT)
        try:
            time.sleep(seconds)
            first, before, began = _spent(watcher.pid), _parts(parts.name), time.monotonic()
            time.sleep(seconds)
            spent, after, passed = _spent(watcher.pid) - first, _parts(parts.name), time.monotonic() - began
            memory = _memory(watcher.pid)
            handles = len(os.listdir(f"/proc/{watcher.pid}/fd"))
        finally:
            watcher.terminate()
            watcher.wait()
    shown = ", ".join(f"{name} {value / 1024:.1f} MiB" for name, value in memory.items())
    steady = f"then {spent:.2f} s in {passed:.0f} s: {spent / passed:.2%} of a core"
    lines = [f"start and first {seconds:.0f} s: {first:.2f} s of CPU time; {steady}; {shown}; {handles} descriptors"]
    for name, (count, used) in after.items():
        times, more = count - before[name][0], used - before[name][1]
        lines.append(f"  {times:.0f} {name}: {more:.2f} s, {more / passed:.2%} of a core")
    return "\n".join(lines)


def _parts(path: str) -> dict[str, list[float]]:
    with open(path) as file:
        return dict(json.loads(file.read()))


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["--watch"]:
        watch(sys.argv[2])
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    with containers(count):
        print(f"{count} containers: {measure(seconds)}", flush=True)


if __name__ == "__main__":
    main()
