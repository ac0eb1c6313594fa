"""`linux.resources.unified` (OCI runtime-spec, config-linux.md, "Unified"): cgroup2 files by name.

On v1 hierarchies no runtime accepts it (runc and crun: "cannot use unified on cgroup v1"; crun silently drops it if
`cpu` is present without cpus and mems). Each key becomes the classic field for the same limit; the rules of that field
then judge it. Files and values: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from shim.rules.base import (
    CHANGED,
    DROPPED,
    GUARD,
    HINT,
    KEPT,
    NOTHING,
    UNENFORCEABLE,
    Case,
    Edit,
    Expectation,
    Note,
    Outcome,
    Problem,
    Rule,
    apply_to_value,
)
from shim.rules.keys import expected, kind, sets_nothing, stripped
from shim.rules.outcomes import note
from shim.rules.sizes import Untranslatable
from shim.rules.unified_to_fields import TRANSLATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Effect


def on_v1(case: Case) -> Outcome:
    """Translate every key to its classic field, in order, so that `memory.swap.max` comes after `memory.max`."""
    edits: list[Edit] = []
    notes: list[Note] = []
    problems: list[Problem] = []
    expectations: list[Expectation] = []
    keys = case.get("unified")
    if not keys and case.operation == "create":
        return NOTHING  # only `runc update` fails on an empty object
    # memory.max before the fields that depend on it; memory.high gets what the others leave of the soft limit.
    ordered = sorted(keys, key=lambda key: (key == "memory.swap.max", key == "memory.high"))
    for key in ordered:
        value = keys[key]
        if value is None:
            continue
        outcome = _translated(case, key, value)
        case = case.changed(resources=apply_to_value(case.resources, outcome.edits))
        edits.extend(outcome.edits)
        notes.extend(outcome.notes)
        problems.extend(outcome.problems)
        expectations.extend(outcome.expectations)
    edits.append(Edit(op="remove", path=("unified",)))
    if not (notes or problems):
        notes.append(note("unified", "empty", HINT, CHANGED, "no key has a value, and runtimes refuse unified on v1"))
    return Outcome(edits=tuple(edits), notes=tuple(notes), problems=tuple(problems), expectations=tuple(expectations))


def _translated(case: Case, key: str, value: str) -> Outcome:
    field = f"unified.{key}"
    translate = TRANSLATIONS.get(key) or TRANSLATIONS.get(_family(key))
    if sets_nothing(key, value):
        reason = "an empty value sets nothing, and runtimes refuse unified on v1"
        return Outcome(notes=(note(field, "empty", kind(key), CHANGED, reason),))
    value = stripped(key, value)
    if not value:
        return Outcome(
            problems=(Problem(field=field, what="white space is not a value", remedy=f"give {key} a value"),)
        )
    if case.host.version(key.partition(".")[0]) == 2:
        return _in_cgroup2(case, key, value)
    if translate is None:
        return _without_counterpart(key, value)
    try:
        edits, reason, lost = translate(case, key, value)
    except Untranslatable as error:
        return _refused(key, error)
    taken = [f"{'.'.join(e.path)} ({case.get(*e.path)})" for e in edits if case.get(*e.path) not in (None, e.value)]
    if taken:
        reason += f"; unified wins over {', '.join(taken)}, as in the runtimes"
    code = "unified-wins" if taken else "unified-to-classic"
    return Outcome(edits=edits, notes=(note(field, code, kind(key), CHANGED, reason, lost),))


def _in_cgroup2(case: Case, key: str, value: str) -> Outcome:
    """Hybrid: the key's controller is on cgroup2, where the runtime does not write but the bridge can."""
    field, controller = f"unified.{key}", key.partition(".")[0]
    if key == "memory.swap.max" and case.host.swap_accounting.value is False:
        return _swap_unaccounted(case, key, value).changed(edits=())
    evidence = case.host.place(controller).evidence
    reason = f"{controller} is on cgroup2 only, and the runtime uses v1 hierarchies here ({evidence})"
    if value == "max" and kind(key) == GUARD and case.operation == "create":
        return Outcome(notes=(note(field, "unlimited", GUARD, CHANGED, f"{reason}, and it sets no limit"),))
    effect: Effect = UNENFORCEABLE if kind(key) == GUARD else DROPPED
    told = note(field, f"{controller}-in-cgroup2", kind(key), effect, reason, f"{key}={value}")
    return Outcome(notes=(told.changed(bridgeable=True),), expectations=expected(key, value))


def _family(key: str) -> str:
    """`hugetlb.2MB.max` -> `hugetlb.*.max`."""
    first, _, rest = key.partition(".")
    return f"{first}.*.{rest.partition('.')[2]}"


