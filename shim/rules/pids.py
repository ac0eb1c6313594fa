"""`linux.resources.pids` (OCI runtime-spec, config-linux.md, "PIDs").

Kernel: cgroup-v1/pids.rst, cgroup-v2.rst "PID Interface Files": `max` or 0 to 4194304 (PID_MAX_LIMIT on 64 bit),
negative numbers are refused. The unit is tasks.
"""

from __future__ import annotations

from shim.rules.base import GUARD, Rule
from shim.rules.fields import spec
from shim.rules.outcomes import invalid, removed
from shim.rules.reachable import (
    beyond,
    expect,
    honoured,
    leftover,
    reach,
    rewritten,
    showing,
    unset,
    unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case, Expectation, Outcome

LIMIT = spec("pids.limit")
MOST = 4194304
AMBIGUOUS_ZERO = "the same meaning for every runtime (-1 is no limit, 1 is one task)"


def limit(case: Case) -> Outcome:
    """`limit`, 1 to 4194304 tasks, -1 for none -> pids.max in both hierarchies.

    0 means unset to crun and to runc before 1.4; runc since 1.4 sets 1.
    """
    value = case.get(*LIMIT.path)
    if value == 0 and not reach(case, "pids"):
        return _zero_out_of_reach()
    if value == 0:
        return _zero(case)
    lost = f"more than {value} tasks" if value > 0 else ""
    if value > MOST and case.host.version("pids"):
        return invalid("pids.limit", f"{value} is above the kernel's {MOST}", f"write 1 to {MOST}, or -1 for no limit")
    version = reach(case, "pids")
    if not version:
        return beyond(case, LIMIT, lost, (expect(LIMIT, 2, "max" if value < 0 else str(value)),))
    if value < 0:
        return _no_limit(case, value, version)
    return honoured(case, LIMIT, str(value))


def _zero(case: Case) -> Outcome:
    """A start has its own hazard for this (shim.planning.preflight). In an update it may be a limit of one task."""
    answer = unset(LIMIT, "0 is unset to crun and to runc before 1.4; runc 1.4 and later make it 1")
    if case.operation != "update":
        return answer
    (told,) = answer.notes
    return answer.changed(notes=(told.changed(lost=AMBIGUOUS_ZERO),))


def _zero_out_of_reach() -> Outcome:
    """runc since 1.4 makes it 1, and fails because it cannot set that here; all others read it as no limit."""
    reason = "0 is unset to crun and to runc before 1.4, and the runtime cannot reach the pids controller here"
    answer = removed(LIMIT.name, "pids-limit-zero-unset", GUARD, reason)
    (told,) = answer.notes
    return answer.changed(notes=(told.changed(lost="the one task that runc 1.4 and later make of 0"),))


def _no_limit(case: Case, value: int, version: int) -> Outcome:
    """Runtimes write the word `max` for -1, but crun before 1.13 does so on cgroup2 only."""
    unlimited = _unlimited(case, version, "max")
    if version == 1 and not case.runtime.minus_one_on_v1:
        return _no_limit_v1(case, unlimited)
    if value != -1:
        reason = f"only -1 means no limit to every runtime, not {value}"
        return showing(rewritten(LIMIT, -1, "pids-limit-negative", reason), unlimited)
    return showing(honoured(case, LIMIT, ""), unlimited)


def _no_limit_v1(case: Case, unlimited: tuple[Expectation, ...]) -> Outcome:
    reason = "crun before 1.13 writes a negative number as it is, which the kernel refuses"
    if case.operation == "update":
        answer = rewritten(
            LIMIT, MOST, "pids-limit-unlimited", f"{reason}; {MOST} is all the tasks that a host can have"
        )
        return showing(answer, _unlimited(case, 1, str(MOST)))
    answer = unsupported(LIMIT, "pids-limit-unlimited", f"{reason}; a new cgroup has no limit", "")
    return showing(answer, unlimited)


def _unlimited(case: Case, version: int, value: str) -> tuple[Expectation, ...]:
    # The scope may have systemd's DefaultTasksMax.
    return () if case.driver == "systemd" else (expect(LIMIT, version, value),)


def emptiness(case: Case) -> Outcome:
    """The rest of `pids` without a reachable controller: crun opens its v1 directory for any such object."""
    return leftover(case, "pids", "pids")


RULES: tuple[Rule, ...] = (
    Rule(field="pids.limit", apply=limit),
    Rule(field="pids", apply=emptiness),
)
