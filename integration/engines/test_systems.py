"""The two systems that the engines are tested on, and what is left when tests are killed in the middle."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.engine import wait_until
from integration.engines.system import CHECKOUT
from integration.kernel import cgroup_mounts

if TYPE_CHECKING:
    from integration.engines.system import System

# The first major version of each that the newer system is there for.
NEWER = {"podman": 5, "containerd": 2, "dockerd": 28}


@pytest.mark.parametrize("program", sorted(NEWER))
def test_versions(system: System, program: str) -> None:
    """The newer system's engines are newer than this host's, so that one run shows both."""
    require(program, system.missing(program))
    said = system([program, "--version"]).out
    found = re.search(r"\s(\d+)\.\d+", said)
    assert found, said
    if system.name != "here":
        assert int(found[1]) >= NEWER[program], said


def test_killed_tests_leave_nothing(system: System) -> None:
    """The guard ends the processes, the cgroups and the files of tests that did not come to their end."""
    del system  # as root
    place = Path(tempfile.mkdtemp(prefix="cgshim-engines-"))
    name = place.name
    mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    cgroup = next(one.point for one in mounts if one.version == 2 or "pids" in one.options) / name
    cgroup.mkdir()
    named = subprocess.Popen(["sh", "-c", f"sleep 300; : {place}"])
    contained = subprocess.Popen(["sleep", "300"])
    (cgroup / "cgroup.procs").write_text(str(contained.pid))
    guard = subprocess.Popen(
        [sys.executable, "-m", "integration.engines.sweep"], stdin=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    guard.communicate(json.dumps([str(place), name]) + "\n")
    assert guard.returncode == 0
    assert wait_until(lambda: named.poll() is not None and contained.poll() is not None)
    assert not place.exists()
    assert not cgroup.exists()
