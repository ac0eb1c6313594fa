"""The figures of `cgshimctl audit` for a host with a thousand containers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from integration.containers import LAUNCHER
from tests.audited_many import make

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 1000
LOOKS, PROGRAMS, MEGABYTES = 45, 0, 100  # files and directories opened for a container; programs run; memory
PROGRAM = """
import collections, json, resource, sys
events = collections.Counter()
sys.addaudithook(lambda event, _: events.update((event,)))
from shim.cli import audit
from tests.audited_host import recorded_host
audit.host_of = lambda view, containers: recorded_host()
events.clear()
found = audit.of_this_host({"roots": (), "names": (), "engine": (), "after": None}, sys.argv[1])
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that counts what the process was before its exec, too, which is as large as the tests are by then.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
verdicts = found["summary"]["verdicts"]
figures = {"seconds": used.ru_utime + used.ru_stime, "megabytes": peak / 1024, "verdicts": verdicts}
figures["looks"] = sum(events[event] for event in ("open", "os.listdir", "os.scandir"))
figures["programs"] = events["subprocess.Popen"] + events["os.posix_spawn"] + events["os.exec"]
engines = sorted({one["engine"] for one in found["hosts"][0]["containers"]})
print(json.dumps({**figures, "engines": engines, "containers": found["summary"]["containers"]}))
"""


def test_thousand_containers(tmp_path: Path) -> None:
    """Every container is found, none is lost, and each is looked at a bounded number of times, in 100 MB.

    Processor time says how fast this machine is, so it is printed and not judged.
    """
    make(tmp_path, COUNT)
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=LAUNCHER.parent.parent)
    figures = json.loads(done.stdout)
    print(figures)  # with -s: for docs/audit.md
    assert figures["containers"] == COUNT
    assert figures["engines"] == ["cri", "docker", "podman"]
    assert figures["verdicts"]["enforced"] > 4 * COUNT
    assert figures["looks"] <= LOOKS * COUNT
    assert figures["programs"] == PROGRAMS
    assert figures["megabytes"] < MEGABYTES
