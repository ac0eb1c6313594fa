"""What the records of the set `watch` must say (guest/watching.py).

Documentation/admin-guide/cgroup-v2.rst (memory.high, memory.max, memory.events) and cgroup-v1/memory.rst (sections 9
and 10). Numbers of memory may be off by what each processor charges in advance and by what its statistics hold back, 64
pages of 4 KiB for both (mm/memcontrol.c, MEMCG_CHARGE_BATCH); guests have two processors at most. Page tables and the
like come on top of what a process takes: some hundred KiB.
"""

from __future__ import annotations

from typing import Any

M = 1 << 20
HELD_BACK = 2 * 64 * 4096
SLACK = 2 * HELD_BACK + M // 2  # both before and after, and what comes on top
LIMIT = 32 * M
# What runs (guest/leaks.py) -> the verdict, the kinds that leak.
LEAKS: dict[str, tuple[str, list[str]]] = {
    "anonymous": ("leak", ["anonymous"]),
    "shmem": ("leak", ["shmem"]),
    "sockets": ("leak", ["kernel"]),
    "dentries": ("leak", ["kernel"]),
    "cache": ("cache", []),
    "steady": ("steady", []),
}
IN_USAGE = ("anonymous", "shmem", "file", "kernel")
EXCEEDED = {"v1": "cgroup_v1_memory_threshold_exceeded", "v2": "cgroup_v2_memory_high_exceeded"}
EVENT_SOURCES = {"v1": "cgroup.event_control", "v2": "inotify memory.events"}


def faults(record: dict[str, Any]) -> list[str]:
    """Faults of one record."""
    if not record["version"]:
        return []  # no memory controller on this kernel, which other sets judge
    if record.get("text"):
        return [record["text"]]
    found = JUDGES[record["asked"]](record)
    return [*found, *(f"the watcher had a problem: {one}" for one in record.get("problems", []))]


def numbers(record: dict[str, Any]) -> list[str]:
    """Each kind grows by what was taken of it, the others do not; usage grows by all, the working set not by files."""
    found = []
    for (_, _, before), (kind, amount, after) in zip(record["steps"], record["steps"][1:]):
        for name in ("usage", "working_set", *IN_USAGE):
            if before[name] is None or after[name] is None:
                if name != "kernel":
                    found.append(f"{name}: {after['absent'].get(name)}")
                continue
            grown = after[name] - before[name]
            wanted = amount if name in (kind, "usage") or (name == "working_set" and kind != "file") else 0
            parts = name == kind == "kernel" and "kernel_stack" in after["sources"]["kernel"]
            if parts:
                continue  # before Linux 5.18 cgroup2 tells parts only, and pages of pipes are in none of them
            if abs(grown - wanted) > SLACK:
                found.append(f"{kind} of {amount} was taken, {name} grew by {grown}, not {wanted}")
    return found


def _told(record: dict[str, Any], kind: str, limit: int) -> tuple[list[str], dict[str, Any]]:
    alert = record["alerts"].get(kind)
    if not alert:
        return [f"no alert {kind}: {record.get('sources')}"], {}
    found = []
    if alert["limit_bytes"] != limit:
        found.append(f"{kind}: limit_bytes is {alert['limit_bytes']}, not {limit}")
    if alert["alert_type"] != kind or len(alert["container_id"]) > 12 or alert["engine"] != "runc":
        found.append(f"{kind}: {alert}")
    return found, alert


def worker(record: dict[str, Any]) -> list[str]:
    """The killed process is named, it is not init, and init is alive; the limit was hit before."""
    found, alert = _told(record, "oom_kill", LIMIT)
    victims = alert.get("evidence", {}).get("victims", [])
    if [(one["name"], one["init"]) for one in victims[:1]] != [("busybox", False)] or not record["alive"]:
        found.append(f"victims {victims}, init alive {record['alive']}")
    if victims and victims[0]["usage"] < LIMIT - HELD_BACK:
        found.append(f"killed at {victims[0]['usage']}")
    hit, maximum = _told(record, "memory_max_hit", LIMIT)
    if maximum and maximum["threshold_bytes"] != LIMIT:
        found.append(f"threshold_bytes of memory_max_hit is {maximum['threshold_bytes']}")
    return [*found, *hit]


