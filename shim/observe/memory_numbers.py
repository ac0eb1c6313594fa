"""One definition of each memory figure, over cgroup v1, cgroup2 and vendors' additions. Pure.

The documents: Documentation/admin-guide/cgroup-v2.rst ("Memory Interface Files"), cgroup-v1/memory.rst (section 5.2 and
2.7), mm/memcontrol.c and mm/memcontrol-v1.c where the documents say nothing. docs/watch.md shows the table.

A figure that this kernel does not have is None with a reason; it is never a guess and never 0.
"""

from __future__ import annotations

from shim.host.cgroup_files import flat_keyed
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FIELDS = ("usage", "working_set", "anonymous", "file", "shmem", "kernel", "swap", "peak")
V2_DOCUMENT, V1_DOCUMENT = "admin-guide/cgroup-v2.rst", "admin-guide/cgroup-v1/memory.rst"
VENDOR_DOCUMENT = "vendor kernels (UOS): memory.stat of cgroup2 beside the files of v1"
NO_KMEM = "is 0 although the cgroup has processes: this kernel does not count kernel memory (cgroup.memory=nokmem)"


class Memory(Value):
    """The figures of one cgroup and all below it, in bytes; None for what this kernel does not have.

    usage: all charged memory. working_set: usage without inactive page cache of files, never below 0; the kubelet
    evicts by it. anonymous: private memory of processes. file: page cache of files, without shmem. shmem: tmpfs and
    shared memory. kernel: kernel memory of the container that is counted in usage. swap: swapped-out memory.
    peak: the highest usage so far. sources: field -> the file, and its keys, it was made from. absent: field -> why it
    is None.
    """

    usage: int | None = None
    working_set: int | None = None
    anonymous: int | None = None
    file: int | None = None
    shmem: int | None = None
    kernel: int | None = None
    swap: int | None = None
    peak: int | None = None
    sources: dict[str, str] = {}  # noqa: RUF012 # a frozen value's default
    absent: dict[str, str] = {}  # noqa: RUF012

    def shape(self) -> dict[str, Any]:
        """Return JSON: the available fields, `sources` and `absent`."""
        figures = {name: getattr(self, name) for name in FIELDS}
        return {**figures, "sources": self.sources, "absent": self.absent}


class Way(Value):
    """A way to compute a figure: `file`, or the sum of its keys `plus` less those of `minus`, or less another field's
    `minus` keys. optional: keys that may be missing. document: where the kernel describes them.
    """

    file: str
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    document: str = V2_DOCUMENT

    def source(self) -> str:
        """`memory.stat: file - shmem`."""
        keys = " + ".join(self.plus) + "".join(f" - {key}" for key in self.minus)
        return f"{self.file}: {keys}" if keys else self.file


_PARTS = ("kernel_stack", "slab", "pagetables", "percpu", "vmalloc", "sock")
_STAT_V2 = "memory.stat_v2"

