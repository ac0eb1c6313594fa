"""The records of a recording, and which containers live at each: also an end that nobody saw is an end. Pure."""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Who(Value):
    """The container of a sample. counters: the names of the values behind the columns."""

    id: str
    engine: str
    name: str
    pod: str
    cgroup: str
    version: str
    counters: tuple[str, ...]


class RecordedLine(Value):
    """One line. kind: "header", "sample", "event", "alert", "gone" or "lost".

    time: UNIX seconds. who: of a sample and of "gone". figures: for a sample, column or counter -> known number.
    object: for the other kinds, the line's JSON.
    """

    kind: str
    time: float
    who: Who | None = None
    figures: dict[str, int] = {}  # noqa: RUF012 # a frozen value's default
    object: dict[str, Any] = {}  # noqa: RUF012


class Lives:
    """The living containers. A container or machine that restarted while the watcher was not running ends a run."""

    def __init__(self) -> None:
        self.boot = ""
        self.cgroups: dict[str, Any] = {}
        self.seen: dict[str, Who] = {}

    def ends(self, record: RecordedLine) -> list[RecordedLine]:
        """Return the ends that `record` implies."""
        if record.kind == "header":
            boot, self.boot = self.boot, str(record.object.get("boot"))
            return self._ended(record.time, list(self.seen)) if boot and boot != self.boot else []
        if record.kind == "gone" and record.who:
            self.seen.pop(record.who.id, None)
        if record.kind == "event" and record.object["kind"] == "started":
            own, evidence = record.object["id"], record.object.get("evidence")
            sane = evidence if isinstance(evidence, dict) else {}
            cgroup = sane.get("inode", sane.get("pid"))
            before, self.cgroups[own] = self.cgroups.get(own), cgroup
            return self._ended(record.time, [own]) if before != cgroup else []
        return []

    def _ended(self, time: float, ids: list[str]) -> list[RecordedLine]:
        found = [self.seen.pop(own) for own in ids if own in self.seen]
        return [RecordedLine(kind="gone", time=time, who=who) for who in found]
