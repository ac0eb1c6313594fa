"""A container's life under each engine: limits in the kernel, exec, update, pause, stop, restart, kill, delete."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.engines.engine import CGROUP_PARENT, Wish, normal, processes, wait_until
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from integration.engines.conmon import Conmon
    from integration.engines.containerd import Containerd
    from integration.engines.cri import Cri
    from integration.engines.docker import Docker
    from integration.engines.engine import Engine
    from integration.engines.front import Front
    from integration.engines.podman import Podman

SLEEP = ("/bin/sleep", "300")
# cpu.shares 1 is below the kernel's least, 2 (MIN_SHARES, kernel/sched/sched.h): rewritten, or nothing would start.
LIMITS = {"memory": {"limit": 67108864}, "cpu": {"shares": 1}, "pids": {"limit": 27}}
SHOWN = {"memory.limit_in_bytes": "67108864", "cpu.shares": "2", "pids.max": "27"}
REPORT = "io.cgshim.report"


@pytest.fixture(autouse=True)
def _v1() -> None:
    """The numbers are those of v1 hierarchies."""
    here = CgroupValues(os.getpid())
    absent = [name for name in ("memory", "cpu", "pids") if here.version(name) != 1]
    require("v1 memory, cpu and pids", f"{', '.join(absent)} not on v1" if absent else "")


def kernel(pid: int, *names: str) -> dict[str, str | None]:
    """The limits as the kernel has them for a process."""
    values = CgroupValues(pid)
    return {name: values.read(name) for name in names or SHOWN}


def freezer(pid: int) -> str | None:
    """freezer.state of a process's cgroup."""
    return CgroupValues(pid).read("freezer.state")


def edits(annotations: dict[str, str]) -> list[dict[str, Any]]:
    """What the report annotation says was edited."""
    found: list[dict[str, Any]] = json.loads(annotations[REPORT])["edits"]
    return found


CPU_EDIT = [{"op": "set", "path": "linux.resources.cpu.shares", "old": 1, "new": 2}]


def test_podman(podman: Podman, front: Front, name: str) -> None:
    """podman: run, inspect, exec, stats, update, pause, kill, stop, restart, rm."""
    front.record()
    pid = podman.start(name, Wish(("/bin/sh", "-c", "trap 'echo hup' HUP; while :; do sleep 0.1; done"), LIMITS))
    assert kernel(pid) == SHOWN
    assert edits(podman.inspect(name)["Config"]["Annotations"]) == CPU_EDIT
    assert podman.must("exec", name, "/bin/echo", "inside") == "inside"
    assert podman("exec", name, "nosuch").status == 127
    (usage,) = json.loads(podman.must("stats", "--no-stream", "--format=json", name))
    assert usage["mem_usage"].endswith(" / 67.11MB")
    podman.must("update", "--cpu-shares=1", "--memory=33554432", name)
    assert kernel(pid) == {**SHOWN, "memory.limit_in_bytes": "33554432"}
    podman.must("pause", name)
    assert freezer(pid) == "FROZEN"
    podman.must("unpause", name)
    assert freezer(pid) == "THAWED"
    podman.must("kill", "--signal=HUP", name)
    assert wait_until(lambda: podman.must("logs", name) == "hup"), str(podman("logs", name))
    podman.must("restart", "--time=0", name)
    again = podman.pid(name)
    assert again != pid
    kept = "67108864" if front.system.name == "here" else "33554432"  # podman 5 remembers an update
    assert kernel(again) == {**SHOWN, "memory.limit_in_bytes": kept}
    assert edits(podman.inspect(name)["Config"]["Annotations"]) == CPU_EDIT, "rewritten once, not twice"
    podman.must("stop", "--time=0", name)
    assert not Path(f"/proc/{again}").exists()
    podman.must("rm", name)
    commands = set(re.findall(r" (create|start|exec|update|pause|resume|kill|delete) ", front.calls.read_text()))
    assert commands == {"create", "start", "exec", "update", "pause", "resume", "kill", "delete"}


