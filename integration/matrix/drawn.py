"""What random resources objects must have come to (guest/drawing.py), on the kernel that took them.

The judge is tests/model/limits.py: what an object asks for, and what the container's interface files enforce, as values
that can be compared. What the bare runtime enforces cgshim enforces. Where cgshim starts or updates a container, the
kernel shows every limit that was asked for. What the bare runtime loses silently is refused, or reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.model import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.limits import Limits

VERDICT = re.compile(r"cgshim: .*\[([a-z0-9-]+)\]")
# Refused on purpose, whatever the container has: crun would take a quota away along with the new period.
PERIOD_ALONE = "cpu-period-alone"
ON_V1 = re.compile(r"in_bytes|cfs_quota|blkio")
WARNING = re.compile(r"cgshim: (\S+) (?:unenforceable|dropped|changed)[^\n]*?; lost:")


class Drawn:
    """One object in one way. asked: its guards, None where nobody can say; found: the guards that the kernel shows."""

    def __init__(self, record: dict[str, Any], runtimes: dict[str, str], swap: bool) -> None:
        self.record = record
        self.ran: bool = record["status"] == 0
        self.text: str = record["text"] + " " + record["log"]
        self.code = next(iter(VERDICT.findall(self.text)), "")
        settings = {name: "\n".join(text.split("; ")) for name, text in record["settings"].items()}
        self.found = limits.enforced(settings, swap=swap)
        self.asked = _asked(record, runtimes)

    @property
    def key(self) -> tuple[int, str]:
        """The same object under the same runtime, in both ways."""
        return self.record["index"], self.record["runtime"]

    @property
    def lost(self) -> list[str]:
        """The guards that were asked for and that the kernel shows looser."""
        wanted = (self.asked or {}).items()
        return [name for name, value in wanted if limits.looser(name, self.of(name), value)]

    def of(self, name: str) -> limits.Value:
        """The guard as the kernel shows it."""
        return self.found.get(name, limits.unlimited(name))

    @property
    def works(self) -> bool:
        """Everything that was asked for is enforced; crun on v1 may run and ignore `unified` beside `cpu`."""
        unified = bool(self.record["resources"].get("unified"))
        ignored = unified and any(ON_V1.search(name) for name in self.record["settings"])
        return self.ran and self.asked is not None and not self.lost and not ignored

    @property
    def on_purpose(self) -> bool:
        """A refusal that cgshim cannot spare."""
        whole = "cpu.max" in (self.record["resources"].get("unified") or {})
        return self.code == PERIOD_ALONE and not whole

    @property
    def reported(self) -> bool:
        """Something is lost, and cgshim said so."""
        return bool(WARNING.search(self.text)) or bool(self.record["report"])

    def __str__(self) -> str:
        asked = f"{self.record['operation']} {self.record['resources']}"
        return f"random {self.record['index']} of seed {self.record['seed']}, {self.record['runtime']}, {asked}"


def _asked(record: dict[str, Any], runtimes: dict[str, str]) -> Limits | None:
    """What the object asks for; in an update without the fields whose meaning depends on what was there before."""
    version = runtimes.get(record["runtime"], "").split(".")
    newer = record["runtime"] == "runc" and [int(part) for part in version[:2] if part.isdigit()] >= [1, 4]
    try:
        found = limits.asked(
            record["resources"], zero_is_no_swap=record["runtime"] == "crun", zero_tasks=1 if newer else 0
        )
    except limits.Meaningless:
        return None
    return found


def count(records: list[dict[str, Any]]) -> int:
    """How many objects were given to cgshim."""
    return sum(record["kind"] == "drawn" and record["through"] == "cgshim" for record in records)


def problems(records: list[dict[str, Any]]) -> list[str]:
    """Everything that must not be, one line each; of a guest that is incomplete, nothing."""
    kinds = {record["kind"]: record for record in records if record["kind"] in ("guest", "truth")}
    if len(kinds) < 2:
        return []
    runtimes, swap = kinds["guest"].get("runtimes", {}), kinds["truth"]["swaps"]
    all_drawn = [Drawn(record, runtimes, swap) for record in records if record["kind"] == "drawn"]
    bare = {one.key: one for one in all_drawn if one.record["through"] == "bare"}
    through = [one for one in all_drawn if one.record["through"] == "cgshim"]
    return [f"{one}: {fault}" for one in through for fault in _faults(one, bare.get(one.key))]


def _faults(one: Drawn, bare: Drawn | None) -> Iterator[str]:
    if one.record["status"] == 124:
        yield "the call hangs"
    if bare is not None and bare.works and not one.ran and not one.on_purpose:
        yield f"the bare runtime enforces it, refused here ({one.code or ' '.join(one.text.split())[-200:]})"
    if one.code == "limit-not-applied" and one.record["settings"] and one.asked and not one.lost:
        yield "the kernel shows what was asked for, and it was refused as not applied"
    if one.ran and one.lost and not one.reported:
        shown = ", ".join(f"{name} {one.of(name)} instead of {(one.asked or {})[name]}" for name in one.lost)
        yield f"lost silently: {shown}"
    if bare is not None and bare.works and one.ran:
        others = sorted(name for name in {*one.found, *bare.found} if one.of(name) != bare.of(name))
        told = [f"{name} {one.of(name)}, not {bare.of(name)}" for name in others]
        if told and not one.reported:
            yield f"other values than with the bare runtime: {', '.join(told)}"
