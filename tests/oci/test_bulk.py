"""The end of a large profile: where the scanner finds it, or nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shim.oci import bulk, document
from shim.oci.text import Malformed, scanner

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
    ],
}
LARGE = {**PROFILE, "syscalls": [{"names": [f"call_{number}"], "action": "A"} for number in range(4000)]}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _scanned(text: str, start: int) -> int:
    return scanner()(text, start)[1]


AROUND: list[dict[str, Any]] = [
    {"linux": {"seccomp": PROFILE}},
    {"linux": {"seccomp": PROFILE, "maskedPaths": ["/proc/kcore"]}, "annotations": {"a": "b"}},
    {"linux": {"a": {"b": {}}, "seccomp": PROFILE, "intelRdt": {"closID": "x"}, "resources": {"unified": {}}}},
    {"linux": {"seccomp": {}, "resources": {"pids": {"limit": 1}}}, "hooks": {}},
]


@pytest.mark.parametrize("value", AROUND, ids=["last", "before-paths", "before-objects", "empty"])
def test_end_is_where_the_scanner_finds_it(value: dict[str, Any]) -> None:
    """Whatever stands before and behind it, in either object."""
    text = _compact(value)
    assert bulk.end(text, _start(text)) == _scanned(text, _start(text))


LEFT = {
    "white-space": json.dumps({"linux": {"seccomp": PROFILE}}),
    "slash": _compact({"linux": {"seccomp": {**PROFILE, "listenerPath": "/run/seccomp.sock"}}}),
    "apostrophe": _compact({"linux": {"seccomp": {**PROFILE, "listenerMetadata": "it's"}}}),
    "member-behind-an-object": _compact({"linux": {"seccomp": {"a": {"b": 1}, "c": 2}}}),
    "much-behind-it": _compact({"linux": {"seccomp": PROFILE, "maskedPaths": ["/a"] * 10_000}}),
    "not-in-an-object-in-an-object": _compact({"seccomp": PROFILE}),
    "no-letter-behind-it": _compact({"linux": {"seccomp": PROFILE, ",": {}}}),
    "braces-in-a-string-behind-it": _compact({"linux": {"seccomp": PROFILE}, "annotations": {"a": "}{{"}}),
    "unfinished": _compact({"linux": {"seccomp": PROFILE}})[:-1],
    "something-behind-the-document": _compact({"linux": {"seccomp": PROFILE}}) + "x",
    "malformed-behind-it": _compact({"linux": {"seccomp": PROFILE, "a": 1}}).replace('"a":1', '"a":1,'),
}


def _start(text: str) -> int:
    return text.index("{", text.index('"seccomp"'))


@pytest.mark.parametrize("text", LEFT.values(), ids=list(LEFT))
def test_what_is_not_certain_is_left_to_the_scanner(text: str) -> None:
    """No guess: -1."""
    assert bulk.end(text, _start(text)) == -1


# Made of the pieces that could lead astray: braces and quotes in strings, escapes, members in any order.
STRINGS = st.lists(st.sampled_from(['"', "}", "{", "},", ":", ",", "\\", "a", "]", "é"]), max_size=4).map("".join)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=4,
)
OBJECTS = st.dictionaries(STRINGS, VALUES, max_size=3)
NAMED = st.dictionaries(STRINGS.map("k{}".format), VALUES, max_size=3)


@pytest.mark.property
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(before=NAMED, profile=OBJECTS, behind=NAMED | OBJECTS, outside=NAMED | OBJECTS)
@example(before={}, profile={"a": '},"x":{'}, behind={}, outside={})
@example(before={}, profile={"a": "}}"}, behind={"b": "}"}, outside={})
@example(before={}, profile={}, behind={"x": {}}, outside={"linux": {"seccomp": {}}})
def test_well_formed_document_never_misleads(
    before: dict[str, Any], profile: dict[str, Any], behind: dict[str, Any], outside: dict[str, Any]
) -> None:
    """For any document: the end that the scanner finds, or none."""
    text = _compact({"linux": {**before, "seccomp": profile, **behind}, **outside})
    assert bulk.end(text, _start(text)) in (-1, _scanned(text, _start(text)))


@pytest.mark.property
@given(st.text(alphabet='{}[]",:a1\\', max_size=40))
@example('},"a":{"b":1')
@example('"a":"},"')
def test_any_text_inside_never_misleads(inside: str) -> None:
    """If the document is JSON after all, the end is right; if not, the runtime refuses it."""
    text = '{"linux":{"seccomp":{' + inside + '},"rootfsPropagation":"x"}}'
    found = bulk.end(text, _start(text))
    try:
        json.loads(text)
    except ValueError:
        return
    assert found in (-1, _scanned(text, _start(text)))


def _text(**others: Any) -> str:
    return _compact({"ociVersion": "1.0.2", "linux": {"resources": {"pids": {"limit": 9}}, "seccomp": LARGE, **others}})


def test_large_profile_is_neither_read_nor_changed() -> None:
    """The document is the same as with a small one, and a section behind the profile is found and replaced."""
    text = _text(cgroupsPath="/a")
    found = document.load(text, "config.json")
    assert found.value["linux"] == {"resources": {"pids": {"limit": 9}}, "seccomp": None, "cgroupsPath": "/a"}
    assert json.loads(found.section("linux", "seccomp")) == LARGE
    changed = found.replaced({("linux", "cgroupsPath"): '"/b"', ("linux", "resources"): "{}", ("hooks",): "[1]"})
    wanted = text.replace('"/a"', '"/b"').replace('{"pids":{"limit":9}}', "{}").replace("{", '{"hooks":[1],', 1)
    assert changed == wanted


def test_large_profile_that_is_malformed_is_the_runtimes_to_refuse() -> None:
    """What cannot be told from a good one by its ends goes through as it stands."""
    text = _text().replace('"action":"A"', '"action":A')
    found = document.load(text, "config.json")
    assert found.replaced({}) == text


def test_small_profile_is_still_checked() -> None:
    """Below the bound the place of the fault is named."""
    text = _compact({"linux": {"seccomp": PROFILE}}).replace('"index":0', '"index":x')
    with pytest.raises(Exception, match="is not a usable OCI configuration"):
        document.load(text, "config.json")
    with pytest.raises(Malformed):
        scanner()(text, 0)