def _refused(key: str, error: Untranslatable) -> Outcome:
    field = f"unified.{key}"
    if error.remedy:
        return Outcome(problems=(Problem(field=field, what=error.what, remedy=error.remedy),))
    effect: Effect = UNENFORCEABLE if kind(key) == GUARD else DROPPED
    return Outcome(notes=(note(field, "unified-without-counterpart", kind(key), effect, error.what, key),))


def _without_counterpart(key: str, value: str) -> Outcome:
    field, reason = f"unified.{key}", f"cgroup v1 has no counterpart of {key}"
    if kind(key) == HINT:
        return Outcome(notes=(note(field, "unified-without-counterpart", HINT, DROPPED, reason, f"{key}={value}"),))
    if value == "max":
        return Outcome(notes=(note(field, "unlimited", GUARD, CHANGED, f"{reason}, and it sets no limit"),))
    lost = f"{key}={value}"
    return Outcome(notes=(note(field, "unified-without-counterpart", GUARD, UNENFORCEABLE, reason, lost),))


def on_v2(case: Case) -> Outcome:
    """Keep every key, unless its controller or its file is missing here."""
    edits: list[Edit] = []
    notes: list[Note] = []
    expectations: list[Expectation] = []
    for key, value in case.get("unified").items():
        outcome = _checked(case, key, value or "")
        edits.extend(outcome.edits)
        notes.extend(outcome.notes)
        expectations.extend(outcome.expectations)
    return Outcome(edits=tuple(edits), notes=tuple(notes), expectations=tuple(expectations))


def _checked(case: Case, key: str, value: str) -> Outcome:
    field, controller = f"unified.{key}", key.partition(".")[0]
    if sets_nothing(key, value):
        return Outcome(notes=(note(field, "empty", kind(key), KEPT, "an empty value sets nothing"),))
    value = stripped(key, value)
    if "/" in key or "." not in key or controller == "cgroup":
        return Outcome(notes=(note(field, "honoured", kind(key), KEPT, "the runtime writes or refuses it by name"),))
    if case.host.version(controller) != 2:
        reason = f"cgroup2 has no {controller} controller here ({case.host.place(controller).evidence})"
        return _unavailable(key, value, f"{controller}-nowhere", reason)
    if controller in case.runtime.never_enabled:
        reason = f"crun never enables the {controller} controller for a container"
        return _unavailable(key, value, f"{controller}-not-enabled", reason)
    if key == "memory.swap.max" and case.host.swap_accounting.value is False:
        return _swap_unaccounted(case, key, value)
    told = note(field, "honoured", kind(key), KEPT, f"passed on unchanged: {key}")
    return Outcome(notes=(told,), expectations=expected(key, value))


def _unavailable(key: str, value: str, code: str, reason: str) -> Outcome:
    field, drop = f"unified.{key}", (Edit(op="remove", path=("unified", key)),)
    if value == "max" and kind(key) == GUARD:
        return Outcome(edits=drop, notes=(note(field, code, GUARD, CHANGED, f"{reason}, and it sets no limit"),))
    effect: Effect = UNENFORCEABLE if kind(key) == GUARD else DROPPED
    return Outcome(edits=drop, notes=(note(field, code, kind(key), effect, reason, f"{key}={value}"),))


def _swap_unaccounted(case: Case, key: str, value: str) -> Outcome:
    field, drop = f"unified.{key}", (Edit(op="remove", path=("unified", key)),)
    accounting, present = case.host.swap_accounting, case.host.swap_present
    reason = f"this kernel does not account for swap ({accounting.evidence})"
    if value == "max":
        return Outcome(edits=drop, notes=(note(field, "swap-unlimited", GUARD, CHANGED, reason),))
    if present.value is False:
        reason += f", but the host has none ({present.evidence})"
        return Outcome(edits=drop, notes=(note(field, "swap-absent", GUARD, CHANGED, reason),))
    reason += " and the host has swap"
    return Outcome(edits=drop, notes=(note(field, "swap-unaccounted", GUARD, UNENFORCEABLE, reason, f"{key}={value}"),))


def probes(resources: dict[str, Any]) -> tuple[str, ...]:
    """Return the interface files that decide: those of swap if a key is about swap."""
    keys = resources.get("unified") or {}
    return ("memory.swap.max", "memory.memsw.limit_in_bytes") if "memory.swap.max" in keys else ()


V1_RULES: tuple[Rule, ...] = (Rule(field="unified", apply=on_v1),)
V2_RULES: tuple[Rule, ...] = (Rule(field="unified", apply=on_v2),)
