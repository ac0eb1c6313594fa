"""Which faults there are: an error or a signal at each system call that cgshim's own process makes.

strace injects them (strace(1), "Tampering"): `inject=CALL:error=E:when=N` lets the N-th CALL fail without being made,
`signal=S` delivers S as it is entered. Children are not followed, so the real runtime runs undisturbed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PATIENCE = 20  # seconds until a call hangs
SIGNALS = ("SIGTERM", "SIGKILL", "SIGINT")
_FILE = ("EIO", "EACCES", "ENOENT", "ENOMEM")
_DATA = ("EIO", "EINTR")
_MEMORY = ("ENOMEM",)
# Errors that the kernel documents for a call (section 2 of the manual), the issue of resources included. `close` has
# none here: Linux frees the descriptor whatever it answers, and an injected error would leave it open. Nor has `brk`,
# which answers with the old end and never with an error.
ERRORS: dict[str, tuple[str, ...]] = {
    "access": _FILE,
    "chmod": _FILE,
    "clone": ("ENOMEM", "EAGAIN"),
    "clone3": ("ENOMEM", "EAGAIN"),
    "dup": ("EMFILE",),
    "dup2": ("EIO",),
    "dup3": ("EIO",),
    "execve": _FILE,
    "faccessat": _FILE,
    "faccessat2": _FILE,
    "fchmod": ("EIO", "EACCES"),
    "fchown": ("EIO", "EACCES"),
    "fcntl": ("EMFILE",),
    "flock": ("EINTR", "ENOMEM"),
    "fork": ("ENOMEM", "EAGAIN"),
    "fsetxattr": ("EIO", "ENOSPC"),
    "fstat": ("EIO", "ENOMEM"),
    "fstatfs": ("EIO", "ENOMEM"),
    "fsync": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO", "EINTR"),
    "getcwd": ("EACCES", "ENOENT", "ENOMEM"),
    "getdents64": ("EIO", "ENOENT"),
    "getxattr": ("EIO", "ENOMEM"),
    "fgetxattr": ("EIO", "ENOMEM"),
    "flistxattr": ("EIO", "ENOMEM"),
    "linkat": (*_FILE, "ENOSPC"),
    "lseek": ("EIO",),
    "lstat": _FILE,
    "memfd_create": ("EMFILE", "ENOMEM"),
    "mkdir": (*_FILE, "ENOSPC"),
    "mkdirat": (*_FILE, "ENOSPC"),
    "mmap": _MEMORY,
    "mprotect": _MEMORY,
    "mremap": _MEMORY,
    "newfstatat": _FILE,
    "open": (*_FILE, "EMFILE", "ENOSPC", "EINTR"),
    "openat": (*_FILE, "EMFILE", "ENOSPC", "EINTR"),
    "openat2": (*_FILE, "EMFILE", "ENOSPC", "EINTR"),
    "pipe": ("EMFILE",),
    "pipe2": ("EMFILE",),
    "prctl": ("EACCES",),
    "pread64": _DATA,
    "pwrite64": (*_DATA, "ENOSPC"),
    "read": _DATA,
    "readlink": _FILE,
    "readlinkat": _FILE,
    "rename": (*_FILE, "ENOSPC"),
    "renameat": (*_FILE, "ENOSPC"),
    "renameat2": (*_FILE, "ENOSPC"),
    "rmdir": _FILE,
    "rt_sigtimedwait": ("EINTR",),
    "stat": _FILE,
    "statfs": _FILE,
    "statx": _FILE,
    "unlink": _FILE,
    "unlinkat": _FILE,
    "wait4": ("EINTR",),
    "write": (*_DATA, "ENOSPC"),
}
RESOURCES = ("EMFILE", "ENOMEM", "EAGAIN", "ENOSPC")  # the host has run out of something: a diagnosis of its own
NAME = re.compile(r"^(?P<call>\w+)\(")
SHELL = 1  # programs that the process is before it is Python


class Fault(NamedTuple):
    """One fault: the number-th `call` fails or is interrupted.

    what: `error=EIO` or `signal=SIGTERM`. ours: the code of cgshim runs already, not yet the shell's or Python's start.
    seen: what the call was in the recording.
    """

    call: str
    number: int
    what: str
    ours: bool
    seen: str

    @property
    def is_signal(self) -> bool:
        """The process is interrupted, which may end it."""
        return self.what.startswith("signal=")

    @property
    def is_shortage(self) -> bool:
        """The host has run out of something."""
        return self.what.partition("=")[2] in RESOURCES

    def __str__(self) -> str:
        """As strace wants it, and what it was."""
        return f"{self.call}:{self.what}:when={self.number}  {self.seen[:100]}"


class Outcome(NamedTuple):
    """How an injected call ended. status: None for a call that hangs; negative for the signal that killed it."""

    status: int | None
    err: str
    injected: bool


def written(text: str) -> Fault:
    """The fault that `CALL:error=E:when=N` says."""
    call, what, number = text.split(":")
    return Fault(call, int(number.partition("=")[2]), what, True, "")


def recorded(line: Sequence[str], environment: dict[str, str], trace: Path) -> list[str]:
    """The system calls of one undisturbed call that has to succeed, or to refuse."""
    subprocess.run(
        ["strace", "-qq", "-o", str(trace), *line],
        check=False,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    return [text for text in trace.read_text(errors="replace").splitlines() if NAME.match(text)]


def faults(calls: Iterable[str], code: str) -> list[Fault]:
    """Every fault at every call of a recording. code: the program's directory; ours is what follows when Python gets to
    it.
    """
    found: list[Fault] = []
    counts: dict[str, int] = {}
    ours = False
    for text in calls:
        match = NAME.match(text)
        call = match["call"] if match else ""
        counts[call] = counts.get(call, 0) + 1
        ours = ours or (counts.get("execve", 0) > SHELL and call != "execve" and code in text)
        whats = [f"error={name}" for name in ERRORS.get(call, ())]
        if call not in ("exit_group", "exit"):
            whats += [f"signal={name}" for name in SIGNALS]
        found += [Fault(call, counts[call], what, ours, text) for what in whats]
    return found


def inject(fault: Fault, line: Sequence[str], environment: dict[str, str], place: Path) -> Outcome:
    """Make the call with the fault in it."""
    trace, err = place / "trace", place / "err"
    trace.write_text("")
    tampering = f"inject={fault.call}:{fault.what}:when={fault.number}"
    with err.open("wb") as said:
        started = subprocess.Popen(
            ["strace", "-qq", "-o", str(trace), "-e", f"trace={fault.call}", "-e", tampering, *line],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        status: int | None
        try:
            status = started.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            status = None
    text = trace.read_text(errors="replace")
    name = fault.what.partition("=")[2]
    injected = "(INJECTED)" in text or f"--- {name}" in text or f"killed by {name}" in text
    return Outcome(status, err.read_text(errors="replace"), injected)
