"""Builds whose `RUN` steps go through cgshim: podman's `create`, and BuildKit's `run`; one interpreter each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.docker import Dockerd, daemon_json
from integration.engines.engine import CGROUP_PARENT
from integration.engines.system import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.engines.front import Front
    from integration.engines.podman import Podman
    from integration.engines.system import System

INTERPRETER = """#!/bin/sh
echo start >>{starts}
exec /usr/bin/python3 "$@"
"""
STEPS = "RUN echo one >/one\nRUN cat /one >/two && echo two >>/two\n"


@pytest.fixture
def starts(front: Front, tmp_path: Path) -> Path:
    """A file with a line for each interpreter that cgshim starts, and for each command that it is called with."""
    file, interpreter = tmp_path / "starts", tmp_path / "python"
    interpreter.write_text(INTERPRETER.format(starts=file))
    interpreter.chmod(0o755)
    calls = 'case " $* " in *" run "*) echo run ;; *" create "*) echo create ;; esac'
    front.point(before=f"export CGSHIM_PYTHON={interpreter}; {{ {calls}; }} >>{file}")
    return file


def test_podman(podman: Podman, front: Front, starts: Path, tmp_path: Path) -> None:
    """`podman build` with a limit: each step is one `create` with one interpreter."""
    (tmp_path / "Dockerfile").write_text(f"FROM {podman.image}\n{STEPS}")
    own = ("--isolation=oci", "--network=none", f"--cgroup-parent=/{CGROUP_PARENT}/build", "--memory=64m")
    podman.must("build", f"--runtime={front.path}", *own, "--tag=built", str(tmp_path))
    assert starts.read_text().split() == ["create", "start"] * 2
    assert podman.must("run", "--rm", "built", "/bin/cat", "/two") == "one\ntwo"
    podman.must("rmi", "--force", "built")


@pytest.fixture
def builder(system: System, place: Path, root_tar: Path, front: Front) -> Iterator[Dockerd]:
    """A dockerd that finds cgshim as the first runc in its search path, which BuildKit takes."""
    require("docker", system.missing("dockerd", "docker", "containerd"))
    own = place / "builds"
    (own / "first").mkdir(parents=True)
    (own / "first" / "runc").symlink_to(front.path)
    config = {**json.loads(daemon_json(own, system)), "runtimes": {"bare": {"path": front.runtime}}}
    (own / "daemon.json").write_text(json.dumps({**config, "default-runtime": "bare"}))
    path = f"{own}/first:{ENVIRONMENT['PATH']}"
    with Dockerd(own, front, system, str(own / "daemon.json"), PATH=path) as daemon:
        daemon.load(root_tar)
        yield daemon


def test_buildkit(builder: Dockerd, starts: Path, tmp_path: Path) -> None:
    """`docker build`: each step is one `run`."""
    (tmp_path / "Dockerfile").write_text(f"FROM box\n{STEPS}")
    built = builder.docker("build", "--network=none", "--tag=built", str(tmp_path), DOCKER_BUILDKIT="1")
    require("docker build with BuildKit", built.err if "buildx component is missing" in built.err else "")
    assert built.status == 0, str(built)
    assert starts.read_text().split() == ["run", "start"] * 2
    assert builder.must("run", "--rm", "--network=none", "built", "/bin/cat", "/two") == "one\ntwo"
