"""Real engines with cgshim as their runtime: foreign limits get to the kernel, the reason of a refusal to the user.

podman's precreate hook (which may rewrite config.json before any runtime sees it) plays the part of a configuration
that was made for another host; containerd takes such a configuration as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import base_config, find_busybox, make_bundle
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, SEARCH_PATH, Result, call
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOREIGN = {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32"}
ON_V1 = {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864", "pids.max": "32"}
LOST = {"misc.max": "res_a 5"}
REASONS = (
    "unified.misc.max cannot be enforced on this host [unified-without-counterpart]",
    "cause: cgroup v1 has no counterpart of misc.max; policy 'refuse' (default)",
    "remedy: or accept the loss, for every container: ",
)
HOOK = """#!/usr/bin/python3
import json, sys
config = json.load(sys.stdin)
config["linux"]["resources"] = {{"unified": {unified!r}}}
json.dump(config, sys.stdout)
"""


def _engine_problem(*names: str) -> str:
    absent = [name for name in names if not shutil.which(name, path=SEARCH_PATH)]
    return f"{', '.join(absent)} not installed" if absent else ""


def _kernel_shows(pid: int) -> dict[str, str | None]:
    values = CgroupValues(pid)
    return {name: values.read(name) for name in ON_V1}


@pytest.fixture
def place(runtime_problems: Callable[[str], str]) -> Iterator[Path]:
    """A directory with a short name (sockets need one) that holds a root tree and the launcher as `cgshim`."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("runc", runtime_problems("runc"))
    here = CgroupValues(os.getpid())
    absent = [name for name in ("memory", "pids") if here.version(name) != 1]
    require("v1 hierarchies", f"{', '.join(absent)} not on cgroup v1" if absent else "")
    made = Path(tempfile.mkdtemp(prefix="cgshim-"))
    (made / "cgshim").symlink_to(LAUNCHER)
    make_bundle(made / "bundle", find_busybox())
    yield made
    shutil.rmtree(made)


class Podman:
    """podman with storage and state of its own."""

    def __init__(self, place: Path, container: str, journal: list[str]) -> None:
        self.place = place
        self.container = container
        self.journal = journal

    def __call__(self, *arguments: str) -> Result:
        """One podman command, its failure included."""
        place = self.place
        storage = ("--root", f"{place}/storage", "--runroot", f"{place}/state", "--storage-driver", "vfs")
        rest = ("--cgroup-manager", "cgroupfs", "--hooks-dir", f"{place}/hooks", "--runtime", f"{place}/cgshim")
        done = call(["podman", *storage, *rest, *arguments], env={"PATH": SEARCH_PATH, "HOME": str(place)})
        self.journal.append(str(done))
        return done

    def run(self, unified: dict[str, str], *process: str) -> Result:
        """`podman run` of a container whose config.json has these limits."""
        hooks = self.place / "hooks"
        hooks.mkdir()
        script = hooks / "foreign"
        script.write_text(HOOK.format(unified=unified))
        script.chmod(0o755)
        when = {"always": True}
        hook = {"version": "1.0.0", "hook": {"path": str(script)}, "when": when, "stages": ["precreate"]}
        (hooks / "foreign.json").write_text(json.dumps(hook))
        # podman's own defaults for these two cannot be set without CAP_SYS_RESOURCE.
        ulimits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
        name = ("--name", self.container, "--network", "none", "--security-opt", "seccomp=unconfined")
        return self("run", "--detach", *ulimits, *name, "--rootfs", f"{self.place}/bundle/rootfs", *process)


@pytest.fixture
def podman(place: Path, container: str, journal: list[str]) -> Iterator[Podman]:
    """podman, whose container is removed afterwards."""
    require("podman", _engine_problem("podman"))
    engine = Podman(place, container, journal)
    yield engine
    engine("rm", "--force", "--time", "0", container)


def test_podman_runs_with_foreign_limits(podman: Podman) -> None:
    """podman starts the container, and the kernel has the limits."""
    done = podman.run(FOREIGN, "/bin/sleep", "300")
    assert done.status == 0, str(done)
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", podman.container).out)
    assert _kernel_shows(pid) == ON_V1
    assert podman("inspect", "--format", "{{.OCIRuntime}}", podman.container).out == f"{podman.place}/cgshim\n"


def test_podman_shows_the_reason(podman: Podman) -> None:
    """What cannot be enforced is refused, and podman's own output says why."""
    done = podman.run(LOST, "/bin/true")
    assert done.status != 0
    for words in REASONS:
        assert words in done.err, str(done)


class Containerd:
    """containerd with state and socket of its own, and `ctr` to talk to it."""

    def __init__(self, place: Path, container: str, journal: list[str]) -> None:
        self.place = place
        self.container = container
        self.journal = journal
        settings = place / "containerd.toml"
        settings.write_text(
            'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
        )
        directories = ("--root", f"{place}/storage", "--state", f"{place}/state", "--address", f"{place}/sock")
        with (place / "log").open("w") as log:
            self._daemon = subprocess.Popen(
                ["containerd", "--config", str(settings), *directories],
                env={"PATH": SEARCH_PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __call__(self, *arguments: str) -> Result:
        """One ctr command, its failure included; it waits for the daemon by itself."""
        argv = ["ctr", "--address", f"{self.place}/sock", "--connect-timeout", "60s", *arguments]
        done = call(argv, env={"PATH": SEARCH_PATH})
        self.journal.append(str(done))
        return done

    def run(self, unified: dict[str, str]) -> Result:
        """`ctr run` of a container with these limits."""
        linux: dict[str, Any] = {"cgroupsPath": f"/{self.container}"}
        config = base_config(resources={"unified": unified}, linux=linux)
        config["root"]["path"] = f"{self.place}/bundle/rootfs"
        spec = self.place / "spec.json"
        spec.write_text(json.dumps(config))
        runc = ("--runc-binary", f"{self.place}/cgshim")
        return self("run", "--detach", *runc, "--config", str(spec), self.container)

    def close(self) -> None:
        """Remove the container, then end the daemon."""
        self("task", "rm", "--force", self.container)
        self("container", "rm", self.container)
        self._daemon.terminate()
        self._daemon.wait(60)


@pytest.fixture
def containerd(place: Path, container: str, journal: list[str]) -> Iterator[Containerd]:
    """A containerd of its own."""
    require("containerd", _engine_problem("containerd", "containerd-shim-runc-v2", "ctr"))
    engine = Containerd(place, container, journal)
    yield engine
    engine.close()


def test_containerd_runs_with_foreign_limits(containerd: Containerd) -> None:
    """containerd starts the container, and the kernel has the limits."""
    done = containerd.run(FOREIGN)
    assert done.status == 0, str(done)
    tasks = [line.split() for line in containerd("task", "ls").out.splitlines()]
    (pid,) = [int(words[1]) for words in tasks if words[0] == containerd.container]
    assert _kernel_shows(pid) == ON_V1


def test_containerd_shows_the_reason(containerd: Containerd) -> None:
    """What cannot be enforced is refused, and ctr's own output says why."""
    done = containerd.run(LOST)
    assert done.status != 0
    for words in REASONS:
        assert words in done.err, str(done)
