"""Docker with runc and podman with crun on one machine: neither's registration has a part in the other's containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.docker import Docker, Dockerd, daemon_json
from integration.engines.engine import CGROUP_PARENT, Wish, wait_until
from integration.engines.podman import CONFIGURATION
from integration.engines.system import ENVIRONMENT, Namespace, System
from integration.engines.test_registered import LIMITS, PRIVATE, SLEEP, STORAGE, Machine, checked, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.containers import Result
    from integration.engines.front import Front

PREFIX = ("--prefix", "/opt/cgshim")
# crun starts nothing on a host with cgroup2 controllers beside v1 hierarchies, unless it does not see them.
SETTINGS = json.dumps({"crun_on_hybrid": "hide-cgroup2"})


@pytest.fixture
def machine(system: System, place: Path) -> Iterator[Machine]:
    """A machine with an /etc of its own, and with both runtimes."""
    room = place / "two"
    room.mkdir()
    namespace = Namespace(PRIVATE, str(room), outer=system.within)
    require("overlay in a mount namespace", namespace.problem)
    made = Machine(system.name, namespace.within, system.python)
    require("docker, podman, runc and crun", made.missing("dockerd", "docker", "podman", "conmon", "runc", "crun"))
    yield made
    namespace.close()
    room.rmdir()


class Pair:
    """Both engines, each with a container that runs all the while."""

    def __init__(self, machine: Machine, daemon: Dockerd, name: str) -> None:
        self.machine = machine
        self.daemon = daemon
        self.docker = Docker(daemon)
        self.name = name

    def podman(self, *words: str) -> str:
        """The output of a podman command that has to succeed."""
        done: Result = self.machine(["podman", *words], env={**ENVIRONMENT, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"})
        assert done.status == 0, str(done)
        return done.out.strip()

    def install(self, engine: str) -> None:
        """Register, and start the container."""
        self.machine.must("install", engine, *PREFIX)
        if engine == "docker":
            self.daemon.reload()
            assert wait_until(lambda: "cgshim" in self.daemon.must("info", "--format={{json .Runtimes}}"))
            words = self.docker.words(self.name, Wish(SLEEP, LIMITS))
            self.daemon.must("run", "--detach", "--runtime=cgshim", *words)
        else:
            limits = ("--cpu-shares=1", "--memory=64m", f"--cgroup-parent=/{CGROUP_PARENT}")
            self.podman("run", "--detach", f"--name={self.name}", *limits, "localhost/box", *SLEEP)

    def is_fine(self, engine: str) -> None:
        """The container can be entered and changed, and a new one made; `status` says which runtime it is."""
        if engine == "docker":
            assert self.daemon.must("exec", self.name, "/bin/echo", "inside") == "inside"
            self.daemon.must("update", "--memory=32m", "--memory-swap=-1", self.name)
            assert kernel(self.docker.pid(self.name))["memory.limit_in_bytes"] == "33554432"
            new = ("run", "--rm", "--runtime=cgshim", "--network=none", "box", "/bin/echo", "new")
            assert self.daemon.must(*new) == "new"
        else:
            assert self.podman("exec", self.name, "/bin/echo", "inside") == "inside"
            assert self.podman("inspect", "--format={{.OCIRuntime}}", self.name) == "crun"
            words = ("run", "--rm", f"--cgroup-parent=/{CGROUP_PARENT}", "localhost/box", "/bin/echo", "new")
            assert self.podman(*words) == "new"
        host = {"DOCKER_HOST": f"unix://{self.daemon.socket}"}
        status = self.machine.ctl("status", engine, "--json", **host)
        runtime = {"docker": "runc", "podman": "crun"}[engine]
        state, evidence = checked(status)["the real runtime"]
        assert (state, evidence.rpartition(" (")[2]) == ("ok", f"the first {runtime} found)"), str(status)

    def remove(self, engine: str) -> None:
        """Take the registration back while the container runs."""
        self.machine.must("remove", engine)

    def end(self) -> None:
        """Both containers are stopped and deleted, whatever is registered by now."""
        # dockerd 20.10 gives up if the container's process ends while it looks at its /proc/PID/stat.
        assert wait_until(lambda: self.daemon.docker("rm", "--force", self.name).status == 0)
        self.podman("rm", "--force", "--time=0", self.name)


@pytest.mark.parametrize(
    "order",
    [
        "docker-first-podman-last",
        pytest.param("docker-first-docker-last", marks=pytest.mark.long),
        pytest.param("podman-first-docker-last", marks=pytest.mark.long),
        pytest.param("podman-first-podman-last", marks=pytest.mark.long),
    ],
)
def test_each_engine_keeps_its_runtime(
    machine: Machine, place: Path, root_tar: Path, installed_front: Front, order: str
) -> None:
    """Installed and removed in every order, with containers running all the while."""
    first, _, last, _ = order.split("-")
    own = place / f"two-{first}-{last}"
    own.mkdir()
    machine.write("/etc/containers/containers.conf", _without_runtimes(CONFIGURATION))
    machine.write("/etc/containers/storage.conf", STORAGE.format(place=own / "podman"))
    machine.write("/etc/cgshim/config.json", SETTINGS)
    machine.write("/etc/docker/daemon.json", daemon_json(own / "docker", machine))
    before = machine.files()
    second = "podman" if first == "docker" else "docker"
    with Dockerd(own / "docker", installed_front, machine, "/etc/docker/daemon.json") as daemon:
        daemon.load(root_tar)
        pair = Pair(machine, daemon, f"two-{first}-{last}")
        pair.podman("import", "--quiet", str(root_tar), "localhost/box")
        pair.install(first)
        pair.is_fine(first)
        pair.install(second)
        for engine in (first, second):
            pair.is_fine(engine)
        pair.remove("podman" if last == "docker" else "docker")
        pair.is_fine(last)
        pair.remove(last)
        pair.end()
        wait_until(lambda: machine.is_clean("docker", before))
    assert machine.files() == before


def _without_runtimes(text: str) -> str:
    """Podman's own choice of runtime: crun, where both are installed."""
    return text.partition('runtime = "runc"')[0]
