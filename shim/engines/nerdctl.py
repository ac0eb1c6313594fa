"""nerdctl needs no registration. It passes the path to containerd's runc shim as BinaryName, for each container.

`nerdctl.toml` has no key for a default runtime, and only the CRI plugin reads containerd's `default_runtime_name`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.engines.dependents import containerd_tasks
from shim.engines.registration import Proposal
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.registration import Registration, Request
    from shim.engines.tree import Tree

NAME = "nerdctl"
SERVICE = ""
APPLY = ""


def install(tree: Tree, request: Request) -> Proposal:
    """Return no file, only instructions. Raises ShimError for a default, which nerdctl does not have."""
    if request.as_default:
        raise ShimError(
            "no-default",
            "nerdctl has no setting for a default runtime",
            evidence=("nerdctl.toml(5) has no such key, and containerd's own is for CRI only",),
            remedy=(f"name it for each container: nerdctl run --runtime {request.binary} ...",),
        )
    note = f"nerdctl needs no entry: nerdctl run --runtime {request.binary} ..."
    return Proposal(name=request.binary, files=(), notes=(note,), wrapped="runc")


def remove(tree: Tree, request: Request) -> Proposal:
    """No file."""
    return Proposal(name=request.binary, files=(), remembered=containerd_tasks(tree, request.binary))


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Never."""
    return ()
