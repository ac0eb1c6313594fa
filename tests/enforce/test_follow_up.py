"""What becomes of a limit that did not land: refused with the file and its value, or reported, as the policy says."""

from __future__ import annotations

import posix
from typing import TYPE_CHECKING, Any

import pytest

from shim.enforce import bridge, unverified
from shim.enforce import follow_up as following
from shim.enforce.follow_up import Subject, follow_up
from shim.errors import ShimError
from shim.host.facts import HYBRID, LEGACY, UNIFIED, Fact
from shim.oci import document
from shim.planning import rewrite
from shim.planning.plan import Plan, make_plan
from shim.rules import shapes
from shim.rules.base import GUARD, HINT, Expectation, apply_to_value
from tests.cgroup_tree import INIT, Kernel, Tree
from tests.hosts_made import make_host
from tests.kept_limits import sealed_and_read
from tests.planned import plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from shim.host.facts import Host
    from shim.rules.base import Kind

MOUNT = "/sys/fs/cgroup"
HYBRID_MOUNT = "/sys/fs/cgroup/unified"
SUBJECT = Subject(pid=INIT, container="c1")
ASKED: dict[str, Any] = {"memory": {"limit": 67108864, "reservation": 33554432}, "pids": {"limit": 32}}
MEMORY_IN_2 = make_host(HYBRID, versions={"memory": 2})
OUTCOMES = [
    ("create", ", so the container was not started"),
    ("restore", ", so the container was stopped"),
    ("update", "; the update was not undone"),
]


