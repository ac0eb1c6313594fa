"""`cgshimctl report`: the annotation, from a bundle and from a runtime's state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli import report as command
from shim.cli.main import main
from shim.containers.resolve import resolve

if TYPE_CHECKING:
    from click.testing import Result
    from pytest_subprocess import FakeProcess

REPORT: dict[str, Any] = {
    "schema": 1,
    "cgshim": "0.1.0",
    "host": "unified",
    "runtime": "/usr/sbin/runc",
    "operation": "create",
    "policy": "refuse",
    "changes": [
        {
            "field": "memory.swappiness",
            "effect": "dropped",
            "kind": "hint",
            "code": "swappiness",
            "reason": "cgroup2 has no swappiness for a cgroup",
            "lost": "memory.swappiness",
        }
    ],
    "edits": [{"op": "remove", "path": "linux.resources.memory.swappiness", "old": 10}],
}
TEXT = """\
bundle      {bundle}
host        unified
runtime     /usr/sbin/runc
operation   create
policy      refuse
written by  cgshim 0.1.0

What was changed, and why
FIELD              EFFECT   REASON                                  LOST
memory.swappiness  dropped  cgroup2 has no swappiness for a cgroup  memory.swappiness

Edits in config.json
EDIT    PATH                               BEFORE  AFTER
remove  linux.resources.memory.swappiness  10      -
"""


@pytest.fixture(autouse=True)
def runc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An executable called runc that the settings name; the only root that is searched is the test's own."""
    path = tmp_path / "runc"
    path.write_text("#!/bin/false\n")
    path.chmod(0o755)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"runtime": str(path)}))
    monkeypatch.setenv("CGSHIM_CONFIG", str(settings))
    monkeypatch.delenv("CGSHIM_RUNTIME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(command, "ROOTS", (str(tmp_path / "roots" / "*"),))
    monkeypatch.setattr("shim.containers.resolve.resolve", lambda name: resolve(name, str(tmp_path)))
    return str(path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a report."""
    path = tmp_path / "bundle"
    path.mkdir()
    annotations = {"io.cgshim.report": json.dumps(REPORT)}
    (path / "config.json").write_text(json.dumps({"annotations": annotations}))
    return path


def _report(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def _state_file(tmp_path: Path, root: str, container: str, file: str = "state.json") -> Path:
    directory = tmp_path / "roots" / root / container
    directory.mkdir(parents=True)
    (directory / file).write_text("{}")
    return directory.parent


def _state(**changes: Any) -> str:
    state = {"id": "web", "bundle": "/bundles/web", "annotations": {"io.cgshim.report": json.dumps(REPORT)}}
    return json.dumps({**state, **changes})


def test_report_of_a_bundle_is_a_table(bundle: Path) -> None:
    """The whole text."""
    result = _report(bundle)
    assert result.exit_code == 0
    assert result.output.rstrip("\n") == TEXT.format(bundle=bundle).rstrip("\n")


def test_report_of_a_bundle_as_json(bundle: Path) -> None:
    """The documented keys, and the annotation's object as it is; the path of the file works as well."""
    for subject in (bundle, bundle / "config.json"):
        assert json.loads(_report(subject, "--json").output) == {
            "schema": 1,
            "container": None,
            "bundle": str(bundle),
            "changed": True,
            "report": REPORT,
        }


def test_bundle_without_a_report_says_so(bundle: Path) -> None:
    """No annotations, other annotations, or none that is an object: nothing was changed, status 0."""
    for text in ("{}", '{"annotations": {"a": "b"}}', '{"annotations": null}'):
        (bundle / "config.json").write_text(text)
        result = _report(bundle)
        assert (result.exit_code, result.output.splitlines()[-1]) == (0, "Nothing was changed.")
        assert json.loads(_report(bundle, "--json").output)["changed"] is False


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"schema": 2}'])
def test_unreadable_report_is_one_message(text: str, bundle: Path) -> None:
    """An annotation that is no report of this schema: status 3."""
    (bundle / "config.json").write_text(json.dumps({"annotations": {"io.cgshim.report": text}}))
    result = _report(bundle)
    assert result.exit_code == 3
    assert "annotation io.cgshim.report is not a report that this version can read [bad-report]" in result.stderr


def test_report_by_id_asks_the_runtime(tmp_path: Path, runc: str, fp: FakeProcess) -> None:
    """The container is found below the default roots and its state asked with that --root."""
    root = _state_file(tmp_path, "moby", "web")
    fp.register([runc, "--root", str(root), "state", "web"], stdout=_state())
    shown = json.loads(_report("web", "--json").output)
    assert (shown["container"], shown["bundle"], shown["report"]) == ("web", "/bundles/web", REPORT)


def test_report_by_id_with_root_and_runtime(tmp_path: Path, fp: FakeProcess) -> None:
    """--root and --runtime are taken as they are, outside of the default roots too."""
    other = tmp_path / "other-runc"
    other.write_text("")
    other.chmod(0o755)
    root = _state_file(tmp_path.parent / f"{tmp_path.name}-elsewhere", "private", "web")
    fp.register([str(other), "--root", str(root), "state", "web"], stdout=_state(annotations={}))
    result = _report("web", "--runtime", other, "--root", root)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "Nothing was changed."


def test_container_of_the_other_runtime_is_asked_there(
    tmp_path: Path, fp: FakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory with crun's `status` file belongs to crun, whatever the settings name."""
    root = _state_file(tmp_path, "podman", "web", "status")
    crun = tmp_path / "bin" / "crun"
    crun.parent.mkdir()
    crun.write_text("")
    crun.chmod(0o755)
    monkeypatch.setattr("shim.engines.runtimes.DIRECTORIES", (str(crun.parent),))
    fp.register([str(crun), "--root", str(root), "state", "web"], stdout=_state())
    assert json.loads(_report("web", "--json").output)["changed"] is True


def test_unknown_container_is_one_message() -> None:
    """No root has it: status 3, with the places that were searched and what to do."""
    result = _report("web")
    assert result.exit_code == 3
    assert result.stderr.startswith("cgshim: this host has no container web [no-container]\n")
    assert "remedy: cgshimctl audit lists the containers of this host, with their names" in result.stderr


def test_same_id_twice_is_a_question(tmp_path: Path) -> None:
    """Two roots have it: both are named, and --root decides."""
    places = [_state_file(tmp_path, root, "web") for root in ("default", "moby")]
    result = _report("web")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == "cgshim: there is more than one container web [ambiguous-container]"
    for place in places:
        assert f"evidence: {place}/web" in result.stderr
    assert f"remedy: name one of them: --root {places[0]} web" in result.stderr


def test_first_letters_of_an_id_are_enough(tmp_path: Path, runc: str, fp: FakeProcess) -> None:
    """Engines show twelve characters of an id: they find the one container whose id begins so."""
    root = _state_file(tmp_path, "moby", "0123456789abcdef")
    _state_file(tmp_path, "moby", "fedcba9876543210")
    fp.register([runc, "--root", str(root), "state", "0123456789abcdef"], stdout=_state())
    assert json.loads(_report("0123456789ab", "--json").output)["container"] == "0123456789abcdef"


def test_failing_runtime_is_quoted(tmp_path: Path, runc: str, fp: FakeProcess) -> None:
    """The runtime's own message and its exit status."""
    root = _state_file(tmp_path, "default", "web")
    fp.register([runc, "--root", str(root), "state", "web"], returncode=1, stderr="container does not exist\n")
    result = _report("web")
    assert result.exit_code == 3
    assert f"{runc} --root {root} state web: exit status 1: container does not exist" in result.stderr


def test_state_that_is_no_json_is_one_message(tmp_path: Path, runc: str, fp: FakeProcess) -> None:
    """A runtime that prints something else."""
    root = _state_file(tmp_path, "default", "web")
    fp.register([runc, "--root", str(root), "state", "web"], stdout="running\n")
    result = _report("web")
    assert result.exit_code == 3
    assert "printed no JSON object" in result.stderr


def test_missing_bundle_is_one_message(tmp_path: Path) -> None:
    """A path that does not exist."""
    result = _report(tmp_path / "none")
    assert result.exit_code == 3
    assert f"the bundle {tmp_path}/none does not exist" in result.stderr


@pytest.mark.parametrize("name", ["..", "."])
def test_an_id_that_is_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """`..` is not looked for below the runtimes' roots, nor handed to one."""
    root = tmp_path / "up" / "root"
    root.mkdir(parents=True)
    for place in (root, root.parent):
        (place / "state.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", name, "--root", str(root)])
    assert (result.exit_code, "[no-container]" in result.stderr) == (3, True), result.output
    assert "it is a directory's own name for itself or its parent" in result.stderr
