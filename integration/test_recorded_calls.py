"""What the real runtime gets, written down by a stand-in for it: bare and through the launcher."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from integration.capabilities import require
from integration.containers import LAUNCHER

if TYPE_CHECKING:
    from pathlib import Path

# Writes down what it got, says something on both outputs, and ends as it is told.
RECORDER = """#!/bin/sh
here=${0%/*}
/bin/cat /proc/$$/cmdline >"$here/arguments"
/bin/cat /proc/$$/environ >"$here/environment"
pwd -P >"$here/directory"
for fd in /proc/$$/fd/*; do echo "${fd##*/} $(/bin/readlink "$fd")"; done >"$here/descriptors"
echo out
echo err >&2
exit "$(/bin/cat "$here/status")"
"""


class Recorded(NamedTuple):
    """One call as the runtime saw it, and as the caller saw it end."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str
    descriptors: dict[int, str]
    end: tuple[int, bytes, bytes]


class Recorder:
    """The stand-in, named like a runtime because the name says which rules it plays by."""

    def __init__(self, place: Path, name: str) -> None:
        self.place = place / "recorder"
        self.place.mkdir()
        self.path = self.place / name
        self.path.write_text(RECORDER)
        self.path.chmod(0o755)
        self.settings = place / "settings.json"
        self.settings.write_text("{}")

    def call(self, *arguments: str, wrapped: bool, cwd: Path, status: int = 0) -> Recorded:
        """Call it with or without the launcher, in an engine's sort of environment and with descriptors of its own."""
        (self.place / "status").write_text(str(status))
        environment = {
            "CGSHIM_RUNTIME": str(self.path),
            "CGSHIM_CONFIG": str(self.settings),
            "LD_LIBRARY_PATH": "/opt/containerd/lib:",
            "PYTHONPATH": str(cwd),
            "PYTHONHOME": "/nowhere",
            "LANG": "C",
            "_OCI_SYNCPIPE": "3",
            "PWD": str(cwd),
        }
        front = ["/bin/sh", str(LAUNCHER)] if wrapped else [str(self.path)]
        with self.settings.open() as one:
            handle = os.dup2(one.fileno(), 57, inheritable=True)
            done = subprocess.run(
                [*front, *arguments],
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=cwd,
                pass_fds=[handle],
                timeout=60,
            )
            os.close(handle)
        return self._read((done.returncode, done.stdout, done.stderr))

    def _read(self, end: tuple[int, bytes, bytes]) -> Recorded:
        def entries(name: str) -> list[str]:
            return (self.place / name).read_text().split("\0")[:-1]

        lines = [line.split(" ", 1) for line in (self.place / "descriptors").read_text().splitlines()]
        return Recorded(
            arguments=entries("arguments"),
            environment=dict(entry.split("=", 1) for entry in entries("environment")),
            directory=(self.place / "directory").read_text(),
            # pipes get new numbers in each run, and the shell that records keeps its script at 10
            descriptors={int(fd): target.split(":")[0] for fd, target in lines if fd != "10"},
            end=end,
        )


