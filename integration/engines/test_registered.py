"""Engines registered by `cgshimctl engine`, at work: installed, proven by `status`, used, and taken back.

/etc, /opt and /run are private: a mount namespace of the test's own, on this host as in the newer Debian.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.engines import image
from integration.engines.containerd import Containerd, configuration
from integration.engines.cri import Cri, cri_problem
from integration.engines.docker import Docker, Dockerd, daemon_json
from integration.engines.engine import CGROUP_PARENT, Wish, wait_until
from integration.engines.podman import CONFIGURATION
from integration.engines.system import CHECKOUT, ENVIRONMENT, Namespace, System
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.containers import Result
    from integration.engines.front import Front

SLEEP = ("/bin/sleep", "300")
# 1 is below the kernel's least, 2 (MIN_SHARES, kernel/sched/sched.h): rewritten, or nothing would start.
LIMITS = {"memory": {"limit": 67108864}, "cpu": {"shares": 1}}
SHOWN = {"memory.limit_in_bytes": "67108864", "cpu.shares": "2"}
MOUNT = Wish(("/bin/true",), mount=("/etc/passwd", "/proc/xx"))
VERDICT = "cgshim: a mount has a destination inside /proc: /proc/xx [mount-destination-in-proc]"
LAUNCHER = "/opt/cgshim/bin/cgshim-runc"
PRIVATE = """
mount -t tmpfs tmpfs "$1"
for d in etc opt; do
    mkdir "$1/$d" "$1/$d.work"
    mount -t overlay overlay -o "lowerdir=/$d,upperdir=$1/$d,workdir=$1/$d.work" "/$d"
