"""What would go wrong without a message is found before the start, with few reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shim.diagnose.preflight import diagnosed
from shim.host.facts import HYBRID, LEGACY, UNIFIED, Fact, Placement
from shim.host.view import View
from shim.planning.preflight import Start, hazards, memory_limit, mounts_on_host
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from pathlib import Path

    from shim.host.facts import Host
    from shim.rules.base import Driver
    from shim.rules.runtimes import Family

MIB = 1 << 20
NO_SWAP = Fact(value=False, evidence="made for a test: no swap")


class CountingView(View):
    """A view that lists the files that were read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.seen: list[str] = []

    def text(self, path: str) -> str | None:
        """As `View.text`."""
        self.seen.append(path)
        return super().text(path)


def _tree(root: Path, files: dict[str, str]) -> CountingView:
    for path, content in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return CountingView(str(root))


def _asked(runtime: Family = "runc", path: str | None = "/a/b", driver: Driver = "cgroupfs", **resources: Any) -> Start:
    return Start(resources=resources, cgroups_path=path, runtime=runtime, driver=driver)


def _with_freezer(layout: str) -> Host:
    host = make_host(layout)
    freezer = Placement(controller="freezer", version=1, mount="/sys/fs/cgroup/freezer")
    return host.changed(placements={**host.placements, "freezer": freezer})


def _codes(asked: Start, view: View, host: Host) -> list[tuple[str, bool]]:
    return [(found.code, found.certain) for found in hazards(asked, view, host)]


@pytest.mark.parametrize(
    ("path", "runtime", "driver", "found"),
    [
        ("", "crun", "cgroupfs", True),
        ("/", "crun", "cgroupfs", True),
        ("//", "crun", "cgroupfs", True),
        ("/.", "crun", "cgroupfs", True),
        (None, "crun", "cgroupfs", False),
        ("/a", "crun", "cgroupfs", False),
        ("", "runc", "cgroupfs", False),
        ("", "crun", "systemd", False),
        ("", "crun", "disabled", False),
    ],
)
def test_the_root_as_the_containers_cgroup(
    tmp_path: Path, path: str | None, runtime: Family, driver: Driver, found: bool
) -> None:
    """crun's cgroupfs driver would kill everything in the root cgroup at the container's end."""
    codes = _codes(_asked(runtime, path, driver), _tree(tmp_path, {}), make_host(UNIFIED))
    assert codes == ([("cgroups-path-is-root", True)] if found else [])


@pytest.mark.parametrize("frozen", ["a", "a/b"])
def test_a_frozen_ancestor_on_cgroup2(tmp_path: Path, frozen: str) -> None:
    """Any level counts, whichever is frozen; the evidence names it and the remedy thaws it."""
    files = {f"/sys/fs/cgroup/{level}/cgroup.freeze": "1\n" if level == frozen else "0\n" for level in ("a", "a/b")}
    (found,) = hazards(_asked(path="/a/b/c"), _tree(tmp_path, files), make_host(UNIFIED))
    assert (found.code, found.certain) == ("frozen-ancestor", True)
    assert found.evidence == (f"/sys/fs/cgroup/{frozen}/cgroup.freeze: 1",)
    (told,) = diagnosed((found,))
    assert told.verdict == (
        f"an ancestor of the container's cgroup is frozen: /sys/fs/cgroup/{frozen}; "
        "the start would hang without a message"
    )
    assert told.remedy == (f"echo 0 > /sys/fs/cgroup/{frozen}/cgroup.freeze",)


@pytest.mark.parametrize("name", ["a;id", "$(id)", "`id`", "a b", "a'b"])
def test_a_frozen_cgroup_with_a_name_for_the_shell(tmp_path: Path, name: str) -> None:
    """cgroupsPath is data: the remedy is a command, and no part of the path may become one."""
    view = _tree(tmp_path, {f"/sys/fs/cgroup/{name}/cgroup.freeze": "1\n"})
    (told,) = diagnosed(hazards(_asked(path=f"/{name}/c"), view, make_host(UNIFIED)))
    assert told.evidence == (f"/sys/fs/cgroup/{name}/cgroup.freeze: 1",)
    assert told.remedy == ()


