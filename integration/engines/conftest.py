"""Fixtures of the tests with real engines: each is started once, on demand, and everything of it goes at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import find_busybox
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import call, find_runtime
from integration.engines import image
from integration.engines.conmon import Conmon
from integration.engines.containerd import Containerd, Ctr
from integration.engines.cri import Cri, cri_problem
from integration.engines.docker import Docker, Dockerd
from integration.engines.engine import KINDS, clean_cgroups, end_processes, missing, unmount_below
from integration.engines.front import Front
from integration.engines.podman import Podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.engines.engine import Engine

MEMORY = "/dev/shm"  # a file system without a disk: engines sync all that they write


@pytest.fixture(scope="session")
def place(runtime_problems: Callable[[str], str]) -> Iterator[Path]:
    """A directory with a short name, for sockets have at most 108 bytes and verdicts 200."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("runc", runtime_problems("runc"))
    place = Path(tempfile.mkdtemp(prefix="cg-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield place
    end_processes(str(place))
    unmount_below(place)
    clean_cgroups()
    shutil.rmtree(place)


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
def installed_front(place: Path) -> Front:
    """The script that every engine is configured to call."""
    return Front(place / "bin", find_runtime("runc"))


@pytest.fixture
def front(installed_front: Front) -> Iterator[Front]:
    """The script, as installed before and after the test."""
    installed_front.reset()
    yield installed_front
    installed_front.reset()


@pytest.fixture(scope="session")
def podman(place: Path, installed_front: Front, root_tar: Path) -> Iterator[Podman]:
    """podman, the runtime under a name that it reads JSON errors from."""
    require("podman", missing("podman", "conmon"))
    engine = Podman(place / "podman", installed_front, root_tar)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def containerd(place: Path, installed_front: Front, root_tar: Path) -> Iterator[Containerd]:
    """containerd with its CRI plugin."""
    require("containerd", missing("containerd", "ctr"))
    archive = place / "image.tar"
    image.write_archive(archive, root_tar)
    daemon = Containerd(place / "containerd", installed_front, archive)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def docker(place: Path, installed_front: Front, root_tar: Path) -> Iterator[Docker]:
    """dockerd."""
    require("docker", missing("dockerd", "docker", "containerd"))
    daemon = Dockerd(place / "docker", installed_front, root_tar)
    yield Docker(daemon)
    daemon.stop()


@pytest.fixture(scope="session")
def cri(containerd: Containerd) -> Iterator[Cri]:
    """containerd's CRI plugin."""
    require("CRI client", cri_problem())
    engine = Cri(containerd)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def conmon(place: Path, installed_front: Front, rootfs: Path) -> Conmon:
    """conmon, as CRI-O drives it."""
    require("conmon", missing("conmon"))
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
