"""The types of `linux.resources`, checked before anything is planned.

The fields of shim.rules.fields and the types of the runtime-spec's JSON schema (schema/defs.json). All problems are
collected, so that one run names them all. Ranges that only the kernel knows are the rules' business.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.host import names
from shim.oci import cgroups_path as configured
from shim.rules import fields
from shim.rules.base import Problem
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Integer(Value):
    """A whole number in a range, both ends included."""

    name: str
    least: int
    most: int


class Each(Value):
    """An object whose values are all of one type.

    key: what is wrong with a key, "" if nothing is (shim.host.names). like: an example of one that may be used.
    most: how many there may be: planning, setting and reading back cost something for each.
    """

    of: Any
    key: Any
    like: str
    most: int


class Items(Value):
    """An array of at most `most` items that are all of one type."""

    of: Any
    most: int = 4096


class Name(Value):
    """A string that becomes part of a path or of a line for the kernel; as the keys of `Each`."""

    key: Any
    like: str


SHOWN, MOST, TOLD = 80, 200, 50  # characters of a name and of a field in a message, and problems in it

INT64 = Integer(name="int64", least=-(1 << 63), most=(1 << 63) - 1)
UINT64 = Integer(name="uint64", least=0, most=(1 << 64) - 1)
UINT32 = Integer(name="uint32", least=0, most=(1 << 32) - 1)
UINT16 = Integer(name="uint16", least=0, most=(1 << 16) - 1)
INTERFACE = Name(key=names.network_interface, like="eth0")

# dict: an object with these members (others are unknown and left alone); list of one: an array of that,
# for engines write a rule for each device of a host.
TYPES: dict[str, Any] = {
    "int64": INT64,
    "uint64": UINT64,
    "uint32": UINT32,
    "uint16": UINT16,
    "boolean": bool,
    "string": str,
    "weights": Items(of={"major": INT64, "minor": INT64, "weight": UINT16, "leafWeight": UINT16}),
    "rates": Items(of={"major": INT64, "minor": INT64, "rate": UINT64}),
    "hugepages": Items(of={"pageSize": str, "limit": UINT64}, most=512),
    "priorities": Items(of={"name": INTERFACE, "priority": UINT32}),
    "rdma": Each(of={"hcaHandles": UINT32, "hcaObjects": UINT32}, key=names.rdma_device, like="mlx5_0", most=512),
    "devices": [{"allow": bool, "type": str, "major": INT64, "minor": INT64, "access": str}],
    "keys": Each(of=str, key=names.interface_file, like="memory.max: letters, digits, _ and dots", most=512),
}


class Duplicate(Exception):
    """A key that stands twice in one object. No ValueError: to the scanner that would be malformed JSON."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def agreeing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members as a dict; raises Duplicate where a key comes twice with different values."""
    value = dict(pairs)
    if len(value) != len(pairs):
        for key, one in pairs:
            if repr(one) != repr(value[key]):
                raise Duplicate(key)
    return value


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members as a dict; raises Duplicate where a key comes twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise Duplicate(next(key for key in keys if keys.count(key) > 1))
    return value


def check(value: Any, where: str = "linux.resources") -> tuple[Problem, ...]:
    """Every member of a resources object whose type or range the runtime-spec does not allow."""
    if value is None or not isinstance(value, dict):
        return tuple(_problems(value, {}, where))
    found = (
        _problems(value[section], _shape(section), f"{where}.{section}")
        for section in fields.TABLES
        if section in value
    )
    return tuple(problem for problems in found for problem in problems)


def _shape(section: str) -> Any:
    """The type of a section; of one that is not known, any."""
    rows = fields.rows(section)
    if section in rows:
        return TYPES[rows[section][1]]
    return {name.partition(".")[2]: TYPES[words[1]] for name, words in rows.items()} or None


