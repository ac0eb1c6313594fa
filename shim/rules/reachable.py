"""Shared by the rules of the small controllers: the hierarchy of a field, and whether the runtime can reach it.

On legacy and hybrid hosts the runtimes write only to v1 hierarchies, on unified hosts only to cgroup2. A controller on
the other side, or on none, is out of their reach, even if its files are visible.
"""

from __future__ import annotations

from shim.rules.base import CHANGED, GUARD, HINT, KEPT, NOTHING, UNENFORCEABLE, Edit, Expectation, Outcome
from shim.rules.outcomes import absence, absent_guard, absent_hint, dropped, invalid, kept, lifted, note, removed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Shape
    from shim.rules.fields import FieldSpec

DEVICE = ("major", "minor")


def reach(case: Case, controller: str) -> int:
    """Return the version in which the runtime can set the controller here: 1, 2, or 0 if it cannot."""
    version = case.host.version(controller)
    return version if version == (1 if case.v1 else 2) else 0


def number(case: Case, field: FieldSpec) -> int:
    """Return the field's number for a rule that only needs to know it; 0 if it is absent."""
    value: int = case.get(*field.path) or 0
    return value


def unlisted(field: FieldSpec, entries: list[dict[str, Any]], optional: tuple[str, ...] = ()) -> Outcome | None:
    """Return the outcome for a list that is empty or has no device in an entry; None if the rule should go on.

    optional: numbers of an entry that may be absent or null, for the message; `major` and `minor` may not.
    """
    if not entries:
        return unset(field, "the list is empty")
    numbers = [entry.get(key) for entry in entries for key in DEVICE]
    if all(number is not None and number >= 0 for number in numbers):
        return None
    named = ", ".join((*DEVICE, *optional))
    what = f"not a list of objects with the whole numbers {named}"
    return invalid(field.name, what, f"write each entry with {named}, all 0 or more")


def unset(field: FieldSpec, reason: str = "0 is unset to runc and crun") -> Outcome:
    """The field is present but asks for nothing."""
    return Outcome(notes=(note(field.name, "unset", field.kind, KEPT, reason),))


def honoured(case: Case, field: FieldSpec, value: str, *, shape: Shape = "exact", caveat: str = "") -> Outcome:
    """Kept unchanged. value: what the file must show, "" if that is unknown. caveat: the end of the reason."""
    answer = kept(case, field.name, field.kind, field.file(case), value, field.controller, shape)
    if not caveat:
        return answer
    reason = f"passed on unchanged: {field.file(case)}; {caveat}"
    return Outcome(notes=(note(field.name, "honoured", field.kind, KEPT, reason),), expectations=answer.expectations)


def rewritten(field: FieldSpec, value: Any, code: str, reason: str) -> Outcome:
    """Replaced by a value with the same meaning, or the nearest that the kernel has; no expectation yet."""
    edits = (Edit(op="set", path=field.path, value=value),)
    return Outcome(edits=edits, notes=(note(field.name, code, field.kind, CHANGED, reason),))


def expect(field: FieldSpec, version: int, value: str, *, file: str = "", shape: Shape = "exact") -> Expectation:
    """Return what the field's file, or `file`, must show."""
    return Expectation(
        field=field.name,
        kind=field.kind,
        controller=field.controller,
        version=version,
        file=file or (field.v1 if version == 1 else field.v2),
        value=value,
        shape=shape,
    )


def showing(answer: Outcome, expected: tuple[Expectation, ...]) -> Outcome:
    """Return the same outcome with what the kernel must show."""
    return Outcome(edits=answer.edits, notes=answer.notes, expectations=expected, problems=answer.problems)


def beyond(case: Case, field: FieldSpec, lost: str, expected: tuple[Expectation, ...] = ()) -> Outcome:
    """The runtime does not reach the controller: the field is removed. lost: "" if it asked for no limit.

    expected: what cgroup2 must show if the bridge sets the limit there; an update to "no limit" needs it, too.
    """
    if not lost:
        reason = f"it asks for no limit, and the runtime cannot reach the {field.controller} controller here"
        answer = removed(field.name, absence(case, field.controller), field.kind, reason)
        return lifted(case, answer, expected) if expected else answer
    if field.kind == HINT:
        return absent_hint(case, field.controller, field.name)
    return absent_guard(case, field.controller, field.name, lost, expected)


def unsupported(field: FieldSpec, code: str, reason: str, lost: str) -> Outcome:
    """The controller is there, but the kernel or the runtime cannot set this field, so it is removed."""
    if not lost:
        return removed(field.name, code, field.kind, reason)
    if field.kind == HINT:
        return dropped(field.name, code, reason)
    taken_out = (Edit(op="remove", path=field.path),)
    return Outcome(edits=taken_out, notes=(note(field.name, code, GUARD, UNENFORCEABLE, reason, lost),))


def leftover(case: Case, section: str, controller: str) -> Outcome:
    """The rest of a section whose controller the runtime cannot reach asks for nothing; under crun it is removed.

    The earlier rules have removed every limit; crun opens the controller's directory for any such object.
    """
    if not case.runtime.opens_every_section or not known_absent(case, controller):
        return NOTHING
    opened = f"crun opens the {controller} cgroup for it, which the runtime cannot reach here"
    return removed(section, f"{section.lower()}-empty", HINT, f"nothing in it is a limit, and {opened}")


def known_absent(case: Case, controller: str) -> bool:
    """Return whether the controller is known to be absent. Detection looks only for controllers that are needed."""
    return controller in case.host.placements and not reach(case, controller)
