"""The engine's channel: where the user of podman, containerd, Docker or CRI-O reads what went wrong.

containerd and Docker show the last error in the `--log` file. podman shows the JSON object in that file if it is the
only content. CRI-O shows the first 8 KiB of stderr. So a failure goes to both places, as one record.
"""

from __future__ import annotations

import posix
import time

from shim.errors import printable_line, printable_lines
from shim.oci.text import dump
from shim.system import abspath, basename, dirname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from shim.call.argv import Invocation
    from shim.errors import Notice, ShimError

MOST = 1900  # bytes on stderr: podman's reader cuts the JSON-escaped message at 4,096
SHOWN = ("update", "checkpoint")  # podman and CRI-O print the stderr of these unchanged
OWN_LOGS = ("log.json", "oci-log")  # log names of containerd and podman, if they are in a directory of the container


def fail(invocation: Invocation, error: ShimError) -> None:
    """Write why the call is refused. If files have run out or code cannot be read any more, write the verdict at
    least.
    """
    try:
        from shim.state.failures import parts_of

        say(invocation, error.text(), error.code, parts_of(error))
    except Exception:  # noqa: BLE001 # whatever it is: a traceback would help nobody
        _stderr(f"cgshim: {ascii(error.what)[1:-1]} [{error.code}]")


def say(invocation: Invocation, text: str, code: str = "", parts: dict[str, Any] | None = None) -> None:
    """Write a message for the engine's user: one record to the caller's log, and the same to stderr.

    `cgshimctl explain --last` shows the whole message even if an engine cuts or discards it. parts: as in
    shim.state.failures.remember.
    """
    text = printable_lines(text)
    if invocation.log:
        _write_log(invocation, record(text, "error", invocation.log_format))
    if invocation.log or invocation.command in SHOWN:
        _stderr(clipped(text))
    else:
        _stderr(_short_record(text))
    from shim.state.failures import remember

    remember(text, code, invocation.container_id, parts=parts)


def _short_record(text: str) -> str:
    """Return a text record of at most MOST bytes. Quotes, line ends and non-ASCII characters take more bytes when
    escaped.
    """
    most = MOST
    line = record(clipped(text, most), "error", "text")
    while len(line) > MOST:
        most -= max(len(line) - MOST, 50) // 6 + 1
        line = record(clipped(text, most), "error", "text")
    return line


def notify(invocation: Invocation, notices: list[Notice]) -> None:
    """Write (level, text) notices to containerd's log, the only log that neither shows them as errors nor loses them.

    podman takes a second object in its log for a malformed error. Without a log file there is only stderr, which is the
    container's own.
    """
    if not notices or basename(invocation.log) != "log.json" or invocation.log_format != "json":
        return
    lines = "".join(record(printable_line(text), level, "json") for level, text in notices)
    try:
        with open(invocation.log, "ab") as file:
            file.write(lines.encode("ascii"))
    except OSError:
        return  # a notice must not cost a container


def tell_operators(notices: Iterable[Notice], container: str) -> None:
    """Write the warnings among (level, text) notices to the system's log.

    No engine shows its user the output of a call or hook that succeeds, and a limit that is lost under policy `warn`
    must not go unnoticed.
    """
    named = f"container {container}: " if container else ""
    lines = [f"{named}{' '.join(text.split())}" for level, text in notices if level == "warning"]
    if lines:
        import syslog

        system_log(lines, syslog.LOG_WARNING)


def system_log(lines: list[str], level: int) -> None:
    """Write one record a line to journald or the syslog daemon. Does nothing if neither runs."""
    import syslog

    syslog.openlog("cgshim", 0, syslog.LOG_DAEMON)
    for line in lines:
        syslog.syslog(level, printable_line(line))
    syslog.closelog()


def record(text: str, level: str, form: str) -> str:
    """Return one log record as runc writes it, in "json" or "text" form, with its newline."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if form == "json":
        return dump({"level": level, "msg": text, "time": now}) + "\n"
    return f'time="{now}" level={level} msg={dump(text)}\n'


def clipped(text: str, most: int = MOST) -> str:
    """Return at most `most` bytes of `text`, cut at a line end, or inside a line that is too long by itself."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    head = data[: most - 4].decode("utf-8", "ignore")
    return head[: head.rfind("\n")] + "\n..." if "\n" in head[200:] else head + "..."


def is_own(path: str, container: str, bundle: str) -> bool:
    """Return whether the log is for this container alone: it is in the bundle, or in a directory named by the id.

    podman: .../ID/userdata/oci-log. containerd: .../NAMESPACE/ID/log.json, which is in the bundle.
    """
    if basename(path) not in OWN_LOGS:
        return False
    above = abspath(path).split("/")[-3:-1]
    return dirname(abspath(path)) == bundle or (bool(container) and container in above)


def _write_log(invocation: Invocation, line: str) -> None:
    """Write one record. It replaces a log of this container alone, which podman reads only if it holds a single
    record.
    """
    path = invocation.log[5:] if invocation.log.startswith("file:") else invocation.log
    if path.startswith(("journald:", "syslog:")):
        return
    fresh = is_own(path, invocation.container_id, invocation.bundle)
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC | (posix.O_TRUNC if fresh else posix.O_APPEND)
    try:
        handle = posix.open(path, flags, 0o600)
    except OSError:
        return  # stderr still has it
    try:
        posix.write(handle, line.encode("ascii"))
    except OSError:
        return  # the same
    finally:
        posix.close(handle)


def _stderr(text: str) -> None:
    try:
        posix.write(2, (text if text.endswith("\n") else text + "\n").encode("utf-8", "backslashreplace"))
    except OSError:
        return  # nobody reads it
