"""Does the memory of a container grow without end? The watcher asks it from time to time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from shim.watch.sample import Sample


def suspected(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """The evidence for a leak in the samples of one container, oldest first; None where there is none.

    The evidence has at least `kind` (a field of Memory), `rate` (bytes a second) and `confidence` (0 to 1).
    """
    return None
