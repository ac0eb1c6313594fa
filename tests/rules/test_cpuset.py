"""cpu.cpus and cpu.mems."""

from __future__ import annotations

import pytest

from shim.host.facts import LEGACY, UNIFIED
from shim.rules import cpu
from shim.rules.base import GUARD, KEPT, UNENFORCEABLE
from shim.rules.cpuset import normalised
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.rules_asked import ask

RULES = tuple(rule for rule in cpu.RULES if rule.apply in (cpu.cpus, cpu.mems, cpu.emptiness))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("0", "0"),
        ("0,1", "0-1"),
        ("0-3", "0-3"),
        ("3,0-1,2", "0-3"),
        ("0-1,5", "0-1,5"),
        ("1,1,1", "1"),
        ("0-6:1/2", "0,2,4,6"),
        ("0-7:2/4", "0-1,4-5"),
        ("0-3,5\n", "0-3,5"),
        ("all", ""),
        ("0-N", ""),
        ("", None),
        ("abc", None),
        ("3-1", None),
        ("-1", None),
        ("1-", None),
        ("0-3:2", None),
        ("5:1/2", None),  # bitmap_parse_region(): groups are of a range
        ("0-3:0/2", None),
        ("0-3:3/2", None),
        ("0x1", None),
        ("99999999999", None),
    ],
)
def test_lists_as_the_kernel_prints_them(written: str, shown: str | None) -> None:
    """bitmap_parselist() and bitmap_list_string(): admin-guide/kernel-parameters.rst, "cpu lists"."""
    assert normalised(written) == shown


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("key", "file"), [("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")])
def test_a_list_is_left_alone(layout: str, runtime: str, key: str, file: str) -> None:
    """Both runtimes write the text as it is; only the kernel knows whether the numbers exist."""
    answer = ask(RULES, {"cpu": {key: "0,1"}}, make_host(layout), runtime)
    assert answer.edits == []
    assert answer.effect(f"cpu.{key}") == ("honoured", GUARD, KEPT)
    assert answer.shown() == [(2 if layout == UNIFIED else 1, file, "0-1", "exact")]


def test_the_empty_string_is_unset() -> None:
    """Both runtimes skip it, so nothing is written or read back."""
    answer = ask(RULES, {"cpu": {"cpus": "", "mems": ""}}, make_host(LEGACY), "crun")
    assert (answer.edits, answer.expectations) == ([], [])
    assert answer.effect("cpu.mems") == ("unset", GUARD, KEPT)


def test_no_list_is_a_problem() -> None:
    """Measured: "abc" is EINVAL on cpuset.cpus everywhere."""
    (problem,) = ask(RULES, {"cpu": {"cpus": "abc"}}, make_host()).problems
    assert (problem.field, problem.what) == ("cpu.cpus", "'abc' is not a list of CPUs")
    assert problem.remedy == 'write numbers and ranges, such as "0-3,5"'


def test_cpuset_in_cgroup2_of_a_hybrid_host() -> None:
    """Debian kernels from 6.12 on have no v1 cpuset: hybrid hosts show it in cgroup2."""
    answer = ask(RULES, {"cpu": {"cpus": "0,1", "mems": "0", "shares": 512}}, made_hybrid(cpuset=2))
    assert answer.after == {"cpu": {"shares": 512}}
    assert answer.effect("cpu.cpus") == ("cpuset-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.notes[0].lost == "confinement to CPUs 0,1"
    assert answer.shown() == [(2, "cpuset.cpus", "0-1", "exact"), (2, "cpuset.mems", "0", "exact")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cpuset_nowhere(layout: str) -> None:
    """Pure v1 on such a kernel: measured "cannot set cpuset limit" (runc) and ENOENT (crun)."""
    answer = ask(RULES, {"cpu": {"cpus": "0"}}, make_host(layout, versions={"cpuset": 0}))
    assert answer.effect("cpu.cpus") == ("cpuset-nowhere", GUARD, UNENFORCEABLE)
    assert answer.expectations == []


def test_an_empty_cpu_object_without_the_controller() -> None:
    """crun opens the cpu cgroup for any cpu object; where the controller is, the object is left alone."""
    absent = make_host(LEGACY, versions={"cpu": 0})
    assert ask(RULES, {"cpu": {}}, absent, "crun").after == {}
    assert ask(RULES, {"cpu": {}}, absent, "runc").after == {"cpu": {}}
    assert ask(RULES, {"cpu": {}}, make_host(LEGACY), "crun").after == {"cpu": {}}


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        "0-" + "9" * 5000,
        "0," * 40000,
        ",".join(f"{low}-65535" for low in range(5000)),
    ],
    ids=["digits", "range", "length", "overlaps"],
)
def test_a_list_that_would_cost_minutes(text: str) -> None:
    """Numbers of thousands of digits, lists longer than the kernel takes, ranges that overlap thousands of times."""
    assert normalised(text) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_malformed_list_without_the_controller(layout: str) -> None:
    """Nobody could take the list here anyway, so the policy decides and not the check of its form."""
    answer = ask(RULES, {"cpu": {"cpus": "abc"}}, make_host(layout, versions={"cpuset": 0}))
    assert answer.problems == []
    assert answer.effect("cpu.cpus") == ("cpuset-nowhere", GUARD, UNENFORCEABLE)


def test_an_empty_list_without_the_controller() -> None:
    """crun opens the cpuset cgroup for "", too; runc skips it."""
    absent = make_host(LEGACY, versions={"cpuset": 0})
    asked = {"cpu": {"cpus": "", "shares": 512}}
    assert ask(RULES, asked, absent, "crun").after == {"cpu": {"shares": 512}}
    assert ask(RULES, asked, absent, "runc").after == asked