@pytest.mark.parametrize("layout", [LEGACY, HYBRID])
@pytest.mark.parametrize(("state", "found"), [("FROZEN", True), ("FREEZING", True), ("THAWED", False)])
def test_a_frozen_ancestor_on_v1(tmp_path: Path, layout: str, state: str, found: bool) -> None:
    """freezer.state of the nearest ancestor includes those above it, so one read is enough."""
    files = {"/sys/fs/cgroup/freezer/a/freezer.state": f"{state}\n", "/sys/fs/cgroup/freezer/a/b/x": ""}
    files["/sys/fs/cgroup/freezer/a/b/freezer.state"] = f"{state}\n"
    view = _tree(tmp_path, files)
    codes = _codes(_asked(path="/a/b/c"), view, _with_freezer(layout))
    assert codes == ([("frozen-ancestor", True)] if found else [])
    seen = [path for path in view.seen if path.endswith("freezer.state")]
    assert seen == ["/sys/fs/cgroup/freezer/a/b/freezer.state"]


@pytest.mark.parametrize(("itself", "named"), [(("a",), "a"), (("a/b",), "a/b"), (("a", "a/b/c"), "a"), ((), "a/b/c")])
def test_what_is_frozen_itself_is_named(tmp_path: Path, itself: tuple[str, ...], named: str) -> None:
    """All below a frozen v1 cgroup show FROZEN, but only where freezer.self_freezing is 1 THAWED helps
    (Linux Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
    """
    root = "/sys/fs/cgroup/freezer"
    files = {f"{root}/{level}/freezer.state": "FROZEN\n" for level in ("a", "a/b", "a/b/c")}
    if itself:
        files.update(
            {f"{root}/{level}/freezer.self_freezing": f"{level in itself:d}\n" for level in ("a", "a/b", "a/b/c")}
        )
    (found,) = hazards(_asked(path="/a/b/c"), _tree(tmp_path, files), _with_freezer(LEGACY))
    assert found.evidence == (f"{root}/{named}/freezer.state: FROZEN",)
    (told,) = diagnosed((found,))
    assert told.remedy == (f"echo THAWED > {root}/{named}/freezer.state",)


@pytest.mark.parametrize("layout", [UNIFIED, LEGACY])
@pytest.mark.parametrize(
    ("runtime", "path", "expected"),
    [
        ("runc", "/a/b", []),
        ("crun", "/a/b", [("container-cgroup-frozen", True)]),
        ("crun", "//a/./b/", [("container-cgroup-frozen", True)]),
        ("runc", "/a/b/c", [("frozen-ancestor", True)]),
    ],
)
def test_the_own_cgroup_is_no_ancestor(
    tmp_path: Path, layout: str, runtime: Family, path: str, expected: list[tuple[str, bool]]
) -> None:
    """runc looks at the container's own cgroup and says that it is frozen; crun hangs in it."""
    root, file, state = ("/sys/fs/cgroup", "cgroup.freeze", "1")
    if layout == LEGACY:
        root, file, state = ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN")
    files = {f"{root}/a/b/{file}": f"{state}\n", f"{root}/a/b/freezer.self_freezing": "1\n"}
    host = _with_freezer(LEGACY) if layout == LEGACY else make_host(UNIFIED)
    assert _codes(_asked(runtime, path), _tree(tmp_path, files), host) == expected


def test_a_relative_path_starts_at_this_process(tmp_path: Path) -> None:
    """The ancestors of a relative cgroupsPath, or of none, are this process's own cgroups."""
    files = {"/sys/fs/cgroup/own/cgroup.freeze": "1\n"}
    host = make_host(UNIFIED, own={"": "/own/x"})
    for path in (None, "rel"):
        assert _codes(_asked(path=path), _tree(tmp_path, files), host) == [("frozen-ancestor", True)]


