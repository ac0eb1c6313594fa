"""Ends whatever the tests' engines have left, also when the tests themselves were killed.

As a program: reads the directory and the cgroup from standard input; sweeps when that ends without the word "done".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from integration.containers import LAUNCHER, call
from integration.engines.engine import CGROUP_PARENT, SECONDS, end_processes, unmount_below, wait_until
from integration.failures.provoked import CGROUP, remove_cgroups


class Guard:
    """A process that sweeps `place` when this one ends without having done so."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._process = subprocess.Popen(
            [sys.executable, "-m", "integration.engines.sweep"],
            stdin=subprocess.PIPE,
            text=True,
            cwd=LAUNCHER.parent.parent,
            start_new_session=True,  # Ctrl-C is for the tests
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps([str(place), CGROUP_PARENT]) + "\n")
        self._process.stdin.flush()

    def sweep(self) -> None:
        """Do it now."""
        sweep(self._place, CGROUP_PARENT)
        self._process.communicate("done\n", timeout=SECONDS)


def sweep(place: Path, cgroup: str) -> None:
    """End all processes, mounts, cgroups and files below `place` and below the cgroup, in every hierarchy."""
    end_processes(str(place))
    for pid in members(cgroup):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    unmount_below(place)
    # A container that has just ended may hold its own for a moment.
    assert wait_until(lambda: not remove_cgroups(cgroup)), remove_cgroups(cgroup)
    done = call(["rm", "-rf", "--one-file-system", str(place)])
    assert done.status == 0, str(done)


def members(cgroup: str) -> list[int]:
    """The processes in a cgroup and below it; a frozen one is let go, so that it can end."""
    found = []
    for hierarchy in (CGROUP, *CGROUP.iterdir()):
        for directory, _, names in os.walk(hierarchy / cgroup):
            if "cgroup.procs" in names:
                # 0 is a process that is about to be gone; kill(2) would take it for our own group.
                listed = Path(directory, "cgroup.procs").read_text().split()
                found += [int(line) for line in listed if line != "0"]
            if "freezer.state" in names:
                Path(directory, "freezer.state").write_text("THAWED")
    return sorted(set(found))


if __name__ == "__main__":
    place, cgroup = json.loads(sys.stdin.readline())
    if sys.stdin.read() != "done\n":
        sweep(Path(place), cgroup)
