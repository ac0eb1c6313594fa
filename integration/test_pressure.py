"""Memory pressure of a container that runs short: what the kernel of this host tells, over files and over netlink."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from integration.containers import SEARCH_PATH, call
from shim import pressure
from shim.host.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

ROOT = Path(__file__).resolve().parent.parent
SWITCH = Path("/proc/sys/kernel/task_delayacct")
MIB = 1 << 20
PATIENCE = 60  # seconds until a number that does not come is a failure


@pytest.fixture
def delay_accounting() -> Iterator[None]:
    """Delay accounting on, for processes that start from now on; afterwards as it was."""
    require("root", root_problem())
    require("delay accounting", "" if SWITCH.exists() else f"{SWITCH} does not exist")
    before = SWITCH.read_text()
    SWITCH.write_text("1")
    yield
    SWITCH.write_text(before)


@pytest.fixture
def thrashing(runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None) -> int:
    """The init of a container that reads a file over and over which is larger than its memory."""
    with open(bundle.path / "rootfs" / "large", "wb") as large:
        large.write(os.urandom(MIB) * 48)
        large.flush()
        os.fsync(large.fileno())
        # What stays in the page cache is charged to this process; the container has to read, and pay, itself.
        os.posix_fadvise(large.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    loop = "while :; do cat /large > /dev/null; done"
    bundle.configure(args=["/bin/sh", "-c", loop], resources={"memory": {"limit": 16 * MIB}})
    pid = runtime.create(bundle, container)
    runtime.must("start", container)
    return pid


def test_taskstats_tells_of_reclaim(thrashing: int, cgroup_values: type[CgroupValues]) -> None:
    """Without PSI (none is offered here) the kernel's own netlink answer: time was lost to reclaim, labelled so."""
    procs = cgroup_values(thrashing).directory("memory") / "cgroup.procs"
    deadline = time.monotonic() + PATIENCE
    while True:
        pids = [int(word) for word in procs.read_text().split()]
        found = pressure.of_cgroup(View(), "", pids)
        if found.totals.get("reclaim", 0) > 0 or time.monotonic() > deadline:
            break
    assert found.source == "taskstats"
    assert set(found.totals) >= {"swapin", "reclaim", "thrashing"}
    assert found.totals["reclaim"] > 0
    assert found.reason.startswith("no PSI: no cgroup2 directory; the delays of processes that have ended")


def test_report_shows_the_pressure_of_a_running_container(thrashing: int, runtime: Runtime, container: str) -> None:
    """`cgshimctl report ID`: from one of the two sources, or absent with a reason; never a bare zero."""
    argv = [sys.executable, "-m", "shim.cli.main", "report", container, "--json", "--root", str(runtime.root)]
    shown = call([*argv, "--runtime", runtime.path], env={"PATH": SEARCH_PATH}, cwd=str(ROOT))
    assert shown.status == 0, str(shown)
    found = json.loads(shown.out)["running"]["pressure"]
    if found["source"] == "psi":
        assert (set(found["totals"]), found["unit"]) == ({"some", "full"}, "microseconds")
        assert Path(found["evidence"]).name == "memory.pressure"
    else:
        assert found["source"] == "taskstats"
        assert found["reason"].startswith("no PSI: ")


def test_off_is_a_reason(delay_accounting: None) -> None:
    """With kernel.task_delayacct=0 the kernel would answer zeros: nothing is shown, and the switch is named."""
    SWITCH.write_text("0")
    found = pressure.of_cgroup(View(), "", [os.getpid()])
    assert (found.source, found.totals) == ("", {})
    assert f"{SWITCH} is 0" in found.reason
