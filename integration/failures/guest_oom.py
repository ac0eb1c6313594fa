"""Memory that really runs out, through cgshim, in a guest of its own: at a start, and in a container that runs.

`seen` runs in the guest and reads the kernel's counters beside what cgshim says; `problem` judges on the host what
that must be (Documentation/admin-guide/cgroup-v2.rst, memory.events, whose counts include the descendants;
cgroup-v1/memory.rst, memory.oom_control, which counts one cgroup).
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.bundle import find_busybox, make_bundle
from integration.containers import LAUNCHER, SEARCH_PATH, call, find_runtime
from integration.failures.provoked import CGROUP, whole_config
from shim.diagnose.oom import verdict
from shim.host.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.diagnose.diagnosis import Diagnosis

HERE = ("unified-6.1", "unified-7", "legacy-6.1")  # where a container's memory is limited by the layout's own means
MIB = 1 << 20
LIMIT = 16 * MIB
# More than what cgshim knows to be never enough, and refuses; less than what a start takes.
TINY = {"runc": 2 * MIB, "crun": 96 << 10}
# The shell stays, and so does the cgroup: its child takes 64 MiB, by touching them in user mode, for only there a
# process waits when the OOM killer is switched off (mm/memcontrol.c, mem_cgroup_oom; a read(2) just ends early).
GREEDY = "busybox awk 'BEGIN { s = \"x\"; while (length(s) < 67108864) s = s s }'; sleep 60"
FILES = ("memory.events", "memory.oom_control", "memory.failcnt", "memory.memsw.failcnt")
# crun itself fits into what it is given: what is killed is the container's process, after `create` and in `run`.
OPERATIONS = {"runc": ("create", "run"), "crun": ("run",)}
SECONDS = 60
CODE = re.compile(r"\[([a-z0-9-]+)\]$")


def seen() -> Iterator[dict[str, Any]]:
    """In the guest: one record for each start that is killed, and for each container that is."""
    unified = (CGROUP / "cgroup.controllers").exists()
    if unified:
        (CGROUP / "cgroup.subtree_control").write_text("+memory")
    for runtime in ("runc", "crun"):
        for operation in OPERATIONS[runtime]:
            yield {"asked": operation, "unified": unified, "runtime": runtime, **_killed_start(runtime, operation)}
        for stuck in (False,) if unified else (False, True):
            asked = "stuck" if stuck else "greedy"
            yield {"asked": asked, "unified": unified, "runtime": runtime, **_killed_later(runtime, stuck)}


def _prepared(runtime: str, args: list[str], **memory: Any) -> tuple[Path, Path, list[str], dict[str, str]]:
    """The bundle's directory, the cgroup above the container's, and cgshim's command line and environment."""
    top = Path(tempfile.mkdtemp(prefix="cgshim-oom-"))
    above = CGROUP / ("" if (CGROUP / "cgroup.controllers").exists() else "memory") / top.name
    above.mkdir()
    bundle = make_bundle(top / "bundle", find_busybox())
    config = whole_config(str(bundle.path / "rootfs"), f"/{top.name}/c")
    config["process"]["args"] = args
    config["linux"]["resources"] = {"memory": memory}
    bundle.write(config)
    environment = {"PATH": SEARCH_PATH, "CGSHIM_RUNTIME": find_runtime(runtime), "CGSHIM_CONFIG": str(top / "none")}
    log = ("--log", str(top / "log"), "--log-format", "json")
    return bundle.path, above, ["/bin/sh", str(LAUNCHER), "--root", str(top / "state"), *log], environment


def _killed_start(runtime: str, operation: str) -> dict[str, Any]:
    limit = TINY[runtime]
    bundle, above, shim, environment = _prepared(runtime, ["/bin/true"], limit=limit, swap=limit)
    done = call([*shim, operation, above.name], cwd=str(bundle), env=environment)
    log = bundle.parent / "log"
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    said = records[-1]["msg"] if records else ""
    told = verdict(View(), str(above))
    return {
        "status": done.status,
        "text": said or done.err,
        "above": str(above),
        "counters": _counters(above),
        **_told(told),
    }


