"""From resources, host and runtime to a plan: what to change, why, and what the kernel must show afterwards.

Pure: the host is a value and nothing here reads a file. The rules run in the table's order, each on the result of the
earlier ones. The plan's edits are the difference between the original resources and the last result.
"""

from __future__ import annotations

from shim.host.facts import AMBIGUOUS, NONE
from shim.rules import base, fields, runtimes, table
from shim.rules.base import CHANGED, KEPT, UNENFORCEABLE, Case, Edit, Expectation, Note, Problem
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shim.host.facts import Host
    from shim.rules.base import Driver, Operation
    from shim.rules.runtimes import Family


class Plan(Value):
    """The plan for one resources object.

    edits: in the order of the splices. notes: one or more for each field that was present. expectations: the limits
    that must be read back. problems: values that no runtime and kernel here can take. bridge: the expectations that
    cgshim has to set itself (shim.enforce.bridge).
    """

    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    problems: tuple[Problem, ...] = ()
    bridge: tuple[Expectation, ...] = ()

    @property
    def unenforceable(self) -> tuple[Note, ...]:
        """The guards that this host and runtime cannot enforce; the policy decides about them."""
        return tuple(note for note in self.notes if note.effect == UNENFORCEABLE)

    @property
    def changes(self) -> tuple[Note, ...]:
        """The notes that the user must see: all but those for fields that are passed on unchanged without a loss."""
        return tuple(note for note in self.notes if note.effect != KEPT or note.lost)


def wanted(resources: dict[str, Any]) -> tuple[str, ...]:
    """Return the interface files about which the rules for these resources ask the host."""
    names = [
        name
        for section, rules in table.CLASSIC
        if resources.get(section) is not None
        for rule in rules()
        if _present(resources, rule.field)
        for name in rule.probes
    ]
    names.extend(table.probes(resources))
    if resources.get("unified"):
        names.extend(_probes_of_translations(resources["unified"]))
    return tuple(dict.fromkeys(names))


def _probes_of_translations(keys: dict[str, Any]) -> list[str]:
    """Return the files that the classic rules will ask for once `unified` has become classic fields."""
    sections = {fields.of_controller(key.partition(".")[0]) for key in keys}
    names = [
        name for section, rules in table.CLASSIC if section in sections for rule in rules() for name in rule.probes
    ]
    names.extend(f"hugetlb.{key.split('.')[1]}.limit_in_bytes" for key in sorted(keys) if key.startswith("hugetlb."))
    return names


def controllers(resources: dict[str, Any]) -> tuple[str, ...]:
    """Return the controllers whose placement these resources need."""
    names = [name for key, value in resources.items() if value is not None for name in fields.controllers(key)]
    names.extend(key.partition(".")[0] for key in resources.get("unified") or {} if not key.startswith("cgroup."))
    return tuple(dict.fromkeys(names))


