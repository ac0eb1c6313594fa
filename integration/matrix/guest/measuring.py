"""What is enforced, as against what a file shows: sets of cases that run processes up to their limits.

`swap-use`: swapping.py. `bridge-use`: bridging.py. Each record is judged on the host by measured.py.
"""

from __future__ import annotations

from integration.matrix.guest import bridging, swapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from integration.matrix.guest.container import Way


def measured(sets: str, way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """The records of one way, for the sets among `sets` that measure."""
    chosen = sets.split(",")
    if "swap-use" in chosen and way.shim:
        for record in swapping.measure(way, parent):
            yield {"set": "swap-use", **record}
    if "bridge-use" in chosen and way.runtime == "runc":
        for record in bridging.measure(way, parent):
            yield {"set": "bridge-use", **record}
