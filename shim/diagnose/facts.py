"""The facts that the catalogue's checks use, from one view of the host; read only after a failure.

Nothing here raises for a file that is absent or unreadable: that is an answer, too.
"""

from __future__ import annotations

import os

from shim.diagnose import mount_table
from shim.diagnose.mount_table import Mounted
from shim.host import membership, parents
from shim.host.cgroup_files import flat_keyed
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.diagnose.diagnosis import Context

CGROUP = "/sys/fs/cgroup"
SYS_ADMIN, SYS_RESOURCE, BPF = 21, 24, 39  # capability numbers, include/uapi/linux/capability.h
LARGEST_PAGE = 64 << 10  # bytes: Linux on arm64 and ppc64 can be built with pages of this size
SMALL_MEMORY = 12 * 1024 * 1024  # runc init and its Go runtime need up to this much; CRI-O refuses lower limits


class Status(Value):
    """Mode bits without the type, the owner, and whether it is a directory."""

    mode: int
    uid: int
    gid: int
    directory: bool = True


class Facts:
    """Questions about the host and the call that failed, each answered from files."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.view: Any = context.view
        self.mounts = mount_table.parse_all(self.text("/proc/self/mountinfo") or "")
        self.own = membership.paths(self.text("/proc/self/cgroup") or "")

    # Files.

    def text(self, path: str) -> str | None:
        """Return the content, None if absent or unreadable."""
        if not self.was_read(path):
            return None
        try:
            content = self.view.text(path)
        except OSError:
            return None
        return None if content is None else str(content)

    def line(self, path: str) -> str:
        """Return the content without surrounding white space, "" if absent."""
        return (self.text(path) or "").strip()

    def words(self, path: str) -> tuple[str, ...]:
        """Return the content split at white space."""
        return tuple((self.text(path) or "").split())

    def number(self, path: str) -> int | None:
        """Return the content as a number; None if absent, "max" or not a number."""
        try:
            return int(self.line(path))
        except ValueError:
            return None

    def keyed(self, path: str) -> dict[str, int]:
        """Return a flat keyed file as numbers."""
        return flat_keyed(self.text(path) or "")

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, () if there is none."""
        try:
            return tuple(self.view.names(path) or ())
        except OSError:
            return ()

    def exists(self, path: str) -> bool:
        """Return whether anything exists at `path`."""
        return bool(self.view.exists(path))

    def absent(self, path: str) -> bool:
        """Return whether `path` is known not to exist. For a captured host only captured paths are known."""
        knows = getattr(self.view, "knows", None)
        return (knows is None or bool(knows(path))) and not self.exists(path)

    def was_read(self, path: str) -> bool:
        """Return whether the view has the content of `path`. A capture has only the names of most files."""
        kept = getattr(self.view, "kept", None)
        return kept is None or bool(kept(path))

    def status(self, path: str) -> Status | None:
        """Return mode and owner; None if absent or unreachable. Follows symbolic links."""
        own = getattr(self.view, "status", None)
        if own is not None:
            found = own(path)
            return found if isinstance(found, Status) else None
        try:
            got = os.stat(self.view.path(path))
        except OSError:
            return None
        return Status(mode=got.st_mode & 0o7777, uid=got.st_uid, gid=got.st_gid, directory=(got.st_mode >> 12) == 0o4)

    def quote(self, path: str) -> str:
        """Return evidence: the path and its content, on one line."""
        content = self.text(path)
        if content is None:
            return f"{path}: absent or unreadable"
        return f"{path}: {' '.join(content.split()) or 'empty'}"

    def page_size(self) -> int:
        """Bytes of a memory page; for another host the largest page of Linux, because too large is harmless."""
        own = getattr(self.view, "page_size", None)
        if own is not None:
            return int(own)
        return os.sysconf("SC_PAGE_SIZE") if getattr(self.view, "live", False) else LARGEST_PAGE

    # Mounts and layout.

    def covering(self, path: str) -> Mounted | None:
        """Return the mount that contains `path`."""
        return mount_table.covering(self.mounts, path)

    def v1(self, controller: str) -> Mounted | None:
        """Return the v1 hierarchy of `controller`, closest to where runtimes look first."""
        found = [one for one in self.mounts if one.fstype == "cgroup" and controller in one.super_options]
        return min(found, key=lambda one: (not one.point.startswith(CGROUP + "/"), len(one.point)), default=None)

    def cgroup2(self) -> Mounted | None:
        """The cgroup2 mount, closest to where runtimes look first."""
        found = [one for one in self.mounts if one.fstype == "cgroup2"]
        return min(found, key=lambda one: (not one.point.startswith(CGROUP), len(one.point)), default=None)

    def layout(self) -> str:
        """`unified`, `hybrid`, `legacy` or `none`, judged as runtimes do: by the mounts at /sys/fs/cgroup."""
        top = self.covering(CGROUP)
        if top is not None and top.fstype == "cgroup2":
            return "unified"
        beside = any(one.fstype == "cgroup2" and one.point == CGROUP + "/unified" for one in self.mounts)
        if any(one.fstype == "cgroup" for one in self.mounts):
            return "hybrid" if beside else "legacy"
        return "none"

    def directory(self, controller: str = "") -> str:
        """Return the absolute path where the container's own cgroup is or would be, "" if unknown."""
        if not self.context.placed:
            return ""
        mount = self.cgroup2() if self.layout() == "unified" else self.v1(controller or "devices")
        if mount is None:
            return ""
        own = self.own.get("" if mount.fstype == "cgroup2" else controller or "devices", "/")
        if mount.root != "/" and own.startswith(mount.root):
            own = own[len(mount.root) :] or "/"
        wanted = expand_slice(self.context.cgroups_path, own)
        if wanted.startswith("/"):
            return _joined(mount.point, wanted)
        return _joined(mount.point, own, wanted or self.context.container)

    def lineage(self, directory: str) -> tuple[str, ...]:
        """Return the cgroup directories from the mount point down to `directory`, both included."""
        mount = self.covering(directory)
        if mount is None or not mount.fstype.startswith("cgroup"):
            return ()
        found = [mount.point]
        for name in directory[len(mount.point) :].split("/"):
            if name:
                found.append(f"{found[-1]}/{name}")
        return tuple(found)

    def parent(self, controller: str = "") -> str:
        """Return the parent of the container's cgroup, "" if unknown."""
        found = self.lineage(self.directory(controller))
        return found[-2] if len(found) > 1 else ""

    # The process that starts the runtime.

    def field(self, name: str) -> str:
        """Return a field of /proc/self/status, "" if absent."""
        for line in (self.text("/proc/self/status") or "").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
        return ""

    def capable(self, capability: int) -> bool | None:
        """Return whether the capability is effective; None if that cannot be read."""
        try:
            return bool(int(self.field("CapEff"), 16) >> capability & 1)
        except ValueError:
            return None

    def in_user_namespace(self) -> bool:
        """True if this process is outside the initial user namespace."""
        words = self.words("/proc/self/uid_map")
        return bool(words) and words != ("0", "0", "4294967295")

    def command_line(self, name: str) -> str:
        """Return the value of a kernel boot option, "" if it is not set; a bare option returns its own name."""
        for word in self.words("/proc/cmdline"):
            key, equals, value = word.partition("=")
            if key == name:
                return value if equals else name
        return ""

    def kernel_log(self) -> str:
        """The kernel's log as far as this process may read it."""
        if self.context.kernel_log is not None:
            return self.context.kernel_log
        if getattr(self.view, "root", None) != "":
            return ""
        from shim.observe.kernel_log import read_kernel_log

        return read_kernel_log()

    # The container's configuration.

    def config(self, *keys: str) -> Any:
        """Return the value at `keys` in config.json, None if absent."""
        value: Any = self.context.config
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def resource(self, *keys: str) -> Any:
        """Return the value at `keys` in `linux.resources`."""
        return self.config("linux", "resources", *keys)

    def memory_limit(self) -> int | None:
        """`memory.limit` in bytes, or `unified["memory.max"]`; None if there is no limit."""
        from shim.planning.preflight import memory_limit

        resources = self.resource()
        return memory_limit(resources) if isinstance(resources, dict) else None

    def is_user(self) -> bool:
        """True if this process has an effective user id other than 0."""
        return self.field("Uid").split()[1:2] not in ([], ["0"])

    def has_namespace(self, kind: str) -> bool:
        """Return whether config.json lists a namespace of this type."""
        listed = self.config("linux", "namespaces") or ()
        return any(isinstance(one, dict) and one.get("type") == kind for one in listed)


def expand_slice(path: str | None, own: str = "") -> str:
    """Return a systemd path (`slice:prefix:name`) as systemd's directories; other paths are unchanged.

    own: this process's cgroup, which decides between the system's and a user's slices.
    """
    if not path or path.startswith("/") or path.count(":") != 2:
        return path or ""
    _, prefix, name = path.split(":")
    unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    return f"{parents.expand(path, own)}/{unit}"


def _joined(*parts: str) -> str:
    return "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))
