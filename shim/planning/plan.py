"""Resources, host and runtime to a plan: what to change, why, and what the kernel must show afterwards.

Pure: the host is a value and nothing here reads a file. The rules run in table order, each on what the ones before
it left, and the edits that remain are the difference between the first and the last resources.
"""

from __future__ import annotations

from shim.host.facts import AMBIGUOUS, NONE, UNIFIED, Fact
from shim.planning.bridged_limits import returned
from shim.rules import base, fields, runtimes, table
from shim.rules.base import CHANGED, DROPPED, KEPT, UNENFORCEABLE, Case, Edit, Expectation, Note, Problem
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shim.host.facts import Host
    from shim.rules.base import Driver, Operation
    from shim.rules.runtimes import Family

LAYOUT_UNKNOWN = "layout-unknown"
UNKNOWN_SWAP = Fact(value=None, evidence="not looked at")
NO_CGROUP = "limits-without-cgroups"  # the catalogue's code for crun 0.17, which reported this itself


class Plan(Value):
    """What will be done to one resources object.

    edits: in the order in which they are to be spliced. notes: one or more for each field that was there.
    expectations: the limits that must be read back. problems: values that nothing here can take.
    bridge: those of the expectations that cgshim has to set itself (shim.enforce.bridge).
    """

    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    problems: tuple[Problem, ...] = ()
    bridge: tuple[Expectation, ...] = ()

    @property
    def unenforceable(self) -> tuple[Note, ...]:
        """The guards that this host and runtime cannot enforce: the policy decides about them."""
        return tuple(note for note in self.notes if note.effect == UNENFORCEABLE)

    @property
    def changes(self) -> tuple[Note, ...]:
        """The notes that the user must see: everything but what is passed on unchanged, with nothing lost."""
        return tuple(note for note in self.notes if note.effect != KEPT or note.lost)


def wanted(resources: dict[str, Any]) -> tuple[str, ...]:
    """The interface files about which the rules for these resources ask the host."""
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
    """What the classic rules will ask once `unified` has become classic fields."""
    sections = {fields.of_controller(key.partition(".")[0]) for key in keys}
    names = [
        name for section, rules in table.CLASSIC if section in sections for rule in rules() for name in rule.probes
    ]
    names.extend(f"hugetlb.{key.split('.')[1]}.limit_in_bytes" for key in sorted(keys) if key.startswith("hugetlb."))
    return names


def controllers(resources: dict[str, Any]) -> tuple[str, ...]:
    """The controllers whose placement these resources ask for."""
    names = [name for key, value in resources.items() if value is not None for name in fields.controllers(key)]
    names.extend(key.partition(".")[0] for key in resources.get("unified") or {} if not key.startswith("cgroup."))
    return tuple(dict.fromkeys(names))


def make_plan(
    resources: dict[str, Any],
    host: Host,
    runtime: Family,
    operation: Operation,
    driver: Driver,
    *,
    kept: dict[str, str] | None = None,
) -> Plan:
    """The plan for `resources` on `host` under `runtime` ("runc", "crun", "other").

    operation: "create" or "update". driver: "cgroupfs", "systemd" or "disabled".
    kept: cgroup2 limits that an earlier plan took into keeping (shim.planning.bridged_limits).
    """
    if driver == "disabled":
        return Plan(notes=_without_cgroup(resources, host, runtime, operation))
    if host.layout in (NONE, AMBIGUOUS):
        return Plan(notes=_untouched(resources, host, runtime, operation))
    checked: Any = returned(resources, kept or {})  # shim.oci.checks has looked at its types
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
    """Ask every rule whose field is there, in the table's order; the case with the resources as they leave them."""
    for section, rules in table.ON_V1 if case.v1 else table.ON_V2:
        # Asked of the resources as they are now: `unified` on v1 makes sections, and a memory rule makes `unified`.
        for rule in rules() if case.resources.get(section) is not None else ():
            if _present(case.resources, rule.field):
                outcome = rule.apply(case)
                found.notes.extend(outcome.notes)
                found.problems.extend(outcome.problems)
                found.expect(outcome.expectations, stated)
                case = found.take(case, outcome.edits)
    return case


def _stated(resources: dict[str, Any]) -> tuple[str, ...]:
    """The files that `unified` names with a value that is written."""
    if not resources.get("unified"):
        return ()
    from shim.rules.keys import sets_nothing

    return tuple(key for key, value in resources["unified"].items() if not sets_nothing(key, value or ""))


def _misnamed(resources: dict[str, Any], runtime: Family) -> tuple[Note, ...]:
    """Keys that are nearly those of the specification; what is no key of it at all is an extension."""
    unknown = fields.strangers(resources)
    if not unknown:
        return ()
    from shim.rules import names

    return names.misnamed(unknown, runtimes.of(runtime))


