"""A look of the catalogue that breaks costs no explanation, and is to be seen by whoever asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.diagnose.diagnosis import Context
from shim.diagnose.entry import Entry, Words
from shim.diagnose.explain import looked, ruled_out
from shim.diagnose.facts import Facts
from tests.replayed import ReplayedView

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _breaks(facts: Facts, words: Words) -> bool:
    raise LookupError("no such key")


def _breaks_too(facts: Facts, words: Words) -> tuple[str, ...]:
    raise LookupError("no such evidence")


BROKEN = Entry(
    code="broken",
    title="a row whose looks break",
    verdict="x",
    cause="x",
    remedy=("x",),
    reference="x",
    confirm=_breaks_too,
    excluded=_breaks,
)


def test_it_is_written_where_debugging_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback and the row; the answer is that nothing was found."""
    log = tmp_path / "debug"
    facts = Facts(Context(view=ReplayedView({"text": {}}), kernel_log=""))
    words = Words(text="x", groups={}, proven=False)
    assert looked(BROKEN, facts, words) == ()
    monkeypatch.setenv("CGSHIM_DEBUG", str(log))
    assert looked(BROKEN, facts, words) == ()
    assert ruled_out(BROKEN, facts, words) is False
    text = log.read_text()
    assert text.count("the check for broken failed:\n") == 2
    assert "LookupError: no such evidence" in text
    assert "LookupError: no such key" in text
