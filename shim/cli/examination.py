"""The findings of `cgshimctl doctor` as one value, from which its exit status and its text are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.cli import findings, output
from shim.values import Value

if TYPE_CHECKING:
    from shim.cli.findings import FieldOutcome
    from shim.diagnose.diagnosis import Diagnosis
    from shim.engines.runtimes import ChosenRuntime
    from shim.host.inspection import Inspection
    from shim.planning.settings import Settings


class Examination(Value):
    """All findings.

    found: for each field and runtime. problems: of the set-up itself. ahead: failures that containers will have.
    strictly: limits that few containers have count for the status, too.
    """

    inspected: Inspection
    runtime: ChosenRuntime
    configured: Settings
    found: tuple[FieldOutcome, ...]
    problems: tuple[str, ...]
    ahead: tuple[Diagnosis, ...] = ()
    strictly: bool = False

    @property
    def status(self) -> int:
        """1 for a broken set-up or a limit that the selected runtime cannot enforce here; with `strictly` any limit."""
        if self.problems:
            return output.BROKEN
        counted = [found for found in self.refused if self.strictly or found.essential]
        return output.REFUSED if counted else output.FINE

    @property
    def refused(self) -> tuple[FieldOutcome, ...]:
        """Limits for which the selected runtime would start nothing, or whose fate is unknown."""
        bad = (findings.REFUSED, findings.UNTOUCHED)
        return tuple(f for f in self.own if f.outcome in bad)

    @property
    def own(self) -> tuple[FieldOutcome, ...]:
        """The findings about the selected runtime."""
        return tuple(f for f in self.found if self.runtime.family in f.runtimes)
