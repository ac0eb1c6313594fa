"""cpu: shares, quota, period, burst, idle and the realtime budget."""

from __future__ import annotations

from typing import Any

import pytest

from shim.enforce.verify import agrees
from shim.host.facts import LEGACY, UNIFIED
from shim.rules.base import CHANGED, DROPPED, GUARD, HINT, KEPT, UNENFORCEABLE
from shim.rules.cpu import RULES
from tests.hosts_made import LAYOUTS, made_hybrid, make_host
from tests.planned import planned
from tests.rules_asked import Answer, ask


def cpu(members: dict[str, Any], layout: str = UNIFIED, runtime: str = "runc", operation: str = "create") -> Answer:
    """The answer for a `cpu` object on a host where nothing is missing."""
    return ask(RULES, {"cpu": members}, make_host(layout), runtime, operation)


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("shares", "written"),
    [(1, 2), (2, 2), (3, 3), (1024, 1024), (262143, 262143), (262144, 262144), (262145, 262144)],
    ids=["below-min", "min", "min+1", "default", "max-1", "max", "above-max"],
)
def test_shares_stay_within_the_kernels_range(layout: str, runtime: str, shares: int, written: int) -> None:
    """sched/core.c clamps cpu.shares to 2..262144; runc refuses values outside, crun leaves v1 to the kernel."""
    answer = cpu({"shares": shares}, layout, runtime)
    untouched = shares == written or (layout != UNIFIED and runtime == "crun")
    assert answer.after == {"cpu": {"shares": shares if untouched else written}}
    expected = ("honoured", HINT, KEPT) if untouched else ("cpu-shares-clamped", HINT, CHANGED)
    assert answer.effect("cpu.shares") == expected
    assert answer.shown() == ([] if layout == UNIFIED else [(1, "cpu.shares", str(written), "exact")])


def test_shares_zero_is_unset() -> None:
    """0 means unset to both runtimes (resources table 1.2): a note, no edit, nothing to read back."""
    answer = cpu({"shares": 0})
    assert (answer.edits, answer.expectations) == ([], [])
    assert answer.effect("cpu.shares") == ("unset", HINT, KEPT)


@pytest.mark.parametrize(
    ("layout", "runtime", "driver", "stays"),
    [
        (UNIFIED, "runc", "cgroupfs", False),
        (UNIFIED, "other", "cgroupfs", False),
        (UNIFIED, "crun", "cgroupfs", True),
        (UNIFIED, "runc", "systemd", True),
        (LEGACY, "runc", "cgroupfs", True),
    ],
)
def test_shares_of_an_idle_cgroup(layout: str, runtime: str, driver: str, stays: bool) -> None:
    """runc 1.3.6 on cgroup2 fails with EINVAL on cpu.weight when cpu.idle is 1; crun and v1 write it before."""
    host = make_host(layout, interface={"cpu.idle": True})
    answer = ask(RULES, {"cpu": {"idle": 1, "shares": 512}}, host, runtime, driver=driver)
    assert ("shares" in answer.after["cpu"]) is stays
    assert answer.effect("cpu.shares")[::2] == (("honoured", KEPT) if stays else ("cpu-shares-idle", DROPPED))
    assert [shown[1] for shown in answer.shown()] == ["cpu.idle"]


def test_shares_stay_where_idle_cannot_be_had() -> None:
    """A kernel before 5.15 has no cpu.idle: it is dropped first, so the shares have no reason to go."""
    host = make_host(interface={"cpu.idle": False})
    answer = ask(RULES, {"cpu": {"idle": 1, "shares": 512}}, host)
    assert answer.after == {"cpu": {"shares": 512}}
    assert answer.effect("cpu.idle") == ("cpu-idle-unsupported", HINT, DROPPED)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("quota", [1, 999])
def test_quota_below_the_kernels_least_is_a_problem(layout: str, quota: int) -> None:
    """min_cfs_quota_period is 1 ms (sched/core.c): 1 to 999 us are EINVAL in both hierarchies."""
    (problem,) = cpu({"quota": quota}, layout).problems
    assert (problem.field, problem.what) == ("cpu.quota", f"{quota} us is below the kernel's minimum of 1000 us")
    assert problem.remedy == "write 1000 or more, or -1"


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("quota", [1000, 1001, 50000], ids=["min", "min+1", "half"])
def test_quota_and_period_are_left_alone(quota: int, runtime: str) -> None:
    """Both runtimes write cpu.max "QUOTA PERIOD" and the two v1 files."""
    unified = cpu({"quota": quota, "period": 100000}, UNIFIED, runtime)
    legacy = cpu({"quota": quota, "period": 100000}, LEGACY, runtime)
    assert unified.edits == legacy.edits == []
    assert unified.shown() == [(2, "cpu.max", f"{quota} 100000", "exact")]
    assert legacy.shown() == [
        (1, "cpu.cfs_quota_us", str(quota), "exact"),
        (1, "cpu.cfs_period_us", "100000", "exact"),
    ]
    assert {one.kind for one in legacy.expectations} == {GUARD}
    assert legacy.effect("cpu.quota") == ("honoured", GUARD, KEPT)
    assert legacy.reason("cpu.quota") == "passed on unchanged: cpu.cfs_quota_us"


