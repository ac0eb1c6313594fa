"""The few forms of a rule's outcome."""

from __future__ import annotations

from shim.rules.base import (
    CHANGED,
    DROPPED,
    GUARD,
    HINT,
    KEPT,
    UNENFORCEABLE,
    Edit,
    Expectation,
    Note,
    Outcome,
    Problem,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case, Effect, Kind, Shape


def note(field: str, code: str, kind: Kind, effect: Effect, reason: str, lost: str = "") -> Note:
    """Return a Note with its fields in reading order."""
    return Note(field=field, code=code, kind=kind, effect=effect, reason=reason, lost=lost)


def invalid(field: str, what: str, remedy: str) -> Outcome:
    """The value is invalid everywhere."""
    return Outcome(problems=(Problem(field=field, what=what, remedy=remedy),))


def kept(case: Case, field: str, kind: Kind, file: str, value: str, controller: str, shape: Shape = "exact") -> Outcome:
    """Honoured unchanged, in `file`. value: "" if the file does not show what was asked for."""
    place = case.host.place(controller)
    expected: tuple[Expectation, ...] = ()
    if value:
        expected = (
            Expectation(
                field=field,
                kind=kind,
                controller=controller,
                version=place.version,
                file=file,
                value=value,
                shape=shape,
            ),
        )
    return Outcome(notes=(note(field, "honoured", kind, KEPT, f"passed on unchanged: {file}"),), expectations=expected)


def removed(field: str, code: str, kind: Kind, reason: str) -> Outcome:
    """The key is removed without a loss."""
    return Outcome(edits=(_remove(field),), notes=(note(field, code, kind, CHANGED, reason),))


def lifted(case: Case, answer: Outcome, expectations: tuple[Expectation, ...]) -> Outcome:
    """No limit, and only cgroup2 has the controller: an update lifts the container's present limit there."""
    if case.operation != "update" or case.host.version(expectations[0].controller) != 2:
        return answer
    return answer.changed(notes=bridgeable(answer.notes), expectations=expectations)


def dropped(field: str, code: str, reason: str) -> Outcome:
    """A hint that this host or runtime cannot honour."""
    return Outcome(edits=(_remove(field),), notes=(note(field, code, HINT, DROPPED, reason, field),))


def absent_hint(case: Case, controller: str, field: str, expectations: tuple[Expectation, ...] = ()) -> Outcome:
    """A hint whose controller the runtime cannot reach. expectations: what cgroup2 would have to show."""
    answer = dropped(field, absence(case, controller), _whereabouts(case, controller))
    if case.host.version(controller) != 2:
        return answer
    return answer.changed(notes=bridgeable(answer.notes), expectations=expectations)


def absent_guard(
    case: Case, controller: str, field: str, lost: str, expectations: tuple[Expectation, ...] = ()
) -> Outcome:
    """A guard whose controller the runtime cannot reach. expectations: what cgroup2 would have to show."""
    code, reason = absence(case, controller), _whereabouts(case, controller)
    told = (note(field, code, GUARD, UNENFORCEABLE, reason, lost),)
    in_cgroup2 = expectations if case.host.version(controller) == 2 else ()
    return Outcome(
        edits=(_remove(field),),
        notes=bridgeable(told) if case.host.version(controller) == 2 else told,
        expectations=in_cgroup2,
    )


def bridgeable(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Return the notes for limits that cgshim itself can set in cgroup2."""
    return tuple(one.changed(bridgeable=True) for one in notes)


def absence(case: Case, controller: str) -> str:
    """Return `memory-in-cgroup2` if only the other hierarchy has the controller, `memory-nowhere` if none has it."""
    return f"{controller}-in-cgroup2" if case.host.version(controller) == 2 else f"{controller}-nowhere"


def _whereabouts(case: Case, controller: str) -> str:
    place = case.host.place(controller)
    if place.version == 2:
        return f"{controller} is on cgroup2 only, and the runtime uses v1 hierarchies here ({place.evidence})"
    whose = "this user" if case.host.rootless.value is True else "this host"
    return f"{whose} has no {controller} controller ({place.evidence})"


def _remove(field: str) -> Edit:
    return Edit(op="remove", path=tuple(field.split(".")))
