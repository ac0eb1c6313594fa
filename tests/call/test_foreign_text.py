"""Hostile words in every place that they can come from, seen on every channel that shows them.

A channel is clean if nothing in it is unprintable, and if its lines and records are as many, and begin, as they would
with a harmless word in the place of the hostile one.
"""

from __future__ import annotations

import json
import os
import sys
import syslog
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.call import channel, failure, faults, runtime_log
from shim.call.argv import Invocation
from shim.call.prepare import Call, Prepared
from shim.cli.main import main
from shim.containers import hook_state
from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import report, rewrite, settings
from shim.stages import call
from shim.state import failures, files, hook_notices
from shim.system import memory_file
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shim.rules.runtimes import Family

FORGED = "cgshim: all is well [fine]"
ENDS = ("\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
CONTROLS = "\x1b[2J\x1b]0;title\x07\x9b31m\x08\x00\u202e\u2066\u200f\udcff\ud800"
HOSTILE = "x" + "".join(end + FORGED for end in ENDS) + CONTROLS + "y"
HARMLESS = "xy"
LEGACY = str(ROOT / "tests/hosts/debian12-legacy-comounted-6.1")
HOST = str(ROOT / "tests/hosts/debian12-unified-6.1")
EMPTY = settings.Settings(origins=dict.fromkeys(settings.KEYS, "default"))


def _on_disk(word: str) -> str:
    """As a path or an argument could have it: neither a NUL nor half of a surrogate pair."""
    return word.replace("\x00", "").replace("\ud800", "")


def _quoted(word: str) -> str:
    return json.dumps(word)


def _read(text: str) -> document.Document:
    return document.load(text, "/b/config.json")


def _settings(tmp_path: Path, text: str) -> settings.Settings:
    path = tmp_path / "settings"
    path.write_text(text)
    return settings.load({"CGSHIM_CONFIG": str(path)})


def _planned(resources: str, host: str = HOST) -> rewrite.Rewrite:
    """A plan for runc on a captured host."""
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command="create")
    loaded = _read(f'{{"ociVersion":"1.0.2","linux":{{"resources":{resources}}}}}')
    return rewrite.of(loaded, rewrite.RESOURCES, asked, EMPTY, CapturedView(host))


def _judged(resources: str, host: str = HOST) -> None:
    rewrite.judge(_planned(resources, host))


# Place -> what is done with the words there; each raises ShimError.
PLACES: dict[str, Callable[[str, Path], object]] = {
    "bundle path": lambda word, _: document.read(f"/no/{_on_disk(word)}/config.json"),
    "path of bad JSON": lambda word, _: document.load("{", f"/b/{word}/config.json"),
    "bad character": lambda word, _: _read('{"linux":' + word[1:]),
    "duplicate key": lambda word, _: _planned(f"{{{_quoted(word)}:1,{_quoted(word)}:2}}"),
    "value of a limit": lambda word, _: _planned(f'{{"memory":{{"limit":{_quoted(word)}}}}}'),
    "value in unified": lambda word, _: _judged(f'{{"unified":{{"memory.max":{_quoted(word)}}}}}', LEGACY),
    "key in unified": lambda word, _: _judged(f'{{"unified":{{{_quoted("hugetlb./" + word)}:"1"}}}}', LEGACY),
    "name of a device": lambda word, _: _planned(f'{{"rdma":{{{_quoted(word)}:{{"hcaHandles":"1"}}}}}}'),
    "annotation": lambda word, _: settings.policy_of(EMPTY, {settings.ANNOTATION: word}),
    "annotation for the hooks": lambda word, _: call.enabled({call.ANNOTATION: word}, EMPTY),
    "key of the settings": lambda word, tmp: _settings(tmp, f"{{{_quoted(word)}:1}}"),
    "value in the settings": lambda word, tmp: _settings(tmp, f'{{"policy":{_quoted(word)}}}'),
    "runtime in the settings": lambda word, tmp: _settings(tmp, f'{{"runtime":{_quoted("/no/" + word)}}}'),
    "arguments of a hook": lambda word, _: call.options([word], {}, "usage"),
    "state for a hook": lambda word, _: hook_state._checked({"ociVersion": word, "id": "x", "bundle": "/b"}),
    "fault of our own": lambda word, _: _raise(faults.own_fault(ValueError(word))),
}


def _raise(error: ShimError) -> None:
    raise error


def _error(place: str, word: str, tmp_path: Path) -> ShimError:
    with pytest.raises(ShimError) as caught:
        PLACES[place](word, tmp_path)
    return caught.value


