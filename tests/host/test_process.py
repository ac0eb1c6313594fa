"""/proc/PID/stat: the fields behind a name that may be anything (proc_pid_stat(5))."""

from __future__ import annotations

import os
import pathlib

import pytest

from shim.host import process

# Of a real kernel (6.1), the name made hostile: 52 fields, the state the third.
REST = (
    "S 4710 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
    "27 2 1 0 0 0 0 0 0 0 0 0 0"
)


@pytest.mark.parametrize("name", ["sh", "a b", "a) S 1 (b", "(", ")", "1) R 99", "a\nb"])
def test_fields_behind_any_name(name: str) -> None:
    """The name is up to 15 bytes of the process's own choice."""
    text = f"4711 ({name}) {REST}\n"
    assert process.parent(text) == 4710
    assert process.field(text, process.STARTED) == "987654"
    assert process.field(text, process.POLICY) == "2"
    assert process.field(text, 3) == "S"


@pytest.mark.parametrize("text", ["", "4711 (sh", "4711 (sh)", "4711 (sh) S", "4711 (sh) S x", "rubbish"])
def test_what_does_not_say(text: str) -> None:
    """A process that is gone leaves an empty text: no parent and no field."""
    assert process.parent(text) == 0
    assert process.field(text, process.STARTED) == ""


def test_this_very_process() -> None:
    """The kernel's own text of this process names the parent that getppid(2) names."""
    assert process.parent(pathlib.Path("/proc/self/stat").read_text()) == os.getppid()
