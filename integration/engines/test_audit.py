"""`cgshimctl audit` beside real engines: every verdict against what the kernel's own files say, read by the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.capabilities import require
from integration.containers import LAUNCHER, SEARCH_PATH, call
from integration.engines.containerd import Containerd, Ctr
from integration.engines.cri import SHARED
from integration.engines.engine import CGROUP_PARENT, Wish, end_processes, unmount_below, wait_until
from integration.kernel import CgroupValues
from shim.audit.subjects import facts_of, host_of, subjects
from shim.audit.verdict import rows
from shim.containers.inventory import inventory
from shim.containers.tree import HostTree
from shim.host.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.engines.conmon import Conmon
    from integration.engines.cri import Cri
    from integration.engines.docker import Docker
    from integration.engines.podman import Podman
    from integration.engines.system import System

MIB = 1 << 20
NOBODY = 65534
SLEEP = ("/bin/sleep", "3000")
PREFIX = f"au{os.getpid()}"
# The kernel's file for each limit that is asked here, and how its text reads as the number that audit has.
FILES = {
    "memory.limit": "memory.limit_in_bytes",
    "memory.swap": "memory.memsw.limit_in_bytes",
    "memory.reservation": "memory.soft_limit_in_bytes",
    "cpu.weight": "cpu.shares",
    "cpuset.cpus": "cpuset.cpus",
    "pids.limit": "pids.max",
}
NOTHING = ("9223372036854771712", "max", "-1")


class Started(NamedTuple):
    """One container: its engine as audit calls it, its init's pid, what was asked (limit -> the kernel's text)."""

    engine: str
    pid: int
    asked: dict[str, str]


def limits(number: int) -> dict[str, Any]:
    """Different limits for each container, so that one's numbers are never taken for another's."""
    return {
        "memory": {"limit": (32 + number) * MIB},
        "cpu": {"shares": 100 + number},
        "pids": {"limit": 40 + number},
    }


def shown_by_kernel(wanted: dict[str, Any]) -> dict[str, str]:
    """The texts that the kernel has to show for `limits`."""
    found = {}
    if "memory" in wanted:
        found["memory.limit"] = str(wanted["memory"]["limit"])
    if "cpu" in wanted:
        found["cpu.weight"] = str(wanted["cpu"]["shares"])
    if "pids" in wanted:
        found["pids.limit"] = str(wanted["pids"]["limit"])
    return found


def cat(pid: int, limit: str) -> str | None:
    """What the kernel's own file says, as the number in it; "" for no limit, as each file has its own word for that."""
    if limit == "cpu.quota":
        quota, period = (int(CgroupValues(pid).read(f"cpu.cfs_{name}_us") or 0) for name in ("quota", "period"))
        return "" if quota < 0 else str(quota * 10**6 // period)
    text = CgroupValues(pid).read(FILES[limit])
    return "" if text in NOTHING else text


def audit(*arguments: str, status: int | None = None) -> dict[str, Any]:
    """`cgshimctl audit --json`."""
    argv = [sys.executable, "-m", "shim.cli.main", "audit", "--json", *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=LAUNCHER.parent.parent)
    assert done.returncode in ((0, 1) if status is None else (status,)), done.stderr
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


def ours(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The containers of these tests, by name (by id, where the engine has no names)."""
    (host,) = found["hosts"]
    return {one["name"]: one for one in host["containers"] if one["name"].startswith(PREFIX)}


def row(container: dict[str, Any], limit: str) -> dict[str, Any]:
    """One limit's row."""
    (found,) = [one for one in container["limits"] if one["limit"] == limit]
    return dict(found)


class Fleet:
    """Thirty containers of four engines and a monitor; those that a test adds go with it."""

    def __init__(self, docker: Docker, podman: Podman, ctr: Ctr, cri: Cri, conmon: Conmon) -> None:
        self.docker, self.podman, self.ctr, self.cri, self.conmon = docker, podman, ctr, cri, conmon
        self.started: dict[str, Started] = {}

    def start_all(self) -> None:
        """Eight of docker, eight of podman, six of ctr, four of CRI, four of conmon."""
        makers: list[tuple[Callable[[str, Wish], int], str, int]] = [
            (self.docker.start, "docker", 8),
            (self.podman.start, "podman", 8),
            (self.start_ctr, "containerd", 6),
            (self.start_cri, "cri", 4),
            (self.start_conmon, "cri-o", 4),
        ]
        for start, engine, count in makers:
            for _ in range(count):
                number = len(self.started)
                name, wanted = f"{PREFIX}n{number}", limits(number)
                if engine == "cri":
                    del wanted["pids"]  # the interface has no such field
                pid = start(name, Wish(SLEEP, wanted, bare=True))
                self.started[name] = Started(engine, pid, shown_by_kernel(wanted))

    def start_ctr(self, name: str, wish: Wish) -> int:
        """`ctr run --detach`."""
        done = self.ctr.containerd.ctr("run", "--detach", *self.ctr.words(name, wish))
        assert done.status == 0, str(done)
        lines = self.ctr.containerd.ctr("tasks", "list").out.splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == name)

    def start_cri(self, name: str, wish: Wish) -> int:
        """CreateContainer and StartContainer."""
        self.cri.create(name, wish, SHARED[True])
        assert self.cri.start(name) == ""
        return self.cri.pid(name)

    def start_conmon(self, name: str, wish: Wish) -> int:
        """conmon's answer has the pid."""
        pid = int(self.conmon.create(name, wish)["pid"])
        assert self.conmon.runtime("start", name, bare=True).status == 0
        return pid

    def remove_all(self) -> None:
        """Each by its engine."""
        removers = {
            "docker": self.docker.remove,
            "podman": self.podman.remove,
            "containerd": self.ctr.remove,
            "cri": self.cri.remove,
            "cri-o": self.conmon.remove,
        }
        for name, one in self.started.items():
            removers[one.engine](name)


@pytest.fixture(scope="module")
def ctr(containerd: Containerd, rootfs: Path) -> Ctr:
    """containerd's own client."""
    return Ctr(containerd, rootfs)


@pytest.fixture(scope="module")
def fleet(docker: Docker, podman: Podman, ctr: Ctr, cri: Cri, conmon: Conmon) -> Iterator[Fleet]:
    """All of them, running."""
    made = Fleet(docker, podman, ctr, cri, conmon)
    try:
        made.start_all()
        yield made
    finally:
        made.remove_all()


@pytest.fixture
def docker_container(fleet: Fleet) -> Iterator[Callable[..., tuple[str, int]]]:
    """`start(options...)`: a docker container of the test's own; its name and pid."""
    names: list[str] = []

    def start(*options: str) -> tuple[str, int]:
        name = f"{PREFIX}d{len(names)}"
        names.append(name)
        words = ["--name", name, "--network=none", "--runtime=bare", *options, "box", *SLEEP]
        fleet.docker.daemon.must("run", "--detach", *words)
        return name, fleet.docker.pid(name)

    yield start
    for name in names:
        fleet.docker.remove(name)


def test_every_verdict_against_the_kernels_files(fleet: Fleet) -> None:
    """Thirty containers of four engines: each limit that was asked has a row, its numbers are those of `cat`, and the
    verdict is "enforced" exactly where the kernel's number is the one that was asked.
    """
    found = ours(audit())
    assert len(fleet.started) == 30
    assert {name: one["engine"] for name, one in found.items()} == {n: o.engine for n, o in fleet.started.items()}
    checked = 0
    for name, one in fleet.started.items():
        assert (found[name]["pid"], found[name]["state"]) == (one.pid, "running")
        for limit, text in one.asked.items():
            shown, judged = cat(one.pid, limit), row(found[name], limit)
            assert (str(judged["values"]["kernel"]), judged["lost"]) == (shown, shown != text), (name, judged)
            assert judged["verdict"] == ("enforced" if shown == text else "changed since"), (name, judged)
            assert str(judged["values"]["configured"]) == text
            checked += 1
    assert checked == 86


def test_every_other_row_against_the_kernels_files(fleet: Fleet) -> None:
    """Rows that the engines' own defaults make are checked, too: the kernel's number is the one that `cat` shows."""
    found = ours(audit())
    seen = set()
    for name, one in fleet.started.items():
        for judged in found[name]["limits"]:
            if judged["limit"] in (*FILES, "cpu.quota"):
                value = judged["values"]["kernel"]
                assert ("" if value == -1 else str(value)) == cat(one.pid, judged["limit"]), (name, judged)
                seen.add(judged["limit"])
    assert seen >= {"memory.limit", "memory.swap", "cpu.weight", "pids.limit"}


def test_value_changed_behind_the_engines_back(docker_container: Callable[..., tuple[str, int]]) -> None:
    """Raised: changed since, status 1. Lowered: stricter than asked. Put back: enforced."""
    name, pid = docker_container("--memory=64m", "--memory-swap=128m", "--pids-limit=60")
    file = CgroupValues(pid).directory("pids") / "pids.max"
    for text, verdict in (("max", "changed since"), ("10", "stricter than asked"), ("60", "enforced")):
        file.write_text(text)
        judged = row(ours(audit("--container", name, status=int(text == "max")))[name], "pids.limit")
        assert (judged["verdict"], judged["shown"]["asked"]) == (verdict, "60")


def test_update_through_the_engine_and_past_it(docker_container: Callable[..., tuple[str, int]], fleet: Fleet) -> None:
    """`docker update` is what was asked from then on; `runc update` is not, and the runtime's record tells on it."""
    name, pid = docker_container("--memory=64m", "--memory-swap=128m")
    fleet.docker.daemon.must("update", "--memory=48m", "--memory-swap=128m", name)
    judged = row(ours(audit("--container", name, status=0))[name], "memory.limit")
    assert (judged["verdict"], judged["values"]["asked"], cat(pid, "memory.limit")) == (
        "enforced",
        48 * MIB,
        str(48 * MIB),
    )
    container = fleet.docker.daemon.must("inspect", "--format={{.Id}}", name)
    root = f"{fleet.docker.daemon.place}/exec/runtime-runc/moby"
    done = fleet.docker.daemon.system(["runc", "--root", root, "update", "--memory", str(96 * MIB), container])
    assert done.status == 0, str(done)
    judged = row(ours(audit("--container", name, status=1))[name], "memory.limit")
    assert (judged["verdict"], judged["values"]["kernel"]) == ("changed since", 96 * MIB)
    assert "the runtime's record has the same" in judged["why"]


def test_ancestor_that_is_tighter(docker_container: Callable[..., tuple[str, int]]) -> None:
    """The own cgroup has what was asked, one above has less: that is what holds, and it is named."""
    name, pid = docker_container("--memory=64m", "--memory-swap=128m", f"--cgroup-parent=/{CGROUP_PARENT}/capped")
    above = CgroupValues(pid).directory("memory").parent
    (above / "memory.limit_in_bytes").write_text(str(32 * MIB))
    judged = row(ours(audit("--container", name, status=0))[name], "memory.limit")
    assert (judged["verdict"], judged["values"]["effective"]) == ("capped by an ancestor", 32 * MIB)
    assert judged["where"] == f"/{CGROUP_PARENT}/capped"
    assert judged["why"] == f"/{CGROUP_PARENT}/capped has 32 MiB"


def test_paused_and_frozen_containers(docker_container: Callable[..., tuple[str, int]], fleet: Fleet) -> None:
    """Both are read as running ones are, and called paused."""
    name, _ = docker_container("--memory=64m")
    frozen = next(n for n, one in fleet.started.items() if one.engine == "containerd")
    state = CgroupValues(fleet.started[frozen].pid).directory("freezer") / "freezer.state"
    fleet.docker.daemon.must("pause", name)
    state.write_text("FROZEN")
    try:
        found = ours(audit())
        for paused in (name, frozen):
            assert found[paused]["state"] == "paused"
            assert row(found[paused], "memory.limit")["verdict"] == "enforced"
    finally:
        state.write_text("THAWED")
        fleet.docker.daemon.must("unpause", name)


def test_container_that_dies_meanwhile(docker_container: Callable[..., tuple[str, int]]) -> None:
    """Between the inventory and the reading of its cgroup: its limits are unknown, everybody else's are not."""
    name, pid = docker_container("--memory=64m")
    tree, view = HostTree(), View()
    found = inventory(tree)
    host = host_of(view, found.containers)
    directory = CgroupValues(pid).directory("memory")
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not directory.exists())
    judged = list(subjects(tree, host, found, facts_of(tree, host, found.containers)))
    (dead,) = [one for one in judged if one.container.name == name]
    assert {one.verdict for one in rows(dead)} == {"unknown"}
    alive = [one for one in judged if one.container.name.startswith(f"{PREFIX}n")]
    assert {r.verdict for one in alive for r in rows(one) if r.limit == "memory.limit"} == {"enforced"}
    assert wait_until(lambda: ours(audit("--container", name))[name]["state"] in ("stopped", "gone"))


