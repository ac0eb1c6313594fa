"""The view of a host of which nothing is known: a text from another machine proves nothing about this one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.facts import Status


class Elsewhere:
    """Answers every question with "not known"; no entry is confirmed by it."""

    root = "elsewhere"

    def text(self, path: str) -> None:
        """Nothing was read."""

    def names(self, path: str) -> tuple[str, ...]:
        """Nothing was listed."""
        return ()

    def exists(self, path: str) -> bool:
        """Nothing was seen."""
        return False

    def knows(self, path: str) -> bool:
        """That nothing was seen at `path` does not mean that nothing is there."""
        return False

    def kept(self, path: str) -> bool:
        """No content was kept."""
        return False

    def identity(self, path: str) -> None:
        """Nothing was seen."""

    def status(self, path: str) -> Status | None:
        """Nothing was seen."""
        return None
