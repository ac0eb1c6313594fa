"""A failure of the real runtime on the engine's channel: for every intercepted command, log and stderr, in full.

What the engines make of it is in integration/engines; here is what they are given.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import call

if TYPE_CHECKING:
    from pathlib import Path

    from integration.bundle import Bundle
    from integration.containers import Result, Runtime, Shim

MOST = 1900  # bytes on stderr: podman's reader cuts the JSON-escaped message at 4,096
PHRASES = ("permission denied", "operation not permitted", "no such file or directory", "executable file not found in")
MIB = 1 << 20
OLD_CRIU = (
    f"#!{sys.executable}",
    "import socket, sys",
    "given = socket.socket(fileno=int(sys.argv[2]))",
    "given.recv(65536)",
    "given.send(bytes((8, 10, 16, 1, 82, 4, 8, 2, 16, 9)))  # criu/images/rpc.proto: VERSION, success, 2.9",
)


class Failing:
    """A command that the real runtime refuses, with the code and the first line that the user is to read."""

    def __init__(self, options: tuple[str, ...], words: tuple[str, ...], code: str, verdict: str) -> None:
        self.options = options
        self.words = words
        self.code = code
        self.verdict = verdict

    def __call__(self, runtime: Runtime, *log: str) -> Result:
        """Call it, through whatever `runtime` is."""
        return call([*runtime.prefix, *self.options, *log, *self.words], env=runtime.environment)

    @property
    def first(self) -> str:
        """The first line."""
        return f"cgshim: {self.verdict} [{self.code}]"


@pytest.fixture(params=["create", "run", "restore", "update"])
def failing(request: pytest.FixtureRequest, shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> Failing:
    """One of the four commands, which fails in the runtime and not before."""
    require("runc", "" if shim.name == "runc" else "the words are runc's")
    command: str = request.param
    words: tuple[str, ...]
    where = ("--bundle", str(bundle.path))
    if command == "restore":
        criu = tmp_path / "criu"
        criu.write_text("\n".join(OLD_CRIU) + "\n")
        criu.chmod(0o755)
        (tmp_path / "image").mkdir()
        words = ("restore", *where, "--image-path", str(tmp_path / "image"), container)
        return Failing(("--criu", str(criu)), words, "criu-too-old", "this CRIU is older than runc needs")
    if command == "update":
        memsw = os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
        require("v1 swap accounting", "" if memsw else "there is no memory.memsw.limit_in_bytes")
        path = f"/{container}"
        bundle.configure(resources={"memory": {"limit": 32 * MIB, "swap": 32 * MIB}}, linux={"cgroupsPath": path})
        shim.must("run", "--detach", *where, container)
        words = ("update", "--memory", str(64 * MIB), container)
        verdict = "the new memory limit is above the memory+swap limit the cgroup has now"
        return Failing((), words, "memory-above-memsw", verdict)
    bundle.configure(mounts=[{"destination": "/proc/xx", "type": "bind", "source": "/etc/passwd", "options": ["bind"]}])
    verdict = "a mount has a destination inside /proc: /proc/xx"
    return Failing((), (command, *where, container), "mount-destination-in-proc", verdict)


def test_one_object_in_the_containers_own_log(
    failing: Failing, shim: Shim, runtime: Runtime, tmp_path: Path, container: str
) -> None:
    """podman and containerd read a log of this container: one JSON object, whose message is what stderr has, too.

    The stderr is the container's own, so runc's line in it cannot be held back: it is there as without cgshim. Only
    that of an update is the runtime's, and its user reads the diagnosis alone.
    """
    log = tmp_path / container / "userdata" / "oci-log"
    log.parent.mkdir(parents=True)
    log.write_text('{"level":"error","msg":"of an earlier start","time":"2026-01-01T00:00:00Z"}\n')
    done = failing(shim, "--log", str(log), "--log-format", "json")
    (line,) = log.read_text().splitlines()
    found = json.loads(line)
    assert (done.status, done.out, found["level"]) == (1, "", "error")
    text = found["msg"]
    assert text.splitlines()[0] == failing.first
    bare = failing(runtime, "--log", str(log), "--log-format", "json")
    assert done.err == (f"{text}\n" if "update" in failing.words else f"{bare.err}{text}\n")
    assert bare.err.count("\n") == 1
    assert len(text.encode()) <= MOST
    assert [phrase for phrase in PHRASES if phrase in text.lower()] == []
    assert "\n  runtime: " in text


def test_a_shared_log_is_appended_to(failing: Failing, shim: Shim, tmp_path: Path) -> None:
    """A log that others write to, too, keeps what is in it; the caller's format is text here."""
    log = tmp_path / "everybodys.log"
    log.write_text("first\n")
    done = failing(shim, "--log", str(log), "--log-format", "text")
    first, *rest = log.read_text().splitlines()
    (record,) = (line for line in rest if "level=error" in line)
    assert (done.status, first) == (1, "first")
    assert f' level=error msg="{failing.first}\\n' in record
    assert failing.first in done.err.splitlines()


