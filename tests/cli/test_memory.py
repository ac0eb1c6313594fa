"""`cgshimctl report` of what memory did: the pressure of a running container, the account of one that has ended."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from shim.cli import memory
from shim.host.view import View

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PSI: dict[str, Any] = {
    "source": "psi",
    "unit": "microseconds",
    "totals": {"some": 120, "full": 7},
    "evidence": "/sys/fs/cgroup/a/memory.pressure",
    "reason": "",
}
ACCOUNT: dict[str, Any] = {
    "schema": 1,
    "container": "web",
    "ended": 1795348800,
    "figures": [
        {"name": "limit", "value": 20971520, "unit": "bytes", "source": "memory.max", "includes": "the container"},
        {"name": "oom_kills", "value": 2, "unit": "kills", "source": "kernel log", "includes": "all below it"},
    ],
    "killed": [{"name": "java", "pid": 4711, "cgroup": "/a", "limited_by": "/a"}],
    "absent": [{"name": "peak", "reason": "the kernel has none"}],
}
BOTH = """
Memory pressure
some    120 microseconds
full    7 microseconds
source  psi: /sys/fs/cgroup/a/memory.pressure

Memory, from the start to the end at 2026-11-22 12:00:00 UTC
FIGURE     VALUE                    FROM        OF
limit      20 MiB (20971520 bytes)  memory.max  the container
oom_kills  2 kills                  kernel log  all below it

Killed: out of memory
PROCESS  PID   LIMIT OF
java     4711  /a

Figures that the kernel does not have
FIGURE  REASON
peak    the kernel has none
"""
NEITHER = """
Memory pressure
not known: no PSI: no cgroup2 directory

Memory, from the start to the end at 2026-11-22 12:00:00 UTC
"""


def test_both_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Each figure with its source; sizes with their bytes; what is missing with the reason."""
    memory.show({"running": {"pressure": PSI}, "ended": ACCOUNT})
    assert capsys.readouterr().out == BOTH


def test_without_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """No pressure has a reason; nothing killed and nothing missing has no heading."""
    nothing = {"source": "", "totals": {}, "evidence": "", "reason": "no PSI: no cgroup2 directory"}
    memory.show({"running": {"pressure": nothing}, "ended": {**ACCOUNT, "figures": [], "killed": [], "absent": []}})
    assert capsys.readouterr().out == NEITHER
    memory.show({})
    assert capsys.readouterr().out == ""


def test_a_process_that_runs() -> None:
    """Its pressure by PSI or taskstats, or the reason why this host has neither."""
    found = memory.running(View(), os.getpid())
    assert found is not None
    pressure = found["pressure"]
    assert set(pressure) - {"unit"} == {"source", "totals", "evidence", "reason"}
    assert bool(pressure["totals"]) == bool(pressure["evidence"]) == (pressure["source"] in ("psi", "taskstats"))
    assert pressure["totals"] or pressure["reason"]


def test_a_process_that_does_not_run() -> None:
    """None for no process, for one that is gone, and for one that nobody has waited for yet."""
    with subprocess.Popen(["/bin/true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert memory.running(View(), process.pid) is None
    assert memory.running(View(), process.pid) is None
    assert memory.running(View(), 0) is None


def test_an_account_is_found_by_its_container(state_directory: Path) -> None:
    """As the poststop hook wrote it."""
    (state_directory / "reports").mkdir()
    (state_directory / "reports" / "web.json").write_text(json.dumps(ACCOUNT))
    assert memory.ended("web") == ACCOUNT
    assert memory.ended("db") is None
