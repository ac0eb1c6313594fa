"""The last diagnosis, for `cgshimctl explain --last`: some engines discard the output of a hook or a runtime.

One file, `last.json` in cgshim's state directory, that only its owner can read. The next failure replaces it. The
newest failures are also kept one by one (`cgshimctl failures`).
"""

from __future__ import annotations

import time

from shim import system
from shim.errors import printable_line
from shim.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shim.errors import ShimError

FILE = "last.json"
SCHEMA = 1
RECENT = 60  # seconds: a hook fails just before its runtime does
MOST = 64 << 10  # characters of one diagnosis
FAILURES = "failures"  # directory of the newest failures
SHORT = 8  # characters of an id that identify a container
KEPT = 100  # failures in it; the oldest are removed first


def remember(
    text: str,
    code: str,
    container: str = "",
    environment: Mapping[str, str] | None = None,
    parts: dict[str, Any] | None = None,
) -> None:
    """Keep a diagnosis. Never raises: an error here must not hide the failure itself.

    parts: its fields by the names in shim.diagnose.diagnosis, if the caller has more than the text.
    """
    value = {"schema": SCHEMA, "time": int(time.time()), "code": code, "container": container, "text": text[:MOST]}
    if parts is not None:
        parts = {**parts, "raw": str(parts.get("raw", ""))[: MOST // 2]}
        if sum(map(len, map(str, parts.values()))) <= MOST:
            value["diagnosis"] = parts
    place = files.directory(system.environment() if environment is None else environment)
    try:
        files.write(place, FILE, value)
        files.write(system.join(place, FAILURES), f"{time.time_ns()}.json", value, KEPT)
    except Exception:  # noqa: BLE001 # whatever it is: if files run out, Python cannot even import a codec
        return


def parts_of(error: ShimError) -> dict[str, Any]:
    """Return the fields of a refusal for `remember`, with foreign text made printable."""
    return {
        "code": error.code,
        "verdict": printable_line(error.what),
        "cause": printable_line(error.cause),
        "evidence": [printable_line(fact) for fact in error.evidence],
        "remedy": [printable_line(step) for step in error.remedy],
    }


def recall(environment: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """Return the last diagnosis, None if there is none: schema, time (seconds since 1970), code, container, text, and
    the diagnosis's fields if they are known.
    """
    found = files.read(files.directory(system.environment() if environment is None else environment), FILE)
    return _usable(found)


def failures(environment: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the newest failures, newest first, at most `KEPT`, each as `recall` returns it."""
    place = files.directory(system.environment() if environment is None else environment)
    place = system.join(place, FAILURES)
    found = [_usable(files.read(place, name)) for name in sorted(files.names(place), reverse=True)]
    return [one for one in found if one is not None]


def of_container(container: str, environment: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """Return the newest failure of the container with this id, or with an id that begins with it (eight characters or
    more).
    """
    for one in failures(environment):
        known = str(one.get("container", ""))
        if known and (known == container or (len(container) >= SHORT and known.startswith(container))):
            return one
    return None


def _usable(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None or found.get("schema") != SCHEMA or not isinstance(found.get("text"), str):
        return None
    return found


def just_said_of(container: str) -> str:
    """Return the text about this container that a hook of ours kept a moment ago, "" if there is none."""
    found = recall()
    if found is None or not container or found.get("container") != container:
        return ""
    return str(found["text"]) if abs(time.time() - found.get("time", 0)) < RECENT else ""
