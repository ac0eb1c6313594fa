"""What a watcher must know after a restart, so that no alert is lost and none comes twice.

For each container the counters as they were last seen; alerts that are held back; and alerts that are on their way to
the sinks. An alert is written here before any sink gets it and taken out when all have it: a watcher that is killed in
between offers it again, with the same `serial`, which a sink can look for.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.state import files
from shim.watch.alert import Alert

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "watcher.json"
SCHEMA = 1
MOST_PENDING = 1000  # alerts on their way
BOOT = "/proc/sys/kernel/random/boot_id"


class Remembered:
    """The state of a watcher. directory: its own, "" keeps nothing. boot: which boot it is; counters end with one.

    fresh: no watcher has been here before, so what counters have by now is no news.

    Raises ShimError where the directory cannot be used.
    """

    def __init__(self, directory: str, boot: str = "") -> None:
        self.directory = directory
        found = files.read(directory, NAME) if directory else None
        known = found if found and found.get("schema") == SCHEMA and "pending" in found else {}
        self.fresh = not known
        self.value: dict[str, Any] = {"schema": SCHEMA, "boot": boot, "log": -1, "containers": {}, "pending": []}
        if known:
            self.value.update(known if known.get("boot") == boot else {"pending": known["pending"]})
        self.changed = True
        self.save()

    def entry(self, container: str) -> dict[str, Any]:
        """What is kept of a container: `inode`, `counters`, and what shim.watch.alerts keeps."""
        found: dict[str, Any] = self.value["containers"].setdefault(container, {})
        return found

    def begin(self, container: str, inode: int) -> bool:
        """A container is followed from now on. True if it was before, in the same cgroup."""
        known = bool(self.entry(container).get("inode") == inode)
        if not known:
            self.value["containers"][container] = {"inode": inode}
            self.changed = True
        return known

    def counters(self, container: str) -> dict[str, int] | None:
        """The counters at the last look, None before the first."""
        found: dict[str, int] | None = self.entry(container).get("counters")
        return found

    def count(self, container: str, counters: dict[str, int]) -> None:
        """What the counters are now."""
        entry = self.entry(container)
        if entry.get("counters") != counters:
            entry["counters"] = counters
            self.changed = True

    def forget(self, container: str) -> None:
        """It is gone."""
        self.changed = self.value["containers"].pop(container, None) is not None or self.changed

    def read_log(self, last: int) -> None:
        """The number of the kernel log's record that was read last."""
        if self.value["log"] != last:
            self.value["log"] = last
            self.changed = True

    @property
    def log(self) -> int:
        """The same, -1 before the first."""
        return int(self.value["log"])

    def pend(self, alert: Alert) -> None:
        """The alert is on its way: written before this returns."""
        self.value["pending"] = [*self.value["pending"][-MOST_PENDING:], plain(alert)]
        self.changed = True
        self.save()

    def delivered(self, alert: Alert) -> None:
        """All sinks have it."""
        self.value["pending"] = [one for one in self.value["pending"] if one["serial"] != alert.serial]
        self.changed = True
        self.save()

    def pending(self) -> list[Alert]:
        """Alerts of which it is not known whether all sinks have them."""
        return [restored(one) for one in self.value["pending"]]

    def save(self) -> None:
        """Write what has changed. Raises ShimError."""
        if not self.directory or not self.changed:
            return
        try:
            files.write(self.directory, NAME, self.value)
        except OSError as error:
            raise ShimError(
                "watch-state",
                f"the watcher cannot keep its state in {self.directory}",
                cause=f"{error.strerror}: {error.filename}" if error.filename else str(error),
                remedy=("make the directory writable for the watcher alone, or name another one",),
            ) from error
        self.changed = False


def plain(alert: Alert) -> dict[str, Any]:
    """An alert's fields as JSON."""
    return {name: getattr(alert, name) for name in Alert.__annotations__}


def restored(fields: dict[str, Any]) -> Alert:
    """The alert again; fields that a later version added have their defaults."""
    return Alert(**{name: fields[name] for name in Alert.__annotations__ if name in fields})
