"""Fixtures of the tests with real engines: each is started once, on demand, and everything of it goes at the end."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import find_busybox
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import call
from integration.engines import image
from integration.engines.conmon import Conmon
from integration.engines.containerd import Containerd, Ctr
from integration.engines.cri import Cri, cri_problem
from integration.engines.docker import Docker, Dockerd
from integration.engines.engine import KINDS
from integration.engines.front import Front
from integration.engines.podman import Podman
from integration.engines.sweep import Guard
from integration.engines.system import SUITE, System, newer_namespace, newer_tree
from tests.extent import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.engines.engine import Engine

MEMORY = "/dev/shm"  # a file system without a disk: engines sync all that they write


SYSTEMS = ["here"] if SAMPLE else ["here", SUITE]  # the newer engines' tree takes minutes to make and to run


@pytest.fixture(scope="session", params=SYSTEMS)
def system(
    request: pytest.FixtureRequest,
    runtime_problems: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """This host, then the newer Debian: every test with an engine runs on both."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("runc", runtime_problems("runc"))
    if request.param == "here":
        yield System("here")
        return
    tree, problem = newer_tree()
    require("newer engines", problem)
    namespace = newer_namespace(tree, tmp_path_factory.getbasetemp() / "newer-root")
    require("newer engines", namespace.problem)
    yield System(SUITE, namespace.within, "/usr/bin/python3")
    namespace.close()


@pytest.fixture(scope="session")
def place(system: System) -> Iterator[Path]:
    """A directory with a short name, for sockets have at most 108 bytes and verdicts 200."""
    del system  # one for each
    place = Path(tempfile.mkdtemp(prefix="cg-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    place.chmod(0o755)  # for containers with ids of their own, and for those of other users
    guard = Guard(place)
    yield place
    guard.sweep()


@pytest.fixture(scope="session")
def root_tar(place: Path) -> Path:
    """The image's root tree."""
    path = place / "root.tar"
    image.write_root_tar(path, find_busybox())
    return path


@pytest.fixture(scope="session")
def rootfs(place: Path, root_tar: Path) -> Path:
    """The same, unpacked, for engines that take a configuration."""
    path = place / "plain" / "rootfs"
    path.mkdir(parents=True)
    done = call(["tar", "-C", str(path), "-xf", str(root_tar)])
    assert done.status == 0, str(done)
    return path


@pytest.fixture(scope="session")
def installed_front(place: Path, system: System) -> Front:
    """The script that every engine is configured to call."""
    return Front(place / "bin", system)


@pytest.fixture
def front(installed_front: Front) -> Iterator[Front]:
    """The script, as installed before and after the test."""
    installed_front.reset()
    yield installed_front
    installed_front.reset()


@pytest.fixture(scope="session")
def podman(place: Path, system: System, installed_front: Front, root_tar: Path) -> Iterator[Podman]:
    """podman, the runtime under a name that it reads JSON errors from."""
    require("podman", system.missing("podman", "conmon"))
    engine = Podman(place / "podman", installed_front, root_tar)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def containerd(place: Path, system: System, installed_front: Front, root_tar: Path) -> Iterator[Containerd]:
    """containerd with its CRI plugin."""
    require("containerd", system.missing("containerd", "ctr"))
    archive = place / "image.tar"
    image.write_archive(archive, root_tar)
    with Containerd(place / "containerd", installed_front) as daemon:
        daemon.load(archive)
        yield daemon


@pytest.fixture(scope="session")
def docker(place: Path, system: System, installed_front: Front, root_tar: Path) -> Iterator[Docker]:
    """dockerd."""
    require("docker", system.missing("dockerd", "docker", "containerd"))
    with Dockerd(place / "docker", installed_front) as daemon:
        daemon.load(root_tar)
        yield Docker(daemon)


@pytest.fixture(scope="session")
def cri(containerd: Containerd) -> Iterator[Cri]:
    """containerd's CRI plugin."""
    require("CRI client", cri_problem())
    engine = Cri(containerd)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def conmon(place: Path, system: System, installed_front: Front, rootfs: Path) -> Conmon:
    """conmon, as CRI-O drives it."""
    require("conmon", system.missing("conmon"))
    return Conmon(place / "conmon", installed_front, rootfs)


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest, place: Path, installed_front: Front) -> Callable[[str], Engine]:
    """An engine by its kind."""
    made: dict[str, Engine] = {}

    def make(kind: str) -> Any:
        get = request.getfixturevalue
        if kind == "podman-plain-name":
            get("podman")
            return Podman(place / "podman", installed_front, place / "root.tar", "wrap")
        if kind in ("ctr", "ctr-terminal"):
            return Ctr(get("containerd"), get("rootfs"), terminal=kind == "ctr-terminal")
        return get(kind)

    def ask(kind: str) -> Engine:
        if kind not in made:
            made[kind] = make(kind)
        return made[kind]

    return ask


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, engines: Callable[[str], Engine], front: Front) -> Engine:
    """Each engine in turn."""
    del front  # as installed
    return engines(request.param)


@pytest.fixture
def name() -> str:
    """A container's name that nobody else has."""
    return f"t{uuid.uuid4().hex[:8]}"
