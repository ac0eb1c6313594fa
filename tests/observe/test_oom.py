"""The kernel's log of memory cgroup kills, as kernels print it."""

from __future__ import annotations

import pytest

from shim.observe import kernel_log
from shim.observe.oom import Kill, kills, lines_of

# Linux 6.18, runc container with a limit of 8 MiB on a v1 hierarchy; the long tables are left out.
LINUX_6_18 = """\
tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
memory: usage 8192kB, limit 8192kB, failcnt 201
memory+swap: usage 8192kB, limit 9007199254740988kB, failcnt 0
kmem: usage 212kB, limit 9007199254740988kB, failcnt 0
Memory cgroup stats for /hx/c:
Tasks state (memory values in pages):
[  10929]     0 10929     2504     2284     1952      332         0    61440        0             0 tail
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg=/hx/c,task_memcg=/hx/c,\
task=tail,pid=10929,uid=0
Memory cgroup out of memory: Killed process 10929 (tail) total-vm:10016kB, anon-rss:7808kB, file-rss:1328kB, \
shmem-rss:0kB, UID:0 pgtables:60kB oom_score_adj:0
""".splitlines()
# The form of mm/oom_kill.c before Linux 5.0 (mem_cgroup_print_oom_info, oom_kill_process).
LINUX_4_19 = """\
stress invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=0
Task in /docker/0a1b killed as a result of limit of /docker/0a1b
memory: usage 102400kB, limit 102400kB, failcnt 1874
Memory cgroup out of memory: Kill process 4321 (stress) score 978 or sacrifice child
Killed process 4321 (stress) total-vm:160692kB, anon-rss:99284kB, file-rss:276kB, shmem-rss:0kB
""".splitlines()
MIB = 1 << 20


def test_recorded_kill() -> None:
    """Victim, cgroups and the counters at that moment, in bytes."""
    assert kills(LINUX_6_18, "/hx/c") == (
        Kill(name="tail", pid=10929, victim="/hx/c", limited="/hx/c", usage=8 * MIB, limit=8 * MIB, failures=201),
    )


def test_kill_before_linux_5_0() -> None:
    """The cgroups stand in a line of their own, in front of the counters."""
    assert kills(LINUX_4_19, "/docker/0a1b") == (
        Kill(
            name="stress",
            pid=4321,
            victim="/docker/0a1b",
            limited="/docker/0a1b",
            usage=100 * MIB,
            limit=100 * MIB,
            failures=1874,
        ),
    )


@pytest.mark.parametrize(
    ("path", "anywhere", "count"),
    [
        ("/hx/c", False, 1),
        ("/hx/c/", False, 1),
        ("/hx", False, 1),
        ("/hx/c/below", False, 0),
        ("/hx/cc", False, 0),
        ("/h", False, 0),
        ("/c", False, 0),
        ("/c", True, 1),
        ("/x/c", True, 0),
        ("/", False, 0),
        ("", True, 0),
    ],
)
def test_only_kills_inside_count(path: str, anywhere: bool, count: int) -> None:
    """A cgroup and those below it; seen from a cgroup namespace the log has more in front; the root is nobody's."""
    assert len(kills(LINUX_6_18, path, anywhere)) == count


def test_limit_of_a_cgroup_above() -> None:
    """The victim's cgroup counts, and whose limit it was is told."""
    lines = [line.replace("oom_memcg=/hx/c", "oom_memcg=/hx") for line in LINUX_6_18]
    (kill,) = kills(lines, "/hx/c")
    assert (kill.victim, kill.limited) == ("/hx/c", "/hx")


def test_names_with_commas_and_blanks() -> None:
    """A process may call itself anything of 15 bytes."""
    lines = [line.replace("task=tail", "task=a,pid=1, b") for line in LINUX_6_18]
    (kill,) = kills(lines, "/hx/c")
    assert (kill.name, kill.pid) == ("a,pid=1, b", 10929)


def test_counters_belong_to_one_kill() -> None:
    """A kill without a table of its own (the kernel limits their rate) does not get the numbers of the one before."""
    (first, second) = kills([*LINUX_6_18, LINUX_6_18[7].replace("10929", "10930")], "/hx/c")
    assert (first.usage, second.usage) == (8 * MIB, 0)


def test_global_kills_are_not_the_containers() -> None:
    """The host as a whole ran out: no memory cgroup is to blame."""
    line = (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=c,mems_allowed=0,global_oom,task_memcg=/hx/c,"
        "task=tail,pid=1,uid=0"
    )
    assert kills([line], "/hx/c") == ()


def test_records_have_the_kernels_numbers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Documentation/ABI/testing/dev-kmsg: level, sequence number, time and flags, then the text."""
    path = tmp_path_factory.mktemp("dev") / "kmsg"
    path.write_text("6,339,5140900,-;NET: Registered\n SUBSYSTEM=x\n")
    assert kernel_log.records(str(path)) == [(339, "NET: Registered")]
    assert kernel_log.read_kernel_log(str(path)) == "NET: Registered"
    assert kernel_log.records(str(path.parent / "none")) is None
    assert kernel_log.read_kernel_log(str(path.parent / "none")) == ""


def _killed(cgroup: str) -> str:
    """One kill in this cgroup, as Linux 5.0 and later print it; the cpuset has a name of its own there."""
    return (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg={cgroup},"
        f"task_memcg={cgroup},task=runc:[2:INIT],pid=7,uid=0"
    )


@pytest.mark.parametrize(
    "cgroup",
    [
        "/c1",
        "/pods/c1",
        "/pods/c1/worker",
        "/kubepods/pod1/crio-c1",
        "/libpod_parent/libpod-c1",
        "/system.slice/docker-c1.scope",
        "/a.slice:cri-containerd:c1",
        "/kubepods.slice/cri-containerd-c1.scope/init",
    ],
)
def test_lines_of_a_container(cgroup: str) -> None:
    """The victim's cgroup is called by the id, as engines call it, or lies below one that is."""
    other = _killed("/c2")
    assert lines_of([other, _killed(cgroup), other], "c1") == (_killed(cgroup),)


@pytest.mark.parametrize(
    "cgroup", ["/c11", "/0c1", "/docker/7f0c1d", "/web-c1", "/c1-2", "/c1.slice/x", "/docker-c1.scope.d", "/x/crio-c1x"]
)
def test_lines_of_another_container(cgroup: str) -> None:
    """An id that is a part of another one, and a cpuset that has the same name, prove nothing."""
    assert lines_of([_killed(cgroup)], "c1") == ()


def test_lines_of_a_container_before_linux_5_0() -> None:
    """The line that names the cgroups; without a container there is none."""
    assert lines_of(LINUX_4_19, "0a1b") == (LINUX_4_19[1],)
    assert lines_of(LINUX_4_19, "") == ()
