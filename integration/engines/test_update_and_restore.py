"""What the user of each engine reads when an update, a checkpoint or a restore fails, in full, and what is left.

A container is neither stopped nor changed by it: the kernel's values are read before and after.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.engines.engine import Wish, normal, wait_until
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.containers import Result
    from integration.engines.conmon import Conmon
    from integration.engines.cri import Cri
    from integration.engines.docker import Docker
    from integration.engines.front import Front

MIB = 1 << 20
# 40 MiB in a tmpfs count as the container's own memory (kernel Documentation/admin-guide/cgroup-v1/memory.rst, 2.3).
FILLING = ("/bin/sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 2>/dev/null; echo ready; exec sleep 300")
LIMITS = {"memory": {"limit": 100 * MIB}, "pids": {"limit": 27}}
FILES = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.shares", "cpu.cfs_quota_us", "pids.max")

BELOW_SPOKEN = "unable to set memory limit to 8388608 (current usage: USAGE, peak usage: PEAK)"
BELOW_TEXT = f"""\
cgshim: the memory limit (8388608 bytes) is below what the container's cgroup uses already (USAGE bytes) \
[memory-limit-below-usage]
  cause: v1 refuses a limit below the present usage. At a start that is the usage of the runtime's own init process, \
at an update that of the container.
  remedy: For an update: choose more than USAGE bytes, or let the container use less first.
  remedy: For a start: give it at least 12 MiB. In Kubernetes check the suffix: m means thousandths of a byte, Mi \
mebibytes.
  see: https://github.com/moby/moby/issues/41167
  runtime: {BELOW_SPOKEN}"""
SETTING_BACK = re.compile(r'^time="TIME" level=warning msg="Setting back cgroup configs failed [^\n]*\n', re.MULTILINE)
NO_CPU = (
    "this host has no cpu controller (/proc/self/cgroup: cpu:PLACE but not mounted here,"
    " /sys/fs/cgroup/V1/cgroup.clone_children: ENOENT; /sys/fs/cgroup/unified/cgroup.controllers: hugetlb)"
)
HIDDEN_TEXT = f"""\
cgshim: RESOURCES: cpu.quota cannot be enforced on this host [cpu-nowhere]
  cause: {NO_CPU}; policy 'refuse' (default) makes no update that would lose a limit
  evidence: cpu.quota would be lost (CPU time above 50000 us in every 100000 us): {NO_CPU}
  evidence: cgroup layout hybrid: /sys/fs/cgroup/V1/cgroup.clone_children: 0; \
/sys/fs/cgroup/unified/cgroup.controllers: hugetlb
  remedy: leave cpu.quota out, or run where it can be enforced (cgshimctl doctor shows what this host has)
  remedy: or accept the loss, for every container: {{"policy": "warn"}} in CONFIG"""
BAD_VALUE_TEXT = """\
cgshim: RESOURCES: resources.pids.limit: 9999999 is above the kernel's 4194304 [bad-resources]
  evidence: RESOURCES: resources.pids.limit: 9999999 is above the kernel's 4194304
  remedy: resources.pids.limit: write 1 to 4194304, or -1 for no limit"""
OWN_TEXT = """\
cgshim: SETTINGS is not a valid settings file: policy: 'lenient' is neither 'refuse' nor 'warn' [bad-settings]
  evidence: SETTINGS: policy: 'lenient' is neither 'refuse' nor 'warn'
  remedy: correct SETTINGS, for example {"runtime": "/usr/sbin/runc", "policy": "refuse"}
  remedy: or remove it"""


@pytest.fixture(autouse=True)
def _v1() -> None:
    """The words and the numbers are those of v1 hierarchies."""
    here = CgroupValues(os.getpid())
    absent = [name for name in ("memory", "cpu", "pids") if here.version(name) != 1]
    require("v1 memory, cpu and pids", f"{', '.join(absent)} not on v1" if absent else "")


def nameless(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"(?<=current usage: )\d+|(?<=already \()\d+|(?<=more than )\d+(?= bytes)", "USAGE", normal(text))
    text = re.sub(r"(?<=peak usage: )\d+", "PEAK", text)
    text = re.sub(r"cpu:/\S*", "cpu:PLACE", text)
    return re.sub(r"standard input(?=: )|/\S*/podman\d+", "RESOURCES", text)


class Running:
    """A container of podman or docker that uses 40 MiB, and what its engine and the kernel have for its limits."""

    def __init__(self, engine: Any, front: Front, name: str) -> None:
        self.kind: str = engine.kind
        self.name = name
        self.front = front
        self.call: Callable[..., Result] = engine.daemon.docker if self.kind == "docker" else engine
        self.pid = engine.start(name, Wish(FILLING, LIMITS))
        self.end = f"{front.system.unknown}\n" if front.system.unknown else ""
        assert wait_until(lambda: self.call("logs", name).out == "ready\n")

    def kernel(self) -> dict[str, str | None]:
        """The kernel's values."""
        values = CgroupValues(self.pid)
        return {file: values.read(file) for file in FILES}

    def update(self, *flags: str) -> tuple[int, str, str]:
        """`update`: status, stdout, stderr."""
        result = self.call("update", *flags, self.name)
        err = result.err.replace(str(self.front.path), "CGSHIM").replace(str(self.front.settings), "SETTINGS")
        return result.status, result.out, nameless(err)

    def refusal(self, text: str) -> tuple[int, str, str]:
        """Status and output of an update that ends with `text`, which runc's own words are a part of."""
        if self.kind == "docker":
            frame = "Error response from daemon: Cannot update container ID: CGSHIM did not terminate successfully"
            return 1, "", f"{frame}: exit status 1: {text}\n{self.end}"
        return 125, "", f"{text}\nError: `CGSHIM update --resources=RESOURCES ID` failed: exit status 1\n"