def init(record: dict[str, Any]) -> list[str]:
    """The killed process is the container's init, which is known even where its cgroup is gone at once."""
    alert = record["alerts"].get("oom_kill")
    victims = alert.get("evidence", {}).get("victims", []) if alert else []
    if [(one["pid"], one["init"]) for one in victims] == [(record["init"], True)]:
        return []
    return [f"victims {victims}, init is {record['init']}; {record.get('sources')}"]


def high(record: dict[str, Any]) -> list[str]:
    """The threshold is the one that was set, the usage is above it, and the kernel told of it."""
    kind = EXCEEDED[record["version"]]
    found, alert = _told(record, kind, 64 * M)
    if alert and alert["threshold_bytes"] != 16 * M:
        found.append(f"{kind}: threshold_bytes is {alert['threshold_bytes']}")
    if alert and record["version"] == "v1" and alert["usage_bytes"] < 16 * M:
        found.append(f"{kind}: usage_bytes is {alert['usage_bytes']}")
    return found


def stuck(record: dict[str, Any]) -> list[str]:
    """Out of memory without a kill, and why."""
    found, alert = _told(record, "oom_stuck", LIMIT)
    disabled = alert.get("evidence", {}).get("oom_kill_disable", 0)
    if alert and disabled != (1 if record["version"] == "v1" else 0):
        found.append(f"oom_kill_disable is {disabled}")
    return found


def drift(record: dict[str, Any]) -> list[str]:
    """What was asked and what the kernel has."""
    found, alert = _told(record, "limit_drift", 128 * M)
    evidence = alert.get("evidence", {})
    if alert and (evidence.get("limit"), evidence.get("asked"), evidence.get("kernel")) != (
        "memory.limit",
        64 * M,
        128 * M,
    ):
        found.append(f"limit_drift: {evidence}")
    return found


def restart(record: dict[str, Any]) -> list[str]:
    """A kill between two watchers is told once, by the second."""
    counts = [record["before"], *(sum(one["evidence"]["count"] for one in told) for told in record["told"])]
    return [] if counts == [0, 1, 0] else [f"kills told by three watchers: {counts}; {record}"]


def forged(record: dict[str, Any]) -> list[str]:
    """A file of another file system is named, and nothing that it says is a figure."""
    sample = record["sample"]
    if not sample or "memory.stat" not in sample["problems"]:
        return [f"the forged {record['directory']}/memory.stat was not noticed"]
    if sample["memory"]["anonymous"] is not None or sample["memory"]["usage"] is None:
        return [f"figures: {sample['memory']}"]
    why = sample["memory"]["absent"]["anonymous"]
    return [] if record["directory"] in why and "another device" in why else [f"the reason is {why!r}"]


def leaks(record: dict[str, Any]) -> list[str]:
    """The kind that leaks, and no other. A cache is none; one that reads from no device has none to read."""
    found = []
    for runs, (verdict, leaking) in LEAKS.items():
        one = record["found"].get(runs)
        if one is None and runs != "cache":
            found.append(f"{runs}: not in the recording: {sorted(record['found'])}")
        elif one and "kernel" in leaking and "kernel" not in one["kinds"]:
            continue  # this kernel counts no kernel memory
        elif one and (one["verdict"], one["leaking"]) != (verdict, leaking):
            found.append(f"{runs}: {one['verdict']}, leaking {one['leaking']}: {one['kinds']}")
    return found


JUDGES = {
    "numbers": numbers,
    "worker": worker,
    "init": init,
    "high": high,
    "stuck": stuck,
    "drift": drift,
    "restart": restart,
    "forged": forged,
    "leaks": leaks,
}
