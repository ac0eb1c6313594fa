"""Checks of CPU time, realtime and CPU sets."""

from __future__ import annotations

from shim.diagnose.checks.configured import number, shown
from shim.diagnose.facts import Facts
from shim.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

PERIOD = (1000, 1000000)  # microseconds, Documentation/scheduler/sched-bwc.rst
LEAST_QUOTA = 1000
SHARES = (2, 262144)  # kernel/sched: MIN_SHARES, MAX_SHARES


def bad_shares(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.shares` is outside the kernel's range."""
    shares = number(facts, "cpu", "shares")
    return () if shares is None or SHARES[0] <= shares <= SHARES[1] else (shown(("cpu", "shares"), shares),)


def bad_quota(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.quota` or `cpu.period` is outside the kernel's range."""
    quota, period = number(facts, "cpu", "quota"), number(facts, "cpu", "period")
    found = []
    if quota is not None and 0 < quota < LEAST_QUOTA:
        found.append(f"{shown(('cpu', 'quota'), quota)}, at least {LEAST_QUOTA}")
    if period is not None and not PERIOD[0] <= period <= PERIOD[1]:
        found.append(f"{shown(('cpu', 'period'), period)}, from {PERIOD[0]} to {PERIOD[1]}")
    return tuple(found)


def large_burst(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.burst` is larger than `cpu.quota`."""
    quota, burst = number(facts, "cpu", "quota"), number(facts, "cpu", "burst")
    if quota is None or burst is None or not 0 < quota < burst:
        return ()
    return (shown(("cpu", "burst"), burst), shown(("cpu", "quota"), quota))


def tight_ancestor(facts: Facts, words: Words) -> tuple[str, ...]:
    """An ancestor on v1 allows a smaller share of time than the container needs."""
    quota, period = number(facts, "cpu", "quota"), number(facts, "cpu", "period") or 100000
    if quota is None or quota <= 0:
        return ()
    found = []
    for directory in facts.lineage(facts.directory("cpu"))[:-1]:
        above, its = facts.number(f"{directory}/cpu.cfs_quota_us"), facts.number(f"{directory}/cpu.cfs_period_us")
        if above is not None and its and above > 0 and above * period < quota * its:
            found.append(
                f"{directory}: cpu.cfs_quota_us {above} of cpu.cfs_period_us {its}, asked: {quota} of {period}"
            )
    return tuple(found)


def minus_one(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.quota` is -1, which crun before 1.8.4 prints without its sign."""
    quota = number(facts, "cpu", "quota")
    return (shown(("cpu", "quota"), quota),) if quota is not None and quota < 0 else ()


def idle_with_shares(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.idle` together with `cpu.shares`."""
    idle, shares = number(facts, "cpu", "idle"), number(facts, "cpu", "shares")
    return (shown(("cpu", "idle"), idle), shown(("cpu", "shares"), shares)) if idle and shares else ()


def no_realtime_files(facts: Facts, words: Words) -> tuple[str, ...]:
    """The v1 cpu hierarchy has no realtime files: CONFIG_RT_GROUP_SCHED is off."""
    mount = facts.v1("cpu")
    path = f"{mount.point}/cpu.rt_runtime_us" if mount else ""
    return (f"{path}: absent",) if mount and facts.absent(path) else ()


def no_realtime_left(facts: Facts, words: Words) -> tuple[str, ...]:
    """An ancestor below the root, or the container's own group, has no realtime time left."""
    lineage = facts.lineage(facts.directory("cpu"))
    paths = [f"{directory}/cpu.rt_runtime_us" for directory in lineage[1:-1]]
    zero = [f"{path}: 0" for path in paths if facts.number(path) == 0]
    asked = number(facts, "cpu", "realtimeRuntime")
    return (*zero, shown(("cpu", "realtimeRuntime"), asked)) if zero and asked else ()


def realtime_caller(facts: Facts, words: Words) -> tuple[str, ...]:
    """The process that starts the runtime has a realtime policy, and new v1 groups have no realtime time."""
    policy = process.field(facts.text("/proc/self/stat") or "", process.POLICY)
    if policy not in ("1", "2"):
        return ()
    return (f"/proc/self/stat: scheduling policy {'SCHED_FIFO' if policy == '1' else 'SCHED_RR'}",)


def cpus_beyond(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.cpus` names CPUs that this host does not have."""
    return _outside(facts, "cpus", "/sys/devices/system/cpu/possible")


def nodes_beyond(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.mems` names NUMA nodes without memory on this host."""
    return _outside(facts, "mems", "/sys/devices/system/node/online") or _outside(facts, "mems", "", "0")


def malformed_list(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.cpus` or `cpu.mems` is not a list of numbers and ranges."""
    found = []
    for key in ("cpus", "mems"):
        value = facts.resource("cpu", key)
        if isinstance(value, str) and numbers(value) is None:
            found.append(shown(("cpu", key), repr(value)))
    return tuple(found)


def not_in_parent(facts: Facts, words: Words) -> tuple[str, ...]:
    """`cpu.cpus` or `cpu.mems` is not a subset of the parent's on v1."""
    parent = facts.parent("cpuset")
    found = []
    for key in ("cpus", "mems"):
        path = f"{parent}/cpuset.{key}"
        if facts.text(path) is not None:
            found += [*_outside(facts, key, path)]
    return tuple(found)


def empty_set(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cgroup, or an ancestor, has no CPU or no memory node."""
    found = []
    for directory in facts.lineage(facts.directory("cpuset")):
        for file in ("cpuset.cpus", "cpuset.mems"):
            if facts.text(f"{directory}/{file}") is not None and not facts.line(f"{directory}/{file}"):
                found.append(f"{directory}/{file}: empty")
    return tuple(found)


def no_bandwidth(facts: Facts, words: Words) -> tuple[str, ...]:
    """cpu is enabled, but cpu.max does not exist: CONFIG_CFS_BANDWIDTH is off."""
    for directory in facts.lineage(facts.directory("cpu"))[1:]:
        if facts.exists(f"{directory}/cpu.weight") and facts.absent(f"{directory}/cpu.max"):
            return (f"{directory}/cpu.weight: present", f"{directory}/cpu.max: absent")
        if facts.exists(f"{directory}/cpu.shares") and facts.absent(f"{directory}/cpu.cfs_quota_us"):
            return (f"{directory}/cpu.shares: present", f"{directory}/cpu.cfs_quota_us: absent")
    return ()


def no_weight(facts: Facts, words: Words) -> tuple[str, ...]:
    """cpu is enabled, but cpu.weight does not exist: CONFIG_FAIR_GROUP_SCHED is off (kernel/sched/core.c)."""
    for directory in facts.lineage(facts.directory("cpu"))[1:]:
        if "cpu" in facts.words(f"{directory}/cgroup.controllers") and facts.absent(f"{directory}/cpu.weight"):
            return (facts.quote(f"{directory}/cgroup.controllers"), f"{directory}/cpu.weight: absent")
    return ()


def numbers(text: str) -> set[int] | None:
    """Return a kernel list ("0-3,8") as numbers; None if it is not one, or has a range of more than 65536 numbers."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            return None if part.strip() else found
        low, high = int(first), int(last) if dash else int(first)
        if high < low or high - low > 65536:
            return None
        found.update(range(low, high + 1))
    return found


def _outside(facts: Facts, key: str, path: str, otherwise: str = "") -> tuple[str, ...]:
    value = facts.resource("cpu", key)
    wanted = numbers(value) if isinstance(value, str) else None
    known = facts.line(path) if path else otherwise
    allowed = numbers(known) if known else None
    if not wanted or allowed is None or wanted <= allowed:
        return ()
    where = f"{path}: {known}" if path else f"memory nodes: {known}"
    return (shown(("cpu", key), repr(value)), where)


def lost_cpus(facts: Facts, words: Words) -> tuple[str, ...]:
    """A v1 cpuset above the container's lacks CPUs that are online."""
    online = facts.line("/sys/devices/system/cpu/online")
    have, parent = numbers(online) if online else None, words["directory"].rstrip("/").rpartition("/")[0]
    path = f"{parent}/cpuset.cpus"
    held = numbers(facts.line(path)) if facts.line(path) else None
    if not have or held is None or have <= held:
        return ()
    return (f"/sys/devices/system/cpu/online: {online}", facts.quote(path))


def exclusive_siblings(facts: Facts, words: Words) -> tuple[str, ...]:
    """A cgroup beside the container's uses the container's CPUs or nodes exclusively."""
    parent = words["directory"].rstrip("/").rpartition("/")[0]
    found = []
    for name in facts.names(parent) if parent else ():
        for file in ("cpuset.cpu_exclusive", "cpuset.mem_exclusive"):
            if facts.line(f"{parent}/{name}/{file}") == "1":
                found.append(f"{parent}/{name}/{file}: 1")
    return tuple(found[:3])


def noprefix(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cpuset hierarchy is mounted with noprefix."""
    mount = facts.v1("cpuset")
    return (mount.line(),) if mount and "noprefix" in mount.super_options else ()
