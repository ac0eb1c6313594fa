"""The events between two samples of one container. Pure."""

from __future__ import annotations

from shim.watch import event as kinds
from shim.watch.event import Event, who

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from shim.watch.sample import Sample

# counter -> kind of event. failcnt is v1's `max`: how often usage hit the limit (cgroup-v1/memory.rst, 2.4);
# memsw_failcnt is that of memory and swap together. above_*: of the ancestor with the tightest limit.
COUNTERS = (
    ("high", kinds.HIGH),
    ("max", kinds.MAX),
    ("failcnt", kinds.MAX),
    ("memsw_failcnt", kinds.MAX),
    ("above_max", kinds.MAX),
    ("above_failcnt", kinds.MAX),
    ("oom", kinds.OOM),
    ("above_oom", kinds.OOM),
    ("oom_kill", kinds.OOM_KILL),
)


def between(before: dict[str, int], sample: Sample, source: str) -> Iterator[Event]:
    """Yield an event for each counter that grew. before: the counters of an earlier sample; {} for a new cgroup.

    source: the notification that led to this sample. A counter that fell belongs to another cgroup of the same name.
    """
    for counter, kind in COUNTERS:
        now = sample.events.get(counter)
        if now is None:
            continue
        then = before.get(counter, 0)
        grown = now - then if now >= then else now
        if grown:
            where = {"cgroup_of_limit": sample.limit_of} if counter.startswith("above_") else {}
            yield of(sample, kind, source, counter=counter, count=grown, total=now, **where)


def of(sample: Sample, kind: str, source: str, **evidence: Any) -> Event:
    """Return an event of the sample's container."""
    return Event(
        time=sample.time,
        kind=kind,
        **who(sample),
        source=source,
        evidence={"cgroup": sample.cgroup, **evidence},
    )
