"""Where samples, events and alerts go."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample


class Sink:
    """Takes what the watcher has; this one lets everything pass by. An OSError of one is told and stops nothing."""

    def sample(self, sample: Sample) -> None:
        """A container was looked at."""

    def event(self, event: Event) -> None:
        """Something happened to a container."""

    def alert(self, alert: Alert) -> None:
        """An operator is to be told."""

    def has(self, serial: str) -> bool:
        """Has it got the alert with this serial? Asked after a restart, of alerts that may not have arrived."""
        return False

    def gone(self, container: str) -> None:
        """The container with this id has ended; its `gone` event came before."""

    def tick(self, now: float) -> None:
        """A round is over; UNIX seconds."""

    def close(self) -> None:
        """The watcher ends."""
