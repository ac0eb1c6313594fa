"""What is enforced, as against what a file shows: sets of cases that run processes up to their limits.

`swap-use`: swapping.py. `bridge-use`: bridging.py. `account` and `delays`: accounting.py. `checkpoint`:
checkpointing.py. `audit`: auditing.py. `trace`: tracing.py. `watch`: watching.py. Each record is judged on the host by
measured.py.
"""

from __future__ import annotations

from integration.matrix.guest import accounting, auditing, bridging, checkpointing, swapping, tracing, watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from integration.matrix.guest.container import Way


def measured(sets: str, way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """The records of one way, for the sets among `sets` that measure."""
    chosen = sets.split(",")
    # Each set with the ways in which there is something to measure.
    measures = (
        ("swap-use", swapping.measure, way.shim),
        ("bridge-use", bridging.measure, way.runtime == "runc"),
        ("account", accounting.accounts, way.shim == ("bridge-use" in chosen)),
        ("delays", accounting.delays, not way.shim),
        ("audit", auditing.measure, not way.shim),
        ("watch", watching.measure, way.runtime == "runc" and not way.shim),
        ("leaks", watching.leaking, way.runtime == "runc" and not way.shim),
        ("trace", tracing.measure, way.runtime == "runc" and not way.shim),  # no runtime has a part in it
        ("checkpoint", checkpointing.measure, way.runtime == "runc"),  # Debian's crun is built without criu
    )
    for name, measure, applies in measures:
        if name in chosen and applies:
            for record in measure(way, parent):
                yield {"set": name, **record}
