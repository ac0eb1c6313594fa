"""The view of an unknown host: a text from another machine proves nothing about this one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.facts import Status


class Elsewhere:
    """Answers every question with "unknown", so that it confirms no entry."""

    root = "elsewhere"

    def text(self, path: str) -> None:
        """Return None: nothing is known."""

    def names(self, path: str) -> tuple[str, ...]:
        """Return (): nothing is known."""
        return ()

    def exists(self, path: str) -> bool:
        """Return False: nothing is known."""
        return False

    def knows(self, path: str) -> bool:
        """Return False: that `path` was not seen does not mean that it does not exist."""
        return False

    def kept(self, path: str) -> bool:
        """Return False: no content was kept."""
        return False

    def identity(self, path: str) -> None:
        """Return None: nothing is known."""

    def status(self, path: str) -> Status | None:
        """Return None: nothing is known."""
        return None