@pytest.fixture(params=["runc", "crun"])
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Recorder:
    """The stand-in under the name of each runtime."""
    return Recorder(tmp_path, request.param)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A bundle that needs nothing, with files in it that a careless interpreter would import."""
    made = tmp_path / "bundle"
    made.mkdir()
    (made / "config.json").write_text('{"ociVersion":"1.0.2","linux":{"seccomp":null}}')
    for name in ("json.py", "os.py", "shim.py", "sitecustomize.py", "usercustomize.py"):
        (made / name).write_text("raise SystemExit('imported from the working directory')\n")
    return made


# Placeholders: {b} the bundle. {i} an images directory.
INTERCEPTED = {
    "create": ["--root", "/r", "create", "--bundle", "{b}", "--pid-file", "{b}/pid", "id"],
    "create-here": ["create", "id"],
    "create-relative": ["create", "-b", ".", "--", "id"],
    "create-equals": ["--systemd-cgroup", "create", "--bundle={b}", "id"],
    "run": ["run", "--preserve-fds", "1", "-b", "{b}", "id"],
    "restore": ["restore", "--bundle", "{b}", "--detach", "--image-path", "{i}", "--work-path", "{i}", "id"],
    "checkpoint": ["checkpoint", "--image-path", "{i}", "--leave-running", "id"],
    "checkpoint-help": ["checkpoint", "--help"],
    "update-flags": ["update", "--l3-cache-schema", "L3:0=f", "id"],  # no limit, so nothing is read back
    "no-id": ["create"],
}


@pytest.mark.parametrize("case", INTERCEPTED)
@pytest.mark.parametrize("status", [0, 7])
def test_call_that_needs_nothing_is_a_bare_call(recorder: Recorder, place: Path, case: str, status: int) -> None:
    """Arguments, environment, descriptors, directory, output and exit status; only a private log is added.

    The stderr of an update or a checkpoint is kept back with the log, and handed on.
    """
    arguments = [word.format(b=place, i=place / "images") for word in INTERCEPTED[case]]
    bare = recorder.call(*arguments, wrapped=False, cwd=place, status=status)
    before = (place / "config.json").stat()
    seen = recorder.call(*arguments, wrapped=True, cwd=place, status=status)
    assert seen.environment == bare.environment
    assert seen.directory == bare.directory
    assert seen.end == bare.end == (status, b"out\n", b"err\n")
    own = set(seen.descriptors) - set(bare.descriptors)
    kept_back = {2: "/memfd"} if INTERCEPTED[case][0] in ("update", "checkpoint") and "--help" not in arguments else {}
    shared = {fd: target for fd, target in seen.descriptors.items() if fd not in own}
    assert shared == {**bare.descriptors, **kept_back}
    added = [word for fd in own for word in ("--log", f"/proc/self/fd/{fd}", "--log-format", "json")]
    interpreter, script, *given = bare.arguments
    assert seen.arguments == [interpreter, script, *added, *given]
    assert all(fd >= 200 for fd in own)
    assert len(own) <= 1
    after = (place / "config.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_checkpoint_of_a_container_is_not_planned(recorder: Recorder, place: Path) -> None:
    """checkpoint reads no configuration: a broken one beside it changes nothing."""
    (place / "config.json").write_text("broken")
    seen = recorder.call("checkpoint", "--image-path", "images", "id", wrapped=True, cwd=place)
    assert seen.end == (0, b"out\n", b"err\n")


def test_restore_is_planned_like_create(recorder: Recorder, place: Path) -> None:
    """A restored container needs its limits translated, too."""
    require("pids on cgroup v1", "" if os.path.isdir("/sys/fs/cgroup/pids") else "no hierarchy at /sys/fs/cgroup/pids")
    recorder.settings.write_text('{"policy": "warn"}')  # the stand-in makes no container that could be looked at
    config = place / "config.json"
    config.write_text('{"ociVersion":"1.0.2","linux":{"resources":{"unified":{"pids.max":"5"}}}}')
    seen = recorder.call("restore", "--detach", "--image-path", "images", "id", wrapped=True, cwd=place)
    assert seen.end[0] == 0
    written = json.loads(config.read_text())
    assert written["linux"]["resources"] == {"pids": {"limit": 5}}
    assert json.loads(written["annotations"]["io.cgshim.report"])["operation"] == "restore"


def test_isolated_copy_of_the_launcher(recorder: Recorder, place: Path, tmp_path: Path) -> None:
    """A symbolic link to the launcher works from anywhere, under any name."""
    link = tmp_path / "links" / "cgshim"
    link.parent.mkdir()
    link.symlink_to(LAUNCHER)
    environment = {"CGSHIM_RUNTIME": str(recorder.path), "CGSHIM_CONFIG": str(recorder.settings)}
    (recorder.place / "status").write_text("3")
    shell = shutil.which("sh") or "/bin/sh"
    done = subprocess.run(
        [shell, str(link), "create", "id"], check=False, capture_output=True, env=environment, cwd=place, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
