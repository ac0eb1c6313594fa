"""From events to sinks: passes on each event, makes an alert of it or not, and passes on each alert once."""

from __future__ import annotations

from shim.watch.alerts import Alerts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.memory_of_alerts import Remembered
    from shim.watch.sample import Sample
    from shim.watch.sink import Sink

MOST_PROBLEMS = 100


class Desk:
    """Passes on events and alerts. remembered: alerts that not all sinks have yet. problems: errors of sinks, each
    once.
    """

    def __init__(self, remembered: Remembered, quiet: float) -> None:
        self.remembered = remembered
        self.alerts = Alerts(remembered, quiet)
        self.sinks: tuple[Sink, ...] = ()
        self.problems: list[str] = []

    def open(self, sinks: Iterable[Sink]) -> None:
        """Send everything to these sinks from now on, beginning with alerts that an earlier watcher may not have passed
        on.
        """
        self.sinks = tuple(sinks)
        for alert in self.remembered.pending():
            self.each(lambda sink, alert=alert: sink.has(alert.serial) or sink.alert(alert))  # type: ignore[misc]
            self.remembered.delivered(alert)

    def event(self, event: Event, sample: Sample | None = None) -> None:
        """Pass on an event, and its alert if there is one."""
        self.each(lambda sink: sink.event(event))
        alert = self.alerts.of(event, sample)
        if alert is not None:
            self.tell(alert)

    def due(self, now: float, container: str = "") -> None:
        """Pass on held-back alerts whose time has come, or all of a container that ends."""
        for alert in self.alerts.due(now, container):
            self.tell(alert)

    def tell(self, alert: Alert) -> None:
        """Record the alert before it is sent and remove the record afterwards, so that it survives a crash in
        between.
        """
        self.remembered.pend(alert)
        self.each(lambda sink: sink.alert(alert))
        self.remembered.delivered(alert)

    def each(self, step: Callable[[Sink], object]) -> None:
        """Call `step` for every sink; an error of one does not affect the others."""
        for sink in self.sinks:
            try:
                step(sink)
            except OSError as error:
                self.problem(f"{type(sink).__name__}: {error}")

    def problem(self, text: str) -> None:
        """Record a problem for the user of the watcher."""
        if text not in self.problems and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)
