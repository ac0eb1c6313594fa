"""What the kernel can refuse for each interface file, directory and mount of cgroups, and what is said of it.

tests/failures/refusals.json has a row for each file and errno, and each reason for it, from the kernel's sources: `why`
is the reason, `source` the kernel's file and function. `codes` are the entries whose cause covers that reason; `says`
matches their text where it does. `also` may stand beside them: causes that the same words can have.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from shim.cli.explain import context
from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import NOT_RECOGNISED, entry_of, explain
from shim.diagnose.spoken import layout_of
from tests.diagnose.refused import texts
from tests.extent import SAMPLE
from tests.replayed import FAILURES

ROWS: list[dict[str, Any]] = json.loads((FAILURES / "refusals.json").read_text())["rows"]
SOURCE = re.compile(r"[\w/.-]+\.c\b")
UNIFIED = "unified-value-refused"  # what runc says of a key of `unified` may be that, too


def _name(row: dict[str, Any]) -> str:
    return f"{row['operation']} {row['layout']} {row['file']} {row['errno']}: {row['why']}"


def _wrong(row: dict[str, Any], program: str, found: Diagnosis, layout: str) -> str:
    """What is wrong with an answer, "" if nothing is."""
    entries = [entry_of(code) for code in ([one.code for one in found.causes] or [found.code])]
    unified = {UNIFIED} if program == "runc unified" else set()
    right = [entry for entry in entries if entry.code in {*row["codes"], *unified}]
    beside = {entry.code for entry in entries} - {*row["codes"], *row.get("also", ()), *unified}
    spoken = {entry.code: " ".join((entry.verdict, entry.cause, *entry.remedy)) for entry in right}
    said = [code for code, words in spoken.items() if re.search(row["says"], words, re.IGNORECASE)]
    if found.confirmed:
        return f"confirmed without a host: {found.code}"
    if not right or beside:
        return f"another cause: {[entry.code for entry in entries]}"
    if not said and UNIFIED not in {entry.code for entry in right}:
        return f"the reason is not said: {[entry.code for entry in right]}"
    return next((f"of another layout: {one.code}" for one in entries if layout and one.layout not in ("", layout)), "")


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_a_refusal_of_the_kernel_gets_its_cause(row: dict[str, Any]) -> None:
    """As each program would print it: in CI all of them, elsewhere every third, others for each row in turn."""
    turn = ROWS.index(row) % 3
    wrong = {}
    for number, (program, text) in enumerate(texts(row)):
        if SAMPLE and number % 3 != turn:
            continue
        found = explain(text, context(Elsewhere(), text, "", None))
        problem = found.code if found.code == NOT_RECOGNISED else _wrong(row, program, found, layout_of(text))
        if problem:
            wrong[program] = problem
    assert wrong == {}


def test_each_row_has_its_source_and_no_other_row_its_place() -> None:
    """The kernel's file is named, and a reason stands in the table once."""
    assert [row for row in ROWS if not SOURCE.search(row["source"])] == []
    assert len({_name(row) for row in ROWS}) == len(ROWS)


def test_an_answer_of_another_file_is_noticed() -> None:
    """The check can fail: the answer of one row is wrong for another."""
    row = next(row for row in ROWS if row["codes"] == ["misc-resource-unknown"])
    other = "Error: crun: write to `rdma.max`: Invalid argument"
    found = explain(other, context(Elsewhere(), other, "", None))
    assert _wrong(row, "crun", found, "").startswith("another cause")
    assert _wrong(row, "crun", found.changed(code="misc-resource-unknown"), "") == ""
    assert _wrong({**row, "says": "eclipse"}, "crun", found.changed(code="misc-resource-unknown"), "") != ""
