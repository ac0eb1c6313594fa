"""Parses the kernel log for a memory cgroup's out-of-memory kills.

mm/oom_kill.c prints, for each kill, the counters of the cgroup that ran out and one line that names the victim and
its cgroup: `oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=A,task_memcg=B,task=NAME,pid=N,uid=N` since Linux 5.0,
`Task in B killed as a result of limit of A` before.
"""

from __future__ import annotations

import re

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LINE = re.compile(
    r"oom-kill:constraint=CONSTRAINT_MEMCG,.*?oom_memcg=(?P<limited>.*),task_memcg=(?P<victim>.*),"
    r"task=(?P<name>.*),pid=(?P<pid>\d+),uid=\d+"
)
BEFORE_5_0 = re.compile(r"Task in (?P<victim>\S+) killed as a result of limit of (?P<limited>\S+)")
COUNTERS = re.compile(r"^memory: usage (?P<usage>\d+)kB, limit (?P<limit>\d+)kB, failcnt (?P<failures>\d+)")
KILLED = re.compile(r"^Memory cgroup out of memory: Kill(?:ed)? process (?P<pid>\d+) \((?P<name>.*?)\)")


class Kill(Value):
    """One killed process. limited: the cgroup whose limit was hit, the victim's own or one above it.

    usage, limit: that cgroup's memory at that moment, in bytes, 0 if the log does not have them. failures: how often
    the limit had been hit by then.
    """

    name: str
    pid: int
    victim: str
    limited: str
    usage: int = 0
    limit: int = 0
    failures: int = 0


def kills(lines: Iterable[str], path: str, anywhere: bool = False) -> tuple[Kill, ...]:
    """Return the kills in the cgroup `path` (as in /proc/PID/cgroup) and below it, in the order of the log.

    anywhere: `path` is from inside a cgroup namespace; the log's paths, which are the host's, may be longer at the
    front.
    """
    found: list[Kill] = []
    counters: dict[str, int] = {}
    old: dict[str, str] = {}
    for line in lines:
        counted = COUNTERS.match(line)
        if counted:
            counters = {key: int(value) for key, value in counted.groupdict().items()}
            continue
        early = BEFORE_5_0.search(line)
        if early:
            old, counters = early.groupdict(), {}
            continue
        named = LINE.search(line) or (KILLED.match(line) if old else None)
        if named:
            found.append(_kill({**old, **named.groupdict()}, counters))
            old, counters = {}, {}
    return tuple(kill for kill in found if _inside(kill.victim, path, anywhere))


def lines_of(lines: Iterable[str], container: str) -> tuple[str, ...]:
    """The lines of the log that name a victim in the cgroup of the container with this id, or below it.

    Engines name the cgroup ID, ENGINE-ID or PREFIX:ID, and with systemd ENGINE-ID.scope. A part of another name, such
    as the start of another container's id, is not the container.
    """
    if not container:
        return ()
    name = re.escape(container)
    own = re.compile(rf"/(?:(?:crio-|libpod-|[^/]*:)?{name}|[^/]*-{name}\.scope)(?:/|$)")
    named = ((line, LINE.search(line) or BEFORE_5_0.search(line)) for line in lines)
    return tuple(line for line, found in named if found and own.search(found.group("victim")))


def _kill(named: dict[str, str], counters: dict[str, int]) -> Kill:
    return Kill(
        name=named["name"],
        pid=int(named["pid"]),
        victim=named["victim"],
        limited=named["limited"],
        usage=counters.get("usage", 0) * 1024,
        limit=counters.get("limit", 0) * 1024,
        failures=counters.get("failures", 0),
    )


def _inside(victim: str, path: str, anywhere: bool) -> bool:
    place = f"{victim}/".find(path.rstrip("/") + "/") if path.strip("/") else -1
    return place >= 0 if anywhere else place == 0
