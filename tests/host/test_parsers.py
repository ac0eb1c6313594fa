"""The pure parsers: /proc/PID/cgroup, mountinfo, cgroupsPath; well-formed, malformed and hostile text."""

from __future__ import annotations

import pytest

from shim.host import controllers, inspection, membership, mountinfo, parents
from shim.host.mountinfo import Mount


def test_membership_of_every_kind_of_hierarchy() -> None:
    """Co-mounted, named and cgroup2 lines; the path may contain colons."""
    text = "4:cpu,cpuacct:/a:b\n1:name=systemd:/init.scope\n0::/user.slice\n"
    assert membership.paths(text) == {
        "cpu": "/a:b",
        "cpuacct": "/a:b",
        "name=systemd": "/init.scope",
        "": "/user.slice",
    }
    assert membership.hierarchies(text) == (("cpu", "cpuacct"), ("name=systemd",))


@pytest.mark.parametrize("text", ["", "\n", "memory", "x:memory:/", ":", "\0\n", "::"])
def test_membership_leaves_out_what_is_malformed(text: str) -> None:
    """No exception and no invented hierarchy."""
    assert membership.paths(text) == {}


def test_mountinfo_finds_the_type_behind_the_dash() -> None:
    """Optional fields vary in number: none, one and two of them."""
    text = (
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 /kp/pod /sys/fs/cgroup/memory rw shared:9 master:1 - cgroup cgroup rw,xattr,memory\n"
        "34 31 0:31 /../.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    cpu, memory, unified = mountinfo.parse(text)
    assert cpu == Mount(
        point="/sys/fs/cgroup/cpu,cpuacct",
        root="/",
        type="cgroup",
        device="0:29",
        controllers=("cpu", "cpuacct"),
        options=("rw", "cpu", "cpuacct"),
    )
    assert (memory.root, memory.controllers) == ("/kp/pod", ("memory",))
    assert (unified.type, unified.root, unified.controllers) == ("cgroup2", "/../..", ())


def test_mountinfo_ignores_flags_of_v1() -> None:
    """`noprefix`, `release_agent=` and the like are no controllers."""
    line = "1 2 0:5 / /c rw - cgroup none rw,cpuset,noprefix,clone_children,release_agent=/sbin/x\n"
    assert mountinfo.parse(line)[0].controllers == ("cpuset",)


@pytest.mark.parametrize(
    "line",
    ["", "garbage", "1 2 0:5 / /c rw cgroup cgroup rw,cpu", "1 2 - cgroup cgroup rw,cpu", "1 2 0:5 / /c rw - cgroup"],
)
def test_mountinfo_leaves_out_what_is_malformed(line: str) -> None:
    """A line without a dash or with too few fields is no mount."""
    assert mountinfo.parse(line) == ()


@pytest.mark.parametrize(
    ("field", "path"),
    [
        (r"/plain", "/plain"),
        (r"/a\040b", "/a b"),
        (r"/tab\011line\012", "/tab\tline\n"),
        (r"/back\134040", "/back\\040"),
        (r"/odd\9", r"/odd\9"),
        ("/end\\", "/end\\"),
    ],
)
def test_octal_escapes(field: str, path: str) -> None:
    """Decoded once, not twice; what is no escape stays."""
    assert mountinfo.unescape(field) == path


@pytest.mark.parametrize(
    ("target", "own", "path"),
    [
        ("/a/b", "", "/a/b"),
        ("//a/./b/", "", "/a/b"),
        ("/a/../../etc", "", ""),
        ("relative/path", "", ""),
        ("", "", ""),
        ("machine.slice:libpod:1", "/", "/machine.slice"),
        ("a-b-c.slice:x:1", "/", "/a.slice/a-b.slice/a-b-c.slice"),
        (":docker:1", "/", "/system.slice"),
        ("-.slice:x:1", "/", ""),
        (
            ":libpod:1",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
            "/user.slice/user-1000.slice/user@1000.service/user.slice",
        ),
    ],
)
def test_cgroups_path(target: str, own: str, path: str) -> None:
    """cgroupfs paths, systemd's triple (systemd.slice(5) for the nesting), and what does not say where."""
    assert parents.expand(target, own) == path


@pytest.mark.parametrize(
    ("file", "controller"),
    [
        ("memory.max", "memory"),
        ("blkio.bfq.weight", "io"),
        ("io.weight", "io"),
        ("hugetlb.2MB.max", "hugetlb"),
        ("cgroup.kill", ""),
    ],
)
def test_controller_of_a_file(file: str, controller: str) -> None:
    """The prefix names the controller; v1 called `io` `blkio`."""
    assert controllers.of_file(file) == controller


def test_proc_cgroups_rows() -> None:
    """Hierarchy and enabled; the comment and a broken row are left out."""
    text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t1\nfreezer\t5\t1\t0\nbroken\tx\n"
    assert inspection.proc_cgroups(text) == {"memory": (0, True), "freezer": (5, False)}
