"""A diagnosis that was given before: from the fields that were kept with it, or from its text alone.

The text, the other direction of `render` and `ShimError.text`, is what earlier versions kept, and all that there is of
what a hook said through its runtime.
"""

from __future__ import annotations

import re

from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.render import NO_CAUSE, SAID, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = re.compile(r"cgshim: (?P<verdict>.*) \[(?P<code>[a-z0-9-]+)\]")
KEYS = ("cause", "evidence", "remedy", "see", "tell")
TEXTS, LISTS = ("code", "verdict", "cause", "reference", "raw", "tell"), ("evidence", "remedy", "others")
ONE_OF = re.compile(r"  \d\. (?P<verdict>.*) \[(?P<code>[a-z0-9-]+)\]")


def read_back(kept: dict[str, Any]) -> Diagnosis | None:
    """The diagnosis in what `shim.state.failures.recall` gives; None for a text of another form."""
    parts = kept.get("diagnosis")
    if isinstance(parts, dict) and isinstance(parts.get("verdict"), str):
        return _of_parts(parts)
    first, *rest = str(kept["text"]).split("\n")
    head = HEAD.fullmatch(first)
    if head is None:
        return _unknown(str(kept["text"]))
    found: dict[str, list[str]] = {key: [] for key in (*KEYS, "said")}
    causes: list[Diagnosis] = []
    for line in rest:
        one = ONE_OF.fullmatch(line)
        if one is not None:
            causes.append(Diagnosis(code=one["code"], verdict=one["verdict"]))
            continue
        if causes and line.startswith(("  tell: ", "  remedy: ")):
            causes[-1] = _with(causes[-1], line.strip())
            continue
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
        tell=" ".join(found["tell"]),
        others=tuple(one.code for one in causes),
        causes=tuple(causes),
    )


def _of_parts(parts: dict[str, Any]) -> Diagnosis:
    """From the fields as `render.as_dict` and `failures.parts_of` have them; what is of another type is left out."""
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


def _with(cause: Diagnosis, line: str) -> Diagnosis:
    """One of several causes with a line of its own: how to tell it, or what to do."""
    key, _, value = line.partition(": ")
    return cause.changed(tell=value) if key == "tell" else cause.changed(remedy=(*cause.remedy, value))


def _unknown(text: str) -> Diagnosis | None:
    """A message without a known cause: the runtime's own words with our line below them."""
    words, found, _ = text.partition(f"\n{NO_CAUSE}")
    if not found:
        return None
    raw = words.replace(f"\n{SAID}", "\n")
    return Diagnosis(code=UNKNOWN, verdict="no cause is known for this message", raw=raw)
