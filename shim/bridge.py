"""Limits that the runtime cannot place: on a hybrid host, controllers that only cgroup2 has.

A kernel without CONFIG_MEMCG_V1 (6.11 and later, where the distribution left it out) has its memory controller in
cgroup2 alone, while runc works on the v1 hierarchies. runc 1.1 and later put the container into a cgroup2 directory
all the same, without limits. Between `create` and `start` the bridge enables the controllers along that path
(Documentation/admin-guide/cgroup-v2.rst, "Controlling Controllers") and writes the limits there.
"""

from __future__ import annotations

import os

from shim.errors import ShimError
from shim.host import membership
from shim.oci.document import errno_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Host
    from shim.rules.base import Expectation

OWN = "/cgshim"  # for containers that the runtime left in a cgroup where no limit can be set


def bridge(pid: int, container: str, limits: tuple[Expectation, ...], host: Host) -> str:
    """Put `limits` (cgroup2 files) on the cgroup2 directory of the container's init; that directory.

    Raises ShimError naming the level at which a controller cannot be enabled, or the file that refused the value.
    """
    mount = host.cgroup2_mount
    controllers = tuple(dict.fromkeys(limit.controller for limit in limits))
    path = _joined(pid)
    blocked = "" if path else "the runtime left the container in the root of cgroup2"
    if path:
        blocked = _enable(mount, path, controllers)
    if blocked:
        path = _own_cgroup(mount, pid, container, controllers, blocked)
    for limit in limits:
        _write(f"{mount}{path}/{limit.file}", limit.value, limit.field)
    return mount + path


def _joined(pid: int) -> str:
    """The container's cgroup2 path, "" where it shares the root."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            path = membership.paths(file.read()).get("", "/")
    except OSError:
        return ""
    return "" if path == "/" else path


def _enable(mount: str, path: str, controllers: tuple[str, ...]) -> str:
    """Enable controllers for the children of every cgroup above `path`, from the root down; "" or what was in the way.

    A cgroup with processes of its own cannot hand domain controllers to its children ("No Internal Process").
    """
    level = mount
    for child in path.strip("/").split("/"):
        control = f"{level}/cgroup.subtree_control"
        try:
            with open(control, encoding="ascii") as file:
                enabled = file.read().split()
            missing = [name for name in controllers if name not in enabled]
            if missing:
                with open(control, "w", encoding="ascii") as file:
                    file.write(" ".join(f"+{name}" for name in missing))
        except OSError as error:
            return f"{control}: enabling {', '.join(controllers)}: {errno_name(error)}"
        level = f"{level}/{child}"
    return ""


def _own_cgroup(mount: str, pid: int, container: str, controllers: tuple[str, ...], blocked: str) -> str:
    path = f"{OWN}/{container}"
    try:
        os.makedirs(mount + path, exist_ok=True)
        second = _enable(mount, path, controllers)
        if not second:
            with open(f"{mount}{path}/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(pid))
            return path
    except OSError as error:
        second = f"{error.filename}: {errno_name(error)}"
    raise _impossible(blocked, second)


def _write(path: str, value: str, field: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise ShimError(
            "bridge-refused",
            f"{field} could not be set in cgroup2: {errno_name(error)}",
            cause="the controller is in cgroup2 only, where cgshim sets the limit in the runtime's place",
            evidence=(f"{path}: writing {value!r}: {errno_name(error)}",),
            remedy=("check the value against the kernel's cgroup-v2 documentation",),
        ) from error


def _impossible(first: str, second: str) -> ShimError:
    return ShimError(
        "bridge-impossible",
        "the container's limits live in cgroup2, and the controllers cannot be enabled for it there",
        evidence=(first, second),
        remedy=(
            "move the processes out of the inner cgroups that are named above (cgroup.procs), into leaves of their own",
            "or boot with systemd.unified_cgroup_hierarchy=1, so that the runtime works on cgroup2 itself",
        ),
    )


def remove_own(container: str, host_mount: str) -> None:
    """Remove the directory that `bridge` made for a container, if it is there and empty."""
    try:
        os.rmdir(f"{host_mount}{OWN}/{container}")
    except OSError:
        return  # none was made, or something still runs in it