@pytest.mark.parametrize(
    ("runtime", "limit", "swap", "found"),
    [
        ("runc", MIB, False, True),
        ("runc", MIB + 1, False, False),
        ("runc", MIB, True, False),
        ("runc", 4096, True, True),
        ("crun", MIB, False, False),
        ("crun", 65536, False, True),
        ("crun", 65537, False, False),
        ("other", 4096, False, False),
        ("runc", -1, False, False),
        ("runc", 0, False, False),
    ],
)
def test_a_limit_below_what_the_runtime_needs(
    tmp_path: Path, runtime: Family, limit: int, swap: bool, found: bool
) -> None:
    """Only limits at which no start was ever seen to succeed count as certain."""
    host = make_host(UNIFIED) if swap else make_host(UNIFIED, swap_present=NO_SWAP)
    codes = _codes(_asked(runtime, memory={"limit": limit}), _tree(tmp_path, {}), host)
    assert codes == ([("oom-certain-at-start", True)] if found else [])


@pytest.mark.parametrize("wanted", ["512K", "0", "524288"])
def test_a_start_that_fails_however_the_limit_is_written(tmp_path: Path, wanted: str) -> None:
    """runc is killed at 1 MiB on cgroup2 (measured), also where the limit has a suffix or is 0."""
    asked = _asked("runc", unified={"memory.max": wanted})
    assert _codes(asked, _tree(tmp_path, {}), make_host(UNIFIED, swap_present=NO_SWAP)) == [
        ("oom-certain-at-start", True)
    ]


@pytest.mark.parametrize(
    ("resources", "limit"),
    [
        ({"memory": {"limit": 7}}, 7),
        ({"memory": {"limit": 7}, "unified": {"memory.max": "9"}}, 9),
        ({"unified": {"memory.max": "max"}, "memory": {"limit": 7}}, None),
        ({"unified": {"memory.max": "512K"}}, 524288),
        ({"unified": {"memory.max": " 1m\n"}}, 1048576),
        ({"unified": {"memory.max": "0"}}, 0),
        ({"unified": {"memory.max": " "}}, 0),
        ({"unified": {"memory.max": ""}, "memory": {"limit": 7}}, 7),
        ({"unified": {"memory.max": "1.5G"}}, None),
        ({"memory": {"limit": 0}}, None),
        ({"memory": {"limit": True}}, None),
        ({"memory": "x", "unified": []}, None),
        ({}, None),
    ],
)
def test_the_limit_that_counts(resources: dict[str, Any], limit: int | None) -> None:
    """`unified` wins; anything that is not a number is no limit."""
    assert memory_limit(resources) == limit


@pytest.mark.parametrize(
    ("runtime", "version", "exists", "found"),
    [
        ("crun", 0, True, True),
        ("crun", 2, True, True),
        ("crun", 1, True, False),
        ("crun", 0, False, False),
        ("runc", 0, True, False),
    ],
)
def test_a_controller_directory_without_a_controller(
    tmp_path: Path, runtime: Family, version: int, exists: bool, found: bool
) -> None:
    """crun writes limits into ordinary files there and reports success."""
    view = _tree(tmp_path, {"/sys/fs/cgroup/pids/tasks": ""} if exists else {})
    host = make_host(HYBRID, versions={"pids": version})
    codes = _codes(_asked(runtime, pids={"limit": 5}), view, host)
    assert codes == ([("limits-written-to-tmpfs", True)] if found else [])


def test_oddities_that_do_not_stop_the_start(tmp_path: Path) -> None:
    """They are told, not refused: the container works, but not as it looks."""
    view = _tree(tmp_path, {})
    assert _codes(_asked(pids={"limit": 0}), view, make_host(UNIFIED)) == [("pids-limit-zero", False)]
    slice_path = _asked(path="system.slice:p:n")
    assert _codes(slice_path, view, make_host(UNIFIED)) == [("slice-path-with-cgroupfs", False)]
    assert _codes(_asked(path="system.slice:p:n", driver="systemd"), view, make_host(UNIFIED)) == []


