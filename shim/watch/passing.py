"""Containers that end before their records are read, known only from their cgroup's name and the kernel's log."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from shim.containers.container import Container
from shim.containers.inventory import ENGINES, OF_ID
from shim.watch import kernel_calls
from shim.watch.place import ContainerCgroups, Followed, is_called

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.view import View
    from shim.watch.place import CgroupFinder

MOST = 4096  # cgroups; above this number the oldest are forgotten
USUAL = ("/run/runc", "/run/crun")
MASK = kernel_calls.CREATE | kernel_calls.ONLY_DIRECTORY


class Passed(NamedTuple):
    """A container that is gone. one: with process 0, because its first one was never seen. began: UNIX seconds."""

    one: Followed
    began: float


class Passing:
    """New cgroups without a record yet. names, roots: as in shim.watch.watcher.Options.

    A cgroup belongs to a container if its name is an engine's id of 64 digits, or if a runtime made a directory of that
    name.
    """

    def __init__(self, view: View, finder: CgroupFinder, names: tuple[str, ...], roots: tuple[str, ...]) -> None:
        self.view, self.finder, self.names = view, finder, names
        self.roots = (*roots, *USUAL)
        self.waiting: dict[str, Passed] = {}
        self.made: dict[str, str] = {}
        self.of_watch: dict[int, str] = {}
        self.inotify: kernel_calls.Inotify | None = None

    def listen(self) -> None:
        """Record from now on the directories that runtimes make. Raises OSError: no inotify."""
        self.inotify = kernel_calls.Inotify()
        for root in self.roots:
            with contextlib.suppress(OSError):  # missing so far: examined when a cgroup is made
                self.of_watch[self.inotify.add(self.view.path(root), MASK)] = root

    def _read(self) -> None:
        """Read the events of the runtimes' directories. They are read on demand, because nothing waits for them."""
        for watch, _, name in self.inotify.read() if self.inotify else ():
            if watch in self.of_watch and name:
                self.made[name] = self.of_watch[watch]
        while len(self.made) > MOST:
            del self.made[next(iter(self.made))]

    def came(self, directory: str, now: float) -> None:
        """Record a new cgroup. The runtime made its own directory before, which may be gone by now."""
        self._read()
        container = self._container(directory.rpartition("/")[2], directory)
        if container is None:
            return
        spot = self.finder.memory(directory)
        identity = self.view.identity(directory)
        place = ContainerCgroups(memory=spot, inode=identity.inode if identity else 0)
        self.waiting[directory] = Passed(Followed(container=container, place=place), now)
        if len(self.waiting) > MOST:
            del self.waiting[next(iter(self.waiting))]

    def known(self, directory: str) -> None:
        """Remove a cgroup that is followed now."""
        self.waiting.pop(directory, None)

    def went(self, directory: str) -> Passed | None:
        """Return the container of a removed cgroup, None if it has none or was followed."""
        return self.waiting.pop(directory, None)

    def _container(self, leaf: str, directory: str) -> Container | None:
        found = OF_ID.search(leaf)
        if found is not None:
            maker = found.group(1) or ("docker" if "/docker/" in directory else "unknown")
            container = Container(id=found.group(2), engine=ENGINES.get(maker, maker))
        else:
            there = (root for root in self.roots if os.path.isdir(self.view.path(f"{root}/{leaf}")))
            root = self.made.get(leaf) or next(there, "")
            if not root:
                return None
            container = Container(id=leaf, engine="crun" if root == USUAL[1] else "runc", root=root)
        wanted = not self.names or any(is_called(container, name) for name in self.names)
        return container if wanted else None

    def close(self) -> None:
        """Stop listening."""
        if self.inotify is not None:
            self.inotify.close()
            self.inotify = None
