"""What the measured records must say (guest/measuring.py), by what the guest has.

Kernel: Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.swap.max, memory.events) and
cgroup-v1/memory.rst (memory.memsw.limit_in_bytes, memory.swappiness).
"""

from __future__ import annotations

from typing import Any

from integration.matrix import watched

M = 1 << 20
SWAPPED = 20 * M  # a process 32 MiB above its limit has at least that in swap; the kernel keeps a little room
# mm/memcontrol.c: a processor charges MEMCG_CHARGE_BATCH (64) pages in advance, so at a kill the counter may be that
# far below the limit for each one. Guests have two processors at most, and pages of 4 KiB.
CHARGED_AHEAD = 2 * 64 * 4096
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
            what = _faults(record, accounted, truth["swaps"])
            name = f"{record['set']} {record['asked']}, {record['runtime']} {record['through']}"
            found += [f"{name}: {fault}" for fault in what]
    return found


def _faults(record: dict[str, Any], accounted: bool, swaps: bool) -> list[str]:
    judges = {
        "bridge-use": bridged, "account": account, "delays": delayed, "checkpoint": restored, "audit": audited,
        "trace": traced, "watch": watched.faults,
    }  # fmt: skip
    if record["set"] == "swap-use":
        return swap(record, accounted, swaps)
    return judges[record["set"]](record)


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


def account(record: dict[str, Any]) -> list[str]:
    """Faults of one record of account: a refusal that the user can read, and an account of a kill that is whole.

    Documentation/admin-guide/cgroup-v2.rst: memory.events counts what happened in the cgroup and below it.
    """
    if record["asked"] == "refusal":
        said = record["text"]
        whole = "cgshim: the kernel does not show memory.limit, so the container was not started [limit-not-applied]"
        shown = f"{record['path']}/memory.max: 'max'; memory.limit asked for '{16 * M}'"
        return [] if record["status"] and whole in said and shown in said else [f"status {record['status']}: {said}"]
    told = record["account"]
    if record["status"] or not told:
        return [f"status {record['status']}: {record['text']} {record.get('missing', '')}".rstrip()]
    figures = {one["name"]: one["value"] for one in told["figures"]}
    wanted = {"oom_kills": 1, "limit": 16 * M, "events.oom_kill": 1}
    faults = [
        f"{key} is {figures.get(key)!r}, not {value}" for key, value in wanted.items() if figures.get(key) != value
    ]
    if not 16 * M - CHARGED_AHEAD <= figures.get("peak", 0) <= 16 * M:
        faults.append(f"peak is {figures.get('peak')!r}, not {16 * M} or up to {CHARGED_AHEAD} less")
    if figures.get("events.max", 0) < 1:
        faults.append(f"events.max is {figures.get('events.max')!r}")
    killed = [(one["name"], one["cgroup"]) for one in told["killed"]]
    if killed != [("busybox", record["path"])]:
        faults.append(f"killed: {killed}")
    return faults


def delayed(record: dict[str, Any]) -> list[str]:
    """Faults of one record of delays: without PSI what taskstats has, called by its name, or nothing and the reason."""
    told, running = record.get("account"), record.get("running")
    if record["status"] or not told or not running:
        return [f"status {record['status']}: {record['text']} {record.get('missing', '')}".rstrip()]
    figures = {one["name"]: one for one in told["figures"] if one["name"].startswith(("delay.", "pressure."))}
    absent = {one["name"]: one["reason"] for one in told["absent"]}
    if record["asked"].endswith(" 1"):
        lost = [figures.get(f"delay.{name}", {"value": 0, "source": ""}) for name in ("swapin", "reclaim")]
        right = all(one["value"] > 0 and one["source"].startswith("taskstats: ") for one in lost)
        right = right and "pressure" not in absent
        live = running["source"] == "taskstats" and running["totals"].get("swapin", 0) > 0
    else:
        reason = absent.get("pressure", "")
        right = not figures and _no_psi(reason) and "kernel.task_delayacct=1" in reason
        live = not running["source"] and _no_psi(running["reason"]) and "kernel.task_delayacct=1" in running["reason"]
    faults = [] if right else [f"after the end: {figures} {absent}"]
    return faults if live else [*faults, f"running: {running}"]


TOUCHED = 4096  # pages, by the process of the set trace (guest/tracing.py)
MORE = 4096  # pages that an interpreter takes for itself, at most