MOUNTS = [{"destination": "/proc"}, {"destination": "/dev"}]


@pytest.mark.parametrize(
    ("namespaces", "mounts", "found"),
    [
        ([{"type": "pid"}], MOUNTS, ("/proc", "/dev")),
        (None, MOUNTS, ("/proc", "/dev")),
        ([{"type": "mount"}], MOUNTS, ()),
        ([{"type": "mount", "path": "/proc/1/ns/mnt"}], MOUNTS, ()),
        ([{"type": "pid"}], [], ()),
        ("odd", None, ()),
    ],
)
def test_mounts_without_a_namespace_of_their_own(namespaces: Any, mounts: Any, found: tuple[str, ...]) -> None:
    """They are the host's, unless there are none."""
    assert mounts_on_host({"linux": {"namespaces": namespaces}, "mounts": mounts}) == found


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd", "disabled"])
def test_mounts_that_stay_on_the_host_are_a_warning(tmp_path: Path, driver: Driver) -> None:
    """The container starts as with the bare runtime; the system's log has it, too, for only warnings go there."""
    asked = _asked(path="/a" if driver != "systemd" else "s.slice:p:n", driver=driver).changed(mounts=("/proc", "/dev"))
    (hazard,) = hazards(asked, _tree(tmp_path, {}), make_host(UNIFIED))
    assert (hazard.code, hazard.certain, hazard.level) == ("mounts-left-on-host", False, "warning")
    (told,) = diagnosed((hazard,))
    assert told.verdict.startswith("the container has no mount namespace: its 2 mount(s) are made on the host")
    assert told.remedy[0] == 'Add {"type": "mount"} to linux.namespaces of config.json.'


def test_an_ordinary_start_reads_one_file_for_each_level(tmp_path: Path) -> None:
    """The cost on the way to every container: the levels of the path that exist."""
    levels = ("a", "a/b")
    view = _tree(tmp_path, {f"/sys/fs/cgroup/{level}/cgroup.freeze": "0\n" for level in levels})
    resources: dict[str, Any] = {"memory": {"limit": 512 * MIB}, "pids": {"limit": 100}, "cpu": {"shares": 512}}
    assert hazards(_asked("crun", "/a/b/c", **resources), view, make_host(UNIFIED)) == ()
    absolute = ["/sys/fs/cgroup/a/b/cgroup.freeze", "/sys/fs/cgroup/a/cgroup.freeze"]
    assert view.seen == absolute
    view.seen.clear()
    assert hazards(_asked("crun", "c", **resources), view, make_host(UNIFIED)) == ()
    assert view.seen == []


def test_every_hazard_has_its_texts(tmp_path: Path) -> None:
    """All values that the catalogue's templates want are given: no <name> is left."""
    view = _tree(tmp_path, {"/sys/fs/cgroup/pids/tasks": "", "/sys/fs/cgroup/freezer/a/freezer.state": "FROZEN\n"})
    host = _with_freezer(HYBRID)
    host = host.changed(placements={**host.placements, "pids": Placement(controller="pids", version=0)})
    found = (
        *hazards(_asked("crun", "/a/c", memory={"limit": 4096}, pids={"limit": 3}), view, host),
        *hazards(_asked("crun", "", pids={"limit": 0}), view, make_host(UNIFIED)),
        *hazards(_asked("runc", "s.slice:p:n"), view, make_host(UNIFIED)),
    )
    told = diagnosed(found)
    assert [one.code for one in told] == [
        "frozen-ancestor",
        "oom-certain-at-start",
        "limits-written-to-tmpfs",
        "cgroups-path-is-root",
        "pids-limit-zero",
        "slice-path-with-cgroupfs",
    ]
    assert [text for one in told for text in (one.verdict, one.cause, *one.remedy) if "<" in text] == []
