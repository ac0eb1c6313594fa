"""containerd with private root and state, and `ctr` as its client; the configuration has CRI's two runtimes, too."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from integration.bundle import base_config
from integration.containers import PATIENCE, Result
from integration.engines.engine import CGROUP_PARENT, Daemon, Wish
from integration.engines.system import ENVIRONMENT

if TYPE_CHECKING:
    from integration.engines.front import Front
    from integration.engines.system import System

PTS = {
    "destination": "/dev/pts",
    "type": "devpts",
    "source": "devpts",
    "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
}
GENERAL = """version = {version}
root = "{place}/root"
state = "{place}/state"
[grpc]
  address = "{place}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{place}/opt"
"""
# What CRI needs to know here, in the notation of versions 2 and 3 (containerd: docs/cri/config.md).
RUNTIME_PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
IMAGES = {
    2: """  sandbox_image = "localhost/box:latest"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
""",
    3: """[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "localhost/box:latest"
[plugins."io.containerd.cri.v1.runtime".containerd]
""",
}
CRI = """[plugins."{plugin}".cni]
  conf_dir = "{place}/cni"
[plugins."{plugin}"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = false
{images}  default_runtime_name = "bare"
"""
ENTRY = """[plugins."{plugin}".containerd.runtimes.{name}]
  runtime_type = "io.containerd.runc.v2"
[plugins."{plugin}".containerd.runtimes.{name}.options]
  BinaryName = "{binary}"
"""


def configuration(system: System, place: Path, **binaries: str) -> str:
    """config.toml in the version that this containerd writes itself, with CRI's runtimes by their names."""
    (version,) = re.findall(r"^version = (\d)$", system(["containerd", "config", "default"]).out, re.MULTILINE)
    plugin, images = RUNTIME_PLUGIN[int(version)], IMAGES[int(version)]
    entries = [ENTRY.format(plugin=plugin, name=name, binary=binary) for name, binary in binaries.items()]
    cri = CRI.format(plugin=plugin, place=place, images=images)
    return GENERAL.format(version=version, place=place) + cri + "".join(entries)


class Containerd(Daemon):
    """The daemon, with the file `config` or one of its own; `socket` is where its API is."""

    def __init__(self, place: Path, front: Front, system: System | None = None, config: str = "") -> None:
        self.front = front
        self.system = system or front.system
        self.socket = place / "containerd.sock"
        if not config:
            place.mkdir()
            config = str(place / "config.toml")
            Path(config).write_text(configuration(self.system, place, bare=front.runtime, wrap=str(front.path)))
        super().__init__(place, [*self.system.within, "containerd", "--config", config], self.socket, ENVIRONMENT)

    def load(self, archive: Path) -> None:
        """Import the image for ctr and for CRI."""
        # Newer ones have another way by default, which wants the snapshotter in their configuration.
        local = ["--local"] if "--local" in self.ctr("images", "import", "--help").out else []
        for namespace in ("default", "k8s.io"):
            words = ["images", "import", *local, "--snapshotter=native", str(archive)]
            done = self.ctr("--namespace", namespace, *words)
            assert done.status == 0, str(done)

    def ctr(self, *args: str) -> Result:
        """A ctr command."""
        return self.system(["ctr", "--address", str(self.socket), *args])


class Ctr:
    """`ctr run` with a configuration of the test's own, with and without a terminal."""

    gives_log = True

    def __init__(self, containerd: Containerd, rootfs: Path, *, terminal: bool = False) -> None:
        self.kind = "ctr-terminal" if terminal else "ctr"
        self.containerd = containerd
        self._rootfs = rootfs
        self._terminal = terminal

    def words(self, name: str, wish: Wish) -> list[str]:
        """The arguments of `run` and `containers create` for a wish."""
        mount = {"type": "bind", "source": wish.mount[0], "destination": wish.mount[1], "options": ["rbind"]}
        config = base_config(
            args=list(wish.args),
            resources=wish.resources,
            mounts=[*([PTS] if self._terminal else []), *([mount] if wish.mount[0] else [])],
            linux={"cgroupsPath": f"/{CGROUP_PARENT}/{name}"},
            root={"path": str(self._rootfs)},
        )
        config["process"]["terminal"] = self._terminal
        path = self.containerd.place / f"{name}.json"
        path.write_text(json.dumps(config))
        front = self.containerd.front
        words = [f"--runc-binary={front.runtime if wish.bare else front.path}", f"--config={path}", name]
        return ["--tty", *words] if self._terminal else words

    def run(self, name: str, wish: Wish) -> Result:
        """`ctr run`."""
        call_ctr = self._on_terminal if self._terminal else self.containerd.ctr
        return call_ctr("run", "--rm", *self.words(name, wish))

    def _on_terminal(self, *words: str) -> Result:
        """Standard input and output are a terminal, standard error is not, so that it can be told from them."""
        argv = (*self.containerd.system.within, "ctr", "--address", str(self.containerd.socket), *words)
        master, slave = pty.openpty()
        path = self.containerd.place / "stderr"
        with path.open("wb") as err:
            done = subprocess.run(
                argv, check=False, stdin=slave, stdout=slave, stderr=err, env=ENVIRONMENT, timeout=PATIENCE
            )
        os.close(slave)
        out = b""
        while part := _read(master):
            out += part
        os.close(master)
        return Result(argv, done.returncode, out.decode(), path.read_text())

    def start_again(self, name: str, wish: Wish) -> Result:
        """`ctr run` as before, but without --rm, which would leave nothing to start, then `ctr tasks start`."""
        call_ctr = self._on_terminal if self._terminal else self.containerd.ctr
        first = call_ctr("run", *self.words(name, wish))
        assert first.status == 1, str(first)
        return call_ctr("tasks", "start", name)

    def remove(self, name: str) -> None:
        """`ctr tasks kill` and `delete`, `ctr containers delete`."""
        self.containerd.ctr("tasks", "kill", "--all", "--signal=KILL", name)
        self.containerd.ctr("tasks", "delete", "--force", name)
        self.containerd.ctr("containers", "delete", name)

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """The last error of the log, in containerd's frame."""
        del spoken, again
        text += self.containerd.system.unknown
        return 1, f"ctr: failed to create shim task: OCI runtime create failed: {text}\n"


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""  # EIO: nobody has the other side open any more
