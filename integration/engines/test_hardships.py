"""What engines do to a runtime beyond the plain case: kills, empty environments, extra descriptors, user namespaces."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.containers import LAUNCHER, SEARCH_PATH
from integration.engines.engine import Wish, normal, processes, wait_until
from integration.engines.podman import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.containers import Result
    from integration.engines.conmon import Conmon
    from integration.engines.docker import Docker
    from integration.engines.engine import Engine
    from integration.engines.front import Front
    from integration.engines.podman import Podman

REWRITTEN: dict[str, Any] = {"cpu": {"shares": 1}}  # below the kernel's least: the bare runtime refuses it
SLOW = """#!/bin/sh
case " $* " in *" create "*)
    echo $$ >{pid}
    exec sleep 300
esac
exec {runtime} "$@"
"""


@pytest.mark.parametrize("engine", ["podman", "ctr", "docker", "conmon", "cri"], indirect=True)
def test_killed_during_create(engine: Engine, front: Front, tmp_path: Path, name: str) -> None:
    """SIGKILL of cgshim while the runtime creates: the runtime dies too, the engine notices, nothing is left."""
    pid_file = tmp_path / "pid"
    slow = front.path.with_name("slow-runc")
    slow.write_text(SLOW.format(pid=pid_file, runtime=front.runtime))
    slow.chmod(0o755)
    front.point(runtime=str(slow))
    seen: list[Any] = []
    thread = threading.Thread(target=_run_into, args=(seen, engine, name))
    thread.start()
    assert wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    child = int(pid_file.read_text())
    parent = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert b"shim.call.entry" in Path(f"/proc/{parent}/cmdline").read_bytes()
    os.kill(parent, signal.SIGKILL)
    gone = wait_until(lambda: not Path(f"/proc/{child}").exists())
    thread.join()
    front.reset()
    engine.remove(name)
    assert gone
    (result,) = seen
    assert isinstance(result, (AssertionError, ValueError)) if engine.kind == "conmon" else result.status != 0
    assert wait_until(lambda: not processes(name)), processes(name)


def _run_into(seen: list[Any], engine: Engine, name: str) -> None:
    try:
        seen.append(engine.run(name, Wish(("/bin/true",))))
    except (AssertionError, ValueError) as error:  # conmon: an empty answer is not JSON
        seen.append(error)


def test_without_path(engine: Engine, front: Front, name: str) -> None:
    """Neither a search path nor a home: everything that cgshim needs it knows the place of."""
    front.point(before="unset PATH HOME LANG")
    result = engine.run(name, Wish(("/bin/echo", "x"), REWRITTEN))
    engine.remove(name)
    assert (result.status, result.out.strip(), result.err) == (0, "x", "")


def test_user_namespace(podman: Podman, front: Front, name: str) -> None:
    """`podman run --uidmap`: the bundle belongs to another user, and is rewritten nevertheless."""
    del front
    maps = ("--uidmap=0:100000:5000", "--gidmap=0:100000:5000")
    words = ["/bin/cat", "/proc/self/uid_map"]
    result = podman("run", *maps, *podman.words(name, Wish(tuple(words), REWRITTEN)))
    podman.remove(name)
    assert (result.status, result.out.split(), result.err) == (0, ["0", "100000", "5000"], ""), str(result)


def test_extra_descriptors(podman: Podman, front: Front, tmp_path: Path, name: str) -> None:
    """`podman run --preserve-fds`: the container has the caller's descriptors, and no other one of ours."""
    del front
    (tmp_path / "data").write_text("from the caller\n")
    script = "cat <&3; for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"
    words = podman.words(name, Wish(("/bin/sh", "-c", script), REWRITTEN))
    result = podman("run", "--preserve-fds=1", *words, before=f"exec 3<{tmp_path}/data")
    podman.remove(name)
    assert (result.status, result.err) == (0, "")
    first, *numbers = result.out.splitlines()
    assert first == "from the caller"
    assert {"0", "1", "2", "3"} <= set(numbers)
    assert [number for number in numbers if int(number) >= 100] == []


def test_without_cgroups(podman: Podman, front: Front, runtime_problems: Callable[[str], str], name: str) -> None:
    """`podman run --cgroups=disabled`: crun is asked for no cgroup, and limits are left as they are."""
    require("crun", front.system.missing("crun"))
    front.point(runtime=front.system.find("crun"))
    result = podman("run", f"--name={name}", "--runtime=crun", "--cgroups=disabled", podman.image, "/bin/echo", "x")
    podman.remove(name)
    if runtime_problems("crun"):
        assert "cgshim: crun refuses this hybrid host" in result.err
        require("crun", runtime_problems("crun"))
    assert (result.status, result.out, result.err) == (0, "x\n", "")


