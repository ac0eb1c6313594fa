"""Where the hierarchies are mounted: first from the well-known places, from mountinfo only if those do not decide."""

from __future__ import annotations

from shim.host import membership
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host import mountinfo
    from shim.host.view import Identity, View

BASE = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"
MOUNTINFO = "/proc/self/mountinfo"
V1_PROOF = "cgroup.clone_children"  # exists in every v1 directory, in no cgroup2 one, and is never empty


class Hierarchies:
    """The cgroup mounts of a host. Each is read when it is first needed, and only once.

    own: v1 controller, `name=...` or "" for cgroup2 -> this process's cgroup; empty if /proc is unreadable.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        text = view.text(MEMBERSHIP)
        self.readable = text is not None
        self.own = membership.paths(text or "")
        self._v1: dict[str, tuple[str, str]] = {}
        self._roots: dict[str, Identity | None] = {}
        self._mounts: tuple[mountinfo.Mount, ...] | None = None

    def mounts(self) -> tuple[mountinfo.Mount, ...]:
        """Return every cgroup mount. The cost grows with the host's mounts, so an intercepted call uses this last."""
        if self._mounts is None:
            from shim.host import mountinfo

            self._mounts = mountinfo.parse(self.view.text(MOUNTINFO) or "")
        return self._mounts

    def v1_names(self) -> tuple[str, ...]:
        """Return the controllers that are bound to v1 hierarchies, by v1 names, whether they are mounted here or
        not.
        """
        return tuple(name for name in self.own if name and not name.startswith("name="))

    def v1(self, name: str) -> tuple[str, str]:
        """Return the mount point of the v1 hierarchy of `name` (a v1 name or `name=...`) or "", and the evidence."""
        if name not in self._v1:
            self._v1[name] = self._find_v1(name)
        return self._v1[name]

    def _find_v1(self, name: str) -> tuple[str, str]:
        if self.readable and name not in self.own:
            # A mounted hierarchy is active, and each process is in exactly one cgroup of each active hierarchy.
            return "", f"{MEMBERSHIP}: no hierarchy carries {name}"
        proof = f"{BASE}/{name.replace('name=', '')}/{V1_PROOF}"
        text = self._kernel_text(proof)
        if text is not None:
            return proof.rpartition("/")[0], quote(proof, text)
        return self._v1_elsewhere(name, proof)

    def _v1_elsewhere(self, name: str, proof: str) -> tuple[str, str]:
        for mount in self.mounts():
            if name in mount.controllers and self.view.kernel_file(f"{mount.point}/{V1_PROOF}"):
                return mount.point, f"{MOUNTINFO}: {mount.point} is cgroup {','.join(mount.options)}"
        where = f"not mounted here, {self.absent(proof)}"
        return "", f"{MEMBERSHIP}: {name}:{self.own.get(name, '?')} but {where}"

    def _kernel_text(self, path: str) -> str | None:
        """As View.kernel_text, of a file at the root of a mount."""
        found = self.view.kernel_read(path)
        if found:
            self._roots[path.rpartition("/")[0]] = found[1]
        return found[0] if found else None

    def root(self, mount: str) -> Identity | None:
        """Return the result of stat(2) for a mount point, None if there is none."""
        if mount not in self._roots:
            self._roots[mount] = self.view.identity(mount)
        return self._roots[mount]

    def absent(self, path: str) -> str:
        """Return why `path` is not an interface file: its errno, or that it is an ordinary file."""
        found = self.view.identity(path)
        if found is None:
            return self.view.why(path)
        return f"{path}: {found.size} bytes, a regular file, not the kernel's"

    def cgroup2(self, mount: str) -> tuple[tuple[str, ...], str] | None:
        """Return controllers and evidence if `mount` is the root of a cgroup2 mount, None otherwise."""
        path = f"{mount}/cgroup.controllers"
        text = self._kernel_text(path)
        if text is not None:
            return tuple(text.split()), quote(path, text)
        if path in self.view.errors:
            return None
        # It exists without content: either no controller is left for cgroup2, or it is a foreign empty file.
        if self.view.kernel_file(f"{mount}/cgroup.stat"):
            return (), quote(path, "")
        return None
