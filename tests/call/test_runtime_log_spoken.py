"""What the runtime says on success where the caller named no log."""

from __future__ import annotations

import os

import pytest

from shim.call import failure, log_records
from shim.call.runtime_log import RuntimeLog
from shim.diagnose.diagnosis import Context
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import explain
from shim.system import memory_file

RECORDS = (
    '{"level":"warning","msg":"container\'s cgroup is not empty","time":"T"}\n{"level":"error","msg":"no","time":"T"}\n'
)
# As runc 1.1.5 logs it.
REASON = "nsexec[27]: failed to update /proc/self/oom_score_adj: Permission denied"
EOF = "runc create failed: unable to start container process: can't get final child's PID from pipe: EOF"
FATAL = f'{{"level":"fatal","msg":"{REASON}","time":"T"}}\n{{"level":"error","msg":"{EOF}","time":"T"}}\n'


def test_warnings_go_to_stderr_without_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    """In runc's text form, as it would have written them itself; the error's text it has written already."""
    handle = memory_file("log")
    os.write(handle, RECORDS.encode())
    RuntimeLog(handle, -1, "text", "runc").hand_on()
    os.close(handle)
    assert capfd.readouterr() == ("", 'time="T" level=warning msg="container\'s cgroup is not empty"\n')


def test_a_log_that_cannot_be_read_costs_no_container(capfd: pytest.CaptureFixture[str]) -> None:
    """The runtime has made the container; what it logged on the way is not worth more."""
    log = RuntimeLog(-1, 1, "json", "runc", -1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        log.text()
    log.hand_on()
    assert capfd.readouterr() == ("", "")


def test_stderr_that_was_kept_back_comes_first(capfd: pytest.CaptureFixture[str]) -> None:
    """It stands before the records that the runtime would have written there."""
    handle, stderr = memory_file("log"), memory_file("stderr")
    os.write(handle, RECORDS.encode())
    os.write(stderr, b"no\n")
    log = RuntimeLog(handle, -1, "text", "runc", stderr)
    assert log.has_stderr
    log.hand_on()
    os.close(handle)
    os.close(stderr)
    assert capfd.readouterr().err == 'no\ntime="T" level=warning msg="container\'s cgroup is not empty"\n'


def test_what_the_first_stages_died_of_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """runc before 1.4 logs it at the level "fatal" and writes it nowhere else."""
    handle = memory_file("log")
    os.write(handle, FATAL.encode())
    RuntimeLog(handle, -1, "text", "runc").hand_on()
    os.close(handle)
    assert capfd.readouterr().err == f'time="T" level=fatal msg="{REASON}"\n'


def test_what_the_first_stages_died_of_is_part_of_the_failure() -> None:
    """It stands in front of the error, which says only that they are gone; the diagnosis is made of both."""
    words = failure._with_reasons(log_records.failure(FATAL), FATAL)
    assert words == f"{REASON}\n{EOF}"
    assert explain(words, Context(view=Elsewhere())).code == "oom-score-may-not-be-lowered"
