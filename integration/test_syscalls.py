"""System calls of the success path on a fixed bundle: the start-up budget that no clock can blur.

The bounds are what was counted when they were written. Counted are the calls of cgshim's own process,
from the launcher's first to the last, on a host with v1 hierarchies at their usual places or with cgroup2 alone. Those
by which the C library takes and returns memory are left out: where the heap begins is random, so their number is, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import program_problem, require, runtime_problem
from integration.containers import LAUNCHER, call, find_runtime
from tests.syntax import ROOT

if TYPE_CHECKING:
    from integration.bundle import Bundle

RESOURCES = {
    "devices": [{"allow": False, "access": "rwm"}],
    "memory": {"limit": 67108864},
    "cpu": {"shares": 512, "quota": 50000, "period": 100000},
    "pids": {"limit": 100},
}
# The path with an edit: `unified` is rewritten on v1, kernel memory on v2.
EDITED = {**RESOURCES, "memory": {"limit": 67108864, "kernel": 67108864}, "unified": {"pids.max": "100"}}
SHELL, KEPT, REWRITTEN = 50, 487, 532  # of the shell, of Python for a create (250 of which are its own start)
ALLOCATOR = ("brk(", "mmap(NULL, ", "munmap(", "mremap(")


def _calls(bundle: Bundle, place: Path, *words: str, runtime: str) -> list[str]:
    """The system calls of one call through the launcher, those of the runtime left out."""
    require("strace", program_problem("strace"))
    subprocess.run(["/usr/bin/python3", "-B", "-m", "shim.start.archive_file"], cwd=ROOT, check=True)
    environment = {"PATH": "/usr/bin:/bin", "CGSHIM_RUNTIME": runtime, "CGSHIM_CONFIG": str(place / "none")}
    trace = place / "trace"
    line = ["strace", "-qq", "-o", str(trace), "/bin/sh", str(LAUNCHER), "--root", str(place / "root"), *words]
    words_of_it = place / "stderr"  # a file: the container's init would keep a pipe open
    with words_of_it.open("w") as file:
        done = subprocess.run(
            line, check=False, env=environment, cwd=bundle.path, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    said = words_of_it.read_text()
    if "PTRACE" in said or "ptrace" in said:
        require("strace", said.strip())
    assert done.returncode == 0, said
    return [text for text in trace.read_text().splitlines() if not text.startswith(("---", "+++", *ALLOCATOR))]


def _created(bundle: Bundle, place: Path, container: str) -> list[str]:
    """Those of a `create` by the real runc, to the last limit that is read back; an engine names a pid file."""
    runtime = find_runtime("runc")
    require("runc", runtime_problem("runc", place / "probe"))
    asked = ("create", "--pid-file", str(place / "pid"), "--bundle", str(bundle.path), container)
    try:
        return _calls(bundle, place, *asked, runtime=runtime)
    finally:
        call([runtime, "--root", str(place / "root"), "delete", "--force", container])


def _behind(calls: list[str], number: int) -> list[str]:
    """What follows the execve with this number, counted from 1."""
    places = [index for index, text in enumerate(calls) if text.startswith("execve(")]
    return calls[places[number - 1] :]


def test_pass_through_is_two_programs_and_little_else(bundle: Bundle, tmp_path: Path) -> None:
    """`state` is the shell and the runtime: no child, no file but the launcher's own."""
    runtime = shutil.copy(shutil.which("true") or "/bin/true", tmp_path / "runc")
    calls = _calls(bundle, tmp_path, "state", "c", runtime=str(runtime))
    programs = [text for text in calls if text.startswith("execve(")]
    assert len(programs) == 2
    assert [text for text in calls if text.startswith(("clone", "fork", "vfork"))] == []
    shell = calls[: calls.index(programs[1])]
    assert len(shell) <= SHELL, "\n".join(shell)


@pytest.mark.parametrize(
    ("resources", "most"), [(RESOURCES, KEPT), (EDITED, REWRITTEN)], ids=["as-it-stands", "rewritten"]
)
def test_create_stays_within_its_budget(
    bundle: Bundle, tmp_path: Path, container: str, resources: dict[str, object], most: int
) -> None:
    """A `create` that succeeds makes no more system calls than when it was written, Python's own start included."""
    bundle.configure(resources=resources)
    calls = _behind(_created(bundle, tmp_path, container), 2)
    assert len(calls) <= most, _census(calls)
    sources = [text for text in calls if ".pyc" in text and "/shim/" in text and text.startswith("open")]
    assert sources == []  # all comes from one file, with one read, except the code for edits


def test_no_mount_table_is_read(bundle: Bundle, tmp_path: Path, container: str) -> None:
    """On a host with its hierarchies at the usual places nothing that grows with the host is read or listed."""
    usual = any(os.path.exists(f"/sys/fs/cgroup/{name}") for name in ("memory/cgroup.procs", "cgroup.controllers"))
    require("hierarchies at /sys/fs/cgroup", "" if usual else "there are none")
    bundle.configure(resources=RESOURCES)
    calls = _created(bundle, tmp_path, container)
    assert [text for text in calls if '/mountinfo"' in text or '"/proc/mounts"' in text] == []


def _census(calls: list[str]) -> str:
    """How often each system call was made, for the one who has to find out."""
    names = [text.partition("(")[0] for text in calls]
    return "\n".join(f"{names.count(name):5} {name}" for name in sorted(set(names), key=names.count, reverse=True))