def test_without_a_log(failing: Failing, shim: Shim) -> None:
    """No --log: one record in the runtime's own text form on stderr, under the same limit; plain text of an update.

    What an update's runtime warns of follows it as the runtime wrote it.
    """
    done = failing(shim)
    if "update" in failing.words:
        assert (done.status, failing.first in done.err.splitlines(), "level=error" in done.err) == (1, True, False)
        return
    records = [line for line in done.err.splitlines() if f'msg="{failing.first}\\n' in line]
    assert (done.status, len(records)) == (1, 1)
    assert records[0].startswith('time="')
    assert len(records[0].encode()) <= MOST


@pytest.mark.parametrize("words", [("update", "--memory", "5000000"), ("checkpoint",)], ids=lambda words: words[0])
def test_what_is_not_explained_stays(
    shim: Shim, runtime: Runtime, container: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """No such container: the runtime's own words on stderr, which were kept back, and in the log, as without cgshim."""

    def said(through: Runtime, name: str) -> tuple[int, str, str, str]:
        log = tmp_path / name
        call_words = [*through.prefix, "--log", str(log), "--log-format", "json", *words, container]
        done = call(call_words, env=through.environment)
        return done.status, done.out, done.err, _timeless(log.read_text(), "json")

    bare = said(runtime, "bare")
    assert bare[0] != 0
    assert bare[2] != "" or shim.name != "runc"
    assert said(shim, "shim") == bare


def test_status_is_the_bare_runtimes(failing: Failing, shim: Shim, runtime: Runtime, tmp_path: Path) -> None:
    """The exit status does not change."""
    log = ("--log", str(tmp_path / "log.json"), "--log-format", "json")
    assert failing(shim, *log).status == failing(runtime, *log).status


@pytest.mark.parametrize("form", ["json", "text"])
def test_success_leaves_what_the_runtime_wrote(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, *, runtime: Runtime, form: str
) -> None:
    """A warning of a container that starts: in the caller's log and format as the bare runtime leaves it, stderr empty.

    Kernel memory is what runc warns about; on v1 it is left to the runtime, whose oldest versions set it.
    """
    require("runc", "" if shim.name == "runc" else "the words are runc's")
    require("v1 memory", "" if os.path.isdir("/sys/fs/cgroup/memory") else "memory is in cgroup2")
    bundle.configure(args=["/bin/true"], resources={"memory": {"kernel": 64 * MIB}})

    def lines(through: Runtime, name: str) -> tuple[Result, list[str]]:
        log = tmp_path / f"{name}.log"
        options = ("--log", str(log), "--log-format", form)
        done = call(
            [*through.prefix, *options, "run", "--bundle", str(bundle.path), f"{container}-{name}"],
            env=through.environment,
        )
        return done, [_timeless(line, form) for line in log.read_text().splitlines()]

    bare, wanted = lines(runtime, "bare")
    done, found = lines(shim, "shim")
    assert (done.status, done.out, done.err) == (bare.status, bare.out, bare.err) == (0, "", "")
    assert len(wanted) == 1
    assert "Kernel memory settings are ignored" in wanted[0]
    assert found == wanted


def _timeless(line: str, form: str) -> str:
    if form == "text":
        return line.partition(" ")[2]
    return json.dumps({key: value for key, value in json.loads(line).items() if key != "time"})
