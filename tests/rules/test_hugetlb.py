"""hugepageLimits."""

from __future__ import annotations

from typing import Any

import pytest

from shim.host.facts import LEGACY, UNIFIED
from shim.rules.base import CHANGED, GUARD, KEPT, UNENFORCEABLE
from shim.rules.hugetlb import RULES, kernel_name, probes
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.rules_asked import ask

MB = 1 << 20


def pages(size: str, limit: int) -> dict[str, Any]:
    """Resources with one huge page limit."""
    return {"hugepageLimits": [{"pageSize": size, "limit": limit}]}


@pytest.mark.parametrize(
    ("written", "kernel"),
    [
        ("2MB", "2MB"),
        ("1GB", "1GB"),
        ("64KB", "64KB"),
        ("2048KB", "2MB"),
        ("1024MB", "1GB"),
        ("1048576KB", "1GB"),
        ("1025MB", "1025MB"),
        ("0MB", ""),
        ("2M", ""),
        ("MB", ""),
        ("9" * 5000 + "MB", ""),
        ("../2MB", ""),
        ("2MB/../2MB", ""),
        ("2mb", ""),
        ("", ""),
    ],
)
def test_size_names(written: str, kernel: str) -> None:
    """mem_fmt() in mm/hugetlb_cgroup.c names a size in its largest unit."""
    assert kernel_name(written) == kernel


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("limit", "shown"),
    [(0, 0), (1, 0), (2 * MB - 1, 0), (2 * MB, 2 * MB), (2 * MB + 1, 2 * MB), (64 * MB, 64 * MB)],
    ids=["min", "min+1", "below-a-page", "a-page", "above-a-page", "usual"],
)
def test_limits_are_rounded_down_to_a_page(layout: str, runtime: str, limit: int, shown: int) -> None:
    """hugetlb.rst: limits are set in units of the page size, rounded down."""
    answer = ask(RULES, pages("2MB", limit), make_host(layout), runtime)
    file = (2, "hugetlb.2MB.max") if layout == UNIFIED else (1, "hugetlb.2MB.limit_in_bytes")
    assert answer.edits == []
    assert answer.effect("hugepageLimits") == ("honoured", GUARD, KEPT)
    assert answer.shown() == [(*file, str(shown), "exact")]


@pytest.mark.parametrize("limit", [2**63 - 1, 2**64 - 1])
def test_unlimited(limit: int) -> None:
    """OCI has no -1 here; numbers that large are `max` on cgroup2, and on v1 the kernel's own idea of no limit."""
    assert ask(RULES, pages("2MB", limit), make_host()).shown() == [(2, "hugetlb.2MB.max", "max", "exact")]
    legacy = ask(RULES, pages("2MB", limit), make_host(LEGACY))
    assert (legacy.edits, legacy.expectations, legacy.problems) == ([], [], [])


def test_a_size_that_the_kernel_names_otherwise() -> None:
    """Resources table 1.5: 2048KB never matches a file name."""
    answer = ask(RULES, pages("2048KB", 64 * MB), make_host(interface={"hugetlb.2MB.max": True}))
    assert answer.after == pages("2MB", 64 * MB)
    assert answer.effect("hugepageLimits") == ("hugetlb-size-renamed", GUARD, CHANGED)
    assert answer.shown() == [(2, "hugetlb.2MB.max", str(64 * MB), "exact")]


@pytest.mark.parametrize(
    ("layout", "files", "remedy"),
    [
        (
            UNIFIED,
            {"hugetlb.64KB.max": False, "hugetlb.2MB.max": True, "hugetlb.1GB.max": True},
            "use a size that this host has: 2MB, 1GB",
        ),
        (
            UNIFIED,
            # Other interface files that this host has are not page sizes: of other controllers, and of the same one.
            {"hugetlb.64KB.max": False, "memory.max": True, "hugetlb.2MB.max": True, "hugetlb.1GB.rsvd.max": True},
            "use a size that this host has: 2MB",
        ),
        (UNIFIED, {"hugetlb.64KB.max": False}, "see /sys/kernel/mm/hugepages for sizes"),
        (
            LEGACY,
            {"hugetlb.64KB.limit_in_bytes": False, "hugetlb.2MB.limit_in_bytes": True},
            "use a size that this host has: 2MB",
        ),
    ],
)
def test_a_size_that_this_kernel_lacks(layout: str, files: dict[str, bool | None], remedy: str) -> None:
    """Measured: 64KB on x86 is ENOENT with every runtime."""
    (problem,) = ask(RULES, pages("64KB", MB), make_host(layout, interface=files)).problems
    file = "hugetlb.64KB.max" if layout == UNIFIED else "hugetlb.64KB.limit_in_bytes"
    assert problem.field == "hugepageLimits[0].pageSize"
    assert problem.what == f"this kernel has no {file}"
    assert problem.remedy == remedy


