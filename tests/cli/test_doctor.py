"""`cgshimctl doctor`: facts of captured hosts, what is refused on them, and the exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli import findings, probes
from shim.cli.main import main
from shim.engines import runtimes
from shim.oci import checks
from shim.rules import fields, keys, table
from shim.rules.unified_to_fields import TRANSLATIONS

if TYPE_CHECKING:
    from click.testing import Result
    from pytest_subprocess import FakeProcess

HOSTS = Path(__file__).resolve().parents[1] / "hosts"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A settings file of the test's own, not there at first."""
    path = tmp_path / "settings.json"
    monkeypatch.setenv("CGSHIM_CONFIG", str(path))
    monkeypatch.delenv("CGSHIM_RUNTIME", raising=False)
    return path


@pytest.fixture
def runc(tmp_path: Path) -> str:
    """A file that can be executed and is called runc."""
    path = tmp_path / "runc"
    path.write_text("#!/bin/false\n")
    path.chmod(0o755)
    return str(path)


def _doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def _on(host: str, *arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(_doctor("--json", "--root-tree", str(HOSTS / host), *arguments).output)
    return shown


def _found(shown: dict[str, Any], runtime: str, outcome: str) -> list[str]:
    return [f["name"] for f in shown["findings"] if f["outcome"] == outcome and runtime in f["runtimes"]]


def test_json_has_the_documented_shape() -> None:
    """The keys of --json are the documented ones, and every finding and controller has all of its keys."""
    shown = _on("debian12-hybrid-6.18", "--runtime", "runc")
    assert list(shown) == [
        *("schema", "host", "runtime", "settings", "findings", "foreseen", "problems", "status", "verdict"),
    ]
    assert shown["schema"] == 1
    assert list(shown["host"]) == [
        *("layout", "layout_evidence", "cgroup2", "controllers", "facts", "contradictions", "hints"),
    ]
    assert list(shown["host"]["facts"]) == [
        *("swap_accounting", "swap_present", "psi", "cgroup_view", "cgroup_namespace", "delegation"),
        *("user_namespace", "rootless"),
    ]
    assert {tuple(found) for found in shown["findings"]} == {
        ("name", "kind", "outcome", "code", "reason", "lost", "remedy", "runtimes", "essential")
    }
    assert {tuple(place) for place in shown["host"]["controllers"].values()} == {("version", "mount", "evidence")}
    assert all(found["remedy"] and found["reason"] for found in shown["findings"])


def test_what_needs_no_failure_is_foreseen(monkeypatch: pytest.MonkeyPatch, runc: str) -> None:
    """Without CAP_SYS_RESOURCE (CapEff bit 24) raised rlimits are named before a container meets them."""
    from shim.diagnose.diagnosis import Context, Diagnosis
    from shim.diagnose.host_checks import foreseen
    from shim.host.captured import CapturedView

    found = foreseen(Context(view=CapturedView(str(HOSTS / "debian12-hybrid-6.18")), runtime="runc"))
    assert "crun-refuses-hybrid" in [one.code for one in found]
    told = Diagnosis(code="rlimit-needs-sys-resource", verdict="v", evidence=("e",), remedy=("r",))
    monkeypatch.setattr("shim.cli.host_checks.foreseen", lambda context: (told,))
    shown = json.loads(_doctor("--json", "--runtime", runc).output)
    assert shown["foreseen"] == [
        {
            "code": "rlimit-needs-sys-resource",
            "verdict": "v",
            "cause": "",
            "evidence": ["e"],
            "remedy": ["r"],
            "reference": "",
        }
    ]
    text = _doctor("--runtime", runc).output
    assert "Worth knowing\n  rlimit-needs-sys-resource  v\n" in text
    assert "Failures that containers will meet on this host" in _doctor("--runtime", runc, "--all").output


def test_facts_of_a_hybrid_host_come_with_evidence() -> None:
    """Layout, placements and swap of the captured Debian 12 hybrid host, as its files have them."""
    host = _on("debian12-hybrid-6.18", "--runtime", "runc")["host"]
    assert host["layout"] == "hybrid"
    assert host["cgroup2"] == {"mount": "/sys/fs/cgroup/unified", "controllers": ["hugetlb"]}
    memory, hugetlb, rdma = (host["controllers"][name] for name in ("memory", "hugetlb", "rdma"))
    assert (memory["version"], memory["mount"]) == (1, "/sys/fs/cgroup/memory")
    assert (hugetlb["version"], hugetlb["mount"]) == (2, "/sys/fs/cgroup/unified")
    assert hugetlb["evidence"] == "/sys/fs/cgroup/unified/cgroup.controllers: hugetlb"
    assert (rdma["version"], rdma["mount"]) == (0, "")
    assert host["facts"]["swap_accounting"] == {
        "value": True,
        "evidence": "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes: present",
    }
    assert host["facts"]["swap_present"] == {"value": False, "evidence": "/proc/swaps: no swap area"}
    assert host["facts"]["user_namespace"]["value"] is False


def test_crun_refuses_every_container_on_a_hybrid_host_with_cgroup2_controllers() -> None:
    """crun 1.8.1 says "cgroups in hybrid mode not supported, drop all controllers from cgroupv2", runc starts it."""
    shown = _on("debian12-hybrid-6.18", "--runtime", "crun")
    assert "(every container)" in _found(shown, "crun", "refused")
    assert "(every container)" not in _found(shown, "runc", "refused")
    finding = next(f for f in shown["findings"] if f["name"] == "(every container)")
    assert finding["reason"].endswith("/sys/fs/cgroup/unified/cgroup.controllers: hugetlb")
    assert shown["status"] == 1


def test_crun_runs_on_a_hybrid_host_without_cgroup2_controllers() -> None:
    """A legacy host and a unified one have no such finding."""
    for host in ("debian12-legacy-comounted-6.1", "debian12-unified-6.1"):
        assert "(every container)" not in _found(_on(host, "--runtime", "crun"), "crun", "refused")


def test_runc_and_crun_differ_where_the_runtimes_do() -> None:
    """On cgroup2 runc sets rdma and crun never reads it; no runtime reads dmem on a kernel without it."""
    shown = _on("debian12-unified-6.1", "--runtime", "runc")
    assert "rdma" not in _found(shown, "runc", "refused")
    assert "rdma" in _found(shown, "crun", "refused")
    assert "unified.dmem.max" in _found(shown, "runc", "refused")
    assert "memory.limit" not in _found(shown, "runc", "refused")


def test_v1_only_hints_are_dropped_on_cgroup2() -> None:
    """What cgroup2 has no file for is a dropped hint there and is honoured on v1."""
    names = {"memory.swappiness", "memory.disableOOMKiller", "memory.kernelTCP", "network.classID"}
    assert names <= set(_found(_on("debian12-unified-6.1", "--runtime", "crun"), "crun", "dropped"))
    on_v1 = set(_found(_on("debian12-legacy-comounted-6.1", "--runtime", "crun"), "crun", "dropped"))
    assert on_v1 & {"memory.swappiness", "memory.disableOOMKiller", "network.classID"} == set()


def test_findings_are_sorted_worst_first() -> None:
    """Refusals come before what is weaker, and that before dropped hints."""
    outcomes = [f["outcome"] for f in _on("debian12-hybrid-6.18", "--runtime", "runc")["findings"]]
    assert outcomes == sorted(outcomes, key=["refused", "weaker", "dropped"].index)
    assert set(outcomes) == {"refused", "weaker", "dropped"}


def test_policy_warn_refuses_nothing(settings: Path) -> None:
    """With "policy": "warn" the same guards are not enforced, and the status is 0."""
    before = _on("debian12-rootless-6.1", "--runtime", "runc")
    settings.write_text('{"policy": "warn"}')
    after = _on("debian12-rootless-6.1", "--runtime", "runc")
    assert _found(before, "runc", "refused") == _found(after, "runc", "not enforced") != []
    assert (before["status"], after["status"]) == (1, 0)
    assert after["settings"]["policy"] == {"value": "warn", "origin": str(settings)}


def test_rootless_host_is_told_to_delegate() -> None:
    """Where only a part of the tree is ours, the remedy for a missing controller is delegation, not another kernel."""
    shown = _on("debian12-rootless-6.1", "--runtime", "runc")
    finding = next(f for f in shown["findings"] if f["name"] == "cpu.cpus")
    assert finding["remedy"] == ("delegate cpuset to this part of the tree (systemd: Delegate=cpuset), or leave it out")


@pytest.mark.parametrize("host", ["forged-unified", "debian12-nothing-mounted-6.1"])
def test_host_that_is_not_understood_is_no_success(host: str, settings: Path) -> None:
    """With an ambiguous layout, or none, the one finding is that a limit is refused, or under warn left; status 1."""
    shown = _on(host, "--runtime", "runc")
    assert _found(shown, "runc", "refused") == ["(every container with a limit)"]
    assert shown["status"] == 1
    settings.write_text('{"policy": "warn"}')
    shown = _on(host, "--runtime", "runc")
    assert _found(shown, "runc", "untouched") == ["(every container with a limit)"]
    assert shown["status"] == 1


def test_broken_settings_are_shown_with_the_host(settings: Path, runc: str, fp: FakeProcess) -> None:
    """With --all the facts are still printed; the message names file and field; the status is 3."""
    settings.write_text('{"policy": "perhaps"}')
    fp.register([runc, "--version"], stdout="runc version 1.1.5+ds1\nspec: 1.0.2-dev\n")
    result = _doctor("--runtime", runc, "--all")
    assert result.exit_code == 3
    broken = "Not ready: the set-up is broken, so cgshim refuses containers until it is repaired."
    assert (result.output.splitlines()[0], result.output.splitlines()[-1]) == (broken, broken)
    assert f"{settings} is not a valid settings file: policy: 'perhaps' is neither 'refuse' nor 'warn'" in (
        " ".join(result.output.split())
    )
    assert "cgroup layout" in result.output


def test_version_is_what_the_runtime_says(runc: str, fp: FakeProcess) -> None:
    """The first line of `--version`, beside the path, the kind and who chose it."""
    fp.register([runc, "--version"], stdout="runc version 1.1.5+ds1\ncommit: 1.1.5\nspec: 1.0.2-dev\n")
    shown = json.loads(_doctor("--json", "--runtime", runc).output)
    assert shown["runtime"] == {
        "path": runc,
        "kind": "runc",
        "version": "runc version 1.1.5+ds1",
        "origin": "--runtime",
    }
    assert shown["problems"] == []


def test_origin_of_the_runtime(settings: Path, runc: str, fp: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings file is named as the origin, and CGSHIM_RUNTIME wins over it."""
    fp.register([runc, "--version"], stdout="runc version 1.1.5\n", occurrences=2)
    settings.write_text(json.dumps({"runtime": runc}))
    assert json.loads(_doctor("--json").output)["runtime"]["origin"] == str(settings)
    monkeypatch.setenv("CGSHIM_RUNTIME", runc)
    assert json.loads(_doctor("--json").output)["runtime"]["origin"] == "CGSHIM_RUNTIME"


def test_runtime_that_does_not_answer_is_a_problem(runc: str, fp: FakeProcess) -> None:
    """A runtime whose --version fails is quoted, and the status is 3."""
    fp.register([runc, "--version"], returncode=127, stderr="libseccomp.so.2: cannot open shared object file\n")
    result = _doctor("--json", "--runtime", runc)
    shown = json.loads(result.output)
    assert (result.exit_code, shown["status"]) == (3, 3)
    assert shown["problems"] == [
        f"{runc} --version: exit status 127, said libseccomp.so.2: cannot open shared object file"
    ]


def test_missing_runtime_is_a_problem(tmp_path: Path) -> None:
    """A path that does not exist is one message, no traceback."""
    result = _doctor("--json", "--runtime", str(tmp_path / "nowhere" / "runc"))
    assert result.exit_code == 3
    assert "No such file or directory" in json.loads(result.output)["problems"][0]


def test_bad_root_tree_is_one_message(tmp_path: Path) -> None:
    """A directory that is no host tree: status 3 and what to do."""
    result = _doctor("--root-tree", str(tmp_path))
    assert result.exit_code == 3
    what = "it has neither a manifest.json nor a proc directory [bad-host-tree]"
    assert f"{tmp_path} is not a captured host: {what}" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("host", "runtime", "status", "line"),
    [
        (
            *("debian12-unified-6.1", "runc", 0),
            "Ready: runc can enforce memory, cpu, pids, cpuset and io limits on this host (unified).",
        ),
        (
            *("debian12-rootless-6.1", "runc", 1),
            "Not ready: with runc, this host (unified) cannot enforce every cpuset or io limit.",
        ),
        (
            *("debian12-legacy-plain-memory-6.1", "crun", 1),
            "Not ready: with crun, this host (legacy) cannot enforce every memory limit.",
        ),
        (
            *("debian12-hybrid-6.18", "crun", 1),
            "Not ready: with crun, every container would be refused on this host (hybrid).",
        ),
        (
            *("forged-unified", "runc", 1),
            "Not ready: with runc, every container that has a limit would be refused on this host (ambiguous).",
        ),
    ],
)
def test_verdict_is_the_first_line(host: str, runtime: str, status: int, line: str) -> None:
    """The verdict and the status, of hosts whose files say which controllers they have."""
    result = _doctor("--root-tree", str(HOSTS / host), "--runtime", runtime)
    assert (result.exit_code, result.output.splitlines()[0]) == (status, line)


def test_strict_counts_every_controller() -> None:
    """dmem, which kernels have from 6.14 on, decides with --strict alone."""
    arguments = ("--root-tree", str(HOSTS / "debian12-unified-6.1"), "--runtime", "runc")
    assert _doctor(*arguments).exit_code == 0
    result = _doctor(*arguments, "--strict")
    assert (result.exit_code, result.output.splitlines()[0]) == (
        1,
        "Not ready (--strict): with runc, this host (unified) cannot enforce every dmem limit.",
    )


def test_unknown_option_is_a_usage_error() -> None:
    """click's own status for wrong usage."""
    assert _doctor("--colour").exit_code == 2


def _leaves(wanted: Any, path: str = "") -> list[str]:
    if isinstance(wanted, dict):
        return [leaf for key in wanted for leaf in _leaves(wanted[key], f"{path}.{key}" if path else key)]
    return [path]


def test_every_field_of_the_specification_is_asked_about() -> None:
    """Each field that the type check knows and each that a rule answers for has a probe that sets it."""
    asked = {leaf for probe in probes.CLASSIC for leaf in _leaves(probe.resources)}
    sections = {leaf.partition(".")[0] for leaf in asked}
    known = set(fields.names()) - {"unified"}
    asked_of = {leaf for leaf in asked if leaf in known}
    nested = {"rdma.mlx5_0.hcaHandles", "rdma.mlx5_0.hcaObjects"}
    assert known - asked_of == {"rdma"}
    assert asked - known == nested
    classic = [rule for _, rules in table.CLASSIC for rule in rules()]
    assert {rule.field.partition(".")[0] for rule in classic} <= sections
    assert {rule.field for rule in classic if "." in rule.field} <= asked


def test_every_known_unified_key_is_asked_about() -> None:
    """Each key that can be translated and each that is known as a hint has a probe."""
    known = {key.replace("*", "2MB") for key in TRANSLATIONS} | {key.replace("<size>", "2MB") for key in keys.LINES}
    assert known - set(probes.KEYS) == set()


def test_probes_are_sound() -> None:
    """No probe breaks the runtime-spec's types."""
    assert [problem for probe in probes.ALL for problem in checks.check(probe.resources)] == []


def test_controllers_that_only_new_kernels_have_are_looked_for() -> None:
    """dmem is placed, so that a kernel that has it is not said to lack it."""
    assert "dmem.max" in findings.questions()
    assert "dmem" in _on("debian12-unified-6.1", "--runtime", "runc")["host"]["controllers"]


def test_search_looks_where_the_launcher_looks() -> None:
    """The launcher's search loop names the same directories and runtimes in the same order."""
    text = (Path(runtimes.__file__).resolve().parent.parent / "launcher.sh").read_text().replace("\\\n", " ")
    loop = text[text.index("cgshim_search() {") :]
    searched = re.findall(r"cgshim_search ([a-z ]+)", text)
    names = searched[0].split()  # the first is for a call without an entry and without settings
    directories = loop[loop.index("for cgshim_directory in ") :].partition(";")[0].split()[3:]
    assert tuple(names) == runtimes.NAMES
    assert tuple(directories) == runtimes.DIRECTORIES
