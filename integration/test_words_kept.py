"""Real words of the real runtime that must not get lost: its decisive record, and its warnings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import call

if TYPE_CHECKING:
    from integration.bundle import Bundle
    from integration.containers import Shim

MAY_LOWER = 1 << 24  # CAP_SYS_RESOURCE, include/uapi/linux/capability.h


def _effective() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("CapEff:")).split()[1], 16)


@pytest.mark.parametrize("logged", [True, False], ids=["with-a-log", "without"])
def test_the_reason_of_the_first_stage(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, logged: bool
) -> None:
    """oomScoreAdj without the right to lower it: runc 1.1 says so in a fatal record, before its last error."""
    require("no CAP_SYS_RESOURCE", "this process has it" if _effective() & MAY_LOWER else "")
    config = bundle.configure()
    config["process"]["oomScoreAdj"] = -998
    bundle.write(config)
    log = tmp_path / "log"
    before = ("--log", str(log), "--log-format", "json") if logged else ()
    result = shim(*before, "create", "--bundle", str(bundle.path), container)
    assert result.status == 1
    told = log.read_text() if logged else result.err
    assert "[oom-score-may-not-be-lowered]" in told, str(result)
    assert "/proc/self/oom_score_adj" in told


def test_a_warning_of_a_failed_update(shim: Shim, bundle: Bundle, container: str) -> None:
    """What the bare runtime warns of, cgshim hands on behind the diagnosis."""
    bundle.configure(resources={"cpu": {"cpus": "0"}}, linux={"cgroupsPath": f"/{container}"})
    shim.must("create", "--bundle", str(bundle.path), container)
    wanted = ("update", "--cpuset-cpus", "4095", container)
    result = shim(*wanted)
    assert result.status != 0
    bare = call((shim.path, "--root", str(shim.root), *wanted), env=shim.environment).err
    warned = [line.partition(" msg=")[2] for line in bare.splitlines() if "level=warning" in line]
    assert [message for message in warned if message[:40] not in result.err] == []
