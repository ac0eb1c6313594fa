"""What all hooks share: their options, which containers they leave alone, and where a refusal goes."""

from __future__ import annotations

import os

from shim.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

ANNOTATION = "io.cgshim.enable"
NULL = os.makedev(1, 3)  # /dev/null


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


def enabled(annotations: Any) -> bool:
    """False for a container whose annotation io.cgshim.enable says "false"."""
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if value in (None, "true", "false"):
        return value != "false"
    raise ShimError(
        "bad-enable",
        f"annotation {ANNOTATION}: {value!r} is neither 'true' nor 'false'",
        remedy=(f"set {ANNOTATION} to true or false, or leave it out",),
    )


def driver(config: Any, wanted: str) -> str:
    """The cgroup driver: the one that was asked for, else told by cgroupsPath (systemd's is slice:prefix:name)."""
    linux = config.get("linux") if isinstance(config, dict) else None
    path = linux.get("cgroupsPath") if isinstance(linux, dict) else None
    if wanted:
        return wanted
    return "systemd" if isinstance(path, str) and path.count(":") == 2 and "/" not in path else "cgroupfs"


def refuse(error: ShimError, container: str = "") -> None:
    """Say why, wherever somebody may look: stderr, `cgshimctl explain --last`, the system's log."""
    import syslog

    from shim.channel import printable
    from shim.last import remember

    text = printable(error.text())
    _stderr((text + "\n").encode())
    remember(text, error.code, container)
    _system_log(text.splitlines(), syslog.LOG_ERR)


def _stderr(data: bytes) -> None:
    """To stderr; crun gives its hooks /dev/null for that and quotes nothing, so then to crun's own stderr."""
    try:
        found = os.fstat(2)
        if found.st_rdev != NULL:
            os.write(2, data)
            return
        handle = os.open(f"/proc/{os.getppid()}/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(handle, data)
    except OSError:
        return
    finally:
        os.close(handle)


def notify(notices: Iterable[tuple[str, str]], container: str) -> None:
    """What is lost under policy `warn` goes to the system's log: engines throw away what a hook that succeeds says."""
    import syslog

    named = f"container {container}: " if container else ""
    _system_log([f"{named}{text}" for level, text in notices if level == "warning"], syslog.LOG_WARNING)


def _system_log(lines: list[str], level: int) -> None:
    """One record each, which journald or a syslog daemon takes; where neither runs nothing happens."""
    import syslog

    if not lines:
        return
    syslog.openlog("cgshim", 0, syslog.LOG_DAEMON)
    for line in lines:
        syslog.syslog(level, line)
    syslog.closelog()
