"""cpuset mounted with `noprefix`: its files are `cpus` and `mems` (cgroup-v1/cpusets.rst).

runc before 1.3 and crun before 1.8 start nothing there (their pull requests 4513 and 1116); later ones write those.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.diagnose.diagnosis import Context
from shim.diagnose.host_checks import foreseen
from shim.enforce.verify import verify
from shim.engines import noprefix
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


def _runtime(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"fs.cpusetFile", False),
        (b"x" * (noprefix.PART - 4) + b"cpusetFile", False),  # across two reads
        (b"cpuset.cpus cpusetFil", True),
        (b"", True),
    ],
)
def test_a_runc_that_looks_for_one_name_starts_nothing(tmp_path: Path, content: bytes, refused: bool) -> None:
    """It is told by what it can do, not by its version; the evidence is the mount and what the program lacks."""
    found = noprefix.refusal(VIEW, _runtime(tmp_path / "runc", content), "runc")
    assert (found is not None) is refused
    if found is not None:
        assert found.code == CODE
        assert found.evidence[0] == "mountinfo: /cgroup/cpu\\040sets cgroup rw,cpuset,noprefix"
        assert found.evidence[1].startswith(f"{tmp_path}/runc: without the function cpusetFile")


def test_nothing_is_said_without_such_a_mount_or_without_proof(tmp_path: Path) -> None:
    """Another host, a runtime that is not here, and crun, of which only a warning can be given."""
    other = CapturedView(str(ROOT / "tests" / "hosts" / "debian12-legacy-comounted-6.1"))
    assert noprefix.refusal(other, _runtime(tmp_path / "runc", b""), "runc") is None
    assert noprefix.refusal(VIEW, str(tmp_path / "nowhere"), "runc") is None
    assert noprefix.refusal(VIEW, _runtime(tmp_path / "crun", b""), "crun") is None
    assert (noprefix.warning(other, "crun"), noprefix.warning(VIEW, "runc")) == ("", "")
    assert noprefix.warning(VIEW, "crun").endswith("crun before 1.8 starts no container here, later ones do")


def test_the_plan_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a runc that starts nothing the plan is a refusal, with crun a note, for an update neither."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    config = tmp_path / "config.json"
    config.write_text('{"linux": {"resources": {"cpu": {"cpus": "0"}}}}')
    runc, crun = (_runtime(tmp_path / name, b"") for name in ("runc", "crun"))
    host = str(ROOT / "tests" / "hosts" / "v1-elsewhere-3.10")

    def plan(*options: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(main, ["plan", str(config), "--host", host, "--json", *options])
        return done.exit_code, json.loads(done.output)

    status, shown = plan("--runtime", runc)
    assert (status, shown["refusal"]["code"]) == (1, CODE)
    status, shown = plan("--runtime", crun)
    assert (status, len(shown["warnings"]), shown["refused"]) == (0, 1, False)
    assert plan("--runtime", runc, "--operation", "update")[0] == 0


def test_doctor_says_so_before() -> None:
    """It holds for every container, not only for one with a cpuset."""
    assert CODE in [one.code for one in foreseen(Context(view=VIEW, runtime="runc", kernel_log=""))]
