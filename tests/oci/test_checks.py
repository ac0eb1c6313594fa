"""The types of `linux.resources`: every field of the runtime-spec with a wrong type and beyond both ends of its range.

The table is written from the runtime-spec (config-linux.md, schema/config-linux.json), not from the code.
"""

from __future__ import annotations

import pytest

from shim.errors import ShimError
from shim.oci.checks import check, refuse

INT64 = (-9223372036854775808, 9223372036854775807)
UINT64 = (0, 18446744073709551615)
UINT32 = (0, 4294967295)
UINT16 = (0, 65535)

NUMBERS = {
    **{f"memory.{key}": INT64 for key in ("limit", "reservation", "swap", "kernel", "kernelTCP")},
    "memory.swappiness": UINT64,
    **{f"cpu.{key}": UINT64 for key in ("shares", "burst", "period", "realtimePeriod")},
    **{f"cpu.{key}": INT64 for key in ("quota", "realtimeRuntime", "idle")},
    "pids.limit": INT64,
    "blockIO.weight": UINT16,
    "blockIO.leafWeight": UINT16,
    **{f"blockIO.weightDevice[0].{key}": INT64 for key in ("major", "minor")},
    **{f"blockIO.weightDevice[0].{key}": UINT16 for key in ("weight", "leafWeight")},
    **{
        f"blockIO.throttle{which}Device[0].{key}": INT64 if key != "rate" else UINT64
        for which in ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")
        for key in ("major", "minor", "rate")
    },
    "hugepageLimits[0].limit": UINT64,
    "network.classID": UINT32,
    "network.priorities[0].priority": UINT32,
    "rdma.mlx5_1.hcaHandles": UINT32,
    "rdma.mlx5_1.hcaObjects": UINT32,
    "devices[0].major": INT64,
    "devices[0].minor": INT64,
}
TYPES = {
    "a string": (
        *("unified.key", "cpu.cpus", "cpu.mems", "hugepageLimits[0].pageSize", "network.priorities[0].name"),
        *("devices[0].type", "devices[0].access"),
    ),
    "true or false": (
        *("memory.disableOOMKiller", "memory.useHierarchy", "memory.checkBeforeUpdate", "devices[0].allow"),
    ),
    "an object": (
        *("unified", "memory", "cpu", "pids", "blockIO", "network", "rdma", "rdma.mlx5_1", "devices[0]"),
        *("hugepageLimits[0]", "network.priorities[0]", "blockIO.weightDevice[0]"),
        *("blockIO.throttleReadBpsDevice[0]", "blockIO.throttleWriteIOPSDevice[0]"),
    ),
    "an array": (
        *("devices", "hugepageLimits", "network.priorities", "blockIO.weightDevice", "blockIO.throttleReadBpsDevice"),
        *("blockIO.throttleWriteBpsDevice", "blockIO.throttleReadIOPSDevice", "blockIO.throttleWriteIOPSDevice"),
    ),
}
WRONG = {
    "a string": (5, "a number ('5')"),
    "true or false": (1, "a number ('1')"),
    "an object": ([], "an array"),
    "an array": ({}, "an object"),
}


def _holding(field: str, value: object) -> dict[str, object]:
    """A resources object in which `field`, like `a.b[0].c`, has the value."""
    for key in reversed(field.replace("[0]", ".[0]").split(".")):
        value = [value] if key == "[0]" else {key: value}
    assert isinstance(value, dict)
    return value


def _told(field: str, value: object) -> list[tuple[str, str, str]]:
    return [(problem.field, problem.what, problem.remedy) for problem in check(_holding(field, value))]


@pytest.mark.parametrize("field", NUMBERS)
def test_numbers_within_their_range(field: str) -> None:
    """Both ends of a type's range are accepted."""
    least, most = NUMBERS[field]
    assert _told(field, least) == []
    assert _told(field, most) == []


@pytest.mark.parametrize("field", NUMBERS)
def test_numbers_beyond_their_range(field: str) -> None:
    """One below and one above are refused with the range that was expected."""
    least, most = NUMBERS[field]
    name = {INT64: "int64", UINT64: "uint64", UINT32: "uint32", UINT16: "uint16"}[NUMBERS[field]]
    for value in (least - 1, most + 1):
        assert _told(field, value) == [
            (f"linux.resources.{field}", f"{value} is outside {name}", f"a whole number from {least} to {most}")
        ]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("64M", "a string ('64M')"),
        (1.0, "a number ('1.0')"),
        (True, "a boolean"),
        ([], "an array"),
        ({}, "an object"),
    ],
    ids=["string", "float", "boolean", "array", "object"],
)
def test_no_number(field: str, value: object, found: str) -> None:
    """runc and crun take no string, no fraction (not even 1.0) and no boolean for a number."""
    where = f"linux.resources.{field}"
    assert _told(field, value) == [(where, f"a whole number was expected, found {found}", "a whole number")]


@pytest.mark.parametrize(("wanted", "field"), [(kind, field) for kind, fields in TYPES.items() for field in fields])
def test_wrong_type(wanted: str, field: str) -> None:
    """Each field that is no number, with a value of another type."""
    value, found = WRONG[wanted]
    assert _told(field, value) == [(f"linux.resources.{field}", f"{wanted} was expected, found {found}", wanted)]


@pytest.mark.parametrize("field", [*NUMBERS, *(name for names in TYPES.values() for name in names)])
def test_null_is_unset_except_as_an_item(field: str) -> None:
    """null is unset to every runtime, but an item of a list cannot be unset."""
    expected = []
    if field.endswith("[0]"):
        expected = [(f"linux.resources.{field}", "an object was expected, found null", "an object")]
    assert _told(field, None) == expected


def test_unknown_fields_are_left_alone() -> None:
    """What the runtime-spec does not know may hold anything."""
    assert check({"dmem": 5, "memory": {"future": ["x"]}, "devices": [{"note": {}}]}) == ()


def test_long_values_are_shortened() -> None:
    """A value of a thousand letters is quoted by its first forty."""
    (problem,) = check({"pids": {"limit": "x" * 1000}})
    assert problem.what == f"a whole number was expected, found a string ('{'x' * 40}')"


def test_one_error_names_every_problem() -> None:
    """All problems are collected; the first is the verdict."""
    problems = check({"memory": {"limit": "1G"}, "pids": 5, "cpu": {"shares": -1}})
    error = refuse(problems, "/b/config.json")
    assert isinstance(error, ShimError)
    first = "linux.resources.memory.limit: a whole number was expected, found a string ('1G')"
    assert error.text() == "\n".join(
        (
            f"cgshim: /b/config.json: {first} (and 2 more) [bad-resources]",
            f"  evidence: /b/config.json: {first}",
            "  evidence: /b/config.json: linux.resources.cpu.shares: -1 is outside uint64",
            "  evidence: /b/config.json: linux.resources.pids: an object was expected, found a number ('5')",
            "  remedy: linux.resources.memory.limit: a whole number",
            "  remedy: linux.resources.cpu.shares: a whole number from 0 to 18446744073709551615",
            "  remedy: linux.resources.pids: an object",
        )
    )
