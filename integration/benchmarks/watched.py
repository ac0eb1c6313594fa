"""What `cgshimctl watch` costs with many containers: `python -m integration.benchmarks.watched [COUNT [SECONDS]]`.

Makes COUNT (1000) cgroups as podman names its containers', in cgroup v1's memory, cpu and pids hierarchies and in
cgroup2, where they are, each with one process that sleeps; starts the watcher, lets it settle for SECONDS (60), and
reads its user and system time (/proc/PID/stat) over SECONDS more: what others do on the machine at that time makes it
slower, but hardly dearer. Needs root. What it made is removed at the end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def measure(seconds: float) -> str:
    """One watcher, alerts to a file that nobody reads; a line of figures."""
    argv = [sys.executable, "-m", "shim.cli.main", "watch", "--alert", "file:/dev/null"]
    watcher = subprocess.Popen(argv, cwd=ROOT)
    try:
        time.sleep(seconds)
        first, began = _spent(watcher.pid), time.monotonic()
        time.sleep(seconds)
        spent, passed = _spent(watcher.pid) - first, time.monotonic() - began
        memory = _memory(watcher.pid)
        handles = len(os.listdir(f"/proc/{watcher.pid}/fd"))
    finally:
        watcher.terminate()
        watcher.wait()
    shown = ", ".join(f"{name} {value / 1024:.1f} MiB" for name, value in memory.items())
    return (
        f"start and first {seconds:.0f} s: {first:.2f} s of CPU time; then {spent:.2f} s in {passed:.0f} s: "
        f"{spent / passed:.2%} of a core; {shown}; {handles} descriptors"
    )


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    with containers(count):
        print(f"{count} containers: {measure(seconds)}", flush=True)


if __name__ == "__main__":
    main()