def _made(resources: dict[str, Any], host: Host, policy: str, command: str = "create") -> rewrite.Rewrite:
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command=command)
    return rewrite.Rewrite(
        document=document.load("{}", "config.json"),
        where=rewrite.RESOURCES,
        resources=resources,
        host=host,
        plan=make_plan(resources, host, "runc", asked.operation, "cgroupfs"),
        policy=policy,
        policy_origin="made for a test",
        asked=asked,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A host with cgroup2 alone, and a container in /c whose limits all landed."""
    made = Tree(tmp_path)
    made.process("0::/c\n")
    for file, value in (("memory.max", "67108864"), ("pids.max", "32"), ("memory.low", "33554432")):
        made.write(f"{MOUNT}/c/{file}", f"{value}\n")
    return made


@pytest.mark.parametrize("policy", ["refuse", "warn"])
def test_all_landed(tree: Tree, policy: str) -> None:
    """Nothing to say."""
    assert follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), policy)) == []


def test_a_guard_that_did_not_land_is_refused(tree: Tree) -> None:
    """The field, the file, its value and what was asked; the container was not started."""
    tree.write(f"{MOUNT}/c/memory.max", "max\n")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "refuse"))
    assert refused.value.code == "limit-not-applied"
    assert refused.value.what == "the kernel does not show memory.limit, so the container was not started"
    assert refused.value.evidence == (f"{MOUNT}/c/memory.max: 'max'; memory.limit asked for '67108864'",)
    assert refused.value.cause.startswith("/usr/sbin/runc reported success, but ")


def test_all_that_is_lost_is_named(tree: Tree) -> None:
    """The first in the verdict, every one in the evidence; a hint is not among them."""
    for file in ("memory.max", "pids.max", "memory.low"):
        tree.write(f"{MOUNT}/c/{file}", "1\n")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "refuse"))
    assert refused.value.what.endswith(" (and 1 more), so the container was not started")
    assert [line.partition(":")[0] for line in refused.value.evidence] == [
        f"{MOUNT}/c/memory.max",
        f"{MOUNT}/c/pids.max",
    ]


def test_warn_reports(tree: Tree) -> None:
    """Under warn a lost guard is a warning, a hint information; the container goes on."""
    tree.write(f"{MOUNT}/c/memory.max", "max\n")
    tree.write(f"{MOUNT}/c/memory.low", "0\n")
    told = follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "warn"))
    lost = f"cgshim: memory.limit is not what the kernel shows: {MOUNT}/c/memory.max: 'max'; "
    hint = f"cgshim: memory.reservation is not what the kernel shows: {MOUNT}/c/memory.low: '0'; "
    assert sorted(told) == [
        ("info", hint + "memory.reservation asked for '33554432'"),
        ("warning", lost + "memory.limit asked for '67108864'"),
    ]


def test_a_hint_never_refuses(tree: Tree) -> None:
    """A reservation that did not land is told, whatever the policy."""
    tree.write(f"{MOUNT}/c/memory.low", "0\n")
    (told,) = follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "refuse"))
    assert told[0] == "info"


HINTS: dict[str, Any] = {"memory": {"reservation": 33554432}}
UNREAD = "pids.max: /proc/PID/cgroup has no line for cgroup2; pids.limit asked for '32'"


@pytest.mark.parametrize(("command", "outcome"), OUTCOMES)
def test_a_guard_that_cannot_be_read_back_is_refused(tree: Tree, command: str, outcome: str) -> None:
    """A process that is gone already, and nothing on the host that hides it: nobody knows of a limit."""
    tree.write(f"/proc/{INIT}/cgroup", "")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, make_host(UNIFIED), "refuse", command))
    assert refused.value.code == "limit-not-read"
    assert refused.value.what == f"pids.limit could not be read back{outcome}"
    assert refused.value.evidence == (UNREAD, "view of the cgroups: made for a test: the host's own root")


def test_every_unread_guard_is_named(tree: Tree) -> None:
    """All in the evidence; the hint is not among them."""
    tree.write(f"/proc/{INIT}/cgroup", "")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "refuse"))
    assert refused.value.what.endswith(" (and 1 more) could not be read back, so the container was not started")
    assert [line.partition(":")[0] for line in refused.value.evidence[:-1]] == ["memory.max", "pids.max"]


def test_an_unread_guard_under_warn_is_told(tree: Tree) -> None:
    """The container goes on, and operators get to know."""
    tree.write(f"/proc/{INIT}/cgroup", "")
    told = follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, make_host(UNIFIED), "warn"))
    assert told == [("warning", f"cgshim: pids.limit could not be read back: {UNREAD}")]


def test_an_unread_hint_refuses_nobody(tree: Tree) -> None:
    """Information, whatever the policy."""
    tree.write(f"/proc/{INIT}/cgroup", "")
    told = follow_up(tree.view, SUBJECT, _made(HINTS, make_host(UNIFIED), "refuse"))
    assert [level for level, _ in told] == ["info"]


# One value of each shape that a file has.
OF_A_SHAPE = {
    "exact": "25000 50000",
    "page": "67108864",
    "pages": "67108864",
    "at-most": "67108864",
    "number": "32",
    "first-words": "25000",
    "second-word": "50000",
    "percents": "25000 50000",
    "cpus": "0",
    "lines": "8:0 rbps=1048576",
    "percent": "10",
    "any-form": "1",
}


def _expecting(shape: Any, kind: Kind = GUARD) -> rewrite.Rewrite:
    limit = Expectation(
        field="unified.x.max",
        kind=kind,
        controller="memory",
        version=2,
        file="x.max",
        value=OF_A_SHAPE[shape],
        shape=shape,
    )
    return _made({}, make_host(UNIFIED), "refuse").changed(plan=Plan(expectations=(limit,)))


@pytest.mark.parametrize("shape", OF_A_SHAPE)
def test_what_cannot_be_seen_is_not_there_in_any_shape(tree: Tree, shape: str) -> None:
    """No cgroup: not read. No file, an empty one, or one with nothing but a word: not applied. A hint only warns."""
    for content in (None, "", "\n", "max 100000\n"):
        if content is not None:
            tree.write(f"{MOUNT}/c/x.max", content)
        with pytest.raises(ShimError) as refused:
            follow_up(tree.view, SUBJECT, _expecting(shape))
        assert refused.value.code == "limit-not-applied", content
        ((level, _),) = follow_up(tree.view, SUBJECT, _expecting(shape, HINT))
        assert level == "info"
    tree.write(f"/proc/{INIT}/cgroup", "")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _expecting(shape))
    assert refused.value.code == "limit-not-read"


def test_every_shape_is_one_of_these() -> None:
    """A new shape gets a value above."""
    assert set(OF_A_SHAPE) == {"any-form", *shapes.SIZES, *shapes.SHAPES}


@pytest.mark.parametrize("seen", ["namespace", "subtree"])
def test_a_nested_view_explains_what_cannot_be_read(tree: Tree, seen: str) -> None:
    """The container's cgroup is beside our own cgroup namespace or mount: a warning with the fact, and no refusal."""
    tree.process("0::/../elsewhere/c\n")
    host = make_host(UNIFIED, cgroup_view=Fact(value=seen, evidence="/proc/self/mountinfo: made for a test"))
    ((level, text),) = follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, host, "refuse"))
    assert level == "warning"
    assert text == (
        "cgshim: pids.limit could not be read back: pids.max: /../elsewhere/c is not visible below /sys/fs/cgroup; "
        f"pids.limit asked for '32'; from here only a {seen} of the cgroups is visible "
        "(/proc/self/mountinfo: made for a test)"
    )


