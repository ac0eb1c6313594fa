"""Problems of this host before any failure: the catalogue's own checks, without a message."""

from __future__ import annotations

from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.explain import without_words
from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Context, Diagnosis


def foreseen(context: Context) -> tuple[Diagnosis, ...]:
    """Return every entry whose own check finds something, lowest rank (gravest) first; templates keep their <names>."""
    facts = Facts(context)
    looked = ((entry, entry.foresee(facts)) for entry in ENTRIES if entry.foresee is not None)
    found = [(entry, evidence) for entry, evidence in looked if evidence]
    return tuple(
        without_words(entry.code, evidence, {"runtime": context.runtime})
        for entry, evidence in sorted(found, key=lambda one: one[0].rank)
    )
