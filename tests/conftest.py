"""Options and fixtures of the unit tests."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest

from shim.observe import kernel_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# How long an example takes says how busy the machine is. It is not a property of what is tested.
UNTIMED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("untimed", UNTIMED)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden writes tests/golden again; look at the diff before you commit it."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden again from the present output")


def pytest_configure() -> None:
    """A shell that starts the tests in the background makes them, and all that they start, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def state_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cgshim's own files are in a directory of this test's own, and the host's settings are not read."""
    place = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("CGSHIM_STATE", str(place))
    monkeypatch.setenv("CGSHIM_CONFIG", str(place / "no-settings.json"))
    return place


@pytest.fixture(scope="session", autouse=True)
def no_kernel_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The log that is read without a path is empty: what the machine's kernel says is about other containers."""
    empty = tmp_path_factory.mktemp("log") / "kmsg"
    empty.touch()
    with pytest.MonkeyPatch.context() as patch:
        for reading in (kernel_log.records, kernel_log.read_kernel_log):
            patch.setattr(reading, "__defaults__", (str(empty),))
        yield
