"""`cgshimctl explain`: from a file, standard input, a pasted text, a container's traces; and the catalogue itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim import system
from shim.cli import explain as command
from shim.cli import piped, report
from shim.cli.main import main
from shim.containers.resolve import resolve
from shim.diagnose.catalogue import ENTRIES
from shim.host.view import View
from tests.syntax import ROOT

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


def test_text_that_is_piped_in_needs_no_name(tmp_path: Path) -> None:
    """From a pipe and from a file; nobody's standard input (/dev/null) is still the wrong usage."""
    words = "runc create failed: cannot set limits without cgroups\n"
    (tmp_path / "log").write_text(words)
    argv = [sys.executable, "-m", "shim.cli.main", "explain", "--elsewhere", "--json"]
    by_pipe = subprocess.run(argv, check=True, input=words, cwd=ROOT, capture_output=True, text=True)
    with (tmp_path / "log").open() as log:
        redirected = subprocess.run(argv, check=True, stdin=log, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(by_pipe.stdout)["code"] == json.loads(redirected.stdout)["code"] == "limits-without-cgroups"
    nothing = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, cwd=ROOT, capture_output=True, text=True)
    assert (nothing.returncode, "name one of FILE, -, TEXT" in nothing.stderr) == (2, True)


def test_a_code_prints_its_row() -> None:
    """Title, cause and remedy, names of placeholders in angle brackets."""
    found = json.loads(_run("v1-controller-not-mounted", "--json").output)
    assert found["verdict"] == (
        "the <controller> limit cannot be set: the <controller> controller has no v1 hierarchy on this host"
    )
    assert (found["ours"], found["silent"]) == (True, False)
    text = _run("frozen-ancestor").output
    assert text.startswith("an ancestor of the container's cgroup is frozen: the start would hang forever\n")


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
    [("runc run failed: x", "runc"), ("crun: x", "crun"), ("open `/x`: y", "crun"), ("nothing", "other")],
)
def test_the_runtime_is_told_from_its_words(text: str, runtime: str) -> None:
    """crun quotes with backticks, runc names itself; where nothing tells it is neither."""
    assert command.context(View(), text, "", None).runtime == runtime


def test_an_unreadable_bundle(tmp_path: Path) -> None:
    """A bundle that cannot be used is an error, not a guess without it."""
    result = _run(TEXT, "--bundle", str(tmp_path))
    assert result.exit_code == 3
    assert f"{tmp_path}/config.json cannot be used" in result.output
    assert "[bad-bundle]" in result.output


def test_the_end_of_a_long_input_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine may have said a lot before it failed; input without an end is one error."""
    monkeypatch.setattr(piped, "LARGEST", 10_000)
    assert "kernel-memory-removed" in _run("-", stdin="x\n" * 50_000 + TEXT).output
    monkeypatch.setattr(system, "LARGEST", 200_000)
    result = _run("-", stdin="x\n" * 200_000)
    assert (result.exit_code, "standard input has more than 200000 characters" in result.stderr) == (3, True)


@pytest.mark.parametrize("name", ["..", "."])
def test_an_id_that_is_a_directory(no_engines: Path, name: str) -> None:
    """A runtime's state is not looked for above its root."""
    (no_engines / "roots").mkdir()
    (no_engines / "state.json").write_text('{"init_process_pid": 1, "config": {"labels": ["bundle=/b"]}}')
    result = _run(name)
    assert (result.exit_code, f"{name} is a directory [no-log]" in result.stderr) == (3, True), result.output


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("kernel-memory-remove", "kernel-memory-removed"),
        ("not-recognized", "not-recognised"),
        ("severel-causes", "several-causes"),
        ("Frozen-Ancestor", "frozen-ancestor"),
    ],
)
def test_a_mistyped_code_is_answered_with_what_was_meant(no_engines: Path, code: str, meant: str) -> None:
    """An error that names the nearest code, status 3."""
    result = _run(code)
    assert result.exit_code == 3
    assert f"Did you mean {meant}" in result.output


def test_nothing_like_a_code_is_not_guessed(no_engines: Path) -> None:
    """A container's id is no mistyped code."""
    assert "Did you mean" not in _run("4f7a9c3e51b2").output


