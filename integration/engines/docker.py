"""dockerd with a containerd, roots and a socket of its own, without networks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from integration.containers import SEARCH_PATH, Result, call
from integration.engines.engine import CGROUP_PARENT, Daemon, Wish
from integration.engines.podman import FLAGS, flags

if TYPE_CHECKING:
    from pathlib import Path

    from integration.engines.front import Front

ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root"}
# The distribution's client goes with the distribution's daemon, whatever else is in the search path.
CLIENT = next((path for path in ("/usr/bin/docker",) if os.access(path, os.X_OK)), "docker")


class Dockerd(Daemon):
    """The daemon, with cgshim as its default runtime."""

    def __init__(self, place: Path, front: Front, root_tar: Path) -> None:
        place.mkdir()
        (place / "home").mkdir()
        configuration = place / "daemon.json"
        configuration.write_text(
            json.dumps(
                {
                    "default-runtime": "wrap",
                    "runtimes": {"wrap": {"path": str(front.path)}, "bare": {"path": front.runtime}},
                    "deprecated-key-path": str(place / "key.json"),
                    "cgroup-parent": f"/{CGROUP_PARENT}",
                    "exec-opts": ["native.cgroupdriver=cgroupfs"],
                }
            )
        )
        self.socket = place / "docker.sock"
        self.front = front
        places = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
        network = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
        argv = ["dockerd", f"--config-file={configuration}", *places, f"--host=unix://{self.socket}", *network]
        super().__init__(place, argv, self.socket, ENVIRONMENT)
        done = self.docker("import", str(root_tar), "box")
        assert done.status == 0, str(done)

    def docker(self, *args: str, **variables: str) -> Result:
        """A docker command."""
        client = [CLIENT, "--config", str(self.place / "home"), "--host", f"unix://{self.socket}"]
        return call([*client, *args], env={**ENVIRONMENT, **variables})

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
        frame = f"Error response from daemon: failed to create shim task: OCI runtime create failed: {text}: unknown"
        if again:
            return 1, f"{frame}\nError: failed to start containers: {again}\n"
        return 125, f"docker: {frame}.\n"
