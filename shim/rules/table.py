"""The order of the rules, each module under the section that it answers for.

A module is imported when its section is present. A container names three or four of the nine sections, and each module
costs 0.25 ms.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.rules.base import Rule

    Rules = Callable[[], "tuple[Rule, ...]"]


def _memory() -> tuple[Rule, ...]:
    from shim.rules import memory

    return memory.RULES


def _cpu() -> tuple[Rule, ...]:
    from shim.rules import cpu

    return cpu.RULES


def _pids() -> tuple[Rule, ...]:
    from shim.rules import pids

    return pids.RULES


def _io() -> tuple[Rule, ...]:
    from shim.rules import io

    return io.RULES


def _hugetlb() -> tuple[Rule, ...]:
    from shim.rules import hugetlb

    return hugetlb.RULES


def _rdma() -> tuple[Rule, ...]:
    from shim.rules import rdma

    return rdma.RULES


def _network() -> tuple[Rule, ...]:
    from shim.rules import network

    return network.RULES


def _devices() -> tuple[Rule, ...]:
    from shim.rules import devices

    return devices.RULES


def _unified_on_v1() -> tuple[Rule, ...]:
    from shim.rules import unified

    return unified.V1_RULES


def _unified_on_v2() -> tuple[Rule, ...]:
    from shim.rules import unified

    return unified.V2_RULES


CLASSIC: tuple[tuple[str, Rules], ...] = (
    ("memory", _memory),
    ("cpu", _cpu),
    ("pids", _pids),
    ("blockIO", _io),
    ("hugepageLimits", _hugetlb),
    ("rdma", _rdma),
    ("network", _network),
    ("devices", _devices),
)
# On v1 `unified` becomes classic fields, so it comes first; on cgroup2 it wins over them, so it comes last.
ON_V1 = (("unified", _unified_on_v1), *CLASSIC)
ON_V2 = (*CLASSIC, ("unified", _unified_on_v2))


def probes(resources: dict[str, Any]) -> list[str]:
    """Return the interface files that depend on values: page sizes and keys of `unified`."""
    names: list[str] = []
    if resources.get("hugepageLimits"):
        from shim.rules import hugetlb

        names.extend(hugetlb.probes(resources))
    if resources.get("unified"):
        from shim.rules import unified

        names.extend(unified.probes(resources))
    return names
