"""The sinks of alerts: a stream, a file, the journal, syslog, a webhook."""

from __future__ import annotations

import json
import os
import socket
import sys

from shim.watch.sink import Sink
from shim.watch.spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from shim.watch.alert import Alert

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
IDENTIFIER = "cgshim-watch"
WARNING, ERROR = 4, 3  # syslog(3)
DAEMON = 3 << 3  # syslog(3), LOG_DAEMON
SEVERE = ("oom_kill", "oom_stuck", "limit_drift")
PREFIX = "CGSHIM"
TAIL = 1 << 20  # bytes at the end of a file that are searched for an alert after a restart
LINE = 8000  # bytes of a message that every syslog accepts
CUTS = (1000, 200, 50)  # characters of each text in a line that is too long: 50 fit, however they are escaped
# Of the journal, in characters: all together fit into a datagram (net.core.wmem_default, usually 212,992 bytes).
LONGEST, LONGEST_EVIDENCE = 4096, 1 << 16
LEFT_OUT = "longer than {} bytes"
# shape() -> field of the journal (systemd.journal-fields(7): upper case, no leading underscore).
FIELDS = ("alert_type", "container_id", "container_full_id", "container_name", "engine", "pod", "serial", "repeated")
NUMBERS = ("threshold_bytes", "usage_bytes", "limit_bytes")


class Stream(Sink):
    """One JSON object a line, on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def alert(self, alert: Alert) -> None:
        """Write and flush. Raises OSError."""
        self.stream.write(text(alert) + "\n")
        self.stream.flush()


class File(Sink):
    """One JSON object a line, appended to a file with one write(2), so that several writers do not mix.

    The file is opened for each alert: logrotate may move it away. Raises OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        os.close(self._open(os.O_WRONLY | os.O_APPEND | os.O_CREAT))

    def _open(self, flags: int) -> int:
        return os.open(self.path, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK, 0o640)

    def alert(self, alert: Alert) -> None:
        """Append the alert. Raises OSError."""
        handle = self._open(os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            data = (text(alert) + "\n").encode("utf-8", "backslashreplace")
            if os.write(handle, data) != len(data):
                raise OSError(28, "written in part only", self.path)
        finally:
            os.close(handle)

    def has(self, serial: str) -> bool:
        """Return whether it is near the end of the file."""
        try:
            handle = self._open(os.O_RDONLY)
        except OSError:
            return False
        try:
            size = os.fstat(handle).st_size
            os.lseek(handle, max(0, size - TAIL), os.SEEK_SET)
            return json.dumps(serial).encode("ascii") in os.read(handle, TAIL)
        finally:
            os.close(handle)


class Datagrams(Sink):
    """Sends one datagram for each alert, to a socket that may come and go with its daemon."""

    def __init__(self, path: str) -> None:
        self.path = path

    def alert(self, alert: Alert) -> None:
        """Send the alert. Raises OSError: nobody listens, or the daemon does not accept it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            try:
                out.connect(self.path)
                out.send(self.datagram(alert))
            except OSError as error:
                raise OSError(error.errno, error.strerror or str(error), self.path) from error

    def datagram(self, alert: Alert) -> bytes:
        """Return the datagram."""
        raise NotImplementedError


class Journal(Datagrams):
    """journald's native protocol (systemd's JOURNAL_NATIVE_PROTOCOL): `NAME=value` lines; a value with a line end in it
    is sent with its length. Each part of the alert is a field of its own, with the prefix PREFIX. Texts that are too
    long for a datagram are cut.
    """

    def datagram(self, alert: Alert) -> bytes:
        """Return the fields of one entry."""
        shape = _cut(alert.shape(), LONGEST)
        evidence = json.dumps(shape["evidence"], sort_keys=True)
        if len(evidence) > LONGEST_EVIDENCE:
            evidence = json.dumps({"left_out": LEFT_OUT.format(LONGEST_EVIDENCE)})
        fields = {
            "MESSAGE": shape["message"],
            "PRIORITY": str(severity(alert)),
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            "SYSLOG_FACILITY": str(DAEMON >> 3),
            **{f"{PREFIX}_{name.upper()}": str(shape[name]) for name in FIELDS},
            **{f"{PREFIX}_{name.upper()}": str(shape[name]) for name in NUMBERS if shape[name] is not None},
            f"{PREFIX}_EVIDENCE": evidence,
        }
        return b"".join(field(name, value) for name, value in fields.items())


class Syslog(Datagrams):
    """`<PRIORITY>cgshim-watch[PID]: cgshim-alert: JSON`, as syslog(3) writes to /dev/log (RFC 3164, without the time,
    which the daemon adds). An object that is too long for a syslog line loses its evidence; if it is still too long,
    its texts are cut.
    """

    def datagram(self, alert: Alert) -> bytes:
        """Return the line."""
        head = f"<{DAEMON | severity(alert)}>{IDENTIFIER}[{os.getpid()}]: cgshim-alert: "
        shape = alert.shape()
        line = head + json.dumps(shape)
        if len(line) > LINE:
            shape["evidence"] = {"left_out": LEFT_OUT.format(LINE)}
            line = head + json.dumps(shape)
        for most in CUTS:
            if len(line) > LINE:
                line = head + json.dumps(_cut(shape, most))
        return line.encode("ascii")


def _cut(shape: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the object with texts of at most so many characters."""
    return {name: value[:most] if isinstance(value, str) else value for name, value in shape.items()}


def field(name: str, value: str) -> bytes:
    """Return one field in the journal's protocol."""
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode("ascii") + b"=" + data + b"\n"
    return name.encode("ascii") + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def severity(alert: Alert) -> int:
    """Return a severity of syslog(3): an error if something was lost or is stuck, else a warning."""
    return ERROR if alert.type in SEVERE else WARNING


def text(alert: Alert) -> str:
    """Return the alert as one line of ASCII JSON: foreign names cannot end the line or control a terminal."""
    return json.dumps(alert.shape())


def stdout_alerts(stream: TextIO | None = None) -> Sink:
    """Alerts as JSON lines on a stream, standard output by default."""
    return Stream(stream or sys.stdout)


def file_alerts(path: str) -> Sink:
    """Alerts as JSON lines appended to a file. Raises OSError."""
    return File(path)


def journal_alerts(path: str = JOURNAL) -> Sink:
    """Alerts to journald, with fields. Raises OSError if there is no journald."""
    return Journal(_socket(path))


def syslog_alerts(path: str = SYSLOG) -> Sink:
    """Alerts to /dev/log. Raises OSError if there is no syslog daemon."""
    return Syslog(_socket(path))


def _socket(path: str) -> str:
    os.stat(path)
    return path


def webhook(url: str, spool_directory: str) -> Sink:
    """Alerts as POST requests, one JSON object each. Undelivered alerts wait in the spool, a directory of its own.

    Raises ValueError for a URL that is not http or https, OSError for a directory that cannot be used.
    """
    from shim.watch.webhook import Webhook  # urllib, http and ssl take a third of the start-up time

    return Webhook(url, Spool(spool_directory))