def traced(record: dict[str, Any]) -> list[str]:
    """Faults of one record of trace: known pages are counted for their process, and nothing is left behind.

    Documentation/trace/histogram.rst; an anonymous page that is touched is one mm_page_alloc of order 0.
    """
    if record["asked"] == "closed":
        right = "it is not mounted" in record["text"] and "mount -t tracefs" in record["text"]
        return [] if right else [f"without tracefs: {record['text']!r}"]
    faults = [f"left behind: {record[key]}" for key in ("instances", "triggers", "notes") if record[key]]
    if record["asked"] == "missing":
        return faults if "CONFIG_HIST_TRIGGERS" in record["text"] else [*faults, f"no histograms: {record['text']!r}"]
    if record["asked"] == "killed":
        if record["during"] or record["before"] != [record["instance"]] or record["swept"] != record["before"]:
            faults.append(f"after SIGKILL: {record}")
        return faults
    if not TOUCHED <= record["pages"] <= TOUCHED + MORE:
        faults.append(f"{record['pages']} pages of a process that touches {TOUCHED}")
    if record["objects"] < 100 or not 0.99 < record["small"] <= 1 or record["dropped"]:
        faults.append(f"objects: {record}")
    return faults


def restored(record: dict[str, Any]) -> list[str]:
    """Faults of one record of checkpoint: nothing of what confines the container differs after criu brought it back.

    man 2 seccomp and proc(5): "Seccomp" 2 is a filter, of eight bytes an instruction.
    """
    if record["statuses"] != [0, 0, 0]:
        return [f"statuses {record['statuses']}: {record['text']}"]
    before, after = record["before"], record["after"]
    after["status"]["NoNewPrivs"] = before["status"]["NoNewPrivs"]  # criu 3.17 does not save it
    faults = [f"{key}: {before[key]!r} before, {after[key]!r} after" for key in before if before[key] != after[key]]
    wanted = {"Uid": "1000 1000 1000 1000", "NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16, "CapBnd": "0" * 16}
    faults += [f"{key} is {before['status'][key]!r}" for key, value in wanted.items() if before["status"][key] != value]
    if not record["gone"] or len(before["filter"]) < 2 * 8 * 4 or not before["denied"].endswith("Remote I/O error"):
        faults.append(f"not what was asked for: {record}")
    limits = {"memory.max": str(64 * M), "pids.max": "64"}
    return faults if before["limits"] == limits else [*faults, f"limits: {before['limits']}"]


def audited(record: dict[str, Any]) -> list[str]:
    """Faults of one record of audit: every number is the file's, and it is called enforced exactly if it was asked.

    Shares to weight: 512 is 20 by the runtimes' older formula, 59 by the newer one (opencontainers/cgroups, utils.go).
    """
    if record["asked"] == "nothing":
        return [f"no container at all: {record['text']}"]
    if record["found"] != 1:
        return [f"found {record['found']} times"]
    levels, resources, faults = (record["files"], record["scope"]), record["resources"], []
    wanted = {"pids.limit": (50, _tightest([_number(files, "pids.max") for files in levels]))}
    if "memory" in resources:
        sizes = [_number(files, "memory.max", "memory.limit_in_bytes") for files in levels]
        wanted["memory.limit"] = (64 * M, _tightest(sizes))
    if "cpu" in resources:
        wanted["cpu.quota"] = (500_000, _tightest([_quota(files) for files in levels]))
    for limit, (asked, shown) in wanted.items():
        verdict, kernel = record["rows"].get(limit, ["", None])
        if kernel != shown:
            faults.append(f"{limit}: {kernel}, the file says {shown}")
        # Of a part of the tree nobody can tell whether a cgroup above holds what this one lets go.
        lost = "unknown" if record["outside"] else "changed since"
        if verdict != ("enforced" if shown == asked else lost):
            faults.append(f"{limit}: {verdict} with {shown}, asked {asked}")
    if record["asked"] == "changed" and record["files"].get("pids.max") != "max":
        faults.append(f"pids.max is {record['files'].get('pids.max')}")
    weight = record["rows"].get("cpu.weight", ["", ""])
    if "cpu" in resources and (weight[0] != "enforced" or weight[1] not in ("512", "20", "59")):
        faults.append(f"cpu.weight: {weight}")
    return faults


def _number(files: dict[str, str], *names: str) -> int | None:
    """The first of these files as a number, -1 for no limit."""
    text = next((files[name] for name in names if name in files), None)
    return None if text is None else -1 if text in ("max", "-1") else int(text)


def _tightest(values: list[int | None]) -> int | None:
    """Of a cgroup and the one above it that is the container's, too: what binds; -1 is no limit."""
    numbers = [value for value in values if value is not None]
    limits = [value for value in numbers if value != -1]
    return min(limits) if limits else -1 if numbers else None


def _quota(files: dict[str, str]) -> int | None:
    """Microseconds a second."""
    quota, period = files.get("cpu.cfs_quota_us", ""), files.get("cpu.cfs_period_us", "")
    if "cpu.max" in files:
        quota, period = files["cpu.max"].split()
    if not period:
        return None
    return -1 if quota in ("max", "-1") else int(quota) * 10**6 // int(period)


def _no_psi(reason: str) -> bool:
    return reason.startswith("no PSI: ") and "/memory.pressure: ENOENT; " in reason