def test_a_nested_view_does_not_explain_a_process_that_is_gone(tree: Tree) -> None:
    """The view hides cgroups, not processes."""
    tree.write(f"/proc/{INIT}/cgroup", "")
    host = make_host(UNIFIED, cgroup_view=Fact(value="namespace", evidence="made for a test"))
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, host, "refuse"))
    assert refused.value.code == "limit-not-read"


SAID = "/usr/sbin/runc state c1: exit status 1"


@pytest.mark.parametrize(("command", "outcome"), OUTCOMES)
def test_without_a_process_guards_are_refused(command: str, outcome: str) -> None:
    """No pid file, no state, no answer: nothing was set by the bridge, and nothing was read back."""
    with pytest.raises(ShimError) as refused:
        unverified.without_process("c1", _made(LIMITS, MEMORY_IN_2, "refuse", command), SAID)
    assert refused.value.code == "no-process"
    assert refused.value.what == (
        f"no process of container c1 was found, so memory.limit could not be read back{outcome}"
    )
    assert refused.value.evidence == (SAID,)


def test_without_a_process_warn_and_hints_go_on() -> None:
    """Under warn a warning names the guards; where there are only hints it is information."""
    told = unverified.without_process("c1", _made(LIMITS, MEMORY_IN_2, "warn"), SAID)
    assert told == [("warning", f"cgshim: memory.limit could not be read back: no process: {SAID}")]
    told = unverified.without_process("c1", _made(HINTS, make_host(UNIFIED), "refuse"), SAID)
    assert told == [("info", f"cgshim: memory.reservation could not be read back: no process: {SAID}")]


def test_an_update_that_did_not_land(tree: Tree) -> None:
    """The running container is left alone, and the message says so."""
    tree.write(f"{MOUNT}/c/pids.max", "max\n")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, make_host(UNIFIED), "refuse", "update"))
    assert refused.value.what == "the kernel does not show pids.limit; the update was not undone"


# ---- with the bridge


@pytest.fixture
def kernel(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A hybrid host: pids on v1, memory in cgroup2, where the engine's cgroup is full of processes."""
    tree.cgroup2(HYBRID_MOUNT, "")
    tree.cgroup2(HYBRID_MOUNT, "/pod")
    tree.cgroup2(HYBRID_MOUNT, "/pod/c", processes=f"{INIT}\n")
    tree.process("4:pids:/c\n0::/pod/c\n")
    tree.write(f"{MOUNT}/pids/c/pids.max", "32\n")
    made = Kernel(tree, HYBRID_MOUNT)
    monkeypatch.setattr(bridge, "put", made.put)
    monkeypatch.setattr(bridge, "make", made.make)
    monkeypatch.setattr(posix, "rmdir", made.rmdir)
    return made


LIMITS: dict[str, Any] = {"memory": {"limit": 67108864}}


@pytest.mark.parametrize("command", ["create", "update"])
def test_the_bridge_sets_and_verify_reads(tree: Tree, kernel: Kernel, command: str) -> None:
    """What the runtime could not place is there, and there is nothing to tell."""
    assert follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "refuse", command)) == []
    assert tree.read(f"{HYBRID_MOUNT}/pod/c/memory.max") == "67108864\n"
    assert ("/pod/cgroup.subtree_control", "+memory") in kernel.written


