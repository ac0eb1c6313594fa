"""Problems of this host before any failure: the catalogue's own checks, shown by `cgshimctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.cli.output import table
from shim.diagnose.diagnosis import Context
from shim.diagnose.host_checks import foreseen
from shim.diagnose.render import as_dict
from shim.host.view import View

if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis


def look(runtime: str, known: tuple[str, ...]) -> tuple[Diagnosis, ...]:
    """Return the diagnoses that need no failure, gravest first, on the running host, without those in `known`."""
    found = foreseen(Context(view=View(), runtime=runtime))
    return tuple(diagnosis for diagnosis in found if diagnosis.code not in known)


def shape(found: tuple[Diagnosis, ...]) -> list[dict[str, Any]]:
    """As JSON: code, verdict, cause, evidence, remedy, reference."""
    fields = ("code", "verdict", "cause", "evidence", "remedy", "reference")
    return [{field: as_dict(diagnosis)[field] for field in fields} for diagnosis in found]


def show(found: tuple[Diagnosis, ...]) -> None:
    """Write them as text; nothing for ()."""
    rows = [(one.code, (one.verdict, *one.evidence, *(f"remedy: {step}" for step in one.remedy))) for one in found]
    table(rows, indent="  ")