def test_all_malformed_entries_are_named() -> None:
    """Every entry that is wrong is reported, each with its place."""
    entries = [{"pageSize": "2M", "limit": 1}, {"pageSize": "2MB", "limit": None}, {"pageSize": "2MB"}, {}]
    problems = ask(RULES, {"hugepageLimits": entries}, make_host()).problems
    assert [problem.field for problem in problems] == [
        "hugepageLimits[0].pageSize",
        "hugepageLimits[1].limit",
        "hugepageLimits[2].limit",
        "hugepageLimits[3].pageSize",
        "hugepageLimits[3].limit",
    ]


def test_hugetlb_in_cgroup2_of_a_hybrid_host() -> None:
    """systemd mounts no v1 hugetlb on many hybrid hosts: measured, runc fails and crun refuses the host."""
    answer = ask(RULES, pages("2048KB", 5 * MB), made_hybrid(hugetlb=2))
    assert answer.after == {}
    assert answer.effect("hugepageLimits") == ("hugetlb-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.notes[0].lost == f"2MB huge pages above 5 MiB ({5 * MB} bytes)"
    assert answer.shown() == [(2, "hugetlb.2MB.max", str(4 * MB), "exact")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hugetlb_nowhere(layout: str) -> None:
    """A kernel without CONFIG_CGROUP_HUGETLB limits no huge pages."""
    answer = ask(RULES, pages("2MB", MB), make_host(layout, versions={"hugetlb": 0}), "crun")
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("hugepageLimits") == ("hugetlb-nowhere", GUARD, UNENFORCEABLE)


def test_update_by_runc_on_cgroup2() -> None:
    """`runc update` ignores hugepageLimits in every version, but applies unified keys."""
    answer = ask(RULES, pages("2MB", 4 * MB), make_host(), "runc", "update")
    assert answer.after == {"unified": {"hugetlb.2MB.max": str(4 * MB)}}
    assert answer.effect("hugepageLimits") == ("hugetlb-by-unified", GUARD, CHANGED)


def test_update_by_runc_leaves_a_unified_key_alone() -> None:
    """unified wins over the classic field, as in the runtimes."""
    resources = {**pages("2MB", 4 * MB), "unified": {"hugetlb.2MB.max": "max"}}
    answer = ask(RULES, resources, make_host(), "runc", "update")
    assert answer.after == {"unified": {"hugetlb.2MB.max": "max"}}
    assert answer.expectations == []


def test_update_by_runc_on_v1_is_read_back() -> None:
    """Nothing carries it there; engines repeat the value of the start in every update, and the kernel shows which."""
    answer = ask(RULES, pages("2MB", 4 * MB), make_host(LEGACY), "runc", "update")
    assert answer.edits == []
    assert answer.effect("hugepageLimits") == ("hugetlb-update-unread", GUARD, KEPT)
    assert answer.shown() == [(1, "hugetlb.2MB.limit_in_bytes", str(4 * MB), "exact")]


def test_files_to_ask_the_host_about() -> None:
    """The sizes named, and the common ones for the remedy; nothing without the field."""
    assert probes({}) == ()
    assert probes({"hugepageLimits": [{"pageSize": "64KB"}, {"pageSize": 7}, "x", {"pageSize": "huge"}]}) == tuple(
        f"hugetlb.{size}.{file}"
        for size in ("64KB", "2MB", "32MB", "512MB", "1GB")
        for file in ("limit_in_bytes", "max")
    )
