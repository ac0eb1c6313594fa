"""Facts after a failure: which mount, which cgroup, who may what; and what is foreseen without a failure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from shim.diagnose.checks.cpu import numbers
from shim.diagnose.checks.memory import killed
from shim.diagnose.checks.mounts import searchable, too_long
from shim.diagnose.diagnosis import Context
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import Words
from shim.diagnose.facts import Facts, expand_slice
from shim.diagnose.host_checks import foreseen
from shim.diagnose.mount_table import covering, parse_all
from shim.host.view import View
from shim.observe.kernel_log import read_kernel_log
from tests.replayed import ReplayedView

if TYPE_CHECKING:
    from pathlib import Path

SC_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
ROOT = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
TMPFS = "30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
MEMORY = "31 30 0:40 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
STRAGGLER = "40 30 0:50 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
UNIFIED = "30 21 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def _facts(mountinfo: str, text: dict[str, str] | None = None, **fields: Any) -> Facts:
    view = ReplayedView({"text": {"/proc/self/mountinfo": mountinfo, **(text or {})}})
    return Facts(Context(view=view, **{"kernel_log": "", **fields}))


class LargePages(ReplayedView):
    """A kernel for arm64 with CONFIG_ARM64_64K_PAGES."""

    page_size = 65536


def _long(length: int) -> dict[str, Any]:
    return {"mounts": [{"destination": "/data", "type": "overlay", "options": ["x" * length]}]}


@pytest.mark.parametrize(
    ("view", "length", "evidence"),
    [
        (ReplayedView({}), 4095, ()),
        (ReplayedView({}), 4096, ("config.json mounts /data: options of 4096 bytes, a page is 4096",)),
        (LargePages({}), 65535, ()),
        (LargePages({}), 65536, ("config.json mounts /data: options of 65536 bytes, a page is 65536",)),
        (Elsewhere(), 4096, ()),
        (Elsewhere(), 65536, ("config.json mounts /data: options of 65536 bytes, a page is 65536",)),
        (View(), SC_PAGE_SIZE - 1, ()),
        (
            View(),
            SC_PAGE_SIZE,
            (f"config.json mounts /data: options of {SC_PAGE_SIZE} bytes, a page is {SC_PAGE_SIZE}",),
        ),
    ],
    ids=[
        "4 KiB, one less",
        "4 KiB",
        "64 KiB, one less",
        "64 KiB",
        "another host, 4 KiB",
        "another host, 64 KiB",
        "this host, one less",
        "this host",
    ],
)
def test_mount_options_are_too_long_by_the_pages_of_the_host(view: Any, length: int, evidence: tuple[str, ...]) -> None:
    """mount(2) copies a page, whose last byte is NUL; with larger pages the same options fit."""
    facts = Facts(Context(view=view, config=_long(length), kernel_log=""))
    assert too_long(facts, Words(text="", groups={"destination": "data", "source": ""})) == evidence


@pytest.mark.parametrize(
    ("mountinfo", "layout"),
    [
        (UNIFIED, "unified"),
        (TMPFS + MEMORY, "legacy"),
        (TMPFS + MEMORY + STRAGGLER, "hybrid"),
        (TMPFS, "none"),
        ("", "none"),
        (UNIFIED + TMPFS + MEMORY, "legacy"),  # mounted on top of the other
    ],
)
def test_the_layout_is_what_is_mounted(mountinfo: str, layout: str) -> None:
    """As runtimes decide it, by the mount that is on top at /sys/fs/cgroup."""
    assert _facts(mountinfo).layout() == layout


def test_mountinfo_with_optional_fields_and_escapes() -> None:
    """Optional fields vary in number, blanks in paths are octal; malformed lines are left out."""
    text = MEMORY + "50 1 8:1 /a\\040b /mnt/c\\040d rw shared:1 master:2 - ext4 /dev/sda1 rw\nrubbish\n"
    first, second = parse_all(text)
    assert (first.point, first.fstype, first.options, first.peers) == (
        "/sys/fs/cgroup/memory",
        "cgroup",
        ("rw", "nosuid"),
        ("shared:9",),
    )
    assert (second.root, second.point, second.peers) == ("/a b", "/mnt/c d", ("shared:1", "master:2"))
    assert second.line() == "mountinfo: /mnt/c d (/a b) ext4 rw - rw"


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"),
        ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory"),
        ("/sys/fs/cgroup/memory2", "/sys/fs/cgroup"),
        ("/etc", None),
    ],
)
def test_the_covering_mount_is_the_longest(path: str, point: str | None) -> None:
    """A mount covers whole components only."""
    found = covering(parse_all(TMPFS + MEMORY), path)
    assert (found.point if found else None) == point


@pytest.mark.parametrize(
    ("path", "own", "expanded"),
    [
        ("/a/b", "/", "/a/b"),
        ("a", "/", "a"),
        (None, "/", ""),
        ("system.slice:docker:x", "/", "/system.slice/docker-x.scope"),
        ("a-b.slice:p:x", "/", "/a.slice/a-b.slice/p-x.scope"),
        (
            ":p:x",
            "/user.slice/user-7.slice/user@7.service/y",
            "/user.slice/user-7.slice/user@7.service/user.slice/p-x.scope",
        ),
        ("system.slice::x.slice", "/", "/system.slice/x.slice"),
    ],
)
def test_a_slice_path_becomes_directories(path: str | None, own: str, expanded: str) -> None:
    """As systemd.slice(5) nests slices and runtimes name scopes."""
    assert expand_slice(path, own) == expanded


@pytest.mark.parametrize(
    ("own", "path", "directory"),
    [
        ("0::/a/b\n", "/x/y", "/sys/fs/cgroup/x/y"),
        ("0::/a/b\n", "rel", "/sys/fs/cgroup/a/b/rel"),
        ("0::/a/b\n", None, "/sys/fs/cgroup/a/b/c1"),
        ("0::/\n", "s.slice:p:n", "/sys/fs/cgroup/s.slice/p-n.scope"),
    ],
)
def test_where_the_container_will_be(own: str, path: str | None, directory: str) -> None:
    """Absolute below the mount, relative below this process's own cgroup, the id where there is no path."""
    facts = _facts(UNIFIED, {"/proc/self/cgroup": own}, cgroups_path=path, container="c1")
    assert facts.directory() == directory
    assert facts.lineage("/sys/fs/cgroup/x/y") == ("/sys/fs/cgroup", "/sys/fs/cgroup/x", "/sys/fs/cgroup/x/y")


