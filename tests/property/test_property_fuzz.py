"""The fuzzing targets, driven by hypothesis: what coverage drives for longer with `python -m integration.fuzz`."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.fuzz.targets import LONGEST, SEEDS, TARGETS
from shim.call import log_records
from shim.oci.text import scanner

pytestmark = pytest.mark.property
BOUNDED = settings(deadline=None, max_examples=200)
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"d800", b"\n", b" ", b"0", b"-", b"e"]),
    st.sampled_from([b"true", b"null", b"NaN", b"Infinity", b"1e999", b'"linux"', b'"level"', b'"error"', b'"msg"']),
    st.sampled_from([seed for seeds in SEEDS.values() for seed in seeds]),
)


@pytest.mark.parametrize("target", TARGETS)
@BOUNDED
@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_any_bytes(target: str, data: bytes) -> None:
    """Pieces of JSON and of anything else."""
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@BOUNDED
@given(data=st.data())
def test_damaged_seeds(target: str, data: st.DataObject) -> None:
    """A real text with a few of its bytes changed."""
    changed = bytearray(data.draw(st.sampled_from(SEEDS[target])))
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    TARGETS[target](bytes(changed))


@pytest.mark.parametrize("target", TARGETS)
def test_random_bytes(target: str) -> None:
    """Two thousand inputs, the same each time."""
    source = random.Random(1)
    for _ in range(2000):
        TARGETS[target](source.randbytes(source.randrange(60)))


@pytest.mark.parametrize("piece", ["{", '{"a":', '{"', '{"a":"', '{"a":[1,', "[" * 500 + "{", '{"level":"error",'])
def test_work_of_the_log_parser_is_bounded(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of braces that end nowhere: each would be walked down to its depth again. After a thousand it is enough."""
    asked = 0
    scan = scanner()

    def counted(text: str, start: int) -> tuple[Any, int]:
        nonlocal asked
        asked += 1
        return scan(text, start)

    monkeypatch.setattr(log_records, "scanner", lambda: counted)
    assert log_records.records(piece * (LONGEST // len(piece))) == ()
    assert asked == min(1000, LONGEST // len(piece) * piece.count("{"))
