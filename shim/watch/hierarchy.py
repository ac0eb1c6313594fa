"""New and removed cgroups: inotify on the directories in which containers get theirs."""

from __future__ import annotations

import errno
import os

from shim.watch import kernel_calls
from shim.watch.loop import IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.host.view import View
    from shim.watch.loop import Loop

    Changed = Callable[[str, bool], None]  # (directory, whether it is new)

MOST = 8192  # directories; outside of containers a host has as many as units and pods
SOURCE = "inotify on the hierarchy"
MASK = kernel_calls.CREATE | kernel_calls.DELETE | kernel_calls.ONLY_DIRECTORY


class Hierarchy:
    """Watches the directories of one hierarchy, except those inside containers' cgroups.

    mount: of the memory controller. changed: called with each directory that was made or removed. problem: why it does
    not see all, "" if it does.
    """

    def __init__(self, view: View, loop: Loop, mount: str, changed: Changed) -> None:
        self.view = view
        self.loop = loop
        self.mount = mount
        self.changed = changed
        self.problem = ""
        self.inotify = kernel_calls.Inotify()
        self.of_watch: dict[int, str] = {}
        self.inner: frozenset[str] = frozenset()
        loop.add(self.inotify.handle, IN, self._ready)

    def watch(self, containers: Iterable[str]) -> None:
        """Watch everything except these directories and those below them."""
        self.inner = frozenset(containers)
        for watch, path in list(self.of_watch.items()):
            if path in self.inner:
                self.inotify.remove(watch)
                del self.of_watch[watch]
        self._below(self.mount, set(self.of_watch.values()))

    def _below(self, path: str, known: set[str], *, new: bool = False) -> None:
        """Watch a directory and all below it. new: it was just made, and so were those below it."""
        waiting = [path]
        while waiting:
            path = waiting.pop()
            if new:
                self.changed(path, True)
            if path in self.inner or (path not in known and not self._add(path)):
                continue
            try:
                with os.scandir(self.view.path(path)) as entries:
                    waiting += [f"{path}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue  # gone meanwhile

    def _add(self, path: str) -> bool:
        if len(self.of_watch) >= MOST:
            self.problem = f"more than {MOST} cgroups; new ones are seen in turn"
            return False
        try:
            self.of_watch[self.inotify.add(self.view.path(path), MASK)] = path
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.problem = f"inotify: {error.strerror} ({path}); sysctl fs.inotify.max_user_watches"
            return False
        return True

    def _ready(self, _: int) -> None:
        for watch, mask, name in self.inotify.read():
            if mask & kernel_calls.OVERFLOW:
                self.changed(self.mount, True)
            if mask & kernel_calls.IGNORED:
                self.of_watch.pop(watch, None)
            above = self.of_watch.get(watch)
            if above is None or not mask & kernel_calls.IS_DIRECTORY:
                continue
            path = f"{above}/{name}"
            if mask & kernel_calls.CREATE:
                self._below(path, set(), new=True)
            else:
                self.changed(path, False)

    def close(self) -> None:
        """End all watches."""
        self.loop.drop(self.inotify.handle)
        self.inotify.close()
