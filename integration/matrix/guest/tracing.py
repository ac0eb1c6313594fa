"""`trace`: the kernel's histograms of allocations, beside a process that allocates a known amount, and after a SIGKILL.

No container is needed: what is shown of one is looked up by shim/watch/threads.py. Judged on the host by measured.py.
"""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import sys
import time

from integration.matrix.guest.container import Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

TRACEFS = "/sys/kernel/tracing"
PAGES = 4096  # that the process touches, one after the other
ENVIRONMENT = {"CGSHIM_STATE": "/run/matrix-trace"}
ALLOCATE = f"""
import mmap, os
memory = mmap.mmap(-1, {PAGES} * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE) if hasattr(memory, "madvise") else None
for page in range({PAGES}):
    memory[page * 4096] = 1
print(os.getpid())
"""
LEFT = """
import os, sys, time
from shim.watch.trace import Trace
trace = Trace(os.environ)
print(trace.instance, flush=True)
time.sleep(600)
"""


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """Without tracefs, with it (Debian 11's kernel has no histograms), and what a killed watcher leaves."""
    common = {"runtime": way.runtime, "through": way.through}
    if not os.path.isdir(f"{TRACEFS}/events"):
        yield {"asked": "closed", **common, "text": _refusal()}
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
    if not os.path.exists(f"{TRACEFS}/events/kmem/kmalloc/hist"):
        yield {"asked": "missing", **common, "text": _refusal(), **_leftovers()}
        return
    yield {"asked": "counted", **common, **_counted()}
    yield {"asked": "killed", **common, **_killed()}


def _refusal() -> str:
    from shim.errors import ShimError
    from shim.watch.trace import Trace

    try:
        Trace(ENVIRONMENT).close()
    except ShimError as error:
        return error.text()
    return ""


def _counted() -> dict[str, Any]:
    """What the histogram has of the process, by its id."""
    from shim.watch.histogram import GONE, Thread, shares
    from shim.watch.trace import Trace

    trace = Trace(ENVIRONMENT)
    try:
        done = subprocess.run([sys.executable, "-c", ALLOCATE], check=True, capture_output=True, text=True)
        pid = int(done.stdout)
        found = trace.read()
        events = trace.events
    finally:
        trace.close()
    whose = {pid: Thread(name="python3", pid=pid, container="")}
    mine = next(
        one for one in shares(found, {**dict.fromkeys({key[1] for key in found.counts}, GONE), **whose}) if one.pid
    )
    return {
        "events": events,
        "pages": mine.classes.get(("pages", 4096), (0, 0))[0],
        "objects": sum(count for (group, _), (count, _) in mine.classes.items() if group == "objects"),
        "small": mine.small,
        "dropped": found.dropped,
        **_leftovers(),
    }


def _killed() -> dict[str, Any]:
    """SIGKILL in the middle; then the next one begins."""
    from shim.watch.trace import sweep

    child = subprocess.Popen(
        [sys.executable, "-c", LEFT],
        env={**os.environ, **ENVIRONMENT},
        cwd="/cgshim",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    instance = child.stdout.readline().strip()
    during = sweep(ENVIRONMENT)  # it lives: it is left alone
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.2)
    before = _leftovers()
    swept = sweep(ENVIRONMENT)
    found = {"instance": instance, "during": during, "before": before["instances"], "swept": swept}
    return {**found, **_leftovers()}


def _leftovers() -> dict[str, Any]:
    """Instances of ours, triggers in the main one, notes in the state directory."""
    triggers = []
    for path in glob.glob(f"{TRACEFS}/events/kmem/*/trigger"):
        with open(path) as file:
            triggers += [line.strip() for line in file if not line.startswith("#")]
    return {
        "instances": glob.glob(f"{TRACEFS}/instances/cgshim-*"),
        "triggers": triggers,
        "notes": glob.glob(f"{ENVIRONMENT['CGSHIM_STATE']}/traces/*"),
    }
