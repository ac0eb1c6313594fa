"""Which events are alerts, and when they are sent: the first at once, later ones at growing intervals.

An alert that is held back is not lost. The next one of its type for its container has the number of those held back,
and is sent when its time has come or the container ends. Held-back alerts survive a restart
(shim.watch.memory_of_alerts).
"""

from __future__ import annotations

from shim.watch import alert as types
from shim.watch import event as kinds
from shim.watch.alert import Alert
from shim.watch.event import who
from shim.watch.memory_of_alerts import plain, restored
from shim.watch.words import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from shim.watch.event import Event
    from shim.watch.memory_of_alerts import Remembered
    from shim.watch.sample import Sample

OF_KIND = {
    kinds.HIGH: types.HIGH_EXCEEDED,
    kinds.MAX: types.MAX_HIT,
    kinds.OOM_KILL: types.OOM_KILL,
    kinds.OOM_STUCK: types.OOM_STUCK,
    kinds.THRESHOLD: types.THRESHOLD_EXCEEDED,
    kinds.PRESSURE: types.PRESSURE,
    kinds.DRIFT: types.LIMIT_DRIFT,
    kinds.LEAK: types.LEAK_SUSPECTED,
}
LONGEST = 3600.0  # seconds between alerts of one type for one container, at most
MOST_VICTIMS = 20  # processes in one alert


class Alerts:
    """Makes alerts from events. quiet: seconds after an alert in which others of its type and container are held back.

    The interval doubles with each alert that follows directly, up to LONGEST. After an interval without one it is
    `quiet` again.
    """

    def __init__(self, remembered: Remembered, quiet: float) -> None:
        self.remembered = remembered
        self.quiet = quiet

    def of(self, event: Event, sample: Sample | None) -> Alert | None:
        """Return the alert of an event, None if it is not an alert or is held back. sample: from that moment."""
        kind = OF_KIND.get(event.kind)
        if kind is None:
            return None
        alert = _alert(kind, event, sample)
        rate = self._rate(alert.id, alert.type)
        self.remembered.changed = True
        if alert.time < rate.get("until", 0.0):
            rate["held"] = plain(_joined(rate.get("held"), alert))
            return None
        return self._told(rate, alert)

    def due(self, now: float, container: str = "") -> Iterator[Alert]:
        """Yield alerts whose time has come. container: every held-back one of this container, because it ends."""
        for name, entry in list(self.remembered.value["containers"].items()):
            for rate in entry.get("alerts", {}).values():
                if "held" in rate and (name == container if container else now >= rate["until"]):
                    self.remembered.changed = True
                    yield self._told(rate, restored(rate.pop("held")), now)

    def _rate(self, container: str, kind: str) -> dict[str, Any]:
        rates = self.remembered.entry(container).setdefault("alerts", {})
        found: dict[str, Any] = rates.setdefault(kind, {})
        return found

    def _told(self, rate: dict[str, Any], alert: Alert, now: float | None = None) -> Alert:
        moment = alert.time if now is None else now
        calm = moment >= rate.get("until", 0.0) + rate.get("quiet", 0.0)
        rate["quiet"] = self.quiet if calm else min(LONGEST, rate["quiet"] * 2)
        rate["until"] = moment + rate["quiet"]
        rate.pop("held", None)
        return alert


def _alert(kind: str, event: Event, sample: Sample | None) -> Alert:
    threshold = event.evidence.get("threshold")
    if threshold is None and sample is not None:
        threshold = {types.HIGH_EXCEEDED: sample.high, types.MAX_HIT: sample.limit}.get(kind)
    mark = event.evidence.get("total", event.evidence.get("mark", f"{event.time:.0f}"))
    alert = Alert(
        time=event.time,
        type=kind,
        **who(event),
        threshold=threshold,
        usage=sample.memory.usage if sample else None,
        limit=sample.limit if sample else None,
        serial=f"{kind}:{event.id}:{event.evidence.get('inode', 0)}:{mark}",
        message="",
        evidence={"source": event.source, **event.evidence, **_context(sample)},
    )
    return alert.changed(message=message(alert))


def _context(sample: Sample | None) -> dict[str, Any]:
    """Return the figures that distinguish a leak from a cache that fills its limit, which is normal."""
    if sample is None:
        return {}
    return {"working_set": sample.memory.working_set, "limit_of": sample.limit_of}


def _joined(held: dict[str, Any] | None, alert: Alert) -> Alert:
    """Return the newer alert with the data of the older ones."""
    if held is None:
        return alert
    before = restored(held)
    evidence = dict(alert.evidence)
    if "count" in evidence:
        evidence["count"] += before.evidence.get("count", 0)
    if "victims" in before.evidence:
        evidence["victims"] = [*before.evidence["victims"], *evidence.get("victims", ())][-MOST_VICTIMS:]
    joined = alert.changed(repeated=before.repeated + 1, evidence=evidence)
    return joined.changed(message=message(joined))
