"""What an image's manifest says in io.cgshim.*, under podman with cgshim as its runtime: its user's limits stay.

podman copies annotations of the image into config.json. The limits are read from the kernel, in the container's own
cgroups, while it runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, find_runtime
from integration.kernel import CgroupValues
from integration.podman import IMAGE, ULIMITS, Podman, podman_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "localhost/cgshim-hostile"
LIFTED = {"memory.max": "max", "memory.swap.max": "max", "pids.max": "max", "cpu.max": "max", "cpu.weight": "10000"}
ANNOTATIONS = {
    "0.1": {"io.cgshim.bridge": json.dumps(LIFTED)},
    "sealed by nobody": {"io.cgshim.bridge": json.dumps({"limits": LIFTED, "seal": "0" * 64})},
    "lax": {"io.cgshim.policy": "warn", "io.cgshim.enable": "false", "io.cgshim.pressure": "taskstats"},
    "tuning": {"io.cgshim.bridge": json.dumps({"memory.min": "1073741824", "cpuset.cpus.partition": "root"})},
}
ASKED = ("--memory=64m", "--pids-limit=50", "--cpus=0.5")
ON_V1 = {
    "memory.limit_in_bytes": "67108864",
    "pids.max": "50",
    "cpu.cfs_quota_us": "50000",
    "cpu.cfs_period_us": "100000",
}
ON_V2 = {"memory.max": "67108864", "pids.max": "50", "cpu.max": "50000 100000"}


@pytest.fixture
def podman(journal: list[str], tmp_path: Path) -> Iterator[Podman]:
    """podman whose runtime is the launcher before runc, with settings and files of its own."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("podman", podman_problem())
    wrapper = tmp_path / "runc"
    (tmp_path / "settings.json").write_text("{}")
    wrapper.write_text(
        "#!/bin/sh\n"
        f"export CGSHIM_CONFIG={tmp_path}/settings.json CGSHIM_STATE={tmp_path}/state\n"
        f"export CGSHIM_RUNTIME={find_runtime('runc')}\n"
        f'exec /bin/sh {LAUNCHER} "$@"\n'
    )
    wrapper.chmod(0o755)
    found = Podman(journal, str(wrapper))
    found.make_image()
    yield found
    found.cleanup()


def _image(podman: Podman, annotations: dict[str, str]) -> None:
    """An image that brings these annotations along in its manifest."""
    (podman.place / "Containerfile").write_text(f"FROM {IMAGE}\n")
    options = [f"--annotation={name}={value}" for name, value in annotations.items()]
    podman.must("build", "--format=oci", "--tag", HOSTILE, *options, str(podman.place))


def _started(podman: Podman, name: str) -> CgroupValues:
    podman.must("run", "--detach", "--name", name, "--network=none", *ULIMITS, *ASKED, HOSTILE, "sleep", "300")
    return CgroupValues(int(podman.must("inspect", "--format", "{{.State.Pid}}", name).out))


def _configured(podman: Podman, name: str) -> dict[str, str]:
    """The annotations that reached config.json."""
    path = podman.must("inspect", "--format", "{{.OCIConfigPath}}", name).out.strip()
    found: dict[str, str] = json.loads(Path(path).read_text())["annotations"]
    return found


@pytest.mark.parametrize("brought", ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_an_image_lifts_no_limit(podman: Podman, container: str, brought: dict[str, str]) -> None:
    """`--memory 64m --pids-limit 50 --cpus 0.5` are what the kernel has, whatever the manifest says."""
    expected = ON_V1 if Path("/sys/fs/cgroup/memory").is_dir() else ON_V2
    _image(podman, brought)
    values = _started(podman, container)
    assert _configured(podman, container).items() >= brought.items()  # else the test would prove nothing
    assert {file: values.read(file) for file in expected} == expected


def test_a_restart_keeps_the_limits(podman: Podman, container: str) -> None:
    """podman writes config.json again from what it stored, the image's annotations included."""
    expected = ON_V1 if Path("/sys/fs/cgroup/memory").is_dir() else ON_V2
    _image(podman, ANNOTATIONS["0.1"])
    _started(podman, container)
    podman.must("restart", "--time=0", container)
    values = CgroupValues(int(podman.must("inspect", "--format", "{{.State.Pid}}", container).out))
    assert {file: values.read(file) for file in expected} == expected