def _told(found: Diagnosis | None) -> dict[str, Any]:
    return {"code": found.code, "verdict": found.verdict, "evidence": found.evidence} if found else {}


def _killed_later(runtime: str, stuck: bool) -> dict[str, Any]:
    more = {"disableOOMKiller": True} if stuck else {}
    bundle, above, shim, environment = _prepared(runtime, ["/bin/sh", "-c", GREEDY], limit=LIMIT, swap=LIMIT, **more)
    with (bundle.parent / "output").open("w") as file:
        started = subprocess.run(
            [*shim, "run", "--detach", above.name],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=bundle,
            env=environment,
        )
    directory, told = above / "c", None
    for _ in range(SECONDS * 5 if started.returncode == 0 else 0):
        told = verdict(View(), str(directory))
        if told is not None:
            break
        time.sleep(0.2)
    counters = _counters(directory)
    if stuck:
        (directory / "memory.oom_control").write_text("0")
    call([*shim, "delete", "--force", above.name], env=environment)
    output = (bundle.parent / "output").read_text()
    return {"status": started.returncode, "text": output, "place": str(directory), "counters": counters, **_told(told)}


def _counters(directory: Path) -> dict[str, str]:
    """What the kernel shows, each file on one line."""
    shown = {}
    for name in FILES:
        if (directory / name).exists():
            shown[name] = " ".join((directory / name).read_text().split())
    return shown


def problem(one: dict[str, Any]) -> str:
    """What is wrong with a record, "" if nothing is."""
    judge = _start_problem if one["asked"] in ("create", "run") else _later_problem
    said = judge(one)
    return f"oom-{one['asked']}-{one['runtime']}: {said}: {one}" if said else ""


def _start_problem(one: dict[str, Any]) -> str:
    """crun's container is killed by itself, silently. runc's start is explained by the limit; v1 refuses it at once
    (EBUSY), and has no counts of what is gone. cgroup2's parent still has them: the kernel's own, and shown.
    """
    lines = one["text"].splitlines() or [""]
    code = CODE.search(lines[0])
    if one["runtime"] == "crun":
        right = (one["status"], one["text"]) == (137, "")
    else:
        wanted = "memory-limit-kills-runtime" if one["unified"] else "memsw-below-usage"
        limit = f"  evidence: memory limit in config.json: {TINY['runc']} bytes; runc itself needs up to "
        right = one["status"] == 1 and code is not None and code[1] == wanted and limit in one["text"]
    if not right or not one["unified"]:
        return "" if right else "another status, code or limit"
    events = one["counters"]["memory.events"]
    shown = f"{one['above']}/memory.events: {events}"
    if keyed(events)["oom_kill"] == "0" or one.get("evidence") != [shown]:
        return "the counts are not the kernel's"
    if one["runtime"] == "runc" and f"  evidence: {shown}" not in lines:
        return "the counts are not shown"
    return "" if one["code"] == "container-oom-killed" else "another verdict"


def _later_problem(one: dict[str, Any]) -> str:
    """One kill, or none and a standstill: the code, and the very counters that the kernel shows."""
    stuck = one["asked"] == "stuck"
    name = "memory.events" if one["unified"] else "memory.oom_control"
    shown = one["counters"].get(name, "")
    counts = keyed(shown)
    if one["status"] or one.get("code") != ("memory-oom-deadlock" if stuck else "container-oom-killed"):
        return "another code"
    if f"{one['place']}/{name}: {shown}" not in one["evidence"]:
        return "the evidence is not what the kernel shows"
    right = counts["oom_kill"] == ("0" if stuck else "1") and counts.get("under_oom", "0") == str(int(stuck))
    if one["unified"]:
        right = right and int(counts["oom"]) >= 1 and int(counts["max"]) >= 1
    else:
        right = right and max(int(one["counters"][name]) for name in FILES[2:]) >= 1
    if not stuck and one["verdict"] != "the kernel killed 1 process(es) of the container for lack of memory":
        return "another count"
    return "" if right else "other counters"


def keyed(line: str) -> dict[str, str]:
    """The pairs of `a 1 b 2`."""
    words = line.split()
    return dict(zip(words[::2], words[1::2]))
