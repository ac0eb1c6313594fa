"""devices."""

from __future__ import annotations

import pytest

from shim.host.facts import LEGACY, UNIFIED
from shim.rules.base import GUARD, KEPT
from shim.rules.devices import RULES
from tests.hosts_made import make_host
from tests.rules_asked import ask

DENY_ALL = {"devices": [{"allow": False, "access": "rwm"}]}


@pytest.mark.parametrize(
    ("layout", "operation", "reason"),
    [
        (UNIFIED, "create", "passed on unchanged: an eBPF program on the container's cgroup"),
        (LEGACY, "create", "passed on unchanged: devices.allow and devices.deny"),
        (LEGACY, "update", "runc does not touch device rules in an update; those of the container's start stay"),
    ],
)
def test_device_rules_are_the_runtimes(layout: str, operation: str, reason: str) -> None:
    """The same list serves both versions; what a host lacks for it is found out by the runtime, loudly."""
    answer = ask(RULES, DENY_ALL, make_host(layout, versions={"devices": 0}), "runc", operation)
    assert (answer.edits, answer.expectations, answer.problems) == ([], [], [])
    assert answer.effect("devices") == ("honoured", GUARD, KEPT)
    assert answer.reason("devices") == reason


def test_no_devices_no_answer() -> None:
    """Absent and null are the same."""
    assert ask(RULES, {"devices": None}, make_host()).notes == []