def _bridged(found: _Findings) -> tuple[Note, ...]:
    """Hybrid: what only cgroup2 has is set there by cgshim itself, before the container's process starts."""
    files, outdone = found.in_cgroup2, found.outdone
    return tuple(_told(note, files.get(note.field, ""), outdone.get(note.field, "")) for note in found.notes)


def _told(note: Note, file: str, winner: str) -> Note:
    """The note of a limit that only cgroup2 could take: set in `file` by cgshim, or the `winner` says the same."""
    if not note.bridgeable or not (file or winner):
        return note
    if file:
        reason = f"{note.reason}; cgshim sets {file} there"
        return note.changed(code="bridged", effect=CHANGED, lost="", reason=reason)
    reason = f"{winner} names the same limit, and unified wins, as in the runtimes"
    return note.changed(code="unified-wins", effect=CHANGED, lost="", reason=reason)


class _Findings:
    """What the rules have answered so far; lives no longer than one call of `make_plan`."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.problems: list[Problem] = []
        self.expectations: dict[tuple[str, str, str], Expectation] = {}
        self.outdone: dict[str, str] = {}  # classic field -> the unified one that names the same file
        self.in_cgroup2: dict[str, str] = {}  # field -> the cgroup2 file that must show it

    def expect(self, expectations: tuple[Expectation, ...], stated: tuple[str, ...]) -> None:
        """Keep what the kernel must show; for one and the same file `unified` counts, as in the runtimes.

        stated: the files that `unified` names on cgroup2, where its rule comes last. On v1 its rule comes first.
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
        """The case that the next rule sees."""
        return case.changed(resources=base.apply_to_value(case.resources, edits)) if edits else case


def _line(expectation: Expectation) -> str:
    """Files with a line for each device hold several expectations."""
    return expectation.value.partition(" ")[0] if expectation.shape == "lines" else ""


def _shared(expectation: Expectation) -> bool:
    """Does the file keep what is not named: lines and words of other devices and rates, the period of cpu.max."""
    return expectation.shape == "lines" or expectation.file == "cpu.max"


def _merged(first: Expectation | None, second: Expectation) -> Expectation:
    """What a file shows that two fields write to: `unified` wins a word of both, as in the runtimes, else the later.

    `8:0 rbps=1 wiops=2` comes of two fields that name different words of one line, `5000 7000` of a cpu.max `5000` in
    `unified` and a period beside it.
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
    """`runc update` dereferences a null section and dies (exit status 2); null means unset to everybody else."""
    return tuple(Edit(op="remove", path=(key,)) for key, value in case.resources.items() if value is None)


def _untouched(resources: dict[str, Any], host: Host, runtime: Family, operation: Operation) -> tuple[Note, ...]:
    """Nothing is known of where limits would go, so nothing is rewritten and nothing can be read back.

    A guard that nobody can read back is lost as far as anybody knows; hints and rules for devices are the runtime's.
    """
    why = f"left unchanged: the cgroup layout of this host is {host.layout} ({host.layout_evidence})"
    unseen = f"{why}, so nothing can say whether the limit is enforced"
    return tuple(
        note.changed(code=LAYOUT_UNKNOWN, reason=unseen)
        if note.effect == UNENFORCEABLE
        else note.changed(code=LAYOUT_UNKNOWN, effect=KEPT, reason=why, lost="")
        for note in _without_controllers(resources, host, runtime, operation)
    )


def _without_cgroup(resources: dict[str, Any], host: Host, runtime: Family, operation: Operation) -> tuple[Note, ...]:
    """crun(1), --cgroup-manager=disabled: the container stays in its caller's cgroup, and its limits are ignored
    silently (crun 0.17 still refused them). What is lost by it is what a host without any controller would lose.

    Rules for devices are not spoken of as lost: engines write them for every container.
    """
    lost = (DROPPED, UNENFORCEABLE)
    off = "cgroups are disabled for this container (--cgroup-manager=disabled)"
    return tuple(
        note.changed(code=NO_CGROUP, reason=off) if note.effect in lost else note.changed(effect=KEPT, reason=off)
        for note in _without_controllers(resources, host, runtime, operation)
    )


def _without_controllers(
    resources: dict[str, Any], host: Host, runtime: Family, operation: Operation
) -> tuple[Note, ...]:
    """The notes that a host with cgroup2 and no controller at all would give: each limit as lost."""
    bare = host.changed(layout=UNIFIED, placements={}, interface={}, swap_present=UNKNOWN_SWAP)
    return make_plan(resources, bare, runtime, operation, "cgroupfs").notes


def difference(before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...] = ()) -> tuple[Edit, ...]:
    """The edits that make `after` of `before`; what is set comes first, so that no section is emptied on the way."""
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
