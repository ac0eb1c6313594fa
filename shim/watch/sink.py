"""A destination for samples, events and alerts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample


class Sink:
    """Receives the watcher's data; this one ignores them. An OSError of a sink is reported and stops nothing."""

    def sample(self, sample: Sample) -> None:
        """Called with each sample of a container."""

    def event(self, event: Event) -> None:
        """Called with each event of a container."""

    def alert(self, alert: Alert) -> None:
        """Called with each alert."""

    def has(self, serial: str) -> bool:
        """Return whether it has the alert with this serial. Called after a restart, for alerts that may not have
        arrived.
        """
        return False

    def gone(self, container: str) -> None:
        """Called when the container with this id has ended, after its `gone` event."""

    def tick(self, now: float) -> None:
        """Called at the end of a round. now: UNIX seconds."""

    def close(self) -> None:
        """Called when the watcher ends."""
