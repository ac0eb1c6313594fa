"""What a watcher must know after a restart, so that no alert is lost and none comes twice."""

from __future__ import annotations

from shim.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "watcher.json"


class Remembered:
    """Counters of containers as they were last seen. directory: "" keeps nothing."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        found = files.read(directory, NAME) if directory else None
        self.value: dict[str, Any] = found or {"schema": 1, "containers": {}}
        self.changed = False

    def begin(self, container: str, inode: int) -> None:
        """A container is followed from now on."""
        entry = self.value["containers"].get(container)
        if entry is None or entry.get("inode") != inode:
            self.value["containers"][container] = {"inode": inode}
            self.changed = True

    def counters(self, container: str) -> dict[str, int] | None:
        """The counters at the last look, None before the first."""
        found: dict[str, int] | None = self.value["containers"].get(container, {}).get("counters")
        return found

    def count(self, container: str, counters: dict[str, int]) -> None:
        """What the counters are now."""
        entry = self.value["containers"].setdefault(container, {})
        if entry.get("counters") != counters:
            entry["counters"] = counters
            self.changed = True

    def forget(self, container: str) -> None:
        """It is gone."""
        self.changed = self.value["containers"].pop(container, None) is not None or self.changed

    def save(self) -> None:
        """Write what has changed. Raises OSError."""
        if self.directory and self.changed:
            files.write(self.directory, NAME, self.value)
            self.changed = False
