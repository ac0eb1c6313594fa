"""Keys in another case: found, and spelled as in the specification, with every other byte as it was.

What counts as the same key is Go's encoding/json, "preferring an exact match but also accepting a case-insensitive
match", with Unicode's simple folding: LATIN SMALL LETTER LONG S is an s, KELVIN SIGN a k.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.oci.spelling import DOCUMENT, RESOURCES, odd, spelled

AS_IT_IS = '{"ociVersion": "1", "linux" : {"resources":{"memory":{"limit" : 1}, "unified": {"Memory.Max": "1"}}}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Linux":{"RESOURCES":{"Memory":{"Limit":1}}}}', '{"linux":{"resources":{"memory":{"limit":1}}}}'),
        ('{"linux":{"CgroupsPath" : "/Memory"}}', '{"linux":{"cgroupsPath" : "/Memory"}}'),
        (
            '{"linux":{"resources":{"hugepageLimits":[{"pagesize":"2MB","Limit":1},{"pageSize":"1GB"}]}}}',
            '{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"1GB"}]}}}',
        ),
        (
            '{"linux":{"resources":{"rdma":{"MLX5":{"HcaHandles":1}},"Pids":null}}}',
            '{"linux":{"resources":{"rdma":{"MLX5":{"hcaHandles":1}},"pids":null}}}',
        ),
        ('{"Annotations":{"Linux":"x"},"Other":{"Linux":1}}', '{"annotations":{"Linux":"x"},"Other":{"Linux":1}}'),
        ('{"\\u004cinux":{}}', '{"linux":{}}'),
        ('{"linux":{"re\u017fource\u017f":{}}}', '{"linux":{"resources":{}}}'),
        ('{"hoo\u212as":{"PreStart":[]}}', '{"hooks":{"prestart":[]}}'),
    ],
)
def test_spelled(text: str, expected: str) -> None:
    """The keys and nothing else; afterwards there is nothing odd in it."""
    assert odd(json.loads(text), DOCUMENT)
    assert spelled(text, DOCUMENT) == expected
    assert not odd(json.loads(expected), DOCUMENT)


def test_as_it_is() -> None:
    """Exact keys, and keys of maps, whatever their case."""
    assert not odd(json.loads(AS_IT_IS), DOCUMENT)
    assert spelled(AS_IT_IS, DOCUMENT) == AS_IT_IS


def test_of_an_update() -> None:
    """The resources object by itself."""
    assert spelled('{"CPU":{"Shares":2}}', RESOURCES) == '{"cpu":{"shares":2}}'


CASES = st.tuples(st.sampled_from(["limit", "swap", "reservation", "x"]), st.booleans())


@pytest.mark.property
@given(st.lists(CASES, unique=True), st.integers(), st.sampled_from(["", " ", "\n  "]))
def test_values_stay(cases: list[tuple[str, bool]], value: int, blank: str) -> None:
    """As many members as before, with the values that they had, in the same order."""
    inside = ",".join(f'{blank}"{name.upper() if upper else name}"{blank}:{value}' for name, upper in cases)
    text = f'{{"memory":{{{inside}}}}}'
    found = json.loads(spelled(text, RESOURCES), object_pairs_hook=list)[0][1]
    assert [(key if key != "X" else "x", one) for key, one in found] == [(name, value) for name, _ in cases]
