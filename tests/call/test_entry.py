"""One call from start to end, in this process, in front of a script that stands for the runtime.

Once the runtime has succeeded nothing may leave its container behind with limits that nobody has seen.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from shim import system
from shim.call import channel, entry, real_runtime
from shim.enforce import follow_up
from shim.errors import ShimError
from shim.oci import atomic
from tests.fake_runtime import FakeRuntime, exit_status

if TYPE_CHECKING:
    from pathlib import Path

    from shim.planning.rewrite import Rewrite

TAKEN_BACK = ["state c1", "delete --force c1"]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the system's log gets."""
    lines: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: lines.append(line))
    return lines


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids of the containers that are followed up, in place of following up."""
    return _follow_up(monkeypatch, lambda: None)


def _follow_up(monkeypatch: pytest.MonkeyPatch, then: Any) -> list[int]:
    pids: list[int] = []

    def followed(_view: object, subject: follow_up.Subject, _made: Rewrite) -> list[tuple[str, str]]:
        pids.append(subject.pid)
        return then() or []

    monkeypatch.setattr(follow_up, "follow_up", followed)
    return pids


def _call(runtime: FakeRuntime, *words: str) -> int:
    return exit_status(entry.call(runtime.invocation(*words), str(runtime.path), ""))


def _create(runtime: FakeRuntime, *words: str) -> int:
    return _call(runtime, "create", "--bundle", str(runtime.bundle), *words, "c1")


def _refused(runtime: FakeRuntime, *words: str) -> ShimError:
    with pytest.raises(ShimError) as refused:
        _call(runtime, *words, "c1")
    return refused.value


def test_the_pid_file_is_enough(runtime: FakeRuntime, followed: list[int]) -> None:
    """The runtime is called once; what it wrote names the process."""
    file = runtime.place / "pid"
    runtime.does("create", script=f"echo 4711 > {file}\n")
    assert _create(runtime, "--pid-file", str(file)) == 0
    assert followed == [4711]
    assert runtime.calls() == [f"create --bundle {runtime.bundle} --pid-file {file} c1"]


@pytest.mark.parametrize(
    ("file", "text"), [("state.json", {"init_process_pid": 4711}), ("status", {"pid": 4711})], ids=["runc", "crun"]
)
def test_the_runtimes_own_file_is_enough(
    runtime: FakeRuntime, followed: list[int], file: str, text: dict[str, int]
) -> None:
    """Without a pid file the state that runc or crun keeps is read."""
    script = f"mkdir {runtime.root}/c1; echo '{json.dumps(text)}' > {runtime.root}/c1/{file}\n"
    runtime.does("create", script=script)
    assert _create(runtime) == 0
    assert (followed, len(runtime.calls())) == ([4711], 1)


def test_the_runtime_is_asked_for_its_state(runtime: FakeRuntime, followed: list[int]) -> None:
    """A runtime whose files are not known tells by `state`, with the global flags of the call."""
    runtime.does("state", out='{"ociVersion":"1.0","id":"c1","pid":4711}')
    assert _create(runtime) == 0
    assert followed == [4711]
    assert runtime.calls()[1:] == ["state c1"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 3}, "exit status 3"),
        ({"out": "no JSON"}, "not JSON"),
        ({"out": "[]"}, "pid None"),
        ({"out": '{"pid":0}'}, "pid 0"),
        ({"out": '{"pid":true}'}, "pid True"),
        ({"out": '{"pid":"4711"}'}, "pid '4711'"),
    ],
    ids=["fails", "text", "array", "zero", "true", "string"],
)
def test_without_a_pid_the_container_is_taken_back(
    runtime: FakeRuntime, followed: list[int], answer: dict[str, Any], said: str
) -> None:
    """It had gone on without the bridge and without a look; now it is refused, with what was asked and answered."""
    runtime.does("state", **answer)
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert error.code == "no-process"
    assert error.evidence == (
        f"{runtime.path} state c1: {said}",
        f"{runtime.path} delete --force c1: done, the container is deleted",
    )
    assert followed == []
    assert runtime.calls()[1:] == TAKEN_BACK


def test_without_a_pid_warn_goes_on(runtime: FakeRuntime, followed: list[int], logged: list[str]) -> None:
    """Under warn the container stays, and operators read of it."""
    (runtime.place / "none.json").write_text('{"policy": "warn"}')
    assert _create(runtime) == 0
    asked = f"{runtime.path} state c1: not JSON"
    assert logged == [f"container c1: cgshim: pids.limit could not be read back: no process: {asked}"]
    assert runtime.calls()[1:] == ["state c1"]


def _fails(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, error: BaseException) -> None:
    def fail() -> None:
        raise error

    runtime.does("state", out='{"pid": 1}')
    _follow_up(monkeypatch, fail)


ERRORS = (KeyError("x"), RecursionError(), KeyboardInterrupt(), SystemExit(3))
BUNDLED = (("create",), ("restore", "--detach"))


@pytest.mark.parametrize("words", BUNDLED, ids=["create", "restore"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_goes_wrong_takes_the_container_back(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], error: BaseException
) -> None:
    """Any exception after the runtime's success; a restored container runs already, and is stopped."""
    _fails(monkeypatch, runtime, error)
    refused = _refused(runtime, *words, "--bundle", str(runtime.bundle))
    assert refused.code == "own-fault"
    assert type(error).__name__ in refused.what
    assert refused.evidence == (f"{runtime.path} delete --force c1: done, the container is deleted",)
    assert runtime.calls()[1:] == TAKEN_BACK


