"""Refuses cgshim as the real runtime: each call would start the next one endlessly.

The launcher ignores settings that name cgshim, so only an intercepted call can get into such a loop. A copy of the
launcher is recognised by its first lines, whatever its name. Another program that calls cgshim, such as a third-party
wrapper, is recognised on the second round: the call that started this one has the same runtime.
"""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.planning import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_LINES = (b"#!/bin/sh\n{ # cgshim launcher\n", b"#!/bin/sh\n# cgshim launcher\n")  # current, and up to 0.1
PROGRAM = b'main("shim.'  # in the command line of the interpreter that the launcher becomes
MOST = 16384  # bytes of a command line: the runtime is near its beginning


def checked(runtime: str, named: str = "") -> str:
    """Return the real runtime's path. Raises ShimError if none was found, or if it is cgshim itself.

    named: the runtime from the settings, which was checked when they were read.
    """
    if runtime:
        if runtime != named:
            settings.check_runtime(runtime, "the entry's file in /etc/cgshim/runtimes")
        refuse(runtime)
        return runtime
    raise ShimError(
        "no-runtime",
        "no real runtime was found",
        evidence=("neither runc nor crun is in the standard directories",),
        remedy=("install runc or crun", 'or name one: {"runtime": "/path/to/runc"} in /etc/cgshim/config.json'),
    )


def refuse(runtime: str) -> None:
    """Raise ShimError `bad-runtime` if `runtime` is cgshim or leads back to it."""
    head = _read(runtime, len(FIRST_LINES[0]))
    if head.startswith(FIRST_LINES):
        raise _leads_back(runtime, f"{runtime} starts with the text of cgshim's launcher")
    for pid, other in _callers(every=head.startswith(b"#!")):
        if other == runtime:
            raise _leads_back(runtime, f"process {pid}, which started this one, is cgshim with the same runtime")


def _callers(*, every: bool) -> Iterator[tuple[int, str]]:
    """Yield the calls of cgshim that led here, nearest first, as (pid, real runtime).

    every: also search beyond processes that are not cgshim. A wrapper usually execs its runtime, so that the parent is
    enough; a script may stay between.
    """
    pid = posix.getppid()
    while pid > 1:
        words = _read(f"/proc/{pid}/cmdline", MOST).split(b"\0")
        place = next((place for place, word in enumerate(words) if PROGRAM in word), -1)
        if place >= 0 and len(words) > place + 2:
            yield pid, words[place + 2].decode("utf-8", "surrogateescape")
        elif not every:
            return
        pid = _parent(pid)


def _parent(pid: int) -> int:
    from shim.host import process

    return process.parent(_read(f"/proc/{pid}/stat", MOST).decode("utf-8", "replace"))


def _read(path: str, most: int) -> bytes:
    """Return the first bytes of a file, b"" if it cannot be read: delegate reports what is wrong with a runtime."""
    try:
        handle = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        return posix.read(handle, most)
    except OSError:
        return b""
    finally:
        posix.close(handle)


def _leads_back(runtime: str, evidence: str) -> ShimError:
    return ShimError(
        "bad-runtime",
        f"the real runtime {runtime} leads back to cgshim",
        cause="cgshim would start itself in an endless loop; nothing was started",
        evidence=(evidence,),
        remedy=(
            "name runc or crun itself in the file of the entry, in CGSHIM_RUNTIME or in the settings",
            "if you use a wrapper, let it call the real runtime by its absolute path",
        ),
    )
