"""The table of all known failures; loaded only after a failure or by `cgshimctl`."""

from __future__ import annotations

from shim.diagnose.catalogue import areas_of_hosts, areas_of_programs
from shim.diagnose.entry import Entry

AREAS: tuple[tuple[str, tuple[Entry, ...]], ...] = (*areas_of_hosts.AREAS, *areas_of_programs.AREAS)
ENTRIES: tuple[Entry, ...] = tuple(entry for _, entries in AREAS for entry in entries)
