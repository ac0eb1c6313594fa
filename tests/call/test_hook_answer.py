"""shim.call.hook_answer with the real hook program: this process is the waiting one, a shell stands for the runtime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from shim.call import delegate, hook_answer
from shim.call.argv import parse
from shim.call.prepare import Call
from shim.enforce import follow_up
from shim.errors import ShimError
from shim.planning.settings import Settings
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOOK = ROOT / "hooks" / "cgshim-hook"
NOTICES = [("warning", "cgshim: a word")]
STATE = {"ociVersion": "1.0.2", "id": "web", "pid": 4711, "bundle": "/b", "status": "creating"}
# In the place of Python: says that it was started, with which state, and lets the container start.
PYTHON = '#!/bin/sh\ncat >"$0.state"\n'


class Hooked:
    """One hook, asked for by a shell that stands for the runtime."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.python = place / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)
        self.waiting = hook_answer.Waiting()
        invocation = parse(["run", "--bundle", "/b", "web"], "/")
        self.call = Call(
            invocation=invocation, runtime="/r", family="runc", variables={}, settings=Settings(origins={})
        )

    def run(
        self, state: str, place: str = "", asked: Callable[[int, int], None] | None = None, before: str = ""
    ) -> tuple[int, str]:
        """The hook's exit status and what it said; before: what the shell does first."""
        given, said = self.place / "given", self.place / "said"
        if not given.exists():
            given.write_text(state)
        arguments = f"createRuntime --waiting {place or self.waiting.place} --runtime /r"
        line = f"{before} {HOOK} {arguments} <{given} 2>{said}; exit $?"
        answer = asked or (
            lambda hook, runtime: self.waiting.answer(hook, runtime, self.call.invocation.container_id, _made())
        )
        variables = {b"CGSHIM_PYTHON": os.fsencode(self.python), b"PATH": b"/usr/bin:/bin"}
        status = delegate.run("/bin/sh", ["-c", line], variables, asked=answer)
        return delegate.exit_code(status), said.read_text()

    @property
    def python_got(self) -> str | None:
        """The state that the hook's Python was given; None if it was not started."""
        file = self.place / "python.state"
        return file.read_text() if file.exists() else None


def _made() -> Any:
    """Nobody looks into it here."""
    return None


@pytest.fixture
def hooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hooked]:
    """A hook and whoever waits for it; what follow_up finds is a notice."""
    monkeypatch.setattr(follow_up, "follow_up", lambda view, subject, made: list(NOTICES))
    found = Hooked(tmp_path)
    yield found
    for descriptor in (found.waiting.reader, found.waiting.writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_verified_needs_no_interpreter(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook succeeds, what was found is here, and it was looked for in the container that the state names."""
    subjects = []

    def found(view: object, subject: follow_up.Subject, made: object) -> list[tuple[str, str]]:
        subjects.append(subject)
        return list(NOTICES)

    monkeypatch.setattr(follow_up, "follow_up", found)
    assert hooked.run(json.dumps(STATE)) == (0, "")
    assert hooked.python_got is None
    assert hooked.waiting.notices == NOTICES
    assert subjects == [follow_up.Subject(pid=4711, container="web")]


@pytest.mark.parametrize("size", [0, 100_000], ids=["short", "longer-than-a-pipe"])
def test_what_is_wrong_the_hook_finds_by_itself(hooked: Hooked, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A limit that is not there: the hook's Python gets the state byte for byte, and nothing counts as found."""

    def refuse(view: object, subject: object, made: object) -> None:
        raise ShimError("limit-not-applied", "not there")

    monkeypatch.setattr(follow_up, "follow_up", refuse)
    state = json.dumps({**STATE, "annotations": {"long": "x" * size}}, indent=1) + "\n"
    assert hooked.run(state) == (0, "")
    assert hooked.python_got == state
    assert hooked.waiting.notices is None


@pytest.mark.parametrize(
    "state",
    [{**STATE, "id": "other"}, {**STATE, "pid": 0}, {"id": "web"}, [], "text"],
    ids=["other-container", "no-process", "half", "list", "text"],
)
def test_a_state_that_is_not_of_this_run(hooked: Hooked, state: object) -> None:
    """Nothing is verified in the place of another container; the hook judges the state."""
    text = json.dumps(state)
    assert hooked.run(text) == (0, "")
    assert (hooked.python_got, hooked.waiting.notices) == (text, None)


@pytest.mark.parametrize("part", ["pid", "start", "descriptor"])
def test_nobody_waits(hooked: Hooked, part: str) -> None:
    """A configuration from an earlier run: another process, one that has its number now, or one without the pipe."""
    pid, start, descriptor = hooked.waiting.place.split(":")
    place = {
        "pid": f"{os.getppid()}:{start}:{descriptor}",
        "start": f"{pid}:{int(start) + 1}:{descriptor}",
        "descriptor": f"{pid}:{start}:9999",
    }[part]
    assert hooked.run(json.dumps(STATE), place) == (0, "")
    assert hooked.python_got == json.dumps(STATE)
    assert hooked.waiting.notices is None


@pytest.mark.parametrize("place", ["''", "x", "1", "1:2", "::", "..:..:..", "1:2:3:4"])
def test_a_place_that_is_none(hooked: Hooked, place: str) -> None:
    """The hook does it by itself."""
    assert hooked.run(json.dumps(STATE), place) == (0, "")
    assert hooked.python_got == json.dumps(STATE)


def test_a_waiting_process_that_dies_fails_the_container(hooked: Hooked) -> None:
    """The pipe ends without a line: no container starts whose limits nobody has seen."""

    def die(hook: int, runtime: int) -> None:
        os.close(hooked.waiting.writer)

    status, said = hooked.run(json.dumps(STATE), asked=die)
    what = f"process {os.getpid()}, which was to read the limits back, ended without an answer"
    assert (status, said) == (1, f"cgshim: {what} [hook-not-answered]\n")
    assert hooked.python_got is None


def test_a_state_that_cannot_be_read_stays_with_the_hook(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc keeps the hook's descriptors from us, the hook still has the state."""

    def kept(hook: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hook_answer, "_state", kept)
    assert hooked.run(json.dumps(STATE)) == (0, "")
    assert hooked.python_got == json.dumps(STATE)


def test_an_endless_state_has_an_end(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that never closes the pipe: after a while the container fails, and signals are served again."""
    monkeypatch.setattr(hook_answer, "SECONDS", 1)
    os.mkfifo(hooked.place / "given")
    before = signal.getsignal(signal.SIGALRM)
    status, said = hooked.run("", before=f"exec 8<>{hooked.place}/given;")
    assert (status, said.endswith("[hook-not-answered]\n")) == (1, True)
    assert (hooked.python_got, hooked.waiting.notices) == (None, None)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_stranger_gets_no_answer(hooked: Hooked) -> None:
    """SIGURG from a process that the runtime has not started changes nothing: the hook is answered after it."""
    stranger = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; kill -s URG {os.getpid()}"])
    assert hooked.run(json.dumps(STATE), before="sleep 1;") == (0, "")
    assert stranger.wait() == 0
    assert (hooked.python_got, hooked.waiting.notices) == (None, NOTICES)


def test_without_descriptors_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is put in without an address then."""

    def none() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("posix.pipe", none)
    assert hook_answer.waiting_for_hook() is None
