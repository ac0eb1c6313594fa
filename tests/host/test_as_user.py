"""A host as an unprivileged user sees it: only what he can make cgroups in counts, on either version."""

from __future__ import annotations

import pytest

from shim.host import parents
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.facts import HYBRID
from shim.host.view import Identity
from shim.rules.base import UNENFORCEABLE
from tests.planned import planned
from tests.syntax import ROOT

MANAGER = "/user.slice/user-1000.slice/user@1000.service"
SESSION = "/user.slice/user-1000.slice/session-3.scope"


class AsUser(CapturedView):
    """A captured host for user id 1000; `given`: cgroups that belong to him, with what is in them."""

    def __init__(self, host: str, own: str = "", given: dict[str, str] | None = None) -> None:
        super().__init__(str(ROOT / "tests" / "hosts" / host))
        self.own = own
        self.given = given or {}

    def euid(self) -> int:
        """Not root."""
        return 1000

    def writable(self, path: str) -> bool:
        """Only what was given."""
        return path in self.given

    def identity(self, path: str) -> Identity | None:
        """What was given is a directory of the hierarchy, too."""
        if path not in self.given and path != f"/sys/fs/cgroup{self.own}":
            return super().identity(path)
        return super().identity("/sys/fs/cgroup")

    def read(self, path: str) -> tuple[str, Identity] | None:
        """The user's own membership, and the controllers of what was given."""
        root = super().identity("/sys/fs/cgroup")
        directory, _, name = path.rpartition("/")
        if root and path == "/proc/self/cgroup" and self.own:
            return f"0::{self.own}\n", root.changed(directory=False)
        if root and name == "cgroup.controllers" and directory in self.given:
            return self.given[directory], root.changed(directory=False)
        return super().read(path)


def test_v1_hierarchies_are_roots() -> None:
    """Nothing can be limited, and it is said whose cgroup was looked at; device rules are left to the runtime."""
    host = detect(AsUser("debian12-hybrid-6.18"))
    assert host.layout == HYBRID
    assert {name: host.version(name) for name in ("memory", "pids", "cpu", "cpuset", "io")} == dict.fromkeys(
        ("memory", "pids", "cpu", "cpuset", "io"), 0
    )
    assert host.version("devices") == 1
    assert host.place("pids").evidence == (
        "/sys/fs/cgroup/pids: not writable for user id 1000, who cannot create a cgroup there"
    )


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_guard_of_a_user_on_v1(runtime: str) -> None:
    """Refused before the start, with the user's own reason."""
    host = detect(AsUser("debian12-hybrid-6.18"), controllers=("pids",))
    made = planned({"pids": {"limit": 9}}, host, runtime)
    assert made.effect("pids.limit") == ("pids-nowhere", "guard", UNENFORCEABLE)
    assert made.reason("pids.limit").startswith(
        "this user has no pids controller (/sys/fs/cgroup/pids: not writable for user id"
    )


@pytest.mark.parametrize(
    ("own", "target", "given", "expected"),
    [
        (SESSION, "user.slice:libpod:abc", {f"/sys/fs/cgroup{MANAGER}": "cpu memory pids"}, 2),
        (f"{MANAGER}/app.slice/x.service", "user.slice:libpod:abc", {f"/sys/fs/cgroup{MANAGER}": "memory pids"}, 2),
        (SESSION, "user.slice:libpod:abc", {f"/sys/fs/cgroup{MANAGER}": "cpu"}, 0),
        (SESSION, "", {f"/sys/fs/cgroup{MANAGER}": "memory pids"}, 0),
        (SESSION, "user.slice:libpod:abc", {}, 0),
    ],
    ids=["beside-a-session", "below-the-manager", "not-delegated", "cgroupfs-in-a-session", "no-manager"],
)
def test_cgroup2(own: str, target: str, given: dict[str, str], expected: int) -> None:
    """The user manager's part is the user's, the session's scope is not."""
    host = detect(AsUser("debian12-unified-6.1", own, given), target=target, controllers=("memory",))
    assert host.version("memory") == expected


def test_expand_for_a_user() -> None:
    """systemd.slice(5) and pam_systemd(8): a session's scope is beside the manager's service."""
    assert parents.expand("user.slice:libpod:1", SESSION, as_user=True) == f"{MANAGER}/user.slice"
    assert parents.expand("user.slice:libpod:1", SESSION) == "/user.slice"
    assert parents.expand("system.slice:a:1", "/user.slice/user-0.slice/session-1.scope") == "/system.slice"
    assert parents.beside_session("/user.slice/user-x.slice/session-1.scope") == ""
    assert parents.beside_session("/session-1.scope") == ""
