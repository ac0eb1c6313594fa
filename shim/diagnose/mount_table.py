"""/proc/PID/mountinfo with every mount in it: after a failure it matters what covers a path, and how it is mounted.

`shim.host.mountinfo` keeps the cgroup mounts only, and of those no per-mount options.
"""

from __future__ import annotations

from shim.host.mountinfo import fields, unescape
from shim.values import Value


class Mounted(Value):
    """One line of mountinfo.

    point, root, fstype, source: as the kernel gives them, octal escapes decoded.
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
        """Is this mount, or the whole file system, read-only?"""
        return "ro" in self.options or "ro" in self.super_options

    def line(self) -> str:
        """Evidence: where, what and how."""
        extra = f" ({self.root})" if self.root != "/" else ""
        return f"mountinfo: {self.point}{extra} {self.fstype} {','.join(self.options)} - {','.join(self.super_options)}"


def parse_all(text: str) -> tuple[Mounted, ...]:
    """Every well-formed line in mount order."""
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
    """The mount that has `path`: the longest mount point above it, the last one where several are stacked."""
    best = None
    for mount in mounts:
        point = mount.point.rstrip("/")
        inside = path == mount.point or path.startswith(point + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best
