"""`linux.resources.cpu`, for its lists with shim.rules.cpuset (OCI runtime-spec, config-linux.md, "CPU").

Kernel: Documentation/scheduler/sched-bwc.rst and sched-rt-group.rst, cgroup-v2.rst "CPU Interface Files". All times are
microseconds. `idle` comes before `shares`, and `quota` before `period` and `burst`, because the later ones depend on
the results of the earlier ones.
"""

from __future__ import annotations

from shim.rules.base import CHANGED, GUARD, HINT, NOTHING, Edit, Outcome, Rule
from shim.rules.fields import spec
from shim.rules.outcomes import invalid, note
from shim.rules.reachable import (
    beyond,
    expect,
    honoured,
    leftover,
    number,
    reach,
    rewritten,
    showing,
    unset,
    unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case, Expectation
    from shim.rules.fields import FieldSpec

IDLE = spec("cpu.idle")
SHARES = spec("cpu.shares")
QUOTA = spec("cpu.quota")
# A period alone limits nothing; with a quota it is half of the limit.
PERIOD = spec("cpu.period")
PERIOD_OF_A_QUOTA = PERIOD.changed(kind=GUARD)
BURST = spec("cpu.burst")
RT_RUNTIME = spec("cpu.realtimeRuntime")
RT_PERIOD = spec("cpu.realtimePeriod")

DEFAULT_PERIOD = 100000
SHARES_LEAST, SHARES_MOST = 2, 262144


def idle(case: Case) -> Outcome:
    """`idle`, 0 or 1 (SCHED_IDLE for the whole cgroup) -> v1 and v2 cpu.idle, kernel 5.15 and later."""
    value = case.get(*IDLE.path)
    lost = f"cpu.idle {value}" if value else ""
    version = reach(case, "cpu")
    if not version:
        return beyond(case, IDLE, lost)
    if value not in (0, 1):
        return unsupported(
            IDLE, "cpu-idle-unknown", f"{value} is neither 0 nor 1, and the kernel accepts no other", lost
        )
    if case.host.has("cpu.idle") is False:
        return unsupported(IDLE, "cpu-idle-unsupported", "this kernel has no cpu.idle (5.15 and later do)", lost)
    return honoured(case, IDLE, str(value), caveat="runc before 1.2 and crun before 1.5 do not read it")


def shares(case: Case) -> Outcome:
    """`shares`, 2 to 262144, 0 unset -> v1 cpu.shares, v2 cpu.weight (1 to 10000, by the runtime's own formula).

    There are two formulas by runtime version, so cgroup2 gets no expectation.
    """
    value = case.get(*SHARES.path)
    if value == 0:
        return unset(SHARES)
    version, idling = reach(case, "cpu"), case.get("cpu", "idle") == 1
    if not version:
        return beyond(case, SHARES, f"cpu.shares {value}")
    if version == 2 and idling and case.runtime.idle_first and case.driver != "systemd":
        reason = "cpu.idle is 1, runc writes it before cpu.weight, and the kernel takes no weight for an idle cgroup"
        return unsupported(SHARES, "cpu-shares-idle", reason, f"cpu.shares {value}")
    shown = "" if version == 2 or idling else str(_within(value))
    if _within(value) == value:
        return honoured(case, SHARES, shown)
    if version == 1 and not case.runtime.checks_shares:
        return honoured(case, SHARES, shown, caveat=f"the kernel itself takes {value} as {_within(value)}")
    reason = f"{value} is outside {SHARES_LEAST} to {SHARES_MOST}, and runtimes fail on what the kernel would round"
    answer = rewritten(SHARES, _within(value), "cpu-shares-clamped", reason)
    return showing(answer, (expect(SHARES, 1, shown),)) if shown else answer


def _within(value: int) -> int:
    return min(max(value, SHARES_LEAST), SHARES_MOST)


def quota(case: Case) -> Outcome:
    """`quota`, at least 1000 us, negative for none, 0 unset -> v1 cpu.cfs_quota_us, v2 first word of cpu.max."""
    value = case.get(*QUOTA.path)
    if value == 0:
        return unset(QUOTA)
    period_us = number(case, PERIOD) or DEFAULT_PERIOD
    lost = f"CPU time above {value} us in every {period_us} us" if value > 0 else ""
    if 0 < value < 1000 and case.host.version("cpu"):
        return invalid("cpu.quota", f"{value} us is below the kernel's minimum of 1000 us", "write 1000 or more, or -1")
    version = reach(case, "cpu")
    if not version:
        return _with_its_period(case, beyond(case, QUOTA, lost, (_quota_in_cgroup2(case, value),)))
    if case.host.has(QUOTA.file(case)) is False:
        reason = f"this kernel has no {QUOTA.file(case)} (CONFIG_CFS_BANDWIDTH)"
        return unsupported(QUOTA, "cpu-quota-unsupported", reason, lost)
    if value < 0:
        return _no_quota_v1(case) if version == 1 else _no_quota_v2(case)
    if version == 1:
        return honoured(case, QUOTA, str(value))
    if _period_unknown(case):
        return honoured(case, QUOTA, str(value), shape="first-words", caveat="runc leaves the period unchanged")
    if case.operation == "update" and not number(case, PERIOD):
        caveat = f"crun sets the period to {DEFAULT_PERIOD} us with it"
        return honoured(case, QUOTA, f"{value} {DEFAULT_PERIOD}", caveat=caveat)
    # systemd has whole percents of a CPU, and newer runtimes round up to these before they write.
    return honoured(case, QUOTA, f"{value} {period_us}", shape="percents" if case.driver == "systemd" else "exact")


def _quota_in_cgroup2(case: Case, value: int) -> Expectation:
    """For a bridge on a hybrid host; a quota alone leaves the period of an existing cgroup as it is."""
    word, period_us = ("max" if value < 0 else str(value)), number(case, PERIOD)
    if case.operation == "update" and not period_us:
        return expect(QUOTA, 2, word, shape="first-words")
    return expect(QUOTA, 2, f"{word} {period_us or DEFAULT_PERIOD}")


def _with_its_period(case: Case, answer: Outcome) -> Outcome:
    """Mark a period as not lost if the bridged cpu.max value includes it."""
    if not answer.expectations or not 1000 <= number(case, PERIOD) <= 1000000:
        return answer
    told = note(PERIOD.name, "cpu-period-with-quota", HINT, CHANGED, "goes with cpu.quota, as one value of cpu.max")
    taken_out = Edit(op="remove", path=PERIOD.path)
    return Outcome(edits=(*answer.edits, taken_out), notes=(*answer.notes, told), expectations=answer.expectations)


def _period_unknown(case: Case) -> bool:
    """An update that leaves the period as it is: runc's, and possibly another runtime's."""
    return case.operation == "update" and not case.runtime.period_reset and not number(case, PERIOD)


def _no_quota_v1(case: Case) -> Outcome:
    """Any negative number means "none" to the kernel, but crun before 1.8.4 writes it as unsigned (ERANGE)."""
    if case.runtime.minus_one_on_v1:
        return honoured(case, QUOTA, "-1")
    if case.operation == "update":
        return honoured(case, QUOTA, "-1", caveat="crun before 1.8.4 fails on it")
    reason = "a new cgroup has no quota, and crun before 1.8.4 fails on a negative one"
    answer = unsupported(QUOTA, "cpu-quota-unlimited", reason, "")
    return showing(answer, (expect(QUOTA, 1, "-1"),))


def _no_quota_v2(case: Case) -> Outcome:
    """crun writes no cpu.max at all for a negative quota without a period."""
    period_us = number(case, PERIOD)
    if case.operation == "update" and not case.runtime.halves_of_cpu_max and not period_us:
        reason = f"crun does nothing for {QUOTA.name} -1 alone; with a period beside it writes cpu.max"
        return Outcome(
            edits=(Edit(op="set", path=PERIOD.path, value=DEFAULT_PERIOD),),
            notes=(note(QUOTA.name, "cpu-quota-needs-period", GUARD, CHANGED, reason),),
            expectations=(expect(QUOTA, 2, f"max {DEFAULT_PERIOD}"),),
        )
    if _period_unknown(case):
        return honoured(case, QUOTA, "max", shape="first-words", caveat="runc leaves the period unchanged")
    return honoured(case, QUOTA, f"max {period_us or DEFAULT_PERIOD}")


def period(case: Case) -> Outcome:
    """`period`, 1000 to 1000000 us, 0 unset, default 100000 -> v1 cpu.cfs_period_us, v2 second word of cpu.max."""
    value = case.get(*PERIOD.path)
    if value == 0:
        return unset(PERIOD)
    if not 1000 <= value <= 1000000 and case.host.version("cpu"):
        what = f"{value} us is outside the kernel's 1000 to 1000000 us"
        return invalid("cpu.period", what, f"write 1000 to 1000000; {DEFAULT_PERIOD} is the default")
    version, with_quota = reach(case, "cpu"), number(case, QUOTA)
    if not version:
        return beyond(case, PERIOD, f"cpu.period {value}")
    if case.host.has(QUOTA.file(case)) is False:
        reason = f"this kernel has no {PERIOD.file(case)} (CONFIG_CFS_BANDWIDTH)"
        return unsupported(PERIOD, "cpu-quota-unsupported", reason, f"cpu.period {value}")
    if version == 1:
        return honoured(case, PERIOD_OF_A_QUOTA if with_quota > 0 else PERIOD, str(value))
    if with_quota:
        return honoured(case, PERIOD, "", caveat="written together with cpu.quota")
    if case.operation == "update":
        return _period_alone(case, value)
    return honoured(case, PERIOD, f"max {value}")


def _period_alone(case: Case, value: int) -> Outcome:
    """An update on cgroup2 with a period and no quota: runc keeps the quota, crun would reset it to none."""
    field = PERIOD_OF_A_QUOTA
    if case.runtime.halves_of_cpu_max:
        return honoured(case, field, str(value), shape="second-word", caveat="runc leaves the quota unchanged")
    if case.get("unified", "cpu.max"):
        return honoured(case, field, f"max {value}", caveat="unified.cpu.max is written after it")
    reason = "crun would reset the quota to none along with it; an update with cpu.quota beside it works"
    return unsupported(field, "cpu-period-alone", reason, f"CPU time by the new period of {value} us (quota stays)")


def burst(case: Case) -> Outcome:
    """`burst`, at most the quota, us -> v1 cpu.cfs_burst_us, v2 cpu.max.burst, kernel 5.14 and later."""
    value = case.get(*BURST.path)
    lost = f"cpu.burst {value}" if value else ""
    version, limit = reach(case, "cpu"), number(case, QUOTA)
    if not version:
        return beyond(case, BURST, lost)
    if case.host.has(BURST.file(case)) is False:
        reason = f"this kernel has no {BURST.file(case)} (5.14 and later do)"
        return unsupported(BURST, "cpu-burst-unsupported", reason, lost)
    if 0 < limit < value:
        reason = f"{value} us is more than cpu.quota {limit}, which the kernel refuses"
        answer = rewritten(BURST, limit, "cpu-burst-clamped", reason)
        return showing(answer, (expect(BURST, version, str(limit)),))
    return honoured(case, BURST, str(value), caveat="runc before 1.2 and crun before 1.11 do not read it")


def realtime_runtime(case: Case) -> Outcome:
    """`realtimeRuntime`, us, -1 unlimited -> v1 cpu.rt_runtime_us (CONFIG_RT_GROUP_SCHED); nothing on cgroup2."""
    value, within = case.get(*RT_RUNTIME.path), number(case, RT_PERIOD)
    if reach(case, "cpu") == 1 and 0 < within < value:
        what = f"{value} us is more than cpu.realtimePeriod {within}, which the kernel refuses"
        return invalid("cpu.realtimeRuntime", what, f"write at most {within}, or raise cpu.realtimePeriod")
    return _realtime(case, RT_RUNTIME, value)


def realtime_period(case: Case) -> Outcome:
    """`realtimePeriod`, us -> v1 cpu.rt_period_us (CONFIG_RT_GROUP_SCHED); nothing on cgroup2."""
    value = case.get(*RT_PERIOD.path)
    return _realtime(case, RT_PERIOD, value)


def _realtime(case: Case, field: FieldSpec, value: int) -> Outcome:
    lost = f"{field.name} {value}" if value else ""
    if not value and case.runtime.zero_is_unset:
        return unset(field, "runc takes 0 as unset")
    if not case.v1:
        reason = "cgroup2 has no realtime budget for a cgroup: runc ignores the key, crun refuses it"
        return unsupported(field, "cpu-realtime-v1-only", reason, lost)
    if not reach(case, "cpu"):
        return beyond(case, field, lost)
    if case.host.has(field.v1) is False:
        reason = f"this kernel has no {field.v1} (CONFIG_RT_GROUP_SCHED)"
        return unsupported(field, "cpu-realtime-unsupported", reason, lost)
    return honoured(case, field, str(value))


def cpus(case: Case) -> Outcome:
    """`cpus` -> cpuset.cpus in both hierarchies: shim.rules.cpuset, loaded if such a list is there."""
    from shim.rules import cpuset

    return cpuset.cpus(case)


def mems(case: Case) -> Outcome:
    """`mems` -> cpuset.mems in both hierarchies, as `cpus`."""
    from shim.rules import cpuset

    return cpuset.mems(case)


def emptiness(case: Case) -> Outcome:
    """The rest of `cpu` without a reachable controller: crun opens its v1 directory for any such object."""
    left = case.get("cpu")
    return NOTHING if left.get("cpus") or left.get("mems") else leftover(case, "cpu", "cpu")


BANDWIDTH_FILES = ("cpu.cfs_quota_us", "cpu.max")
RULES: tuple[Rule, ...] = (
    Rule(field="cpu.idle", apply=idle, probes=("cpu.idle",)),
    Rule(field="cpu.shares", apply=shares),
    Rule(field="cpu.quota", apply=quota, probes=BANDWIDTH_FILES),
    Rule(field="cpu.period", apply=period, probes=BANDWIDTH_FILES),
    Rule(field="cpu.burst", apply=burst, probes=("cpu.cfs_burst_us", "cpu.max.burst")),
    Rule(field="cpu.realtimeRuntime", apply=realtime_runtime, probes=("cpu.rt_runtime_us",)),
    Rule(field="cpu.realtimePeriod", apply=realtime_period, probes=("cpu.rt_period_us",)),
    Rule(field="cpu.cpus", apply=cpus),
    Rule(field="cpu.mems", apply=mems),
    Rule(field="cpu", apply=emptiness),
)
