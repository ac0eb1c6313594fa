"""The message of an alert in one sentence. Pure."""

from __future__ import annotations

from shim.errors import printable_line
from shim.watch import alert as types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.watch.alert import Alert


def message(alert: Alert) -> str:
    """Return one sentence on one line: the container, what happened, and the limit. Foreign names are escaped."""
    who = f"container {alert.name}" + (f" of pod {alert.pod}" if alert.pod else "")
    return printable_line(OF_TYPE[alert.type](alert, who))


def _times(alert: Alert) -> str:
    count = alert.evidence.get("count", 1)
    return "once" if count == 1 else f"{count} times"


def _high(alert: Alert, who: str) -> str:
    return f"{who} exceeded memory.high ({size(alert.threshold)}) {_times(alert)} and is slowed down"


def _threshold(alert: Alert, who: str) -> str:
    return f"{who} uses {size(alert.usage)}, more than the threshold of {size(alert.threshold)}"


def _max(alert: Alert, who: str) -> str:
    of = alert.evidence.get("cgroup_of_limit") or alert.evidence.get("cgroup")
    return f"{who} hit the limit of {size(alert.limit)} (cgroup {of}) {_times(alert)}"


def _kill(alert: Alert, who: str) -> str:
    victims = alert.evidence.get("victims", [])
    if not victims:
        return f"the kernel killed {alert.evidence.get('count', 1)} process(es) of {who}, which ran out of memory"
    named = ", ".join(f"{one['name']} ({one['pid']}{', init' if one['init'] else ''})" for one in victims)
    alive = all(one["init"] is False for one in victims)
    survives = "; its init is alive, so engines show nothing" if alive else ""
    return f"the kernel killed {named} of {who}, which ran out of memory{survives}"


def _stuck(alert: Alert, who: str) -> str:
    why = "the OOM killer is disabled" if alert.evidence.get("oom_kill_disable") else "nothing could be killed"
    return f"{who} is out of memory and cannot continue: {why}"


def _drift(alert: Alert, who: str) -> str:
    evidence = alert.evidence
    return f"{who}: the kernel has {evidence.get('kernel')} for {evidence.get('limit')}, not {evidence.get('asked')}"


def _leak(alert: Alert, who: str) -> str:
    return f"the memory of {who} grows without end: {alert.evidence.get('kind')}, {alert.evidence.get('rate')} B/s"


def _pressure(alert: Alert, who: str) -> str:
    share = alert.evidence.get("share")
    if share is None:
        return f"{who} is under critical memory pressure"
    return f"{who} was stalled on memory {100 * share:.0f} % of the time"


OF_TYPE = {
    types.HIGH_EXCEEDED: _high,
    types.THRESHOLD_EXCEEDED: _threshold,
    types.MAX_HIT: _max,
    types.OOM_KILL: _kill,
    types.OOM_STUCK: _stuck,
    types.LIMIT_DRIFT: _drift,
    types.LEAK_SUSPECTED: _leak,
    types.PRESSURE: _pressure,
}


def size(number: int | None) -> str:
    """`64 MiB`, `12.5 MiB`, `unknown`."""
    if number is None:
        return "unknown"
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor:
            return f"{number / factor:.1f}".replace(".0", "") + f" {unit}"
    return f"{number} B"
