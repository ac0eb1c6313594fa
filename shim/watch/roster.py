"""The watched containers: found when the hierarchy changes, and at intervals."""

from __future__ import annotations

import time

from shim.containers.inventory import Inventory, inventory
from shim.watch.place import follow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.tree import HostTree
    from shim.watch.place import CgroupFinder, Followed

REGULARLY = 60.0  # seconds between searches for containers if nothing changed
SETTLED = 0.3  # seconds after a change: a runtime writes its state after it has made the cgroups
TWICE = 2.0  # seconds after a change for a second search: engines write their records last
# The part of one core for searches while many containers come and go, and the seconds for a burst.
SHARE, BURST = 0.01, 3.0


class Roster:
    """The running containers. names, roots: as in shim.watch.watcher.Options.

    records: the inventory's records of the followed containers, read at `read` (monotonic).
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
        """The version of the memory controller: 1, 2, or 0 for none."""
        return self.places.host.version("memory")

    def changed(self, now: float) -> None:
        """Search soon, and a second time, because the hierarchy has changed. now: monotonic."""
        self.due = max(min(self.due, now + SETTLED), self.earliest, self.read + SETTLED)
        self.second = True

    def drop(self, directory: str) -> Followed | None:
        """Stop following the container with this memory cgroup and return it; None if there is none."""
        key = self.by_directory.pop(directory, "")
        return self.followed.pop(key, None)

    def at(self, path: str) -> Followed | None:
        """Return the container whose memory cgroup has this path in /proc/PID/cgroup, or is above it."""
        directory = self.places.directory(path)
        while directory.count("/") > 1:
            key = self.by_directory.get(directory)
            if key is not None:
                return self.followed.get(key)
            directory = directory.rpartition("/")[0]
        return None

    def refresh(self, now: float) -> tuple[list[Followed], list[Followed]]:
        """Search now; return new containers (or those with a new cgroup), and those that are gone."""
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
