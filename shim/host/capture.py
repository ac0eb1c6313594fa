"""Captures everything that detection can read: `python3 -m shim.host.capture DEST [--name N] [--replace OLD=NEW ...]`.

Writes `root/` (the files whose content is needed) and `manifest.json` (everything that a copy would lose);
shim.host.captured describes the format. Of mountinfo only the cgroup mounts and the mounts above them are kept.
`--replace` renames what would identify a machine, in paths and contents.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import pathlib
import sys

from shim.host import controllers, mountinfo
from shim.host.hierarchies import BASE, Hierarchies
from shim.host.parents import existing
from shim.host.view import View, error_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROC = (
    "/proc/cgroups",
    "/proc/swaps",
    "/proc/pressure/memory",
    "/proc/pressure/cpu",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/self/uid_map",
    "/proc/self/gid_map",
)
LINKS = ("/proc/self/ns/cgroup", "/proc/self/ns/user")
BOOTED = "/run/systemd/system"  # exists if systemd is PID 1; its absence is recorded, too
# Read by detection in every cgroup directory. Of all other interface files only the existence is needed.
CONTENT = (
    "cgroup.controllers",
    "cgroup.subtree_control",
    "cgroup.stat",
    "cgroup.type",
    "cgroup.clone_children",
    "memory.pressure",
)


class Capture:
    """Collects a manifest and contents; `written()` writes them to a directory."""

    def __init__(self, view: View, name: str, replace: tuple[tuple[str, str], ...]) -> None:
        self.view = view
        self.replace = replace
        self.contents: dict[str, str] = {}
        self.types: dict[int, str] = {}
        self.manifest: dict[str, Any] = {
            "format": 1,
            "name": name,
            "kernel": self.named(os.uname().release),
            "euid": view.euid(),
            "directories": {},
            "links": {},
            "errors": {},
        }

    def collect(self) -> None:
        """Collect everything: /proc, the mounts, and from each hierarchy the root, its first child and our own
        cgroup.
        """
        mounts = self._mountinfo()
        for path in PROC:
            self.file(path)
        for path in LINKS:
            target = self.view.link(path)
            if target is not None:
                self.manifest["links"][path] = target
        if not self.directory(BOOTED):
            self.manifest["errors"][BOOTED] = error_name(self.view.errors.get(BOOTED, errno.ENOTDIR))
        if self.directory(BASE):
            for name in self.view.names(BASE):
                if name in (*map(controllers.v1_name, controllers.ALL), "unified", "systemd") or self.is_plain():
                    self.directory(f"{BASE}/{name}")
        own = Hierarchies(self.view).own
        for mount in mounts:
            self.hierarchy(mount, own)

    def hierarchy(self, mount: mountinfo.Mount, own: dict[str, str]) -> None:
        """Collect the root of one cgroup mount, its first child, and our own cgroup with all its ancestors."""
        points = {mount.point}
        for name in mount.controllers:
            link = f"{BASE}/{name}"  # `cpu` is a link to the hierarchy at `cpu,cpuacct`
            found, there = self.view.identity(link), self.view.identity(mount.point)
            if found and there and (found.device, found.inode) == (there.device, there.inode):
                points.add(link)
        for point in sorted(points):
            self.directory(point)
            child = self.view.first_child(point)
            if child:
                self.directory(f"{point}/{child}")
            for name in mount.controllers or ("",):
                for directory in existing(self.view, point, own.get(name, "")):
                    self.directory(directory)

    def is_plain(self) -> bool:
        """True if `BASE` is an ordinary file system. Each of its names is then needed (forgeries, co-mounts)."""
        found = self.view.identity(BASE)
        return found is not None and self.types.get(found.device) not in ("cgroup2", "sysfs")

    def directory(self, path: str) -> bool:
        """Collect one directory: identity, file names, first children, and the contents that are needed."""
        found = self.view.identity(path)
        if not found or not found.directory:
            return False
        kind = self.types.get(found.device, "")
        files, children = self._entries(path)
        first = children if kind not in ("cgroup", "cgroup2") else children[:1]
        self.manifest["directories"][self.named(path)] = {
            "device": f"{os.major(found.device)}:{os.minor(found.device)}",
            "inode": found.inode,
            "type": kind,
            "writable": self.view.writable(path),
            "files": " ".join(files),
            "children": [self.named(child) for child in first],
        }
        for name in files:
            if name in CONTENT or (kind not in ("cgroup", "cgroup2", "proc", "sysfs") and "." in name):
                self._content(f"{path}/{name}")
        return True

    def file(self, path: str) -> None:
        """Collect one file outside the hierarchies, with the identity of its directory."""
        parent = path.rpartition("/")[0]
        holder = self.view.identity(parent)
        if not holder:
            return
        entry = self.manifest["directories"].setdefault(
            parent,
            {
                "device": f"{os.major(holder.device)}:{os.minor(holder.device)}",
                "inode": holder.inode,
                "type": "proc",
                "writable": False,
                "files": "",
                "children": [],
            },
        )
        if self._content(path) and path.rpartition("/")[2] not in entry["files"].split():
            entry["files"] = f"{entry['files']} {path.rpartition('/')[2]}".strip()

    def written(self, destination: pathlib.Path) -> None:
        """Write the capture. Replaces an earlier one under the same names."""
        for path, text in sorted(self.contents.items()):
            target = destination / "root" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", errors="surrogateescape")
        destination.mkdir(parents=True, exist_ok=True)
        (destination / "manifest.json").write_text(json.dumps(self.manifest, indent=1) + "\n", encoding="utf-8")

    def named(self, text: str) -> str:
        """Return `text` with all renames of --replace applied."""
        for old, new in self.replace:
            text = text.replace(old, new)
        return text

    def _entries(self, path: str) -> tuple[list[str], list[str]]:
        """Return files sorted, and sub-directories in the kernel's order."""
        files: list[str] = []
        children: list[str] = []
        with os.scandir(self.view.path(path)) as entries:
            for entry in entries:
                (children if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        return [name for name in sorted(files) if not os.path.isdir(self.view.path(f"{path}/{name}"))], children

    def _content(self, path: str) -> bool:
        text = self.view.text(path)
        if text is not None:
            self.contents.setdefault(self.named(path), self.named(text))
            return True
        number = self.view.errors[path]
        if number != errno.ENOENT:
            self.manifest["errors"][self.named(path)] = error_name(number)
        return False

    def _mountinfo(self) -> tuple[mountinfo.Mount, ...]:
        """Keep the cgroup mounts and the mounts above them; record the type of each device."""
        path = "/proc/self/mountinfo"
        text = self.view.text(path) or ""
        mounts = mountinfo.parse(text)
        points = [mount.point for mount in mounts] + [BASE]
        kept = []
        for left, right in mountinfo.fields(text):
            self.types[self.view.device(left[2])] = right[0]
            point = mountinfo.unescape(left[4]).rstrip("/")
            if any(other == point or other.startswith(point + "/") for other in points):
                kept.append(f"{' '.join(left)} - {' '.join(right)}\n")
        self.contents[path] = self.named("".join(kept))
        return mounts


def main(arguments: list[str]) -> int:
    """Capture the running host into a directory; return exit status 0."""
    parser = argparse.ArgumentParser(prog="python3 -m shim.host.capture", description="Capture a host for tests.")
    parser.add_argument("destination", type=pathlib.Path)
    parser.add_argument("--name", default="", help="what the capture is called (default: the directory's name)")
    parser.add_argument("--replace", action="append", default=[], metavar="OLD=NEW", help="rename in paths and texts")
    options = parser.parse_args(arguments)
    pairs = tuple((old, new) for old, _, new in (pair.partition("=") for pair in options.replace))
    capture = Capture(View(), options.name or options.destination.name, pairs)
    capture.collect()
    capture.written(options.destination)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
