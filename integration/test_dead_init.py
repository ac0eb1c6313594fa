"""An init that dies between the runtime's success and the read-back: what happened is told, and no foreign file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, find_runtime
from integration.podman import Podman, podman_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.bundle import Bundle
    from integration.containers import Result, Shim

REFUSES_ALL = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}
PIDS: dict[str, Any] = {"pids": {"limit": 50}}
# Stands for the real runtime: what it is told to do to the init happens after a `create` that succeeded.
AFTER_CREATE = """#!/bin/sh
{runtime} "$@" || exit
case " $* " in *" create "*) ;; *) exit 0 ;; esac
pid=$(cat {pid_file})
{then}
while [ -e /proc/$pid/stat ] && ! grep -q ') Z ' /proc/$pid/stat; do sleep 0.01; done
exit 0
"""
# A process beside the init fills the container's memory cgroup; the init is what the kernel prefers to kill.
FILL = """
echo 1000 > /proc/$pid/oom_score_adj
if [ -e /sys/fs/cgroup/cgroup.controllers ]
then place=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)
else place=/sys/fs/cgroup/memory$(sed -n 's/.*:memory://p' /proc/$pid/cgroup)
fi
sh -c 'echo 0 > '$place'/cgroup.procs; exec tail /dev/zero' > /dev/null 2>&1
"""
THROUGH = """#!/bin/sh
export CGSHIM_RUNTIME={runtime} CGSHIM_CONFIG={settings}
exec /bin/sh {launcher} "$@"
"""


def _create(shim: Shim, bundle: Bundle, container: str) -> Result:
    return shim("create", "--bundle", str(bundle.path), "--pid-file", str(bundle.path / "pid"), container)


def _afterwards(shim: Shim, bundle: Bundle, then: str) -> None:
    script = bundle.path / shim.name
    script.write_text(AFTER_CREATE.format(runtime=shim.path, pid_file=bundle.path / "pid", then=then))
    script.chmod(0o755)
    shim.path = str(script)


def _lines(result: Result) -> list[str]:
    """The lines of the diagnosis, as the runtime's text log has them."""
    found = [line for line in result.err.splitlines() if "cgshim: " in line]
    assert len(found) == 1, str(result)
    message = json.loads(found[0].partition(" msg=")[2]) if " msg=" in found[0] else result.err
    return str(message).splitlines()


def _no_foreign_file(text: str, container: str) -> None:
    """Every file of a cgroup that is shown is in the container's own."""
    for word in text.replace("\\n", " ").split():
        if word.startswith("/sys/fs/cgroup/"):
            assert container in word, text


def test_a_profile_that_refuses_the_init_itself(shim: Shim, bundle: Bundle, container: str) -> None:
    """runc's init dies of its profile: said so, with what the profile does not allow; the container is gone."""
    require("an init that its own filter ends", "" if shim.name == "runc" else "only runc's is known to end")
    bundle.configure(resources=PIDS, linux={"seccomp": REFUSES_ALL, "cgroupsPath": f"/{container}"})
    result = _create(shim, bundle, container)
    assert result.status == 1
    lines = _lines(result)
    assert lines[0] == (
        f"cgshim: the init of container {container} ended before it could be started: its seccomp profile refuses "
        "system calls that it needs [init-ended]"
    )
    shown = "linux.seccomp: defaultAction SCMP_ACT_ERRNO, openat, write, close, futex, execve, exit_group not allowed"
    assert f"  evidence: {shown}" in lines
    assert any(line.startswith("  evidence: /proc/") and "killed by signal" in line for line in lines)
    _no_foreign_file(result.err, container)
    assert shim.containers() == []


def test_killed_by_somebody(shim: Shim, bundle: Bundle, container: str) -> None:
    """Neither memory nor seccomp: the signal, and nothing made up."""
    bundle.configure(resources=PIDS, linux={"cgroupsPath": f"/{container}"})
    _afterwards(shim, bundle, "kill -9 $pid")
    result = _create(shim, bundle, container)
    assert result.status == 1
    assert _lines(result)[0].startswith(f"cgshim: the init of container {container} ended before it could be started: ")
    assert "policy" not in result.err
    _no_foreign_file(result.err, container)


def test_killed_for_memory(shim: Shim, bundle: Bundle, container: str) -> None:
    """The kernel's count in the container's own cgroup is the evidence."""
    bundle.configure(resources={"memory": {"limit": 64 << 20}}, linux={"cgroupsPath": f"/{container}"})
    _afterwards(shim, bundle, FILL)
    result = _create(shim, bundle, container)
    assert result.status == 1
    lines = _lines(result)
    assert lines[0].endswith("ended before it could be started: the kernel killed it for memory [init-ended]")
    counted = [line for line in lines if container in line and "oom_kill " in line]
    assert counted, lines
    assert "oom_kill 0" not in counted[0]
    assert any(line.startswith("  evidence: kernel log: killed process ") for line in lines), lines
    _no_foreign_file(result.err, container)


@pytest.fixture
def podman(journal: list[str], tmp_path: Path) -> Iterator[Podman]:
    """podman whose runtime is the launcher in front of runc."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("podman", podman_problem())
    settings, runtime = tmp_path / "settings.json", tmp_path / "cgshim"
    settings.write_text("{}")
    runtime.write_text(THROUGH.format(runtime=find_runtime("runc"), settings=settings, launcher=LAUNCHER))
    runtime.chmod(0o755)
    found = Podman(journal, str(runtime))
    found.make_image()
    yield found
    found.cleanup()


def test_podman_with_too_little_memory(podman: Podman, container: str) -> None:
    """`podman run --memory 3m`: it runs, or memory is named as the reason; never the root cgroup's files."""
    result = podman.run(container, "--memory=3m", "--memory-swap=3m", command=("echo", "alive"))
    _no_foreign_file(result.err, container="libpod-")
    assert "limit-not-applied" not in result.err
    assert result.out == "alive\n" or "memory" in result.err


def test_podman_with_a_profile_that_refuses_all(podman: Podman, tmp_path: Path, container: str) -> None:
    """podman shows the whole of it."""
    profile = tmp_path / "refuses.json"
    profile.write_text(json.dumps(REFUSES_ALL))
    option = ("--security-opt", f"seccomp={profile}", "--pids-limit=50")
    result = podman.run(container, *option, command=("echo", "alive"))
    assert result.status not in (0, None)
    assert "[init-ended]" in result.err, str(result)
    assert "its seccomp profile refuses system calls that it needs" in result.err
    assert "policy" not in result.err
    _no_foreign_file(result.err, container="libpod-")