done
mount -t tmpfs tmpfs /run
"""


class Machine(System):
    """The system with an /etc of its own, and `cgshimctl engine` there."""

    def write(self, path: str, text: str) -> None:
        """A file, with its directory."""
        done = self(["sh", "-c", 'mkdir -p "${1%/*}"; cat >"$1"', "sh", path], stdin=text)
        assert done.status == 0, str(done)

    def files(self) -> str:
        """Every file of the engines' and of cgshim's own, by its checksum, without the key that docker 20.10 makes."""
        names = ["/etc/docker", "/etc/containerd", "/etc/containers", "/etc/cgshim", "/opt/cgshim"]
        return self(["sh", "-c", 'find "$@" -type f ! -name key.json -exec cksum {} + | sort', "sh", *names]).out

    def is_clean(self, engine: str, before: str) -> bool:
        """Remove cgshim's copy again, which stays while a process of a container may call it; is all as it was."""
        self.must("remove", engine, "--prefix", "/opt/cgshim")
        return self.files() == before

    def must_run(self, *argv: str) -> str:
        """The output of a command that has to succeed."""
        done = self(list(argv))
        assert done.status == 0, str(done)
        return done.out

    def ctl(self, *words: str, **variables: str) -> Result:
        """`cgshimctl engine WORDS`."""
        env = {**ENVIRONMENT, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        return self([self.python, "-m", "shim.cli.main", "engine", *words], env=env)

    def must(self, *words: str, **variables: str) -> str:
        """The output of a `cgshimctl engine` that has to succeed."""
        done = self.ctl(*words, **variables)
        assert done.status == 0, str(done)
        return done.out


@pytest.fixture
def machine(system: System, place: Path) -> Iterator[Machine]:
    """A fresh one for each test."""
    here = CgroupValues(os.getpid())
    absent = [name for name in ("memory", "cpu", "pids") if here.version(name) != 1]
    require("v1 memory, cpu and pids", f"{', '.join(absent)} not on v1" if absent else "")
    room = place / "room"
    room.mkdir()
    namespace = Namespace(PRIVATE, str(room), outer=system.within)
    require("overlay in a mount namespace", namespace.problem)
    yield Machine(system.name, namespace.within, system.python)
    namespace.close()
    room.rmdir()


def kernel(pid: int, *names: str) -> dict[str, str | None]:
    """The limits as the kernel has them for a process."""
    values = CgroupValues(pid)
    return {name: values.read(name) for name in names or SHOWN}


def checked(status: Result) -> dict[str, tuple[str, str]]:
    """What `status --json` has looked at: state and evidence."""
    return {one["what"]: (one["state"], one["evidence"]) for one in json.loads(status.out)["checks"]}


def test_docker(machine: Machine, place: Path, root_tar: Path, installed_front: Front, name: str) -> None:
    """docker: `status` sees in the running daemon that a reload is missing, then that it is not; run to remove."""
    require("docker", machine.missing("dockerd", "docker", "containerd"))
    machine.write("/etc/docker/daemon.json", daemon_json(place / "registered-docker", machine))
    before = machine.files()
    with Dockerd(place / "registered-docker", installed_front, machine, "/etc/docker/daemon.json") as daemon:
        daemon.load(root_tar)
        host = {"DOCKER_HOST": f"unix://{daemon.socket}"}
        docker = Docker(daemon)
        machine.must("install", "docker", "--as-default", "--prefix", "/opt/cgshim")
        early = machine.ctl("status", "docker", "--json", **host)
        state, evidence = checked(early)["the engine sees it"]
        assert (early.status, state, evidence.rpartition(": ")[2]) == (1, "WRONG", "cgshim is not there"), str(early)
        daemon.reload()
        assert wait_until(lambda: "cgshim" in daemon.must("info", "--format={{json .Runtimes}}"))
        status = machine.ctl("status", "docker", "--json", **host)
        state, evidence = checked(status)["the engine sees it"]
        assert (status.status, state, evidence.rpartition(": ")[2]) == (0, "ok", f"cgshim is {LAUNCHER}"), str(status)
        _docker_life(docker, name)
        removed = machine.must("remove", "docker", "--prefix", "/opt/cgshim")
        assert machine.files() == before
        assert "docker reads it after: systemctl restart docker" in removed
        after = machine.ctl("status", "docker", "--json", **host)
        assert (after.status, checked(after)["registered"][0]) == (1, "not registered"), str(after)
    with Dockerd(place / "registered-docker", installed_front, machine, "/etc/docker/daemon.json") as daemon:
        assert daemon.must("run", "--rm", "--network=none", "box", "/bin/echo", "bare") == "bare"
        assert daemon.must("info", "--format={{.DefaultRuntime}}") == "runc"


def _docker_life(docker: Docker, name: str) -> None:
    """Run, update, stop, start again; and a container that does not start."""
    daemon = docker.daemon
    assert kernel(docker.start(name, Wish(SLEEP, LIMITS))) == SHOWN
    assert daemon.must("inspect", "--format={{.HostConfig.Runtime}}", name) == "cgshim"
    daemon.must("update", "--cpu-shares=1", "--memory=32m", "--memory-swap=-1", name)
    updated = {**SHOWN, "memory.limit_in_bytes": "33554432"}
    assert kernel(docker.pid(name)) == updated
    daemon.must("stop", "--time=0", name)
    daemon.must("start", name)
    assert kernel(docker.pid(name)) == updated
    docker.remove(name)
    failed = docker.run(name, MOUNT)
    docker.remove(name)
    assert failed.status == 125
    assert f"OCI runtime create failed: {VERDICT}\n  cause: " in failed.err


RECORDING = """#!/bin/sh
echo "$*" >>{calls}
exec {launcher} "$@"
"""


def test_buildkit(machine: Machine, place: Path, root_tar: Path, installed_front: Front, tmp_path: Path) -> None:
    """`docker build` with BuildKit: with what `engine install buildkit` gives the daemon, RUN steps call cgshim."""
    require("docker", machine.missing("dockerd", "docker", "containerd"))
    known = machine(["sh", "-c", 'grep -q DOCKER_BUILDKIT_RUNC_COMMAND "$(command -v dockerd)"']).status == 0
    require("dockerd with DOCKER_BUILDKIT_RUNC_COMMAND", "" if known else "this one does not know it")
    calls, binary = tmp_path / "calls", "/opt/recording/cgshim"
    machine.write(binary, RECORDING.format(calls=calls, launcher=LAUNCHER))
    machine.must_run("chmod", "755", binary)
    machine.write("/etc/docker/daemon.json", daemon_json(place / "buildkit", machine))
    machine.must("install", "docker", "--prefix", "/opt/cgshim")
    machine.must("install", "buildkit", "--binary", binary)
    unit = "/etc/systemd/system/docker.service.d/50-cgshim-buildkit.conf"
    (line,) = re.findall(r'^Environment="(.*)"$', machine.must_run("cat", unit), re.MULTILINE)
    name, _, value = line.partition("=")
    (tmp_path / "Dockerfile").write_text("FROM box\nRUN echo built >/built\n")
    front, config = installed_front, "/etc/docker/daemon.json"
    with Dockerd(place / "buildkit", front, machine, config, **{name: value}) as daemon:
        daemon.load(root_tar)
        words = ("build", "--network=none", "--progress=plain", "--tag=built", str(tmp_path))
        built = daemon.docker(*words, DOCKER_BUILDKIT="1")
        require("docker build with BuildKit", built.err if "buildx component is missing" in built.err else "")
        assert built.status == 0, str(built)
        assert daemon.must("run", "--rm", "--network=none", "built", "/bin/cat", "/built") == "built"
    machine.must("remove", "buildkit", "--binary", binary)
    machine.must_run("test", "!", "-e", unit)
    assert [line for line in calls.read_text().splitlines() if " run --bundle " in line]


def test_containerd(machine: Machine, place: Path, root_tar: Path, installed_front: Front, name: str) -> None:
    """containerd: a pod's RuntimeClass handler is what `engine install` wrote; foreign limits reach the kernel."""
    require("containerd", machine.missing("containerd", "ctr"))
    require("CRI client", cri_problem())
    own, archive = place / "registered-containerd", place / "registered.tar"
    own.mkdir()
    image.write_archive(archive, root_tar)
    machine.write("/etc/containerd/config.toml", configuration(machine, own, bare=installed_front.runtime))
    before = machine.files()
    machine.must("install", "containerd", "--prefix", "/opt/cgshim")
    status = machine.ctl("status", "containerd", "--json")
    state, evidence = checked(status)["the engine sees it"]
    assert (status.status, state, evidence.rpartition(": ")[2]) == (0, "ok", f"cgshim is {LAUNCHER}"), str(status)
    with Containerd(own, installed_front, machine, "/etc/containerd/config.toml") as daemon:
        daemon.load(archive)
        cri = Cri(daemon, wrap="cgshim")
        foreign: dict[str, Any] = {**LIMITS, "unified": {"pids.max": "27", "memory.low": "1048576"}}
        cri.create(name, Wish(SLEEP, foreign), "shared-wrap")
        problem = cri.start(name)
        shown = kernel(cri.pid(name), *SHOWN, "pids.max", "memory.soft_limit_in_bytes") if not problem else {}
        cri.remove(name)
        failed = cri.run(name, MOUNT)
        cri.close()
    machine.must("remove", "containerd", "--prefix", "/opt/cgshim")
    assert machine.files() == before
    assert (problem, shown) == ("", {**SHOWN, "pids.max": "27", "memory.soft_limit_in_bytes": "1048576"})
    assert f"OCI runtime create failed: {VERDICT}\n  cause: " in failed.err


STORAGE = """[storage]
driver = "vfs"
graphroot = "{place}/graph"
runroot = "{place}/run"
"""


def test_podman(machine: Machine, place: Path, root_tar: Path, name: str) -> None:
    """podman: what is called runc is cgshim, and runc again after `remove`, for the container made in between, too."""
    require("podman", machine.missing("podman", "conmon"))
    own = place / "registered-podman"
    own.mkdir()
    machine.write("/etc/containers/containers.conf", CONFIGURATION.partition("[engine.runtimes]")[0])
    machine.write("/etc/containers/storage.conf", STORAGE.format(place=own))
    before = machine.files()

    def podman(*words: str) -> str:
        done = machine(["podman", *words], env={**ENVIRONMENT, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"})
        assert done.status == 0, str(done)
        return done.out.strip()

    podman("import", "--quiet", str(root_tar), "localhost/box")
    machine.must("install", "podman", "--name=runc", "--prefix", "/opt/cgshim")
    status = machine.ctl("status", "podman", "--json")
    state, evidence = checked(status)["the engine sees it"]
    assert (status.status, state, evidence.rpartition(": ")[2]) == (0, "ok", f"runc is {LAUNCHER}"), str(status)
    limits = ("--cpu-shares=1", "--memory=64m", f"--cgroup-parent=/{CGROUP_PARENT}")
    podman("run", "--detach", f"--name={name}", *limits, "localhost/box", *SLEEP)
    shown = kernel(int(podman("inspect", "--format={{.State.Pid}}", name)))
    machine.must("remove", "podman", "--prefix", "/opt/cgshim")
    assert podman("exec", name, "/bin/echo", "inside") == "inside"
    podman("rm", "--force", "--time=0", name)
    # While the container ran, its conmon still had the program to call.
    wait_until(lambda: machine.is_clean("podman", before))
    assert machine.files() == before
    assert shown == SHOWN