def _problems(value: Any, wanted: Any, where: str) -> list[Problem]:
    if value is None or wanted is None:  # null is unset to every runtime; of what is not known there is no type
        return []
    if isinstance(wanted, Integer):
        return _number(value, wanted, where)
    shape = {dict: dict, list: list, Each: dict, Items: list, Name: str}.get(type(wanted), wanted)
    if not isinstance(value, shape):
        return [_wrong(value, shape, where)]
    if isinstance(wanted, (Each, Items)) and len(value) > wanted.most:
        what = f"it has {len(value)} members, more than the {wanted.most} that are read"
        return [Problem(field=where, what=what, remedy=f"at most {wanted.most} members")]
    if isinstance(wanted, Each):
        return [problem for key in value for problem in _member(key, value[key], wanted, where)]
    if isinstance(wanted, Name):
        return _named(value, wanted, where)
    if isinstance(wanted, dict):
        return [p for key in wanted if key in value for p in _problems(value[key], wanted[key], f"{where}.{key}")]
    if isinstance(wanted, (list, Items)):
        item = wanted[0] if isinstance(wanted, list) else wanted.of
        return [p for i, one in enumerate(value) for p in _item(one, item, f"{where}[{i}]")]
    return []


def _member(key: str, value: Any, wanted: Each, where: str) -> list[Problem]:
    return _problems(value, wanted.of, f"{where}.{key}") or _named(key, wanted, f"{where}.{key}")


def _named(name: str, wanted: Each | Name, where: str) -> list[Problem]:
    what = wanted.key(name)
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return [Problem(field=where[:MOST], what=f"{shown!r}: {what}", remedy=f"a name like {wanted.like}")] if what else []


def _item(value: Any, wanted: Any, where: str) -> list[Problem]:
    """As a member, but null is no item: runc would read zeros, crun a missing field."""
    return [_wrong(value, dict, where)] if value is None else _problems(value, wanted, where)


def _number(value: Any, wanted: Integer, where: str) -> list[Problem]:
    if isinstance(value, bool) or not isinstance(value, int):
        return [_wrong(value, int, where)]
    if wanted.least <= value <= wanted.most:
        return []
    what = f"{value} is outside {wanted.name}"
    return [Problem(field=where, what=what, remedy=f"a whole number from {wanted.least} to {wanted.most}")]


def _wrong(value: Any, shape: type, where: str) -> Problem:
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a whole number"}
    found = kind(value)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        found = f"{found} ({str(value)[:40]!r})"
    return Problem(field=where, what=f"{names[shape]} was expected, found {found}", remedy=f"{names[shape]}")


def kind(value: Any) -> str:
    """The JSON name of a value's type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def cgroups_path(config: Any, path: str) -> str:
    """`linux.cgroupsPath`, "" where it is absent. Raises ShimError for one that could lead anywhere."""
    target = configured.of(config) or ""
    what = names.cgroups_path(target)
    if not what:
        return target
    shown = target if len(target) <= SHOWN else f"{target[:SHOWN]}..."
    raise ShimError(
        "bad-cgroups-path",
        f"{path}: linux.cgroupsPath cannot be used: {what}",
        evidence=(f"{path}: linux.cgroupsPath: {shown!r}",),
        remedy=(
            "a path below the root of the hierarchies like /pod/web, or SLICE:PREFIX:NAME with the systemd driver",
        ),
    )


def container(name: str) -> None:
    """Raises ShimError for a container's id that is not one component of a path."""
    what = names.container(name)
    if what:
        raise ShimError(
            "bad-container-id",
            f"{name[:SHOWN]!r} cannot be the id of a container: {what}",
            evidence=(f"container id: {name[:SHOWN]!r}",),
            remedy=("an id of letters, digits and the characters _ + - .",),
        )


def refuse(problems: tuple[Problem, ...], path: str) -> ShimError:
    """One error that names every problem: field, what is wrong, what to write instead."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ShimError(
        "bad-resources",
        f"{path}: {first.field}: {first.what}{more}",
        evidence=tuple(f"{path}: {problem.field}: {problem.what}" for problem in problems[:TOLD]),
        remedy=tuple(f"{problem.field}: {problem.remedy}" for problem in problems[:TOLD]),
    )
