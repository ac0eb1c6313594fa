"""The bridge on a fake cgroup2 (Documentation/admin-guide/cgroup-v2.rst, "Controlling Controllers")."""

from __future__ import annotations

import errno
import posix
from typing import TYPE_CHECKING

import pytest

from shim.enforce import bridge as module
from shim.enforce.bridge import bridge, remove_own
from shim.errors import ShimError
from shim.host.facts import HYBRID
from shim.rules.base import GUARD, HINT, Expectation
from tests.cgroup_tree import INIT, Kernel, Tree
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = "/sys/fs/cgroup/unified"
HOST = make_host(HYBRID, versions={"memory": 2, "cpuset": 2})


def _limit(file: str, value: str) -> Expectation:
    controller = file.partition(".")[0]
    return Expectation(field=file, kind=GUARD, controller=controller, version=2, file=file, value=value)


LIMITS = (_limit("memory.max", "67108864"), _limit("memory.swap.max", "0"), _limit("cpuset.cpus", "0"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A hybrid host whose cgroup2 has /pod and /pod/c, the container's."""
    made = Tree(tmp_path)
    made.cgroup2(MOUNT, "", processes="1\n")
    made.cgroup2(MOUNT, "/pod")
    made.cgroup2(MOUNT, "/pod/c", processes=f"{INIT}\n")
    made.process("4:pids:/pod/c\n0::/pod/c\n")
    return made


@pytest.fixture
def kernel(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The kernel behind the bridge's writes."""
    made = Kernel(tree, MOUNT)
    monkeypatch.setattr(module, "put", made.put)
    monkeypatch.setattr(module, "make", made.make)
    monkeypatch.setattr(posix, "rmdir", made.rmdir)
    return made


def _bridge(tree: Tree, *, may_move: bool = False) -> module.Placed:
    return bridge(tree.view, INIT, "c1", LIMITS, HOST, may_move=may_move)


def test_controllers_are_enabled_along_the_path(tree: Tree, kernel: Kernel) -> None:
    """From the root down, in every cgroup above the container's and not in its own; then the limits."""
    assert _bridge(tree) == module.Placed(directory=f"{MOUNT}/pod/c")
    assert kernel.written == [
        ("/cgroup.subtree_control", "+memory +cpuset"),
        ("/pod/cgroup.subtree_control", "+memory +cpuset"),
        ("/pod/c/memory.max", "67108864"),
        ("/pod/c/memory.swap.max", "0"),
        ("/pod/c/cpuset.cpus", "0"),
    ]


def test_what_is_enabled_is_left_alone(tree: Tree, kernel: Kernel) -> None:
    """Only missing controllers are written; a second time nothing but the limits is."""
    tree.write(f"{MOUNT}/cgroup.subtree_control", "cpu memory cpuset")
    tree.write(f"{MOUNT}/pod/cgroup.subtree_control", "memory")
    _bridge(tree)
    assert kernel.written[0] == ("/pod/cgroup.subtree_control", "+cpuset")
    kernel.written.clear()
    _bridge(tree)
    assert [path for path, _ in kernel.written] == [f"/pod/c/{limit.file}" for limit in LIMITS]


def test_processes_in_an_inner_node_are_named(tree: Tree, kernel: Kernel) -> None:
    """Under policy refuse nothing is moved and no cgroup is made: the refusal names the level and the errno."""
    tree.write(f"{MOUNT}/pod/cgroup.procs", "99\n")
    with pytest.raises(ShimError) as refused:
        _bridge(tree)
    assert refused.value.code == "bridge-impossible"
    control = f"{tree.root}{MOUNT}/pod/cgroup.subtree_control"
    assert refused.value.evidence == (f"{control}: enabling memory, cpuset: EBUSY",)
    assert any("policy warn in the settings" in line for line in refused.value.remedy)
    assert not tree.exists(f"{MOUNT}/cgshim")
    assert kernel.written[-1][0] == "/pod/cgroup.subtree_control"


def test_a_cgroup_of_our_own(tree: Tree, kernel: Kernel) -> None:
    """Where it may, the bridge moves all processes of the container, sets the limits there, and says what it costs."""
    tree.write(f"{MOUNT}/pod/cgroup.procs", "99\n")
    tree.write(f"{MOUNT}/pod/c/cgroup.procs", f"{INIT}\n0\n4712\n")  # 0: about to be gone
    placed = _bridge(tree, may_move=True)
    assert placed.directory == f"{MOUNT}/cgshim/c1"
    assert "/pod/cgroup.subtree_control: enabling memory, cpuset: EBUSY" in placed.outside
    assert tree.read(f"{MOUNT}/cgshim/c1/cgroup.procs").split() == [str(INIT), "4712"]
    assert tree.read(f"{MOUNT}/cgshim/c1/memory.max") == "67108864\n"
    assert tree.read(f"{MOUNT}/pod/c/cgroup.procs") == "0\n"
    assert ("/cgshim/cgroup.subtree_control", "+memory +cpuset") in kernel.written


def test_an_update_stays_in_our_own_cgroup(tree: Tree, kernel: Kernel) -> None:
    """A container that was moved keeps its cgroup; that exec escapes it is said again."""
    tree.write(f"{MOUNT}/pod/cgroup.procs", "99\n")
    _bridge(tree, may_move=True)
    kernel.written.clear()
    placed = _bridge(tree)
    assert placed.directory == f"{MOUNT}/cgshim/c1"
    assert placed.outside == "the container was moved there when it was created"
    assert [path for path, _ in kernel.written] == [f"/cgshim/c1/{limit.file}" for limit in LIMITS]


@pytest.mark.parametrize(
    ("own", "others", "why"),
    [
        ("0::/\n", ("0::/engine\n", "0::/\n"), "the root of cgroup2"),
        ("4:pids:/pod/c\n", ("0::/engine\n", "0::/\n"), "the root of cgroup2"),
        ("0::/engine\n", ("0::/engine\n", "0::/\n"), "its caller's own cgroup, /engine"),
        ("0::/engine\n", ("0::/other\n", "0::/engine\n"), "its caller's own cgroup, /engine"),
    ],
    ids=["root", "no-line", "with-its-parent", "with-us"],
)
def test_a_cgroup_that_is_not_the_containers(
    tree: Tree, kernel: Kernel, own: str, others: tuple[str, str], why: str
) -> None:
    """No limit is ever put on a cgroup that the container shares with the engine."""
    tree.cgroup2(MOUNT, "/engine", processes=f"4700\n{INIT}\n")
    tree.process(own, others[0])
    tree.write("/proc/self/cgroup", others[1])
    with pytest.raises(ShimError) as refused:
        _bridge(tree)
    assert refused.value.evidence == (f"the runtime left the container in {why}",)
    assert kernel.written == []
    _bridge(tree, may_move=True)
    assert not tree.exists(f"{MOUNT}/engine/memory.max")
    assert tree.read(f"{MOUNT}/cgshim/c1/cgroup.procs").split() == [str(INIT)]


def test_both_reasons_are_named(tree: Tree, kernel: Kernel) -> None:
    """Neither the container's cgroup nor one of our own: both levels are in the message, and nothing is left."""
    tree.write(f"{MOUNT}/pod/cgroup.procs", "99\n")
    tree.cgroup2(MOUNT, "/cgshim", processes="98\n")
    with pytest.raises(ShimError) as refused:
        _bridge(tree, may_move=True)
    places = [f"{tree.root}{MOUNT}{path}/cgroup.subtree_control" for path in ("/pod", "/cgshim")]
    assert refused.value.evidence == tuple(f"{place}: enabling memory, cpuset: EBUSY" for place in places)
    assert not tree.exists(f"{MOUNT}/cgshim/c1")
    assert tree.read(f"{MOUNT}/pod/c/cgroup.procs") == f"{INIT}\n"
    assert kernel.refused == set()


def test_a_value_that_the_kernel_refuses(tree: Tree, kernel: Kernel) -> None:
    """The file, the value and the errno."""
    kernel.refused.add("67108864")
    with pytest.raises(ShimError) as refused:
        _bridge(tree)
    assert (refused.value.code, refused.value.what) == (
        "bridge-refused",
        "memory.max could not be set in cgroup2: EINVAL",
    )
    path = f"{tree.root}{MOUNT}/pod/c/memory.max"
    assert refused.value.evidence == (f"{path}: writing '67108864': EINVAL",)


def test_a_hint_that_the_kernel_refuses(tree: Tree, kernel: Kernel) -> None:
    """The limits beside it are still set; reading back reports the hint."""
    kernel.refused.add("1073741824")
    limits = (_limit("memory.high", "1073741824").changed(kind=HINT), *LIMITS)
    bridge(tree.view, INIT, "c1", limits, HOST, may_move=False)
    assert kernel.written[-3:] == [(f"/pod/c/{limit.file}", limit.value) for limit in LIMITS]


def test_our_own_cgroup_is_removed(tree: Tree, kernel: Kernel) -> None:
    """With the last container the directory above goes too; one that is in use stays."""
    tree.write("/proc/self/cgroup", "0::/pod/c\n")
    _bridge(tree, may_move=True)
    tree.cgroup2(MOUNT, "/cgshim/c2", processes="77\n")
    remove_own(tree.view, "c1", MOUNT)
    assert tree.exists(f"{MOUNT}/cgshim/c1/memory.max")
    kernel.put(f"{tree.root}{MOUNT}/pod/c/cgroup.procs", str(INIT), tree.root.stat().st_dev)
    remove_own(tree.view, "c1", MOUNT)
    assert (tree.exists(f"{MOUNT}/cgshim/c1"), tree.exists(f"{MOUNT}/cgshim")) == (False, True)
    tree.write(f"{MOUNT}/cgshim/c2/cgroup.procs", "")
    remove_own(tree.view, "c2", MOUNT)
    assert not tree.exists(f"{MOUNT}/cgshim")
    remove_own(tree.view, "c2", MOUNT)


@pytest.mark.parametrize("file", ["hugetlb.x/../../../tmp/victim", "../memory.max", "memory"])
def test_a_name_that_is_not_an_interface_file(tree: Tree, kernel: Kernel, file: str) -> None:
    """Whoever kept it: it is refused before any controller is enabled."""
    limits = (*LIMITS, _limit(file, "0"))
    with pytest.raises(ShimError) as refused:
        bridge(tree.view, INIT, "c1", limits, HOST, may_move=True)
    assert refused.value.code == "bridge-refused"
    assert "it is not the name of a cgroup interface file" in refused.value.what
    assert kernel.written == []


@pytest.mark.parametrize("line", ["", "36 25 0:1 / {} rw - cgroup2 cgroup2 rw", "36 25 {d} / {} rw - tmpfs tmpfs rw"])
def test_a_mount_that_is_not_cgroup2(tree: Tree, kernel: Kernel, line: str) -> None:
    """Nothing is written below a mount that the kernel's table does not call cgroup2, or that has another device."""
    device = tree.root.stat().st_dev
    number = f"{posix.major(device)}:{posix.minor(device)}"
    tree.write("/proc/self/mountinfo", line.format(MOUNT, d=number))
    with pytest.raises(ShimError) as refused:
        _bridge(tree, may_move=True)
    assert refused.value.evidence == (f"/proc/self/mountinfo: {MOUNT} is not a mount of cgroup2",)
    assert kernel.written == []


def test_no_cgroup_of_our_own_can_be_made(tree: Tree, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory and the errno, behind what kept the limits from the container's own cgroup."""
    tree.write(f"{MOUNT}/pod/cgroup.procs", "99\n")

    def make(path: str, device: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(module, "make", make)
    with pytest.raises(ShimError) as refused:
        _bridge(tree, may_move=True)
    assert refused.value.evidence[1] == f"{tree.root}{MOUNT}/cgshim: ENOSPC"
    assert tree.read(f"{MOUNT}/pod/c/cgroup.procs") == f"{INIT}\n"
