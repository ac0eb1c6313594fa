"""Fixtures of the tests that run real containers.

`bundle`: a fresh bundle. `runtime`: a bare runtime, once for each that works here. `shim`: the launcher in front of
it. `container`: an id of its own. `cgroup_values(pid)`: limits as the kernel has them. `delay_accounting`: it is on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import Bundle, find_busybox, make_bundle
from integration.capabilities import busybox_problem, require, root_problem, runtime_problem
from integration.containers import Runtime, Shim, find_runtime
from integration.kernel import CgroupValues, host_facts
from tests.extent import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
RUNTIMES = ("runc", "crun")
DELAY_ACCOUNTING = Path("/proc/sys/kernel/task_delayacct")
JOURNAL = pytest.StashKey[list[str]]()


def pytest_configure() -> None:
    """A shell that starts the tests in the background makes them, and all that they start, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in this directory is an integration test. Of a sample, none is long."""
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.integration)
    left_out = {item for item in mine if SAMPLE and item.get_closest_marker("long")}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test prints the host, every command it ran, and the config.json of its bundle."""
    outcome: Any = yield
    report = outcome.get_result()
    if not report.failed or HERE not in item.path.parents:
        return
    report.sections.append(("host", host_facts()))
    calls: list[str] = item.stash.get(JOURNAL, [])
    report.sections.append(("commands", "\n\n".join(calls)))
    bundle = getattr(item, "funcargs", {}).get("bundle")
    if isinstance(bundle, Bundle):
        report.sections.append(("config.json", bundle.config_path.read_text(errors="replace")))


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """What installation makes, made by the launcher's interpreter: a call writes no code, and is slower without it."""
    subprocess.run(
        ["/usr/bin/python3", "-B", "-m", "shim.start.archive_file"], cwd=HERE.parent, check=False, capture_output=True
    )


@pytest.fixture
def journal(request: pytest.FixtureRequest) -> list[str]:
    """The commands of this test, printed if it fails."""
    calls: list[str] = []
    request.node.stash[JOURNAL] = calls
    return calls


@pytest.fixture(scope="session")
def runtime_problems(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Why a runtime does not work on this host, "" if it does; each is asked once a session."""
    known: dict[str, str] = {}

    def ask(name: str) -> str:
        if name not in known:
            known[name] = runtime_problem(name, tmp_path_factory.mktemp(f"probe-{name}"))
        return known[name]

    return ask


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of its own: busybox, the base configuration, a long sleep as its process."""
    require("busybox", busybox_problem())
    return make_bundle(tmp_path / "bundle", find_busybox())


@pytest.fixture
def container() -> str:
    """A container id that nobody else on this host has."""
    return f"cgshim-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=RUNTIMES)
def runtime(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    journal: list[str],
    runtime_problems: Callable[[str], str],
) -> Iterator[Runtime]:
    """A bare runtime with a private root; its containers are deleted afterwards, whatever the test did."""
    name: str = request.param
    require("root", root_problem())
    require("busybox", busybox_problem())
    require(name, runtime_problems(name))
    found = Runtime(name, find_runtime(name), tmp_path / "root", journal)
    yield found
    found.cleanup()


@pytest.fixture
def shim(runtime: Runtime, tmp_path: Path) -> Shim:
    """The launcher in front of `runtime`, with an empty settings file."""
    front = Shim(runtime, tmp_path / "settings.json")
    front.settings()
    return front


@pytest.fixture
def cgroup_values() -> Callable[[int], CgroupValues]:
    """`cgroup_values(pid).read("memory.limit_in_bytes")`: the kernel's own answer."""
    return CgroupValues


@pytest.fixture
def delay_accounting() -> Iterator[None]:
    """Delay accounting on, for processes that start from now on; afterwards as it was."""
    require("root", root_problem())
    require("delay accounting", "" if DELAY_ACCOUNTING.exists() else f"{DELAY_ACCOUNTING} does not exist")
    before = DELAY_ACCOUNTING.read_text()
    DELAY_ACCOUNTING.write_text("1")
    yield
    DELAY_ACCOUNTING.write_text(before)
