"""Detection on this host against the host's own word: the mount table, and cgroups made and written to."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from integration.kernel import cgroup_mounts
from shim.host.capture import Capture
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.inspection import inspect
from shim.host.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A file of each controller that any cgroup below the root has, and what can be written there without an effect.
WRITABLE = {
    1: {"memory": ("memory.limit_in_bytes", "-1"), "cpu": ("cpu.shares", "1024"), "pids": ("pids.max", "max")},
    2: {"memory": ("memory.max", "max"), "cpu": ("cpu.weight", "100"), "pids": ("pids.max", "max")},
}
WANTED = (
    *("memory.memsw.limit_in_bytes", "memory.swap.max", "pids.max", "cpu.cfs_burst_us", "cpu.max.burst", "cpu.idle"),
    *("blkio.bfq.weight", "io.weight", "cpu.rt_runtime_us"),
)


@pytest.fixture
def cgroup() -> Iterator[Callable[[str], Path]]:
    """Makes a cgroup of its own below a mount point; each is removed afterwards."""
    made: list[Path] = []

    def make(mount: str) -> Path:
        path = Path(mount) / f"cgshim-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        path.mkdir()
        made.append(path)
        return path

    yield make
    for path in made:
        path.rmdir()


def probes_left() -> list[str]:
    """Trial cgroups of this process that still exist anywhere."""
    return [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/cgshim-probe-{os.getpid()}")]


def test_layout_is_what_stat_says() -> None:
    """stat -f, as the runtimes' own statfs, names the file systems at the two places that decide."""

    def kind(path: str) -> str:
        done = subprocess.run(["stat", "-f", "-c", "%T", path], check=False, capture_output=True, text=True)
        return done.stdout.strip()

    v1 = [mount for mount in cgroup_mounts(Path("/proc/self/mountinfo").read_text()) if mount.version == 1]
    if kind("/sys/fs/cgroup") == "cgroup2fs":
        expected = "unified"
    elif kind("/sys/fs/cgroup/unified") == "cgroup2fs":
        expected = "hybrid"
    else:
        expected = "legacy" if v1 else "none"
    assert detect(View(), writable=False).layout == expected


def test_v1_placements_are_the_mounts_of_v1() -> None:
    """Each v1 controller of the mount table, and no other, is placed at its mount point."""
    mounted = {}
    for mount in cgroup_mounts(Path("/proc/self/mountinfo").read_text()):
        for option in mount.options if mount.version == 1 else ():
            mounted["io" if option == "blkio" else option] = mount.point
    places = detect(View(), writable=False).placements.values()
    found = {place.controller: Path(place.mount) for place in places if place.version == 1}
    known = {place.controller for place in places}
    assert {name: path.resolve() for name, path in found.items()} == {
        name: path.resolve() for name, path in mounted.items() if name in known
    }


def test_v2_placements_are_the_controllers_of_cgroup2() -> None:
    """Each controller that the cgroup2 root lists is placed there."""
    host = detect(View(), writable=False)
    require("cgroup2", "" if host.cgroup2_mount else "it is not mounted on this host")
    listed = Path(host.cgroup2_mount, "cgroup.controllers").read_text().split()
    known = set(host.placements)
    assert {name for name, place in host.placements.items() if place.version == 2} == set(listed) & known


@pytest.mark.parametrize("controller", ["memory", "cpu", "pids"])
def test_placement_can_be_used(controller: str, cgroup: Callable[[str], Path]) -> None:
    """A cgroup made where detection says takes a limit of that controller."""
    require("root", root_problem())
    # On a cgroup2 host without any cgroup the question for the file enables the controller, as a runtime would.
    place = detect(View(), wanted=(WRITABLE[2][controller][0],), controllers=(controller,)).place(controller)
    require(f"a {controller} controller", "" if place.version else place.evidence)
    name, value = WRITABLE[place.version][controller]
    directory = cgroup(place.mount)
    (directory / name).write_text(value)
    assert (directory / name).read_text().strip() != ""


def test_interface_files_are_those_of_a_new_cgroup(cgroup: Callable[[str], Path]) -> None:
    """What detection says of each file is what a cgroup made by this test shows; nothing is left behind."""
    require("root", root_problem())
    host = detect(View(), wanted=WANTED, target="/")
    seen = {}
    for name in WANTED:
        prefix = name.split(".")[0]
        place = host.place("io" if prefix == "blkio" else prefix)
        if place.version == 2:
            enabled = Path(place.mount, "cgroup.subtree_control").read_text().split()
            assert place.controller in enabled
        seen[name] = place.version != 0 and (cgroup(place.mount) / name).exists()
    assert host.interface == seen
    assert probes_left() == []


def test_without_leave_to_write_nothing_is_made() -> None:
    """`writable=False` makes no cgroup, even for a question that stays open."""
    before = sorted(path for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir())
    detect(View(), wanted=WANTED, writable=False)
    assert [p for p in Path("/sys/fs/cgroup").glob("*/cgshim-probe-*") if p not in before] == []


def test_a_capture_of_this_host_reads_like_this_host(tmp_path: Path) -> None:
    """Captured and read back, every fact and its evidence is the same."""
    capture = Capture(View(), "here", ())
    capture.collect()
    capture.written(tmp_path)
    here = detect(View(), wanted=WANTED, writable=False)
    assert detect(CapturedView(str(tmp_path)), wanted=WANTED, writable=False) == here


def test_inspection_sees_every_mount() -> None:
    """As many sights as the mount table has cgroup mounts, each with a verdict."""
    mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    sights = inspect(View()).sights
    assert [Path(sight.mount.point) for sight in sights] == [mount.point for mount in mounts]
    assert {sight.shows for sight in sights} <= {"host", "namespace", "subtree", "hidden", "unreachable"}


def test_a_bind_in_a_private_mount_namespace_is_a_subtree(cgroup: Callable[[str], Path]) -> None:
    """A cgroup bound over its own hierarchy is seen as a part of the tree, in a mount namespace of its own."""
    require("root", root_problem())
    host = detect(View(), writable=False)
    place = next((p for p in host.placements.values() if p.version), None)
    require("a cgroup hierarchy", "" if place else "this host has none")
    assert place is not None
    directory = cgroup(place.mount)
    program = (
        "from shim.host.inspection import inspect; from shim.host.view import View; "
        f"print([s.shows for s in inspect(View()).sights if s.mount.point == {place.mount!r}])"
    )
    script = f'mount --bind {directory} {place.mount} && exec python3 -c "{program}"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    require("a mount namespace", done.stderr if "Operation not permitted" in done.stderr else "")
    assert done.stdout.strip() == "['hidden', 'subtree']", done.stderr
