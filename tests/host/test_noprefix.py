"""cpuset mounted with `noprefix`: its files are `cpus` and `mems` (cgroup-v1/cpusets.rst).

runc before 1.3 and crun before 1.8 start nothing there (their pull requests 4513 and 1116); later ones write those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.diagnose.diagnosis import Context
from shim.diagnose.host_checks import foreseen
from shim.enforce.verify import verify
from shim.host.captured import CapturedView
from shim.host.detect import detect
from tests.cgroup_tree import INIT, Tree
from tests.hosts_made import make_host
from tests.planned import planned
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

VIEW = CapturedView(str(ROOT / "tests" / "hosts" / "v1-elsewhere-3.10"))
CODE = "cpuset-mounted-noprefix"


def test_the_limit_stays() -> None:
    """A runtime that finds the files sets it."""
    assert planned({"cpu": {"cpus": "0"}}, detect(VIEW, controllers=("cpuset", "cpu"))).after == {"cpu": {"cpus": "0"}}


@pytest.mark.parametrize(("shown", "found"), [("0", []), ("0-1", ["0-1"])])
def test_it_is_read_back_without_the_prefix(tmp_path: Path, shown: str, found: list[str]) -> None:
    """What a newer runtime wrote; another value is told with the file that is really there."""
    tree = Tree(tmp_path)
    tree.process("3:cpuset:/c\n")
    tree.write("/sys/fs/cgroup/cpuset/c/cpus", f"{shown}\n")
    host = make_host("legacy")
    expected = planned({"cpu": {"cpus": "0"}}, host).plan.expectations
    findings = verify(tree.view, INIT, expected, host)
    assert [one.found for one in findings] == found
    assert [one.path for one in findings] == ["/sys/fs/cgroup/cpuset/c/cpus"] * len(found)


def test_doctor_says_so_before() -> None:
    """It holds for every container, not only for one with a cpuset."""
    assert CODE in [one.code for one in foreseen(Context(view=VIEW, runtime="runc", kernel_log=""))]
