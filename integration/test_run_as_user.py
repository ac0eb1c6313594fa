"""A foreground `run` of an ordinary user, with cgroups of his own: one interpreter, and the limit is there.

The hook and the cgshim that answers it are one user's in one user namespace, as they are below rootless podman and
rootless BuildKit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.capabilities import require
from integration.containers import SEARCH_PATH, find_runtime
from integration.engines.engine import wait_until
from integration.failures.provoked import readable_sources, remove_cgroups
from integration.kernel import CgroupValues, cgroup_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
USER = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("unshare", "--user", "--map-root-user"),
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the user's."""
    path = Path("/tmp") / f"cgshim-user-{os.getpid()}"
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def delegated(container: str) -> Iterator[str]:
    """A cgroup of the user's in every v1 hierarchy; its path."""
    values = CgroupValues(os.getpid())
    require("v1 hierarchies", "" if values.version("pids") == 1 else "pids is on cgroup2")
    name = f"{container}-user"
    for mount in cgroup_mounts(Path("/proc/self/mountinfo").read_text()):
        if mount.version == 1:
            own = mount.point / name
            own.mkdir()
            for path in (own, *own.iterdir()):
                os.chown(path, NOBODY, NOBODY)
            for file in ("cpuset.cpus", "cpuset.mems"):  # without them no process can enter
                if (own / file).exists():
                    (own / file).write_text((mount.point / file).read_text())
    yield f"/{name}"
    assert wait_until(lambda: not remove_cgroups(name))


def test_one_interpreter(place: Path, delegated: str, container: str) -> None:
    """The waiting parent answers the hook of a user's `run`, and the limit is in the container's own cgroup."""
    runc = find_runtime("runc")
    bundle = make_bundle(place / "bundle", find_busybox())
    ids = [{"containerID": 0, "hostID": 0, "size": 1}]
    namespaces = [{"type": kind} for kind in ("pid", "mount", "uts", "user")]
    linux = {"namespaces": namespaces, "uidMappings": ids, "gidMappings": ids, "cgroupsPath": f"{delegated}/one"}
    bundle.configure(args=["/bin/sleep", "3"], resources={"pids": {"limit": 32}}, linux=linux, mounts=[])
    starts, interpreter = place / "starts", place / "python"
    interpreter.write_text(f'#!/bin/sh\necho start >>{starts}\nexec /usr/bin/python3 "$@"\n')
    interpreter.chmod(0o755)
    for path in (bundle.path, *bundle.path.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    env = {"PATH": SEARCH_PATH, "XDG_RUNTIME_DIR": str(place), "CGSHIM_STATE": str(place / "state")}
    env |= {"CGSHIM_RUNTIME": runc, "CGSHIM_PYTHON": str(interpreter), "CGSHIM_CONFIG": str(place / "none.json")}
    words = ("--root", str(place / "root"), "--rootless=true", "run", "--bundle", str(bundle.path), container)
    bare = subprocess.run([*USER, runc, *words], check=False, capture_output=True, text=True, env=env, cwd="/")
    require("rootless runc", "" if bare.returncode == 0 else bare.stderr)
    mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    pids = next(mount.point for mount in mounts if "pids" in mount.options)
    limit = pids / f"{delegated[1:]}/one/pids.max"
    front = ("/bin/sh", f"{readable_sources()}/shim/launcher.sh")
    with subprocess.Popen([*USER, *front, *words], env=env, cwd="/", stderr=subprocess.PIPE, text=True) as running:
        read = wait_until(lambda: running.poll() is not None or (limit.exists() and limit.read_text() == "32\n"))
        alive = running.poll() is None
        _, said = running.communicate(timeout=60)
    assert (read, alive, running.returncode, said) == (True, True, 0, "")
    assert "cgshim-hook" in bundle.config_path.read_text()  # there was one to be answered
    assert starts.read_text() == "start\n"
