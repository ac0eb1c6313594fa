"""Reads a stored diagnosis: from the fields that were kept with it, or from its text alone.

Version 0.1 kept only the text, and only text comes through a runtime from a hook of ours.
"""

from __future__ import annotations

from shim.diagnose.diagnosis import Diagnosis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TEXTS, LISTS = ("code", "verdict", "cause", "reference", "raw", "tell"), ("evidence", "remedy", "others")
HEAD = "cgshim: "
LINES = {"  cause": "cause", "  evidence": "evidence", "  remedy": "remedy", "  see": "reference", "  runtime": "raw"}


def read_back(kept: dict[str, Any]) -> Diagnosis | None:
    """Return the diagnosis from a result of `shim.state.failures.recall`; None for a text of another form."""
    parts = kept.get("diagnosis")
    if not isinstance(parts, dict) or not isinstance(parts.get("verdict"), str):
        parts = _parts_of(str(kept["text"]))
    return _of_parts(parts) if parts else None


def _parts_of(text: str) -> dict[str, Any]:
    """Return the fields of `cgshim: VERDICT [CODE]` and the lines ` KEY: VALUE` below it; {} for a text of another
    form.
    """
    first, *rest = text.split("\n")
    verdict, found, code = first.rpartition(" [")
    if not found or not first.startswith(HEAD) or not code.endswith("]"):
        return {}
    fields: dict[str, list[str]] = {name: [] for name in LINES.values()}
    for line in rest:
        key, _, value = line.partition(": ")
        if key in LINES:
            fields[LINES[key]].append(value)
    joined = {name: " ".join(fields[name]) for name in ("cause", "reference")}
    return {"code": code[:-1], "verdict": verdict[len(HEAD) :], **fields, **joined, "raw": "\n".join(fields["raw"])}


def _of_parts(parts: dict[str, Any]) -> Diagnosis:
    """Build it from the fields of `render.as_dict` and `failures.parts_of`; fields of another type are left out."""
    fields: dict[str, Any] = {name: parts[name] for name in TEXTS if isinstance(parts.get(name), str)}
    fields.update({name: _texts(parts.get(name)) for name in LISTS})
    causes = parts.get("causes")
    fields["causes"] = (
        tuple(_of_parts(one) for one in causes if isinstance(one, dict)) if isinstance(causes, list) else ()
    )
    fields["confirmed"] = parts.get("confirmed", bool(fields["evidence"])) is True
    return Diagnosis(**{"code": "", "verdict": "", **fields})


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
