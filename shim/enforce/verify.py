"""Reads back whether the container's own cgroup shows what the plan expects.

Reads /proc/PID/cgroup once and each interface file once. shim.rules.shapes knows how the kernel shows a value.
"""

from __future__ import annotations

import posix

from shim.host import controllers, membership, names
from shim.rules import shapes
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.rules.base import Expectation

PAGE = posix.sysconf("SC_PAGE_SIZE")


class Finding(Value):
    """A limit that is missing (`found` is the file's content) or could not be read back (`found` is None)."""

    expectation: Expectation
    path: str
    found: str | None
    why: str = ""

    def text(self) -> str:
        """Return one line: the file, its content, the value that was asked for."""
        asked = f"{self.expectation.field} asked for {self.expectation.value!r}"
        if self.why:
            return f"{self.path}: {self.why}; {asked}"
        return f"{self.path}: {' | '.join((self.found or '').split(chr(10)))!r}; {asked}"


def verify(
    view: View, pid: int, expectations: tuple[Expectation, ...], host: Host, own: dict[str, str] | None = None
) -> tuple[Finding, ...]:
    """Return a finding for every expectation that the cgroup of process `pid` does not show.

    own: its cgroups in the form of /proc/PID/cgroup, for a process that no longer shows them.
    """
    if own is None:
        own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    places: dict[tuple[str, int], tuple[str, str, int]] = {}  # several limits may share a hierarchy
    findings = []
    for expectation in expectations:
        place = (expectation.controller, expectation.version)
        if place not in places:
            places[place] = _place(view, own, *place, host)
        finding = _compare(view, *places[place], expectation)
        if finding:
            findings.append(finding)
    return tuple(findings)


def cgroup(view: View, own: dict[str, str], controller: str, version: int, host: Host) -> tuple[str, str]:
    """Return the directory of the process's cgroup in the hierarchy of `controller`, or "" and the reason.

    own: paths from /proc/PID/cgroup, by controller ("" for cgroup2).
    """
    return _place(view, own, controller, version, host)[:2]


def _place(view: View, own: dict[str, str], controller: str, version: int, host: Host) -> tuple[str, str, int]:
    """As `cgroup`, and the device that the directory is on, -1 if it cannot be seen."""
    key = "" if version == 2 else controllers.v1_name(controller)
    mount = host.cgroup2_mount if version == 2 else host.place(controller).mount
    path = own.get(key)
    if path is None or not mount:
        why = f"/proc/PID/cgroup has no line for {key or 'cgroup2'}" if mount else f"{controller} is not mounted"
        return "", why, -1
    direct = mount + path.rstrip("/")
    found = view.identity(direct) if "/.." not in path else None
    if found is None:
        directory, why = _below_bind(view, mount, path)
        bound = view.identity(directory) if directory else None
        return directory, why, bound.device if bound else -1
    root = found if direct == mount else view.identity(mount)
    if root is None or found.device != root.device or not found.directory:
        return "", f"{direct} is not on the cgroup file system of {mount}", -1
    return direct, "", found.device


def _below_bind(view: View, mount: str, path: str) -> tuple[str, str]:
    """The mount shows a subtree (a bind, as on EKS); mountinfo's root field names it."""
    from shim.host import mountinfo

    for found in mountinfo.parse(view.text("/proc/self/mountinfo") or ""):
        if found.point == mount and found.root != "/" and f"{path}/".startswith(f"{found.root}/"):
            return mount + path[len(found.root) :].rstrip("/"), ""
    return "", f"{path} is not visible below {mount}"


def _compare(view: View, directory: str, why: str, device: int, expectation: Expectation) -> Finding | None:
    if not directory:
        return Finding(expectation=expectation, path=expectation.file, found=None, why=why)
    path = f"{directory}/{expectation.file}"
    if names.interface_file(expectation.file):
        return Finding(expectation=expectation, path=path, found="", why="not the name of an interface file")
    read = view.read(path)
    if read is None and expectation.controller == "cpuset" and expectation.version == 1:
        # Mounted with noprefix (Android, ChromeOS); runc from 1.3 and crun from 1.8 then write `cpus`.
        bare = f"{directory}/{expectation.file.partition('.')[2]}"
        read, path = (view.read(bare), bare) if view.exists(bare) else (read, path)
    if read is None:
        return Finding(expectation=expectation, path=path, found="", why=view.why(path)[len(f"{path}: ") :])
    text, found = read
    if found.device != device:
        return Finding(expectation=expectation, path=path, found="", why="not on the cgroup file system")
    beyond = (expectation.beyond and view.text(f"{directory}/{expectation.beyond}")) or ""
    if agrees(expectation, text, beyond):
        return None
    return Finding(expectation=expectation, path=path, found=text.strip())


def agrees(expectation: Expectation, text: str, beyond: str = "") -> bool:
    """Return whether the file's content shows the expected value, in the shape of the file.

    beyond: the content of the file that `expectation.beyond` names.
    """
    return shapes.agrees(expectation.shape, shapes.without(expectation.value, beyond), text, PAGE)
