"""Edits: the text that they leave, and that text and value always agree."""

from __future__ import annotations

import json

import pytest

from shim.oci.edits import apply_to_text
from shim.rules.base import Edit, apply_to_value


def _set(path: str, value: object) -> Edit:
    return Edit(op="set", path=tuple(path.split("/")), value=value)


def _remove(path: str) -> Edit:
    return Edit(op="remove", path=tuple(path.split("/")))


CASES = {
    "replace": ('{ "a" : 1 , "b":2}', [_set("a", 5)], '{ "a" : 5 , "b":2}'),
    "replace-object": ('{"a":{"x":1}}', [_set("a", [1])], '{"a":[1]}'),
    "into-null": ('{"a":null}', [_set("a/b/c", 1)], '{"a":{"b":{"c":1}}}'),
    "into-empty": ('{"a":{ }}', [_set("a/b", 1)], '{"a":{"b": 1 }}'),
    "into-nothing": ("{}", [_set("a/b", "x")], '{"a": {"b":"x"}}'),
    "add-as-neighbours": (
        '{\n  "a": 1,\n  "b": 2\n}',
        [_set("c", 3)],
        '{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}',
    ),
    "add-behind-one": ('{\t"a":1\t}', [_set("b", 2)], '{\t"a":1,\t"b":2\t}'),
    "add-behind-escapes": ('{"\\u0061b": 1}', [_set("c", 2)], '{"\\u0061b": 1,"c": 2}'),
    "add-behind-delete-character": ('{"\x7f" :1}', [_set("c", 2)], '{"\x7f" :1,"c": 2}'),
    "remove-first": ('{ "a":1, "b":2 }', [_remove("a")], '{ "b":2 }'),
    "remove-middle": ('{"a":1, "b":2 ,"c":3}', [_remove("b")], '{"a":1 ,"c":3}'),
    "remove-last": ('{"a":1 , "b":2 }', [_remove("b")], '{"a":1 }'),
    "remove-only": ('{ "a":1 }', [_remove("a")], "{  }"),
    "remove-absent": ('{"a":1}', [_remove("b"), _remove("a/x"), _remove("b/c")], '{"a":1}'),
    "remove-empties-parents": ('{"a":{"b":{"c":1}},"d":2}', [_remove("a/b/c")], '{"d":2}'),
    "remove-in-an-empty-object": ('{"a":{},"d":2}', [_remove("a/b")], '{"d":2}'),
    "escaped-key-is-found": ('{"\\u0061":1}', [_set("a", 2)], '{"\\u0061":2}'),
    "white-space-in-front": ('\n {"a":1}\n', [_set("a", 2)], '\n {"a":2}\n'),
    "big-integer": ('{"a":1}', [_set("a", 2**64 - 1)], '{"a":18446744073709551615}'),
    "one-after-the-other": ('{"a":1}', [_set("b/c", 1), _remove("a"), _set("b/d", 2)], '{"b":{"c":1,"d":2}}'),
}


@pytest.mark.parametrize(("text", "edits", "expected"), CASES.values(), ids=CASES)
def test_text_after_edits(text: str, edits: list[Edit], expected: str) -> None:
    """Exactly what is named changes, in the file's own style, and the value changes likewise."""
    assert apply_to_text(text, edits) == expected
    assert json.loads(expected) == apply_to_value(json.loads(text), edits)


def test_original_value_is_left_alone() -> None:
    """Planning works on copies."""
    value = {"a": {"b": 1}, "c": [1]}
    apply_to_value(value, [_set("a/b", 2), _remove("c"), _set("d", 1)])
    assert value == {"a": {"b": 1}, "c": [1]}
