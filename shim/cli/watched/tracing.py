"""Allocations by process and size: JSON lines while watching, or a table at the end."""

from __future__ import annotations

import atexit
import json
import os
import time
from typing import TYPE_CHECKING, Any

from shim.cli.output import SCHEMA
from shim.errors import printable_line
from shim.watch.histogram import OBJECTS, PAGES, SMALL, Histogram, Share, Thread, shares, since
from shim.watch.leaks.runs import shown
from shim.watch.sink import Sink
from shim.watch.threads import Threads
from shim.watch.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.watch.place import Followed

MOST = 20  # processes shown
SIZES = 3  # classes of one process in the table: those with the most allocations
HEAD = ("PROCESS", "PID", "CONTAINER", "PAGES", "OBJECTS", "BELOW 16 KiB", "MOST OF")


class Tracing(Sink):
    """Reads the histograms each round. Raises ShimError `no-trace` if there are none.

    followed: returns the watched containers. lines: JSON lines each round instead of a table at the end.
    """

    def __init__(self, followed: Callable[[], Iterable[Followed]], stream: Any, *, lines: bool) -> None:
        self.followed, self.stream, self.lines = followed, stream, lines
        self.trace: Trace | None = Trace(os.environ)
        atexit.register(self._undo)
        self.threads = Threads()
        self.before = Histogram(counts={}, dropped=0)
        self.total: dict[Thread, dict[tuple[str, int], tuple[int, int]]] = {}
        self.dropped, self.began, self.last = 0, time.monotonic(), time.monotonic()

    def tick(self, now: float) -> None:
        """Read the allocations since the last round."""
        if self.trace is None:
            return
        histogram = self.trace.read()
        more, self.before = since(self.before, histogram), histogram
        known = self.threads.look_up({thread for _, thread, _ in more.counts}, self.followed())
        found = shares(more, known)
        self.dropped = histogram.dropped
        seconds, self.last = time.monotonic() - self.last, time.monotonic()
        if self.lines:
            self._put(shape(found, now, seconds, more.dropped))
        for share in found:
            mine = self.total.setdefault(Thread(name=share.name, pid=share.pid, container=share.container), {})
            for key, (count, size) in share.classes.items():
                counted, sized = mine.get(key, (0, 0))
                mine[key] = (counted + count, sized + size)

    def close(self) -> None:
        """Write the last round, remove the triggers, write the table."""
        if self.trace is None:
            return
        try:
            self.tick(time.time())
        finally:
            self._undo()
        if not self.lines:
            whole = [
                Share(name=whose.name, pid=whose.pid, container=whose.container, classes=classes)
                for whose, classes in self.total.items()
            ]
            whole.sort(key=lambda share: (-share.bytes, -share.count, share.pid))
            self.stream.write(table(whole, time.monotonic() - self.began, self.dropped))
            self.stream.flush()

    def _undo(self) -> None:
        if self.trace is not None:
            self.trace.close()
            self.trace = None
            atexit.unregister(self._undo)

    def _put(self, found: dict[str, Any]) -> None:
        self.stream.write(json.dumps({"schema": SCHEMA, **found}) + "\n")
        self.stream.flush()


def shape(found: list[Share], now: float, seconds: float, dropped: int) -> dict[str, Any]:
    """Return one round as JSON; the bytes of pages include those of the objects in them."""
    return {
        "type": "allocations",
        "time": now,
        "seconds": round(seconds, 3),
        "dropped": dropped,
        "allocations": sum(share.count for share in found),
        "below_16_kib": small(found),
        "processes": [
            {
                "name": printable_line(share.name),
                "pid": share.pid,
                "container": share.container,
                "allocations": share.count,
                "page_bytes": share.bytes,
                "below_16_kib": round(share.small, 4),
                "classes": [
                    {"of": group, "up_to": bound, "count": count, "bytes": size}
                    for (group, bound), (count, size) in share.classes.items()
                ],
            }
            for share in found[:MOST]
        ],
    }


def small(found: list[Share]) -> float:
    """Return the share of all allocations that are smaller than 16 KiB."""
    count = sum(share.count for share in found)
    return round(sum(share.small * share.count for share in found) / count, 4) if count else 0.0


def table(found: list[Share], seconds: float, dropped: int) -> str:
    """Return the table over the whole time."""
    rows = [HEAD, *(_row(share, seconds) for share in found[:MOST])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    count = sum(share.count for share in found)
    lines.insert(0, f"Allocations in {seconds:.0f} s, by process:")
    lines.append(f"{count} allocations, {small(found):.1%} of them below {SMALL >> 10} KiB.")
    if found[MOST:]:
        lines.append(f"{len(found) - MOST} more processes are not shown.")
    if dropped:
        lines.append(f"note: {dropped} allocations are missing: the kernel's histogram was full")
    return "\n" + "\n".join(lines) + "\n"


def _row(share: Share, seconds: float) -> tuple[str, ...]:
    objects = sum(count for (group, _), (count, _) in share.classes.items() if group == OBJECTS)
    most = sorted(share.classes.items(), key=lambda item: -item[1][0])[:SIZES]
    sizes = ", ".join(f"{'pages' if group == PAGES else 'objects'} of {shown(bound)}" for (group, bound), _ in most)
    span = max(seconds, 1e-3)
    return (
        printable_line(share.name),
        str(share.pid or "-"),
        printable_line(share.container) or "-",
        f"{shown(share.bytes / span)}/s",
        f"{objects / span:.0f}/s",
        f"{share.small:.1%}",
        sizes,
    )
