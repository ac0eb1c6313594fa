"""One plan and what it leaves, for tests; every plan that is made here is also tried on its own result."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from shim.planning.plan import make_plan
from shim.rules.base import apply_to_value

if TYPE_CHECKING:
    from shim.host.facts import Host
    from shim.planning.plan import Plan


class Planned(NamedTuple):
    """A plan and the resources after its edits."""

    after: dict[str, Any]
    plan: Plan

    def effect(self, field: str) -> tuple[str, str, str]:
        """Code, kind and effect of the one note for `field`."""
        (found,) = [note for note in self.plan.notes if note.field == field]
        return found.code, found.kind, found.effect

    def reason(self, field: str) -> str:
        """The reason of the one note for `field`."""
        (found,) = [note for note in self.plan.notes if note.field == field]
        return found.reason

    def lost(self, field: str) -> str:
        """What is lost of `field`."""
        (found,) = [note for note in self.plan.notes if note.field == field]
        return found.lost

    def shown(self) -> set[tuple[str, str]]:
        """File and value of every expectation."""
        return {(one.file, one.value) for one in self.plan.expectations}

    def problems(self) -> list[tuple[str, str, str]]:
        """Field, fault and remedy of every problem."""
        return [(problem.field, problem.what, problem.remedy) for problem in self.plan.problems]


def plan_of(
    resources: dict[str, Any],
    host: Host,
    runtime: str = "runc",
    operation: str = "create",
    driver: str = "cgroupfs",
    **kept: Any,
) -> Plan:
    """`make_plan` for words out of a test's table."""
    words: Any = (runtime, operation, driver)
    return make_plan(resources, host, *words, **kept)


def planned(
    resources: dict[str, Any],
    host: Host,
    runtime: str = "runc",
    operation: str = "create",
    driver: str = "cgroupfs",
) -> Planned:
    """The plan for `resources`, which must come out unharmed; a second plan for its result must have no edits."""
    before = copy.deepcopy(resources)
    plan = plan_of(resources, host, runtime, operation, driver)
    assert resources == before, "planning changed its input"
    assert plan == plan_of(resources, host, runtime, operation, driver), "two plans for one question"
    after = apply_to_value(resources, plan.edits)
    if not plan.problems:  # with one it is refused and never applied
        again = plan_of(after, host, runtime, operation, driver)
        assert again.edits == (), "the plan for the planned result is not empty"
    return Planned(after, plan)
