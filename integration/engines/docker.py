"""dockerd with a containerd, roots and a socket of its own, without networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.engines.engine import CGROUP_PARENT, Daemon, Wish
from integration.engines.podman import FLAGS, flags
from integration.engines.system import ENVIRONMENT

if TYPE_CHECKING:
    from integration.containers import Result
    from integration.engines.front import Front
    from integration.engines.system import System

# The distribution's client goes with the distribution's daemon, whatever else is in the search path.
CLIENT = "/usr/bin/docker"


def daemon_json(place: Path, system: System, **members: Any) -> str:
    """daemon.json with what this host needs, and with `members`."""
    own: dict[str, Any] = {"cgroup-parent": f"/{CGROUP_PARENT}", "exec-opts": ["native.cgroupdriver=cgroupfs"]}
    own["experimental"] = True  # for checkpoints
    if not system.within:
        own["deprecated-key-path"] = str(place / "key.json")  # below /etc by default; newer ones have no such key
    return json.dumps({**own, **members})


class Dockerd(Daemon):
    """The daemon with the file `config`, or with one that makes cgshim its default runtime."""

    def __init__(
        self, place: Path, front: Front, system: System | None = None, config: str = "", **variables: str
    ) -> None:
        (place / "home").mkdir(parents=True, exist_ok=True)
        self.front = front
        self.system = system or front.system
        self.socket = place / "docker.sock"
        self._client = self.system.find(CLIENT) or "docker"
        if not config:
            config = str(place / "daemon.json")
            runtimes = {"wrap": {"path": str(front.path)}, "bare": {"path": front.runtime}}
            members = {"default-runtime": "wrap", "runtimes": runtimes}
            Path(config).write_text(daemon_json(place, self.system, **members))
        places = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
        network = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
        argv = ["dockerd", f"--config-file={config}", *places, f"--host=unix://{self.socket}", *network]
        super().__init__(place, [*self.system.within, *argv], self.socket, {**ENVIRONMENT, **variables})

    def load(self, root_tar: Path) -> None:
        """Import the image."""
        self.must("import", str(root_tar), "box")

    def docker(self, *args: str, **variables: str) -> Result:
        """A docker command."""
        client = [self._client, "--config", str(self.place / "home"), "--host", f"unix://{self.socket}"]
        return self.system([*client, *args], env={**ENVIRONMENT, **variables})

    def must(self, *args: str) -> str:
        """The output of a docker command that has to succeed."""
        result = self.docker(*args)
        assert result.status == 0, str(result)
        return result.out.strip()


class Docker:
    """`docker run`."""

    kind = "docker"
    gives_log = True

    def __init__(self, daemon: Dockerd) -> None:
        self.daemon = daemon

    def words(self, name: str, wish: Wish) -> list[str]:
        """The arguments of `run` and `create` for a wish."""
        words = [f"--name={name}", "--network=none", *flags(wish.resources, FLAGS)]
        words += ["--runtime=bare"] if wish.bare else []
        words += [f"--volume={wish.mount[0]}:{wish.mount[1]}"] if wish.mount[0] else []
        return [*words, "box", *wish.args]

    def run(self, name: str, wish: Wish) -> Result:
        """`docker run`."""
        return self.daemon.docker("run", *self.words(name, wish))

    def start(self, name: str, wish: Wish) -> int:
        """`docker run --detach`; the init's process id."""
        self.daemon.must("run", "--detach", *self.words(name, wish))
        return self.pid(name)

    def pid(self, name: str) -> int:
        """The init's process id as docker knows it."""
        return int(self.daemon.must("inspect", "--format={{.State.Pid}}", name))

    def start_again(self, name: str, wish: Wish) -> Result:
        """`docker start`."""
        del wish
        return self.daemon.docker("start", name)

    def remove(self, name: str) -> None:
        """`docker rm`."""
        self.daemon.docker("rm", "--force", name)

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """The last error of the log, in dockerd's frame."""
        del spoken
        text += self.daemon.system.unknown
        newer = self.daemon.system.name != "here"
        task = "failed to create task for container: " if newer else ""
        frame = f"Error response from daemon: {task}failed to create shim task: OCI runtime create failed: {text}"
        if again:
            return 1, f"{frame}\nError: failed to start containers: {again}\n"
        end = "\n\nRun 'docker run --help' for more information" if newer else "."
        return 125, f"docker: {frame}{end}\n"
