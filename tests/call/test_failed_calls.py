"""The runtime failed, in this process: whose words reach the caller's log, and what becomes of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shim.call import entry
from shim.state import failures
from tests.fake_runtime import FakeRuntime, exit_status

if TYPE_CHECKING:
    import pytest

REFUSAL = "cgshim: the kernel does not show pids.limit, so the container was not started [limit-not-applied]"
MISSING = 'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'


def _fails(runtime: FakeRuntime, *messages: str, command: str = "create") -> list[dict[str, Any]]:
    """The records in the caller's log after a call whose runtime logs these errors and ends with 1."""
    records = "\n".join(json.dumps({"level": "error", "msg": message, "time": "T"}) for message in messages)
    (runtime.place / "said").write_text(records + "\n")
    # Its arguments: --root ROOT --log PATH ...
    runtime.does("create", status=1, script=f'[ "$3" = --log ] && cat {runtime.place}/said >> "$4"\n')
    log = runtime.place / "caller.json"
    words = ("--log", str(log), "--log-format", "json", command, "--bundle", str(runtime.bundle), "c1")
    status = entry.call(runtime.invocation(*words), str(runtime.path), "")
    assert exit_status(status) == 1
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
    failures.remember(REFUSAL, "limit-not-applied", "c1")
    (record,) = _fails(runtime, "error executing hook `/usr/bin/python3` (exit code: 1)")
    assert record["msg"] == REFUSAL


def test_a_hook_of_another_container_says_nothing_of_this_one(runtime: FakeRuntime) -> None:
    """What was left about another container is not shown."""
    failures.remember(REFUSAL, "limit-not-applied", "c2")
    records = _fails(runtime, "error executing hook `/usr/bin/python3` (exit code: 1)")
    assert all(REFUSAL not in record["msg"] for record in records)


def test_a_failure_without_words_stays_without(runtime: FakeRuntime) -> None:
    """Nothing in the runtime's log, nothing in the caller's."""
    (runtime.place / "said").write_text("")
    log = runtime.place / "caller.json"
    runtime.does("create", status=1)
    words = ("--log", str(log), "--log-format", "json", "create", "--bundle", str(runtime.bundle), "c1")
    assert exit_status(entry.call(runtime.invocation(*words), str(runtime.path), "")) == 1
    assert log.read_text() == ""


def test_a_fault_in_explaining_costs_no_words(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime's own record is handed on."""

    def fail(*_: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr("shim.call.failure.tell", fail)
    assert _fails(runtime, MISSING) == [{"level": "error", "msg": MISSING, "time": "T"}]
