"""The runtime failed, in this process: whose words reach the caller's log, and what becomes of the file."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from shim.call import entry
from shim.host.facts import UNIFIED
from shim.state import last
from tests.fake_runtime import FakeRuntime
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFUSAL = "cgshim: pids.limit did not reach the kernel, so the container was not started [limit-not-applied]"
MISSING = 'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRuntime]:
    """A runtime on a made host; the signals are let through again."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    monkeypatch.setattr("shim.host.detect.detect", lambda *_, **__: make_host(UNIFIED))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield FakeRuntime(tmp_path)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _fails(runtime: FakeRuntime, *messages: str, command: str = "create") -> list[dict[str, Any]]:
    """The records in the caller's log after a call whose runtime logs these errors and ends with 1."""
    records = "\n".join(json.dumps({"level": "error", "msg": message, "time": "T"}) for message in messages)
    (runtime.place / "said").write_text(records + "\n")
    # Its arguments: --root ROOT --log PATH ...
    runtime.does("create", status=1, script=f'[ "$3" = --log ] && cat {runtime.place}/said >> "$4"\n')
    log = runtime.place / "caller.json"
    words = ("--log", str(log), "--log-format", "json", command, "--bundle", str(runtime.bundle), "c1")
    status = entry.call(runtime.invocation(*words), str(runtime.path), "")
    assert os.waitstatus_to_exitcode(status) == 1
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_what_is_the_users_own_goes_on_as_it_is(runtime: FakeRuntime) -> None:
    """A command that the image does not have: the runtime's record, its time included."""
    assert _fails(runtime, MISSING) == [{"level": "error", "msg": MISSING, "time": "T"}]


def test_the_refusal_of_our_own_hook_is_unwrapped(runtime: FakeRuntime) -> None:
    """runc quotes the hook's stderr; only that is shown."""
    framed = f"runc run failed: error running createRuntime hook #0: exit status 1, stdout: , stderr: {REFUSAL}\n"
    (record,) = _fails(runtime, framed)
    assert record["msg"] == REFUSAL


def test_the_refusal_of_our_own_hook_under_crun(runtime: FakeRuntime) -> None:
    """crun says only that a hook failed; the hook has left its words a moment ago."""
    last.remember(REFUSAL, "limit-not-applied", "c1")
    (record,) = _fails(runtime, "error executing hook `/usr/bin/python3` (exit code: 1)")
    assert record["msg"] == REFUSAL


def test_a_hook_of_another_container_says_nothing_of_this_one(runtime: FakeRuntime) -> None:
    """What was left about another container is not shown."""
    last.remember(REFUSAL, "limit-not-applied", "c2")
    records = _fails(runtime, "error executing hook `/usr/bin/python3` (exit code: 1)")
    assert all(REFUSAL not in record["msg"] for record in records)


def test_a_failure_without_words_stays_without(runtime: FakeRuntime) -> None:
    """Nothing in the runtime's log, nothing in the caller's."""
    (runtime.place / "said").write_text("")
    log = runtime.place / "caller.json"
    runtime.does("create", status=1)
    words = ("--log", str(log), "--log-format", "json", "create", "--bundle", str(runtime.bundle), "c1")
    assert os.waitstatus_to_exitcode(entry.call(runtime.invocation(*words), str(runtime.path), "")) == 1
    assert log.read_text() == ""


def test_a_fault_in_explaining_costs_no_words(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime's own record is handed on."""

    def fail(*_: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr("shim.call.failure.tell", fail)
    assert _fails(runtime, MISSING) == [{"level": "error", "msg": MISSING, "time": "T"}]


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
    return os.waitstatus_to_exitcode(entry.call(runtime.invocation(*words), str(runtime.path), ""))


def test_the_fatal_record_before_the_error_is_the_reason(runtime: FakeRuntime) -> None:
    """runc 1.1 logs what its first stage says as a record of its own, and then that it heard nothing more."""
    _logs(runtime, ("fatal", FATAL), ("error", HEARD_NO_MORE))
    log = runtime.place / "caller.json"
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
    log = runtime.place / "caller.json"
    before = ("--log", str(log), "--log-format", "json") if logged else ()
    assert _call(runtime, *before, "update", "--cpuset-cpus", "5", "c1") == 1
    err = capfd.readouterr().err
    if logged:
        last_record = json.loads(log.read_text().splitlines()[-1])
        assert last_record == {"level": "warning", "msg": HALF_DONE, "time": "T"}
    else:
        assert err.startswith("cgshim: ")
        assert err.splitlines()[-1] == f'time="T" level=warning msg="{HALF_DONE}"'


def test_a_relative_log_of_criu_is_read(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--work-path ./work`: the path that the runtime gives counts from its directory, which is the caller's."""
    (runtime.place / "work").mkdir()
    cause = "(00.1) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option."
    (runtime.place / "work" / "dump.log").write_text(f"{cause}\n")
    monkeypatch.chdir(runtime.place)
    _logs(runtime, ("error", "criu failed: type NOTIFY errno 0\nlog file: work/dump.log"))
    assert _call(runtime, "checkpoint", "--work-path", "./work", "c1") == 1
    err = capfd.readouterr().err
    assert f"evidence: {runtime.place}/work/dump.log: {cause}" in err
    assert "<log>" not in err