# version -> field -> ways; the first that this kernel supports counts. working_set lists what is subtracted from usage.
TABLE: dict[str, dict[str, tuple[Way, ...]]] = {
    "v2": {
        "usage": (Way(file="memory.current"),),
        "working_set": (Way(file="memory.stat", plus=("inactive_file",)),),
        "anonymous": (Way(file="memory.stat", plus=("anon",)),),
        "file": (Way(file="memory.stat", plus=("file",), minus=("shmem",)),),
        "shmem": (Way(file="memory.stat", plus=("shmem",)),),
        "kernel": (
            Way(file="memory.stat", plus=("kernel", "sock"), optional=("sock",)),
            Way(file="memory.stat", plus=_PARTS, optional=("pagetables", "percpu", "vmalloc", "sock")),
        ),
        "swap": (Way(file="memory.swap.current"),),
        "peak": (Way(file="memory.peak"),),
    },
    "v1": {
        "usage": (Way(file="memory.usage_in_bytes", document=V1_DOCUMENT),),
        "working_set": (
            Way(file="memory.stat", plus=("total_inactive_file",), document=V1_DOCUMENT),
            Way(file=_STAT_V2, plus=("inactive_file",), document=VENDOR_DOCUMENT),
        ),
        "anonymous": (
            Way(file="memory.stat", plus=("total_rss",), document=V1_DOCUMENT),
            Way(file=_STAT_V2, plus=("anon",), document=VENDOR_DOCUMENT),
        ),
        "file": (
            Way(file="memory.stat", plus=("total_cache",), minus=("total_shmem",), document=V1_DOCUMENT),
            Way(file=_STAT_V2, plus=("file",), minus=("shmem",), document=VENDOR_DOCUMENT),
        ),
        "shmem": (
            Way(file="memory.stat", plus=("total_shmem",), document=V1_DOCUMENT),
            Way(file=_STAT_V2, plus=("shmem",), document=VENDOR_DOCUMENT),
        ),
        "kernel": (
            Way(file="memory.kmem.usage_in_bytes", document=V1_DOCUMENT),
            Way(file=_STAT_V2, plus=("kernel",), document=VENDOR_DOCUMENT),
        ),
        "swap": (Way(file="memory.stat", plus=("total_swap",), document=V1_DOCUMENT),),
        "peak": (Way(file="memory.max_usage_in_bytes", document=V1_DOCUMENT),),
    },
}
FILES = {
    version: tuple(dict.fromkeys(way.file for ways in fields.values() for way in ways))
    for version, fields in TABLE.items()
}


def measure(
    version: str, texts: Mapping[str, str], refused: Mapping[str, str] | None = None, *, populated: bool = False
) -> Memory:
    """Return the figures from interface files. version: "v1" or "v2". texts: file -> content of the readable files.

    refused: file -> why it was not read, or why what is there does not count (shim.watch.place). populated: processes
    are in the cgroup, so that kernel memory of 0 means that none is counted.
    """
    stats = {name: flat_keyed(text) for name, text in texts.items() if name.startswith("memory.stat")}
    figures: dict[str, int] = {}
    sources: dict[str, str] = {}
    absent: dict[str, str] = {}
    for field, ways in TABLE[version].items():
        value, source = _first(ways, texts, stats)
        if field == "working_set" and value is not None:
            usage = figures.get("usage")
            value = None if usage is None else max(0, usage - value)
            source = f"{sources.get('usage', '')} - {source}"
        if field == "kernel" and value == 0 and populated and version == "v1":
            value, source = None, f"{source} {NO_KMEM}"
        if value is None:
            absent[field] = source if field == "kernel" and source else _why(ways, texts, refused or {})
        else:
            figures[field], sources[field] = value, source
    return Memory(**figures, sources=sources, absent=absent)


def _first(ways: tuple[Way, ...], texts: Mapping[str, str], stats: Mapping[str, dict[str, int]]) -> tuple[Any, str]:
    for way in ways:
        value = _value(way, texts.get(way.file), stats.get(way.file, {}))
        if value is not None:
            return value, way.source()
    return None, ""


def _value(way: Way, text: str | None, keyed: Mapping[str, int]) -> int | None:
    if text is None:
        return None
    if not way.plus:
        word = text.strip()
        return int(word) if word.isascii() and word.isdigit() else None
    if any(key not in keyed for key in (*way.plus, *way.minus) if key not in way.optional):
        return None
    return max(0, sum(keyed.get(key, 0) for key in way.plus) - sum(keyed.get(key, 0) for key in way.minus))


def _why(ways: tuple[Way, ...], texts: Mapping[str, str], refused: Mapping[str, str]) -> str:
    """Return the reason for the first way, which is the usual one."""
    way = ways[0]
    if way.file in refused:
        return refused[way.file]
    if way.file not in texts:
        return f"this kernel has no {way.file}"
    missing = f" without {', '.join(way.plus)}" if way.plus else " without a number"
    return f"{way.file}{missing}"
