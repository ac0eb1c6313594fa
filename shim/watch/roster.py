"""Who is watched: containers that come and go, found when the hierarchy changes and now and then anyway."""

from __future__ import annotations

import time

from shim.containers.inventory import Inventory, inventory
from shim.watch.place import follow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.tree import HostTree
    from shim.watch.place import CgroupFinder, Followed

REGULARLY = 60.0  # seconds between looks for containers where nothing changed
SETTLED = 0.3  # seconds after a change: a runtime writes its state after it has made the cgroups
TWICE = 2.0  # seconds after a change for a second look: engines write their records last
# What looks for containers may take of one core while many come and go; and what they may take at once, in seconds.
SHARE, BURST = 0.01, 3.0


class Roster:
    """The containers that run. names, roots: as in shim.watch.watcher.Options.

    records: what is known of those that are followed, read at `read` (of a monotonic clock).
    """

    def __init__(self, tree: HostTree, places: CgroupFinder, names: tuple[str, ...], roots: tuple[str, ...]) -> None:
        self.tree = tree
        self.places = places
        self.names = names
        self.roots = roots
        self.followed: dict[str, Followed] = {}
        self.by_directory: dict[str, str] = {}
        self.unfollowed: dict[str, str] = {}
        self.records = Inventory(containers=(), cgroups={})
        self.read = 0.0
        self.due = 0.0
        self.second = False
        self.earliest = 0.0
        self.credit, self.paid = BURST, time.monotonic()

    @property
    def version(self) -> int:
        """Of the memory controller: 1, 2, or 0 for none."""
        return self.places.host.version("memory")

    def changed(self, now: float) -> None:
        """The hierarchy has changed: look soon, and a second time. now: of a monotonic clock."""
        self.due = max(min(self.due, now + SETTLED), self.earliest, self.read + SETTLED)
        self.second = True

    def drop(self, directory: str) -> Followed | None:
        """The container whose memory cgroup is, or was, this directory, no longer followed; None if it is nobody's."""
        key = self.by_directory.pop(directory, "")
        return self.followed.pop(key, None)

    def at(self, path: str) -> Followed | None:
        """The container whose memory cgroup is the one of this path in /proc/PID/cgroup, or lies above it."""
        directory = self.places.directory(path)
        while directory.count("/") > 1:
            key = self.by_directory.get(directory)
            if key is not None:
                return self.followed.get(key)
            directory = directory.rpartition("/")[0]
        return None

    def refresh(self, now: float) -> tuple[list[Followed], list[Followed]]:
        """Look now: who is new (or has another cgroup than before), and who is gone."""
        began = time.process_time()
        records, self.read = inventory(self.tree, self.roots), now
        found, self.unfollowed = follow(self.places, records, self.names)
        self.records = records.changed(containers=tuple(one for one in records.containers if one.id in found))
        old = self.followed
        started = [one for key, one in found.items() if key not in old or old[key].place.inode != one.place.inode]
        gone = [one for key, one in old.items() if key not in found or found[key].place.inode != one.place.inode]
        self.followed = found
        self.by_directory = {one.place.memory.directory: key for key, one in found.items()}
        cost = time.process_time() - began
        self.credit = min(BURST, self.credit + (now - self.paid) * SHARE) - cost
        self.paid = now
        self.earliest = now + max(0.0, cost - self.credit) / SHARE
        self.due = max(self.earliest, now + (TWICE if self.second else REGULARLY))
        self.second = False
        return started, gone
