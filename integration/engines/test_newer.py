"""podman 5, containerd 1.7 and docker 26 of Debian 13: what their users see, and limits in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.engines import image
from integration.engines.containerd import Containerd, Ctr
from integration.engines.docker import Docker, Dockerd
from integration.engines.engine import Wish, normal
from integration.engines.newer import Newer, newer_problem
from integration.engines.podman import Podman
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.engines.front import Front

pytestmark = pytest.mark.newer_engines
REWRITTEN: dict[str, Any] = {"cpu": {"shares": 1}, "memory": {"limit": 67108864}}
VERDICT = "cgshim: a mount has a destination inside /proc: /proc/xx [mount-destination-in-proc]\n  cause: "
FRAMES = {
    "podman": "Error: OCI runtime error: runc: ",
    "ctr": "ctr: failed to create shim task: OCI runtime create failed: ",
    "docker": "docker: Error response from daemon: failed to create task for container: failed to create shim task:"
    " OCI runtime create failed: ",
}
SECOND = {
    "podman": 'Error: OCI runtime error: unable to start container "ID": runc: ',
    "ctr": FRAMES["ctr"],
    "docker": FRAMES["docker"].removeprefix("docker: "),
}


@pytest.fixture(scope="module")
def within(place: Path) -> Iterator[tuple[str, ...]]:
    """What leads into the tree."""
    require("newer engines", newer_problem())
    newer = Newer(place)
    yield newer.within
    newer.close()


@pytest.fixture(scope="module", params=sorted(FRAMES))
def newer(
    request: pytest.FixtureRequest, within: tuple[str, ...], place: Path, installed_front: Front, rootfs: Path
) -> Iterator[Any]:
    """Each of the newer engines."""
    own, root_tar = place / f"newer-{request.param}", place / "root.tar"
    if request.param == "podman":
        podman = Podman(own, installed_front, root_tar, within=within)
        yield podman
        podman.close()
    elif request.param == "docker":
        dockerd = Dockerd(own, installed_front, root_tar, within)
        yield Docker(dockerd)
        dockerd.stop()
    else:
        image.write_archive(place / "newer.tar", root_tar)
        containerd = Containerd(own, installed_front, place / "newer.tar", within)
        yield Ctr(containerd, rootfs)
        containerd.stop()


def test_mount_failure(newer: Any, front: Front, name: str) -> None:
    """The diagnosis is whole in the engine's own output, at the first start and at the second."""
    del front
    wish = Wish(("/bin/true",), mount=("/etc/passwd", "/proc/xx"))
    first = newer.run(name, wish)
    if newer.kind == "ctr":
        newer.remove(name)
    second = newer.start_again(name, wish)
    newer.remove(name)
    assert normal(first.err).startswith(FRAMES[newer.kind] + VERDICT), str(first)
    assert normal(second.err).startswith(SECOND[newer.kind] + VERDICT), str(second)
    assert "cannot be mounted because it is inside /proc" in first.err


def test_failure_that_is_not_ours(newer: Any, front: Front, name: str) -> None:
    """A missing command: status and text are the bare runtime's."""
    del front
    bare = newer.run(name, Wish(("nosuch",), bare=True))
    newer.remove(name)
    result = newer.run(name, Wish(("nosuch",)))
    newer.remove(name)
    assert "executable file not found in $PATH" in bare.err
    assert (result.status, normal(result.err)) == (bare.status, normal(bare.err))


def test_output(newer: Any, front: Front, name: str) -> None:
    """A rewritten container's output is the bare runtime's, byte for byte."""
    del front
    script = ("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    bare = newer.run(name, Wish(script, bare=True))
    newer.remove(name)
    result = newer.run(name, Wish(script, REWRITTEN))
    newer.remove(name)
    assert (result.status, result.out, result.err) == (bare.status, bare.out, bare.err) == (7, "out\n", "err\n")


@pytest.mark.parametrize("newer", ["docker", "podman"], indirect=True)
def test_limits_and_restart(newer: Any, front: Front, name: str) -> None:
    """Limits are in the kernel after the start and after a restart; podman's and docker's update is translated."""
    del front
    command = newer.daemon.must if newer.kind == "docker" else newer.must
    shown = {"cpu.shares": "2", "memory.limit_in_bytes": "67108864"}
    pids = [newer.start(name, Wish(("/bin/sleep", "300"), REWRITTEN))]
    found = [{one: CgroupValues(pids[0]).read(one) for one in shown}]
    command("update", "--cpu-shares=1", name)
    command("restart", "--time=0", name)
    pids.append(newer.pid(name))
    found.append({one: CgroupValues(pids[1]).read(one) for one in shown})
    newer.remove(name)
    assert pids[0] != pids[1]
    assert found == [shown, shown]
