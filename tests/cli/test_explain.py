"""`cgshimctl explain`: from a file, standard input, a pasted text, a container's traces; and the catalogue itself."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli import explain as command
from shim.cli import report
from shim.cli.main import main
from shim.containers.resolve import resolve
from shim.diagnose.catalogue import ENTRIES
from shim.host.view import View

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

TEXT = "runc create failed: cannot set kernel memory with cgroupv2"


def _run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["explain", *args], input=stdin)


@pytest.fixture
def no_engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No engine left anything on this host; logs and roots may be put below the returned directory."""
    monkeypatch.setattr(command, "LOGS", (f"{tmp_path}/logs/*/{{}}/log.json",))
    monkeypatch.setattr(report, "ROOTS", (f"{tmp_path}/roots",))
    monkeypatch.setattr(report, "ROOTLESS", ())
    monkeypatch.setattr("shim.containers.resolve.resolve", lambda name: resolve(name, str(tmp_path)))
    return tmp_path


def test_a_pasted_text() -> None:
    """Verdict first, then code, cause, remedy and the runtime's own words."""
    result = _run(TEXT)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "kernel memory limits (memory.kernel, memory.kernelTCP) do not exist on this host"
    assert lines[1].split() == ["code", "kernel-memory-removed"]
    assert lines[-1] == f"  {TEXT}"


@pytest.mark.parametrize("how", ["stdin", "file"])
def test_a_log(how: str, tmp_path: Path) -> None:
    """A JSON log from a file or from standard input gives the same code."""
    log = tmp_path / "log.json"
    log.write_text(json.dumps({"level": "error", "msg": TEXT}) + "\n")
    result = _run("-", "--json", stdin=log.read_text()) if how == "stdin" else _run(str(log), "--json")
    found = json.loads(result.output)
    assert (found["schema"], found["code"], found["ours"]) == (1, "kernel-memory-removed", True)
    assert found["raw"] == log.read_text()


def test_a_bundle_confirms(tmp_path: Path) -> None:
    """With the bundle the fields of config.json become evidence."""
    config = {"linux": {"resources": {"memory": {"kernel": 5}}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = json.loads(_run(TEXT, "--json", "--bundle", str(tmp_path)).output)
    assert (found["confirmed"], found["evidence"]) == (True, ["config.json linux.resources.memory.kernel = 5"])


def test_what_is_not_recognised_has_its_own_status() -> None:
    """Scripts can tell it apart."""
    result = _run("no such words anywhere", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["code"] == "not-recognised"


def test_the_newest_log_of_a_container(no_engines: Path) -> None:
    """An id leads to the log that its engine let the runtime write."""
    for namespace, text, age in (("moby", "old: cgroups V1", 100), ("k8s.io", TEXT, 0)):
        log = no_engines / "logs" / namespace / "web" / "log.json"
        log.parent.mkdir(parents=True)
        log.write_text(json.dumps({"level": "error", "msg": text}))
        os.utime(log, (1e9 - age, 1e9 - age))
    assert json.loads(_run("web", "--json").output)["code"] == "kernel-memory-removed"


def test_an_id_that_left_nothing(no_engines: Path) -> None:
    """Nothing to explain is an error with a way out, status 3."""
    result = _run("ghost")
    assert result.exit_code == 3
    assert "there is no log and no trace of 'ghost' on this host [nothing-to-explain]" in result.output
    assert "cgshimctl explain 'MESSAGE'" in result.output


@pytest.mark.parametrize("args", [(), ("--last", "x y")])
def test_one_subject_at_a_time(args: tuple[str, ...]) -> None:
    """Neither none nor two."""
    result = _run(*args)
    assert result.exit_code == 2
    assert "name one of FILE, -, TEXT, NAME, ID, CODE, or use --last or --list" in result.output


def test_a_code_prints_its_row() -> None:
    """Title, cause and remedy, names of placeholders in angle brackets."""
    found = json.loads(_run("v1-controller-not-mounted", "--json").output)
    assert found["verdict"] == (
        "the <controller> limit cannot be set: the <controller> controller has no v1 hierarchy on this host"
    )
    assert (found["ours"], found["silent"]) == (True, False)
    text = _run("frozen-ancestor").output
    assert text.startswith("an ancestor of the container's cgroup is frozen: the start would hang for ever\n")


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("name-taken", "the engine has another runtime under this name"),
        ("pids-nowhere", "a limit needs the pids controller, which this host does not have"),
        ("nothing-to-explain", "there is no failure to explain"),
        ("not-recognised", "no entry of the catalogue fits the failure"),
    ],
)
def test_codes_of_refusals(code: str, title: str) -> None:
    """What stands in brackets behind a refusal, of cgshimctl's or by policy, is a code that can be asked for."""
    result = _run(code)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, title)
    assert "remedy" in result.output


def test_the_list_has_every_code() -> None:
    """As text and as JSON."""
    codes = [entry.code for entry in ENTRIES]
    assert [one["code"] for one in json.loads(_run("--list", "--json").output)["entries"]] == codes
    text = _run("--list").output
    assert [code for code in codes if f"  {code} " not in text] == []


@pytest.mark.parametrize(
    ("text", "runtime"),
    [("runc run failed: x", "runc"), ("crun: x", "crun"), ("open `/x`: y", "crun"), ("nothing", "runc")],
)
def test_the_runtime_is_told_from_its_words(text: str, runtime: str) -> None:
    """crun quotes with backticks, runc names itself."""
    assert command.context(View(), text, "", None).runtime == runtime


def test_an_unreadable_bundle(tmp_path: Path) -> None:
    """A bundle that cannot be used is an error, not a guess without it."""
    result = _run(TEXT, "--bundle", str(tmp_path))
    assert result.exit_code == 3
    assert f"{tmp_path}/config.json cannot be used" in result.output
    assert "[bad-bundle]" in result.output
