"""The report of the changes for one container: one JSON object in its annotation `io.cgshim.report`."""

from __future__ import annotations

from shim import __version__
from shim.oci.text import Malformed, dump, parse
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.host.facts import Host
    from shim.planning.plan import Plan
    from shim.rules.base import Note

ANNOTATION = "io.cgshim.report"
SCHEMA = 1


class Circumstances(Value):
    """What the plan was made for: the real runtime's path, the operation, and the policy with its origin."""

    runtime: str
    operation: str
    policy: str
    policy_origin: str


def note_object(note: Note) -> dict[str, str]:
    """Return a note as JSON, with `lost` only if there is a loss. A key of `unified` may be foreign text."""
    fields = {"field": note.field, "effect": note.effect, "kind": note.kind, "code": note.code, "reason": note.reason}
    fields = {**fields, "lost": note.lost} if note.lost else fields
    return fields if "".join(fields.values()).isprintable() else _printable(fields)


def _printable(fields: dict[str, str]) -> dict[str, str]:
    from shim.errors import printable_line as line

    return {name: line(text) for name, text in fields.items()}


def build(plan: Plan, resources: dict[str, Any], host: Host, circumstances: Circumstances) -> dict[str, Any]:
    """Return the report: schema, cgshim, host, runtime, operation, policy, changes (notes) and edits with `old`."""
    edits = []
    for edit in plan.edits:
        entry: dict[str, Any] = {"op": edit.op, "path": "linux.resources." + ".".join(edit.path)}
        old = _old(resources, edit.path)
        if old is not None:
            entry["old"] = old
        if edit.op == "set":
            entry["new"] = edit.value
        edits.append(entry)
    return {
        "schema": SCHEMA,
        "cgshim": __version__,
        "host": host.layout,
        "runtime": circumstances.runtime,
        "operation": circumstances.operation,
        "policy": circumstances.policy,
        "changes": [note_object(note) for note in plan.changes],
        "edits": edits,
    }


def _old(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # the annotation may be anybody's text


def annotation(report: dict[str, Any], earlier: Any) -> str:
    """Return the annotation's value. Earlier calls on the same bundle stay in it, in front."""
    if isinstance(earlier, str):
        try:
            before = parse(earlier)
        except Malformed:
            before = None
        if isinstance(before, dict) and before.get("schema") == SCHEMA:
            for key in ("changes", "edits"):
                report = {**report, key: _list(before.get(key)) + report[key]}
    return dump(report)
