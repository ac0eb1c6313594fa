"""How much memory a cgroup has allocated since it was made, as far as its kernel counts that. Pure.

No kernel has a counter of allocated bytes for a cgroup. What comes nearest, from memory.stat:

- v1: `pgpgin` (cgroup-v1/memory.rst, 5.2): a page was charged as anonymous memory, page cache or shmem. It is a lower
  bound: a folio of many pages counts once (mm/memcontrol-v1.c, memcg1_charge_statistics), kernel memory not at all.
- cgroup2 leaves `pgpgin` out (mm/memcontrol.c, memcg_stat_format). It has `pgfault` (cgroup-v2.rst): a page was touched
  that was not mapped, mostly for the first time. What read() and write() bring into the page cache is not in it, memory
  that is mapped again is. `thp_fault_alloc`: that many of the faults took a transparent huge page.

So the two versions' numbers cannot be compared with each other, only with themselves over time.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CHARGED = "memory.stat: total_pgpgin x page size"
FAULTED = "memory.stat: pgfault x page size, thp_fault_alloc x huge page"
HUGE_SIZE = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"  # bytes (admin-guide/mm/transhuge.rst)


class Allocated(Value):
    """bytes: since the cgroup was made, with everything below it; None if the kernel does not count them. source: the
    keys, or the reason.
    """

    bytes: int | None
    source: str


def allocated(version: str, stat: Mapping[str, int], page: int, huge: int) -> Allocated:
    """Return the bytes from the keys of memory.stat. version: "v1" or "v2". page, huge: bytes of a page and of a huge
    page.
    """
    if version == "v1":
        charged = stat.get("total_pgpgin")
        if charged is None:
            return Allocated(bytes=None, source="memory.stat has no total_pgpgin")
        return Allocated(bytes=charged * page, source=CHARGED)
    faults = stat.get("pgfault")
    if faults is None:
        return Allocated(bytes=None, source="memory.stat has no pgfault")
    large = stat.get("thp_fault_alloc", 0)
    return Allocated(bytes=faults * page + large * (huge - page), source=FAULTED)
