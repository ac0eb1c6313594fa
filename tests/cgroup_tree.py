"""A file tree that stands for /proc and cgroup file systems, and a kernel that keeps their rules for one test."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from shim.host.view import View

if TYPE_CHECKING:
    from pathlib import Path

INIT, PARENT = 4711, 4700
_makedirs, _rmdir = os.makedirs, os.rmdir  # as they are before a test puts a kernel in their place


class Tree:
    """Files below `root`; `view` reads them as if they were the host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.view = View(str(root))
        self.write("/proc/self/cgroup", "0::/\n")

    def write(self, path: str, text: str = "") -> None:
        """A file with this content, directories included."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, path: str) -> str:
        """A file's content."""
        return (self.root / path.lstrip("/")).read_text()

    def exists(self, path: str) -> bool:
        """Is it there?"""
        return (self.root / path.lstrip("/")).exists()

    def process(self, cgroup: str, parent: str = "0::/engine\n") -> None:
        """INIT is in this cgroup (lines of /proc/PID/cgroup), its parent in that one."""
        self.write(f"/proc/{INIT}/cgroup", cgroup)
        self.write(f"/proc/{INIT}/stat", f"{INIT} (a ) odd) S {PARENT} 1 1 0")
        self.write(f"/proc/{PARENT}/cgroup", parent)

    def cgroup2(self, mount: str, path: str, *, processes: str = "", enabled: str = "") -> None:
        """A cgroup2 directory."""
        self.write(f"{mount}{path}/cgroup.procs", processes)
        self.write(f"{mount}{path}/cgroup.subtree_control", enabled)
        if not path:
            device = os.stat(self.root / mount.lstrip("/")).st_dev
            number = f"{os.major(device)}:{os.minor(device)}"
            self.write("/proc/self/mountinfo", f"36 25 {number} / {mount} rw - cgroup2 cgroup2 rw\n")


class Kernel:
    """What the kernel does on a write (Documentation/admin-guide/cgroup-v2.rst), over ordinary files.

    Enabling controllers in a cgroup with processes is EBUSY, except in the root ("No Internal Process Constraint");
    a file is there in every child of a cgroup that has its controller enabled; a value in `refused` is EINVAL.
    """

    def __init__(self, tree: Tree, mount: str) -> None:
        self.tree = tree
        self.mount = str(tree.root) + mount
        self.refused: set[str] = set()
        self.written: list[tuple[str, str]] = []

    def put(self, path: str, text: str, device: int) -> None:
        """One write(2)."""
        assert device == os.stat(self.mount).st_dev
        directory, name = os.path.split(path)
        self.written.append((path[len(self.mount) :], text))
        if text in self.refused:
            raise OSError(errno.EINVAL, "Invalid argument", path)
        if name == "cgroup.subtree_control":
            self._enable(directory, text)
        elif name == "cgroup.procs":
            self._move(directory, text)
        else:
            if not self._has(directory, name):
                raise OSError(errno.ENOENT, "No such file or directory", path)
            with open(path, "w", encoding="ascii") as file:
                file.write(text + "\n")

    def _enable(self, directory: str, text: str) -> None:
        with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
            if directory != self.mount and file.read().strip():
                raise OSError(errno.EBUSY, "Device or resource busy", f"{directory}/cgroup.subtree_control")
        with open(f"{directory}/cgroup.subtree_control", "a", encoding="ascii") as file:
            file.write("".join(f" {word[1:]}" for word in text.split()))

    def _has(self, directory: str, name: str) -> bool:
        with open(f"{os.path.dirname(directory)}/cgroup.subtree_control", encoding="ascii") as file:
            return name.partition(".")[0] in file.read().split()

    def _move(self, directory: str, pid: str) -> None:
        for above, _, _ in os.walk(self.mount):
            with open(f"{above}/cgroup.procs", encoding="ascii") as file:
                others = [line for line in file.read().split() if line != pid]
            with open(f"{above}/cgroup.procs", "w", encoding="ascii") as file:
                file.write("".join(f"{line}\n" for line in others))
        with open(f"{directory}/cgroup.procs", "a", encoding="ascii") as file:
            file.write(f"{pid}\n")
        self.tree.write(f"/proc/{pid}/cgroup", f"0::{directory[len(self.mount) :]}\n")

    def make(self, path: str, device: int) -> None:
        """mkdir: a new cgroup has its files at once."""
        assert device == os.stat(self.mount).st_dev
        _makedirs(path, exist_ok=True)
        for name in ("cgroup.procs", "cgroup.subtree_control"):
            with open(f"{path}/{name}", "a", encoding="ascii"):
                pass

    def rmdir(self, path: str, *, dir_fd: int) -> None:
        """Its interface files go with an empty cgroup; one with processes or children stays."""
        path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        if not os.path.isdir(path):
            raise OSError(errno.ENOENT, "No such file or directory", path)
        with open(f"{path}/cgroup.procs", encoding="ascii") as file:
            busy = bool(file.read().strip())
        if busy or any(os.path.isdir(f"{path}/{name}") for name in os.listdir(path)):
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        _rmdir(path)
