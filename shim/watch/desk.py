"""From events to sinks: each event is passed on, becomes an alert or not, and an alert is passed on once."""

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
    """Passes on. remembered: where alerts are that not all sinks have. problems: what sinks could not do, each once."""

    def __init__(self, remembered: Remembered, quiet: float) -> None:
        self.remembered = remembered
        self.alerts = Alerts(remembered, quiet)
        self.sinks: tuple[Sink, ...] = ()
        self.problems: list[str] = []

    def open(self, sinks: Iterable[Sink]) -> None:
        """These get everything from now on, and first the alerts that an earlier watcher may not have passed on."""
        self.sinks = tuple(sinks)
        for alert in self.remembered.pending():
            self.each(lambda sink, alert=alert: sink.has(alert.serial) or sink.alert(alert))  # type: ignore[misc]
            self.remembered.delivered(alert)

    def event(self, event: Event, sample: Sample | None = None) -> None:
        """Pass on an event, and the alert that it is."""
        self.each(lambda sink: sink.event(event))
        alert = self.alerts.of(event, sample)
        if alert is not None:
            self.tell(alert)

    def due(self, now: float, container: str = "") -> None:
        """Alerts that were held back and whose time has come, or all of a container that ends."""
        for alert in self.alerts.due(now, container):
            self.tell(alert)

    def tell(self, alert: Alert) -> None:
        """Written down before, crossed out after, so that it survives whatever happens in between."""
        self.remembered.pend(alert)
        self.each(lambda sink: sink.alert(alert))
        self.remembered.delivered(alert)

    def each(self, step: Callable[[Sink], object]) -> None:
        """For every sink; one that fails does not keep the others from theirs."""
        for sink in self.sinks:
            try:
                step(sink)
            except OSError as error:
                self.problem(f"{type(sink).__name__}: {error}")

    def problem(self, text: str) -> None:
        """Keep what is wrong, for whoever started the watcher."""
        if text not in self.problems and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)
