"""The types of `linux.resources`: every field of the runtime-spec with a wrong type and beyond both ends of its range.

The table is written from the runtime-spec (config-linux.md, schema/config-linux.json), not from the code.
"""

from __future__ import annotations

import pytest

from shim.errors import ShimError
from shim.oci.checks import cgroups_path, check, container, refuse

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
        *("cpu.cpus", "cpu.mems", "hugepageLimits[0].pageSize", "network.priorities[0].name"),
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
    """Each field that is not a number, with a value of another type."""
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


def test_values_of_unified() -> None:
    """A value is a string; null is unset."""
    assert check({"unified": {"memory.max": None, "pids.max": "5"}}) == ()
    (problem,) = check({"unified": {"memory.max": 5}})
    expected = ("linux.resources.unified.memory.max", "a string was expected, found a number ('5')", "a string")
    assert (problem.field, problem.what, problem.remedy) == expected


LIKE = "a name like memory.max: letters, digits, _ and dots"
NAMED = "it is not the name of a cgroup interface file"


@pytest.mark.parametrize("value", ["1", None])
@pytest.mark.parametrize(
    "key",
    [
        *(
            "hugetlb.x/../../../tmp/victim",
            "../memory.max",
            "/etc/passwd",
            "memory.max\0",
            "memory max",
            "memory.max\n",
        ),
        *("..", ".", "", "memory", "memory.", ".max", "memory..max", "mem\u00f6ry.max", "\ud800.max", "a." + "b" * 96),
    ],
    ids=ascii,
)
def test_keys_of_unified_that_are_not_interface_files(key: str, value: str | None) -> None:
    """A key becomes a path: what the kernel names no file like is refused, be it unset or not."""
    (problem,) = check({"unified": {key: value}})
    shown = key if len(key) <= 80 else f"{key[:80]}..."
    assert (problem.field, problem.what, problem.remedy) == (
        f"linux.resources.unified.{key}",
        f"{shown!r}: {NAMED}",
        LIKE,
    )


@pytest.mark.parametrize(
    "key",
    ["memory.max", "hugetlb.2MB.rsvd.max", "cgroup.max.depth", "io.bfq.weight", "net_cls.classid", "a." + "b" * 95],
)
def test_keys_of_unified_as_kernels_name_them(key: str) -> None:
    """Letters, digits, underscores and dots, up to CGROUP_FILE_NAME_MAX of linux/cgroup-defs.h."""
    assert check({"unified": {key: "1"}}) == ()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mlx5_0\nmlx4_0 hca_handle=max", "it contains a line end"),
        ("mlx5_0 hca_handle=max", "it contains white space"),
        ("a/b", "it contains a slash"),
        ("", "it is empty"),
        ("m" * 64, "it has 64 bytes, more than the 63 that are possible"),
    ],
)
def test_rdma_devices_that_are_not_names(name: str, what: str) -> None:
    """A device's name begins a line of rdma.max."""
    (problem,) = check({"rdma": {name: {"hcaHandles": 1}}})
    assert (problem.field, problem.what) == (f"linux.resources.rdma.{name}", f"{name!r}: {what}")
    assert check({"rdma": {"mlx5_0": {"hcaHandles": 1}, "m" * 63: {}}}) == ()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("eth0 5\nlo", "it has 9 bytes"),
        ("eth0 1", "it contains white space"),
        ("e/0", "it contains a slash"),
        ("..", "it is not the name of a network interface"),
        ("eth0:1", "it is not the name of a network interface"),
    ],
)
def test_interfaces_that_are_not_names(name: str, what: str) -> None:
    """As dev_valid_name() in net/core/dev.c has it."""
    what = "it contains a line end" if "\n" in name else what
    (problem,) = check({"network": {"priorities": [{"name": name, "priority": 1}]}})
    assert (problem.field, problem.what) == ("linux.resources.network.priorities[0].name", f"{name!r}: {what}")
    assert check({"network": {"priorities": [{"name": "eth0.100", "priority": 1}]}}) == ()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/a/../../etc", "it contains '..', which runc and crun resolve differently"),
        ("..", "it contains '..', which runc and crun resolve differently"),
        ("/a\0b", "it contains a NUL"),
        ("/a\nb", "it contains a line end, which no cgroup may have in its name"),
        ("/a" * 60000, "it is longer than the 4095 bytes that a path may have"),
        ("/a" * 257, "it has 257 levels, more than the 256 that are read"),
        ("/" + "a" * 256, "one of its parts has 256 characters, more than 255"),
    ],
    ids=["climbs", "parent", "nul", "line-end", "long", "deep", "long-part"],
)
def test_cgroup_paths_that_lead_anywhere(path: str, what: str) -> None:
    """One error with the reason, and at most 80 characters of the path."""
    with pytest.raises(ShimError) as refused:
        cgroups_path({"linux": {"cgroupsPath": path}}, "/b/config.json")
    assert refused.value.code == "bad-cgroups-path"
    assert refused.value.what == f"/b/config.json: linux.cgroupsPath cannot be used: {what}"
    assert len(refused.value.text()) < 700


