"""Hosts that are not well: files missing, unreadable or full of nonsense, and users who are not root."""

from __future__ import annotations

from pathlib import Path

import pytest

from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.facts import Host
from shim.host.inspection import inspect
from shim.host.view import Identity

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
NONSENSE = ("", "\n", "\0\udcff", "x" * 5000, ":::\n- - -\n", "1 2 3 4 5 6 - cgroup\n", "\u2028max\n")
WANTED = ("memory.swap.max", "memory.memsw.limit_in_bytes", "pids.max", "io.weight", "cgroup.kill")


class Altered(CapturedView):
    """A captured host with some contents replaced; None makes a file unreadable."""

    def __init__(self, name: str, contents: dict[str, str | None]) -> None:
        super().__init__(str(HOSTS / name))
        self.contents = contents
        for path, content in contents.items():
            if content is None:
                self.manifest["errors"][path] = "EACCES"

    def read(self, path: str) -> tuple[str, Identity] | None:
        """The replaced content, with the identity that the host gave."""
        found = super().read(path)
        content = self.contents.get(path)
        return (content, found[1]) if found and content is not None else found

    def group(self, path: str, controllers: str) -> None:
        """Adds a cgroup2 directory below /sys/fs/cgroup."""
        entry = {**self.manifest["directories"]["/sys/fs/cgroup/kp/pod"], "inode": 99}
        self.manifest["directories"][f"/sys/fs/cgroup{path}"] = entry
        self.contents[f"/sys/fs/cgroup{path}/cgroup.controllers"] = controllers


def placed(host: Host, version: int) -> set[str]:
    """The controllers that are placed in one version."""
    return {place.controller for place in host.placements.values() if place.version == version}


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("name", ["debian12-hybrid-6.18", "debian12-unified-6.1", "v1-elsewhere-3.10"])
def test_nonsense_is_no_exception(name: str, nonsense: str) -> None:
    """Any file may hold anything: the answer is a layout and evidence, never a traceback."""
    files = [p for p in (HOSTS / name / "root").rglob("*") if p.is_file()]
    for path in files:
        host_path = "/" + str(path.relative_to(HOSTS / name / "root"))
        view = Altered(name, {host_path: nonsense})
        assert detect(view, wanted=WANTED).layout in ("unified", "hybrid", "legacy", "none", "ambiguous")
        assert inspect(view).host.layout_evidence != ""


def test_unreadable_membership_falls_back_to_the_directories() -> None:
    """Without /proc/self/cgroup the v1 directories themselves are asked."""
    host = detect(Altered("debian12-hybrid-6.18", {"/proc/self/cgroup": None}))
    assert host.layout == "hybrid"
    assert placed(host, 1) == {"memory", "cpu", "cpuset", "pids", "io", "devices", "freezer", "cpuacct"}
    assert placed(host, 2) == {"hugetlb"}


def test_no_sys_at_all() -> None:
    """Nothing mounted and no directory either: none, with the errno."""
    view = Altered("debian12-nothing-mounted-6.1", {})
    del view.manifest["directories"]["/sys/fs/cgroup"]
    host = detect(view)
    assert (host.layout, host.layout_evidence) == (
        "none",
        "/sys/fs/cgroup: ENOENT; /proc/self/mountinfo: no cgroup mount",
    )


def test_nothing_in_sight_and_no_mount_table() -> None:
    """That nothing is mounted cannot be said when mountinfo is unreadable."""
    host = detect(Altered("debian12-nothing-mounted-6.1", {"/proc/self/mountinfo": None}))
    assert (host.layout, host.layout_evidence) == (
        "ambiguous",
        "no cgroup file system at /sys/fs/cgroup; /proc/self/mountinfo: EACCES",
    )


def test_unified_root_without_controllers() -> None:
    """An empty cgroup.controllers (everything is on v1 elsewhere) is still cgroup2: cgroup.stat is never empty."""
    host = detect(Altered("debian12-unified-6.1", {"/sys/fs/cgroup/cgroup.controllers": ""}))
    assert (host.layout, host.layout_evidence) == ("unified", "/sys/fs/cgroup/cgroup.controllers: empty")
    assert placed(host, 2) == set()


def test_hybrid_with_nothing_left_on_cgroup2() -> None:
    """The same beside v1: the usual systemd hybrid, with which crun is content."""
    host = detect(Altered("debian12-hybrid-6.18", {"/sys/fs/cgroup/unified/cgroup.controllers": ""}))
    assert (host.layout, host.cgroup2_mount, host.cgroup2_controllers) == ("hybrid", "/sys/fs/cgroup/unified", ())
    assert host.version("hugetlb") == 0


def test_user_namespace() -> None:
    """Root of a user namespace is rootless; the evidence holds both maps."""
    mapping = "         0       1000          1\n         1     100000      65536\n"
    view = Altered("debian12-unified-6.1", {"/proc/self/uid_map": mapping})
    host = detect(view)
    assert (host.user_namespace.value, host.user_namespace.evidence) == (
        True,
        "/proc/self/uid_map: 0 1000 1 | 1 100000 65536; /proc/self/gid_map: 0 0 4294967295",
    )
    assert host.rootless.value is True


def test_unreadable_uid_map_is_unknown() -> None:
    """Neither yes nor no, and the reason."""
    host = detect(Altered("debian12-unified-6.1", {"/proc/self/uid_map": None}))
    assert (host.user_namespace.value, host.user_namespace.evidence) == (None, "/proc/self/uid_map: EACCES")
    assert host.rootless.value is None


def test_swaps_that_cannot_be_read_are_unknown() -> None:
    """No CONFIG_SWAP means no file and no swap; a file that is there but closed says nothing."""
    view = Altered("debian12-unified-6.1", {"/proc/swaps": None})
    assert detect(view).swap_present.value is None
    view = Altered("debian12-unified-6.1", {})
    view.manifest["directories"]["/proc"]["files"] = ""
    fact = detect(view).swap_present
    assert (fact.value, fact.evidence) == (False, "/proc/swaps: ENOENT")


USER = "/user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize("target", ["", "user.slice:libpod:1", f"{USER}/user.slice/libpod-1.scope"])
def test_rootless_below_a_user_manager(target: str) -> None:
    """systemd delegates below user@.service; a login session beside it has nothing to give."""
    view = Altered("debian12-rootless-6.1", {"/proc/self/cgroup": f"0::{USER}/app.slice/term.scope\n"})
    view.group(USER, "cpuset memory pids\n")
    view.group(f"{USER}/app.slice/term.scope", "\n")
    host = detect(view, target=target)
    assert placed(host, 2) == {"cpuset", "memory", "pids"}
    evidence = f"/sys/fs/cgroup{USER}/cgroup.controllers: cpuset memory pids"
    assert host.place("memory").evidence == evidence


def test_rootless_outside_of_its_own_part() -> None:
    """What counts is the deepest cgroup on the way to the container, wherever the user's own processes are."""
    view = Altered("debian12-rootless-6.1", {})
    view.group("/given", "io\n")
    assert placed(detect(view, target="/given/container"), 2) == {"io"}


def test_only_what_was_asked_is_placed() -> None:
    """`controllers` limits the look; those of wanted files are added, and memory brings swap with it."""
    view = CapturedView(str(HOSTS / "debian12-unified-6.1"))
    host = detect(view, wanted=("io.weight",), controllers=("cpu",))
    assert tuple(host.placements) == ("cpu", "io")
    assert (host.swap_accounting.value, host.swap_accounting.evidence) == (None, "not looked at")
    assert host.place("memory").evidence == "memory: not detected"
    assert host.has("io.weight") is True
    assert host.has("pids.max") is None