def test_a_bridge_that_lies_is_found_out(tree: Tree, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write succeeds and the file shows something else: read back like any other limit."""
    tree.write(f"{HYBRID_MOUNT}/pod/c/memory.max", "max\n")
    monkeypatch.setattr(bridge, "put", lambda _path, _text, _device: None)
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "refuse"))
    assert refused.value.code == "limit-not-applied"
    assert kernel.written == []


@pytest.mark.parametrize("command", ["create", "update"])
def test_refuse_takes_no_cgroup_that_exec_escapes(tree: Tree, kernel: Kernel, command: str) -> None:
    """Our own cgroup would cover the container's first process only, so under refuse there is none."""
    tree.write(f"{HYBRID_MOUNT}/pod/cgroup.procs", "99\n")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "refuse", command))
    assert refused.value.code == "bridge-impossible"
    assert not tree.exists(f"{HYBRID_MOUNT}/cgshim")
    assert kernel.written == [("/cgroup.subtree_control", "+memory"), ("/pod/cgroup.subtree_control", "+memory")]


def test_warn_says_that_exec_escapes(tree: Tree, kernel: Kernel) -> None:
    """Under warn the container is moved, limited and verified; that exec does not follow is a warning."""
    tree.write(f"{HYBRID_MOUNT}/pod/cgroup.procs", "99\n")
    ((level, text),) = follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "warn"))
    assert level == "warning"
    outside = f"cgshim: processes started by exec are outside {HYBRID_MOUNT}/cgshim/c1, which has memory.limit: "
    assert text.startswith(outside)
    assert text.endswith("/pod/cgroup.subtree_control: enabling memory: EBUSY")
    assert tree.read(f"{HYBRID_MOUNT}/cgshim/c1/memory.max") == "67108864\n"
    assert kernel.written[-1] == ("/cgshim/c1/memory.max", "67108864")


@pytest.mark.parametrize("command", ["create", "update"])
def test_warn_goes_on_without_the_limit(tree: Tree, kernel: Kernel, command: str) -> None:
    """No way at all: two warnings, one why it could not be set, one what the kernel shows; a running one stays."""
    tree.write(f"{HYBRID_MOUNT}/pod/cgroup.procs", "99\n")
    tree.cgroup2(HYBRID_MOUNT, "/cgshim", processes="98\n")
    told = follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "warn", command))
    assert [level for level, _ in told] == ["warning", "warning"]
    assert told[0][1].startswith("cgshim: cannot enable the cgroup2 controllers that the container's limits need: ")
    assert "/pod/cgroup.subtree_control: enabling memory: EBUSY" in told[0][1]
    missing = f"{HYBRID_MOUNT}/pod/c/memory.max: ENOENT; memory.limit asked for '67108864'"
    assert told[1][1] == f"cgshim: memory.limit is not what the kernel shows: {missing}"
    assert tree.read(f"{HYBRID_MOUNT}/pod/c/cgroup.procs") == f"{INIT}\n"
    assert kernel.refused == set()


def test_an_update_moves_nobody(tree: Tree, kernel: Kernel) -> None:
    """A running container's processes stay where they are, also under warn: an inner node is a warning, and no more."""
    tree.process("4:pids:/c\n0::/pod/c\n")
    tree.cgroup2(HYBRID_MOUNT, "", enabled="memory")
    tree.cgroup2(HYBRID_MOUNT, "/pod", processes="1\n")
    tree.cgroup2(HYBRID_MOUNT, "/pod/c", processes=f"{INIT}\n")
    told = follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "warn", "update"))
    assert told[0][0] == "warning"
    assert "EBUSY" in told[0][1]
    assert not tree.exists(f"{HYBRID_MOUNT}/cgshim")
    assert tree.read(f"{HYBRID_MOUNT}/pod/c/cgroup.procs") == f"{INIT}\n"


