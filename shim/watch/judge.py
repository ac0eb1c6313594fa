"""From two samples of a container to the events between them: counters, threshold, stuck OOM, pressure.

State that must survive a restart of the watcher is in Remembered; the pressure between two samples is not.
"""

from __future__ import annotations

from shim.watch import changes
from shim.watch import event as kinds
from shim.watch.ears import LEVEL_SOURCE
from shim.watch.leak import Windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from shim.watch.event import Event
    from shim.watch.memory_of_alerts import Remembered
    from shim.watch.sample import Sample

STUCK = 2.0  # seconds out of memory without a kill that count as stuck; the OOM killer needs some time itself
AGAIN = 1.0  # seconds until the next look while a container is out of memory
SHARE = 0.9  # of the limit: the threshold of a v1 cgroup without a soft limit
REARM = 0.95  # of the threshold: below it the next crossing counts again
STALLED = 0.15  # of the time between two looks, as in shim.watch.ears.STALL
SHORTEST = 0.9  # seconds between two samples over which pressure is a share


class Judge:
    """Keeps the last sample of each container. remembered: state that survives a restart."""

    def __init__(self, remembered: Remembered) -> None:
        self.remembered = remembered
        self.stalls: dict[str, tuple[float, dict[str, int]]] = {}
        self.windows = Windows()

    def events(self, sample: Sample, source: str) -> Iterator[Event]:
        """Yield the events since the last sample. source: why the sample was taken."""
        entry = self.remembered.entry(sample.id)
        before = entry.get("counters", sample.events)
        found = list(changes.between(before, sample, source))
        self.remembered.count(sample.id, sample.events)
        yield from found
        for event in (
            self._threshold(entry, sample, source),
            self._stuck(entry, sample, found, source),
            self._pressure(sample, source),
            self._leak(sample, source),
        ):
            if event is not None:
                yield event

    def again(self, container: str) -> float | None:
        """Return the seconds until the container must be looked at again, None if its turn is early enough."""
        return AGAIN if "stuck" in self.remembered.entry(container) else None

    def forget(self, container: str) -> None:
        """Forget a container that is gone."""
        self.stalls.pop(container, None)
        self.windows.forget(container)

    def _threshold(self, entry: dict[str, Any], sample: Sample, source: str) -> Event | None:
        """Return an event if the usage crossed the threshold without the page cache of files, which the kernel can
        reclaim.
        """
        at, usage, used = threshold(sample), sample.memory.usage, sample.memory.working_set
        if at is None or usage is None or used is None:
            return None
        above = bool(entry.get("above"))
        if above and usage < at * REARM:
            entry["above"], self.remembered.changed = False, True
        if above or usage < at or used < at:
            return None
        entry["above"], self.remembered.changed = True, True
        of = "memory.soft_limit_in_bytes" if sample.high is not None else f"{SHARE:.0%} of the limit"
        return changes.of(sample, kinds.THRESHOLD, source, threshold=at, threshold_of=of, mark=f"{sample.time:.0f}")

    def _stuck(self, entry: dict[str, Any], sample: Sample, found: list[Event], source: str) -> Event | None:
        """Return an event after STUCK seconds out of memory without a kill: v1 shows it, cgroup2 counts `oom` without
        kills.
        """
        out = any(event.kind == kinds.OOM for event in found) or bool(sample.events.get("under_oom"))
        killed = any(event.kind == kinds.OOM_KILL for event in found)
        if not out or killed:
            if "stuck" in entry and (killed or "under_oom" in sample.events or _over(entry, sample)):
                del entry["stuck"]
                self.remembered.changed = True
            return None
        stuck = entry.setdefault("stuck", {"since": sample.time, "told": False})
        stuck["last"], self.remembered.changed = sample.time, True
        if stuck["told"] or sample.time - stuck["since"] < STUCK:
            return None
        stuck["told"] = True
        names = ("under_oom", "oom_kill_disable", "oom", "oom_kill", "failcnt")
        counters = {key: sample.events[key] for key in names if key in sample.events}
        seconds = round(sample.time - stuck["since"], 1)
        return changes.of(
            sample, kinds.OOM_STUCK, source, **counters, seconds=seconds, mark=f"{stuck['since']:.0f}", count=1
        )

    def _leak(self, sample: Sample, source: str) -> Event | None:
        """Return an event if memory grows without end, as far as the samples of the last hours show."""
        evidence = self.windows.add(sample)
        return None if evidence is None else changes.of(sample, kinds.LEAK, source).changed(evidence=evidence)

    def _pressure(self, sample: Sample, source: str) -> Event | None:
        """Return an event for the share of stalled time; on v1 without PSI for the kernel's critical level."""
        if source == LEVEL_SOURCE:
            return changes.of(sample, kinds.PRESSURE, source, level="critical")
        totals, told = sample.pressure.totals, self.stalls.get(sample.id)
        if not totals:
            return None
        if told is None or sample.time - told[0] >= SHORTEST or sample.time < told[0]:
            self.stalls[sample.id] = (sample.time, totals)
        if told is None or sample.time - told[0] < SHORTEST:
            return None
        names = ("some",) if "some" in totals else tuple(totals)
        lost = sum(totals[name] - told[1].get(name, 0) for name in names)
        share = lost / 1e6 / (sample.time - told[0])
        if share < STALLED:
            return None
        facts = {"measure": sample.pressure.source, "file": sample.pressure.evidence, "stalled_usec": lost}
        return changes.of(sample, kinds.PRESSURE, source, share=round(share, 3), **facts)


def threshold(sample: Sample) -> int | None:
    """Return the usage in bytes at which a v1 cgroup is near its limit: its soft limit, or a share of the limit.

    cgroup2 has memory.high for that, which the kernel itself enforces and counts.
    """
    if sample.version != "v1":
        return None
    if sample.high is not None:
        return sample.high
    return None if sample.limit is None else int(sample.limit * SHARE) & ~4095


def _over(entry: dict[str, Any], sample: Sample) -> bool:
    """Return whether there was no further `oom` for a while: cgroup2 has no `under_oom`."""
    return bool(sample.time - entry["stuck"]["last"] > 3 * AGAIN)