@pytest.mark.parametrize(
    "path", ["", "/a/./b", "/a..b/...", "a.slice:cri:c", "/kubepods/pod1/cri:x", "/a" * 256, "/" + "a" * 255]
)
def test_cgroup_paths_that_can_be_used(path: str) -> None:
    """What runtimes and engines write, and both ends of the budget."""
    assert cgroups_path({"linux": {"cgroupsPath": path}}, "config.json") == path
    assert cgroups_path(None, "config.json") == ""


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/", "a\0", "a\n", "", "x" * 256], ids=ascii)
def test_ids_that_are_not_one_part_of_a_path(name: str) -> None:
    """crun takes `..` for an id, and with `delete` removes the directory above its root."""
    with pytest.raises(ShimError) as refused:
        container(name)
    assert refused.value.code == "bad-container-id"
    for fine in ("web-1", "a b", "x" * 255, "...", "\u00e4"):
        container(fine)


@pytest.mark.parametrize(
    ("field", "member", "most"),
    [
        ("unified", None, 512),
        ("rdma", None, 512),
        ("hugepageLimits", {"pageSize": "2MB", "limit": 1}, 512),
        ("blockIO.throttleReadBpsDevice", {"major": 8, "minor": 0, "rate": 1}, 4096),
        ("blockIO.weightDevice", {"major": 8, "minor": 0, "weight": 100}, 4096),
        ("network.priorities", {"name": "eth0", "priority": 1}, 4096),
    ],
)
def test_more_members_than_anybody_has(field: str, member: object, most: int) -> None:
    """Each costs a read or more: both ends of the budget. Planning for 100,000 hugetlb keys took half an hour."""
    values: dict[str, object] = {"unified": "1", "rdma": {"hcaHandles": 1}}
    for count in (most, most + 1):
        value = [member] * count if member else {f"x.k{number}": values[field] for number in range(count)}
        told = [] if count == most else [f"it has {count} members, more than the {most} that are read"]
        assert [problem.what for problem in check(_holding(field, value))] == told


def test_devices_of_a_large_host() -> None:
    """Engines write a rule for each device of a privileged container."""
    assert check({"devices": [{"allow": True, "type": "b", "major": 8, "minor": 1, "access": "rwm"}] * 20000}) == ()


def test_a_message_of_many_problems_ends() -> None:
    """Fifty are shown, all are counted."""
    error = refuse(check({"devices": [1] * 1000}), "config.json")
    assert error.what.endswith("found a number ('1') (and 999 more)")
    assert (len(error.evidence), len(error.remedy)) == (50, 50)


@pytest.mark.parametrize(
    ("value", "found"), [([], "an array"), ("x", "a string"), (5, "a number"), (True, "a boolean")]
)
def test_resources_that_are_no_object(value: object, found: str) -> None:
    """The file of an update holds them by themselves."""
    (problem,) = check(value, "resources")
    assert problem.field == "resources"
    assert found.rsplit(maxsplit=1)[-1] in problem.what
