"""An init that ended before the read-back: read in the recorded cgroup, and what happened is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shim.diagnose import init_ended
from shim.enforce.follow_up import InitEnded, Subject, follow_up
from shim.errors import ShimError
from shim.host.facts import LEGACY
from shim.observe import kernel_log
from shim.oci import document
from shim.planning import rewrite
from shim.planning.plan import make_plan
from tests.cgroup_tree import INIT, Tree
from tests.enforce.test_init_process import RUNS, STAT, ZOMBIE
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = "/sys/fs/cgroup/memory"
HOST = make_host(LEGACY)
KILL = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg={0},task_memcg={0},"
    "task=runc:[2:INIT],pid=4711,uid=0"
)
ASKED: dict[str, Any] = {"memory": {"limit": 3145728}}


def _made(command: str, policy: str = "refuse", linux: dict[str, Any] | None = None) -> rewrite.Rewrite:
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command=command)
    return rewrite.Rewrite(
        document=document.load(json.dumps({"linux": {"resources": ASKED, **(linux or {})}}), "config.json"),
        where=rewrite.RESOURCES,
        resources=ASKED,
        host=HOST,
        plan=make_plan(ASKED, HOST, "runc", asked.operation, "cgroupfs"),
        policy=policy,
        policy_origin="made for a test",
        asked=asked,
    )


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """cgroup v1, whose root has no limit; the container is in /c with the limit that it asked for; its init is dead."""
    monkeypatch.setattr(kernel_log, "records", list)
    made = Tree(tmp_path)
    made.process("4:memory:/\n0::/\n")
    made.write(STAT, ZOMBIE)
    made.write(f"{MEMORY}/memory.limit_in_bytes", "9223372036854771712\n")
    made.write(f"{MEMORY}/c/memory.limit_in_bytes", "3145728\n")
    made.write(f"{MEMORY}/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    return made


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """The container, with runc's record of where it is."""
    (tmp_path / "root" / "c1").mkdir(parents=True)
    state = {"init_process_start": 380119, "cgroup_paths": {"memory": f"{MEMORY}/c"}}
    (tmp_path / "root" / "c1" / "state.json").write_text(json.dumps(state))
    return Subject(pid=INIT, container="c1", root=str(tmp_path / "root"))


def _error(tree: Tree, subject: Subject, made: rewrite.Rewrite) -> ShimError:
    with pytest.raises(InitEnded) as ended:
        follow_up(tree.view, subject, made)
    with pytest.raises(ShimError) as refused:
        init_ended.notices(tree.view, subject, made, ended.value.fate)
    return refused.value


@pytest.mark.parametrize("policy", ["refuse", "warn"])
def test_never_the_root_cgroup(tree: Tree, subject: Subject, policy: str) -> None:
    """The dead init is in `/` now, whose file shows no limit; that is not what is told, under any policy."""
    error = _error(tree, subject, _made("create", policy))
    assert error.text().splitlines() == [
        "cgshim: the init of container c1 ended before it could be started: killed by signal 11 (SIGSEGV) [init-ended]",
        "  cause: neither the container's cgroup nor the kernel's log of it shows the reason",
        f"  evidence: {STAT}: state Z, PF_EXITING, killed by signal 11 (SIGSEGV)",
        "  remedy: look at what the runtime wrote before, and at `dmesg`",
    ]


def test_killed_for_memory(tree: Tree, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the counter of its own cgroup and the log's line of it; another container's kill is not evidence."""
    log = [(1, KILL.format("/other")), (2, KILL.format("/c"))]
    monkeypatch.setattr(kernel_log, "records", lambda: log)
    tree.write(f"{MEMORY}/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    error = _error(tree, subject, _made("create"))
    assert error.what == "the init of container c1 ended before it could be started: the kernel killed it for memory"
    assert error.evidence[0] == "kernel log: killed process 4711 (runc:[2:INIT]) in /c, out of memory in /c"
    assert error.evidence[1] == f"{MEMORY}/c/memory.oom_control: oom_kill_disable 0 under_oom 0 oom_kill 1"
    assert not any("/other" in line for line in error.evidence)


def test_refused_by_its_profile(tree: Tree, subject: Subject) -> None:
    """What the profile does not allow of what the init needs."""
    allowed = [name for name in init_ended.NEEDED if name != "execve"]
    rules = [{"names": allowed, "action": "SCMP_ACT_ALLOW"}, {"names": ["execve"], "action": "SCMP_ACT_KILL"}]
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    error = _error(tree, subject, _made("create", linux={"seccomp": profile}))
    assert error.evidence[0] == "linux.seccomp: defaultAction SCMP_ACT_ERRNO, execve not allowed"


def test_a_profile_that_is_too_deep_to_read_is_no_reason(tree: Tree, subject: Subject) -> None:
    """The runtime has read it; the look at it stops, and the rest of the diagnosis is there."""
    made = _made("create")
    text = '{"linux":{"seccomp":{"x":' + "[" * 3000 + "]" * 3000 + "}}}"
    error = _error(tree, subject, made.changed(document=document.load(text, "config.json")))
    assert error.what == _error(tree, subject, made).what


def test_a_profile_that_lets_all_pass_is_no_reason(tree: Tree, subject: Subject) -> None:
    """Nothing is made up."""
    error = _error(tree, subject, _made("create", linux={"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}))
    assert error.what.endswith("killed by signal 11 (SIGSEGV)")


def test_the_number_belongs_to_another_process(tree: Tree, subject: Subject) -> None:
    """A process that runs, but started at another time than the runtime recorded."""
    tree.write(STAT, RUNS)
    error = _error(tree, subject, _made("create"))
    assert error.evidence[0].startswith(f"{STAT}: another process, started at 379861, not at 380119")


@pytest.mark.parametrize("command", ["update", "restore"])
def test_an_update_or_a_short_restored_process(tree: Tree, subject: Subject, command: str) -> None:
    """It has ended, which is its business: its own cgroup shows the limit, so nothing is lost."""
    made = _made(command)
    with pytest.raises(InitEnded) as ended:
        follow_up(tree.view, subject, made)
    told = init_ended.notices(tree.view, subject, made, ended.value.fate)
    assert [level for level, _ in told] == ["info"]
    tree.write(f"{MEMORY}/c/memory.limit_in_bytes", "4096\n")
    with pytest.raises(ShimError) as refused:
        init_ended.notices(tree.view, subject, made, ended.value.fate)
    assert refused.value.code == "limit-not-applied"
    assert refused.value.evidence == (f"{MEMORY}/c/memory.limit_in_bytes: '4096'; memory.limit asked for '3145728'",)