def test_stopped_container_is_no_loss(docker_container: Callable[..., tuple[str, int]], fleet: Fleet) -> None:
    """Nothing of it is in the kernel; nothing of it is lost either."""
    name, _ = docker_container("--memory=64m")
    fleet.docker.daemon.must("stop", "--time=0", name)
    found = ours(audit("--container", name, status=0))[name]
    assert (found["state"], found["limits"]) == ("stopped", [])


def test_limits_that_docker_drops_by_itself(docker_container: Callable[..., tuple[str, int]]) -> None:
    """v1: kernel memory is passed on by docker 20.10 and ignored by runc; the OOM switch is in the kernel."""
    name, pid = docker_container("--memory=64m", "--memory-swappiness=10", "--oom-kill-disable", "--cpus=0.5")
    found = ours(audit("--container", name, status=0))[name]
    for limit, value in (("memory.swappiness", 10), ("memory.oom-kill-disable", 1), ("cpu.quota", 500_000)):
        assert (row(found, limit)["verdict"], row(found, limit)["values"]["kernel"]) == ("enforced", value)
    assert CgroupValues(pid).read("memory.swappiness") == "10"
    assert "oom_kill_disable 1" in (CgroupValues(pid).read("memory.oom_control") or "")
    assert cat(pid, "cpu.quota") == "500000"


