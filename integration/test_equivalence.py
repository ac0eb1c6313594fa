"""The process that the real runtime gets, for every subcommand: what it inherits is what a bare call would hand on.

A compiled stand-in writes it all down: arguments, environment, descriptors with their flags, directory, umask, signals,
limits, groups, priority, session. The caller is an unusual one in all of that.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from integration.capabilities import program_problem, require
from integration.containers import LAUNCHER

SOURCE = Path(__file__).with_name("recorder.c")
CONFIGURATION = '{"ociVersion":"1.0.2","linux":{"seccomp":null}}'
# Every subcommand of runc and crun, as engines call it. {b}: the bundle.
CALLS = {
    "create": ["--root", "/r", "create", "--bundle", "{b}", "--pid-file", "{b}/pid", "id"],
    "run": ["--root", "/r", "run", "--bundle", "{b}", "--preserve-fds", "1", "id"],
    "restore": ["--root", "/r", "restore", "--bundle", "{b}", "--detach", "--image-path", "{b}", "id"],
    "checkpoint": ["--root", "/r", "checkpoint", "--image-path", "{b}", "id"],
    "update": ["--root", "/r", "update", "--l3-cache-schema", "L3:0=f", "id"],  # no limit, so nothing is read back
    "start": ["--root", "/r", "start", "id"],
    "state": ["--root", "/r", "state", "id"],
    "kill": ["--root", "/r", "kill", "id", "15"],
    "delete": ["--root", "/r", "delete", "--force", "id"],
    "exec": ["--root", "/r", "exec", "--process", "{b}/process.json", "--detach", "--pid-file", "{b}/pid", "id"],
    "ps": ["--root", "/r", "ps", "--format", "json", "id"],
    "pause": ["--root", "/r", "pause", "id"],
    "resume": ["--root", "/r", "resume", "id"],
    "events": ["--root", "/r", "events", "--stats", "id"],
    "list": ["--root", "/r", "list"],
    "spec": ["spec", "--bundle", "{b}"],
    "features": ["features"],
    "help": ["create", "--help"],
    "--version": ["--version"],
    "nothing": [],
}
SHOWN = ("update", "checkpoint")  # their stderr is kept back with the log, and handed on


def _ignoring(*signals: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        for number in signals:
            signal.signal(number, signal.SIG_IGN)

    return prepare


def _unusual() -> None:
    _ignoring()()
    os.umask(0o137)
    os.nice(3)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR2, signal.SIGTERM, signal.SIGRTMIN))
    resource.setrlimit(resource.RLIMIT_NOFILE, (777, 1001))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 12345))
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 22, 1 << 23))
    if os.geteuid() == 0:
        os.setgroups([7, 1234567])
    os.setsid()
    os.close(0)


CALLERS: dict[str, Callable[[], None]] = {
    "plain": _ignoring(),
    "unusual": _unusual,
    "ignores-SIGPIPE": _ignoring(signal.SIGPIPE),
    "ignores-SIGXFSZ": _ignoring(signal.SIGXFSZ),
    # Not SIGCHLD: dash stops ignoring it when it starts, and nobody can tell afterwards.
    "ignores-many": _ignoring(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTSTP),
}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in."""
    require("gcc", program_problem("gcc"))
    place = tmp_path_factory.mktemp("recorder") / "runc"
    compiler = shutil.which("gcc") or "gcc"
    done = subprocess.run([compiler, "-O1", "-Wall", "-o", place, SOURCE], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return place


def _recorded(
    recorder: Path, front: list[str], words: list[str], bundle: Path, prepare: Callable[[], None]
) -> list[str]:
    facts = recorder.with_name("runc.facts")
    facts.unlink(missing_ok=True)
    environment = {
        "CGSHIM_RUNTIME": str(recorder),
        "CGSHIM_CONFIG": str(bundle / "no-settings.json"),
        "CGSHIM_STATE": str(bundle / "state"),
        "LD_LIBRARY_PATH": "/opt/engine/lib",
        "LC_ALL": "C",
        "PYTHONHOME": "/nowhere",
        "PWD": str(bundle),
        "NOTIFY_SOCKET": "/run/notify",
        "LINES": "a\nb",
    }
    opened = [
        os.open(bundle / "config.json", os.O_RDONLY),
        os.open(bundle / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ]
    own = [os.dup2(opened[0], 57), os.dup2(opened[1], 213)]  # one where cgshim's own log would be, too
    fcntl.fcntl(213, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
    try:
        done = subprocess.run(
            [*front, *words],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd=bundle,
            pass_fds=own,
            preexec_fn=prepare,
            restore_signals=False,
            timeout=60,
        )
    finally:
        for handle in (*opened, *own):
            os.close(handle)
    assert (done.returncode, done.stderr) == (0, b"")
    return facts.read_text(errors="surrogateescape").splitlines()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", CALLS)
def test_the_runtime_is_called_as_if_bare(recorder: Path, tmp_path: Path, name: str, caller: str) -> None:
    """Nothing differs but the private log of an intercepted call: two arguments, their descriptor, kept-back stderr."""
    (tmp_path / "config.json").write_text(CONFIGURATION)
    words = [word.format(b=tmp_path) for word in CALLS[name]]
    bare = _recorded(recorder, [str(recorder)], words, tmp_path, CALLERS[caller])
    seen = _recorded(recorder, ["/bin/sh", str(LAUNCHER)], words, tmp_path, CALLERS[caller])
    own = [
        line
        for line in seen
        if line.startswith("descriptor 2") and line not in bare and "/memfd" in line and " 2 " not in line
    ]
    extra = []
    if own:
        number = own[0].split()[1]
        assert int(number) >= 200
        extra = ["argument --log", f"argument /proc/self/fd/{number}", "argument --log-format", "argument json", *own]
    if own and name in SHOWN:
        extra.append(next(line for line in seen if line.startswith("descriptor 2 ")))
        bare = [line for line in bare if not line.startswith("descriptor 2 ")]
    if caller == "unusual":  # it has a session of its own in each of the two calls
        bare, seen = ([line for line in lines if not line.startswith("process group")] for lines in (bare, seen))
    assert len(own) == (name in ("create", "run", "restore", "checkpoint", "update"))
    assert sorted(set(bare) - set(seen)) == []
    assert sorted(seen) == sorted([*bare, *extra])
    kept = [line for line in seen if line not in extra and line.startswith("argument")]
    assert kept == [line for line in bare if line.startswith("argument")]
