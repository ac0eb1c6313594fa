"""Checks of memory limits, usage and accounting."""

from __future__ import annotations

from shim.diagnose.checks.configured import number, shown
from shim.diagnose.facts import CGROUP, SMALL_MEMORY, Facts
from shim.observe import oom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

UNLIMITED = 1 << 62  # v1 shows no limit as a number near 2^63


def small_limit(facts: Facts, words: Words) -> tuple[str, ...]:
    """The container's own limit is below what the runtime needs to start it."""
    limit = facts.memory_limit()
    if limit is None or limit >= SMALL_MEMORY:
        return ()
    return (f"memory limit in config.json: {limit} bytes; runc itself needs up to {SMALL_MEMORY}", *killed(facts))


def killed(facts: Facts) -> tuple[str, ...]:
    """The OOM kills in the counters of the container's or its parent's cgroup and in the kernel log."""
    found = []
    for directory in (facts.directory("memory"), facts.parent("memory")):
        for file in ("memory.events", "memory.oom_control"):
            if directory and facts.keyed(f"{directory}/{file}").get("oom_kill", 0) > 0:
                found.append(facts.quote(f"{directory}/{file}"))
    return (*found, *oom.lines_of(facts.kernel_log().splitlines(), facts.context.container)[-1:])


def was_killed(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `small_limit`, or proof of a kill at any limit."""
    return small_limit(facts, words) or killed(facts)


def ample_limit(facts: Facts, words: Words) -> bool:
    """The configuration was read, and its limit is large enough for the runtime, or there is none."""
    limit = facts.memory_limit()
    return facts.context.config is not None and (limit is None or limit >= SMALL_MEMORY) and not killed(facts)


def tight_ancestor(facts: Facts, words: Words) -> tuple[str, ...]:
    """An ancestor's limit is smaller than the container's own, or smaller than what a start needs."""
    own = facts.memory_limit()
    found = []
    for directory in facts.lineage(facts.directory("memory"))[:-1]:
        for file in ("memory.max", "memory.limit_in_bytes"):
            limit = facts.number(f"{directory}/{file}")
            if limit is not None and limit < min(own or UNLIMITED, SMALL_MEMORY):
                found.append(f"{directory}/{file}: {limit}")
    return tuple(found)


def swap_below_limit(facts: Facts, words: Words) -> tuple[str, ...]:
    """`memory.swap`, which is memory plus swap, is smaller than `memory.limit`."""
    limit, swap = number(facts, "memory", "limit"), number(facts, "memory", "swap")
    if limit is None or swap is None or not 0 <= swap < limit:
        return ()
    return (shown(("memory", "limit"), limit), shown(("memory", "swap"), swap))


def swap_alone(facts: Facts, words: Words) -> tuple[str, ...]:
    """`memory.swap` without `memory.limit`."""
    limit, swap = number(facts, "memory", "limit"), number(facts, "memory", "swap")
    if swap is None or limit not in (None, 0):
        return ()
    return (shown(("memory", "swap"), swap), "config.json linux.resources.memory.limit: absent")


def swap_is_fine(facts: Facts, words: Words) -> bool:
    """The configuration was read, and its swap is not below its limit. Without it a missing memory.max proves nothing
    about swap: only crun on a few kernels reports it so.
    """
    if facts.context.config is None:
        return words["file"] == "memory.max"
    return not swap_below_limit(facts, words)


def limit_is_there(facts: Facts, words: Words) -> bool:
    """The configuration was read, and it has a limit besides swap."""
    return facts.context.config is not None and not swap_alone(facts, words)


def no_memsw(facts: Facts, words: Words) -> tuple[str, ...]:
    """The v1 memory hierarchy has no swap accounting."""
    mount = facts.v1("memory")
    path = f"{mount.point if mount else CGROUP + '/memory'}/memory.memsw.limit_in_bytes"
    if mount is None or not facts.absent(path):
        return ()
    option = facts.command_line("swapaccount")
    return (f"{path}: absent", *((f"/proc/cmdline: swapaccount={option}",) if option else ()))


def no_swap_max(facts: Facts, words: Words) -> tuple[str, ...]:
    """No cgroup on the container's path has memory.swap.max although memory is there."""
    for directory in facts.lineage(facts.directory())[1:]:
        if facts.exists(directory + "/memory.max"):
            path = directory + "/memory.swap.max"
            return () if not facts.absent(path) else (f"{path}: absent (beside memory.max)",)
    return ("/proc/swaps: no kernel swap support",) if facts.absent("/proc/swaps") else ()


def memsw_order(facts: Facts, words: Words) -> tuple[str, ...]:
    """The new limit is above the cgroup's present memory+swap limit; for update only the message has the new one."""
    limit = int(words["asked"]) if words["asked"] else facts.memory_limit()
    path = (words["directory"] or facts.directory("memory") + "/") + "memory.memsw.limit_in_bytes"
    now = facts.number(path)
    if limit is None or now is None or limit <= now:
        return ()
    return (f"{path}: {now}", f"memory limit asked for: {limit}")


def usage(facts: Facts, words: Words) -> tuple[str, ...]:
    """The present usage of the container's cgroup."""
    directory = facts.directory("memory")
    files = ("memory.usage_in_bytes", "memory.memsw.usage_in_bytes", "memory.current")
    paths = (f"{directory}/{file}" for file in files)
    return tuple(facts.quote(path) for path in paths if facts.number(path) is not None)


def usage_or_small(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `usage`. After a failed start the cgroup is gone, and only the small limit is evidence."""
    return usage(facts, words) or (small_limit(facts, words) if facts.context.command in ("create", "run") else ())


def crowded(facts: Facts, words: Words) -> tuple[str, ...]:
    """The kernel has run out of memory cgroup ids: there are 65535, also for dying cgroups."""
    for line in (facts.text("/proc/cgroups") or "").splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[0] == "memory" and parts[2].isdigit() and int(parts[2]) > 60000:
            return (f"/proc/cgroups: memory num_cgroups {parts[2]}",)
    mount = facts.cgroup2()
    path = f"{mount.point}/cgroup.stat" if mount else ""
    dying = facts.keyed(path).get("nr_dying_descendants", 0) if path else 0
    return (f"{path}: nr_dying_descendants {dying}",) if dying > 60000 else ()


def old_kernel(facts: Facts, words: Words) -> tuple[str, ...]:
    """A 3.10 kernel, whose kernel memory accounting leaks cgroups."""
    version = facts.line("/proc/sys/kernel/osrelease")
    return (f"/proc/sys/kernel/osrelease: {version}",) if version.startswith("3.10.") else ()