def test_weight_that_no_scheduler_looks_at(docker_container: Callable[..., tuple[str, int]], fleet: Fleet) -> None:
    """docker drops --blkio-weight where the kernel has no such file, and leaves no trace: nothing is said of it."""
    weight = Path(CgroupValues(os.getpid()).directory("blkio"), "blkio.weight").exists()
    name, _ = docker_container("--blkio-weight=300")
    record = json.loads(
        next(
            (fleet.docker.daemon.place / "data/containers").glob(
                f"{fleet.docker.daemon.must('inspect', '--format={{.Id}}', name)}/hostconfig.json"
            )
        ).read_text()
    )
    found = ours(audit("--container", name))[name]
    told = [one for one in found["limits"] if one["limit"] == "io.weight"]
    assert bool(told) == bool(record["BlkioWeight"]) == weight


def test_names_resolve_in_every_command(fleet: Fleet, system: System) -> None:
    """report, explain and plan take the engine's name for a container of each engine; plan only with its bundle."""
    for engine in ("docker", "podman", "containerd", "cri", "cri-o"):
        name, one = next((n, o) for n, o in fleet.started.items() if o.engine == engine)
        told = _cgshimctl("report", "--json", name)
        assert json.loads(told)["container"] in Path(f"/proc/{one.pid}/cgroup").read_text()
        healthy = f"cgshim: container {name} exists, and no failure of it is recorded [nothing-to-explain]"
        assert _cgshimctl("explain", name, status=3).partition("\n")[0] == healthy
        if system.name != "here":
            continue  # bundles are in the engines' own mount namespace
        planned = json.loads(_cgshimctl("plan", "--json", "--container", name))
        assert planned["config"].endswith("/config.json")
        assert (planned["refused"], planned["edits"]) == (False, [])


