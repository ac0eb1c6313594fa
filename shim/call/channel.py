"""The engine's channel: where the user of podman, containerd, Docker or CRI-O gets to read what went wrong.

containerd and Docker show the last error of the `--log` file, podman the file's one JSON object if it is the whole
content, CRI-O the first 8 KiB of stderr. So a failure goes to both places, as one record.
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
SHOWN = ("update", "checkpoint")  # podman and CRI-O read a start's stderr, but show their user that of these as it is
OWN_LOGS = ("log.json", "oci-log")  # containerd's and podman's, where they lie in a directory of the container's own


def fail(invocation: Invocation, error: ShimError) -> None:
    """Say why the call is refused; the verdict at least, where files run out or the code cannot be read any more."""
    try:
        from shim.state.failures import parts_of

        say(invocation, error.text(), error.code, parts_of(error))
    except Exception:  # noqa: BLE001 # of whatever kind: a traceback in its place says nothing to anybody
        _stderr(f"cgshim: {ascii(error.what)[1:-1]} [{error.code}]")


def say(invocation: Invocation, text: str, code: str = "", parts: dict[str, Any] | None = None) -> None:
    """Give a message to the engine's user: one record in the caller's log, and the same on stderr.

    What an engine cuts or throws away `cgshimctl explain --last` still has. parts: as shim.state.failures.remember.
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
    """A text record of at most MOST bytes: quotes, line ends and all that is not ASCII grow in it."""
    most = MOST
    line = record(clipped(text, most), "error", "text")
    while len(line) > MOST:
        most -= max(len(line) - MOST, 50) // 6 + 1
        line = record(clipped(text, most), "error", "text")
    return line


def notify(invocation: Invocation, notices: list[Notice]) -> None:
    """Add (level, text) notices to containerd's log, the only one where they are neither shown as an error nor lost.

    podman takes a second object in its log for a malformed error, and without a log file there is only the
    container's own stderr.
    """
    if not notices or basename(invocation.log) != "log.json" or invocation.log_format != "json":
        return
    lines = "".join(record(printable_line(text), level, "json") for level, text in notices)
    try:
        with open(invocation.log, "ab") as file:
            file.write(lines.encode("ascii"))
    except OSError:
        return  # a notice is never worth a container


def tell_operators(notices: Iterable[Notice], container: str) -> None:
    """The warnings among (level, text) notices go to the system's log: no engine shows its user what a call or a hook
    that succeeds has to say, and a limit that is lost under policy `warn` must not go unnoticed.
    """
    named = f"container {container}: " if container else ""
    lines = [f"{named}{' '.join(text.split())}" for level, text in notices if level == "warning"]
    if lines:
        import syslog

        system_log(lines, syslog.LOG_WARNING)


def system_log(lines: list[str], level: int) -> None:
    """One record each, which journald or a syslog daemon takes; where neither runs nothing happens."""
    import syslog

    syslog.openlog("cgshim", 0, syslog.LOG_DAEMON)
    for line in lines:
        syslog.syslog(level, printable_line(line))
    syslog.closelog()


def record(text: str, level: str, form: str) -> str:
    """One log record as runc writes it, in "json" or "text" form, with its newline."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if form == "json":
        return dump({"level": level, "msg": text, "time": now}) + "\n"
    return f'time="{now}" level={level} msg={dump(text)}\n'


def clipped(text: str, most: int = MOST) -> str:
    """At most `most` bytes, cut at a line or, for one endless line, inside it."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return text
    head = data[: most - 4].decode("utf-8", "ignore")
    return head[: head.rfind("\n")] + "\n..." if "\n" in head[200:] else head + "..."


def is_own(path: str, container: str, bundle: str) -> bool:
    """Does the log hold the records of this container alone: is it in the bundle, or in a directory named by the id.

    podman: .../ID/userdata/oci-log; containerd: .../NAMESPACE/ID/log.json, its bundle.
    """
    if basename(path) not in OWN_LOGS:
        return False
    above = abspath(path).split("/")[-3:-1]
    return dirname(abspath(path)) == bundle or (bool(container) and container in above)


def _write_log(invocation: Invocation, line: str) -> None:
    """One record; a log of this container alone is overwritten, since podman reads it only if it holds just one."""
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
        return  # nobody listens