def test_a_bound_subtree_is_not_counted_twice() -> None:
    """The mount's root is part of this process's path already."""
    bound = MEMORY.replace(" / /sys", " /pod /sys")
    facts = _facts(TMPFS + bound, {"/proc/self/cgroup": "4:memory:/pod/x\n"}, cgroups_path="c")
    assert facts.directory("memory") == "/sys/fs/cgroup/memory/x/c"


def test_unreadable_things_are_answers() -> None:
    """Nothing raises where nothing is."""
    facts = _facts("")
    assert (facts.text("/x"), facts.line("/x"), facts.words("/x"), facts.number("/x")) == (None, "", (), None)
    assert (facts.names("/x"), facts.exists("/x"), facts.status("/x"), facts.keyed("/x")) == ((), False, None, {})
    assert (facts.capable(21), facts.in_user_namespace(), facts.memory_limit()) == (None, False, None)
    assert (facts.directory("memory"), facts.parent("memory"), facts.quote("/x")) == (
        "",
        "",
        "/x: absent or unreadable",
    )


def test_capabilities_and_boot_options() -> None:
    """CapEff is a mask of capability numbers; a bare option gives its name."""
    text = {"/proc/self/status": "CapEff:\t0000000001000000\n", "/proc/cmdline": "ro swapaccount=0 quiet\n"}
    facts = _facts("", text)
    assert (facts.capable(24), facts.capable(21)) == (True, False)
    assert [facts.command_line(name) for name in ("swapaccount", "quiet", "rw")] == ["0", "quiet", ""]


@pytest.mark.parametrize(
    ("resources", "limit"),
    [
        ({"memory": {"limit": 5}}, 5),
        ({"memory": {"limit": -1}}, None),
        ({"memory": {"limit": 5}, "unified": {"memory.max": "7"}}, 7),
        ({"unified": {"memory.max": "max"}}, None),
        ({}, None),
    ],
)
def test_the_memory_limit_is_what_the_kernel_will_get(resources: dict[str, Any], limit: int | None) -> None:
    """`unified` wins over the classic field, as in the runtimes."""
    assert _facts("", config={"linux": {"resources": resources}}).memory_limit() == limit