def test_flag_that_the_runtime_does_not_have(podman: Podman, front: Front, name: str) -> None:
    """runc under crun's name gets --cgroup-manager, which it refuses: in its own words, as without cgshim."""
    del front
    words = ["run", f"--name={name}", "--runtime=crun", "--cgroups=disabled", podman.image, "/bin/true"]
    bare = podman(*words, bare=True)
    podman.remove(name)
    result = podman(*words)
    podman.remove(name)
    assert result.status != 0
    assert "flag provided but not defined: -cgroup-manager" in bare.err
    assert (result.status, result.out, normal(result.err)) == (bare.status, bare.out, normal(bare.err))


def test_podman_build(podman: Podman, front: Front, tmp_path: Path, name: str) -> None:
    """`podman build`: RUN steps go through cgshim, which gets no log, and what they write is theirs."""
    front.record()
    (tmp_path / "Containerfile").write_text(f"FROM {podman.image}\nRUN echo built >/built; echo out; echo err >&2\n")
    limits = ("--cpu-shares=1", "--network=none", "--pull=never", "--isolation=oci")
    result = podman("build", *limits, "--tag", f"localhost/{name}", str(tmp_path))
    assert result.status == 0, str(result)
    assert result.err == "err\n"
    assert "\nout\n" in result.out
    assert podman.must("run", "--rm", f"localhost/{name}", "/bin/cat", "/built") == "built"
    podman.must("rmi", "--force", f"localhost/{name}")
    assert any(" create --bundle " in line and " --log" not in line for line in front.calls.read_text().splitlines())


def test_podman_healthcheck(podman: Podman, front: Front, name: str) -> None:
    """A healthcheck is an exec like any other; its output and its verdict are podman's."""
    del front
    health = ("--health-cmd", "echo healthy", "--health-interval=disable")
    podman.must("run", "--detach", *health, *podman.words(name, Wish(("/bin/sleep", "300"), REWRITTEN)))
    podman.must("healthcheck", "run", name)
    state = podman.inspect(name)["State"]["Health"]
    podman.remove(name)
    log = [(one["ExitCode"], one["Output"].strip()) for one in state["Log"]]
    assert (state["Status"], log) == ("healthy", [(0, "healthy")])


def test_podman_info(podman: Podman, front: Front) -> None:
    """`podman info` shows the path of cgshim's entry, and the real runtime's version with nothing of ours in it."""
    info = json.loads(podman.must("info", "--format={{json .Host.OCIRuntime}}"))
    assert info["path"] == str(front.path)
    assert info["version"] == front.system([front.runtime, "--version"]).out.strip()


@pytest.mark.parametrize("probe", ["--version", "features", "--help", "checkpoint --help", "list"])
def test_probes(front: Front, probe: str) -> None:
    """What engines ask a runtime about itself comes through byte for byte, on each stream."""
    bare = front.system([front.runtime, *probe.split()])
    shim = front.system([str(front.path), *probe.split()])
    assert (shim.status, shim.out, shim.err) == (bare.status, bare.out, bare.err)


def test_docker_sees_the_real_version(docker: Docker, front: Front) -> None:
    """`docker version` and `docker info` name cgshim's entry, and parse its `--version`: the real runtime's."""
    version_text = front.system([front.runtime, "--version"]).out
    wanted = version_text.splitlines()[0].removeprefix("runc version ")
    version = json.loads(docker.daemon.must("version", "--format={{json .Server.Components}}"))
    assert {one["Name"]: one["Version"] for one in version}["wrap"] == wanted
    info = json.loads(docker.daemon.must("info", "--format={{json .}}"))
    assert info["DefaultRuntime"] == "wrap"
    assert info["Runtimes"]["wrap"]["path"] == str(front.path)
    assert f"\ncommit: {info['RuncCommit']['ID']}\n" in version_text


class Rootless:
    """podman as nobody, with a copy of the package that nobody can read."""

    def __init__(self, place: Path, root_tar: Path, front: Front) -> None:
        self._system = front.system
        self.place = place
        self.user = 65534
        for name in ("home", "run"):
            (place / name).mkdir(parents=True)
            os.chown(place / name, self.user, self.user)
        (place / "run").chmod(0o700)
        shutil.copytree(LAUNCHER.parent, place / "shim", ignore=shutil.ignore_patterns("__pycache__"))
        for name, path in (("wrap.conf", place / "shim" / "launcher.sh"), ("bare.conf", Path(front.runtime))):
            (place / name).write_text(CONFIGURATION.format(runtime=path).replace('netns = "none"', 'netns = "host"'))
        shutil.copy(root_tar, place / "root.tar")

    def __call__(self, *args: str, bare: bool = False) -> Result:
        """A podman command of an ordinary user."""
        own = {
            "PATH": SEARCH_PATH,
            "HOME": str(self.place / "home"),
            "XDG_RUNTIME_DIR": str(self.place / "run"),
            "CONTAINERS_CONF": str(self.place / ("bare.conf" if bare else "wrap.conf")),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
        }
        user = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return self._system([*user, "podman", "--storage-driver=vfs", *args], env=own)


