"""The most frequent facts behind a failed start, for the answer to an unknown message."""

from __future__ import annotations

from shim.diagnose.facts import CGROUP, SMALL_MEMORY, SYS_ADMIN, SYS_RESOURCE, Facts


def usual_suspects(facts: Facts) -> tuple[str, ...]:
    """Return one line for the layout, then one for each unusual fact about this host; () for a text from elsewhere."""
    if facts.text("/proc/self/mountinfo") is None:
        return ()
    found = [_layout(facts)]
    for look in (_straggler, _read_only, _memory, _namespace, _capabilities, _boot):
        found.extend(look(facts))
    return tuple(found)


def _layout(facts: Facts) -> str:
    v1 = sorted({name for one in facts.mounts if one.fstype == "cgroup" for name in one.super_options} - {"rw", "ro"})
    return f"cgroup layout: {facts.layout()}" + (f" (v1: {' '.join(v1)})" if v1 else "")


def _straggler(facts: Facts) -> tuple[str, ...]:
    path = CGROUP + "/unified/cgroup.controllers"
    return (facts.quote(path),) if facts.layout() == "hybrid" and facts.words(path) else ()


def _read_only(facts: Facts) -> tuple[str, ...]:
    return tuple(one.line() for one in facts.mounts if one.fstype.startswith("cgroup") and one.read_only)[:2]


def _memory(facts: Facts) -> tuple[str, ...]:
    limit = facts.memory_limit()
    return (f"memory limit: {limit} bytes, small for the runtime itself",) if limit and limit < SMALL_MEMORY else ()


def _namespace(facts: Facts) -> tuple[str, ...]:
    return (facts.quote("/proc/self/uid_map"),) if facts.in_user_namespace() else ()


def _capabilities(facts: Facts) -> tuple[str, ...]:
    wanted = (("CAP_SYS_ADMIN", SYS_ADMIN), ("CAP_SYS_RESOURCE", SYS_RESOURCE))
    missing = [name for name, number in wanted if facts.capable(number) is False]
    return (f"/proc/self/status CapEff: {facts.field('CapEff')} (without {', '.join(missing)})",) if missing else ()


def _boot(facts: Facts) -> tuple[str, ...]:
    names = ("cgroup_disable", "cgroup_no_v1", "systemd.unified_cgroup_hierarchy", "swapaccount")
    given = [f"{name}={facts.command_line(name)}" for name in names if facts.command_line(name)]
    return (f"/proc/cmdline: {' '.join(given)}",) if given else ()
