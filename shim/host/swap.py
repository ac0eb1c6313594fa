"""Swap: whether this host has any, and whether a cgroup can limit it."""

from __future__ import annotations

from shim.host.facts import Fact
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Placement
    from shim.host.interface import Answer, Interface
    from shim.host.view import View

SWAPS = "/proc/swaps"
FILES = {1: "memory.memsw.limit_in_bytes", 2: "memory.swap.max"}


def accounting(interface: Interface, memory: Placement, answers: dict[str, Answer]) -> Fact:
    """Whether swap is charged to cgroups. The file exists exactly if it is, with or without a swap device."""
    name = FILES.get(memory.version)
    if name is None:
        return Fact(value=False, evidence=f"no memory controller: {memory.evidence}")
    value, evidence = answers.get(name) or interface.look(name, memory)
    return Fact(value=value, evidence=evidence)


def present(view: View) -> Fact:
    """Whether any swap is in use, zram included. A kernel without CONFIG_SWAP has no /proc/swaps."""
    text = view.text(SWAPS)
    if text is None:
        known = view.why(SWAPS).endswith(": ENOENT") and view.exists("/proc/self")
        return Fact(value=False if known else None, evidence=view.why(SWAPS))
    areas = text.splitlines()[1:]
    return Fact(value=bool(areas), evidence=quote(SWAPS, "\n".join(areas)) if areas else f"{SWAPS}: no swap area")
