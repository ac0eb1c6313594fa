"""A host captured by `shim.host.capture`, read like a running one.

A captured tree is on an ordinary file system, so the host's stat(2) results are stored beside it. Layout of a capture:
`root/` has the files whose content was read, `manifest.json` has everything else::

    {"format": 1, "kernel": "6.1.0", "euid": 0,
     "directories": {"/sys/fs/cgroup/cpu": {"device": "0:29", "inode": 1, "type": "cgroup", "writable": true,
                                            "files": "cgroup.procs cpu.shares", "children": ["a"]}},
     "links": {"/proc/self/ns/cgroup": "cgroup:[4026531835]"},
     "errors": {"/proc/pressure/memory": "EOPNOTSUPP"}}

Files take the device of their directory; they have size 0 where `type` is a kernel file system, else the size of
their content. `children` keeps the kernel's order of sub-directories and names at least the first.
"""

from __future__ import annotations

import errno
import posix

from shim.host.view import Identity, View
from shim.system import content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KERNEL_TYPES = ("cgroup", "cgroup2", "proc", "sysfs")


class CapturedView(View):
    """View of the capture in `directory`. Raises OSError or ValueError if there is no readable capture."""

    live = False

    def __init__(self, directory: str) -> None:
        import json  # only captures need it; an intercepted call never comes here

        super().__init__(directory + "/root")
        self.manifest: dict[str, Any] = json.loads(content(directory + "/manifest.json"))
        if self.manifest.get("format") != 1:
            raise ValueError(f"{directory}/manifest.json: format must be 1")

    def euid(self) -> int:
        """Effective user id at the time of the capture."""
        return int(self.manifest.get("euid", 0))

    def read(self, path: str) -> tuple[str, Identity] | None:
        """Return the captured content, with the identity on the host."""
        found = self._recorded_error(path) or self.identity(path)
        if not isinstance(found, Identity):
            return None
        if found.directory:
            self._missing(path, errno.EISDIR)
            return None
        return self._content(path), found

    def identity(self, path: str) -> Identity | None:
        """Return stat(2) from the host. The inode of an ordinary file was not kept and is 0."""
        directory = self._directory(path)
        if directory:
            device, inode = self.device(directory["device"]), int(directory["inode"])
            return Identity(device=device, inode=inode, size=0, directory=True)
        parent, _, name = path.rpartition("/")
        holder = self._directory(parent)
        if name in holder.get("files", "").split():
            kernel = holder.get("type") in KERNEL_TYPES
            size = 0 if kernel else len(self._content(path).encode("utf-8", "surrogateescape"))
            return Identity(device=self.device(holder["device"]), inode=0, size=size, directory=False)
        self._missing(path, errno.ENOENT)
        return None

    def names(self, path: str) -> tuple[str, ...]:
        """Return captured names in a directory."""
        found = self._directory(path)
        if not found:
            self._missing(path, errno.ENOENT)
            return ()
        return tuple(sorted(found.get("files", "").split() + list(found.get("children", []))))

    def first_child(self, path: str) -> str | None:
        """Return the sub-directory that was first on the host."""
        children = self._directory(path).get("children", [])
        return str(children[0]) if children else None

    def link(self, path: str) -> str | None:
        """Return the captured target of a symbolic link."""
        target = self.manifest.get("links", {}).get(path)
        if target is None:
            self._missing(path, errno.ENOENT)
            return None
        return str(target)

    def kept(self, path: str) -> bool:
        """Return whether the content at `path` was captured, or is known to be absent."""
        return posix.access(self.path(path), posix.F_OK) or not self.exists(path)

    def knows(self, path: str) -> bool:
        """Return whether the capture tells if anything exists at `path`. It lists the files of its directories
        completely, but not their sub-directories; an interface file has a dot in its name, and no unit's suffix.
        """
        parent, _, name = path.rpartition("/")
        is_file = "." in name and not name.endswith((".slice", ".scope", ".service"))
        told = path in self.manifest.get("errors", {})
        return told or self.exists(path) or (is_file and bool(self._directory(parent)))

    def writable(self, path: str) -> bool:
        """Return the result of access(2) for the directory, or for the file's directory."""
        found = self._directory(path) or self._directory(path.rpartition("/")[0])
        return bool(found.get("writable", True))

    def _content(self, path: str) -> str:
        try:
            return content(self.path(path)).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return ""  # its existence was captured, but not its content

    def _directory(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.manifest["directories"].get(path, {})
        return found

    def _recorded_error(self, path: str) -> int | None:
        name = self.manifest.get("errors", {}).get(path)
        if name is not None:
            self.errors[path] = getattr(errno, name)
            return self.errors[path]
        return None

    def _missing(self, path: str, number: int) -> None:
        self.errors[path] = number
