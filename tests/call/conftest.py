"""What the tests of whole calls share."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from shim.host.facts import UNIFIED
from tests.fake_runtime import FakeRuntime
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRuntime]:
    """A runtime that succeeds at everything; a made host; no settings; the signals are let through again."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    monkeypatch.setattr("shim.host.detect.detect", lambda *_, **__: make_host(UNIFIED))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield FakeRuntime(tmp_path)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
