"""Limits that the runtime cannot place: on a hybrid host, controllers that only cgroup2 has.

A kernel without CONFIG_MEMCG_V1 (6.11 and later, if the distribution disabled it) has its memory controller only in
cgroup2, while runc works on the v1 hierarchies. runc 1.1 and later still put the container into a cgroup2 directory,
but without limits. Between `create` and `start` the bridge enables the controllers along that path
(Documentation/admin-guide/cgroup-v2.rst, "Controlling Controllers") and writes the limits there.

If that is not possible, the bridge can move the container's processes into a cgroup of cgshim's own. The runtime does
not know that cgroup: it starts later processes of `exec` where it put the container (runc: `cgroup_paths` of its
state), outside the limits. So this happens only under policy `warn`, with a notice.
"""

from __future__ import annotations

from shim.enforce.verify import cgroup
from shim.errors import ShimError
from shim.host import cgroup_files, hierarchies, membership, mountinfo, names, process
from shim.host.cgroup_files import get, make, put
from shim.oci.document import errno_name
from shim.rules.base import HINT
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.rules.base import Expectation

OWN = "/cgshim"  # for containers that the runtime left in a cgroup where limits cannot be set


class Placed(Value):
    """Where the limits were set. outside: why processes of `exec` are not below them, "" if they are."""

    directory: str
    outside: str = ""


class Bridge(Value):
    """One container and its cgroup2 directory. path: below the mount; "" if limits cannot be set there, with `blocked`
    as the reason.

    device: st_dev of the cgroup2 file system.
    """

    view: View
    pid: int
    container: str
    mount: str
    device: int
    path: str
    blocked: str

    def file(self, path: str, name: str) -> str:
        """Return the real path of an interface file."""
        return self.view.path(f"{self.mount}{path}/{name}")

    @property
    def own(self) -> str:
        """Our own cgroup for the container."""
        return f"{OWN}/{self.container}"


def bridge(
    view: View, pid: int, container: str, limits: tuple[Expectation, ...], host: Host, *, may_move: bool
) -> Placed:
    """Write `limits` (cgroup2 files) to the cgroup2 directory of the container's init `pid`.

    may_move: the processes may move into a cgroup of our own if nothing else works; never for a container that already
    runs. Raises ShimError naming the level at which a controller cannot be enabled, or the file that refused the value.
    """
    for limit in limits:
        if names.interface_file(limit.file):
            raise _refused(limit, limit.file, names.interface_file(limit.file))
    path, blocked = _joined(view, pid, host)
    mount, device = host.cgroup2_mount, _device(view, host.cgroup2_mount)
    this = Bridge(view=view, pid=pid, container=container, mount=mount, device=device, path=path, blocked=blocked)
    controllers = tuple(dict.fromkeys(limit.controller for limit in limits))
    if path:
        this = this.changed(blocked=_enable(this, path, controllers))
    if this.blocked:
        if not may_move:
            raise _impossible(this.blocked)
        path = _move(this, controllers)
    for limit in limits:
        _write(this, f"{path}/{limit.file}", limit)
    outside = this.blocked or ("the container was moved there when it was created" if path == this.own else "")
    return Placed(directory=this.mount + path, outside=outside)


def _device(view: View, mount: str) -> int:
    """Return st_dev of the cgroup2 file system at `mount`, from the kernel's mount table."""
    found = view.identity(mount)
    there = [one for one in mountinfo.parse(view.text(hierarchies.MOUNTINFO) or "") if one.point == mount]
    if found and there and there[-1].type == "cgroup2" and view.device(there[-1].device) == found.device:
        return found.device
    raise _impossible(f"{hierarchies.MOUNTINFO}: {mount} is not a mount of cgroup2")


def _joined(view: View, pid: int, host: Host) -> tuple[str, str]:
    """Return the container's own cgroup2 path below the mount, or "" and the reason why it has none."""
    own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    found = own.get("", "/")
    if found == "/":
        return "", "the runtime left the container in the root of cgroup2"
    for other in ("self", process.parent(view.text(f"/proc/{pid}/stat") or "")):
        # A runtime that does not support hybrid hosts leaves the container in its caller's cgroup: the engine's, a
        # whole service's.
        if membership.paths(view.text(f"/proc/{other}/cgroup") or "").get("") == found:
            return "", f"the runtime left the container in its caller's own cgroup, {found}"
    directory, why = cgroup(view, own, "cgroup2", 2, host)
    return directory[len(host.cgroup2_mount) :], why


