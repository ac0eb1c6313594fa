"""The commands of engines that a person waits for, each with any program in the runtime's place."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from integration.engines import image
from integration.engines.containerd import Containerd, configuration
from integration.engines.cri import Cri, cri_problem
from integration.engines.docker import Dockerd, daemon_json
from integration.engines.engine import CGROUP_PARENT, Wish
from integration.engines.podman import Podman
from integration.engines.system import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration.containers import Result
    from integration.engines.front import Front
    from integration.engines.system import System

STEPS = 10
MEMORY = 67108864
LIMITS = ("--memory=64m", "--network=none")
# Where the daemon has no setting for BuildKit's runtime, it takes the first runc in its search path. This one has the
# usual search path again behind it, for wrappers that look there, too.
SWITCH = '#!/bin/sh\nPATH={path}\nexec {program} "$@"\n'


class Place(NamedTuple):
    """Where a run happens. fronts: the program that stands for the runtime, by the name of the front."""

    path: Path
    system: System
    front: Front
    fronts: dict[str, str]
    root_tar: Path


def nothing(_front: str) -> None:
    """Before or after a command that needs nothing there."""


class Case(NamedTuple):
    """A command with each front behind it; what is done before and after it is not measured."""

    name: str
    command: Callable[[str], object]
    before: Callable[[str], object] = nothing
    after: Callable[[str], object] = nothing
    share: int = 1  # of the rounds it gets one in so many


def must(result: Result) -> None:
    """A command that has to succeed."""
    if result.status:
        raise SystemExit(f"benchmarks: {result}")


@contextlib.contextmanager
def podman(place: Place) -> Iterator[list[Case]]:
    """`podman run` and `podman build`."""
    call = Podman(place.path / "podman", place.front, place.root_tar)
    context = _context(place.path / "podman-build", call.image)
    parent = f"--cgroup-parent=/{CGROUP_PARENT}"

    def run(front: str) -> None:
        words = ("run", "--rm", f"--runtime={place.fronts[front]}", parent, *LIMITS, call.image, "/bin/true")
        must(call(*words))

    def build(front: str) -> None:
        words = ("--no-cache", "--isolation=oci", "--network=none", f"{parent}/build", "--tag=built", str(context))
        must(call("build", f"--runtime={place.fronts[front]}", *words))

    def clear(_front: str) -> None:
        must(call("rmi", "--force", "built"))

    try:
        yield [Case("podman run", run), Case(f"podman build of {STEPS} steps", build, after=clear, share=10)]
    finally:
        call.close()


def _context(path: Path, base: str) -> Path:
    """A folder to build an image from, of so many steps."""
    path.mkdir()
    steps = "".join(f"RUN echo {step} >/{step}\n" for step in range(STEPS))
    (path / "Dockerfile").write_text(f"FROM {base}\n{steps}")
    return path


@contextlib.contextmanager
def docker(place: Place) -> Iterator[list[Case]]:
    """`docker run`."""
    with _dockerd(place, "docker") as daemon:

        def run(front: str) -> None:
            must(daemon.docker("run", "--rm", f"--runtime={front}", *LIMITS, "box", "/bin/true"))

        yield [Case("docker run", run)]


@contextlib.contextmanager
def docker_build(place: Place) -> Iterator[list[Case]]:
    """`docker build` with BuildKit, which has one runtime for all: a script that leads to each front in turn."""
    switch = place.path / "switch" / "runc"
    switch.parent.mkdir()
    path = ENVIRONMENT["PATH"]
    variables = {"PATH": f"{switch.parent}:{path}", "DOCKER_BUILDKIT_RUNC_COMMAND": str(switch)}

    def lead(front: str) -> None:
        switch.write_text(SWITCH.format(path=path, program=place.fronts[front]))
        switch.chmod(0o755)

    lead("bare")
    with _dockerd(place, "build", **variables) as daemon:
        context = _context(place.path / "docker-build", "box")

        def build(_front: str) -> None:
            words = ("build", "--no-cache", "--network=none", "--progress=plain", "--tag=built", str(context))
            must(daemon.docker(*words, DOCKER_BUILDKIT="1"))

        def clear(_front: str) -> None:
            must(daemon.docker("builder", "prune", "--all", "--force"))

        yield [Case(f"docker build of {STEPS} steps", build, lead, clear, share=5)]


def _dockerd(place: Place, name: str, **variables: str) -> Dockerd:
    """A daemon that knows every front as a runtime of that name."""
    own = place.path / name
    own.mkdir()
    members: dict[str, Any] = {"runtimes": {front: {"path": program} for front, program in place.fronts.items()}}
    if re.search(r"version (1\d|20)\.", place.system(["dockerd", "--version"]).out):
        members["deprecated-key-path"] = str(own / "key.json")  # below /etc by default; newer ones have no such key
    (own / "daemon.json").write_text(daemon_json(own, place.system, **members))
    daemon = Dockerd(own, place.front, place.system, str(own / "daemon.json"), **variables)
    daemon.load(place.root_tar)
    return daemon


@contextlib.contextmanager
def containerd(place: Place) -> Iterator[list[Case]]:
    """`ctr run`, and a pod of one container over CRI, as a kubelet makes it."""
    own = place.path / "containerd"
    own.mkdir()
    (own / "config.toml").write_text(configuration(place.system, own, **place.fronts))
    archive = place.path / "image.tar"
    image.write_archive(archive, place.root_tar)
    numbers = itertools.count()
    with Containerd(own, place.front, place.system, str(own / "config.toml")) as daemon:
        daemon.load(archive)

        def run(front: str) -> None:
            name = f"seen{next(numbers)}"
            own = (f"--runc-binary={place.fronts[front]}", f"--cgroup=/{CGROUP_PARENT}/{name}")
            words = ("--rm", "--snapshotter=native", f"--memory-limit={MEMORY}", *own, image.NAME, name, "/bin/true")
            must(daemon.ctr("run", *words))

        cases = [Case("ctr run", run)]
        if cri_problem():
            yield cases
            return
        pods = Cri(daemon, "cgshim")
        try:
            yield [*cases, _pod(pods)]
        finally:
            pods.close()


def _pod(pods: Cri) -> Case:
    wish = Wish(("/bin/sleep", "300"), {"memory": {"limit": MEMORY}})

    def make(front: str) -> None:
        pods.pod(f"seen-{front}", front)
        pods.create(f"seen-{front}", wish, f"seen-{front}")
        problem = pods.start(f"seen-{front}")
        if problem:
            raise SystemExit(f"benchmarks: {front}: {problem}")

    def remove(front: str) -> None:
        pods.remove(f"seen-{front}")
        pods.remove_pod(f"seen-{front}")

    return Case("CRI pod of one container", make, after=remove)


# What each needs, and which cases there are none of without it.
ENGINES = {
    podman: (("podman", "conmon"), ("podman run", "podman build")),
    docker: (("dockerd", "docker", "containerd"), ("docker run",)),
    docker_build: (("dockerd", "docker", "containerd"), ("docker build",)),
    containerd: (("containerd", "ctr"), ("ctr run", "CRI")),
}
