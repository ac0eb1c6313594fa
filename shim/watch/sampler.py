"""From the interface files of a container's cgroups to a Sample.

A file counts only on the cgroup file system's own device. A file of the right name on another device (a tmpfs over it,
a link to another place) is named in the sample and not read.
"""

from __future__ import annotations

import os

from shim.host.cgroup_files import flat_keyed
from shim.observe import memory_numbers
from shim.observe.allocation import HUGE_SIZE, allocated
from shim.observe.pressure import PSI, Pressure, no_psi, stalls
from shim.rules.sizes import UNLIMITED
from shim.watch.sample import Sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.host.view import View
    from shim.watch.place import Followed, Spot

    Other = Callable[[Followed, str], Pressure]

PAGE = os.sysconf("SC_PAGE_SIZE")
USAGE = {1: "memory.usage_in_bytes", 2: "memory.current"}
LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
HIGH = {1: "memory.soft_limit_in_bytes", 2: "memory.high"}
SWAP_LIMIT = {1: "memory.memsw.limit_in_bytes", 2: "memory.swap.max"}
EVENTS = ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")
CPU = ("nr_periods", "nr_throttled", "throttled_usec")
FOREIGN = "{}: on another device than the cgroup file system, so it is not the kernel's"


class Sampler:
    """Reads cgroups of one host. Files that the kernel lacks are tried once; ancestors are read once a round."""

    def __init__(self, view: View, other: Other | None = None) -> None:
        """other: returns the pressure of a container without PSI, from the reason for that; nothing by default."""
        self.view = view
        self.huge = _number(view.text(HUGE_SIZE)) or PAGE
        self.other = other
        self.missing: set[tuple[int, str]] = set()
        self.limits: dict[str, int | None] = {}
        self.counters: dict[str, dict[str, int]] = {}
        self.foreign: dict[str, str] = {}

    def round(self) -> None:
        """Begin a new round: limits of ancestors are read again."""
        self.limits.clear()
        self.counters.clear()

    def usage(self, one: Followed) -> int | None:
        """Return only the usage, the cheapest look; None if the cgroup is gone."""
        spot = one.place.memory
        return _number(self._text(spot, USAGE[spot.version]))

    def sample(self, one: Followed, now: float) -> Sample | None:
        """Return a full sample; None if the cgroup is gone."""
        self.foreign = {}
        spot = one.place.memory
        version = "v2" if spot.version == 2 else "v1"
        texts: dict[str, str] = {}
        for name in memory_numbers.FILES[version]:
            text = self._text(spot, name)
            if text is not None:
                texts[name] = text
        if USAGE[spot.version] not in texts and USAGE[spot.version] not in self.foreign:
            return None
        limit, at = self._limit(spot)
        return Sample(
            time=now,
            **one.named,
            cgroup=spot.path,
            version=version,  # type: ignore[arg-type] # mypy does not narrow a conditional to literals
            memory=memory_numbers.measure(version, texts, self.foreign, populated=True),
            limit=limit,
            limit_of=at.path if limit is not None else "",
            high=_bytes(self._text(spot, HIGH[spot.version])),
            swap_limit=_bytes(self._text(spot, SWAP_LIMIT[spot.version])),
            pressure=self._pressure(one),
            events={**self._events(spot), **(self._above(at) if at is not spot and limit is not None else {})},
            cpu=self._cpu(one.place.cpu),
            allocated=allocated(version, flat_keyed(texts.get("memory.stat", "")), PAGE, self.huge),
            problems=dict(self.foreign),
        )

    def _text(self, spot: Spot, name: str) -> str | None:
        if (spot.version, name) in self.missing:
            return None
        path = f"{spot.directory}/{name}"
        found = self.view.read(path)
        if found is None:
            if self.view.errors.get(path) == 2 and self.view.exists(spot.directory):
                self.missing.add((spot.version, name))
            return None
        if found[1].device != spot.device:
            self.foreign[name] = FOREIGN.format(path)
            return None
        return found[0]

    def _limit(self, spot: Spot) -> tuple[int | None, Spot]:
        """Return the tightest limit of the cgroup and its ancestors, and which cgroup has it."""
        best, where = _bytes(self._text(spot, LIMIT[spot.version])), spot
        for above in spot.above:
            if above.directory not in self.limits:
                self.limits[above.directory] = _bytes(self._text(above, LIMIT[spot.version]))
            limit = self.limits[above.directory]
            if limit is not None and (best is None or limit < best):
                best, where = limit, above
        return best, where

    def _above(self, spot: Spot) -> dict[str, int]:
        """Return how often the tightest limit was hit, if it belongs to an ancestor (a pod)."""
        if spot.directory not in self.counters:
            if spot.version == 2:
                own = flat_keyed(self._text(spot, "memory.events.local") or "")
                found = {f"above_{key}": own[key] for key in ("max", "oom") if key in own}
            else:
                failures = _number(self._text(spot, "memory.failcnt"))
                found = {} if failures is None else {"above_failcnt": failures}
            self.counters[spot.directory] = found
        return self.counters[spot.directory]

    def _events(self, spot: Spot) -> dict[str, int]:
        if spot.version == 2:
            return self._events_v2(spot)
        events = {}
        # A limit of memory and swap together that is not looser is hit first, with its own counter (mm/memcontrol.c).
        for key, name in (("failcnt", "memory.failcnt"), ("memsw_failcnt", "memory.memsw.failcnt")):
            failures = _number(self._text(spot, name))
            if failures is not None:
                events[key] = failures
        control = flat_keyed(self._text(spot, "memory.oom_control") or "")
        events.update({key: control[key] for key in ("oom_kill", "under_oom", "oom_kill_disable") if key in control})
        # Vendor kernels (openEuler, Anolis) have cgroup2's memory.events in v1, too.
        more = flat_keyed(self._text(spot, "memory.events") or "")
        events.update({key: more[key] for key in EVENTS if key in more and key not in events})
        return events

    def _events_v2(self, spot: Spot) -> dict[str, int]:
        """Return own counters of limits, but kills with everything below, in case a container has cgroups inside."""
        whole = flat_keyed(self._text(spot, "memory.events") or "")
        own = flat_keyed(self._text(spot, "memory.events.local") or "") or whole
        return {key: (whole if "kill" in key else own)[key] for key in EVENTS if key in whole and key in own}

    def _pressure(self, one: Followed) -> Pressure:
        for spot in (one.place.unified, one.place.memory):  # openEuler and Anolis have the file in v1
            text = self._text(spot, "memory.pressure") if spot else None
            totals = stalls(text or "")
            if spot and totals:
                return Pressure(source=PSI, totals=totals, evidence=f"{spot.directory}/memory.pressure")
        spot = one.place.unified
        directory = spot.directory if spot else ""
        why = self.foreign.get("memory.pressure")
        reason = f"no PSI: {why}" if why else no_psi(self.view, directory)
        return self.other(one, reason) if self.other else Pressure(source="", totals={}, evidence="", reason=reason)

    def _cpu(self, spot: Spot | None) -> dict[str, int]:
        if spot is None:
            return {}
        found = flat_keyed(self._text(spot, "cpu.stat") or "")
        if "throttled_time" in found:  # v1, in nanoseconds
            found["throttled_usec"] = found["throttled_time"] // 1000
        shown = {key: found[key] for key in CPU if key in found}
        if spot.version == 2:
            words = (self._text(spot, "cpu.max") or "").split()
        else:
            words = [(self._text(spot, f"cpu.cfs_{name}_us") or "-1").strip() for name in ("quota", "period")]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            shown["quota_usec"], shown["period_usec"] = int(words[0]), int(words[1])
        return shown


def _number(text: str | None) -> int | None:
    word = (text or "").strip()
    return int(word) if word.isascii() and word.isdigit() else None


def _bytes(text: str | None) -> int | None:
    """Return a limit in bytes; None for `max`, v1's number for no limit, or a missing file."""
    number = _number(text)
    return None if number is None or number >= UNLIMITED else number