def test_quota_without_period_has_the_default() -> None:
    """cgroup-v2.rst: the period defaults to 100000 us."""
    assert cpu({"quota": 20000}).shown() == [(2, "cpu.max", "20000 100000", "exact")]


@pytest.mark.parametrize(
    ("layout", "runtime", "operation", "after", "shown"),
    [
        (UNIFIED, "runc", "create", {"quota": -1}, (2, "cpu.max", "max 100000", "exact")),
        (UNIFIED, "crun", "create", {"quota": -1}, (2, "cpu.max", "max 100000", "exact")),
        (LEGACY, "runc", "create", {"quota": -1}, (1, "cpu.cfs_quota_us", "-1", "exact")),
        (LEGACY, "crun", "create", None, (1, "cpu.cfs_quota_us", "-1", "exact")),
        (LEGACY, "other", "create", None, (1, "cpu.cfs_quota_us", "-1", "exact")),
        (LEGACY, "crun", "update", {"quota": -1}, (1, "cpu.cfs_quota_us", "-1", "exact")),
        (UNIFIED, "runc", "update", {"quota": -1}, (2, "cpu.max", "max", "first-words")),
        (UNIFIED, "crun", "update", {"quota": -1, "period": 100000}, (2, "cpu.max", "max 100000", "exact")),
        (UNIFIED, "other", "update", {"quota": -1, "period": 100000}, (2, "cpu.max", "max 100000", "exact")),
    ],
)
def test_no_quota(
    layout: str, runtime: str, operation: str, after: dict[str, int] | None, shown: tuple[int, str, str, str]
) -> None:
    """crun before 1.8.4 fails on -1 on v1 (ERANGE); on cgroup2 it writes nothing for -1 without a period."""
    answer = cpu({"quota": -1}, layout, runtime, operation)
    assert answer.after == ({"cpu": after} if after else {})
    assert shown in answer.shown()
    assert answer.effect("cpu.quota")[2] == (KEPT if answer.after == {"cpu": {"quota": -1}} else CHANGED)


@pytest.mark.parametrize(
    ("runtime", "value", "shape"), [("runc", "25000", "first-words"), ("crun", "25000 100000", "exact")]
)
def test_update_of_the_quota_alone(runtime: str, value: str, shape: str) -> None:
    """Measured: runc keeps the period in an update on cgroup2, crun sets it back to 100000."""
    answer = cpu({"quota": 25000}, UNIFIED, runtime, "update")
    assert (answer.edits, answer.shown()) == ([], [(2, "cpu.max", value, shape)])


@pytest.mark.parametrize(
    ("layout", "runtime", "stays"),
    [(UNIFIED, "runc", True), (UNIFIED, "crun", False), (UNIFIED, "other", False), (LEGACY, "crun", True)],
)
def test_update_of_the_period_alone(layout: str, runtime: str, stays: bool) -> None:
    """Measured: `crun update` with a period alone on cgroup2 resets the quota to max, so the period must not go in."""
    answer = cpu({"period": 50000}, layout, runtime, "update")
    assert bool(answer.after) is stays
    if not stays:
        assert answer.effect("cpu.period") == ("cpu-period-alone", GUARD, UNENFORCEABLE)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("period", "fine"),
    [
        (0, True),
        (1, False),
        (999, False),
        (1000, True),
        (1001, True),
        (999999, True),
        (1000000, True),
        (1000001, False),
    ],
    ids=["unset", "one", "below-min", "min", "min+1", "max-1", "max", "above-max"],
)
def test_period_range(layout: str, period: int, fine: bool) -> None:
    """sched-bwc.rst: 1 ms to 1 s; outside is EINVAL in both hierarchies."""
    answer = cpu({"period": period}, layout)
    assert [problem.field for problem in answer.problems] == ([] if fine else ["cpu.period"])
    if not fine:
        assert answer.problems[0].what == f"{period} us is outside the kernel's 1000 to 1000000 us"
    assert answer.edits == []


def test_a_kernel_without_bandwidth_control() -> None:
    """CONFIG_CFS_BANDWIDTH=n: cpu.max is missing although the controller is there."""
    host = make_host(interface={"cpu.max": False})
    answer = ask(RULES, {"cpu": {"quota": 50000, "period": 100000, "shares": 512}}, host)
    assert answer.after == {"cpu": {"shares": 512}}
    assert answer.effect("cpu.quota") == ("cpu-quota-unsupported", GUARD, UNENFORCEABLE)
    assert answer.notes[1].lost == "CPU time above 50000 us in every 100000 us"


