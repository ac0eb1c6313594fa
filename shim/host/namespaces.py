"""User and cgroup namespaces: from which of them this process sees the host."""

from __future__ import annotations

from shim.host.facts import Fact
from shim.host.interface import HOST_ROOT
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.hierarchies import Hierarchies
    from shim.host.view import View

UID_MAP = "/proc/self/uid_map"
GID_MAP = "/proc/self/gid_map"
INITIAL = ["0", "0", "4294967295"]  # the initial user namespace maps every id to itself (user_namespaces(7))


def user(view: View) -> Fact:
    """Whether this is not the initial user namespace. A kernel without CONFIG_USER_NS has only that one."""
    text = view.text(UID_MAP)
    if text is None:
        known = view.why(UID_MAP).endswith(": ENOENT") and view.exists("/proc/self")
        return Fact(value=False if known else None, evidence=view.why(UID_MAP))
    if text.split() == INITIAL:
        return Fact(value=False, evidence=quote(UID_MAP, text))
    groups = view.text(GID_MAP)
    second = quote(GID_MAP, groups) if groups is not None else view.why(GID_MAP)
    return Fact(value=True, evidence=f"{quote(UID_MAP, text)}; {second}")


def rootless(view: View, user_namespace: Fact) -> Fact:
    """Whether this is not the host's root: another effective user id, or root of a user namespace only."""
    euid = view.euid()
    if euid != 0:
        return Fact(value=True, evidence=f"effective user id: {euid}")
    return Fact(value=user_namespace.value, evidence=f"effective user id: 0; {user_namespace.evidence}")


def cgroup(hierarchies: Hierarchies, mount: str, own: str) -> Fact:
    """Whether the cgroup file system at `mount` is the host's, a cgroup namespace's, or a bind of a part of it.

    Only the host's root directory has inode 1, whatever mountinfo's root field is. A process in a cgroup namespace
    finds its own path (`own`, from /proc/self/cgroup) below the mount. If a part of the tree was bound over it, the
    path is the host's and does not exist below the mount.
    """
    if not mount:
        return Fact(value=None, evidence="no cgroup file system")
    view, root = hierarchies.view, hierarchies.root(mount)
    if root is None:
        return Fact(value=None, evidence=view.why(mount))
    evidence = f"{mount}: inode {root.inode}"
    if root.inode == HOST_ROOT:
        return Fact(value="host", evidence=evidence)
    evidence += f"; /proc/self/cgroup: {own}"
    inside = own == "/" or (own.startswith("/") and not own.startswith("/..") and view.exists(mount + own))
    return Fact(value="namespace" if inside else "subtree", evidence=evidence)
