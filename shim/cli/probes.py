"""One small resources object for every field and every well-known `unified` key, for questions to the planner.

If a field has other values than the kernel's default, the probe uses one of them, so that reading it back proves
something.

Fields: OCI runtime-spec, config-linux.md, "Control groups". Keys: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shim.rules import fields, keyspec
from shim.rules.fieldspec import background
from shim.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.rules.fields import FieldSpec


class Probe(Value):
    """name: the probe's field, for people. resources: the probe with its requirements. beside: only the
    requirements.
    """

    name: str
    resources: dict[str, Any]
    beside: dict[str, Any]


def _field(field: FieldSpec, value: Any, name: str = "") -> Probe:
    """Return a probe for one classic field, with the fields that it requires."""
    section, _, key = field.name.partition(".")
    others = filter(None, background(field.name).beside.split(","))
    beside = {other.partition(".")[2]: _value(fields.spec(other)) for other in others}
    resources = {section: {**beside, key: value}} if key else {section: value}
    return Probe(name=name or field.name, resources=resources, beside={section: beside} if beside else {})


def _value(field: FieldSpec) -> Any:
    return json.loads(background(field.name).probe)


def _classic() -> Iterator[Probe]:
    for field in map(fields.spec, fields.names()):
        if field.name == "memory.swap":  # two requests: no swap at all, which hosts can often grant, and a number
            limit = _value(fields.spec("memory.limit"))
            yield _field(field, limit, "memory.swap (no swap at all)")
            yield _field(field, _value(field), "memory.swap (a limit for swap)")
        elif background(field.name).probe:
            yield _field(field, _value(field))


def _key(key: str) -> Probe:
    beside = {name: KEYS[name] for name in keyspec.spec(key).beside.split(",") if name}
    resources = {"unified": {**beside, key: KEYS[key]}}
    return Probe(name=f"unified.{key}", resources=resources, beside={"unified": beside} if beside else {})


CLASSIC: tuple[Probe, ...] = tuple(_classic())
KEYS: dict[str, str] = {name.replace("<size>", "2MB"): keyspec.spec(name).probe for name in keyspec.LINES}
UNIFIED: tuple[Probe, ...] = tuple(_key(key) for key in KEYS)
ALL: tuple[Probe, ...] = (*CLASSIC, *UNIFIED)
