"""Failures provoked with the bare runtimes of this host: the diagnosis has the code, and evidence read on the spot."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import find_runtime
from integration.failures.cases import CASES, FOREIGN_CASES
from integration.failures.provocations import Provocation
from integration.failures.provocations_mounts import FOREIGN
from integration.failures.provoked import CGROUP, disable, remove_cgroups
from integration.failures.provoking import run_row
from tests.extent import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

SYS_RESOURCE = 24


def _ids(value: object) -> str:
    return value.name if isinstance(value, Provocation) else str(value)


def _layout_problem() -> str:
    """Why this host is not the v1 host with a left-over cgroup2 tree that the table is written for."""
    if not (CGROUP / "devices" / "cgroup.procs").exists():
        return "/sys/fs/cgroup/devices is no v1 hierarchy"
    mounted = (CGROUP / "unified" / "cgroup.controllers").exists()
    return "" if mounted else "/sys/fs/cgroup/unified is not mounted"


def _straggler_problem() -> str:
    found = (CGROUP / "unified" / "cgroup.controllers").read_text().split()
    return "" if found == ["hugetlb"] else f"cgroup2 has {found}, the rows are written for hugetlb"


def _capability_problem() -> str:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    held = int(lines["CapEff"], 16) >> SYS_RESOURCE & 1
    return "CAP_SYS_RESOURCE is held, so nothing is refused" if held else ""


def _criu_problem() -> str:
    return "" if find_runtime("criu") else "criu is not installed"


def _age_problem() -> str:
    """Why CRIU does not stumble over this kernel's vDSO."""
    if _criu_problem():
        return _criu_problem()
    said = subprocess.run(["criu", "check"], check=False, capture_output=True, text=True)
    return "" if "vDSO area bounds" in said.stderr + said.stdout else "criu knows this kernel"


def _crun_problem() -> str:
    version = subprocess.run(["crun", "--version"], check=False, capture_output=True, text=True).stdout
    return "this crun has +CRIU" if "+CRIU" in version else ""


NEEDS = {
    "nproc": ("no CAP_SYS_RESOURCE", _capability_problem),
    "oom-score": ("no CAP_SYS_RESOURCE", _capability_problem),
    "v2-memlock": ("no CAP_SYS_RESOURCE", _capability_problem),
    "capability": ("no CAP_SYS_RESOURCE", _capability_problem),
    "criu-sysctl": ("criu", _criu_problem),
    "criu-loopback": ("criu", _criu_problem),
    "no-image": ("criu", _criu_problem),
    "criu-vdso": ("a criu older than this kernel", _age_problem),
    "crun-plain": ("crun without CRIU", _crun_problem),
}


@pytest.fixture
def own() -> Iterator[str]:
    """A cgroup name of the test's own; everything below it is removed from every hierarchy."""
    name = f"cgshim-failures-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    control = CGROUP / "unified" / "cgroup.subtree_control"
    before = control.read_text() if control.exists() else ""
    yield name
    left = remove_cgroups(name)
    disable(control, before)
    assert left == []


def _requirements(row: Provocation, runtime: str) -> None:
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("v1 layout", _layout_problem())
    require("hugetlb on cgroup2", _straggler_problem())
    require(runtime, "" if find_runtime(runtime) else f"{runtime} is not installed")
    what, problem = NEEDS.get(row.name, ("", str))
    require(what, problem())


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that the ids of a user namespace may search, from the root down; pytest closes its own to them."""
    with tempfile.TemporaryDirectory(prefix="cgshim-failures-") as directory:
        yield Path(directory)


@pytest.mark.parametrize(("row", "runtime"), CASES[::3] if SAMPLE else CASES, ids=_ids)
def test_a_provoked_failure_is_explained(row: Provocation, runtime: str, top: Path, own: str) -> None:
    """The runtime's real words and the facts at that moment give the expected code, confirmed by the evidence."""
    _requirements(row, runtime)
    code, evidence = row.expect[runtime]
    answer = run_row(row, runtime, top, own)
    wanted = evidence.replace("$TOP", str(top))
    assert answer["status"] != 0
    assert (answer["code"], answer["ours"]) == (code, True), answer
    assert wanted in "\n".join(answer["evidence"]), answer
    assert answer["confirmed"] is bool(answer["evidence"])
    assert answer["rendered"].isascii()
    assert len(answer["rendered"]) <= 1900
    assert len(answer["rendered"].splitlines()[0]) <= 200


@pytest.mark.parametrize(("row", "runtime"), FOREIGN_CASES, ids=_ids)
def test_what_is_not_ours_passes_through(row: Provocation, runtime: str, top: Path, own: str) -> None:
    """A failure of the image, of a hook or of the user's configuration is returned exactly as the runtime gave it."""
    _requirements(row, runtime)
    answer = run_row(row, runtime, top, own)
    assert answer["status"] != 0
    assert (answer["code"], answer["ours"]) == (row.expect[runtime][0], False), answer
    assert answer["rendered"] == answer["text"]


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_the_unchanged_configuration_starts(runtime: str, top: Path, own: str) -> None:
    """What every row changes works unchanged, so the row's change is what fails."""
    row = FOREIGN[-1]
    _requirements(row, runtime)
    answer = run_row(row, runtime, top, own)
    assert (answer["status"], answer["text"]) == (0, "")
