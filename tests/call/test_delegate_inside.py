"""shim.call.delegate in this process, where coverage and mutation tools see it; the rest is in test_delegate."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

import pytest

from shim.call import delegate
from shim.errors import ShimError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals and what is to be put back are the test's own."""
    monkeypatch.setattr(delegate, "to_default", set(delegate.PYTHON_IGNORES.values()))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("", set()),
        ("PIPE", {signal.SIGPIPE}),
        (" XFSZ", {signal.SIGXFSZ}),
        ("PIPE XFSZ\nLD_PRELOAD=x", {signal.SIGPIPE, signal.SIGXFSZ}),
        ("PIPE \n", {signal.SIGPIPE}),
        ("LD_LIBRARY_PATH=/a PIPE", set()),
        ("LD_LIBRARY_PATH=/a\nPIPE", set()),
        ("HUP TERM", set()),
    ],
    ids=repr,
)
def test_what_the_caller_ignores_stays_ignored(state: str, kept: set[signal.Signals]) -> None:
    """Only the first line, only the two signals, and no words of a variable's value."""
    delegate.keep_ignored(state)
    assert delegate.to_default == {signal.SIGPIPE, signal.SIGXFSZ} - kept


def test_a_blocked_signal_tells_nothing() -> None:
    """The launcher's own signal never arrived, so that it looked ignored."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        delegate.keep_ignored("PIPE XFSZ")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert delegate.to_default == {signal.SIGPIPE}


@pytest.mark.parametrize("state", ["", "PIPE", "XFSZ", "PIPE XFSZ"])
def test_the_child_has_them(state: str, capfd: pytest.CaptureFixture[str]) -> None:
    """SigIgn of a real child, by the kernel's bits (signal(7): 13 and 25)."""
    delegate.keep_ignored(state)
    assert delegate.run("/bin/grep", ["^SigIgn", "/proc/self/status"], {}) == 0
    bits = int(capfd.readouterr().out.split()[1], 16)
    assert [bool(bits >> number - 1 & 1) for number in (13, 25)] == ["PIPE" in state, "XFSZ" in state]


@pytest.mark.parametrize(
    ("program", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)],
)
def test_exit_code(program: str, code: int) -> None:
    """The exit status, or 128 and the signal."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    status = delegate.run("/bin/sh", ["-c", program], {b"PATH": b"/bin"})
    assert delegate.exit_code(status) == code
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_child_is_told_first(tmp_path: os.PathLike[str]) -> None:
    """What is to be done before the exec is done in the child alone."""
    mark = os.path.join(tmp_path, "mark")

    def before() -> None:
        os.close(os.open(mark, os.O_CREAT, 0o600))
        os.chdir(tmp_path)

    here = os.getcwd()
    assert delegate.run("/bin/ls", ["mark"], {}, before) == 0
    assert os.getcwd() == here
    assert os.path.exists(mark)


def test_ignored_children_are_waited_for_all_the_same() -> None:
    """With SIGCHLD ignored the kernel would reap the child, and its status would be gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    assert delegate.exit_code(delegate.run("/bin/sh", ["-c", "exit 9"], {})) == 9


@pytest.mark.parametrize(("path", "name"), [("/nonexistent", "ENOENT"), ("/etc/passwd", "EACCES"), ("/etc", "EACCES")])
def test_what_cannot_be_executed(path: str, name: str) -> None:
    """execve's error by its name; no descriptor and no child is left."""
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ShimError) as caught:
        delegate.run(path, [], {})
    assert (caught.value.code, caught.value.evidence) == ("runtime-not-started", (f"execve {path}: {name}",))
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_further_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed fork is the host's limit, and says so."""

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(delegate.posix, "fork", fork)  # type: ignore[attr-defined]
    with pytest.raises(ShimError) as caught:
        delegate.run("/bin/true", [], {})
    assert caught.value.code == "host-exhausted"
    assert caught.value.what.startswith("no more processes can be created (EAGAIN)")


def test_the_childs_word_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child runs by then, so its end is waited for; it is not left behind with what it makes."""

    def read(handle: int, most: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(delegate.posix, "read", read)  # type: ignore[attr-defined]
    assert delegate.exit_code(delegate.run("/bin/sh", ["-c", "exit 5"], {})) == 5


def test_environment_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's block, with what the launcher took out; its first line is no variable."""
    monkeypatch.setattr(delegate, "content", lambda path: b"A=1\0EMPTY=\0no equals\0B=x=y\0LD_PRELOAD=old\0")
    found = delegate.environment("PIPE XFSZ\nLD_LIBRARY_PATH=/a:\nLD_PRELOAD=")
    assert found == {b"A": b"1", b"EMPTY": b"", b"B": b"x=y", b"LD_LIBRARY_PATH": b"/a:", b"LD_PRELOAD": b""}
