"""Which cgroup driver a configuration is written for: people's tool and the hooks guess the same."""

from __future__ import annotations

import json

import pytest

from shim.cli.plan import driver_of
from shim.oci import document
from shim.stages.call import driver


# runc's systemd driver takes slice:prefix:name; an absolute path is one of the cgroupfs driver, whatever is in it.
@pytest.mark.parametrize(
    ("path", "expected"),
    [("user.slice:libpod:1", "systemd"), ("/a:b:c", "cgroupfs"), ("/pods/x", "cgroupfs"), (None, "cgroupfs")],
)
def test_one_guess(path: str | None, expected: str) -> None:
    """By the form of linux.cgroupsPath alone."""
    config = {"linux": {"cgroupsPath": path} if path else {}}
    assert driver(config, "") == expected
    assert driver_of(document.load(json.dumps(config), "config.json")) == expected
