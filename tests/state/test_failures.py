"""Files of cgshim's own: the last diagnosis and other small objects, whole, private, bounded."""

from __future__ import annotations

import json
import os
import posix
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.call import channel
from shim.call.argv import Invocation
from shim.cli.main import main
from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.render import as_dict, render
from shim.diagnose.stored import read_back
from shim.errors import ShimError
from shim.state import failures, files

if TYPE_CHECKING:
    from pathlib import Path

OLD = {
    "schema": 1,
    "time": 1795348800,
    "code": "cgroup-v1-unified",
    "container": "web",
    "text": "cgshim: runc refuses [unified] on cgroup v1 [cgroup-v1-unified]\n"
    "  cause: the key exists only on cgroup2\n"
    "  evidence: /sys/fs/cgroup: tmpfs\n"
    "  evidence: /proc/filesystems: cgroup2\n"
    "  remedy: translate: the key\n"
    "  see: cgroup-v2.rst\n"
    "  runtime: runc: a\n"
    "  runtime: b: c",
}
ERROR = ShimError("some-code", "it failed", cause="a cause", evidence=("/a: 1", "/b: 2"), remedy=("do it",))


def test_remember_and_recall(state_directory: Path) -> None:
    """One file, for its owner alone; the next failure replaces it."""
    assert failures.recall() is None
    failures.remember("first", "a-code")
    failures.remember("second", "b-code", "web")
    found = failures.recall()
    assert found is not None
    assert (found["text"], found["code"], found["container"]) == ("second", "b-code", "web")
    assert sorted(os.listdir(state_directory)) == ["failures", "last.json"]
    assert (state_directory / "last.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2, "text": "x"}', '{"schema": 1, "text": 1}'])
def test_unusable_file_is_none(state_directory: Path, text: str) -> None:
    """Nothing is recalled, and no error either."""
    (state_directory / "last.json").write_text(text)
    assert failures.recall() is None


def test_failing_to_keep_is_not_fatal(tmp_path: Path) -> None:
    """The state directory is a file: the failure that was to be told is told elsewhere."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    failures.remember("text", "code", environment={"CGSHIM_STATE": str(blocked)})
    assert failures.recall({"CGSHIM_STATE": str(blocked)}) is None


def test_directory_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below /tmp anybody may have made it first: nothing is written there, nothing read."""
    place = tmp_path / "cgshim"
    failures.remember("mine", "code", environment={"CGSHIM_STATE": str(place)})
    monkeypatch.setattr(posix, "geteuid", lambda: 4242)
    if place.stat().st_uid == 0:
        os.chown(place, 4243, 4243)
    assert failures.recall({"CGSHIM_STATE": str(place)}) is None
    failures.remember("theirs", "code", environment={"CGSHIM_STATE": str(place)})
    assert json.loads((place / "last.json").read_text())["text"] == "mine"


def test_the_engines_channel_remembers(state_directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every refusal of an intercepted call, with the container's id."""
    channel.fail(Invocation(arguments=(), log="", log_format="text", container_id="web"), ERROR)
    capfd.readouterr()
    found = json.loads((state_directory / "last.json").read_text())
    assert (found["code"], found["container"], found["text"]) == ("some-code", "web", ERROR.text())


def test_oldest_files_go(tmp_path: Path) -> None:
    """Of more than the bound the ones that were written first."""
    for number in range(5):
        files.write(str(tmp_path), f"{number}.json", {"n": number}, 3)
        os.utime(tmp_path / f"{number}.json", (number, number))
    assert sorted(os.listdir(tmp_path)) == ["2.json", "3.json", "4.json"]


def test_write_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    """The name is taken by a directory: an error, and no other file is left."""
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write(str(tmp_path), "a.json", {})
    assert os.listdir(tmp_path) == ["a.json"]


def test_diagnosis_is_read_back_from_either_text() -> None:
    """A refusal's own text and a rendered diagnosis, with the runtime's words."""
    found = read_back({"text": ERROR.text()})
    assert found == Diagnosis(
        code="some-code",
        verdict="it failed",
        cause="a cause",
        evidence=("/a: 1", "/b: 2"),
        remedy=("do it",),
        confirmed=True,
    )
    given = Diagnosis(code="x-y", verdict="v: [w]", reference="a manual", raw="runc: one\ntwo", evidence=("e",))
    assert read_back({"text": render(given)}) == given.changed(confirmed=True)
    assert read_back({"text": "runc create failed"}) is None
    assert read_back({"text": ""}) is None


def test_diagnosis_is_read_back_whole(state_directory: Path) -> None:
    """With its fields beside the text nothing is cut or guessed: two causes with all they have, words of any form."""
    one = Diagnosis(code="a-b", verdict="v", cause="c", tell="look", remedy=("do", "or do"), reference="r")
    given = Diagnosis(
        code="x-y",
        verdict="v: [w] " + "long " * 500,
        cause="remedy: not one",
        evidence=("  cause: not one",),
        remedy=("r [x]",),
        raw="runc: one\n  two",
        others=("a-b",),
        causes=(one,),
        confirmed=True,
    )
    failures.remember(render(given), "", "web", parts=as_dict(given))
    kept = failures.recall()
    assert kept is not None
    assert read_back(kept) == given


def test_a_refusal_is_read_back_from_its_fields(state_directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As it was said, with foreign words escaped as they are in its text."""
    error = ShimError("some-code", "it\nfailed", cause="a cause", evidence=("/a: \x1b[2J",), remedy=("do it",))
    channel.fail(Invocation(arguments=(), log="", log_format="text", container_id="web"), error)
    capfd.readouterr()
    kept = failures.recall()
    assert kept is not None
    assert read_back(kept) == Diagnosis(
        code="some-code",
        verdict="it\\nfailed",
        cause="a cause",
        evidence=("/a: \\x1b[2J",),
        remedy=("do it",),
        confirmed=True,
    )


@pytest.mark.parametrize("parts", [5, [], {}, {"verdict": 5}], ids=str)
def test_fields_of_another_form(parts: object) -> None:
    """The text counts then."""
    found = read_back({"text": ERROR.text(), "diagnosis": parts})
    assert found is not None
    assert found.code == "some-code"
    other = read_back({"text": "", "diagnosis": {"verdict": "v", "evidence": 5, "causes": [1, {"code": 2}]}})
    assert other == Diagnosis(code="", verdict="v", causes=(Diagnosis(code="", verdict=""),))


def test_explain_last_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cgshimctl explain --last`: what was remembered, as text and as JSON."""
    monkeypatch.setattr("shim.cli.explain.LOGS", ())
    monkeypatch.setattr("shim.cli.explain.report.roots", list)
    assert CliRunner().invoke(main, ["explain", "--last"]).exit_code == 3
    failures.remember(ERROR.text(), ERROR.code)
    shown = CliRunner().invoke(main, ["explain", "--last", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    assert (found["code"], found["verdict"], found["evidence"]) == ("some-code", "it failed", ["/a: 1", "/b: 2"])


def test_explain_last_prefers_the_newer_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An engine's log that was written later is what the user means."""
    log = tmp_path / "log.json"
    log.write_text('{"level":"error","msg":"runc create failed: cannot use unified on cgroup v1"}')
    monkeypatch.setattr("shim.cli.explain.LOGS", (str(log),))
    failures.remember(ERROR.text(), ERROR.code)
    os.utime(log, (4102444800, 4102444800))  # 2100
    assert "some-code" not in CliRunner().invoke(main, ["explain", "--last"]).output
    os.utime(log, (1, 1))
    assert "some-code" in CliRunner().invoke(main, ["explain", "--last"]).output


def test_only_what_was_just_said_of_the_container_counts(state_directory: Path) -> None:
    """Another container's diagnosis, or an hour-old one, explains nothing."""
    failures.remember("text", "code", "web")
    assert (failures.just_said_of("web"), failures.just_said_of("db"), failures.just_said_of("")) == ("text", "", "")
    path = state_directory / "last.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "time": found["time"] - 3600}))
    assert failures.just_said_of("web") == ""


def test_the_newest_failures_are_kept(state_directory: Path) -> None:
    """One file each, newest first, for their owner alone; above a hundred the oldest go."""
    for number in range(failures.KEPT + 7):
        failures.remember(f"text {number}", "a-code", f"container-{number}")
    found = failures.failures()
    assert [one["text"] for one in found[:2]] == ["text 106", "text 105"]
    assert len(found) == len(os.listdir(state_directory / "failures")) == 100
    assert found[-1]["text"] == "text 7"
    assert (state_directory / "failures").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (state_directory / "failures").iterdir()} == {0o600}


def test_a_failure_is_found_by_its_container(state_directory: Path) -> None:
    """By the whole id or by the beginning of it, the newest of several."""
    failures.remember("old", "a-code", "4f7a9c3e51b2aaaa")
    failures.remember("new", "a-code", "4f7a9c3e51b2aaaa")
    failures.remember("other", "a-code", "web")
    for name, text in (("4f7a9c3e51b2aaaa", "new"), ("4f7a9c3e51b2", "new"), ("web", "other")):
        found = failures.of_container(name)
        assert found is not None
        assert found["text"] == text
    assert [failures.of_container(name) for name in ("4f7", "we", "ghost")] == [None, None, None]


def test_failures_are_listed(state_directory: Path) -> None:
    """Age, container, code and the first line; as JSON the whole text."""
    assert CliRunner().invoke(main, ["failures"]).output == "No failures are stored.\n"
    failures.remember("cgshim: it failed [some-code]\n  cause: x", "", "web")
    lines = CliRunner().invoke(main, ["failures"]).output.splitlines()
    assert lines[0].split() == ["AGE", "CONTAINER", "CODE", "MESSAGE"]
    assert lines[1].split()[-6:] == ["web", "some-code", "cgshim:", "it", "failed", "[some-code]"]
    shape = json.loads(CliRunner().invoke(main, ["failures", "--json"]).output)
    assert [(one["container"], one["code"]) for one in shape["failures"]] == [("web", "some-code")]


def test_explain_finds_a_failure_by_its_container(state_directory: Path) -> None:
    """With time, age and container in front of it."""
    failures.remember(render(Diagnosis(code="some-code", verdict="it failed", remedy=("do it",))), "", "web")
    for args in (["web"], ["--last"]):
        result = CliRunner().invoke(main, ["explain", *args])
        assert result.exit_code == 0
        assert result.output.splitlines()[0].endswith("ago), container web")
        assert result.output.splitlines()[1] == "it failed"


def test_several_causes_are_read_back(state_directory: Path) -> None:
    """What was shown of them is kept: code, how to tell, what to do."""
    one = Diagnosis(code="one-cause", verdict="the first", tell="look here", remedy=("do this",))
    two = Diagnosis(code="two-cause", verdict="the second", tell="look there", remedy=("do that",))
    others = ("one-cause", "two-cause")
    given = Diagnosis(code="several-causes", verdict="one of 2", causes=(one, two), others=others, raw="words")
    failures.remember(render(given), "", parts=as_dict(given))
    found = failures.recall()
    assert found is not None
    assert read_back(found) == given


def test_words_without_a_cause_are_read_back(state_directory: Path) -> None:
    """They stand first and whole in the text, and are kept as the runtime said them; the end of very many goes."""
    given = Diagnosis(code="not-recognised", verdict="x", raw="one\ntwo: Permission denied\n")
    failures.remember(render(given), "", parts=as_dict(given))
    found = failures.recall()
    assert found is not None
    assert found["text"].startswith("one\n  runtime: two: EACCES\ncgshim: no cause is known for this message")
    assert read_back(found) == given
    failures.remember(render(given), "", parts=as_dict(given.changed(raw="x" * (80 << 10))))
    found = failures.recall()
    assert found is not None
    assert read_back(found) == given.changed(raw="x" * (32 << 10))


def test_what_version_0_1_kept(state_directory: Path) -> None:
    """A last.json without fields is read from its text."""
    (state_directory / "last.json").write_text(json.dumps(OLD))
    kept = failures.recall()
    assert kept is not None
    assert read_back(kept) == Diagnosis(
        code="cgroup-v1-unified",
        verdict="runc refuses [unified] on cgroup v1",
        cause="the key exists only on cgroup2",
        evidence=("/sys/fs/cgroup: tmpfs", "/proc/filesystems: cgroup2"),
        remedy=("translate: the key",),
        reference="cgroup-v2.rst",
        raw="runc: a\nb: c",
        confirmed=True,
    )
