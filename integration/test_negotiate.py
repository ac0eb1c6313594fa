"""`cgshimctl negotiate`: engines read the settings that it shows, and the answer is right for this host."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import program_problem, require, root_problem
from integration.containers import SEARCH_PATH, call
from shim.engines.cgroup_driver import answer
from shim.host.facts import Fact
from shim.host.negotiation import Negotiated

if TYPE_CHECKING:
    from shim.engines.cgroup_driver import Setting

ROOT = Path(__file__).resolve().parent.parent
DRIVERS = ("systemd", "cgroupfs")


def _setting(engine: str, driver: str, when: str = "") -> Setting:
    """What is shown for an engine on a host where systemd is, or is not, PID 1."""
    host = Negotiated(
        version="2",
        evidence="",
        systemd=Fact(value=driver == "systemd", evidence=""),
        rootless=Fact(value=False, evidence=""),
    )
    (found,) = [one for one in answer(engine, host).settings if one.when == when and "kubelet" not in one.file]
    return found


def _negotiate(*options: str) -> tuple[int, Any]:
    argv = [sys.executable, "-m", "shim.cli.main", "negotiate", "--json", *options]
    done = call(argv, env={"PATH": SEARCH_PATH}, cwd=str(ROOT))
    return done.status, json.loads(done.out)


def test_this_host() -> None:
    """By stat(2) of /sys/fs/cgroup, as the engines do it: cgroup2 there, or v1 with or without cgroup2 beside it."""
    types = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        types[point] = kind
    if types.get("/sys/fs/cgroup") == "cgroup2":
        expected = "2"
    elif types.get("/sys/fs/cgroup/unified") == "cgroup2":
        expected = "hybrid"
    else:
        expected = "1"
    status, found = _negotiate("--engine", "docker")
    assert (status, found["version"]) == (0, expected)
    booted = Path("/run/systemd/system").is_dir()
    assert found["engine"]["driver"] == ("systemd" if booted else "cgroupfs")


@pytest.mark.parametrize("driver", DRIVERS)
def test_podman_takes_its_setting(driver: str, tmp_path: Path) -> None:
    """podman info names the driver of the file."""
    require("root", root_problem())
    require("podman", program_problem("podman"))
    file = tmp_path / "containers.conf"
    file.write_text(_setting("podman", driver).text)
    # podman takes no run directory whose path is longer than 50 characters.
    with tempfile.TemporaryDirectory(prefix="cgshim-podman-") as place:
        storage = ["--root", f"{place}/storage", "--runroot", f"{place}/state", "--storage-driver", "vfs"]
        argv = ["podman", *storage, "info", "--format", "{{.Host.CgroupManager}}"]
        done = call(argv, env={"PATH": SEARCH_PATH, "CONTAINERS_CONF": str(file), "HOME": "/root"})
    assert (done.status, done.out.strip()) == (0, driver), str(done)


@pytest.mark.parametrize("driver", DRIVERS)
def test_containerd_takes_its_setting(driver: str, tmp_path: Path) -> None:
    """The dump of what containerd has read; which form of the file it knows is asked of it, too."""
    require("containerd", program_problem("containerd"))
    default = call(["containerd", "config", "default"], env={"PATH": SEARCH_PATH}).out
    when = "version = 3" if "version = 3" in default else "version = 2"
    file = tmp_path / "config.toml"
    file.write_text(f"{when}\n{_setting('containerd', driver, when).text}")
    done = call(["containerd", "--config", str(file), "config", "dump"], env={"PATH": SEARCH_PATH})
    assert done.status == 0, str(done)
    lines = [line.strip() for line in done.out.splitlines()]
    assert f"SystemdCgroup = {'true' if driver == 'systemd' else 'false'}" in lines


@pytest.mark.parametrize("driver", DRIVERS)
def test_docker_takes_its_setting(driver: str, tmp_path: Path) -> None:
    """dockerd --validate accepts the file."""
    require("dockerd", program_problem("dockerd"))
    known = "--validate" in call(["dockerd", "--help"], env={"PATH": SEARCH_PATH}).out
    require("dockerd --validate", "" if known else "this dockerd is older than version 23")
    file = tmp_path / "daemon.json"
    file.write_text(_setting("docker", driver).text)
    done = call(["dockerd", "--validate", "--config-file", str(file)], env={"PATH": SEARCH_PATH})
    assert done.status == 0, str(done)
