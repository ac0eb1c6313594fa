"""Writing to a cgroup: only files on its file system, by a name of the kernel's, through no link."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from shim.enforce.verify import verify
from shim.host import cgroup_files
from shim.host.facts import UNIFIED
from shim.host.view import View
from shim.rules.base import GUARD, Expectation
from tests.cgroup_tree import INIT, Tree
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOUNT = "/sys/fs/cgroup"


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    """A directory with one interface file."""
    place = tmp_path / "cgroup" / "c"
    place.mkdir(parents=True)
    (place / "memory.max").write_text("9223372036854771712\n")
    return place


def _device(place: Path) -> int:
    return place.stat().st_dev


def test_written_at_once_and_not_cut(cgroup: Path) -> None:
    """One write(2) over what is there, as the kernel wants it: no O_TRUNC, and a file that is missing is not made."""
    cgroup_files.put(str(cgroup / "memory.max"), "max", _device(cgroup))
    assert (cgroup / "memory.max").read_text() == "max3372036854771712\n"
    assert cgroup_files.get(str(cgroup / "memory.max"), _device(cgroup)) == "max3372036854771712\n"
    with pytest.raises(FileNotFoundError):
        cgroup_files.put(str(cgroup / "memory.high"), "max", _device(cgroup))
    assert os.listdir(cgroup) == ["memory.max"]


@pytest.mark.parametrize("name", ["hugetlb.x/../../../victim", "../victim.max", "victim", "..", "memory.max\n"])
def test_names_that_lead_elsewhere(cgroup: Path, tmp_path: Path, name: str) -> None:
    """What is not an interface file's name is not opened, wherever it leads."""
    for victim in (tmp_path / "victim", tmp_path / "victim.max", tmp_path / "cgroup" / "victim.max", cgroup / "victim"):
        victim.write_text("precious")
    (cgroup / "hugetlb.x").mkdir()
    with pytest.raises(OSError, match=r"not the (name of an interface file|path of a cgroup)"):
        cgroup_files.put(f"{cgroup}/{name}", "0", _device(cgroup))
    texts = {path.read_text() for path in tmp_path.rglob("victim*")}
    assert texts == {"precious"}


def test_links_are_not_followed(cgroup: Path, tmp_path: Path) -> None:
    """Neither a file nor a directory that is one, also on the same device."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (cgroup / "pids.max").symlink_to(victim)
    (tmp_path / "link").symlink_to(cgroup)
    for path in (cgroup / "pids.max", tmp_path / "link" / "memory.max"):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory") as caught:
            cgroup_files.put(str(path), "0", _device(cgroup))
        assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert victim.read_text() == "precious"


def test_another_device_is_not_the_cgroup_file_system(cgroup: Path) -> None:
    """Whatever the path says: st_dev decides."""
    other = _device(cgroup) + 1
    for step in (
        lambda: cgroup_files.put(str(cgroup / "memory.max"), "0", other),
        lambda: cgroup_files.get(str(cgroup / "memory.max"), other),
        lambda: cgroup_files.make(str(cgroup / "x"), other),
        lambda: cgroup_files.remove(str(cgroup), other),
    ):
        with pytest.raises(OSError, match="not on the cgroup file system") as caught:
            step()
        assert caught.value.errno == errno.EXDEV
    assert (cgroup / "memory.max").read_text() == "9223372036854771712\n"


@pytest.mark.parametrize("name", ["..", ".", "a\n"])
def test_cgroups_with_impossible_names(cgroup: Path, name: str) -> None:
    """A container's id that is none makes and removes nothing."""
    for step in (cgroup_files.make, cgroup_files.remove):
        with pytest.raises(OSError, match="not the name of a cgroup"):
            step(f"{cgroup}/{name}", _device(cgroup))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """The host's own cgroup2 or pids hierarchy, with a cgroup made for this test."""
    require("root", root_problem())
    found = [place for place in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.isfile(f"{place}/cgroup.procs")]
    require("cgroups", "" if found else "no hierarchy with pids is mounted")
    place = os.path.join(found[0], f"cgshim-test-{os.getpid()}")
    os.mkdir(place)
    yield tmp_path.__class__(place)
    os.rmdir(place)


def test_a_mount_over_a_cgroup_is_not_it(mounted: Path) -> None:
    """A real cgroup: its files can be written; a tmpfs over it has the same names, and nothing is written there."""
    device = mounted.parent.stat().st_dev
    name = "pids.max" if (mounted / "pids.max").exists() else "cgroup.max.depth"
    cgroup_files.put(str(mounted / name), "77", device)
    assert cgroup_files.get(str(mounted / name), device) == "77\n"
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=True)
    try:
        (mounted / name).write_text("1\n")
        with pytest.raises(OSError, match="not on the cgroup file system"):
            cgroup_files.put(str(mounted / name), "88", device)
        assert (mounted / name).read_text() == "1\n"
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
    assert cgroup_files.get(str(mounted / name), device) == "77\n"


def _expect(file: str, value: str) -> Expectation:
    return Expectation(field=file, kind=GUARD, controller="memory", version=2, file=file, value=value)


def test_reading_back_does_not_leave_the_cgroup(tmp_path: Path) -> None:
    """A value that stands elsewhere is not the container's limit."""
    tree = Tree(tmp_path)
    tree.process("0::/c\n")
    tree.write(f"{MOUNT}/c/memory.max", "max\n")
    tree.write("/victim", "64\n")
    host = make_host(UNIFIED)
    (found,) = verify(tree.view, INIT, (_expect("memory.x/../../../../../victim", "64"),), host)
    assert (found.found, found.why) == ("", "not the name of an interface file")
    os.symlink("/proc/self/loginuid", tree.root / "sys/fs/cgroup/c/memory.high")
    text = View().text("/proc/self/loginuid") or ""
    (found,) = verify(tree.view, INIT, (_expect("memory.high", text.strip()),), host)
    assert found.why == "not on the cgroup file system"
