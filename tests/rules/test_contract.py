"""What holds for every rule of the small controllers (shim/rules/base.py)."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from shim.rules import cpu, devices, hugetlb, io, network, pids, rdma
from shim.rules.base import KEPT, UNENFORCEABLE
from tests.hosts_made import LAYOUTS, make_host
from tests.rules_asked import Answer, ask

MODULES = (cpu, pids, io, hugetlb, rdma, network, devices)
RULES = tuple(rule for module in MODULES for rule in module.RULES)
DEVICE = {"major": 8, "minor": 0}
EVERYTHING: dict[str, Any] = {
    "cpu": {
        "shares": 1,
        "quota": 50000,
        "period": 100000,
        "burst": 1000,
        "idle": 1,
        "cpus": "0,1",
        "mems": "0",
        "realtimeRuntime": 1000,
        "realtimePeriod": 100000,
    },
    "pids": {"limit": 32},
    "blockIO": {
        "weight": 5,
        "leafWeight": 300,
        "weightDevice": [{**DEVICE, "weight": 2000, "leafWeight": 7}],
        "throttleReadBpsDevice": [{**DEVICE, "rate": 0}],
        "throttleWriteBpsDevice": [{**DEVICE, "rate": 1}],
        "throttleReadIOPSDevice": [{**DEVICE, "rate": 100}],
        "throttleWriteIOPSDevice": [],
    },
    "hugepageLimits": [{"pageSize": "2048KB", "limit": 4194304}],
    "rdma": {"mlx5_1": {"hcaHandles": 4294967295}},
    "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
    "devices": [{"allow": False, "access": "rwm"}],
}
NOTHING_ASKED: dict[str, Any] = {
    "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": ""},
    "pids": {"limit": 0},
    "blockIO": {"weight": 0},
    "hugepageLimits": [],
    "rdma": {},
}
UNLIMITED: dict[str, Any] = {"cpu": {"quota": -1}, "pids": {"limit": -1}}
FILES = sorted({file for rule in RULES for file in rule.probes})
PRESENCE = {"all-files": True, "unknown-files": None, "no-files": False}
CASES = list(itertools.product(LAYOUTS, ("runc", "crun", "other"), ("create", "update"), PRESENCE, (None, 0, 1, 2)))


def answers(layout: str, runtime: str, operation: str, files: str, version: Any) -> list[tuple[Any, Answer]]:
    """Every set of resources on one host, and once more on what was left of it."""
    names = ("cpu", "cpuset", "io", "hugetlb", "pids", "rdma", "net_cls", "net_prio")
    versions = {} if version is None else dict.fromkeys(names, version)
    host = make_host(layout, versions=versions, interface=dict.fromkeys(FILES, PRESENCE[files]))
    found = []
    for resources in (EVERYTHING, NOTHING_ASKED, UNLIMITED):
        first = ask(RULES, resources, host, runtime, operation)
        found.append((first, ask(RULES, first.after, host, runtime, operation)))
    return found


@pytest.mark.parametrize(("layout", "runtime", "operation", "files", "version"), CASES)
def test_rules_keep_their_contract(layout: str, runtime: str, operation: str, files: str, version: Any) -> None:
    """Twice is once, every note has a reason and a kebab-case code, and a lost guard says what is lost."""
    for first, second in answers(layout, runtime, operation, files, version):
        assert second.edits == []
        assert first.problems == second.problems == []
        for note in first.notes:
            assert note.reason
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", note.code)
            assert bool(note.lost) or note.effect != UNENFORCEABLE
        fields = [note.field for note in first.notes]
        assert len(fields) == len(set(fields))


@pytest.mark.parametrize(("layout", "runtime", "operation", "files", "version"), CASES)
def test_every_field_is_answered(layout: str, runtime: str, operation: str, files: str, version: Any) -> None:
    """A field that is there has a note of its own."""
    first, _ = answers(layout, runtime, operation, files, version)[0]
    wanted = {f"{section}.{key}" for section in ("cpu", "pids", "blockIO", "network") for key in EVERYTHING[section]}
    assert wanted | {"hugepageLimits", "rdma", "devices"} <= {note.field for note in first.notes}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
def test_usual_limits_need_no_edit(layout: str, runtime: str) -> None:
    """What engines ask for every day is left alone on a host that has it all."""
    usual = {
        "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 2048},
        "blockIO": {"throttleReadBpsDevice": [{**DEVICE, "rate": 1048576}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
        "devices": [{"allow": False, "access": "rwm"}],
    }
    answer = ask(RULES, usual, make_host(layout), runtime)
    assert (answer.edits, answer.problems) == ([], [])
    assert {note.effect for note in answer.notes} == {KEPT}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.field))
def test_rules_say_what_they_are_about(rule: Any) -> None:
    """A rule's docstring names the field, and there is no row twice."""
    assert rule.apply.__doc__
    assert [one.field for one in RULES].count(rule.field) == 1
