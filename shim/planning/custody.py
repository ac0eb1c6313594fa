"""Limits in cgshim's own keeping: annotation `io.cgshim.bridge`.

What the bridge sets in cgroup2 has no place in `linux.resources` of a v1 container, so it leaves them. The annotation
keeps it as cgroup2 `file: value` pairs: for a later start from the same bundle, for the hook, and for the day on
which the host boots another layout and the runtime can take them again.
"""

from __future__ import annotations

from shim.oci.text import Malformed, dump, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Expectation

ANNOTATION = "io.cgshim.bridge"


def read(annotations: Any) -> dict[str, str]:
    """The limits in keeping, {} where there are none or the annotation is not ours."""
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    try:
        value = parse(text) if isinstance(text, str) else None
    except Malformed:
        return {}
    if not isinstance(value, dict):
        return {}
    return {file: limit for file, limit in value.items() if isinstance(limit, str)}


def returned(resources: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
    """Resources with the kept limits back in their `unified`; a key that stands there already wins."""
    return {**resources, "unified": {**kept, **(resources.get("unified") or {})}} if kept else resources


def write(bridge: tuple[Expectation, ...]) -> str:
    """The annotation's value; a file with a line for each device has them all."""
    kept: dict[str, str] = {}
    for limit in bridge:
        kept[limit.file] = f"{kept[limit.file]}\n{limit.value}" if limit.file in kept else limit.value
    return dump(kept)
