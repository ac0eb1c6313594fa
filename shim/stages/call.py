"""What all hooks share: their options, which containers they leave alone, and where a refusal goes."""

from __future__ import annotations

import os
import stat

from shim.call.channel import system_log, tell_operators
from shim.errors import ShimError
from shim.planning import settings
from shim.system import pidfd_open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.planning.rewrite import Asked
    from shim.planning.settings import Settings

ANNOTATION = "io.cgshim.enable"
NULL = os.makedev(1, 3)  # /dev/null
PIDFD_GETFD = 438  # the system call has one number on all architectures that run Python and containers


def options(arguments: list[str], known: dict[str, str], usage: str) -> dict[str, str]:
    """`--name value` pairs over the defaults in `known`. Raises ShimError for anything else."""
    pairs = list(zip(arguments[::2], arguments[1::2]))
    found = {**known, **dict(pairs)}
    if len(arguments) % 2 or set(found) != set(known) or not found.get("--runtime", "-").strip():
        raise ShimError(
            "bad-hook",
            "the hook's arguments cannot be understood",
            evidence=(f"arguments: {' '.join(arguments)}",),
            remedy=(usage,),
        )
    return found


def creation(config: Any, given: dict[str, str]) -> Asked:
    """The `create` that a hook stands in, from config.json and the hook's options --runtime and --driver."""
    from shim.oci import cgroups_path
    from shim.planning import rewrite

    return rewrite.Asked(
        runtime=given["--runtime"],
        family=settings.family(given["--runtime"]),
        command="create",
        driver=cgroups_path.driver(config, given["--driver"]),
    )


def enabled(annotations: Any, configured: Settings, container: str = "") -> bool:
    """False for a container whose annotation io.cgshim.enable says "false", where the settings trust annotations.

    Else the author of an image could switch off what looks after its limits; operators are told of the attempt.
    """
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if value not in (None, "true", "false"):
        raise ShimError(
            "bad-enable",
            f"annotation {ANNOTATION}: {value!r} is neither 'true' nor 'false'",
            remedy=(f"set {ANNOTATION} to true or false, or leave it out",),
        )
    if value != "false":
        return True
    if not configured.trusting:
        tell_operators([("warning", f"cgshim: {settings.not_trusted(ANNOTATION, value)}")], container)
    return not configured.trusting


def refuse(error: ShimError, container: str = "") -> None:
    """Say why, wherever somebody may look: stderr, `cgshimctl explain --last`, the system's log."""
    import syslog

    from shim.state.failures import parts_of, remember

    text = error.text()
    _stderr((text + "\n").encode())
    remember(text, error.code, container, parts=parts_of(error))
    system_log(text.split("\n"), syslog.LOG_ERR)


def _stderr(data: bytes) -> None:
    """To stderr; crun, and podman for precreate, give their hooks /dev/null for that: then to their own stderr."""
    try:
        found = os.fstat(2)
        if found.st_rdev != NULL:
            os.write(2, data)
            return
        handle = _stderr_of(os.getppid())
    except OSError:
        return
    try:
        os.write(handle, data)
    except OSError:
        return
    finally:
        os.close(handle)


def _stderr_of(pid: int) -> int:
    """A descriptor of another process's stderr. Raises OSError.

    A pipe or terminal is opened again, so that it can be made not to block. Of a file that would have a position of its
    own, at the beginning, where the runtime's next words would go over ours; a socket cannot be opened. So these two
    are taken as they are with pidfd_getfd(2), where it is allowed (Linux 5.6, the rights of a debugger).
    """
    path = f"/proc/{pid}/fd/2"
    mode = os.stat(path).st_mode
    taken = _taken(pid) if stat.S_ISREG(mode) or stat.S_ISSOCK(mode) else -1
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    return taken if taken >= 0 else os.open(path, flags)


def _taken(pid: int) -> int:
    import ctypes

    try:
        owner = pidfd_open(pid)
    except OSError:
        return -1
    try:
        return int(ctypes.CDLL(None).syscall(PIDFD_GETFD, owner, 2, 0))
    finally:
        os.close(owner)
