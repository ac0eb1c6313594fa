"""Refusals of cgshimctl that need an engine to be provoked: code and words, with the engine stood in for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from shim.engines import entries, hooks_proof
from shim.errors import ShimError

if TYPE_CHECKING:
    from typing import Any


def test_a_proof_that_podman_cannot_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """podman's own words are the evidence."""

    def refuse(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 125, "", "Error: short-name resolution failed")

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(ShimError) as refused:
        hooks_proof._podman("create", "x")
    assert refused.value.text().splitlines() == [
        "cgshim: podman create failed for the container of the proof [hooks-not-proven]",
        "  evidence: Error: short-name resolution failed",
        "  remedy: follow podman's message",
        "  remedy: or look at the hooks with `cgshimctl hooks list`",
    ]


def test_an_engine_without_an_entry() -> None:
    """--engine of an engine with which cgshim is not registered."""
    with pytest.raises(ShimError) as refused:
        entries.of_engine(None, (), "podman")  # type: ignore[arg-type] # nothing is looked at without an entry
    assert refused.value.text().splitlines()[0].endswith("[not-registered]")