def test_a_value_that_the_kernel_refuses(tree: Tree, kernel: Kernel) -> None:
    """Refused under refuse with the file; under warn a warning."""
    kernel.refused.add("67108864")
    with pytest.raises(ShimError) as refused:
        follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "refuse"))
    assert refused.value.code == "bridge-refused"
    told = follow_up(tree.view, SUBJECT, _made(LIMITS, MEMORY_IN_2, "warn"))
    assert told[0][1].startswith("cgshim: memory.limit could not be set in cgroup2: EINVAL: ")


def test_no_bridge_no_writes(tree: Tree, kernel: Kernel) -> None:
    """Without limits that only cgroup2 has nothing is written anywhere."""
    assert following.follow_up(tree.view, SUBJECT, _made({"pids": {"limit": 32}}, MEMORY_IN_2, "refuse")) == []
    assert kernel.written == []


# ---- the hook of a foreground run sees the rewritten file only

UNACCOUNTED = Fact(value=False, evidence="made for a test: no memory.memsw.limit_in_bytes")
EVERYTHING: tuple[dict[str, Any], ...] = (
    {"memory": {"limit": 67108864, "swap": 67108864}},
    {"memory": {"limit": 67108864, "swap": 0}},
    {"memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432}},
    {"memory": {"limit": -1, "swap": 67108864}},
    {"memory": {"limit": -1, "swap": -1}},
    {"pids": {"limit": 32}, "cpu": {"quota": 50000, "period": 100000, "shares": 512, "cpus": "0", "mems": "0"}},
    {"unified": {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32", "cpu.max": "50000 100000"}},
    {"unified": {"memory.high": "67108864", "cpuset.cpus": "0", "hugetlb.2MB.max": "4194304", "io.max": "8:0 rbps=1"}},
    {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "rdma": {"mlx5_1": {"hcaHandles": 3}}},
    {"blockIO": {"weight": 500, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}]}},
)
HOSTS = {
    "unified": make_host(UNIFIED),
    "legacy": make_host(LEGACY),
    "hybrid": make_host(HYBRID),
    "hybrid-memory2": MEMORY_IN_2,
    "unified-unaccounted": make_host(UNIFIED, swap_accounting=UNACCOUNTED),
    "legacy-unaccounted": make_host(LEGACY, swap_accounting=UNACCOUNTED),
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("runtime", ["runc", "crun", "other"])
def test_the_hook_guards_the_same(host: Host, runtime: str) -> None:
    """Whatever was rewritten: a plan for the result expects every guard that the first one did."""
    for resources in EVERYTHING:
        first = plan_of(resources, host, runtime)
        if first.problems:
            continue
        kept = sealed_and_read(first.bridge).limits
        after = apply_to_value(resources, first.edits)
        again = plan_of(after, host, runtime, kept=kept)
        guards = [{(e.file, e.value) for e in plan.expectations if e.kind == GUARD} for plan in (first, again)]
        assert guards[0] == guards[1], resources


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "lost"])
def test_an_init_that_has_ended_proves_nothing(tree: Tree, landed: bool) -> None:
    """Whatever was read, right or wrong: the end comes first, with the file that shows it."""
    if not landed:
        tree.write(f"{MOUNT}/c/memory.max", "max\n")
    tree.write(f"/proc/{INIT}/stat", f"{INIT} (a) Z {posix.getpid()} 1 1 0")
    with pytest.raises(following.InitEnded) as ended:
        follow_up(tree.view, SUBJECT, _made(ASKED, make_host(UNIFIED), "refuse"))
    assert (ended.value.code, ended.value.what) == ("init-ended", "the init of container c1 has ended")
    assert ended.value.evidence == (f"/proc/{INIT}/stat: state Z",)
