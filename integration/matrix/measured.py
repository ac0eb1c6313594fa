"""What the measured records must say (guest/measuring.py), by what the guest has.

Kernel: Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.swap.max, memory.events) and
cgroup-v1/memory.rst (memory.memsw.limit_in_bytes, memory.swappiness).
"""

from __future__ import annotations

from typing import Any

M = 1 << 20
SWAPPED = 20 * M  # a process 32 MiB above its limit has at least that in swap; the kernel keeps a little room
KILLED, HELD, REFUSED = "killed", "held", "refused"
ACCOUNTS = {"memory.memsw.limit_in_bytes", "memory.swap.max"}


def problems(records: list[dict[str, Any]]) -> list[str]:
    """Everything that was not enforced as asked, one line each; of a guest that is incomplete, nothing."""
    truth = next((record for record in records if record["kind"] == "truth"), None)
    if truth is None:
        return []
    accounted = bool(ACCOUNTS & set(truth["files"]))
    found = []
    for record in records:
        if record["kind"] == "measured":
            what = swap(record, accounted, truth["swaps"]) if record["set"] == "swap-use" else bridged(record)
            name = f"{record['set']} {record['asked']}, {record['runtime']} {record['through']}"
            found += [f"{name}: {fault}" for fault in what]
    return found


def expected(asked: str, accounted: bool, swaps: bool) -> str:
    """What becomes of a process that takes 32 MiB more than its limit.

    asked: swap "none", "some" (64 MiB, more than it needs), "unlimited" or "unset".
    """
    if asked == "some" and swaps and not accounted:
        return REFUSED  # a guard that nothing can enforce
    if asked == "none" or not swaps:
        return KILLED
    return HELD


def swap(record: dict[str, Any], accounted: bool, swaps: bool) -> list[str]:
    """Faults of one record of swap-use."""
    right = expected(record["asked"], accounted, swaps)
    text = record.get("text", "")
    if right == KILLED and record["outcome"] == REFUSED and "[limit-not-applied]" in text and not accounted:
        return []  # crun before 1.0 does not write swappiness 0, the nearest to no swap, and that was found out
    if record["outcome"] != right:
        return [f"{record['outcome']}, not {right} {text}".rstrip()]
    if right == REFUSED and "[swap-unaccounted]" not in text:
        return [f"another refusal: {text}"]
    if right == KILLED and record["swap"] > 0:
        return [f"{record['swap']} bytes went to swap"]
    swapped = max(record.get("swap", 0), record.get("host_swap", 0))
    if right == HELD and swapped < SWAPPED:
        return [f"only {swapped} bytes went to swap"]
    return []


def bridged(record: dict[str, Any]) -> list[str]:
    """Faults of one record of bridge-use: without cgshim runc cannot limit memory here, with it the limit is real."""
    if record["through"] == "bare":
        failed = record["outcome"] == "error" and "cannot set memory limit" in record["text"]
        return [] if failed else [f"the bare runtime does more than is known of it: {record}"]
    wanted: dict[str, Any]
    if record["asked"] == "too much":
        wanted = {"outcome": KILLED, "limit": str(48 * M), "swap_limit": "0"}
    else:
        wanted = {
            "outcome": "created",
            "created": str(64 * M),
            "updated": str(96 * M),
            "statuses": [0, 0, 0, 0],
            "left": [],
        }
    faults = [
        f"{key} is {record.get(key)!r}, not {value!r}" for key, value in wanted.items() if record.get(key) != value
    ]
    if record["asked"] == "life" and (not record.get("exec") or not record["place"].endswith(record["exec"])):
        faults.append(f"an exec'd process is in {record.get('exec')!r}, the container in {record.get('place')!r}")
    return [f"{fault} {record.get('text', '')}".rstrip() for fault in faults]
