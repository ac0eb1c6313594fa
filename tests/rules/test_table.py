"""The table of rules as a whole: complete against the OCI runtime-spec, in order, and each with its authority."""

from __future__ import annotations

import inspect
import re
import sys

import pytest

from shim.rules import table, unified
from shim.rules.base import Rule

CLASSIC: tuple[Rule, ...] = tuple(rule for _, rules in table.CLASSIC for rule in rules())
RULES: tuple[Rule, ...] = (*CLASSIC, *unified.V1_RULES, *unified.V2_RULES)

# OCI runtime-spec 1.2, config-linux.md, "Control groups": every field of linux.resources.
SPEC = {
    *(f"memory.{name}" for name in ("limit", "reservation", "swap", "kernel", "kernelTCP", "swappiness")),
    *(f"memory.{name}" for name in ("disableOOMKiller", "useHierarchy", "checkBeforeUpdate")),
    *(f"cpu.{name}" for name in ("shares", "quota", "burst", "period", "realtimeRuntime", "realtimePeriod")),
    *(f"cpu.{name}" for name in ("cpus", "mems", "idle")),
    *(f"blockIO.{name}" for name in ("weight", "leafWeight", "weightDevice")),
    *(f"blockIO.throttle{name}Device" for name in ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")),
    *("hugepageLimits", "network.classID", "network.priorities", "pids.limit", "rdma", "devices", "unified"),
}
# Rows beyond the spec's: what is left of an object whose fields are gone.
REMAINDERS = {"memory", "cpu", "pids", "blockIO", "network"}
# No interface file of their own: the remainders, and one that only tells the runtime how to write.
WITHOUT_A_FILE = {*REMAINDERS, "memory.checkBeforeUpdate"}
INTERFACE_FILE = re.compile(r"\b(memory|cpu|cpuset|blkio|io|pids|hugetlb|rdma|net_cls|net_prio|devices)\.\w+")


def _row(rule: Rule) -> str:
    return f"{rule.field}-{rule.apply.__name__}"


def test_every_field_of_the_spec_has_a_rule() -> None:
    """No field of linux.resources is left to chance, and none is asked about that the spec does not have."""
    fields = [rule.field for rule in CLASSIC]
    assert {*fields, "unified"} == SPEC | REMAINDERS
    assert len(fields) == len(set(fields))


def test_every_rule_stands_under_its_section() -> None:
    """A rule's field begins with the section that brings its module in: it is asked exactly when it is there."""
    astray = [(s, r.field) for s, rules in (*table.ON_V1, *table.ON_V2) for r in rules() if r.field.split(".")[0] != s]
    assert astray == []


@pytest.mark.parametrize("rule", RULES, ids=_row)
def test_rule_cites_spec_and_kernel(rule: Rule) -> None:
    """A rule's module names the spec's section and the kernel's document, the rule itself the interface files."""
    authority = inspect.getdoc(sys.modules[rule.apply.__module__]) or ""
    assert "runtime-spec" in authority
    assert re.search(r"Documentation/|\w\.rst", authority)
    own = inspect.getdoc(rule.apply) or ""
    assert own
    if rule.field not in WITHOUT_A_FILE and rule.apply is not unified.V2_RULES[0].apply:
        assert INTERFACE_FILE.search(own), own


@pytest.mark.parametrize("rule", RULES, ids=_row)
def test_probes_are_names_of_interface_files(rule: Rule) -> None:
    """What a rule asks the host about are names of cgroup interface files, never paths."""
    assert [name for name in rule.probes if not INTERFACE_FILE.match(name) or "/" in name] == []


def test_probes_that_depend_on_what_is_asked_for() -> None:
    """The files of a page size that is named, in both hierarchies, and those that a key of `unified` may stand for."""
    asked = {"hugepageLimits": [{"pageSize": "64KB", "limit": 0}], "unified": {"memory.swap.max": "0"}}
    assert {"hugetlb.64KB.max", "hugetlb.64KB.limit_in_bytes", "memory.memsw.limit_in_bytes"} <= set(
        table.probes(asked)
    )
    assert "memory.memsw.limit_in_bytes" not in table.probes({"hugepageLimits": asked["hugepageLimits"]})
    assert table.probes({}) == []