def assert_clean(text: str, like: str = "") -> None:
    """Nothing unprintable, and the lines of `like`, as far as the words in them are not the hostile ones."""
    assert [one for one in text if not (one.isprintable() or one in "\n\t")] == []
    found = [found.strip() for found in text.splitlines()]
    assert [one for one in found if one.startswith((FORGED, "level="))] == []
    if like:
        assert len(found) <= len(like.splitlines())  # of a message that is too long stderr has the beginning


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("log", ["log.json", "runtime.log", ""])
def test_refusal(place: str, log: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """On stderr, in both forms of the engine's log and in what `explain --last` shows."""
    harmless, error = _error(place, HARMLESS, tmp_path).text(), _error(place, HOSTILE, tmp_path)
    path = tmp_path / log if log else None
    form = "json" if log == "log.json" else "text"
    invocation = Invocation(arguments=(), log=str(path or ""), log_format=form, container_id=HOSTILE)
    channel.fail(invocation, error)
    err = capfd.readouterr().err
    assert_clean(err, harmless if log else "one")
    if path:
        content = path.read_text()
        assert content.count("\n") == 1
        assert content.isascii()
        message = json.loads(content)["msg"] if form == "json" else json.loads(content.partition(" msg=")[2])
        assert_clean(message, harmless)
    kept_text = (failures.recall() or {})["text"]
    assert_clean(kept_text, harmless)
    assert len(kept_text.splitlines()) == len(harmless.splitlines())
    shown = CliRunner().invoke(main, ["explain", "--last"]).output
    assert_clean(shown)


@pytest.mark.parametrize("place", PLACES)
def test_refusal_of_a_hook(
    place: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr and in the system's log, a record for each line of the message and no more."""
    records: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, text: records.append(text))
    harmless, error = _error(place, HARMLESS, tmp_path).text(), _error(place, HOSTILE, tmp_path)
    call.refuse(error, HOSTILE)
    assert_clean(capfd.readouterr().err, harmless)
    assert len(records) == len(harmless.splitlines())
    for record in records:
        assert_clean(record, "one")


def test_error_of_cgshimctl(tmp_path: Path) -> None:
    """A bundle of a hostile name, and a settings file with a hostile key."""
    shown = CliRunner().invoke(main, ["plan", str(tmp_path / _on_disk(HOSTILE)[:100])]).output
    assert "cgshim: " in shown
    assert_clean(shown)
    settings_file = tmp_path / "settings"
    settings_file.write_text(f"{{{_quoted(HOSTILE)}:1}}")
    shown = CliRunner().invoke(main, ["doctor"], env={"CGSHIM_CONFIG": str(settings_file)}).output
    assert "no such setting" in shown
    assert_clean(shown)


def test_notices_in_the_engines_log(tmp_path: Path) -> None:
    """One record for a notice, whatever key of `unified` it speaks of."""
    path = tmp_path / "log.json"
    channel.notify(Invocation(arguments=(), log=str(path), log_format="json"), [("warning", f"cgshim: {HOSTILE}")])
    (content,) = path.read_text().splitlines()
    assert_clean(json.loads(content)["msg"], "one")


def test_notices_in_the_systems_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record; syslog(3) would end it at a NUL and Python refuses halves of surrogate pairs."""
    records: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, text: records.append(text))
    channel.tell_operators([("warning", f"cgshim: {HOSTILE}")], HOSTILE)
    (record,) = records
    assert_clean(record, "one")
    monkeypatch.undo()
    channel.tell_operators([("warning", f"cgshim: {HOSTILE}")], HOSTILE)  # the real syslog takes it


def test_state_file_of_a_hooks_notices(tmp_path: Path) -> None:
    """What stands in a file that somebody else wrote is no more than a notice."""
    environment = {"CGSHIM_STATE": str(tmp_path / "state")}
    files.write(str(tmp_path / "state/notices"), "c.json", {"notices": [[HOSTILE, HOSTILE]]})
    path = tmp_path / "log.json"
    channel.notify(Invocation(arguments=(), log=str(path), log_format="json"), hook_notices.take("c", environment))
    (content,) = path.read_text().splitlines()
    assert_clean(json.loads(content)["msg"], "one")
    assert json.loads(content)["level"] == "warning"


def test_state_file_of_the_last_diagnosis(state_directory: Path) -> None:
    """`explain --last` and `--json` show it without what is in it, in the form of a diagnosis or in none."""
    for text in (HOSTILE, f"cgshim: {HOSTILE.replace(chr(10), '')} [some-code]\n  evidence: {HOSTILE}"):
        value = {"schema": 1, "time": 1 << 40, "code": HOSTILE, "container": HOSTILE, "text": text}
        files.write(str(state_directory), failures.FILE, value)
        assert_clean(CliRunner().invoke(main, ["explain", "--last"]).output)
        assert_clean(CliRunner().invoke(main, ["explain", "--last", "--json"]).output)


def test_state_file_of_a_report(state_directory: Path) -> None:
    """What the poststop hook kept of a container: a process names itself."""
    figure = dict.fromkeys(("name", "value", "unit", "source", "includes", "reason", "cgroup", "limited_by"), HOSTILE)
    value = {
        "schema": 1,
        "container": HOSTILE,
        "bundle": HOSTILE,
        "ended": 1,
        "figures": [figure],
        "killed": [{**figure, "pid": 7}],
        "absent": [figure],
    }
    files.write(str(state_directory / "reports"), "c.json", value)
    result = CliRunner().invoke(main, ["report", "c", "--root", str(state_directory)])
    assert "Killed" in result.output
    assert_clean(result.output)


def test_words_that_are_explained() -> None:
    """A text pasted to `explain`: the runtime's own words are in it without their controls."""
    result = CliRunner().invoke(
        main, ["explain", "-"], input=f"runc create failed: {_on_disk(HOSTILE)}".replace("\udcff", "")
    )
    assert "runc create failed: " in result.output
    assert_clean(result.output)


def test_report_in_the_annotation(tmp_path: Path) -> None:
    """The notes are for people; so are the tables of `report` and `plan` for a bundle that has them."""
    made = _planned(f'{{"memory":{{"swappiness":1}},"unified":{{{_quoted("memory.high")}:{_quoted("1M")}}}}}')
    note = made.plan.notes[0].changed(field=HOSTILE, reason=HOSTILE, lost=HOSTILE)
    shape = report.note_object(note)
    for text in shape.values():
        assert_clean(text, "one")
    hostile = {"schema": 1, "changes": [dict.fromkeys(("field", "effect", "reason", "lost"), HOSTILE)]}
    hostile["edits"] = [{"op": HOSTILE, "path": HOSTILE, "old": HOSTILE, "new": HOSTILE}]
    config = {"ociVersion": "1.0.2", "annotations": {report.ANNOTATION: json.dumps(hostile)}, "linux": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert "EDIT" in result.output
    assert_clean(result.output)


@pytest.mark.parametrize("layout", [None, 2], ids=["one line", "indented"])
def test_plan_of_a_hostile_configuration(tmp_path: Path, layout: int | None) -> None:
    """The diff shows a string of the file in its own line, not in as many as it has line ends for Python."""
    config = {
        "ociVersion": "1.0.2",
        "annotations": {HOSTILE: HOSTILE},
        "linux": {"cgroupsPath": "/x", "resources": {"memory": {"swappiness": 1, "limit": 1 << 30}}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config, indent=layout))
    result = CliRunner().invoke(main, ["plan", str(tmp_path), "--host", HOST, "--runtime", "/usr/sbin/runc"])
    assert "swappiness" in result.output
    assert_clean(result.output)


@pytest.mark.parametrize("family", ["runc", "crun"])
@pytest.mark.parametrize(
    "words", [f"cgroup: {HOSTILE}", f"runc create failed: mountpoint for devices not found{HOSTILE}"]
)
def test_runtime_output(words: str, family: Family, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the runtime logged: explained, or handed on in its own text form, it ends no line and no record."""
    path = tmp_path / "runtime.log"
    invocation = Invocation(arguments=(), command="create", log=str(path), log_format="text", container_id="c")
    handle = memory_file("log")
    record = {"level": "error", "msg": words, "time": "T", "other": HOSTILE}
    os.write(handle, (json.dumps(record) + "\n").encode())
    caller = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log = runtime_log.RuntimeLog(handle, caller, "text", family)
    this = Call(invocation=invocation, runtime=f"/{family}", family=family, variables={}, settings=EMPTY)
    failure.tell(this, Prepared(arguments=[]), log)
    os.close(handle)
    os.close(caller)
    content = path.read_text()
    assert content.count("\n") == 1
    assert_clean(content, "one")
    assert_clean(capfd.readouterr().err)


def test_import_fault(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that cannot be loaded, with hostile words in the error."""
    from shim.start import import_fault

    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    path = tmp_path / "log.json"
    argv: list[Any] = ["cgshim", "/usr/sbin/runc", "", "--log", str(path), "--log-format", "json", "create", "c"]
    monkeypatch.setattr(sys, "argv", argv)
    import_fault.tell(ImportError(HOSTILE), "shim.call.entry")
    assert ended == [1]
    assert_clean(capfd.readouterr().err, "one")
    assert_clean(json.loads(path.read_text())["msg"], "one")