@pytest.fixture(params=["podman", "podman-plain-name", "docker"])
def running(request: pytest.FixtureRequest, engines: Callable[[str], Any], front: Front, name: str) -> Any:
    """A container under each engine that has a command for updates; it runs on, as it was, whatever becomes of them."""
    engine = engines(request.param)
    container = Running(engine, front, name)
    before = container.kernel()
    assert before["pids.max"] == "27"
    yield container
    after, alive = container.kernel(), Path(f"/proc/{container.pid}").exists()
    engine.remove(name)
    assert (after, alive) == (before, True)


def test_update_below_the_usage(running: Running) -> None:
    """The kernel refuses the limit to runc: explained, with the usage that it has said.

    podman passes stderr on, and with it runc's warning that it could not set the old values back, if it gives one.
    """
    status, out, err = running.update("--memory=8m", "--cpu-shares=77")
    assert (status, out, SETTING_BACK.sub("", err)) == running.refusal(BELOW_TEXT)


def test_update_refused_by_policy(running: Running) -> None:
    """A limit whose controller is not mounted: the update is refused, and the runtime is not called."""
    running.front.hide("cpu")
    assert running.update("--cpu-quota=50000") == running.refusal(HIDDEN_TEXT)


def test_update_with_a_bad_value(running: Running) -> None:
    """A limit that no kernel takes, in an update."""
    known = "--pids-limit" in running.call("update", "--help").out
    require(f"{running.kind} update --pids-limit", "" if known else "this version has no such flag")
    assert running.update("--pids-limit=9999999") == running.refusal(BAD_VALUE_TEXT)


def test_update_and_own_fault(running: Running) -> None:
    """Settings of cgshim that are not valid."""
    running.front.settings.write_text('{"policy": "lenient"}')
    assert running.update("--cpu-shares=77") == running.refusal(OWN_TEXT)


def test_cri_update(cri: Cri, front: Front, name: str) -> None:
    """What a kubelet is told of a resize that fails, and that the container goes on as it was."""
    cri.create(name, Wish(FILLING, {"memory": {"limit": 100 * MIB}}), "shared-wrap")
    assert cri.start(name) == ""
    values = CgroupValues(cri.pid(name))
    log = cri.place / "shared-wrap" / f"{name}.log"
    assert wait_until(lambda: log.exists() and "ready" in log.read_text())
    before = {file: values.read(file) for file in FILES}
    wanted = cri.resources({"memory": {"limit": 8 * MIB}})
    request = cri.messages.UpdateContainerResourcesRequest(container_id=cri.ids[name], linux=wanted)
    with pytest.raises(cri.grpc.RpcError) as refused:
        cri.service.UpdateContainerResources(request)
    after = {file: values.read(file) for file in FILES}
    cri.remove(name)
    frame = f"{front.path} did not terminate successfully: exit status 1: {BELOW_TEXT}\n"
    told = nameless(refused.value.details())
    assert told == f"failed to update resources: failed to update resources: {frame}{front.system.unknown}"
    assert after == before


def test_crio_update(conmon: Conmon, front: Front, name: str) -> None:
    """CRI-O calls `update` itself, without a log, and puts what it reads from stderr into its own error."""
    del front
    pid = int(conmon.create(name, Wish(FILLING, LIMITS))["pid"])
    values = CgroupValues(pid)
    before = {file: values.read(file) for file in FILES}
    wanted = json.dumps({"pids": {"limit": 9999999}})
    result = conmon.runtime("update", "--resources", "-", name, stdin=wanted)
    after = {file: values.read(file) for file in FILES}
    conmon.remove(name)
    text = BAD_VALUE_TEXT.replace("RESOURCES", "standard input")
    assert (result.status, result.out, result.err) == (1, "", f"{text}\n")
    assert after == before


def criu_problem(front: Front) -> str:
    """Why CRIU does not fail here as the tests want it to."""
    missing = front.system.missing("criu")
    if missing:
        return missing
    result = front.system(["criu", "check"])
    return "" if "vdso: Unexpected rt vDSO area bounds" in result.out + result.err else "it understands this kernel"


