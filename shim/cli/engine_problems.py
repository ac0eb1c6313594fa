"""What prevents the engines' entries on a host from starting containers, for `cgshimctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.engines import status
from shim.engines.leftovers import ENGINES
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree


def found(tree: Tree, request: Request) -> tuple[str, ...]:
    """Return one line for each entry whose real runtime is missing or starts nothing here; none for an engine without
    one.
    """
    lines: list[str] = []
    for name, engine in ENGINES.items():
        try:
            looked = [(entry, status.real_runtime(tree, entry)) for entry in engine.registered(tree, request)]
        except ShimError as error:
            lines.append(f"{name}: its entries cannot be read: {error.what}")
            continue
        wrong = [(entry, check) for entry, check in looked if check.state == status.WRONG]
        lines.extend(f"{name}: the entry {entry.name} in {entry.file}: {check.evidence}" for entry, check in wrong)
    return tuple(dict.fromkeys(lines))
