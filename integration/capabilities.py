"""What a host can do, found out by doing it; the vocabulary of every skip."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.containers import Runtime, find_runtime

if TYPE_CHECKING:
    from pathlib import Path

OF_THE_HOST = ("cgroup2", "a cgroup hierarchy", "a mount namespace", "hierarchies at /sys/fs/cgroup")
# With CI=true these have to be there: a job that cannot run them proves nothing, so it fails.
PROMISED = (
    "root",
    "busybox",
    "runc",
    "strace",
    "shellcheck",
    "man",
    "newer engines",
    "prometheus",
    "build",
    *OF_THE_HOST,
)


def require(capability: str, problem: str) -> None:
    """Go on when `problem` is empty; else skip by name, or fail where CI promises the capability."""
    if not problem:
        return
    if os.environ.get("CI") == "true" and capability in PROMISED:
        pytest.fail(f"CI promises {capability}, but {problem}", pytrace=False)
    pytest.skip(f"{capability}: {problem}")


def root_problem() -> str:
    """Why this process cannot start containers as root, "" if it can."""
    return "" if os.geteuid() == 0 else f"the effective user id is {os.geteuid()}"


def busybox_problem() -> str:
    """Why there is no root tree to build, "" if there is."""
    return "" if find_busybox() else "no executable busybox in /bin or /usr/bin"


def program_problem(*names: str) -> str:
    """Which of these programs is missing, "" if none is."""
    missing = [name for name in names if shutil.which(name) is None]
    return f"{', '.join(missing)}: not installed" if missing else ""


def runtime_problem(name: str, place: Path) -> str:
    """Why a runtime cannot run the simplest container on this host, in its own words; "" if it can."""
    path = find_runtime(name)
    if not path:
        return f"{name} is not installed"
    bundle = make_bundle(place / "bundle", find_busybox())
    bundle.configure(args=["/bin/echo", "alive"])
    runtime = Runtime(name, path, place / "root", [])
    result = runtime("run", "--bundle", str(bundle.path), f"cgshim-probe-{name}-{os.getpid()}")
    runtime.cleanup()
    if result.status == 0 and result.out == "alive\n":
        return ""
    return f"{path} cannot run a container here: status {result.status}, {(result.err or result.out).strip()}"
