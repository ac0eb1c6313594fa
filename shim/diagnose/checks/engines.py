"""Checks of how engines are installed and configured."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

SNAP = "/snap/docker/current"


def docker_from_snap(facts: Facts, words: Words) -> tuple[str, ...]:
    """Docker is installed as a snap."""
    return (f"{SNAP}: present",) if facts.exists(SNAP) else ()
