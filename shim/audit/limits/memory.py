"""Memory: limit, swap, reservation, protection (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).

`memory.swap` is memory plus swap on v1, as in the runtime-spec, and swap alone on v2, as the kernel has it there.
"""

from __future__ import annotations

from shim.audit.limit import AT_MOST, EXACT, NONE, Kind, Limit
from shim.audit.numbers import integer, last_option, positive, present, quantity, section, shown, size, sized, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

LIMITS = (
    Limit(
        key="memory.limit",
        unit="bytes",
        order=AT_MOST,
        controller="memory",
        field="memory.limit",
        property=("MemoryMax", "MemoryLimit"),
        always=True,
    ),
    Limit(
        key="memory.swap",
        unit="bytes",
        order=AT_MOST,
        controller="memory",
        field="memory.swap",
        property=("MemorySwapMax",),
    ),
    Limit(
        key="memory.reservation",
        unit="bytes",
        order=EXACT,
        controller="memory",
        field="memory.reservation",
        free=(NONE, 0),
        hint=True,
        property=("MemoryLow",),
    ),
    *(
        Limit(
            key=f"memory.{name}",
            unit="bytes",
            order=order,
            controller="memory",
            field=f"unified.memory.{name}",
            free=(0,),
            hint=True,
            property=(f"Memory{name.title()}",),
            always=name != "high",
        )
        for name, order in (("high", AT_MOST), ("low", EXACT), ("min", EXACT))
    ),
    Limit(
        key="memory.swappiness",
        unit="",
        order=EXACT,
        controller="memory",
        field="memory.swappiness",
        hint=True,
    ),
    Limit(
        key="memory.oom-kill-disable",
        unit="",
        order=EXACT,
        controller="memory",
        field="memory.disableOOMKiller",
        free=(0,),
        hint=True,
    ),
    Limit(key="memory.kernel", unit="bytes", order=AT_MOST, controller="memory", field="memory.kernel", hint=True),
)
V1 = (
    *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness"),
    *("memory.oom_control", "memory.kmem.limit_in_bytes"),
)
V2 = ("memory.max", "memory.swap.max", "memory.low", "memory.high", "memory.min")


def _swap(limit: int | None, total: int | None, version: int) -> int | None:
    """Return the swap limit in the notation of the version; v2 needs both values."""
    if total is None or total == NONE or version != 2:
        return total
    return total - limit if limit is not None and limit != NONE and total >= limit else None


def _named(limit: int | None, total: int | None, version: int, **others: int | None) -> Found:
    pairs: dict[str, int | str | None] = {"memory.limit": limit, "memory.swap": _swap(limit, total, version)}
    return present({**pairs, **{name.replace("_", "."): value for name, value in others.items()}})


def _oci(resources: dict[str, Any], version: int) -> Found:
    memory, unified = section(resources, "memory"), section(resources, "unified")
    found = _named(
        positive(memory.get("limit")),
        positive(memory.get("swap")),
        version,
        memory_reservation=positive(memory.get("reservation")),
        memory_swappiness=whole(memory.get("swappiness")),
        memory_kernel=positive(memory.get("kernel")),
    )
    if memory.get("disableOOMKiller") is True:
        found["memory.oom-kill-disable"] = 1
    for name, key in (("max", "limit"), ("low", "low"), ("high", "high"), ("min", "min")):
        value = shown(unified.get(f"memory.{name}"))
        if value is not None:
            found[f"memory.{key}"] = value
    swap = shown(unified.get("memory.swap.max"))
    limit = found.get("memory.limit")
    if swap is not None and (version == 2 or swap == NONE):
        found["memory.swap"] = swap
    elif swap is not None and isinstance(limit, int) and limit != NONE:
        found["memory.swap"] = limit + swap
    return found


def _from_0(value: int | None) -> int | None:
    """-1 is "not set" to engines."""
    return value if value is not None and value >= 0 else None


def _docker(host: dict[str, Any], version: int) -> Found:
    found = _named(
        positive(host.get("Memory")),
        positive(host.get("MemorySwap")),
        version,
        memory_reservation=positive(host.get("MemoryReservation")),
        memory_swappiness=_from_0(whole(host.get("MemorySwappiness"))),
        memory_kernel=positive(host.get("KernelMemory")),
    )
    if host.get("OomKillDisable") is True:
        found["memory.oom-kill-disable"] = 1
    return found


def _podman(options: dict[str, list[str]], version: int) -> Found:
    def sized_option(name: str) -> int | None:
        return positive(size(last_option(options, name) or "0"))

    found = _named(
        sized_option("--memory"),
        sized_option("--memory-swap"),
        version,
        memory_reservation=sized_option("--memory-reservation"),
        memory_swappiness=_from_0(integer(last_option(options, "--memory-swappiness"))),
        memory_kernel=sized_option("--kernel-memory"),
    )
    if last_option(options, "--oom-kill-disable") == "true":
        found["memory.oom-kill-disable"] = 1
    return found


def _cri(asked: dict[str, Any], version: int) -> Found:
    limit = positive(asked.get("memory_limit_in_bytes"))
    found = _named(limit, positive(asked.get("memory_swap_limit_in_bytes")), version)
    return {**found, **_oci({"unified": section(asked, "unified")}, version)}


def _runc(groups: dict[str, Any], version: int) -> Found:
    found = _named(
        positive(groups.get("memory")),
        positive(groups.get("memory_swap")),
        version,
        memory_reservation=positive(groups.get("memory_reservation")),
        memory_swappiness=whole(groups.get("memory_swappiness")),
    )
    if groups.get("oom_kill_disable") is True:
        found["memory.oom-kill-disable"] = 1
    return {**found, **_oci({"unified": section(groups, "unified")}, version)}


def _unit(settings: dict[str, str], version: int) -> Found:
    return present(
        {
            "memory.limit": sized(settings.get("MemoryMax") or settings.get("MemoryLimit") or ""),
            "memory.swap": sized(settings.get("MemorySwapMax", "")) if version == 2 else None,
            **{f"memory.{name}": sized(settings.get(f"Memory{name.title()}", "")) for name in ("low", "high", "min")},
            "memory.reservation": sized(settings.get("MemoryLow", "")),
        }
    )


def _pod(limits: dict[str, Any], version: int) -> Found:
    del version
    return present({"memory.limit": quantity(limits["memory"]) if "memory" in limits else None})


def _v1(files: dict[str, str]) -> Found:
    control = files.get("memory.oom_control", "").split()
    disabled = control[control.index("oom_kill_disable") + 1] if "oom_kill_disable" in control[:-1] else ""
    return present(
        {
            "memory.limit": shown(files.get("memory.limit_in_bytes")),
            "memory.swap": shown(files.get("memory.memsw.limit_in_bytes")),
            "memory.reservation": shown(files.get("memory.soft_limit_in_bytes")),
            "memory.swappiness": shown(files.get("memory.swappiness")),
            "memory.kernel": shown(files.get("memory.kmem.limit_in_bytes")),
            "memory.oom-kill-disable": integer(disabled),
        }
    )


def _v2(files: dict[str, str]) -> Found:
    return present(
        {
            "memory.limit": shown(files.get("memory.max")),
            "memory.swap": shown(files.get("memory.swap.max")),
            "memory.reservation": shown(files.get("memory.low")),
            **{f"memory.{name}": shown(files.get(f"memory.{name}")) for name in ("low", "high", "min")},
        }
    )


KIND = Kind(
    limits=LIMITS,
    files={1: V1, 2: V2},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    cri=_cri,
    runc=_runc,
    unit=_unit,
    pod=_pod,
    kernel={1: _v1, 2: _v2},
)
