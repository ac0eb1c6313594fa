"""Words of the runtime that must not get lost when it fails: its decisive record, its warnings, CRIU's log."""

from __future__ import annotations

import json

import pytest

from shim.call import entry
from tests.fake_runtime import FakeRuntime, exit_status

MISSING = 'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'
FATAL = "nsexec[4711]: failed to update /proc/self/oom_score_adj: Permission denied"
HEARD_NO_MORE = "runc create failed: unable to start container process: can't get final child's PID from pipe: EOF"
HALF_DONE = "Setting back cgroup configs failed due to error: write: invalid argument, your state.json is inconsistent."


def _logs(runtime: FakeRuntime, *records: tuple[str, str]) -> None:
    """What the runtime writes to its log before it ends with 1."""
    text = "".join(json.dumps({"level": level, "msg": message, "time": "T"}) + "\n" for level, message in records)
    (runtime.place / "said").write_text(text)
    script = f'while [ $# -gt 1 ]; do [ "$1" = --log ] && cat {runtime.place}/said >> "$2"; shift; done\n'
    runtime.does("create", status=1, script=script)


def _call(runtime: FakeRuntime, *words: str) -> int:
    return exit_status(entry.call(runtime.invocation(*words), str(runtime.path), ""))


def test_the_fatal_record_before_the_error_is_the_reason(runtime: FakeRuntime) -> None:
    """runc 1.1 logs what its first stage says as a record of its own, and then that it heard nothing more."""
    _logs(runtime, ("fatal", FATAL), ("error", HEARD_NO_MORE))
    log = runtime.place / "log.json"
    words = ("--log", str(log), "--log-format", "json", "create", "--bundle", str(runtime.bundle), "c1")
    assert _call(runtime, *words) == 1
    (record,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert "[oom-score-may-not-be-lowered]" in record["msg"].splitlines()[0]


def test_the_fatal_record_reaches_stderr(runtime: FakeRuntime, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a log it is in the private one alone; the error's text the runtime itself writes to stderr."""
    _logs(runtime, ("fatal", "nsexec[1]: the user's own affair"), ("error", MISSING))
    assert _call(runtime, "create", "--bundle", str(runtime.bundle), "c1") == 1
    assert 'level=fatal msg="nsexec[1]: the user\'s own affair"' in capfd.readouterr().err


@pytest.mark.parametrize("logged", [True, False])
def test_a_warning_beside_the_failure_is_not_hidden(
    runtime: FakeRuntime, capfd: pytest.CaptureFixture[str], logged: bool
) -> None:
    """An update that could not be taken back: the diagnosis first, and the runtime's warning behind it."""
    _logs(runtime, ("warning", HALF_DONE), ("error", "failed to write 5: write /sys/fs/cgroup/cpuset/c1: EINVAL"))
    log = runtime.place / "log.json"
    before = ("--log", str(log), "--log-format", "json") if logged else ()
    assert _call(runtime, *before, "update", "--cpuset-cpus", "5", "c1") == 1
    err = capfd.readouterr().err
    if logged:
        last_record = json.loads(log.read_text().splitlines()[-1])
        assert last_record == {"level": "warning", "msg": HALF_DONE, "time": "T"}
    else:
        assert "cgshim: " in err
        assert err.splitlines()[-1] == f'time="T" level=warning msg="{HALF_DONE}"'


def test_a_relative_log_of_criu_is_read(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--work-path ./dumps`: the path that the runtime gives counts from its directory, which is the caller's."""
    (runtime.place / "dumps").mkdir()
    cause = "(00.1) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option."
    (runtime.place / "dumps" / "dump.log").write_text(f"{cause}\n")
    monkeypatch.chdir(runtime.place)
    _logs(runtime, ("error", "criu failed: type NOTIFY errno 0\nlog file: dumps/dump.log"))
    assert _call(runtime, "checkpoint", "--work-path", "./dumps", "c1") == 1
    err = capfd.readouterr().err
    assert f"evidence: {runtime.place}/dumps/dump.log: {cause}" in err
    assert "<log>" not in err
