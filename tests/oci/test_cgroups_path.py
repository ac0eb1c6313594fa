"""`linux.cgroupsPath`: read from anything that may be a configuration, and the driver that its form stands for."""

from __future__ import annotations

from typing import Any

import pytest

from shim.oci import cgroups_path


@pytest.mark.parametrize(
    ("config", "path"),
    [
        *((None, None), ([], None), ({}, None), ({"linux": []}, None), ({"linux": None}, None)),
        *(({"linux": {}}, None), ({"linux": {"cgroupsPath": 5}}, None)),
        ({"linux": {"cgroupsPath": ""}}, ""),
        ({"linux": {"cgroupsPath": "/a"}}, "/a"),
    ],
)
def test_read_from_any_configuration(config: object, path: str | None) -> None:
    """The string as it is written; None for what is absent or of another type."""
    assert cgroups_path.of(config) == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/libpod_parent/libpod-0a", "cgroupfs"),
        ("machine.slice:libpod:0a", "systemd"),
        (":docker:0a", "systemd"),
        ("a:b", "cgroupfs"),
        ("a:b:c:d", "cgroupfs"),
        ("/a:b:c", "cgroupfs"),
        ("", "cgroupfs"),
        (None, "cgroupfs"),
    ],
)
def test_driver_is_told_by_the_form(path: Any, expected: str) -> None:
    """systemd's cgroupsPath is slice:prefix:name (runc, docs/systemd.md), and the name of a unit has no slash."""
    config = {"linux": {"cgroupsPath": path}}
    assert cgroups_path.driver(config) == cgroups_path.driver(config, "other") == expected
    assert [cgroups_path.driver(config, wanted) for wanted in ("disabled", "systemd")] == ["disabled", "systemd"]
