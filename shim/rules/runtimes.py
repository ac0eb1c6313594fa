"""The behaviour of each kind of runtime with `linux.resources` (config-linux.md, "Control groups"), as rules need it.

Taken from the sources of runc 1.0 to 1.5 and crun 0.17 to 1.29, and observed with most of them. The version is not
known here, so a row describes the oldest or the strictest of them. "other" is a runtime that was not examined.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Literal

    Family = Literal["runc", "crun", "other"]


class Runtime(Value):
    """One kind of runtime. Each field is a behaviour, with the limit or file that it concerns.

    zero_is_unset: memory.limit, memory.swap, realtime and leafWeight of 0. opens_every_section: opens the controller's
    directory even for an empty object, and fails if it is missing. minus_one_on_v1: writes -1 for no quota and no limit
    of tasks. halves_of_cpu_max: an update sets quota or period alone and keeps the other. period_reset: an update of
    the quota alone sets the period to its default. idle_first: cpu.idle before cpu.weight. checks_shares: fails on
    cpu.shares that the kernel would round. raises_swap_along: memory.limit -1 lifts the limit of swap, too. swap_alone:
    takes memory.swap with memory.limit -1 as a number for swap. reads_kernel_memory, reads_hierarchy, reads_rdma: these
    fields. check_needs_swap: checkBeforeUpdate wants memory.swap.current. unset_swappiness: 2^64 - 1 is unset.
    most_swappiness: the highest that is taken. any_negative: takes every negative size for -1. weight_file: fails where
    blkio.weight is missing. not_updated: sections, and swappiness, that an update ignores. never_enabled: cgroup2
    controllers that it does not enable. any_case: keys in any case. root_itself: puts a container into the root cgroup
    where cgroupsPath says so. unmounted: writes limits into the directory of a v1 controller that is not mounted.
    refuses_hybrid: starts nothing where cgroup2 is beside v1 hierarchies with controllers of its own. least_memory,
    least_memory_with_swap: bytes with which no start succeeds on a host without and with swap; 0 if unknown.
    text_behind: ignores text behind the configuration. comments: treats comments as white space. looks_at_frozen:
    reports at once that a container's own cgroup is frozen. empty_flag_is_unset, units_in_flags: of `update`; `--memory
    ""`, `1g`.
    """

    name: Family
    zero_is_unset: bool
    opens_every_section: bool
    minus_one_on_v1: bool
    halves_of_cpu_max: bool
    period_reset: bool
    idle_first: bool
    checks_shares: bool
    raises_swap_along: bool
    swap_alone: bool
    reads_kernel_memory: bool
    reads_hierarchy: bool
    reads_rdma: bool
    check_needs_swap: bool
    unset_swappiness: bool
    most_swappiness: int
    any_negative: bool
    weight_file: bool
    not_updated: tuple[str, ...]
    never_enabled: tuple[str, ...]
    any_case: bool
    root_itself: bool
    unmounted: bool
    refuses_hybrid: bool
    least_memory: int
    least_memory_with_swap: int
    text_behind: bool
    comments: bool
    looks_at_frozen: bool
    empty_flag_is_unset: bool
    units_in_flags: bool


# Each field has a value for runc, one for crun and one for any other, in this order.
_KINDS = ("runc", "crun", "other")
_TABLE = {
    "zero_is_unset": (True, False, False),
    "opens_every_section": (False, True, True),
    "minus_one_on_v1": (True, False, False),
    "halves_of_cpu_max": (True, False, False),
    "period_reset": (False, True, False),
    "idle_first": (True, False, True),
    "checks_shares": (True, False, True),
    "raises_swap_along": (True, False, True),
    "swap_alone": (False, True, False),
    "reads_kernel_memory": (False, True, False),
    "reads_hierarchy": (False, True, True),
    "reads_rdma": (True, False, False),
    "check_needs_swap": (False, True, True),
    "unset_swappiness": (True, False, False),
    "most_swappiness": (100, 200, 200),
    "any_negative": (False, True, False),
    "weight_file": (False, True, False),
    "not_updated": (("devices", "hugepageLimits", "network", "swappiness"), (), ("network",)),
    "never_enabled": ((), ("rdma", "dmem"), ("rdma", "dmem")),
    "any_case": (True, False, False),
    "root_itself": (False, True, False),
    "unmounted": (False, True, False),
    "refuses_hybrid": (False, True, False),
    # Seen to fail on every kernel and layout tried: runc 1.1.5 needs 2.2 MB on v1 and is killed at 1 MiB on v2, crun
    # 1.8.1 needs 190 kB. Kernel memory (stacks, page tables) cannot be swapped out.
    "least_memory": (1 << 20, 1 << 16, 0),
    "least_memory_with_swap": (1 << 17, 1 << 16, 0),
    "text_behind": (True, False, False),
    "comments": (False, True, False),
    "looks_at_frozen": (True, False, False),
    "empty_flag_is_unset": (True, False, False),
    "units_in_flags": (True, False, False),
}


_MADE: dict[str, Runtime] = {}


def of(kind: Family) -> Runtime:
    """Return the runtime of a kind. Raises ValueError for another word."""
    if kind not in _MADE:
        place = _KINDS.index(kind)
        values: dict[str, Any] = {field: row[place] for field, row in _TABLE.items()}
        _MADE[kind] = Runtime(name=kind, **values)
    return _MADE[kind]
