"""The host ran out of something: a fact of the host, with its limit and a remedy, and no fault of cgshim's."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Callable

import pytest

from integration.capabilities import require, root_problem
from shim.errors import ShimError
from shim.start import exhaustion
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def _caused(error: ShimError, cause: BaseException) -> ShimError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "what", "evidence"),
    [
        (
            OSError(errno.EMFILE, "Too many open files", "/a"),
            "this process cannot open more files (EMFILE), so the call could not be carried out",
            "/a: [Errno 24] Too many open files: '/a'",
        ),
        (
            OSError(errno.ENFILE, "Too many open files in system"),
            "the host cannot open more files (ENFILE), so the call could not be carried out",
            "[Errno 23] Too many open files in system",
        ),
        (MemoryError(), "no memory is left (ENOMEM), so the call could not be carried out", "ENOMEM"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/b"),
            "no space is left (ENOSPC), so the call could not be carried out",
            "/b: [Errno 28] No space left on device: '/b'",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            "no space is left for this user (EDQUOT), so the call could not be carried out",
            "[Errno 122] Disk quota exceeded",
        ),
    ],
    ids=["EMFILE", "ENFILE", "MemoryError", "ENOSPC", "EDQUOT"],
)
def test_each_resource(error: BaseException, what: str, evidence: str) -> None:
    """What is used up, by its errno, with cause and remedy."""
    told = exhaustion.as_shim_error(error)
    assert told
    assert (told.code, told.what, told.evidence, told.status) == ("host-exhausted", what, (evidence,), 1)
    assert told.cause
    assert told.remedy


def test_what_it_came_from_counts() -> None:
    """A refusal that an EMFILE made is that EMFILE; one that a full disk made names the file better itself."""
    refusal = ShimError("bad-settings", "cannot be read")
    told = exhaustion.as_shim_error(_caused(refusal, OSError(errno.EMFILE, "x")), exhaustion.OF_THE_PROCESS)
    assert told
    assert told.code == "host-exhausted"
    assert exhaustion.as_shim_error(_caused(refusal, OSError(errno.ENOSPC, "x")), exhaustion.OF_THE_PROCESS) is None
    for other in (OSError(errno.EACCES, "x"), ValueError("x"), OSError(errno.EAGAIN, "x")):
        assert exhaustion.as_shim_error(other) is None


def test_circle_of_causes_ends() -> None:
    """Exceptions may name each other."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert exhaustion.as_shim_error(first) is None


def test_no_process() -> None:
    """fork(2): EAGAIN is a limit of processes, ENOMEM is memory."""
    assert exhaustion.no_process(OSError(errno.EAGAIN, "x")).what.startswith(
        "no more processes can be created (EAGAIN)"
    )
    assert exhaustion.no_process(OSError(errno.ENOMEM, "x")).what.startswith("no memory is left (ENOMEM)")


def _no_processes() -> None:
    """As a user that has as many as it may have."""
    os.setgroups([])
    os.setgid(54321)
    os.setuid(54321)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _create(place: Path, *before: str, prepare: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    (place / "config.json").write_text('{"ociVersion":"1.0.2"}')
    environment = {"CGSHIM_RUNTIME": "/bin/true", "CGSHIM_CONFIG": str(place / "no"), "CGSHIM_STATE": str(place / "s")}
    return subprocess.run(
        [*before, "/bin/sh", str(ROOT / "shim/launcher.sh"), "create", "--bundle", str(place), "c1"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=prepare,
        timeout=60,
    )


def test_no_process_is_left(tmp_path: Path) -> None:
    """The launcher and all behind it, at the user's limit of processes: one diagnosis, no word of a fault of cgshim."""
    require("root", root_problem())
    tmp_path.chmod(0o777)
    for above in (tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o755)
    done = _create(tmp_path, prepare=_no_processes)
    assert done.returncode == 1
    assert "(EAGAIN), so the call could not be carried out [host-exhausted]" in done.stderr
    assert "own-fault" not in done.stderr


# argv: how many descriptors are free, and the command. The shell keeps its script at 10.
FEW = """
import os, resource, sys
free = [10, *range(3, 10), *range(11, 32)][: int(sys.argv[1]) + 1]
for handle in range(3, 32):
    os.dup2(2, handle, inheritable=True)
for handle in free:
    os.close(handle)
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """However few there are: a call works, or the interpreter cannot start, or the limit is named; never own-fault."""
    told = []
    for number in range(1, 12):
        done = _create(tmp_path, sys.executable, "-c", FEW, str(number))
        told.append("(EMFILE), so the call could not be carried out [host-exhausted]" in done.stderr)
        assert "own-fault" not in done.stderr, done.stderr
        assert done.returncode != 0 or done.stderr == "", done.stderr
    assert any(told)
    assert done.returncode == 0