def completed(resources: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
    """Return resources with the cgroup2 limits `kept` in the annotation; hardly any container has it."""
    if not kept:
        return resources
    from shim.planning.bridged_limits import returned

    return returned(resources, kept)


def make_plan(
    resources: dict[str, Any],
    host: Host,
    runtime: Family,
    operation: Operation,
    driver: Driver,
    *,
    kept: dict[str, str] | None = None,
) -> Plan:
    """Return the plan for `resources` on `host` under `runtime` ("runc", "crun", "other").

    operation: "create" or "update". driver: "cgroupfs", "systemd" or "disabled".
    kept: cgroup2 limits that an earlier plan moved to the annotation (shim.planning.bridged_limits).
    """
    if driver == "disabled" or host.layout in (NONE, AMBIGUOUS):
        from shim.planning import unlimited

        notes = unlimited.without_cgroup if driver == "disabled" else unlimited.untouched
        return Plan(notes=notes(resources, host, runtime, operation))
    checked: Any = completed(resources, kept or {})  # shim.oci.checks has checked the types
    case = Case(resources=checked, host=host, runtime=runtimes.of(runtime), operation=operation, driver=driver)
    found = _Findings()
    case = found.take(case, _without_nulls(case) if operation == "update" else ())
    case = _ruled(case, found, () if case.v1 else _stated(resources))
    found.notes.extend(_misnamed(resources, runtime))
    expectations = tuple(found.expectations.values())
    return Plan(
        edits=difference(resources, case.resources),
        notes=_bridged(found) if case.v1 else tuple(found.notes),
        expectations=expectations,
        problems=tuple(found.problems),
        bridge=tuple(limit for limit in expectations if limit.version == 2) if case.v1 else (),
    )


def _ruled(case: Case, found: _Findings, stated: tuple[str, ...]) -> Case:
    """Apply each rule whose field is present, in the table's order. Return the case with the resulting resources."""
    for section, rules in table.ON_V1 if case.v1 else table.ON_V2:
        # Ask for the current resources: `unified` on v1 creates sections, and a memory rule creates `unified`.
        for rule in rules() if case.resources.get(section) is not None else ():
            if _present(case.resources, rule.field):
                outcome = rule.apply(case)
                found.notes.extend(outcome.notes)
                found.problems.extend(outcome.problems)
                found.expect(outcome.expectations, stated)
                case = found.take(case, outcome.edits)
    return case


def _stated(resources: dict[str, Any]) -> tuple[str, ...]:
    """Return the files for which `unified` has a value that is written."""
    if not resources.get("unified"):
        return ()
    from shim.rules.keys import sets_nothing

    return tuple(key for key, value in resources["unified"].items() if not sets_nothing(key, value or ""))


def _misnamed(resources: dict[str, Any], runtime: Family) -> tuple[Note, ...]:
    """Return notes for keys that almost match one of the specification; all other unknown keys are extensions."""
    unknown = fields.strangers(resources)
    if not unknown:
        return ()
    from shim.rules import names

    return names.misnamed(unknown, runtimes.of(runtime))


def _bridged(found: _Findings) -> tuple[Note, ...]:
    """Return the notes for a hybrid host: cgshim sets what only cgroup2 has, before the process starts."""
    files, outdone = found.in_cgroup2, found.outdone
    return tuple(_told(note, files.get(note.field, ""), outdone.get(note.field, "")) for note in found.notes)


def _told(note: Note, file: str, winner: str) -> Note:
    """Return the note for a limit in cgroup2 alone: cgshim sets `file`, or the `winner` sets the same limit."""
    if not note.bridgeable or not (file or winner):
        return note
    if file:
        reason = f"{note.reason}; cgshim sets {file} there"
        return note.changed(code="bridged", effect=CHANGED, lost="", reason=reason)
    reason = f"{winner} names the same limit, and unified wins, as in the runtimes"
    return note.changed(code="unified-wins", effect=CHANGED, lost="", reason=reason)


class _Findings:
    """The answers of the rules so far, for the duration of one call of `make_plan`."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.problems: list[Problem] = []
        self.expectations: dict[tuple[str, str, str], Expectation] = {}
        self.outdone: dict[str, str] = {}  # classic field -> the unified one that names the same file
        self.in_cgroup2: dict[str, str] = {}  # field -> the cgroup2 file that must show it

    def expect(self, expectations: tuple[Expectation, ...], stated: tuple[str, ...]) -> None:
        """Record what the kernel must show. If two fields set the same file, `unified` counts, as in the runtimes.

        stated: the files that `unified` names on cgroup2, where its rule runs last. On v1 its rule runs first.
        """
        for expectation in expectations:
            key = (expectation.controller, expectation.file, _line(expectation))
            first = self.expectations.get(key)
            if expectation.file in stated and not (expectation.source == "unified" or _shared(expectation)):
                self.outdone[expectation.field] = f"unified.{expectation.file}"
                continue
            self.expectations[key] = merged = _merged(first, expectation)
            if first == merged and first.field != expectation.field:
                self.outdone[expectation.field] = first.field
            elif expectation.version == 2:
                self.in_cgroup2[expectation.field] = expectation.file

    def take(self, case: Case, edits: tuple[Edit, ...]) -> Case:
        """Return the case for the next rule."""
        return case.changed(resources=base.apply_to_value(case.resources, edits)) if edits else case


def _line(expectation: Expectation) -> str:
    """Return the key of a line: a file with one line a device has several expectations."""
    return expectation.value.partition(" ")[0] if expectation.shape == "lines" else ""


def _shared(expectation: Expectation) -> bool:
    """Return whether a write keeps other devices' lines, other rates of a line, or the period of cpu.max."""
    return expectation.shape == "lines" or expectation.file == "cpu.max"


def _merged(first: Expectation | None, second: Expectation) -> Expectation:
    """Return what a file shows that two fields write to. `unified` wins a word, as in the runtimes, else the later
    field.

    Two fields that name different words of one line give `8:0 rbps=1 wiops=2`. A cpu.max of `5000` in `unified` with a
    classic period gives `5000 7000`.
    """
    if first is None:
        return second
    older, newer = (second, first) if first.source == "unified" != second.source else (first, second)
    if newer.shape == "lines" and "=" in newer.value:
        line, *words = newer.value.split(" ")
        named = {word.partition("=")[0] for word in words}
        others = [word for word in older.value.split(" ")[1:] if word.partition("=")[0] not in named]
        return newer.changed(value=" ".join((line, *others, *words)))
    period = older.value.split()[1:] or (older.value.split() if older.shape == "second-word" else [])
    if newer.file == "cpu.max" and len(newer.value.split()) == 1 and period:
        return newer.changed(value=f"{newer.value} {period[0]}")
    return newer


def _present(resources: Mapping[str, Any], field: str) -> bool:
    value: Any = resources
    for key in field.split("."):
        if not isinstance(value, dict) or value.get(key) is None:
            return False
        value = value[key]
    return True


def _without_nulls(case: Case) -> tuple[Edit, ...]:
    """Remove null sections: `runc update` dereferences them and dies (exit status 2); elsewhere null means unset."""
    return tuple(Edit(op="remove", path=(key,)) for key, value in case.resources.items() if value is None)


def difference(before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...] = ()) -> tuple[Edit, ...]:
    """Return the edits that turn `before` into `after`. Additions come first, so that no section becomes empty."""
    removals: list[Edit] = []
    settings: list[Edit] = []
    for key in before:
        if key not in after:
            removals.append(Edit(op="remove", path=(*path, key)))
    for key, value in after.items():
        old = before.get(key)
        if key in before and isinstance(old, dict) and isinstance(value, dict):
            for edit in difference(old, value, (*path, key)):
                (removals if edit.op == "remove" else settings).append(edit)
        elif key not in before or old != value or type(old) is not type(value):
            settings.append(Edit(op="set", path=(*path, key), value=value))
    return tuple(settings + removals)
