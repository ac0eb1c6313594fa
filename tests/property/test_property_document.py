"""Documents of any shape: what is not named stays byte for byte, and what is written is JSON with the same meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.oci import document
from shim.oci.edits import apply_to_text
from shim.oci.text import dump, parse
from shim.rules.base import Edit, apply_to_value

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.property
BOUNDED = settings(deadline=None, max_examples=60)

KEYS = st.one_of(st.sampled_from(["linux", "resources", "annotations", "memory", "a", "é", ""]), st.text(max_size=6))
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
BLANKS = st.text(alphabet=" \t\r\n", max_size=3)


@st.composite
def written(draw: Callable[[Any], Any], value: Any) -> str:
    """`value` as some JSON text: any white space, and each string with any of the escapes that it may have."""

    def blank() -> str:
        found: str = draw(BLANKS)
        return found

    if isinstance(value, str):
        text: str = json.dumps(value, ensure_ascii=draw(st.booleans()))
        return text.replace("/", "\\/") if draw(st.booleans()) else text
    if isinstance(value, dict):
        members = [
            f"{blank()}{draw(written(key))}{blank()}:{blank()}{draw(written(item))}{blank()}"
            for key, item in value.items()
        ]
        return "{" + (",".join(members) or blank()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(f"{blank()}{draw(written(item))}{blank()}" for item in value) or blank()) + "]"
    return json.dumps(value)


@BOUNDED
@given(VALUES)
def test_dump_and_parse_are_inverse(value: Any) -> None:
    """What is dumped reads back equal, here and in the json module, digit by digit."""
    assert parse(dump(value)) == value
    assert json.loads(dump(value)) == value
    assert dump(value).isascii()


@BOUNDED
@given(st.data())
def test_any_text_of_a_value_is_read(data: st.DataObject) -> None:
    """White space and escapes do not matter."""
    value = data.draw(VALUES)
    assert parse(data.draw(written(value))) == value


@BOUNDED
@given(st.text(alphabet='{}[]:,"\\ \n0123456789truefalsn.eE+-\x00é', max_size=30))
def test_what_is_no_json_is_malformed(text: str) -> None:
    """The same texts are JSON to us and to the json module, which of the others none gets another exception."""
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            parse(text)
    else:
        assert parse(text) == expected


@st.composite
def configurations(draw: Callable[[Any], Any]) -> tuple[str, str, str]:
    """A document in three parts: before, the resources' text, and behind; with duplicate keys outside of it."""
    resources = draw(OBJECTS)

    def members(taken: str) -> list[str]:
        """Members of any kind; a key may come twice."""
        found = draw(st.lists(st.tuples(KEYS, VALUES), max_size=4))
        return [f"{draw(written(k))}{draw(BLANKS)}:{draw(BLANKS)}{draw(written(v))}" for k, v in found if k != taken]

    def joined(parts: list[str]) -> str:
        return f",{draw(BLANKS)}".join(parts)

    mark = "\0resources\0"
    inside = [*members("resources"), f'"resources"{draw(BLANKS)}:{draw(BLANKS)}{mark}', *members("resources")]
    around = [*members("linux"), f'"linux":{draw(BLANKS)}{{{joined(inside)}}}', *members("linux")]
    text = f"{draw(BLANKS)}{{{draw(BLANKS)}{joined(around)}{draw(BLANKS)}}}{draw(BLANKS)}"
    before, after = text.split(mark)
    return before, draw(written(resources)), after


@BOUNDED
@given(configurations(), VALUES)
def test_bytes_outside_the_resources_stay(parts: tuple[str, str, str], value: Any) -> None:
    """Replacing the resources replaces their text and not one character more."""
    before, old, after = parts
    loaded = document.load(before + old + after, "config.json")
    assert loaded.section("linux", "resources") == old
    assert loaded.replaced({("linux", "resources"): dump(value)}) == before + dump(value) + after


@BOUNDED
@given(configurations())
def test_added_annotations_stand_in_front(parts: tuple[str, str, str]) -> None:
    """A section that was absent is one insertion behind the first brace."""
    text = "".join(parts)
    loaded = document.load(text, "config.json")
    if ("annotations",) in loaded.spans:
        return
    made = loaded.replaced({("annotations",): '{"k":"v"}'})
    opening = text.index("{") + 1
    assert made == text[:opening] + '"annotations":{"k":"v"},' + text[opening:]
    assert parse(made)["annotations"] == {"k": "v"}


PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
EDITS = st.lists(
    st.one_of(
        st.builds(lambda path, value: Edit(op="set", path=path, value=value), PATHS, VALUES),
        st.builds(lambda path: Edit(op="remove", path=path), PATHS),
    ),
    max_size=4,
)


@BOUNDED
@given(st.data(), EDITS)
def test_text_and_value_agree_after_edits(data: st.DataObject, edits: list[Edit]) -> None:
    """What planning sees after an edit is what stands in the file."""
    value = data.draw(OBJECTS)
    text = data.draw(written(value))
    assert parse(apply_to_text(text, edits)) == apply_to_value(value, edits)


@BOUNDED
@given(st.data(), PATHS)
def test_removing_what_is_not_there_changes_nothing(data: st.DataObject, path: tuple[str, ...]) -> None:
    """An edit without an effect leaves the very same text."""
    value = data.draw(OBJECTS)
    text = data.draw(written(value))
    edits = [Edit(op="remove", path=path)]
    if apply_to_value(value, edits) == value:
        assert apply_to_text(text, edits) == text
