"""A diagnosis that was given before, read back from its text: the other direction of `render` and `ShimError.text`."""

from __future__ import annotations

import re

from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.render import SAID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = re.compile(r"cgshim: (?P<verdict>.*) \[(?P<code>[a-z0-9-]+)\]")
KEYS = ("cause", "evidence", "remedy", "see")


def read_back(kept: dict[str, Any]) -> Diagnosis | None:
    """The diagnosis in what `shim.state.last.recall` gives; None for a text of another form."""
    first, *rest = str(kept["text"]).split("\n")
    head = HEAD.fullmatch(first)
    if head is None:
        return None
    found: dict[str, list[str]] = {key: [] for key in (*KEYS, "said")}
    for line in rest:
        key, colon, value = line.strip().partition(": ")
        if line.startswith(SAID):
            found["said"].append(line[len(SAID) :])
        elif colon and key in KEYS:
            found[key].append(value)
    return Diagnosis(
        code=head["code"],
        verdict=head["verdict"],
        cause=" ".join(found["cause"]),
        evidence=tuple(found["evidence"]),
        remedy=tuple(found["remedy"]),
        reference=" ".join(found["see"]),
        raw="\n".join(found["said"]),
        confirmed=bool(found["evidence"]),
    )
