"""One container at a time: bundle, start with the bare runtime or through cgshim, settings, clean-up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

from integration.matrix.guest import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

RUN = "/run/matrix"
LOG = f"{RUN}/log.json"  # named as containerd's
INSTALLED = "/cgshim/shim"
RUNTIMES = {"runc": "/usr/sbin/runc", "crun": "/usr/bin/crun"}
LIMIT = 120  # seconds; a call that takes longer hangs, as it would below a frozen ancestor


class Way:
    """How a container is started: the runtime's name, through cgshim or not, with the systemd driver or not."""

    def __init__(self, runtime: str, shim: bool, systemd: bool = False) -> None:
        self.runtime = runtime
        self.shim = shim
        self.systemd = systemd

    @property
    def through(self) -> str:
        """Either "cgshim" or "bare"."""
        return "cgshim" if self.shim else "bare"

    def command(self, *words: str) -> list[str]:
        """The command line of one call."""
        program = ["/bin/sh", f"{INSTALLED}/launcher.sh"] if self.shim else [RUNTIMES[self.runtime]]
        options = ["--root", f"{RUN}/state", "--log", LOG, "--log-format", "json"]
        return [*program, *options, *(["--systemd-cgroup"] if self.systemd else []), *words]

    def environment(self) -> dict[str, str]:
        """What an engine would set, and which runtime is the real one."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CGSHIM_RUNTIME": RUNTIMES[self.runtime],
        }


class Result:
    """What one call gave: exit status (124: it hung), all that it printed, and the engine's log."""

    def __init__(self, status: int, text: str, log: str) -> None:
        self.status = status
        self.text = text
        self.log = log


def user_namespace(config: dict[str, Any]) -> None:
    """Add a user namespace that does not map root, and a cgroup mount.

    The kernel walks to the container's cgroup with the container's ids; it cannot pass what a umask of 077 made.
    """
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    for name in ("uidMappings", "gidMappings"):
        config["linux"][name] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["mounts"].append(
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
    )


def call(way: Way, *words: str, stdin: str | None = None, umask: int = 0o022) -> Result:
    """Run one call of a runtime. A created container keeps its stdio, so the output goes into a file, not a pipe."""
    output = f"{RUN}/output"
    with open(LOG, "w"), open(output, "w") as file:
        child = subprocess.Popen(
            way.command(*words),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=way.environment(),
            start_new_session=True,
            umask=umask,
        )
        try:
            child.communicate(stdin.encode() if stdin is not None else None, timeout=LIMIT)
            status = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = 124
    with open(output, errors="replace") as file, open(LOG, errors="replace") as log:
        return Result(status, file.read().strip(), log.read().strip())


class Container:
    """A container with one `linux.resources` object; use as a context manager, it leaves nothing behind."""

    count = 0

    def __init__(
        self,
        way: Way,
        resources: dict[str, Any],
        parent: str = "",
        config: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        Container.count += 1
        self.way = way
        self.name = f"c{Container.count}"
        self.path = f"{parent}/{self.name}"
        self.bundle = f"{RUN}/{self.name}"
        self.resources = resources
        self.config = config
        self.umask = 0o022

    def __enter__(self) -> Container:
        os.makedirs(self.bundle)
        with open(f"{self.bundle}/config.json", "w") as file:
            json.dump(self._config(), file)
        return self

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "ociVersion": "1.0.2",
            "process": {
                "cwd": "/",
                "args": ["/bin/sleep", "100000"],
                "env": ["PATH=/bin"],
                "user": {"uid": 0, "gid": 0},
            },
            "root": {"path": f"{RUN}/rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                # What a runtime makes in /dev must not stay in the root file system that all containers share.
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            ],
            "linux": {
                "cgroupsPath": f"system.slice:matrix:{self.name}" if self.way.systemd else self.path,
                "namespaces": [{"type": "pid"}, {"type": "mount"}],
                "resources": self.resources,
            },
        }
        if self.config:
            self.config(config)
        return config

    def create(self, command: str = "create") -> Result:
        """Create (or `run`) it."""
        detach = ["--detach"] if command == "run" else []
        words = (command, *detach, "--bundle", self.bundle, "--pid-file", f"{self.bundle}/pid", self.name)
        return call(self.way, *words, umask=self.umask)

    def update(self, resources: dict[str, Any]) -> Result:
        """`update` with a resources object on standard input."""
        return call(self.way, "update", "-r", "-", self.name, stdin=json.dumps(resources))

    def pid(self) -> int:
        """The process id of its init."""
        with open(f"{self.bundle}/pid") as file:
            return int(file.read())

    def settings(self) -> dict[str, str]:
        """What the kernel shows in its own cgroups."""
        return cgroups.container_settings(self.pid(), self.path)

    def report(self) -> list[list[str]]:
        """What cgshim left in the bundle's annotation, as (field, effect, code) triples."""
        with open(f"{self.bundle}/config.json") as file:
            found = json.load(file).get("annotations", {}).get("io.cgshim.report", "{}")
        return [[change["field"], change["effect"], change["code"]] for change in json.loads(found).get("changes", [])]

    def __exit__(self, *_: object) -> None:
        directories = list(self._directories())
        if os.path.exists(f"{self.bundle}/pid"):
            try:
                os.kill(self.pid(), signal.SIGKILL)
            except ProcessLookupError:
                pass
        for directory in directories:
            remove(directory)
        shutil.rmtree(f"{RUN}/state/{self.name}", ignore_errors=True)
        shutil.rmtree(self.bundle, ignore_errors=True)

    def _directories(self) -> Iterator[str]:
        for hierarchy in cgroups.hierarchies():
            yield hierarchy.mount + self.path
            yield f"{hierarchy.mount}/system.slice/matrix-{self.name}.scope"


def remove(directory: str) -> None:
    """Remove a cgroup and those below it, once its killed processes are gone."""
    for _ in range(100):
        try:
            for below, _, _ in os.walk(directory, topdown=False):
                os.rmdir(below)
            return
        except OSError:
            for pid in cgroups.processes(directory):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