def _cgshimctl(*arguments: str, status: int = 0) -> str:
    done = call(
        [sys.executable, "-m", "shim.cli.main", *arguments], env={**os.environ}, cwd=str(LAUNCHER.parent.parent)
    )
    assert done.status == status, str(done)
    return done.out or done.err


@pytest.fixture
def rootless(system: System, rootfs: Path) -> Iterator[tuple[str, int]]:
    """A container of the user nobody's own podman, which has no subordinate ids; its name and pid."""
    require("rootless podman", system.missing("podman", "setpriv"))
    place = Path(tempfile.mkdtemp(prefix="au-", dir="/tmp"))
    name = f"{PREFIX}rootless"
    for directory in ("home", "run"):
        (place / directory).mkdir(mode=0o700)
        os.chown(place / directory, NOBODY, NOBODY)
    place.chmod(0o755)
    own = shutil.copytree(rootfs, place / "rootfs", symlinks=True)
    for path in (own, *own.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    places = ["--root", f"{place}/home/s", "--runroot", f"{place}/run/r", "--tmpdir", f"{place}/run/t"]
    podman = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "podman", *places]
    podman += [
        "--storage-driver=vfs",
        "--cgroup-manager=cgroupfs",
        "--events-backend=file",
        f"--runtime={system.find('runc')}",
    ]
    environment = {"PATH": SEARCH_PATH, "HOME": f"{place}/home", "XDG_RUNTIME_DIR": f"{place}/run"}
    words = ["run", "--detach", f"--name={name}", "--network=none", "--ulimit=nofile=1024:1024", "--memory=64m"]
    words += ["--ulimit=nproc=4096:4096", "--security-opt=seccomp=unconfined", "--pids-limit=50", "--rootfs", str(own)]
    try:
        done = system([*podman, *words, *SLEEP], env=environment)
        require("rootless podman", "" if done.status == 0 else done.err.strip()[-300:])
        told = system([*podman, "inspect", "--format={{.State.Pid}}", name], env=environment)
        yield name, int(told.out)
    finally:
        system([*podman, "rm", "--all", "--force", "--time=0"], env=environment)
        for path in place.rglob("pause.pid"):  # the process that holds the user's namespaces, called just "podman"
            os.kill(int(path.read_text()), signal.SIGKILL)
        end_processes(str(place))
        unmount_below(place)
        shutil.rmtree(place)


