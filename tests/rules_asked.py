"""Rules of one module run as the plan runs them, one after the other, for tests."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from shim.rules import runtimes
from shim.rules.base import Case, apply_to_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shim.host.facts import Host
    from shim.rules.base import Edit, Expectation, Note, Problem, Rule


class Answer(NamedTuple):
    """Everything that the rules said, and the resources as they left them."""

    after: dict[str, Any]
    edits: list[Edit]
    notes: list[Note]
    expectations: list[Expectation]
    problems: list[Problem]

    def effect(self, field: str) -> tuple[str, str, str]:
        """Code, kind and effect of the one note for `field`."""
        (found,) = [note for note in self.notes if note.field == field]
        return found.code, found.kind, found.effect

    def reason(self, field: str) -> str:
        """The reason of the one note for `field`."""
        (found,) = [note for note in self.notes if note.field == field]
        return found.reason

    def shown(self) -> list[tuple[int, str, str, str]]:
        """Version, file, value and shape of every expectation."""
        return [(one.version, one.file, one.value, one.shape) for one in self.expectations]


def ask(
    rules: Iterable[Rule],
    resources: dict[str, Any],
    host: Host,
    runtime: str = "runc",
    operation: str = "create",
    *,
    driver: str = "cgroupfs",
) -> Answer:
    """The rules' answers for `resources`, which must come out unharmed. Absent fields are left out, as in a plan."""
    before = copy.deepcopy(resources)
    words: Any = {"runtime": runtimes.of(runtime), "operation": operation, "driver": driver}  # type: ignore[arg-type]
    left: Any = resources
    case = Case(resources=left, host=host, **words)
    answer = Answer(resources, [], [], [], [])
    for rule in rules:
        if case.get(*rule.field.split(".")) is None:
            continue
        outcome = rule.apply(case)
        answer.edits.extend(outcome.edits)
        answer.notes.extend(outcome.notes)
        answer.expectations.extend(outcome.expectations)
        answer.problems.extend(outcome.problems)
        left = apply_to_value(case.resources, outcome.edits)
        case = Case(resources=left, host=host, **words)
    assert resources == before, "a rule changed its input"
    return answer._replace(after=left)