@pytest.fixture(scope="module")
def rootless(place: Path, root_tar: Path, installed_front: Front) -> Any:
    """Rootless podman, where it can run a container without cgshim."""
    require("podman", installed_front.system.missing("podman", "setpriv"))
    podman = Rootless(place / "rootless", root_tar, installed_front)
    podman("import", str(podman.place / "root.tar"), "localhost/box", bare=True)
    probe = podman("run", "--rm", "localhost/box", "/bin/true", bare=True)
    require("rootless podman", "" if probe.status == 0 else f"it runs no container here: {probe.err.strip()}")
    yield podman
    podman("rm", "--all", "--force", "--time=0")
    podman("system", "migrate")  # ends the process that keeps the user namespace


def test_rootless_output(rootless: Rootless, name: str) -> None:
    """An ordinary user's container: the same output, exec and status as with the bare runtime."""
    words = ["run", "--rm", "localhost/box", "/bin/sh", "-c", "id; echo err >&2; exit 5"]
    bare = rootless(*words, bare=True)
    result = rootless(*words)
    assert bare.status == 5
    assert (result.status, result.out, result.err) == (bare.status, bare.out, bare.err)
    assert rootless("run", "--detach", "--name", name, "localhost/box", "/bin/sleep", "300").status == 0
    assert rootless("exec", name, "/bin/echo", "inside").out == "inside\n"
    assert rootless("rm", "--force", "--time=0", name).status == 0


def test_rootless_failure_is_explained(rootless: Rootless) -> None:
    """The diagnosis of a user's failed start is whole, and cgshim needs no file that only root can open."""
    result = rootless("run", "--rm", "--volume=/etc/passwd:/proc/xx", "localhost/box", "/bin/true")
    assert result.status == 126
    assert result.err.startswith(
        "Error: OCI runtime error: runc: cgshim: a mount has a destination inside /proc: /proc/xx"
    )
    assert "[mount-destination-in-proc]\n  cause: " in result.err
    missing_command = rootless("run", "--rm", "localhost/box", "nosuch")
    bare = rootless("run", "--rm", "localhost/box", "nosuch", bare=True)
    assert (missing_command.status, missing_command.err) == (bare.status, bare.err)


def test_own_fault_after_create(conmon: Conmon, front: Front, name: str) -> None:
    """cgshim fails when the container is there but its limits are not read back: the container is taken back."""
    front.break_module("enforce/verify.py", 'def verify(*given):\n    raise RuntimeError("broken on purpose")\n')
    answer = conmon.create(name, Wish(("/bin/true",), {"memory": {"limit": 67108864}}))
    left = conmon.runtime("state", name, bare=True)
    conmon.remove(name)
    assert answer["pid"] == -1
    assert "cgshim: a fault of cgshim itself: RuntimeError: broken on purpose (verify.py:" in answer["message"]
    assert left.status == 1
    assert "does not exist" in left.err


def test_docker_build(docker: Docker, front: Front, tmp_path: Path, name: str) -> None:
    """`docker build` with the classic builder: RUN steps go through the default runtime, which is cgshim."""
    front.record()
    (tmp_path / "Dockerfile").write_text("FROM box\nRUN echo built >/built; echo out\n")
    words = ("build", "--network=none", "--cpu-shares=3", "--tag", name, str(tmp_path))
    result = docker.daemon.docker(*words, DOCKER_BUILDKIT="0")
    assert result.status == 0, str(result)
    assert "\nout\n" in result.out
    assert docker.daemon.must("run", "--rm", "--network=none", name, "/bin/cat", "/built") == "built"
    docker.daemon.must("rmi", "--force", name)
    assert any(" create --bundle " in line for line in front.calls.read_text().splitlines())


def test_docker_healthcheck(docker: Docker, front: Front, name: str) -> None:
    """docker's own healthchecks come as `exec`, and find the container healthy."""
    del front
    health = ("--health-cmd=echo fine", "--health-interval=1s")
    docker.daemon.must("run", "--detach", *health, *docker.words(name, Wish(("/bin/sleep", "300"), REWRITTEN)))

    def status() -> str:
        return docker.daemon.must("inspect", "--format={{.State.Health.Status}}", name)

    healthy = wait_until(lambda: status() == "healthy")
    docker.remove(name)
    assert healthy