def criu_nameless(text: str) -> str:
    """Without what differs from run to run in what CRIU and its callers say."""
    text = re.sub(r"\(\d\d\.\d{6}\)", "(SECONDS)", normal(text))
    text = re.sub(r"/[^ ]*/(dump|restore)\.log", r"DIR/\1.log", text)
    return re.sub(r"/[^ ]*/userdata(?=[/ ])", "USERDATA", text)


def criu_spoken(operation: str, log: str) -> str:
    """runc's own two lines."""
    return f"criu failed: type {operation} errno 0\nlog file: DIR/{log}"


def criu_text(operation: str, log: str) -> str:
    """The diagnosis."""
    first, second = criu_spoken(operation, log).split("\n")
    return f"""\
cgshim: this CRIU is too old for this kernel: it does not understand the kernel's vDSO [criu-older-than-kernel]
  cause: The layout of the vDSO changes between kernels, and CRIU must know it to start at all.
  evidence: DIR/{log}: (SECONDS) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds
  evidence: DIR/{log}: (SECONDS) Error (criu/vdso.c:613): vdso: Failed to fill self vdso symtable
  remedy: Upgrade CRIU: criu --version; uname -r; criu check
  see: https://github.com/checkpoint-restore/criu/releases
  runtime: {first}
  runtime: {second}"""


def pretend(checkpoint: Path) -> None:
    """Make what podman, docker and runc take for a checkpoint; CRIU fails before it reads one."""
    checkpoint.mkdir(parents=True)
    (checkpoint / "inventory.img").touch()  # podman looks for it
    (checkpoint / "descriptors.json").write_text(json.dumps(["/dev/null"] * 3))  # runc's own: what 0, 1 and 2 were


@pytest.mark.parametrize("running", ["podman", "podman-plain-name"], indirect=True)
def test_podman_checkpoint(running: Running) -> None:
    """A checkpoint that CRIU cannot make: the container goes on."""
    require("CRIU that is too old for this kernel", criu_problem(running.front))
    result = running.call("container", "checkpoint", running.name)
    err = criu_nameless(result.err).replace(str(running.front.path), "CGSHIM")
    call = "CGSHIM checkpoint --image-path USERDATA/checkpoint --work-path USERDATA ID"
    said = criu_text("DUMP", "dump.log")
    assert (result.status, result.out, err) == (125, "", f"{said}\nError: `{call}` failed: exit status 1\n")


@pytest.mark.parametrize("running", ["docker"], indirect=True)
def test_docker_checkpoint(running: Running) -> None:
    """containerd shows the first line of what the runtime says of a checkpoint, and no more: the verdict."""
    require("CRIU that is too old for this kernel", criu_problem(running.front))
    result = running.call("checkpoint", "create", running.name, "first")
    err = re.sub(r"/[^ ]*/criu-dump\.log", "DIR/criu-dump.log", normal(result.err))
    said = f"{running.front.path} did not terminate successfully: exit status 1: {criu_text('', '').splitlines()[0]}"
    path = f" path= DIR/criu-dump.log{running.front.system.unknown}\n"
    frame = f"Error response from daemon: Cannot checkpoint container {running.name}: "
    assert (result.status, result.out, err) == (1, "", f"{frame}{said}{path}")


@pytest.mark.parametrize("kind", ["podman", "podman-plain-name"])
def test_podman_restore(engines: Callable[[str], Any], front: Front, kind: str, name: str) -> None:
    """`podman container restore`, twice, of what podman takes for a checkpoint: explained each time."""
    require("CRIU that is too old for this kernel", criu_problem(front))
    engine = engines(kind)
    engine.start(name, Wish(("/bin/sleep", "300"), LIMITS))
    engine.must("stop", "--time=0", name)
    checkpoint = Path(engine.inspect(name)["StaticDir"]) / "checkpoint"
    pretend(checkpoint)
    seen = [engine("container", "restore", name) for _ in range(2)]
    engine.remove(name)
    _, text = engine.refusal(criu_text("RESTORE", "restore.log"), criu_spoken("RESTORE", "restore.log"))
    assert [(one.status, one.out, criu_nameless(one.err)) for one in seen] == [(125, "", text)] * 2


def test_docker_restore(docker: Docker, front: Front, name: str) -> None:
    """`docker start --checkpoint`, twice: containerd's shim calls `restore` and shows the diagnosis in full."""
    require("CRIU that is too old for this kernel", criu_problem(front))
    call = docker.daemon.docker
    docker.start(name, Wish(("/bin/sleep", "300"), LIMITS))
    docker.daemon.must("stop", "--time=0", name)
    own = docker.daemon.place / "data" / "containers" / docker.daemon.must("inspect", "--format={{.Id}}", name)
    checkpoint = own / "checkpoints" / "first"
    pretend(checkpoint)
    seen = [call("start", "--checkpoint=first", name) for _ in range(2)]
    docker.remove(name)
    text = criu_text("RESTORE", "restore.log") + front.system.unknown
    wanted = (1, "", f"Error response from daemon: OCI runtime restore failed: {text}\n")
    assert [(one.status, one.out, criu_nameless(one.err)) for one in seen] == [wanted] * 2
