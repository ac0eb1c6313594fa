"""The real runtime as our child: what it gets, how it ends, and that it does not outlive us.

Each test runs the delegate in a fresh isolated interpreter, as the launcher does, in front of a small program that
writes down what it sees. Nothing waits for a time; everything waits for a word on a pipe or for a process to end.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# argv: root of the project, loader state, runtime, its arguments
WRAPPER = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
from shim.call import delegate
from shim.errors import ShimError
from shim.start.archive import die_of_interrupts
die_of_interrupts()
loader, runtime, *arguments = sys.argv[1:]
try:
    status = delegate.run(runtime, arguments, delegate.environment(loader))
except ShimError as error:
    os.write(2, error.text().encode())
    os._exit(error.status)
delegate.exit_like(status)
"""
PATIENCE = 60


def _argv(runtime: str, *arguments: str, loader: str = "") -> list[str]:
    return [sys.executable, "-IS", "-c", WRAPPER, str(ROOT), loader, runtime, *arguments]


def _script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "runtime"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def _run(argv: list[str], **how: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, check=False, capture_output=True, timeout=PATIENCE, **how)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("status", [0, 1, 7, 127, 255])
def test_exit_status(status: int) -> None:
    """The caller sees the runtime's exit status and not a byte more."""
    done = _run(_argv("/bin/sh", "-c", f"exit {status}"))
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV", "SIGPIPE", "SIGUSR1", "SIGRTMIN"])
def test_death_by_signal(name: str) -> None:
    """A runtime that dies by a signal takes us along by the same signal, and nothing is printed."""
    number = int(signal.Signals[name])
    done = _run(_argv("/bin/sh", "-c", f"ulimit -c 0; kill -{number} $$"))
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")


def test_arguments_and_working_directory(tmp_path: Path) -> None:
    """argv[0] is the runtime's path, the rest is as given, whatever is in it."""
    runtime = _script(tmp_path, '#!/bin/sh\npwd -P\nfor word in "$0" "$@"; do printf "<%s>" "$word"; done\n')
    done = _run(_argv(runtime, "--root", "a b", "", "--", "\n", "é"), cwd=tmp_path)
    assert done.stdout.decode() == f"{tmp_path.resolve()}\n<{runtime}><--root><a b><><--><\n><é>"


def _seen_environment(given: dict[bytes, bytes], loader: str = "") -> dict[bytes, bytes]:
    """What the runtime has in its block, read by cat, which adds nothing."""
    done = _run(_argv("/bin/cat", "/proc/self/environ", loader=loader), env=given)
    assert done.stderr == b""
    return dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {b"PATH": b"/bin", b"LANG": b"C"},
        {b"LC_ALL": b"C", b"PYTHONHOME": b"/nowhere", b"PYTHONPATH": b"/x"},
        {b"BYTES": b"\xff\xfe", b"LINES": b"a\nb=c", b"EMPTY": b"", b"EQUALS": b"=="},
        {b"SSL_CERT_FILE": b"/x", b"_OCI_SYNCPIPE": b"3"},
    ],
    ids=["empty", "c-locale", "python", "odd-values", "engine"],
)
def test_environment_is_the_callers(given: dict[bytes, bytes]) -> None:
    """Nothing is added (no LC_CTYPE in the C locale), nothing removed, nothing re-encoded."""
    assert _seen_environment(given) == given


def test_loader_state_is_put_back() -> None:
    """What the launcher took out for our interpreter's sake is there again for the runtime."""
    state = "LD_LIBRARY_PATH=/opt/containerd/lib:/x=y\nLD_PRELOAD="
    seen = _seen_environment({b"PATH": b"/bin"}, state)
    assert seen == {b"PATH": b"/bin", b"LD_LIBRARY_PATH": b"/opt/containerd/lib:/x=y", b"LD_PRELOAD": b""}


LISTING = '#!/bin/sh\nfor fd in /proc/$$/fd/*; do echo "${fd##*/} $(/usr/bin/readlink "$fd")"; done\n'


def _descriptors(argv: list[str], inherited: tuple[int, ...]) -> dict[int, str]:
    done = _run(argv, pass_fds=inherited, stdin=subprocess.DEVNULL)
    lines = [line.split(" ", 1) for line in done.stdout.decode().splitlines()]
    # pipes have other numbers in every run, and 10 is where dash keeps its script
    return {int(fd): target.split(":")[0] for fd, target in lines if fd != "10"}


def test_descriptors_are_the_callers(tmp_path: Path) -> None:
    """The runtime has exactly the descriptors that a bare call would give it: all of the caller's and none of ours."""
    runtime = _script(tmp_path, LISTING)
    marker = tmp_path / "marker"
    with open(marker, "w", encoding="ascii") as file:
        own = [os.dup2(file.fileno(), number, inheritable=True) for number in (33, 47)]
        bare = _descriptors([runtime], tuple(own))
        through = _descriptors(_argv(runtime), tuple(own))
        for number in own:
            os.close(number)
    assert through == bare
    assert through[33] == through[47] == str(marker)


def _with_dispositions(ignored: tuple[signal.Signals, ...], blocked: tuple[signal.Signals, ...]) -> None:
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)


