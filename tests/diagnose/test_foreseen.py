"""What is foreseen before a start, in the catalogue's words."""

from __future__ import annotations

from shim.diagnose.preflight import diagnosed
from shim.planning.preflight import Hazard

WORDS = 'config.json linux.cgroupsPath = "/"'


def test_each_hazard_has_its_entry() -> None:
    """One diagnosis each, in their order: the evidence as it was found, the row's templates filled with its values."""
    root = Hazard(code="cgroups-path-is-root", evidence=(WORDS,), values={})
    memory = Hazard(
        code="oom-certain-at-start",
        evidence=("memory.limit 1",),
        values={"limit": "1", "runtime": "runc"},
    )
    first, second = diagnosed((root, memory))
    assert (first.code, first.evidence) == ("cgroups-path-is-root", (WORDS,))
    assert (second.code, second.evidence) == ("oom-certain-at-start", ("memory.limit 1",))
    told = " ".join((second.verdict, second.cause, *second.remedy))
    assert "1" in told
    assert not any(brace in told for brace in "{}")
    assert diagnosed(()) == ()