@pytest.mark.parametrize(("stdin", "said"), [("", "standard input is empty"), (" \n\t\n", "standard input is empty")])
def test_an_empty_input_says_so(stdin: str, said: str) -> None:
    """Nothing, or white space alone, is no failure that could be explained."""
    result = _run("-", stdin=stdin)
    assert (result.exit_code, f"cgshim: {said} [nothing-to-explain]" in result.output) == (3, True)


def test_files_that_cannot_be_explained_say_why(tmp_path: Path) -> None:
    """An empty one, one that is not there, and a directory."""
    (tmp_path / "empty.log").write_text("")
    for subject, said in (
        ("empty.log", f"{tmp_path}/empty.log is empty [nothing-to-explain]"),
        ("none.log", f"{tmp_path}/none.log cannot be read: No such file or directory [no-log]"),
        ("", f"{tmp_path}/ is a directory [no-log]"),
    ):
        result = _run(f"{tmp_path}/{subject}")
        assert (result.exit_code, said in result.output) == (3, True)


SYSFS = (
    'runc run failed: error mounting "sysfs" to rootfs at "/sys": mount sysfs:/sys, flags: 0xe: operation not permitted'
)
SD_BUS = "crun: cannot open sd-bus: No such file or directory"


def test_several_causes_are_each_shown() -> None:
    """The likeliest first, each with its cause, a command that decides, and what to do; status 0."""
    result = _run(SYSFS, "--elsewhere")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith(
        "one of 3 causes, the likeliest first: sysfs cannot be mounted in this user namespace: parts"
    )
    assert [line[:2] for line in lines if line[:2] in ("1.", "2.", "3.")] == ["1.", "2.", "3."]
    assert result.output.count("how to tell") == 3
    assert "grep ' /sys' /proc/self/mountinfo" in result.output


def test_several_causes_as_json() -> None:
    """The causes are objects of their own."""
    found = json.loads(_run(SYSFS, "--elsewhere", "--json").output)
    assert (found["code"], found["confirmed"]) == ("several-causes", False)
    assert [one["code"] for one in found["causes"]] == found["others"]
    assert set(found["causes"][0]) == {"code", "verdict", "cause", "tell", "remedy", "reference"}


def test_elsewhere_confirms_nothing() -> None:
    """systemd that does not run here says nothing about the host of the text."""
    found = json.loads(
        _run("systemd not running on this host, cannot use systemd cgroups manager", "--elsewhere", "--json").output
    )
    assert (found["code"], found["confirmed"], found["evidence"]) == ("systemd-not-running", False, [])


def test_a_captured_host_confirms() -> None:
    """--host reads the facts from a capture: here nothing is mounted."""
    capture = ROOT / "tests" / "hosts" / "debian12-nothing-mounted-6.1"
    found = json.loads(_run("no cgroup mount found in mountinfo", "--host", str(capture), "--json").output)
    assert (found["code"], found["confirmed"]) == ("cgroup-not-mounted", True)


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("--host", "/nowhere", SD_BUS), 3, "/nowhere is not a captured host"),
        (("--host", "/", "--elsewhere", SD_BUS), 2, "use either --host or --elsewhere"),
    ],
)
def test_hosts_that_are_none(args: tuple[str, ...], status: int, said: str) -> None:
    """A directory without a capture, and two answers to one question."""
    result = _run(*args)
    assert (result.exit_code, said in result.output) == (status, True)


def test_a_message_without_a_cause_stands_first() -> None:
    """The words whole, then one line that says who spoke, and no facts that have nothing to do with them."""
    result = _run("podman: the frobnicator is out of frob")
    lines = result.output.splitlines()
    assert result.exit_code == 1
    assert lines[0] == "podman: the frobnicator is out of frob"
    assert lines[2] == "Podman failed with a message that is not in the catalogue [not-recognised]"
    assert "evidence" not in result.output


@pytest.mark.parametrize("code", ["several-causes", "not-recognised"])
def test_answers_without_an_entry_can_be_asked_for(code: str) -> None:
    """Their codes stand in brackets, too."""
    assert json.loads(_run(code, "--json").output)["code"] == code