MAPS = ([range(100000, 165536)], [range(100000, 165536)])


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "open_to_them"),
    [
        (0o755, 0, 0, True),
        (0o750, 0, 0, False),
        (0o700, 100000, 100000, True),
        (0o000, 100007, 100007, True),  # both mapped: root of the namespace overrides
        (0o700, 100000, 0, True),
        (0o070, 0, 100000, True),
        (0o701, 0, 0, True),
        (0o770, 0, 5, False),
    ],
)
def test_who_may_search_a_directory(mode: int, uid: int, gid: int, open_to_them: bool) -> None:
    """user_namespaces(7): capabilities hold over inodes whose owner and group are both mapped."""
    assert searchable(mode, uid, gid, MAPS) is open_to_them


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("5", {5}),
        ("", set()),
        ("abc", None),
        ("3-1", None),
        ("1-", None),
        ("0-9999999", None),
    ],
)
def test_lists_of_cpus(text: str, expected: set[int] | None) -> None:
    """Numbers and ranges; anything else is not a list."""
    assert numbers(text) == expected


def test_a_real_file_system_gives_modes(tmp_path: Path) -> None:
    """Without a recording the mode comes from stat(2), below the view's root."""
    (tmp_path / "d").mkdir(mode=0o750)
    (tmp_path / "d").chmod(0o750)
    (tmp_path / "f").write_text("x")
    facts = Facts(Context(view=View(str(tmp_path)), kernel_log=""))
    found, file = facts.status("/d"), facts.status("/f")
    assert found is not None
    assert file is not None
    assert (found.mode, found.uid, found.directory, file.directory) == (0o750, os.geteuid(), True, False)
    assert facts.status("/none") is None


def test_the_kernel_log_is_not_read_for_another_root(tmp_path: Path) -> None:
    """A captured host's log is not this host's."""
    assert Facts(Context(view=View(str(tmp_path)))).kernel_log() == ""
    assert read_kernel_log(str(tmp_path / "absent")) == ""


def test_kernel_log_records_lose_their_prefix(tmp_path: Path) -> None:
    """A record is `priority,sequence,time,flags;text` with continuation lines behind it."""
    log = tmp_path / "kmsg"
    log.write_text("6,1,100,-;cgroup: Unknown subsys name 'memory'\n SUBSYSTEM=x\n")
    assert read_kernel_log(str(log)) == "cgroup: Unknown subsys name 'memory'"


def test_hazards_of_a_host_are_foreseen() -> None:
    """The rows' own looks find what will go wrong before anything has."""
    text = {
        "/proc/self/mountinfo": ROOT + TMPFS + MEMORY + STRAGGLER,
        "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n",
        "/proc/self/status": "CapEff:\t000001fffeffffff\n",
    }
    found = foreseen(Context(view=ReplayedView({"text": text}), runtime="crun", kernel_log=""))
    assert [(one.code, one.evidence) for one in found] == [
        ("crun-refuses-hybrid", ("/sys/fs/cgroup/unified/cgroup.controllers: hugetlb",)),
        ("v1-devices-not-mounted", ("mountinfo: no cgroup mount carries the devices controller",)),
        ("rlimit-needs-sys-resource", ("/proc/self/status CapEff: 000001fffeffffff (no CAP_SYS_RESOURCE)",)),
    ]


def test_a_healthy_host_has_nothing_foreseen() -> None:
    """No finding without a fact."""
    text = {"/proc/self/mountinfo": ROOT + UNIFIED, "/proc/self/status": "CapEff:\t000001ffffffffff\nSeccomp:\t0\n"}
    assert foreseen(Context(view=ReplayedView({"text": text}), kernel_log="")) == ()


KILL = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={0},task_memcg={0},"
    "task=runc:[2:INIT],pid=7,uid=0"
)


@pytest.mark.parametrize(("cgroup", "shown"), [("/docker/c1", 1), ("/docker/7f0c1d", 0), ("/", 0)])
def test_only_a_kill_in_the_containers_cgroup_is_its_kill(cgroup: str, shown: int) -> None:
    """A name that is part of another container's name does not prove what the kernel did to this one."""
    facts = Facts(Context(view=ReplayedView({}), container="c1", kernel_log=KILL.format(cgroup)))
    assert killed(facts) == (KILL.format(cgroup),) * shown