HOSTS = {
    "EIO": (OSError(5, "Input/output error", "/x"), "host-error", "/x: [Errno 5] Input/output error: '/x'"),
    "ENOMEM": (MemoryError(), "host-exhausted", "ENOMEM"),
    "EMFILE": (OSError(24, "Too many open files"), "host-exhausted", "[Errno 24] Too many open files"),
}


@pytest.mark.parametrize("words", BUNDLED, ids=["create", "restore"])
@pytest.mark.parametrize("name", HOSTS)
def test_what_the_host_made_go_wrong_takes_it_back_too(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str
) -> None:
    """It is called the host's, and what became of the container is still the last of the evidence."""
    error, code, evidence = HOSTS[name]
    _fails(monkeypatch, runtime, error)
    refused = _refused(runtime, *words, "--bundle", str(runtime.bundle))
    assert refused.code == code
    assert refused.evidence == (evidence, f"{runtime.path} delete --force c1: done, the container is deleted")
    assert refused.__cause__ is None  # else it would be put into words once more, without what became of it
    assert runtime.calls()[1:] == TAKEN_BACK


def test_it_is_taken_back_though_files_have_run_out(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortage that passes costs a tenth of a second, not a container without its limits."""
    _fails(monkeypatch, runtime, KeyError("x"))
    given, failures = system.memory_file, [OSError(24, "Too many open files"), OSError(12, "no memory")]

    def scarce(name: str, **how: bool) -> int:
        if runtime.calls()[1:] == ["state c1"] and failures:
            raise failures.pop()
        return given(name, **how)

    monkeypatch.setattr(real_runtime, "memory_file", scarce)
    refused = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert refused.evidence == (f"{runtime.path} delete --force c1: done, the container is deleted",)
    assert (failures, runtime.calls()[1:]) == ([], TAKEN_BACK)


def test_a_runtime_that_does_not_answer_is_ended(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience has an end; the container is deleted as for any other answer."""
    monkeypatch.setattr(real_runtime, "PATIENCE", 1)
    runtime.does("state", script="exec sleep 60\n")
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert error.evidence[0] == f"{runtime.path} state c1: still running after 1 seconds"
    assert runtime.calls()[1:] == TAKEN_BACK


def test_a_refusal_keeps_its_words(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The diagnosis of the follow-up, with what became of the container as the last of the evidence."""
    given = ShimError("limit-not-applied", "it is not there", cause="why", evidence=("a",), remedy=("b",), status=4)
    _fails(monkeypatch, runtime, given)
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert (error.code, error.what, error.cause, error.remedy, error.status) == (
        *("limit-not-applied", "it is not there", "why"),
        *(("b",), 4),
    )
    assert error.evidence == ("a", f"{runtime.path} delete --force c1: done, the container is deleted")


def test_a_container_that_cannot_be_taken_back_is_named(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that it is gone."""
    _fails(monkeypatch, runtime, KeyError("x"))
    runtime.does("delete", status=9)
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert error.evidence == (f"{runtime.path} delete --force c1: exit status 9",)


def test_a_runtime_that_is_gone_by_then(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error is told, and that the deletion did not happen."""
    _fails(monkeypatch, runtime, KeyError("x"))
    runtime.does("state", out='{"pid": 1}', script=f"rm {runtime.path}\n")
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert error.evidence == (f"{runtime.path} delete --force c1: not started: execve {runtime.path}: ENOENT",)


def test_an_updated_container_stays(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs already, with the new values; the message says so."""
    _fails(monkeypatch, runtime, KeyError("x"))
    resources = runtime.place / "resources.json"
    resources.write_text('{"pids": {"limit": 9}}')
    error = _refused(runtime, "update", "--resources", str(resources))
    assert error.code == "own-fault"
    assert error.evidence == (f"{runtime.path} has already applied the update: the container has its values",)
    assert runtime.calls()[1:] == ["state c1"]


@pytest.mark.parametrize("place", ["notify", "tell_operators"])
def test_a_fault_in_telling_takes_it_back_too(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, followed: list[int], place: str
) -> None:
    """Between the runtime's success and the end there is no step whose failure leaves a container behind."""

    def fail(*_: object) -> None:
        raise ValueError("a fault")

    runtime.does("state", out='{"pid": 1}')
    monkeypatch.setattr(channel, place, fail)
    assert _refused(runtime, "create", "--bundle", str(runtime.bundle)).code == "own-fault"
    assert runtime.calls()[1:] == TAKEN_BACK
    assert followed == [1]


def test_a_failed_runtime_is_not_cleaned_up_after(runtime: FakeRuntime, followed: list[int]) -> None:
    """A container of this id may be somebody else's: nothing is asked and nothing is deleted."""
    runtime.does("create", status=1)
    assert _create(runtime) == 1
    assert (followed, len(runtime.calls())) == ([], 1)


def test_a_signal_waits_until_the_limits_are_seen(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM during the follow-up: the look ends first, then the signal does what it does."""
    order: list[str] = []
    runtime.does("state", out='{"pid": 1}')

    def look() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        order.append("seen")

    before = signal.signal(signal.SIGTERM, lambda *_: order.append("signal"))
    try:
        _follow_up(monkeypatch, look)
        assert _create(runtime) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert order == ["seen", "signal"]


def test_a_signal_does_not_stop_the_deletion(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken back is taken back whole: `delete` is started with the signals held."""

    def look() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError(5, "EIO")

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        runtime.does("state", out='{"pid": 1}')
        _follow_up(monkeypatch, look)
        error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert error.evidence[-1].endswith("done, the container is deleted")
    masks = [int(line, 16) for line in (runtime.place / "blocked").read_text().split()]
    assert [bool(mask >> (signal.SIGTERM - 1) & 1) for mask in masks] == [False, True, True]


def _read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> None:
        raise OSError(30, "Read-only file system", path)

    monkeypatch.setattr(atomic, "replace", refuse)


REWRITTEN: dict[str, Any] = {"pids": {"limit": 32}, "memory": {"limit": 67108864, "swappiness": 10}}


def test_a_stand_in_stays_for_its_container(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, followed: list[int], state_directory: Path
) -> None:
    """A container that was made of it needs it until its end."""
    _read_only(monkeypatch)
    runtime.configure(REWRITTEN)
    runtime.does("state", out='{"pid": 1}')
    assert _create(runtime) == 0
    (made,) = (state_directory / "bundles").glob("*/c1~*")
    assert runtime.calls()[0] == f"create --bundle {made} c1"
    assert followed == [1]


@pytest.mark.parametrize("fault", ["runtime", "follow-up", "not started"])
def test_a_stand_in_goes_with_its_container(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, state_directory: Path, fault: str
) -> None:
    """None is left by a runtime that fails, one that cannot be started, or a container that is taken back."""
    _read_only(monkeypatch)
    runtime.configure(REWRITTEN)
    _fails(monkeypatch, runtime, OSError(5, "EIO"))
    runtime.does("create", status=1 if fault == "runtime" else 0)
    if fault == "not started":
        runtime.path.write_text("#!/no/such/interpreter\n")
    if fault == "runtime":
        assert _create(runtime) == 1
    else:
        _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert list((state_directory / "bundles").glob("*/*")) == []


def test_an_id_in_use_is_refused_before_anything_is_touched(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, followed: list[int], state_directory: Path
) -> None:
    """The live container's stand-in, from which its poststop hooks are read, stays; so does the file."""
    _read_only(monkeypatch)
    runtime.configure(REWRITTEN)
    runtime.does("create", script=f"mkdir {runtime.root}/c1\n")
    runtime.does("state", out='{"pid": 1}')
    assert _create(runtime) == 0
    live = sorted((state_directory / "bundles").glob("*/*/*"))
    before = runtime.config.read_bytes()
    error = _refused(runtime, "create", "--bundle", str(runtime.bundle))
    assert error.code == "id-in-use"
    assert error.what == "a container c1 already exists; nothing was changed"
    assert error.evidence == (f"{runtime.root}/c1: exists",)
    assert sorted((state_directory / "bundles").glob("*/*/*")) == live
    assert (runtime.config.read_bytes(), len(runtime.calls())) == (before, 2)
    assert followed == [1]


def test_an_id_in_use_is_the_runtimes_to_refuse_where_nothing_changes(
    runtime: FakeRuntime, followed: list[int]
) -> None:
    """A configuration that needs nothing: the runtime's own words and status, as without cgshim."""
    (runtime.root / "c1").mkdir()
    runtime.does("create", status=1)
    assert _create(runtime) == 1
    assert followed == []


def test_what_is_lost_under_warn_reaches_operators(
    runtime: FakeRuntime, followed: list[int], logged: list[str]
) -> None:
    """A guard that nothing enforces, accepted by the settings: a line in the system's log, too."""
    (runtime.place / "none.json").write_text('{"policy": "warn"}')
    runtime.configure({"unified": {"misc.max": "x 1"}})
    runtime.does("state", out='{"pid": 1}')
    assert _create(runtime) == 0
    (line,) = logged
    assert line.startswith("container c1: cgshim: unified.misc.max unenforceable: ")
    assert line.endswith("; lost: misc.max=x 1")


def test_an_annotation_that_has_no_say_reaches_operators(
    runtime: FakeRuntime, followed: list[int], logged: list[str]
) -> None:
    """The container starts under the settings' policy, and the log says what was ignored."""
    runtime.configure({"pids": {"limit": 32}}, {"io.cgshim.policy": "warn", "io.cgshim.bridge": '{"pids.max":"max"}'})
    runtime.does("state", out='{"pid": 1}')
    assert _create(runtime) == 0
    assert [line.split(" is ignored")[0] for line in logged] == [
        "container c1: cgshim: annotation io.cgshim.policy=warn",
        "container c1: cgshim: annotation io.cgshim.bridge",
    ]
    assert followed == [1]
