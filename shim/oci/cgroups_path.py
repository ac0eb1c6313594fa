"""`linux.cgroupsPath` of a configuration, and which cgroup driver its form is for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Driver

DRIVERS: tuple[Driver, ...] = ("systemd", "cgroupfs", "disabled")


def of(config: Any) -> str | None:
    """Return `linux.cgroupsPath` of a parsed config.json, None if it is absent or not a string."""
    linux = config.get("linux") if isinstance(config, dict) else None
    path = linux.get("cgroupsPath") if isinstance(linux, dict) else None
    return path if isinstance(path, str) else None


def is_for_systemd(path: str) -> bool:
    """Return True for SLICE:PREFIX:NAME, the form of runc's and crun's systemd driver.

    The name of a systemd unit cannot contain a slash, so `/a:b:c` is a path for the cgroupfs driver.
    """
    return path.count(":") == 2 and "/" not in path


def driver(config: Any, wanted: str = "") -> Driver:
    """Return the cgroup driver: `wanted` if it names one, else the one that the path's form is for."""
    for known in DRIVERS:
        if known == wanted:
            return known
    return "systemd" if is_for_systemd(of(config) or "") else "cgroupfs"