@pytest.mark.parametrize(("layout", "file"), [(UNIFIED, "cpu.max.burst"), (LEGACY, "cpu.cfs_burst_us")])
@pytest.mark.parametrize("present", [True, None, False])
def test_burst_needs_its_file(layout: str, file: str, present: bool | None) -> None:
    """The burst files came with kernel 5.14; unknown is not missing."""
    host = make_host(layout, interface={file: present})
    answer = ask(RULES, {"cpu": {"quota": 50000, "burst": 20000}}, host)
    if present is False:
        assert answer.after == {"cpu": {"quota": 50000}}
        assert answer.effect("cpu.burst") == ("cpu-burst-unsupported", HINT, DROPPED)
    else:
        assert answer.edits == []
        assert (2 if layout == UNIFIED else 1, file, "20000", "exact") in answer.shown()


@pytest.mark.parametrize(("burst", "fitting"), [(0, 0), (49999, 49999), (50000, 50000), (50001, 50000)])
def test_burst_is_at_most_the_quota(burst: int, fitting: int) -> None:
    """sched/core.c: burst above the quota is EINVAL. It is a hint, and older runtimes start without it: it is cut."""
    answer = cpu({"quota": 50000, "burst": burst})
    assert answer.problems == []
    assert answer.after == {"cpu": {"quota": 50000, "burst": fitting}}
    assert (2, "cpu.max.burst", str(fitting), "exact") in answer.shown()
    if burst > fitting:
        assert answer.effect("cpu.burst") == ("cpu-burst-clamped", HINT, "changed")
        assert answer.reason("cpu.burst") == "50001 us is more than cpu.quota 50000, which the kernel refuses"


def test_burst_without_a_quota_is_kept() -> None:
    """Measured: accepted by the kernel without a quota."""
    assert cpu({"burst": 5000}).shown() == [(2, "cpu.max.burst", "5000", "exact")]


@pytest.mark.parametrize("idle", [-1, 2])
def test_idle_is_a_flag(idle: int) -> None:
    """sched/core.c: cpu.idle takes 0 and 1. Another number is a hint that no kernel takes; older runtimes start."""
    answer = cpu({"idle": idle})
    assert answer.after == {}
    assert answer.problems == []
    assert answer.effect("cpu.idle") == ("cpu-idle-unknown", HINT, DROPPED)


@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
@pytest.mark.parametrize("key", ["realtimeRuntime", "realtimePeriod"])
def test_realtime_has_no_place_on_cgroup2(key: str, runtime: str) -> None:
    """crun: "realtime runtime not supported on cgroupv2"; runc drops it silently."""
    answer = cpu({key: 950000}, UNIFIED, runtime)
    assert answer.after == {}
    assert answer.effect(f"cpu.{key}") == ("cpu-realtime-v1-only", HINT, DROPPED)


