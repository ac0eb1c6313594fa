"""Memory pressure of a container that runs short: what the kernel of this host tells, over files and over netlink."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import SEARCH_PATH, call
from integration.failures.provoked import readable_sources
from integration.matrix.guest.watcher import Watching
from shim.host.view import View
from shim.observe import pressure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

ROOT = Path(__file__).resolve().parent.parent
SWITCH = Path(pressure.SWITCH)
MIB = 1 << 20
PYTHON = "/usr/bin/python3"
PATIENCE = 60  # seconds until a number that does not come is a failure


@pytest.fixture
def thrashing(runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None) -> int:
    """The init of a container that reads a file over and over which is larger than its memory."""
    _make_large(bundle)
    loop = "while :; do cat /large > /dev/null; done"
    bundle.configure(args=["/bin/sh", "-c", loop], resources={"memory": {"limit": 16 * MIB}})
    pid = runtime.create(bundle, container)
    runtime.must("start", container)
    return pid


def _make_large(bundle: Bundle) -> None:
    """A file that is larger than the container's memory."""
    with open(bundle.path / "rootfs" / "large", "wb") as large:
        large.write(os.urandom(MIB) * 48)
        large.flush()
        os.fsync(large.fileno())
        # What stays in the page cache is charged to this process; the container has to read, and pay, itself.
        os.posix_fadvise(large.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_taskstats_tells_of_reclaim(thrashing: int, cgroup_values: type[CgroupValues]) -> None:
    """Without PSI (none is offered here) the kernel's own netlink answer: time was lost to reclaim, labelled so."""
    procs = cgroup_values(thrashing).directory("memory") / "cgroup.procs"
    deadline = time.monotonic() + PATIENCE
    while True:
        pids = [int(word) for word in procs.read_text().split()]
        found = pressure.of_cgroup(View(), "", pids)
        if found.totals.get("reclaim", 0) > 0 or time.monotonic() > deadline:
            break
    assert found.source == "taskstats"
    assert set(found.totals) >= {"swapin", "reclaim", "thrashing"}
    assert found.totals["reclaim"] > 0
    assert found.reason.startswith("no PSI: no cgroup2 directory; the delays of processes that have ended")


def test_report_shows_the_pressure_of_a_running_container(thrashing: int, runtime: Runtime, container: str) -> None:
    """`cgshimctl report ID`: from one of the two sources, or absent with a reason; never a bare zero."""
    argv = [sys.executable, "-m", "shim.cli.main", "report", container, "--json", "--root", str(runtime.root)]
    shown = call([*argv, "--runtime", runtime.path], env={"PATH": SEARCH_PATH}, cwd=str(ROOT))
    assert shown.status == 0, str(shown)
    found = json.loads(shown.out)["running"]["pressure"]
    if found["source"] == "psi":
        assert (set(found["totals"]), found["unit"]) == ({"some", "full"}, "microseconds")
        assert Path(found["evidence"]).name == "memory.pressure"
    else:
        assert found["source"] == "taskstats"
        assert found["reason"].startswith("no PSI: ")


def test_off_is_a_reason(delay_accounting: None) -> None:
    """With kernel.task_delayacct=0 the kernel would answer zeros: nothing is shown, and the switch is named."""
    SWITCH.write_text("0")
    found = pressure.of_cgroup(View(), "", [os.getpid()])
    assert (found.source, found.totals) == ("", {})
    assert f"{SWITCH} is 0" in found.reason


TASKS = 40  # short-lived processes, one after the other


@pytest.fixture
def listened(bundle: Bundle, tmp_path: Path) -> Iterator[Listened]:
    """A container that ends by itself, all of whose reading is done by processes that are gone when it does."""
    _make_large(bundle)
    found = Listened(bundle, tmp_path / "state")
    found.start()
    yield found
    found.stop()


class Listened:
    """A bundle with cgshim's poststop hook, what that leaves, and a watcher."""

    def __init__(self, bundle: Bundle, state: Path) -> None:
        self.bundle = bundle
        self.state = state
        state.mkdir(mode=0o700)
        (state / "settings.json").write_text('{"annotations": "trust"}')
        self.watching: Watching | None = None

    def start(self) -> None:
        """A watcher that the hooks find."""
        self.watching = Watching(names=("nobody",), service=str(self.state))
        self.watching.__enter__()

    def stop(self) -> None:
        """No longer."""
        if self.watching is not None:
            self.watching.__exit__()
        self.watching = None

    def configure(self, annotations: dict[str, str], command: str) -> None:
        """The container's command; its memory is a third of the file's size."""
        code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shim.stages.poststop import main; main()"
        hook = {
            "path": PYTHON,
            "args": ["cgshim-poststop", "-IS", "-c", code, str(ROOT)],
            "env": [f"CGSHIM_STATE={self.state}", f"CGSHIM_CONFIG={self.state}/settings.json"],
        }
        self.bundle.configure(
            args=["/bin/sh", "-c", command],
            resources={"memory": {"limit": 16 * MIB}},
            annotations=annotations,
            hooks={"createRuntime": [hook], "poststop": [hook]},
        )

    def note(self, container: str) -> dict[str, Any]:
        """Of a container that has not ended."""
        found: dict[str, Any] = json.loads((self.state / "notes" / f"{container}.json").read_text())
        return found

    def report(self, container: str) -> dict[str, Any]:
        """Of one that has."""
        found: dict[str, Any] = json.loads((self.state / "reports" / f"{container}.json").read_text())
        return found


ASKED = {"io.cgshim.pressure": "taskstats"}


def test_processes_that_ended_are_in_the_account(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None
) -> None:
    """A container of many short lives: after its end their lost time is known, as what it is and from where."""
    loop = f"n=0; while [ $n -lt {TASKS} ]; do /bin/true; n=$((n+1)); done"
    listened.configure(ASKED, f"cat /large /large /large > /dev/null; {loop}")
    runtime.must("run", "--bundle", str(bundle.path), container)
    account = listened.report(container)
    figures = {one["name"]: one for one in account["figures"]}
    assert {"delay.swapin", "delay.reclaim", "delay.thrashing"} <= set(figures)
    assert figures["delay.reclaim"]["value"] > 0
    for one in (figures["delay.reclaim"], figures["delay.thrashing"]):
        assert one["source"].startswith("taskstats: delay accounting of each task")
        assert one["unit"] == "microseconds lost"
        assert int(one["includes"].split()[2]) >= TASKS + 2  # the shell and cat
    assert "delay" not in {one["name"] for one in account["absent"]}


def test_a_container_without_a_watcher_says_so(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None
) -> None:
    """No figure of its own making: the account says what would have to run."""
    listened.configure(ASKED, "true")
    listened.stop()
    runtime.must("run", "--bundle", str(bundle.path), container)
    account = listened.report(container)
    assert not [one for one in account["figures"] if one["name"].startswith("delay.")]
    reasons = [one["reason"] for one in account["absent"] if "taskstats" in one["reason"]]
    assert [one.rpartition("; ")[2] for one in reasons] == ["systemctl start cgshim-watch)"]


def test_a_watcher_that_was_restarted_says_so(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None
) -> None:
    """What its predecessor had is gone, so that the sum would be too small."""
    listened.configure(ASKED, "exec /bin/sleep 300")
    runtime.create(bundle, container)
    assert listened.note(container)["delays"] == {"reason": ""}
    listened.stop()
    listened.start()
    runtime.must("delete", "--force", container)
    reasons = [one["reason"] for one in listened.report(container)["absent"] if "taskstats" in one["reason"]]
    assert [one.partition("no taskstats: ")[2] for one in reasons] == [
        "the watcher does not know the container: it was started after it"
    ]


def test_an_image_costs_no_process(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None
) -> None:
    """Where the settings do not trust annotations nobody listens; the account says why."""
    (listened.state / "settings.json").write_text("{}")
    listened.configure(ASKED, "exec /bin/sleep 300")
    runtime.create(bundle, container)
    delays = listened.note(container)["delays"]
    assert set(delays) == {"reason"}
    assert delays["reason"].startswith("annotation io.cgshim.pressure=taskstats is ignored: ")


@pytest.mark.parametrize("annotations", [{}, {"io.cgshim.pressure": "psi"}], ids=["unasked", "no"])
def test_nothing_listens_unasked(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, annotations: dict[str, str]
) -> None:
    """Every task of the host that ends is a record: nobody's default."""
    listened.configure(annotations, "exec /bin/sleep 300")
    runtime.create(bundle, container)
    delays = listened.note(container)["delays"]
    assert (set(delays), 'setting "pressure": "taskstats"' in delays["reason"]) == ({"reason"}, True)


def test_switched_off_at_the_start_is_a_reason(
    listened: Listened, runtime: Runtime, bundle: Bundle, container: str, delay_accounting: None
) -> None:
    """Asked for, but the kernel counts nothing: nobody listens, and the account names the switch."""
    SWITCH.write_text("0")
    listened.configure(ASKED, "true")
    runtime.must("run", "--bundle", str(bundle.path), container)
    (reason,) = [one["reason"] for one in listened.report(container)["absent"] if str(SWITCH) in one["reason"]]
    assert "kernel.task_delayacct=1" in reason


def test_without_the_right_to_listen() -> None:
    """Generic netlink tells an unprivileged user nothing, and that is the reason."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from shim.observe.pressure import exit_records; exit_records()"
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    require("pyroute2 for /usr/bin/python3", call([PYTHON, "-I", "-c", "import pyroute2.netlink"]).err)
    said = call([*as_nobody, PYTHON, "-I", "-c", code, str(readable_sources())])
    assert (said.status, said.err.splitlines()[-1]) == (1, "PermissionError: [Errno 1] Operation not permitted")
