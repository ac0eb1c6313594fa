"""The state that a watcher needs after a restart, so that no alert is lost and none is sent twice.

For each container the last counters; held-back alerts; and alerts on their way to the sinks. An alert is written here
before any sink gets it and removed when all have it. A watcher that is killed in between sends it again after its
restart, with the same `serial`, which a sink can look for.
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
    """The state of a watcher. directory: its own, "" keeps nothing. boot: the boot's id; counters end with a boot.

    fresh: no watcher ran here before, so the present counters are not reported.

    Raises ShimError if the directory cannot be used.
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
        """Return the state of a container: `inode`, `counters`, and the state of shim.watch.alerts."""
        found: dict[str, Any] = self.value["containers"].setdefault(container, {})
        return found

    def begin(self, container: str, inode: int) -> bool:
        """Begin to follow a container. Return True if it was followed before, in the same cgroup."""
        known = bool(self.entry(container).get("inode") == inode)
        if not known:
            self.value["containers"][container] = {"inode": inode}
            self.changed = True
        return known

    def counters(self, container: str) -> dict[str, int] | None:
        """Return the last counters, None if there are none."""
        found: dict[str, int] | None = self.entry(container).get("counters")
        return found

    def count(self, container: str, counters: dict[str, int]) -> None:
        """Store the present counters."""
        entry = self.entry(container)
        if entry.get("counters") != counters:
            entry["counters"] = counters
            self.changed = True

    def forget(self, container: str) -> None:
        """Forget a container that is gone."""
        self.changed = self.value["containers"].pop(container, None) is not None or self.changed

    def read_log(self, last: int) -> None:
        """Store the number of the last record read from the kernel's log."""
        if self.value["log"] != last:
            self.value["log"] = last
            self.changed = True

    @property
    def log(self) -> int:
        """Return the number of the last record read from the kernel's log, -1 if there is none."""
        return int(self.value["log"])

    def pend(self, alert: Alert) -> None:
        """Store an alert that is on its way; it is on disk when this returns."""
        self.value["pending"] = [*self.value["pending"][-MOST_PENDING:], plain(alert)]
        self.changed = True
        self.save()

    def delivered(self, alert: Alert) -> None:
        """Remove an alert that all sinks have."""
        self.value["pending"] = [one for one in self.value["pending"] if one["serial"] != alert.serial]
        self.changed = True
        self.save()

    def pending(self) -> list[Alert]:
        """Return alerts that some sinks may not have."""
        return [restored(one) for one in self.value["pending"]]

    def save(self) -> None:
        """Write the changes. Raises ShimError."""
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
    """Return an alert's fields as JSON."""
    return {name: getattr(alert, name) for name in Alert.__annotations__}


def restored(fields: dict[str, Any]) -> Alert:
    """Return the alert from its fields; a missing field, from a later version, gets its default."""
    return Alert(**{name: fields[name] for name in Alert.__annotations__ if name in fields})
