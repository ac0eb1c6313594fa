"""Applies edits to an object's own text, by the same rules as to its value (shim.rules.base.apply_to_value)."""

from __future__ import annotations

from shim.oci.text import Member, dump, members, of_any_depth, skip
from shim.rules.base import apply_to_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from shim.rules.base import Edit


def apply_to_text(text: str, edits: Iterable[Edit]) -> str:
    """Return the object's text with the edits spliced in. All other bytes are unchanged."""
    start = skip(text, 0)
    for edit in edits:
        text = _spliced(text, start, edit.path, edit)
    return text


def _spliced(text: str, start: int, path: tuple[str, ...], edit: Edit) -> str:
    found, _ = members(text, start, of_any_depth())
    index = next((i for i, member in enumerate(found) if member.key == path[0]), None)
    if index is None:
        return text if edit.op == "remove" else _added(text, start, found, path, edit.value)
    member = found[index]
    deeper = len(path) > 1 and isinstance(member.value, dict)
    if edit.op == "remove":
        if len(path) > 1 and not deeper:
            return text
        if not deeper or not apply_to_value(member.value, [edit.changed(path=path[1:])]):
            return _without(text, found, index)
    elif not deeper:
        return text[: member.value_start] + dump(_nested(path[1:], edit.value)) + text[member.end :]
    return _spliced(text, member.value_start, path[1:], edit)


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _without(text: str, found: list[Member], index: int) -> str:
    """Return the text without one member and its comma."""
    if index > 0:
        return text[: found[index - 1].end] + text[found[index].end :]
    if len(found) > 1:
        return text[: found[0].start] + text[found[1].start :]
    return text[: found[0].start] + text[found[0].end :]


def _added(text: str, start: int, found: list[Member], path: tuple[str, ...], value: Any) -> str:
    """Return the text with a member added at the end, in the layout of its neighbours."""
    inside = dump(_nested(path[1:], value))
    if not found:
        return text[: start + 1] + f"{dump(path[0])}: {inside}" + text[start + 1 :]
    last = found[-1]
    before = found[-2].end if len(found) > 1 else start
    lead = text[text.index(",", before) + 1 : last.start] if len(found) > 1 else text[start + 1 : last.start]
    colon = text[last.start + len(dump(last.key)) : last.value_start] if last.key.isascii() else ": "
    if colon.strip() != ":":
        colon = ": "
    return text[: last.end] + f",{lead}{dump(path[0])}{colon}{inside}" + text[last.end :]
