"""The sentences that text, plot and page share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shim.watch.leaks.runs import shown

if TYPE_CHECKING:
    from shim.watch.leaks.assess import Assessment, Estimate

_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def called(one: Assessment) -> str:
    """Return ENGINE POD/NAME, with the run's number if there were several."""
    pod = f"{one.who.pod}/" if one.who.pod else ""
    run = f" (run {one.run.number})" if one.run.number > 1 else ""
    return f"{one.who.engine} {pod}{one.who.name}{run}"


def rate(bytes_a_second: float) -> str:
    """Return the rate in the largest unit of time that keeps the number small: `21 MiB/min`."""
    span, unit = next(
        (
            (span, unit)
            for span, unit in ((1.0, "s"), (60.0, "min"), (3600.0, "h"))
            if abs(bytes_a_second) * span >= 1e6
        ),
        (86400.0, "day"),
    )
    return f"{shown(bytes_a_second * span)}/{unit}"


def interval(one: Assessment, kind: str) -> str:
    """Return the rate with its interval: `21 MiB/min (20 to 22)`, or "" without one."""
    trend = one.kinds[kind].trend
    if trend is None:
        return ""
    return f"{rate(trend.slope)} (between {rate(trend.low)} and {rate(trend.high)} at {trend.confidence:.4g})"


def lasting(seconds: float | None) -> str:
    """Return `42 s`, `9 min`, `5 h`, `3 d`; `never` for None."""
    if seconds is None:
        return "never"
    for span, unit in _TIMES:
        if seconds >= 2 * span or span == 1:
            return f"{seconds / span:.0f} {unit}"
    return "0 s"


def reached(found: Estimate | None) -> str:
    """Return when the limit is reached."""
    if found is None:
        return ""
    if found.seconds <= 0:
        return f"the limit of {shown(found.limit)} is reached"
    soonest, latest = lasting(found.soonest), lasting(found.latest)
    between = f" (between {soonest} and {latest})" if soonest != latest else ""
    return f"the limit of {shown(found.limit)} is reached in {lasting(found.seconds)} at this rate{between}"


def clock(moment: float) -> str:
    """Return `2026-01-31 12:34:56` in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


def verdict(one: Assessment) -> str:
    """Return one sentence for a container."""
    if not one.leaking:
        return f"no leak: {one.verdict}"
    fastest = one.leaking[0]
    trend = one.kinds[fastest].trend
    since = f"since {clock(one.began)}" if one.began is not None else "since the recording began"
    also = f", and {', '.join(one.leaking[1:])}" if one.leaking[1:] else ""
    grows = f" by {rate(trend.slope)}" if trend else ""
    end = reached(one.reaches)
    return f"{fastest} memory{also} leaks{grows} {since}" + (f"; {end}" if end else "")
