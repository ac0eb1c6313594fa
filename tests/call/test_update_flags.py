"""Limits of `update` as flags become the object that runc and crun make of them themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shim.call import argv, update_flags

if TYPE_CHECKING:
    from shim.rules.runtimes import Family


def _object(family: Family, *words: str) -> object:
    text = update_flags.resources(argv.parse(["update", *words, "c1"], "/"), family)
    return json.loads(text) if text else None


# Values by go-units' documentation and by hand: 1.5 GiB is 1610612736.
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--memory", "10M", "--memory-swap", "-1"), {"memory": {"limit": 10485760, "swap": -1}}),
        (("--memory=1.5GiB",), {"memory": {"limit": 1610612736}}),
        (("--memory-reservation", "4 kb"), {"memory": {"reservation": 4096}}),
        (("--kernel-memory", "512b", "--kernel-memory-tcp", "1"), {"memory": {"kernel": 512, "kernelTCP": 1}}),
        (("--cpu-quota", "500", "--cpu-period=100000"), {"cpu": {"quota": 500, "period": 100000}}),
        (("--cpu-share", "2", "--cpu-idle", "1", "--cpu-burst", "3"), {"cpu": {"shares": 2, "idle": 1, "burst": 3}}),
        (("--cpuset-cpus", "0-1", "--cpuset-mems", "0"), {"cpu": {"cpus": "0-1", "mems": "0"}}),
        (
            ("--pids-limit", "7", "--pids-limit", "9", "--blkio-weight", "10"),
            {"pids": {"limit": 9}, "blockIO": {"weight": 10}},
        ),
        (("--memory", ""), None),
        (("--memory", "abc"), None),
        (("--memory", "10M", "--cpu-quota", "many"), None),
        (("--cpu-quota", "5k"), None),
        (("--memory", "1.5.5g"), None),
        (("--memory", "10ki"), None),
        (("--l3-cache-schema", "L3:0=f"), None),
        ((), None),
    ],
)
def test_as_runc_reads_them(words: tuple[str, ...], expected: object) -> None:
    """Sizes with units; what it cannot read is left to it to refuse."""
    assert _object("runc", *words) == expected


def test_as_crun_reads_them() -> None:
    """Numbers alone."""
    assert _object("crun", "--memory", "1048576", "--cpu-rt-period", "5") == {
        "memory": {"limit": 1048576},
        "cpu": {"realtimePeriod": 5},
    }
    assert _object("crun", "--memory", "10M") is None