def test_rootless_without_delegation(rootless: tuple[str, int]) -> None:
    """On v1 podman drops every limit of a user's container; its own record of the command line still has them."""
    name, pid = rootless
    require("v1 hierarchies", "" if CgroupValues(pid).version("memory") == 1 else "memory is on cgroup2")
    found = ours(audit("--container", name, status=1))[name]
    for limit, asked in (("memory.limit", 64 * MIB), ("pids.limit", 50)):
        judged = row(found, limit)
        assert (judged["verdict"], judged["values"]["asked"]) == ("lost before the runtime", asked)
        assert "no cgroup of its own" in judged["why"]
        assert cat(pid, limit) == cat(os.getpid(), limit)  # that of whoever started it


def test_link_that_a_user_planted_is_not_followed(rootless: tuple[str, int], tmp_path: Path) -> None:
    """The user's config.json is replaced by a link to a file of root's: nothing of that file is read."""
    name, _ = rootless
    (secret := tmp_path / "secret.json").write_text('{"linux": {"resources": {"pids": {"limit": 31337}}}}')
    (conmon,) = [line for line in map(_command_line, os.listdir("/proc")) if name in line and "conmon" in line[0]]
    bundle = Path(conmon[conmon.index("-b") + 1])
    (bundle / "config.json").unlink()
    (bundle / "config.json").symlink_to(secret)
    found = audit("--container", name)
    assert "31337" not in json.dumps(found)
    assert any("config.json: ELOOP" in problem for problem in found["hosts"][0]["problems"])


def _command_line(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return [""]


def test_audit_after_the_migration(fleet: Fleet) -> None:
    """All classic limits mean the same on cgroup2: nothing changes for any container of the fleet."""
    found = audit("--after", "unified", "--engine", "podman", "--engine", "docker")
    outcomes = {one["after"]["outcome"] for one in ours(found).values()}
    assert outcomes == {"nothing changes"}
    assert len(fleet.started) == 30


def test_audit_calls_nobody(fleet: Fleet, tmp_path: Path) -> None:
    """No program is started and no socket opened: neither engines nor runtimes are asked."""
    del fleet
    trace = tmp_path / "trace"
    argv = ["strace", "-f", "-o", str(trace), "-e", "trace=execve,connect,flock,fcntl", sys.executable, "-m"]
    argv += ["shim.cli.main", "audit", "--json"]
    done = call(argv, env={**os.environ}, cwd=str(LAUNCHER.parent.parent))
    assert done.status in (0, 1), str(done)
    lines = trace.read_text().splitlines()
    assert [line for line in lines if "connect(" in line or "flock(" in line or "F_SETLK" in line] == []
    assert len([line for line in lines if "execve(" in line and " = 0" in line]) == 1
