"""The engine's channel: each engine's way of reading a runtime's log and stderr, held here as rules.

podman shows its log only if the whole content is one JSON object, containerd shows the last error in it, CRI-O shows
stderr; podman cuts an escaped stderr at 4,069 bytes.
"""

from __future__ import annotations

import errno
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from shim.call import channel
from shim.call.argv import Invocation
from shim.errors import ShimError

if TYPE_CHECKING:
    from pathlib import Path

    from shim.errors import Notice

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
ERROR = ShimError("some-code", 'memory "x" went wrong', cause="é", evidence=("/a: 1",), remedy=("do it",))
TEXT = 'cgshim: memory "x" went wrong [some-code]\n  cause: é\n  evidence: /a: 1\n  remedy: do it'


def _invocation(log: str = "", log_format: str = "text", command: str = "", **more: Any) -> Invocation:
    return Invocation(arguments=(), log=log, log_format=log_format, command=command, **more)


def _json_records(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Where engines put a container's own log; ID stands for its id, BUNDLE for its bundle.
OWN = ["BUNDLE/log.json", "ID/log.json", "ID/userdata/oci-log"]


def _placed(tmp_path: Path, place: str, container: str) -> Path:
    path = tmp_path / place.replace("BUNDLE", f"bundle-of-{container}").replace("ID", container)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("place", OWN)
def test_json_log_of_one_container(tmp_path: Path, capfd: pytest.CaptureFixture[str], place: str) -> None:
    """The log holds exactly one object afterwards, whatever an earlier start left; stderr has the plain text."""
    path = _placed(tmp_path, place, "c1")
    path.write_text('{"level":"error","msg":"an earlier start"}\n')
    own = {"container_id": "c1", "bundle": str(tmp_path / "bundle-of-c1")}
    channel.fail(_invocation(str(path), "json", **own), ERROR)
    (record,) = _json_records(path)
    assert {**record, "time": ""} == {"level": "error", "msg": TEXT, "time": ""}
    assert re.fullmatch(TIME, record["time"])
    assert capfd.readouterr() == ("", TEXT + "\n")


@pytest.mark.parametrize("place", [*OWN, "log.json", "oci-log"])
def test_another_containers_records_stay(tmp_path: Path, place: str) -> None:
    """A log of that name that is not this container's own keeps what it has: each record is a line more."""
    path = _placed(tmp_path, place, "c2")
    earlier = '{"level":"error","msg":"of c2"}\n'
    path.write_text(earlier)
    for container in ("c1", ""):
        own = {"container_id": container, "bundle": str(tmp_path / "bundle-of-c1")}
        channel.fail(_invocation(str(path), "json", **own), ERROR)
    assert path.read_text().startswith(earlier)
    assert [record["msg"] for record in _json_records(path)] == ["of c2", TEXT, TEXT]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_log_of_many_containers_is_appended_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    """A log of any other name belongs to somebody else too and keeps what it has."""
    path = tmp_path / "runtime.log"
    path.write_text("earlier\n")
    channel.fail(_invocation(str(path), log_format), ERROR)
    earlier, line = path.read_text().splitlines()
    assert earlier == "earlier"
    if log_format == "json":
        assert json.loads(line)["msg"] == TEXT
    else:
        found = re.fullmatch(rf'time="{TIME}" level=error msg=(".*")', line)
        assert found
        assert json.loads(found[1]) == TEXT
    assert capfd.readouterr().err == TEXT + "\n"


def test_without_a_log_stderr_has_a_record(capfd: pytest.CaptureFixture[str]) -> None:
    """Bare runc writes a text record to stderr when there is no log; so do we, in one line."""
    channel.fail(_invocation(), ERROR)
    out, err = capfd.readouterr()
    found = re.fullmatch(rf'time="{TIME}" level=error msg=(".*")\n', err)
    assert out == ""
    assert found
    assert json.loads(found[1]) == TEXT


@pytest.mark.parametrize("command", ["update", "checkpoint"])
def test_what_engines_show_as_it_is(capfd: pytest.CaptureFixture[str], command: str) -> None:
    """The stderr of an update and of a checkpoint goes to podman's user unread, so it has the lines of the text."""
    channel.fail(_invocation(command=command), ERROR)
    assert capfd.readouterr() == ("", TEXT + "\n")


def test_new_log_is_private(tmp_path: Path) -> None:
    """A log that is made here can be read by its owner only."""
    path = tmp_path / "log.json"
    channel.fail(_invocation(str(path), "json"), ERROR)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("log", ["journald:id", "syslog:id"])
def test_log_that_is_no_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    """crun's journal and syslog are left alone; stderr has the message."""
    monkeypatch.chdir(tmp_path)
    channel.fail(_invocation(log), ERROR)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == TEXT + "\n"


def test_the_verdict_is_said_whatever_fails(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that makes words printable cannot be read: EIO, or no descriptor is left."""

    def unreadable(_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(ShimError, "text", unreadable)
    channel.fail(_invocation(), ShimError("some-code", "x\x85\n\x1b[2J\u202e went wrong"))
    assert capfd.readouterr() == ("", "cgshim: x\\x85\\n\\x1b[2J\\u202e went wrong [some-code]\n")


def test_log_with_a_scheme(tmp_path: Path) -> None:
    """crun's file:PATH is PATH."""
    channel.fail(_invocation(f"file:{tmp_path}/x.log", "json"), ERROR)
    assert _json_records(tmp_path / "x.log")[0]["msg"] == TEXT


@pytest.mark.parametrize("log", ["/dev/full", "/no/such/dir/log.json", "/"], ids=["full", "missing", "directory"])
def test_log_that_cannot_be_written(capfd: pytest.CaptureFixture[str], log: str) -> None:
    """Then stderr is all there is, and nothing is raised."""
    channel.fail(_invocation(log, "json"), ERROR)
    assert capfd.readouterr().err == TEXT + "\n"


LONG = {
    "lines": ShimError("c", "w", evidence=tuple(f"line {i} of many" for i in range(300))),
    "one-line": ShimError("c", "x" * 100000),
    "quotes": ShimError("c", '"' * 5000),
    "not-ascii": ShimError("c", "é" * 5000),
    "control-characters": ShimError("c", "\1" * 5000),
    "surrogates": ShimError("c", "\ud800\udcff" * 5000),
    "astral": ShimError("c", "😀" * 5000),
}


@pytest.mark.parametrize("error", LONG.values(), ids=LONG)
@pytest.mark.parametrize("with_log", [True, False], ids=["log", "no-log"])
def test_stderr_stays_below_podmans_limit(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], error: ShimError, with_log: bool
) -> None:
    """At most 2,000 bytes go to stderr, 4,069 as conmon escapes them; the log has the whole text."""
    path = tmp_path / "oci-log"
    channel.fail(_invocation(str(path) if with_log else "", "json"), error)
    written = capfdbinary.readouterr().err
    assert 1 <= len(written) <= 2000
    assert len(json.dumps(written.decode(), ensure_ascii=False)) <= 4069
    assert b"cgshim: " in written
    assert "..." in written.decode()[-8:]
    if with_log:
        assert len(_json_records(path)[0]["msg"]) > 5000


def test_text_of_a_file_does_not_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """Control characters, bytes that are no UTF-8 and halves of characters are spelled out."""
    channel.fail(_invocation("journald:x"), ShimError("c", "a\x1b[31m\x7f\udcff\ud800\tb"))
    assert capfd.readouterr().err == "cgshim: a\\x1b[31m\\x7f\\udcff\\ud800\tb [c]\n"


def test_clipped_at_a_line() -> None:
    """A long text of several lines ends with a whole line and three dots."""
    lines = [f"line {number:04}" for number in range(1000)]
    clipped = channel.clipped("\n".join(lines))
    assert len(clipped.encode()) <= 1900
    *kept, dots = clipped.split("\n")
    assert dots == "..."
    assert kept == lines[: len(kept)]
    assert len(kept) > 180


@pytest.mark.parametrize("size", [1899, 1900], ids=["below", "at"])
def test_not_clipped_up_to_the_limit(size: int) -> None:
    """1900 bytes are not too many."""
    assert channel.clipped("x" * size) == "x" * size


def test_clipped_inside_an_endless_line() -> None:
    """1901 bytes are; the cut never splits a character."""
    assert channel.clipped("x" * 1901) == "x" * 1896 + "..."
    assert channel.clipped("é" * 1000) == "é" * 948 + "..."


NOTICES: list[Notice] = [("warning", "cgshim: memory.swap dropped"), ("info", "cgshim: pids.limit changed")]


def test_notices_go_to_containerds_log(tmp_path: Path) -> None:
    """One JSON object a line behind what the runtime wrote."""
    path = tmp_path / "log.json"
    path.write_text('{"level":"info","msg":"the runtime\'s own"}\n')
    channel.notify(_invocation(str(path), "json"), NOTICES)
    told = [(record["level"], record["msg"]) for record in _json_records(path)]
    assert told == [("info", "the runtime's own"), *NOTICES]


@pytest.mark.parametrize(
    ("name", "log_format"), [("oci-log", "json"), ("log.json", "text"), ("other.log", "json")], ids=str
)
def test_notices_nowhere_else(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, log_format: str) -> None:
    """podman would take a notice for a malformed error, and stderr is the container's own."""
    channel.notify(_invocation(str(tmp_path / name), log_format), NOTICES)
    channel.notify(_invocation(), NOTICES)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_notice_that_cannot_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    """A notice is never worth a container."""
    channel.notify(_invocation("/no/such/dir/log.json", "json"), NOTICES)
    assert capfd.readouterr() == ("", "")


def test_error_text_has_its_parts_in_order() -> None:
    """Verdict, cause, evidence, remedy; what is missing leaves no line."""
    assert ERROR.text() == TEXT
    assert ShimError("c", "what").text() == "cgshim: what [c]"
