"""`cgshimctl watch` beside real containers: the table, JSON and metrics show what the kernel's own files say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import program_problem, require
from integration.containers import SEARCH_PATH, call
from integration.terminal import Terminal
from shim.host.cgroup_files import flat_keyed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
LIMIT = 64 * MIB
HELD = 20 * MIB
PATIENCE = 60  # seconds until a number that does not come is a failure
ENVIRONMENT = {"PATH": SEARCH_PATH, "PYTHONPATH": str(ROOT), "TERM": "xterm"}


def _watch(runtime: Runtime, container: str, *options: str) -> list[str]:
    return [*(sys.executable, "-m", "shim.cli.main", "watch", container, "--root", str(runtime.root)), *options]


def _working_set(values: CgroupValues) -> int:
    """By hand, from the files that cgroup-v1/memory.rst and cgroup-v2.rst name."""
    usage, stat = values.read("memory.current"), flat_keyed(values.read("memory.stat") or "")
    if usage is None:
        usage = values.read("memory.usage_in_bytes")
        return int(usage or "0") - stat["total_inactive_file"]
    return int(usage) - stat["inactive_file"]


def _meanwhile(values: CgroupValues, argv: list[str]) -> tuple[str, int]:
    """What a program prints, and the working set, which was the same before and after it."""
    for _ in range(20):
        before = _working_set(values)
        found = call(argv, env=ENVIRONMENT, cwd=str(ROOT))
        assert found.status == 0, str(found)
        if before == _working_set(values):
            return found.out, before
    pytest.fail("the working set of a container that does nothing never stood still")


def _kills(values: CgroupValues) -> int:
    text = values.read("memory.events") or values.read("memory.oom_control") or ""
    return int(flat_keyed(text)["oom_kill"])


@pytest.fixture
def holding(runtime: Runtime, bundle: Bundle, container: str, cgroup_values: type[CgroupValues]) -> CgroupValues:
    """The cgroups of a container that holds 20 MiB of shared memory and does nothing."""
    work = f"head -c {HELD} /dev/zero >/dev/held; echo done >/dev/ready; sleep 300; true"
    bundle.configure(args=["/bin/sh", "-c", work], resources={"memory": {"limit": LIMIT}})
    values = cgroup_values(runtime.create(bundle, container))
    runtime.must("start", container)
    deadline = time.monotonic() + PATIENCE
    while _working_set(values) < HELD and time.monotonic() < deadline:
        time.sleep(0.05)
    return values


def test_json_has_the_kernels_numbers(holding: CgroupValues, runtime: Runtime, container: str) -> None:
    """Working set and limit of the sample are those of the files, read before and after."""
    out, kernel = _meanwhile(holding, _watch(runtime, container, "--once", "--json"))
    shown = [json.loads(line) for line in out.splitlines()]
    (sample,) = [one for one in shown if one["type"] == "sample"]
    assert sample["memory"]["working_set"] == kernel
    assert (sample["id"], sample["limit"]) == (container, LIMIT)
    assert HELD <= sample["memory"]["shmem"] < HELD + MIB


def test_table_has_the_kernels_numbers(holding: CgroupValues, runtime: Runtime, container: str) -> None:
    """The row of the container, in mebibytes."""
    out, kernel = _meanwhile(holding, _watch(runtime, container, "--once"))
    _, titles, row, *_ = out.splitlines()
    shown = dict(zip(titles.split(), row.split()))
    assert shown["WORKING"] == f"{round(kernel / MIB)}M"
    assert (shown["LIMIT"], shown["OOM"]) == ("64M", "0")


def test_terminal_is_redrawn_and_given_back(holding: CgroupValues, runtime: Runtime, container: str) -> None:
    """On the alternate screen; after Ctrl-C the ordinary one has the last table, and the status is 0."""
    terminal = Terminal(_watch(runtime, container, "--interval", "0.2"), ENVIRONMENT)
    terminal.wait_for("\x1b[?1049h")
    terminal.wait_for("64M")
    terminal.wait_for("0.0%")  # of the second look: pressure, or throttling
    terminal.type("\x03")
    assert terminal.end() == 0
    _, _, after = terminal.seen.rpartition("\x1b[?1049l")
    assert "64M" in after


@pytest.fixture
def metrics(runtime: Runtime, container: str) -> Iterator[Iterator[str]]:
    """Scrapes of a watcher of the container, one after the other."""
    argv = _watch(runtime, container, "--interval", "0.5", "--prometheus", "127.0.0.1:0")
    environment = {**os.environ, **ENVIRONMENT}
    watching = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True)
    assert watching.stderr is not None
    line = watching.stderr.readline()
    assert line.startswith("metrics: http://127.0.0.1:"), line

    def scrapes() -> Iterator[str]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with urllib.request.urlopen(line.split()[1], timeout=PATIENCE) as answer:
                yield answer.read().decode()
            time.sleep(0.1)

    try:
        yield scrapes()
    finally:
        watching.terminate()
        assert watching.wait(timeout=PATIENCE) == 0
        assert watching.stderr.read() == ""
        watching.stderr.close()


def _alert(watching: subprocess.Popen[str], kind: str) -> dict[str, str] | None:
    """The first alert of this kind, None after a minute without one. The watcher ends then: by one signal, because a
    second one ends it at once.
    """
    assert watching.stdout is not None
    silence = threading.Timer(PATIENCE, watching.terminate)
    silence.start()
    lines = map(json.loads, watching.stdout)
    found = next((line for line in lines if line.get("alert_type") == kind), None)
    silence.cancel()
    silence.join()
    if found is not None:
        watching.terminate()
    watching.stdout.read()
    return found


UNIT = ROOT / "examples" / "systemd" / "cgshim-watch.service"


def test_capabilities_of_the_unit_are_enough(
    doomed: CgroupValues, runtime: Runtime, container: str, tmp_path: Path
) -> None:
    """As root with nothing but the unit's capability bounding set: the kill is an alert, and its state is kept."""
    require("setpriv", program_problem("setpriv"))
    (named,) = re.findall(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), flags=re.MULTILINE)
    bound = ",".join(["-all", *(f"+{name.lower()[len('CAP_') :]}" for name in named.split())])
    confined = ["setpriv", f"--bounding-set={bound}", "--inh-caps=-all", "--no-new-privs"]
    options = ("--interval", "0.5", "--json", "--state", str(tmp_path / "state"))
    argv = [*confined, *_watch(runtime, container, *options)]
    with subprocess.Popen(argv, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            assert any('"type": "sample"' in line for line in watching.stdout)  # it knows the counters before the kill
            runtime.must("start", container)
            found = _alert(watching, "oom_kill")
            assert watching.wait(timeout=PATIENCE) == 0
        finally:
            watching.kill()  # one that has ended gets no signal
    assert found is not None
    assert found["container_full_id"] == container
    assert (tmp_path / "state" / "watcher.json").exists()


def _value(scrape: str, name: str) -> float | None:
    found = re.search(rf"^cgshim_container_{name}\{{.*\}} (\S+)$", scrape, flags=re.MULTILINE)
    return float(found.group(1)) if found else None


@pytest.fixture
def doomed(runtime: Runtime, bundle: Bundle, container: str, cgroup_values: type[CgroupValues]) -> CgroupValues:
    """The cgroups of a container, not started yet, whose init wants 100 MiB and may have 16."""
    limits = {"limit": 16 * MIB, "swap": 16 * MIB}
    work = ["/bin/busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]
    bundle.configure(args=work, resources={"memory": limits})
    return cgroup_values(runtime.create(bundle, container))


def test_kill_of_a_whole_container_is_seen(
    doomed: CgroupValues, metrics: Iterator[str], runtime: Runtime, container: str
) -> None:
    """Init is killed, the container deleted: its counter is still there, with the number that the kernel had."""
    assert any(_value(scrape, "running") == 1 for scrape in metrics)
    runtime.must("start", container)
    deadline = time.monotonic() + PATIENCE
    while _kills(doomed) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    kills = _kills(doomed)
    runtime.must("delete", "--force", container)
    assert kills == 1
    last = next((scrape for scrape in metrics if _value(scrape, "running") == 0), "")
    assert _value(last, "oom_kills_total") == kills
    assert _value(last, "memory_usage_bytes") is None
