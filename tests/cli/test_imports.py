"""How fast `cgshimctl` starts, by what it imports: the people's tool may import anything, but not for everybody.

A clock would be no test. What is named here takes tens of milliseconds, of a start of a hundred.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.syntax import ROOT

# What one option or one format needs is imported where it is needed.
SLOW = {
    "asyncio",
    "concurrent",
    "email",
    "http",
    "multiprocessing",
    "prometheus_client",
    "pyroute2",
    "rich",
    "ssl",
    "xml",
}
COMMANDS = [
    ["version"],
    ["audit", "--help"],
    ["watch", "--help"],
    ["leaks", "--help"],
    ["plan", "--help"],
    ["doctor", "--help"],
    ["report", "--help"],
    ["explain", "--help"],
    ["failures", "--help"],
    ["engine", "--help"],
]
PROGRAM = """
import sys
before = set(sys.modules)
from shim.cli.main import main
try:
    main()
except SystemExit as end:
    print("\\0", end.code, *sorted(set(sys.modules) - before))
"""


def _imported(words: list[str]) -> set[str]:
    argv = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    status, *names = done.stdout.rpartition("\0")[2].split()
    assert status == "0", done.stdout + done.stderr
    return {name.partition(".")[0] for name in names} | {name for name in names if name.startswith("shim.")}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_starts_without_what_few_need(words: list[str]) -> None:
    """Neither a web client nor a screen's library is loaded before somebody asks for it."""
    assert _imported(words) & SLOW == set()


@pytest.mark.parametrize(
    ("words", "foreign"),
    [
        (["version"], ("shim.audit", "shim.watch", "shim.engines", "shim.diagnose", "shim.containers")),
        (["audit", "--help"], ("shim.watch", "shim.diagnose")),
        (["plan", "--help"], ("shim.watch", "shim.audit")),
        (["doctor", "--help"], ("shim.watch", "shim.audit")),
    ],
    ids=["version", "audit", "plan", "doctor"],
)
def test_a_command_loads_no_other_commands_rooms(words: list[str], foreign: tuple[str, ...]) -> None:
    """`audit` and `watch` are the largest: nobody else pays for them."""
    assert {name for name in _imported(words) if name.startswith(foreign)} == set()


def test_the_measurement_sees_a_slow_import() -> None:
    """The method is able to fail: what a command needs for itself is seen."""
    assert "shim.watch" in _imported(["watch", "--help"])