HOOK = """#!/usr/bin/python3
import json, sys
config = json.load(sys.stdin)
config["linux"]["resources"] = {{"unified": {unified!r}}}
json.dump(config, sys.stdout)
"""
# Written for cgroup2, with the v1 files of kernel Documentation/admin-guide/cgroup-v1/memory.rst and pids.rst.
FOREIGN = {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32"}
ON_V1 = {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864", "pids.max": "32"}


def test_podman_foreign_limits(podman: Podman, front: Front, tmp_path: Path, name: str) -> None:
    """podman: a configuration made for cgroup2 (podman itself takes none such here, so its precreate hook makes it)."""
    del front
    program = tmp_path / "hook"
    program.write_text(HOOK.format(unified=FOREIGN))
    program.chmod(0o755)
    hook = {"version": "1.0.0", "hook": {"path": str(program)}, "when": {"always": True}, "stages": ["precreate"]}
    (tmp_path / "hook.json").write_text(json.dumps(hook))
    podman.must(f"--hooks-dir={tmp_path}", "run", "--detach", *podman.words(name, Wish(SLEEP)))
    shown = kernel(podman.pid(name), *ON_V1)
    podman.remove(name)
    assert shown == ON_V1


def test_ctr_foreign_limits(engines: Any, containerd: Containerd, front: Front, name: str) -> None:
    """ctr: a configuration made for cgroup2."""
    del front
    done = containerd.ctr("run", "--detach", *engines("ctr").words(name, Wish(SLEEP, {"unified": FOREIGN})))
    (line,) = [line for line in containerd.ctr("tasks", "ls").out.splitlines() if line.startswith(name)] or ["? 0"]
    shown = kernel(int(line.split()[1]), *ON_V1) if done.status == 0 else {}
    engines("ctr").remove(name)
    assert (done.status, done.err, shown) == (0, "", ON_V1)


def test_docker(docker: Docker, front: Front, name: str) -> None:
    """docker: run, inspect, exec, stats, update, pause, kill, stop, restart, rm."""
    front.record()
    daemon = docker.daemon
    pid = docker.start(name, Wish(("/bin/sh", "-c", "trap 'echo hup' HUP; while :; do sleep 0.1; done"), LIMITS))
    assert kernel(pid) == SHOWN
    assert daemon.must("exec", name, "/bin/echo", "inside") == "inside"
    assert daemon.docker("exec", name, "nosuch").status in (126, 127)
    usage = json.loads(daemon.must("stats", "--no-stream", "--format={{json .}}", name))
    assert usage["MemUsage"].endswith(" / 64MiB")
    daemon.must("update", "--cpu-shares=1", "--memory=32m", "--memory-swap=-1", name)
    assert kernel(pid) == {**SHOWN, "memory.limit_in_bytes": "33554432"}
    daemon.must("pause", name)
    assert freezer(pid) == "FROZEN"
    daemon.must("unpause", name)
    assert freezer(pid) == "THAWED"
    daemon.must("kill", "--signal=HUP", name)
    assert wait_until(lambda: daemon.must("logs", name) == "hup")
    daemon.must("update", "--memory=64m", "--memory-swap=-1", name)
    daemon.must("restart", "--time=0", name)
    again = docker.pid(name)
    assert again != pid
    assert kernel(again) == SHOWN
    daemon.must("stop", "--time=0", name)
    assert not Path(f"/proc/{again}").exists()
    daemon.must("rm", name)
    commands = set(re.findall(r" (create|start|exec|update|pause|resume|kill|delete) ", front.calls.read_text()))
    assert commands == {"create", "start", "exec", "update", "pause", "resume", "kill", "delete"}


def test_ctr(engines: Any, containerd: Containerd, front: Front, name: str) -> None:
    """ctr: run, exec, ps, pause, kill, delete."""
    front.record()
    words = engines("ctr").words(name, Wish(SLEEP, LIMITS))
    assert containerd.ctr("run", "--detach", *words).status == 0
    (line,) = [line for line in containerd.ctr("tasks", "ls").out.splitlines() if line.startswith(name)]
    pid = int(line.split()[1])
    assert kernel(pid) == SHOWN
    inside = containerd.ctr("tasks", "exec", "--exec-id=e1", name, "/bin/echo", "inside")
    assert (inside.status, inside.out) == (0, "inside\n")
    assert str(pid) in containerd.ctr("tasks", "ps", name).out
    assert containerd.ctr("tasks", "pause", name).status == 0
    assert freezer(pid) == "FROZEN"
    assert containerd.ctr("tasks", "resume", name).status == 0
    assert containerd.ctr("tasks", "kill", "--signal=KILL", name).status == 0
    assert wait_until(lambda: "STOPPED" in containerd.ctr("tasks", "ls").out)
    assert "exit with non-zero exit code 137" in containerd.ctr("tasks", "delete", name).err
    assert containerd.ctr("containers", "delete", name).status == 0
    commands = set(re.findall(r" (create|start|exec|ps|pause|resume|kill|delete) ", front.calls.read_text()))
    assert commands == {"create", "start", "exec", "ps", "pause", "resume", "kill", "delete"}


def test_crio(conmon: Conmon, front: Front, name: str) -> None:
    """conmon and direct calls, as CRI-O makes them: create, start, state, update from standard input, kill, delete."""
    del front
    answer = conmon.create(name, Wish(SLEEP, LIMITS))
    pid = int(answer["pid"])
    assert pid > 0
    assert kernel(pid) == SHOWN
    assert conmon.runtime("start", name).status == 0
    state = conmon.runtime("state", name)
    assert (json.loads(state.out)["status"], state.err) == ("running", "")
    wanted = json.dumps({"cpu": {"shares": 1}, "memory": {"limit": 33554432}})
    updated = conmon.runtime("update", "--resources", "-", name, stdin=wanted)
    assert (updated.status, updated.out, updated.err) == (0, "", "")
    assert kernel(pid) == {**SHOWN, "memory.limit_in_bytes": "33554432"}
    assert conmon.runtime("kill", name, "9").status == 0
    assert wait_until(lambda: json.loads(conmon.runtime("state", name).out)["status"] == "stopped")
    assert conmon.runtime("delete", name).status == 0
    gone, bare = conmon.runtime("state", name), conmon.runtime("state", name, bare=True)
    assert (gone.status, gone.out, normal(gone.err)) == (1, "", normal(bare.err))


def test_cri_pod_of_two(cri: Cri, front: Front, name: str) -> None:
    """CRI: two containers in one pod, each with its own limits although both are created in the sandbox's bundle."""
    front.record()
    sandbox = cri.pod(name, "wrap")
    pids = {}
    for number, shares in ((1, 1), (2, 512)):
        one = f"{name}-{number}"
        cri.create(one, Wish(SLEEP, {"cpu": {"shares": shares}, "memory": {"limit": number << 25}}), name)
        assert cri.start(one) == ""
        pids[number] = cri.pid(one)
    assert kernel(pids[1], "cpu.shares", "memory.limit_in_bytes") == {
        "cpu.shares": "2",
        "memory.limit_in_bytes": "33554432",
    }
    assert kernel(pids[2], "cpu.shares", "memory.limit_in_bytes") == {
        "cpu.shares": "512",
        "memory.limit_in_bytes": "67108864",
    }
    creates = [line.split() for line in front.calls.read_text().splitlines() if " create " in line]
    assert [Path(words[0]).name for words in creates] == [sandbox] * 3
    assert [words[-1] for words in creates] == [sandbox, cri.ids[f"{name}-1"], cri.ids[f"{name}-2"]]
    cri.remove(f"{name}-1")
    cri.remove(f"{name}-2")
    cri.remove_pod(name)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_cri_life(cri: Cri, front: Front, name: str) -> None:
    """CRI: exec, stats, update, stop and remove, and what a failed start leaves in the container's status."""
    del front
    cri.create(name, Wish(SLEEP, {"cpu": {"shares": 1}, "memory": {"limit": 67108864}}), "shared-wrap")
    assert cri.start(name) == ""
    pid = cri.pid(name)
    message = cri.messages.ExecSyncRequest(container_id=cri.ids[name], cmd=["/bin/sh", "-c", "echo in; exit 3"])
    answer = cri.service.ExecSync(message)
    assert (answer.stdout, answer.exit_code) == (b"in\n", 3)
    usage = cri.service.ContainerStats(cri.messages.ContainerId(id=cri.ids[name])).stats
    assert usage.memory.working_set_bytes.value > 0
    wanted = cri.resources({"cpu": {"shares": 1}, "memory": {"limit": 33554432}})
    cri.service.UpdateContainerResources(
        cri.messages.UpdateContainerResourcesRequest(container_id=cri.ids[name], linux=wanted)
    )
    assert kernel(pid, "cpu.shares", "memory.limit_in_bytes") == {
        "cpu.shares": "2",
        "memory.limit_in_bytes": "33554432",
    }
    cri.stop(name, 0)
    assert cri.status(name).status.exit_code == 137
    cri.remove(name)


def test_cri_failed_start_in_the_status(cri: Cri, front: Front, name: str) -> None:
    """A kubelet reads the refusal in the container's status: StartError, exit code 128, the whole text."""
    del front
    cri.create(name, Wish(SLEEP, {"unified": {"misc.max": "res_a 5"}}), "shared-wrap")
    problem = cri.start(name)
    status = cri.status(name).status
    cri.remove(name)
    assert (status.reason, status.exit_code, status.message) == ("StartError", 128, problem)
    assert "[unified-without-counterpart]" in problem


def test_hugepages_in_cgroup2(engines: Any, containerd: Containerd, front: Front, name: str) -> None:
    """A hugepage limit, whose controller only cgroup2 has here, is set and read back there, under an engine, too."""
    del front
    controllers = Path("/sys/fs/cgroup/unified/cgroup.controllers")
    found = controllers.read_text().split() if controllers.exists() else []
    require("hugetlb on cgroup2 of a hybrid host", "" if "hugetlb" in found else f"{controllers} has {found}")
    pages = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
    require("2 MiB pages", "" if pages.exists() else f"there is no {pages}")
    # The engines' own cgroup first: the root's controller is in use while a child has it enabled for its children.
    controls = [controllers.parent / below / "cgroup.subtree_control" for below in (CGROUP_PARENT, "")]
    before = {control: _enabled(control) for control in controls}
    ctr = engines("ctr")
    limits = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}
    done = containerd.ctr("run", "--detach", *ctr.words(name, Wish(SLEEP, limits)))
    (line,) = [line for line in containerd.ctr("tasks", "ls").out.splitlines() if line.startswith(name)] or ["? 0"]
    shown = CgroupValues(int(line.split()[1])).read("hugetlb.2MB.max", 2) if done.status == 0 else None
    ctr.remove(name)
    for control in controls:
        for controller in _enabled(control) - before[control]:
            assert wait_until(lambda control=control, controller=controller: _disabled(control, controller)), control
    assert (done.status, done.err, shown) == (0, "", "4194304")


def _enabled(control: Path) -> set[str]:
    """The controllers that children get; none of a cgroup that is not there."""
    return set(control.read_text().split()) if control.exists() else set()


def _disabled(control: Path, controller: str) -> bool:
    try:
        control.write_text(f"-{controller}")
    except OSError:
        return False
    return True


def test_nothing_is_left(engine: Engine, name: str) -> None:
    """A container that has run and was removed leaves no process and no cgroup."""
    result = engine.run(name, Wish(("/bin/true",)))
    engine.remove(name)
    assert result.status == 0, str(result)
    assert wait_until(lambda: not processes(name)), processes(name)
    cgroups = Path("/sys/fs/cgroup").glob(f"*/{CGROUP_PARENT}/*{name}*")
    assert wait_until(lambda: not list(cgroups))
