"""The last diagnosis, where `cgshimctl explain --last` finds it: some engines throw a hook's or runtime's words away.

One file, `last.json` in cgshim's state directory, readable for its owner alone; the next failure replaces it.
"""

from __future__ import annotations

import time

from shim import system
from shim.state import kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "last.json"
SCHEMA = 1
RECENT = 60  # seconds: a hook speaks just before its runtime gives up
MOST = 64 << 10  # characters of one diagnosis


def remember(text: str, code: str, container: str = "", environment: Mapping[str, str] | None = None) -> None:
    """Keep a diagnosis. Never fatal: a failure to keep it must not hide the failure that it tells of."""
    value = {"schema": SCHEMA, "time": int(time.time()), "code": code, "container": container, "text": text[:MOST]}
    try:
        kept.write(kept.directory(system.environment() if environment is None else environment), FILE, value)
    except Exception:  # noqa: BLE001 # of whatever kind: where files run out, Python cannot even import a codec
        return


def recall(environment: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """What was remembered last, None if nothing was: schema, time (seconds since 1970), code, container, text."""
    found = kept.read(kept.directory(system.environment() if environment is None else environment), FILE)
    if found is None or found.get("schema") != SCHEMA or not isinstance(found.get("text"), str):
        return None
    return found


def just_said_of(container: str) -> str:
    """The text about this container that a hook of ours left a moment ago, "" if none did."""
    found = recall()
    if found is None or not container or found.get("container") != container:
        return ""
    return str(found["text"]) if abs(time.time() - found.get("time", 0)) < RECENT else ""
