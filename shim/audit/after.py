"""What becomes of a container's limits on another host: the rules' plan, reduced to four outcomes."""

from __future__ import annotations

from shim.planning.plan import make_plan
from shim.rules.base import CHANGED, DROPPED, GUARD, KEPT, UNENFORCEABLE
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.host.facts import Host
    from shim.rules.base import Driver, Note
    from shim.rules.runtimes import Family

SAME, TRANSLATED, LOST, REFUSED = "nothing changes", "cgshim translates", "a hint is lost", "nobody can enforce"
OUTCOMES = (REFUSED, LOST, TRANSLATED, SAME)


class Change(Value):
    """The change of one field there. outcome: TRANSLATED, LOST or REFUSED. without: what happens without cgshim."""

    field: str
    outcome: str
    reason: str
    without: str


class After(Value):
    """A container there: the worst of its changes, SAME if there is none."""

    outcome: str
    changes: tuple[Change, ...] = ()


def as_family(text: str) -> Family:
    """Return the runtime's kind for the rules; a record without one means runc."""
    return "crun" if text == "crun" else "other" if text == "other" else "runc"


def as_driver(text: str) -> Driver:
    """Return the cgroup driver for the rules; a record without one means cgroupfs."""
    return "systemd" if text == "systemd" else "disabled" if text == "disabled" else "cgroupfs"


def after(resources: dict[str, Any], host: Host, family: str, driver: str, refused: str = "") -> After:
    """Return the container's limits on `host`. refused: why its runtime starts nothing there, "" if it does."""
    plan = make_plan(resources, host, as_family(family), "create", as_driver(driver))
    changes = [_change(note) for note in plan.notes if note.effect != KEPT]
    changes += [
        Change(field=one.field, outcome=REFUSED, reason=f"{one.what}; {one.remedy}", without="refused or ignored")
        for one in plan.problems
    ]
    if refused:
        changes.append(Change(field="(every container)", outcome=REFUSED, reason=refused, without="not started"))
    outcomes = [change.outcome for change in changes]
    worst = next((name for name in OUTCOMES if name in outcomes), SAME)
    return After(outcome=worst, changes=tuple(changes))


def _change(note: Note) -> Change:
    outcome = {CHANGED: TRANSLATED, DROPPED: LOST, UNENFORCEABLE: REFUSED}[note.effect]
    if note.effect == CHANGED and note.lost:
        outcome = REFUSED if note.kind == GUARD else LOST
    without = "refused or ignored by the runtime" if note.effect == CHANGED else "lost, or the container does not start"
    return Change(field=note.field, outcome=outcome, reason=note.reason, without=without)


def _verb(count: int, one: str, more: str) -> str:
    return one if count == 1 else more


def answer(outcomes: list[str]) -> str:
    """Return in words whether this host can be upgraded."""
    count = {name: outcomes.count(name) for name in OUTCOMES}
    if not outcomes:
        return "Yes: there are no containers."
    if count[REFUSED]:
        more = f" and {count[LOST]} {_verb(count[LOST], 'loses', 'lose')} a hint" if count[LOST] else ""
        have = f"{len(outcomes)} containers {_verb(count[REFUSED], 'has', 'have')} limits"
        return f"Not yet: {count[REFUSED]} of {have} that nobody can enforce there{more}."
    if count[LOST]:
        lose = f"{len(outcomes)} containers {_verb(count[LOST], 'loses', 'lose')} a hint"
        return f"Yes, with a loss of tuning values: {count[LOST]} of {lose}."
    if count[TRANSLATED]:
        which = f"{count[TRANSLATED]} of {len(outcomes)}"
        have = _verb(count[TRANSLATED], "has", "have")
        return f"Yes, with cgshim: {which} containers {have} limits that the bare runtime does not take there."
    if len(outcomes) == 1:
        return "Yes: the container keeps its limits as they are."
    return f"Yes: all {len(outcomes)} containers keep their limits as they are."
