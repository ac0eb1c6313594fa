"""The hazards of `shim.planning.preflight`, in the catalogue's texts."""

from __future__ import annotations

from shim.diagnose.explain import without_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis
    from shim.planning.preflight import Hazard


def diagnosed(hazards: tuple[Hazard, ...]) -> tuple[Diagnosis, ...]:
    """Return one diagnosis for each hazard, in the same order."""
    return tuple(without_words(found.code, found.evidence, found.values) for found in hazards)
