"""The types of `linux.resources`, checked before anything is planned.

They cover the fields of shim.rules.fields and the types of the runtime-spec's JSON schema (schema/defs.json). All
problems are collected, so that one error names them all. Ranges that only the kernel knows are checked by the rules.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.host import names
from shim.oci import cgroups_path as configured
from shim.rules import fields
from shim.rules.base import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Check = Callable[[Any, str], "list[Problem]"]


SHOWN, MOST, TOLD = 80, 200, 50  # characters of a name and of a value in a message, and problems in one message

# A Check takes a value and its path and yields problems. It never gets None, which stands for null: `_of` leaves it
# out.


def _integer(name: str, least: int, most: int) -> Check:
    """A whole number in a range, both ends included."""

    def number(value: Any, where: str) -> list[Problem]:
        if isinstance(value, bool) or not isinstance(value, int):
            return [_wrong(value, int, where)]
        if least <= value <= most:
            return []
        what = f"{value} is outside {name}"
        return [Problem(field=where, what=what, remedy=f"a whole number from {least} to {most}")]

    return number


def _plain(shape: type) -> Check:
    """Check for a value of one Python type."""
    return lambda value, where: [] if isinstance(value, shape) else [_wrong(value, shape, where)]


def _members(types: dict[str, Check]) -> Check:
    """Check for an object with these members; unknown members are ignored."""

    def members(value: Any, where: str) -> list[Problem]:
        if not isinstance(value, dict):
            return [_wrong(value, dict, where)]
        return [p for key in types if key in value for p in _of(types[key], value[key], f"{where}.{key}")]

    return members


def _items(types: dict[str, Check], most: int = 0) -> Check:
    """Check for an array of such objects, at most `most` (0: any number; engines write one rule a device)."""
    members = _members(types)

    def items(value: Any, where: str) -> list[Problem]:
        if not isinstance(value, list):
            return [_wrong(value, list, where)]
        # null is not an item: runc would read zeros, crun report a missing field.
        return _too_many(value, most, where) or [
            p
            for i, one in enumerate(value)
            for p in ([_wrong(one, dict, f"{where}[{i}]")] if one is None else members(one, f"{where}[{i}]"))
        ]

    return items


def _each(of: Check, wrong: Callable[[str], str], like: str) -> Check:
    """Check for an object whose values have one type, and whose keys become parts of paths or lines for the kernel.

    wrong: returns what is wrong with a key, "" if nothing is (shim.host.names). like: an example of a valid key.
    """

    def each(value: Any, where: str) -> list[Problem]:
        if not isinstance(value, dict):
            return [_wrong(value, dict, where)]
        return _too_many(value, 512, where) or [
            p
            for key, one in value.items()
            for p in _of(of, one, f"{where}.{key}") or _named(key, wrong, like, f"{where}.{key}")
        ]

    return each


def _name(wrong: Callable[[str], str], like: str) -> Check:
    """Check for a string that becomes part of a path or of a line for the kernel, like the keys of `_each`."""
    return lambda value, where: _plain(str)(value, where) or _named(value, wrong, like, where)


def _of(wanted: Check, value: Any, where: str) -> list[Problem]:
    return [] if value is None else wanted(value, where)  # null means unset to every runtime


def _too_many(value: dict[str, Any] | list[Any], most: int, where: str) -> list[Problem]:
    """Report an object or array with too many members: each costs time in planning, setting and reading back."""
    if not most or len(value) <= most:
        return []
    what = f"it has {len(value)} members, more than the {most} that are read"
    return [Problem(field=where, what=what, remedy=f"at most {most} members")]


def _named(name: str, wrong: Callable[[str], str], like: str, where: str) -> list[Problem]:
    what = wrong(name)
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return [Problem(field=where[:MOST], what=f"{shown!r}: {what}", remedy=f"a name like {like}")] if what else []


INT64 = _integer("int64", -(1 << 63), (1 << 63) - 1)
UINT64 = _integer("uint64", 0, (1 << 64) - 1)
UINT32 = _integer("uint32", 0, (1 << 32) - 1)
UINT16 = _integer("uint16", 0, (1 << 16) - 1)
BOOLEAN, STRING = _plain(bool), _plain(str)

TYPES: dict[str, Check] = {
    "int64": INT64,
    "uint64": UINT64,
    "uint32": UINT32,
    "uint16": UINT16,
    "boolean": BOOLEAN,
    "string": STRING,
    "weights": _items({"major": INT64, "minor": INT64, "weight": UINT16, "leafWeight": UINT16}, 4096),
    "rates": _items({"major": INT64, "minor": INT64, "rate": UINT64}, 4096),
    "hugepages": _items({"pageSize": STRING, "limit": UINT64}, 512),
    "priorities": _items({"name": _name(names.network_interface, "eth0"), "priority": UINT32}, 4096),
    "rdma": _each(_members({"hcaHandles": UINT32, "hcaObjects": UINT32}), names.rdma_device, "mlx5_0"),
    "devices": _items({"allow": BOOLEAN, "type": STRING, "major": INT64, "minor": INT64, "access": STRING}),
    "keys": _each(STRING, names.interface_file, "memory.max: letters, digits, _ and dots"),
}


class Duplicate(Exception):
    """A key occurs twice in one object. Not a ValueError, which the scanner would report as malformed JSON."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def agreeing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members as a dict. Raises Duplicate if a key occurs twice with different values."""
    value = dict(pairs)
    if len(value) != len(pairs):
        for key, one in pairs:
            if repr(one) != repr(value[key]):
                raise Duplicate(key)
    return value


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members as a dict. Raises Duplicate if a key occurs twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise Duplicate(next(key for key in keys if keys.count(key) > 1))
    return value


