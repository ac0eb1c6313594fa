"""What one host refuses, weakens or drops: the planner's own answers to every probe, worst first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.cli import probes, remedies
from shim.engines.suitability import crun_refuses
from shim.host import controllers
from shim.host.facts import AMBIGUOUS, NONE
from shim.planning.plan import make_plan, wanted
from shim.planning.settings import OFF, WARN
from shim.planning.unlimited import LAYOUT_UNKNOWN
from shim.rules import fields
from shim.rules import runtimes as known
from shim.rules.base import CHANGED, DROPPED, GUARD, UNENFORCEABLE, Note
from shim.rules.keys import LINES
from shim.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shim.host.facts import Host
    from shim.rules.runtimes import Family

REFUSED, UNTOUCHED, UNLIMITED, WEAKER, HINT_DROPPED = "refused", "untouched", "not enforced", "weaker", "dropped"
ORDER = (REFUSED, UNTOUCHED, UNLIMITED, WEAKER, HINT_DROPPED)
EVERY_CONTAINER = "(every container)"
WITH_LIMITS = "(every container with a limit)"
# Controllers whose limits engines set for ordinary containers; others need hardware or newer kernels.
ESSENTIAL = ("memory", "cpu", "pids", "cpuset", "io")
CRUN_HYBRID = "crun-refuses-hybrid"
# Files of controllers that detection places only on request.
YOUNG = tuple(key for key in LINES if key.partition(".")[0] not in controllers.ALL)


class FieldOutcome(Value):
    """The result for one field under some runtimes.

    outcome: "refused" (no container is started), "untouched" (policy warn on a host that is not understood: nothing is
    changed, and the runtime decides), "not enforced" (what policy warn makes of refused), "weaker" (replaced by the
    nearest equivalent), "dropped" (a hint). lost: what is no longer limited, "" if that is the whole field.
    """

    name: str
    kind: str
    outcome: str
    code: str
    reason: str
    lost: str
    remedy: str
    runtimes: tuple[str, ...]

    @property
    def controller(self) -> str:
        """The controller of the field, "" for a finding about whole containers."""
        name = self.name.partition(" ")[0]
        if name.startswith("unified."):
            return name.split(".")[1]
        return fields.spec(name).controller if name in fields.names() else ""

    @property
    def essential(self) -> bool:
        """True if it is about a limit that nearly every host is expected to enforce, or about whole containers."""
        return self.controller in ("", *ESSENTIAL)

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        keys = ("name", "kind", "outcome", "code", "reason", "lost", "remedy")
        shape = {key: getattr(self, key) for key in keys}
        return {**shape, "runtimes": list(self.runtimes), "essential": self.essential}


def questions() -> tuple[str, ...]:
    """Return the interface files that the planner needs for any of the probes."""
    names = [name for probe in probes.ALL for name in wanted(probe.resources)]
    return tuple(dict.fromkeys((*names, *YOUNG)))


def find(host: Host, runtimes: Iterable[Family], policy: str, crun_on_hybrid: str = OFF) -> tuple[FieldOutcome, ...]:
    """Return every probe's finding for each of these runtime families; equal ones are merged."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for runtime in runtimes:
        whole = crun_refuses(host) if known.of(runtime).refuses_hybrid and crun_on_hybrid == OFF else ""
        if whole:
            merged.setdefault((EVERY_CONTAINER, GUARD, REFUSED, CRUN_HYBRID, whole, ""), []).append(runtime)
        for row in _rows(host, runtime, policy):
            merged.setdefault(row, []).append(runtime)
    confined = host.rootless.value is True or host.cgroup_view.value in ("namespace", "subtree")
    found = [_finding(row, tuple(names), confined) for row, names in merged.items()]
    return tuple(sorted(found, key=lambda finding: ORDER.index(finding.outcome)))


def _finding(row: tuple[str, ...], runtimes: tuple[str, ...], confined: bool) -> FieldOutcome:
    name, kind, outcome, code, reason, lost = row
    remedy = remedies.of(code, name, confined)
    return FieldOutcome(
        name=name,
        kind=kind,
        outcome=outcome,
        code=code,
        reason=reason,
        lost=lost,
        remedy=remedy,
        runtimes=runtimes,
    )


def _rows(host: Host, runtime: Family, policy: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if host.layout in (NONE, AMBIGUOUS):
        reason = f"the cgroup layout is {host.layout}, so no limit can be placed or read back: {host.layout_evidence}"
        return [(WITH_LIMITS, GUARD, UNTOUCHED if policy == WARN else REFUSED, LAYOUT_UNKNOWN, reason, "")]
    for probe in probes.ALL:
        plan = make_plan(probe.resources, host, runtime, "create", "cgroupfs")
        known = make_plan(probe.beside, host, runtime, "create", "cgroupfs")
        for problem in plan.problems:
            if problem not in known.problems:
                reason = f"{problem.what}; {problem.remedy}"
                rows.append((probe.name, GUARD, REFUSED, "bad-resources", reason, ""))
        for note in plan.notes:
            outcome = _outcome(note, policy) if note not in known.notes else ""
            if outcome:
                rows.append((probe.name, note.kind, outcome, note.code, note.reason, note.lost))
    return rows


def _outcome(note: Note, policy: str) -> str:
    """Return the outcome, "" if nothing is lost."""
    if note.effect == UNENFORCEABLE:
        return UNLIMITED if policy == WARN else REFUSED
    if note.effect == DROPPED:
        return HINT_DROPPED
    return WEAKER if note.effect == CHANGED and note.lost else ""