def _enable(this: Bridge, path: str, controllers: tuple[str, ...]) -> str:
    """Enable controllers for the children of every cgroup above `path`, from the root down; return "" or the obstacle.

    A cgroup with processes of its own cannot enable domain controllers for its children ("No Internal Process"). They
    are never disabled again: that would remove the limits of every other cgroup below.
    """
    level = ""
    for child in path.strip("/").split("/"):
        control = this.file(level, "cgroup.subtree_control")
        try:
            enabled = get(control, this.device).split()
            missing = [name for name in controllers if name not in enabled]
            if missing:
                put(control, " ".join(f"+{name}" for name in missing), this.device)
        except OSError as error:
            return f"{control}: enabling {', '.join(controllers)}: {errno_name(error)}"
        level = f"{level}/{child}"
    return ""


def _move(this: Bridge, controllers: tuple[str, ...]) -> str:
    """Move the container's processes into a cgroup of our own; return its path."""
    try:
        for path in (OWN, this.own):
            make(this.view.path(this.mount + path), this.device)
        second = _enable(this, this.own, controllers)
        if not second:
            for pid in _processes(this):
                put(this.file(this.own, "cgroup.procs"), pid, this.device)
            return this.own
    except OSError as error:
        second = f"{error.filename or this.own}: {errno_name(error)}"
    remove_own(this.view, this.container, this.mount)
    raise _impossible(this.blocked, second)


def _processes(this: Bridge) -> list[str]:
    """Return all processes of a restored container; init alone if its cgroup is not its own."""
    text = this.view.text(f"{this.mount}{this.path}/cgroup.procs") if this.path else None
    # A process that is about to exit can show as 0, and writing 0 would move the writer itself.
    listed = [pid for pid in (text or "").split() if pid != "0"]
    return list(dict.fromkeys((str(this.pid), *listed)))


def _write(this: Bridge, path: str, limit: Expectation) -> None:
    path = this.view.path(this.mount + path)
    try:
        for line in limit.value.split("\n"):  # the kernel takes io.max one device at a time
            put(path, line, this.device)
    except OSError as error:
        if limit.kind == HINT:
            return  # the read-back shows the result
        raise _refused(limit, path, errno_name(error)) from error


def _refused(limit: Expectation, path: str, why: str) -> ShimError:
    return ShimError(
        "bridge-refused",
        f"{limit.field} could not be set in cgroup2: {why}",
        cause="the controller is in cgroup2 only, where cgshim sets the limit instead of the runtime",
        evidence=(f"{path}: writing {limit.value!r}: {why}",),
        remedy=("check the value against the kernel's cgroup-v2 documentation",),
    )


def _impossible(*reasons: str) -> ShimError:
    return ShimError(
        "bridge-impossible",
        "cannot enable the cgroup2 controllers that the container's limits need",
        cause="the runtime uses v1 hierarchies, so cgshim sets these limits in the container's cgroup2 directory",
        evidence=reasons,
        remedy=(
            "EBUSY: move the processes of that cgroup into a leaf, or choose a cgroupsPath below one without processes",
            "left by the runtime: use runc 1.1 or later, which puts the container into a cgroup2 directory of its own",
            "or boot with systemd.unified_cgroup_hierarchy=1, so that the runtime works on cgroup2 itself",
            "or policy warn in the settings: limits in a cgroup of cgshim's own, which `exec` escapes",
        ),
    )


def remove_own(view: View, container: str, mount: str) -> None:
    """Remove the directory that `bridge` made for a container, and the one above, if they exist and are empty."""
    found = view.identity(mount)
    for path in (f"{OWN}/{container}", OWN) if found else ():
        try:
            cgroup_files.remove(view.path(mount + path), found.device if found else 0)
        except OSError:
            continue  # none was made, or it is not empty