def check(value: Any, where: str = "linux.resources") -> tuple[Problem, ...]:
    """Return a problem for each member of a resources object whose type or range the runtime-spec does not allow."""
    if not isinstance(value, dict):
        return () if value is None else (_wrong(value, dict, where),)
    found = (
        _of(_type(section), value[section], f"{where}.{section}")
        for section in fields.TABLES
        if value.get(section) is not None
    )
    return tuple(problem for problems in found for problem in problems)


def _type(section: str) -> Check:
    rows = fields.rows(section)
    if section in rows:
        return TYPES[rows[section][1]]
    return _members({name.partition(".")[2]: TYPES[words[1]] for name, words in rows.items()})


def _wrong(value: Any, shape: type, where: str) -> Problem:
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a whole number"}
    found = kind(value)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        found = f"{found} ({str(value)[:40]!r})"
    return Problem(field=where, what=f"{names[shape]} was expected, found {found}", remedy=f"{names[shape]}")


def kind(value: Any) -> str:
    """Return the JSON name of a value's type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def cgroups_path(config: Any, path: str) -> str:
    """Return `linux.cgroupsPath`, "" if it is absent. Raises ShimError for a path that could lead outside."""
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
    """Raise ShimError for a container id that is not one component of a path."""
    what = names.container(name)
    if what:
        raise ShimError(
            "bad-container-id",
            f"{name[:SHOWN]!r} cannot be the id of a container: {what}",
            evidence=(f"container id: {name[:SHOWN]!r}",),
            remedy=("an id of letters, digits and the characters _ + - .",),
        )


def refuse(problems: tuple[Problem, ...], path: str) -> ShimError:
    """Return one error that names every problem: the field, what is wrong, what to write instead."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ShimError(
        "bad-resources",
        f"{path}: {first.field}: {first.what}{more}",
        evidence=tuple(f"{path}: {problem.field}: {problem.what}" for problem in problems[:TOLD]),
        remedy=tuple(f"{problem.field}: {problem.remedy}" for problem in problems[:TOLD]),
    )
