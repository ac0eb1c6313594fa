"""podman with private storage; the runtime under a name that it reads JSON errors from, and under one it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from integration.containers import SEARCH_PATH
from integration.engines.engine import CGROUP_PARENT, Wish, unmount_below

if TYPE_CHECKING:
    from pathlib import Path

    from integration.containers import Result
    from integration.engines.front import Front

# Limits are the caller's own, for podman's defaults need CAP_SYS_RESOURCE.
CONFIGURATION = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
log_driver = "k8s-file"
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[engine.runtimes]
runc = ["{runtime}"]
wrap = ["{runtime}"]
crun = ["{runtime}"]
"""
FLAGS = {
    ("memory", "limit"): "--memory={}b",
    ("cpu", "shares"): "--cpu-shares={}",
    ("cpu", "realtimeRuntime"): "--cpu-rt-runtime={}",
    ("pids", "limit"): "--pids-limit={}",
}


def flags(resources: dict[str, Any], known: dict[tuple[str, str], str]) -> list[str]:
    """The command-line flags for resources; a KeyError for one that the engine has no flag for."""
    return [known[group, key].format(value) for group, keys in resources.items() for key, value in keys.items()]


class Podman:
    """podman as root."""

    def __init__(self, place: Path, front: Front, root_tar: Path, runtime: str = "runc") -> None:
        self.kind = "podman" if runtime == "runc" else "podman-plain-name"
        self.gives_log = runtime == "runc"
        self.runtime = runtime
        self.image = "localhost/box"
        self._place = place
        self._system = self.system = front.system
        # Newer ones say on stderr that they will not support v1 forever, unless this is set.
        quiet = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
        self.environment = {"PATH": SEARCH_PATH, "HOME": "/root", "TMPDIR": str(place), **quiet}
        if not place.exists():
            place.mkdir()
            for name, path in (("containers.conf", front.path), ("bare.conf", front.runtime)):
                (place / name).write_text(CONFIGURATION.format(runtime=path))
            self.must("import", str(root_tar), self.image)

    def __call__(self, *args: str, bare: bool = False, before: str = "") -> Result:
        """A podman command; `bare`: the runtime's names lead to the runtime itself. before: sh code."""
        conf = str(self._place / ("bare.conf" if bare else "containers.conf"))
        own = ("--root", "root", "--runroot", "run", "--tmpdir", "tmp")
        places = [str(self._place / word) if not word.startswith("-") else word for word in own]
        shell = ["/bin/sh", "-c", f'{before}\nexec "$@"', "sh"] if before else []
        return self._system(
            [*shell, "podman", *places, "--storage-driver=vfs", *args],
            env={**self.environment, "CONTAINERS_CONF": conf},
        )

    def must(self, *args: str) -> str:
        """The output of a podman command that has to succeed."""
        result = self(*args)
        assert result.status == 0, str(result)
        return result.out.strip()

    def words(self, name: str, wish: Wish) -> list[str]:
        """The arguments of `run` and `create` for a wish."""
        words = [f"--name={name}", f"--runtime={self.runtime}", f"--cgroup-parent=/{CGROUP_PARENT}"]
        words += flags(wish.resources, FLAGS)
        if wish.mount[0]:
            words.append(f"--volume={wish.mount[0]}:{wish.mount[1]}")
        return [*words, self.image, *wish.args]

    def run(self, name: str, wish: Wish) -> Result:
        """`podman run`."""
        return self("run", *self.words(name, wish), bare=wish.bare)

    def start(self, name: str, wish: Wish) -> int:
        """`podman run --detach`; the init's process id."""
        self.must("run", "--detach", *self.words(name, wish))
        return self.pid(name)

    def pid(self, name: str) -> int:
        """The init's process id as podman knows it."""
        return int(self.inspect(name)["State"]["Pid"])

    def inspect(self, name: str) -> dict[str, Any]:
        """`podman inspect` of a container."""
        (found,) = json.loads(self.must("inspect", "--type=container", name))
        return dict(found)

    def start_again(self, name: str, wish: Wish) -> Result:
        """`podman start`: podman's record of a container that never started is still there."""
        del wish
        return self("start", name)

    def remove(self, name: str) -> None:
        """`podman rm`."""
        self("rm", "--force", "--time=0", "--ignore", name)

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """JSON names: the log's one object. Other names: all that was written to stderr, or, of words that podman has
        a meaning for, the one line with them.
        """
        where = f'unable to start container "{again}": ' if again else ""
        if self.runtime != "runc" and "no such file or directory" in spoken:
            meaning = "OCI runtime attempted to invoke a command that was not found"
            return (125 if again else 127), f"Error: {where}{self.runtime}: {spoken}: {meaning}\n"
        if self.runtime != "runc":
            text = "\n".join(part for part in (spoken, as_text_record(text)) if part)
        return (125 if again else 126), f"Error: OCI runtime error: {where}{self.runtime}: {text}\n"

    def close(self) -> None:
        """Remove everything."""
        self("rm", "--all", "--force", "--time=0")
        unmount_below(self._place)


def as_text_record(text: str) -> str:
    """A message as runc writes it where it has no log (logrus' text form)."""
    return f'time="TIME" level=error msg={json.dumps(text)}'