@pytest.mark.parametrize(("present", "stays"), [(True, True), (None, True), (False, False)])
def test_realtime_on_v1_needs_its_file(present: bool | None, stays: bool) -> None:
    """cpu.rt_* exist with CONFIG_RT_GROUP_SCHED only; no Debian kernel has it."""
    host = make_host(LEGACY, interface={"cpu.rt_runtime_us": present, "cpu.rt_period_us": present})
    answer = ask(RULES, {"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 1000000}}, host)
    assert bool(answer.after) is stays
    assert answer.shown() == (
        [(1, "cpu.rt_runtime_us", "10000", "exact"), (1, "cpu.rt_period_us", "1000000", "exact")] if stays else []
    )


def test_realtime_runtime_is_at_most_its_period() -> None:
    """sched/rt.c: runtime above period is EINVAL."""
    (problem,) = cpu({"realtimeRuntime": 2000, "realtimePeriod": 1000}, LEGACY).problems
    assert problem.what == "2000 us is more than cpu.realtimePeriod 1000, which the kernel refuses"


def test_controller_in_cgroup2_of_a_hybrid_host() -> None:
    """No runtime sets cgroup2 limits on a hybrid host: guards are unenforceable, but say what a bridge would set."""
    members = {"shares": 512, "quota": 50000, "period": 100000, "burst": 1000}
    answer = ask(RULES, {"cpu": members}, made_hybrid(cpu=2))
    assert answer.after == {}
    assert answer.effect("cpu.quota") == ("cpu-in-cgroup2", GUARD, UNENFORCEABLE)
    assert answer.effect("cpu.shares") == ("cpu-in-cgroup2", HINT, DROPPED)
    assert answer.effect("cpu.period") == ("cpu-period-with-quota", HINT, CHANGED)
    assert answer.shown() == [(2, "cpu.max", "50000 100000", "exact")]


@pytest.mark.parametrize(
    ("members", "operation", "shown"),
    [
        ({"quota": 25000}, "update", [(2, "cpu.max", "25000", "first-words")]),
        ({"quota": -1}, "update", [(2, "cpu.max", "max", "first-words")]),
        ({"quota": -1}, "create", []),
        ({"quota": 25000, "period": 50000}, "update", [(2, "cpu.max", "25000 50000", "exact")]),
    ],
)
def test_what_a_bridge_sets(members: dict[str, int], operation: str, shown: list[Any]) -> None:
    """cgroup-v2.rst, cpu.max: one word leaves the period as it is; lifting a limit matters in an update only."""
    answer = ask(RULES, {"cpu": members}, made_hybrid(cpu=2), "runc", operation)
    assert (answer.after, answer.shown()) == ({}, shown)


def test_a_bridge_is_not_given_what_the_kernel_refuses() -> None:
    """The ranges are the kernel's, whoever writes the file."""
    answer = ask(RULES, {"cpu": {"quota": 999}}, made_hybrid(cpu=2))
    assert [problem.field for problem in answer.problems] == ["cpu.quota"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_controller_nowhere(layout: str) -> None:
    """Without a cpu controller even a value that no kernel takes is a matter of the controller."""
    answer = ask(RULES, {"cpu": {"quota": 500, "shares": 1}}, make_host(layout, versions={"cpu": 0}), "crun")
    assert (answer.after, answer.problems, answer.expectations) == ({}, [], [])
    assert answer.effect("cpu.quota") == ("cpu-nowhere", GUARD, UNENFORCEABLE)


def test_no_quota_needs_no_controller() -> None:
    """-1 asks for nothing, so nothing is lost with it."""
    answer = ask(RULES, {"cpu": {"quota": -1}}, made_hybrid(cpu=0))
    assert (answer.after, answer.effect("cpu.quota")) == ({}, ("cpu-nowhere", GUARD, CHANGED))


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_quota_has_its_own_period(operation: str, runtime: str) -> None:
    """cpu.max is "QUOTA PERIOD"; a period other than the default counts in what must be read back."""
    answer = cpu({"quota": 5000, "period": 20000}, UNIFIED, runtime, operation)
    assert answer.shown() == [(2, "cpu.max", "5000 20000", "exact")]


def test_a_quota_that_is_lifted_is_a_guard() -> None:
    """crun writes nothing for -1 alone on cgroup2, so a period goes with it; the note is about a limit."""
    answer = cpu({"quota": -1}, UNIFIED, "crun", "update")
    assert answer.effect("cpu.quota") == ("cpu-quota-needs-period", GUARD, CHANGED)


def test_the_period_alone_in_an_update_of_runc() -> None:
    """runc keeps the quota: the second word of cpu.max, whatever the first one is."""
    assert cpu({"period": 20000}, UNIFIED, "runc", "update").shown() == [(2, "cpu.max", "20000", "second-word")]


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ("12345 100000", True),
        ("13000 100000", True),
        ("12000 100000", False),
        ("14000 100000", False),
        ("max 100000", False),
        ("13000 50000", False),
        ("13000", False),
    ],
)
def test_systemd_has_whole_percents(found: str, same: bool) -> None:
    """CPUQuotaPerSecUSec is kept in percents (systemd.resource-control(5)): runtimes round up, never down."""
    answer = ask(RULES, {"cpu": {"quota": 12345, "period": 100000}}, make_host(UNIFIED), driver="systemd")
    (expectation,) = [one for one in answer.expectations if one.file == "cpu.max"]
    assert agrees(expectation, found) is same
    (expectation,) = [one for one in cpu({"quota": 12345}, UNIFIED).expectations if one.file == "cpu.max"]
    assert agrees(expectation, "13000 100000") is False


def test_the_period_alone_in_an_update_of_crun_beside_cpu_max() -> None:
    """crun writes it with a quota of none, and then what unified says: that is what is there in the end."""
    host = make_host(UNIFIED)
    made = planned({"cpu": {"period": 20000}, "unified": {"cpu.max": "5000 10000"}}, host, "crun", "update")
    assert made.effect("cpu.period") == ("honoured", GUARD, KEPT)
    assert made.after["cpu"] == {"period": 20000}


@pytest.mark.parametrize("key", ["realtimeRuntime", "realtimePeriod"])
def test_realtime_zero_is_unset_to_runc(key: str) -> None:
    """runc does not write a 0, so there is nothing to read back and nothing to lose."""
    answer = cpu({key: 0}, UNIFIED, "runc")
    assert (answer.edits, answer.shown()) == ([], [])
    assert answer.effect(f"cpu.{key}")[2] == KEPT
