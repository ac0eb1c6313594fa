"""Shared by all hooks: their options, which containers they leave alone, and where a refusal goes."""

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
PIDFD_GETFD = 438  # the same number on every architecture that runs Python and containers


def options(arguments: list[str], known: dict[str, str], usage: str) -> dict[str, str]:
    """Return `--name value` pairs over the defaults in `known`. Raises ShimError for anything else."""
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
    """Return the `create` that a hook represents, from config.json and the hook's options --runtime and --driver."""
    from shim.oci import cgroups_path
    from shim.planning import rewrite

    return rewrite.Asked(
        runtime=given["--runtime"],
        family=settings.family(given["--runtime"]),
        command="create",
        driver=cgroups_path.driver(config, given["--driver"]),
    )


def enabled(annotations: Any, configured: Settings, container: str = "") -> bool:
    """Return False for a container with the annotation io.cgshim.enable "false", if the settings trust annotations.

    If they do not, an image's author must not be able to switch off the verification, and the attempt is logged.
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
    """Write the reason to stderr, the system's log and the file behind `cgshimctl explain --last`."""
    import syslog

    from shim.state.failures import parts_of, remember

    text = error.text()
    _stderr((text + "\n").encode())
    remember(text, error.code, container, parts=parts_of(error))
    system_log(text.split("\n"), syslog.LOG_ERR)


def _stderr(data: bytes) -> None:
    """Write to stderr. crun, and podman for precreate, give their hooks /dev/null there: then write to their own
    stderr.
    """
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
    """Return a descriptor of another process's stderr. Raises OSError.

    A pipe or terminal is opened again, so that it can be set to non-blocking. A file opened again would have its own
    position, at the beginning, where the runtime's next output would overwrite ours. A socket cannot be opened. These
    two are duplicated with pidfd_getfd(2) if that is allowed (Linux 5.6, ptrace access).
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
