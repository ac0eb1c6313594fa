"""One JSON object a line: samples, events and alerts, for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from shim.cli.output import SCHEMA
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample


class JsonLines(Sink):
    """Writes and flushes each. Raises BrokenPipeError if the reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def sample(self, sample: Sample) -> None:
        """Write `"type": "sample"`."""
        self._put(sample.shape())

    def event(self, event: Event) -> None:
        """Write `"type": "event"`."""
        self._put(event.shape())

    def alert(self, alert: Alert) -> None:
        """Write `"type": "alert"`."""
        self._put(alert.shape())

    def _put(self, shape: dict[str, Any]) -> None:
        self.stream.write(json.dumps({"schema": SCHEMA, **shape}) + "\n")
        self.stream.flush()
