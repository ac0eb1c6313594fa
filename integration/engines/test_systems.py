"""The two systems that the engines are tested on, and what is left when tests are killed in the middle."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.engine import wait_until
from integration.engines.system import CHECKOUT
from integration.kernel import cgroup_mounts

if TYPE_CHECKING:
    from integration.engines.system import System

# The first major version of each that the newer system is there for.
NEWER = {"podman": 5, "containerd": 2, "dockerd": 28}


@pytest.mark.parametrize("program", sorted(NEWER))
def test_versions(system: System, program: str) -> None:
    """The newer system's engines are newer than this host's, so that one run shows both."""
    require(program, system.missing(program))
    said = system([program, "--version"]).out
    found = re.search(r"\s(\d+)\.\d+", said)
    assert found, said
    if system.name != "here":
        assert int(found[1]) >= NEWER[program], said


def test_containerd_reads_its_example(system: System) -> None:
    """The example for this containerd's configuration version: the real `config dump` has our entry."""
    require("containerd", system.missing("containerd"))
    newer = "io.containerd.cri.v1.runtime" in system(["containerd", "config", "default"]).out
    assert newer == (system.name != "here")
    example = CHECKOUT / "examples" / "containerd" / ("config-v3.toml" if newer else "config-v2.toml")
    result = system(["containerd", "--config", str(example), "config", "dump"])
    assert result.status == 0, str(result)
    dump = result.out.replace("'", '"')
    plugin = "io.containerd.cri.v1.runtime" if newer else "io.containerd.grpc.v1.cri"
    assert re.search(rf'^ *\[plugins."{re.escape(plugin)}".containerd.runtimes.cgshim\]$', dump, re.MULTILINE), dump
    assert 'BinaryName = "/usr/bin/cgshim-runc"' in dump


def test_docker_accepts_its_example(system: System) -> None:
    """`dockerd --validate` of a docker that has it."""
    require("docker", system.missing("dockerd"))
    known = "--validate" in system(["dockerd", "--help"]).out
    require("dockerd --validate", "" if known else "this dockerd has no --validate")
    example = CHECKOUT / "examples" / "docker" / "daemon.json"
    result = system(["dockerd", "--validate", "--config-file", str(example)])
    assert (result.status, "configuration OK" in result.out + result.err) == (0, True), str(result)


def test_podman_reads_its_example(system: System) -> None:
    """With the example alone podman knows the runtime by our path."""
    require("podman", system.missing("podman"))
    example = CHECKOUT / "examples" / "podman" / "50-cgshim.conf"
    script = 'mkdir -p /run/example && sed "s|/usr/bin/cgshim-runc|$2|" "$1" >/run/example/example.conf && exec env \
        CONTAINERS_CONF=/run/example/example.conf podman --runtime runc info --format "{{json .Host.OCIRuntime}}"'
    launcher = str(CHECKOUT / "shim" / "launcher.sh")
    result = system(
        ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs tmpfs /run; {script}", "sh", str(example), launcher]
    )
    assert result.status == 0, str(result)
    assert json.loads(result.out)["path"] == launcher


def test_killed_tests_leave_nothing(system: System) -> None:
    """The guard ends the processes, the cgroups and the files of tests that did not come to their end."""
    del system  # as root
    place = Path(tempfile.mkdtemp(prefix="cgshim-engines-"))
    name = place.name
    mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    cgroup = next(one.point for one in mounts if one.version == 2 or "pids" in one.options) / name
    cgroup.mkdir()
    named = subprocess.Popen(["sh", "-c", f"sleep 300; : {place}"])
    contained = subprocess.Popen(["sleep", "300"])
    (cgroup / "cgroup.procs").write_text(str(contained.pid))
    guard = subprocess.Popen(
        [sys.executable, "-m", "integration.engines.sweep"], stdin=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    guard.communicate(json.dumps([str(place), name]) + "\n")
    assert guard.returncode == 0
    assert wait_until(lambda: named.poll() is not None and contained.poll() is not None)
    assert not place.exists()
    assert not cgroup.exists()
