"""Which events are alerts."""

from __future__ import annotations

from shim.watch import alert as types
from shim.watch import event as kinds
from shim.watch.alert import Alert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.watch.event import Event
    from shim.watch.memory_of_alerts import Remembered
    from shim.watch.sample import Sample

OF_KIND = {kinds.HIGH: types.HIGH_EXCEEDED, kinds.MAX: types.MAX_HIT, kinds.OOM_KILL: types.OOM_KILL}


class Alerts:
    """Alerts from events, at most one of a type for a container in `quiet` seconds."""

    def __init__(self, remembered: Remembered, quiet: float) -> None:
        self.remembered = remembered
        self.quiet = quiet

    def of(self, event: Event, sample: Sample) -> Iterator[Alert]:
        """The alert of an event, if it is one."""
        if event.kind in OF_KIND:
            kind = OF_KIND[event.kind]
            yield Alert(
                time=event.time,
                type=kind,
                id=event.id,
                engine=event.engine,
                name=event.name,
                pod=event.pod,
                threshold=sample.high if kind == types.HIGH_EXCEEDED else sample.limit,
                usage=sample.memory.usage,
                limit=sample.limit,
                serial=f"{kind}:{event.id}:{event.evidence.get('total')}",
                message=f"{kind}: {event.evidence.get('count')} more",
                evidence={"source": event.source, **event.evidence},
            )

    def due(self, now: float) -> Iterator[Alert]:
        """Alerts that were held back and are due."""
        return iter(())