@pytest.mark.parametrize(
    ("ignored", "blocked"),
    [
        ((), ()),
        ((signal.SIGCHLD,), ()),
        ((signal.SIGINT, signal.SIGHUP), ()),
        ((), (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR2)),
    ],
    ids=["none", "children-ignored", "nohup", "blocked"],
)
def test_signal_dispositions_are_the_callers(
    ignored: tuple[signal.Signals, ...], blocked: tuple[signal.Signals, ...]
) -> None:
    """Ignored and blocked signals are inherited as by a bare call, and the exit status comes through, too."""

    def seen(argv: list[str]) -> tuple[int, bytes]:
        done = _run(argv, preexec_fn=lambda: _with_dispositions(ignored, blocked))
        return done.returncode, done.stdout

    bare = seen(["/bin/grep", "-E", "^Sig(Ign|Blk|Cgt)", "/proc/self/status"])
    assert bare[0] == 0
    assert seen(_argv("/bin/grep", "-E", "^Sig(Ign|Blk|Cgt)", "/proc/self/status")) == bare
    assert seen(_argv("/bin/sh", "-c", "exit 7"))[0] == 7


def _told(process: subprocess.Popen[bytes]) -> str:
    """The next line that the process writes, within a patience that only a hang exhausts."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert ready, "the runtime said nothing"
    return process.stdout.readline().decode().strip()


def _start(*argv: str, **how: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_argv(*argv), stdout=subprocess.PIPE, bufsize=0, **how)  # type: ignore[call-overload,no-any-return]


WAITING = 'import signal,sys,os\n{}print("ready", os.getpid(), flush=True)\nwhile True: signal.pause()\n'


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_signals_are_forwarded(name: str) -> None:
    """What is sent to us reaches the runtime, once, and its exit status comes back."""
    handler = f"signal.signal(signal.{name}, lambda *_: (print('got', flush=True), os._exit(42)))\n"
    with _start(sys.executable, "-c", WAITING.format(handler)) as process:
        assert _told(process).startswith("ready")
        process.send_signal(signal.Signals[name])
        assert _told(process) == "got"
        assert process.wait(PATIENCE) == 42


def test_signal_that_the_runtime_does_not_handle() -> None:
    """Then it dies of it, and so do we."""
    with _start(sys.executable, "-c", WAITING.format("")) as process:
        _told(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM


def test_stopped_and_continued() -> None:
    """A runtime that is stopped has not ended; continued, it goes on."""
    with _start(sys.executable, "-c", WAITING.format("")) as process:
        child = int(_told(process).split()[1])
        os.kill(child, signal.SIGSTOP)
        os.kill(child, signal.SIGCONT)
        assert process.poll() is None
        os.kill(child, signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL


@pytest.fixture
def subreaper() -> Iterator[None]:
    """Orphans become children of this process, so that their end can be waited for (PR_SET_CHILD_SUBREAPER)."""
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
    yield
    assert ctypes.CDLL(None).prctl(36, 0, 0, 0, 0) == 0


@pytest.mark.usefixtures("subreaper")
def test_killed_wrapper_takes_the_runtime_along() -> None:
    """After SIGKILL to us the runtime dies by SIGKILL, too: nobody runs on unwatched."""
    with _start(sys.executable, "-c", WAITING.format("")) as process:
        child = int(_told(process).split()[1])
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda path: None, "ENOENT"),
        (lambda path: path.write_text("#!/bin/sh\n"), "EACCES"),
        (lambda path: (path.write_text("no program"), path.chmod(0o755)), "ENOEXEC"),
        (lambda path: path.mkdir(), "EACCES"),
        (lambda path: (path.write_text("#!/no/such/interpreter\n"), path.chmod(0o755)), "ENOENT"),
    ],
    ids=["missing", "not-executable", "no-format", "directory", "interpreter"],
)
def test_runtime_that_cannot_be_started(tmp_path: Path, make: object, name: str) -> None:
    """execve's error by name, exit status 1, the remedy, and no half-made process."""
    path = tmp_path / "runtime"
    make(path)  # type: ignore[operator]
    done = _run(_argv(str(path)))
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode() == (
        f"cgshim: the real runtime {path} could not be started: {name} [runtime-not-started]\n"
        f"  evidence: execve {path}: {name}\n"
        f"  remedy: check that {path} is an executable for this machine, or name another one in the settings"
    )


@pytest.mark.parametrize("module", ["_prctl", ""], ids=["python-prctl", "ctypes"])
def test_parent_death_signal_is_armed(module: str) -> None:
    """With python-prctl and without it the child has SIGKILL as its parent-death signal (prctl(2))."""
    hidden = "" if module else "delegate.extension.third_party = lambda name: None\n"
    asking = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n), 0, 0, 0); print(n.value)"
    wrapper = WRAPPER.replace("delegate.die", f"{hidden}delegate.die")
    done = _run([sys.executable, "-IS", "-c", wrapper, str(ROOT), "", sys.executable, "-c", asking])
    assert done.stderr == b""
    assert done.stdout == b"9\n"


def test_interrupt_before_the_runtime_runs() -> None:
    """Ctrl-C while we still think ends us as it would the runtime: by the signal, without a traceback."""
    program = WRAPPER.split("loader,", maxsplit=1)[0] + "os.kill(os.getpid(), 2)\n"
    done = _run([sys.executable, "-IS", "-c", program, str(ROOT)])
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
