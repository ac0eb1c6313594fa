"""/proc/PID/mountinfo with every mount: after a failure it matters what covers a path, and how it is mounted.

`shim.host.mountinfo` keeps only the cgroup mounts, without their per-mount options.
"""

from __future__ import annotations

from shim.host.mountinfo import fields, unescape
from shim.values import Value


class Mounted(Value):
    """One line of mountinfo.

    point, root, fstype, source: from the kernel, octal escapes decoded.
    options: of this mount (`ro`, `nosuid`, ...). super_options: of the file system (v1 controllers among them).
    peers: optional fields (`shared:12`, `master:3`).
    """

    point: str
    root: str
    fstype: str
    source: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]
    peers: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        """True if this mount, or the whole file system, is read-only."""
        return "ro" in self.options or "ro" in self.super_options

    def line(self) -> str:
        """Evidence: the place, the type and the options."""
        extra = f" ({self.root})" if self.root != "/" else ""
        return f"mountinfo: {self.point}{extra} {self.fstype} {','.join(self.options)} - {','.join(self.super_options)}"


def parse_all(text: str) -> tuple[Mounted, ...]:
    """Return every well-formed line in mount order."""
    return tuple(
        Mounted(
            point=unescape(left[4]),
            root=unescape(left[3]),
            fstype=right[0],
            source=unescape(right[1]),
            options=tuple(left[5].split(",")),
            super_options=tuple(right[2].split(",")),
            peers=tuple(left[6:]),
        )
        for left, right in fields(text)
    )


def covering(mounts: tuple[Mounted, ...], path: str) -> Mounted | None:
    """Return the mount that contains `path`: the longest mount point above it, the last one if several are stacked."""
    best = None
    for mount in mounts:
        point = mount.point.rstrip("/")
        inside = path == mount.point or path.startswith(point + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best
