"""The kernel's histograms of allocations (Documentation/trace/histogram.rst), parsed. Pure.

Each event is counted by the thread that allocated and by the size:

    { common_pid:       1234, bytes_alloc:         64 } hitcount:         17

bytes_alloc is the size that the slab allocator gives, not the requested one. mm_page_alloc has an order instead:
2^order pages.
"""

from __future__ import annotations

import re

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OBJECTS, PAGES = "objects", "pages"
# Event of the subsystem kmem -> (group, the field that is its size). The `_node` events are gone since Linux 6.1.
EVENTS = {
    "kmalloc": (OBJECTS, "bytes_alloc"),
    "kmalloc_node": (OBJECTS, "bytes_alloc"),
    "kmem_cache_alloc": (OBJECTS, "bytes_alloc"),
    "kmem_cache_alloc_node": (OBJECTS, "bytes_alloc"),
    "mm_page_alloc": (PAGES, "order"),
}
NEEDED = ("mm_page_alloc",)  # required event
SMALL = 16 << 10  # bytes: the share of smaller allocations is reported
ENTRIES = 16384  # of one histogram; further entries are counted as dropped
_LINE = re.compile(r"\{ common_pid: *(\d+), (bytes_alloc|order): *(\d+) \} hitcount: *(\d+)")
_DROPPED = re.compile(r"^ *Dropped: *(\d+)", re.MULTILINE)

Counts = "dict[tuple[str, int, int], int]"  # (group, thread, bytes) -> allocations


class Histogram(Value):
    """counts: (group, thread's id, bytes of one) -> how many. dropped: events without room in the table."""

    counts: dict[tuple[str, int, int], int]
    dropped: int


class Share(Value):
    """The allocations of one process. name, pid: the process; pid 0: threads that ended before they were looked up.

    container: id, "" for a process outside of containers. classes: (group, upper bound of the size, a power of two) ->
    (allocations, bytes). small, all: allocations below SMALL, and all.
    """

    name: str
    pid: int
    container: str
    classes: dict[tuple[str, int], tuple[int, int]]

    @property
    def bytes(self) -> int:
        """Bytes of pages: objects are in pages that the slab allocator took for them."""
        return sum(size for (group, _), (_, size) in self.classes.items() if group == PAGES)

    @property
    def count(self) -> int:
        """All allocations."""
        return sum(count for count, _ in self.classes.values())

    @property
    def small(self) -> float:
        """The share of the allocations that are smaller than SMALL, 0 to 1."""
        small = sum(count for (_, bound), (count, _) in self.classes.items() if bound < SMALL)
        return small / self.count if self.count else 0.0


class Thread(Value):
    """The process and container of a thread."""

    name: str
    pid: int
    container: str


GONE = Thread(name="(ended)", pid=0, container="")


def trigger(event: str) -> str:
    """Return the text for the event's `trigger` file; with `!` in front it removes the trigger."""
    return f"hist:keys=common_pid,{EVENTS[event][1]}:size={ENTRIES}"


def parse(event: str, text: str, page: int) -> Histogram:
    """Parse the `hist` file of one event. page: bytes of a page."""
    group, _ = EVENTS[event]
    counts: dict[tuple[str, int, int], int] = {}
    for thread, field, number, hits in _LINE.findall(text):
        size = page << min(int(number), 40) if field == "order" else int(number)
        key = (group, int(thread), size)
        counts[key] = counts.get(key, 0) + int(hits)
    return Histogram(counts=counts, dropped=sum(map(int, _DROPPED.findall(text))))


def together(found: Iterable[Histogram]) -> Histogram:
    """Return several events as one histogram."""
    counts: dict[tuple[str, int, int], int] = {}
    dropped = 0
    for one in found:
        dropped += one.dropped
        for key, hits in one.counts.items():
            counts[key] = counts.get(key, 0) + hits
    return Histogram(counts=counts, dropped=dropped)


def since(before: Histogram, now: Histogram) -> Histogram:
    """Return the additions between two reads."""
    more = {key: hits - before.counts.get(key, 0) for key, hits in now.counts.items()}
    counts = {key: hits for key, hits in more.items() if hits > 0}
    return Histogram(counts=counts, dropped=max(0, now.dropped - before.dropped))


def shares(found: Histogram, threads: Mapping[int, Thread]) -> list[Share]:
    """Return the shares by process, the one with the most bytes first. threads: thread's id -> its process."""
    classes: dict[Thread, dict[tuple[str, int], tuple[int, int]]] = {}
    for (group, thread, size), hits in found.counts.items():
        mine = classes.setdefault(threads.get(thread, GONE), {})
        key = (group, bound(size))
        count, total = mine.get(key, (0, 0))
        mine[key] = (count + hits, total + hits * size)
    shares_ = [
        Share(name=whose.name, pid=whose.pid, container=whose.container, classes=dict(sorted(found_.items())))
        for whose, found_ in classes.items()
    ]
    return sorted(shares_, key=lambda share: (-share.bytes, -share.count, share.pid))


def bound(size: int) -> int:
    """Return the class of a size: the smallest power of two that is not less, 8 at least."""
    found = 8
    while found < size:
        found *= 2
    return found
