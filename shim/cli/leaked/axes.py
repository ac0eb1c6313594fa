"""Scales of a plot: round numbers for bytes and for times. Pure."""

from __future__ import annotations

import time

from shim.watch.leaks.runs import shown

TICKS = 6  # on an axis, at most
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SPANS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 365 * 86400),
)


def bytes_ticks(most: float) -> list[float]:
    """Return ticks from 0 to `most` or above, in round numbers of one unit."""
    unit = 1.0
    while most / unit >= 1000:
        unit *= 1024
    step = next((step * unit for step in _STEPS if most <= step * unit * (TICKS - 1)), most or 1.0)
    count = 1
    while count * step < most:
        count += 1
    return [step * number for number in range(count + 1)]


def bytes_label(value: float) -> str:
    """Return a tick's label; 0 has no unit."""
    return shown(value) if value else "0"


def time_ticks(start: float, end: float) -> list[float]:
    """Return round moments (UTC) between `start` and `end`, UNIX seconds."""
    width = max(end - start, 1e-3)
    step = next((span for span in _SPANS if width / span <= TICKS + 2), _SPANS[-1])
    first = -(-start // step) * step
    found = []
    while first <= end:
        found.append(first)
        first += step
    return found


def time_label(moment: float, start: float, end: float) -> str:
    """Return a label as precise as the axis needs."""
    width = end - start
    form = (
        "%H:%M:%S" if width < 900 else "%H:%M" if width < 2 * 86400 else "%m-%d %H:%M" if width < 8 * 86400 else "%m-%d"
    )
    return time.strftime(form, time.gmtime(moment))
