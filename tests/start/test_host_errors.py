"""What the host kept cgshim from, and what stays a fault of cgshim."""

from __future__ import annotations

import errno

import pytest

from shim.start import host_errors


@pytest.mark.parametrize(
    ("error", "name", "evidence"),
    [
        (OSError(errno.EIO, "Input/output error", "/x"), "EIO", "/x: [Errno 5] Input/output error: '/x'"),
        (OSError(errno.EACCES, "Permission denied"), "EACCES", "[Errno 13] Permission denied"),
        (
            InterruptedError(errno.EINTR, "Interrupted system call", b"/y"),
            "EINTR",
            "[Errno 4] Interrupted system call: b'/y'",
        ),
    ],
    ids=["EIO", "EACCES", "EINTR"],
)
def test_a_failed_system_call(error: OSError, name: str, evidence: str) -> None:
    """Named by its errno, with the file where there is one."""
    told = host_errors.as_shim_error(error)
    assert told
    what = f"the host failed a system call ({name}), so the call could not be carried out"
    assert (told.code, told.what, told.evidence, told.status) == ("host-error", what, (evidence,), 1)
    assert told.cause
    assert told.remedy


def test_a_shortage_comes_first() -> None:
    """It has a diagnosis of its own, with the limit that is to be raised."""
    told = host_errors.as_shim_error(OSError(errno.EMFILE, "Too many open files"))
    assert told
    assert told.code == "host-exhausted"


def test_a_module_that_cannot_be_loaded() -> None:
    """The import system names it."""
    told = host_errors.as_shim_error(ModuleNotFoundError("No module named 'shim.x'", name="shim.x"))
    assert told
    assert (told.code, told.evidence) == ("not-loadable", ("No module named 'shim.x'",))
    assert told.what == "the module shim.x cannot be loaded, so the call could not be carried out"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EBADF, "Bad file descriptor"),
        OSError("no number"),
        ImportError("raised by a module"),
        KeyError("x"),
    ],
    ids=["EBADF", "no-number", "ImportError", "KeyError"],
)
def test_what_stays_our_fault(error: Exception) -> None:
    """A descriptor that is closed already is no fact of the host, and neither is what a module raises itself."""
    assert host_errors.as_shim_error(error) is None
