"""rdma."""

from __future__ import annotations

import pytest

from shim.host.facts import UNIFIED
from shim.rules.base import CHANGED, GUARD, KEPT, UNENFORCEABLE
from shim.rules.rdma import RULES
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.rules_asked import ask

ASKED = {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_runc_sets_it(layout: str) -> None:
    """cgroup-v2.rst, rdma.max: one line for each device, the same in both hierarchies."""
    answer = ask(RULES, ASKED, make_host(layout), "runc")
    version = 2 if layout == UNIFIED else 1
    assert answer.edits == []
    assert answer.effect("rdma") == ("honoured", GUARD, KEPT)
    assert answer.shown() == [(version, "rdma.max", "mlx5_1 hca_handle=3 hca_object=10000", "lines")]


@pytest.mark.parametrize("runtime", ["crun", "other"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_crun_does_not_read_it(layout: str, runtime: str) -> None:
    """Measured: crun succeeds and sets nothing, with the field; with a unified key it fails."""
    answer = ask(RULES, ASKED, make_host(layout), runtime)
    assert (answer.after, answer.expectations) == ({}, [])
    assert answer.effect("rdma") == ("rdma-unread", GUARD, UNENFORCEABLE)
    assert answer.notes[0].lost == "RDMA resources: mlx5_1 hca_handle=3 hca_object=10000"


@pytest.mark.parametrize(
    ("count", "written", "shown"),
    [
        (0, 0, "0"),
        (1, 1, "1"),
        (2147483646, 2147483646, "2147483646"),
        (2147483647, 2147483647, "max"),
        (2147483648, 2147483647, "max"),
        (4294967295, 2147483647, "max"),
    ],
    ids=["min", "min+1", "max-1", "max", "above-max", "uint32-max"],
)
def test_counts(count: int, written: int, shown: str) -> None:
    """kernel/cgroup/rdma.c parses an int and shows S32_MAX as max; OCI has uint32."""
    answer = ask(RULES, {"rdma": {"mlx5_1": {"hcaHandles": count}}}, make_host())
    assert answer.after == {"rdma": {"mlx5_1": {"hcaHandles": written}}}
    assert answer.effect("rdma")[2] == (KEPT if count == written else CHANGED)
    assert answer.shown() == [(2, "rdma.max", f"mlx5_1 hca_handle={shown}", "lines")]


def test_rdma_in_cgroup2_of_a_hybrid_host() -> None:
    """Left on cgroup2 by systemd; a guard that no runtime sets there."""
    answer = ask(RULES, ASKED, made_hybrid(rdma=2))
    assert answer.after == {}
    assert answer.effect("rdma") == ("rdma-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.shown() == [(2, "rdma.max", "mlx5_1 hca_handle=3 hca_object=10000", "lines")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rdma_nowhere(layout: str) -> None:
    """A kernel without CONFIG_CGROUP_RDMA limits nothing."""
    answer = ask(RULES, ASKED, make_host(layout, versions={"rdma": 0}))
    assert answer.effect("rdma") == ("rdma-nowhere", GUARD, UNENFORCEABLE)


def test_update_by_runc_is_read_back() -> None:
    """`runc update` ignores rdma in every version; the kernel shows whether the value is in force anyway."""
    answer = ask(RULES, ASKED, make_host(), "runc", "update")
    assert answer.edits == []
    assert "runc does not read it in an update" in answer.reason("rdma")
    assert len(answer.expectations) == 1


def test_no_device_is_unset() -> None:
    """An empty map asks for nothing."""
    assert ask(RULES, {"rdma": {}}, make_host(), "crun").effect("rdma") == ("unset", GUARD, KEPT)


@pytest.mark.parametrize("counts", [None, {}])
@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_device_without_counts_is_unlimited(counts: object, runtime: str) -> None:
    """null for a device is an empty LinuxRdma to runc (encoding/json): it has neither of the two pointers."""
    answer = ask(RULES, {"rdma": {"mlx5_1": counts}}, make_host(), runtime)
    assert (answer.edits, answer.effect("rdma"), answer.shown()) == ([], ("unset", GUARD, KEPT), [])
    assert answer.reason("rdma") == "no device has a count"


@pytest.mark.parametrize("count", [2147483647, 4294967295])
@pytest.mark.parametrize(("version", "runtime"), [(1, "crun"), (2, "crun"), (0, "runc"), (0, "crun")])
def test_no_limit_is_not_lost(count: int, version: int, runtime: str) -> None:
    """The largest count is "max", so it needs neither a controller nor a runtime that reads it."""
    host = make_host("legacy" if version < 2 else "unified", versions={"rdma": version})
    answer = ask(RULES, {"rdma": {"mlx5_1": {"hcaHandles": count, "hcaObjects": 2147483647}}}, host, runtime)
    assert (answer.edits, answer.effect("rdma")) == ([], ("unset", GUARD, KEPT))


def test_one_count_that_limits_is_lost() -> None:
    """Beside a count that is no limit, another one is."""
    answer = ask(RULES, {"rdma": {"mlx5_1": {"hcaHandles": 2147483647, "hcaObjects": 9}}}, make_host(), "crun")
    assert answer.notes[0].lost == "RDMA resources: mlx5_1 hca_handle=max hca_object=9"
