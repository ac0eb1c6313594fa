"""The limits that `update` gets as flags, as the resources object that a file would contain.

runc (update.go) and crun (update.c) build that object themselves without --resources, and ignore these flags with it.
So limits that need changes for this host can be passed through --resources.
"""

from __future__ import annotations

from shim.oci.text import dump
from shim.rules import runtimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.call.argv import Invocation
    from shim.rules.runtimes import Family

NUMBER, SIZE, TEXT = "number", "size", "text"
# flag -> section, key, notation
FLAGS = {
    "blkio-weight": ("blockIO", "weight", NUMBER),
    "cpu-period": ("cpu", "period", NUMBER),
    "cpu-quota": ("cpu", "quota", NUMBER),
    "cpu-burst": ("cpu", "burst", NUMBER),
    "cpu-idle": ("cpu", "idle", NUMBER),
    "cpu-share": ("cpu", "shares", NUMBER),
    "cpu-rt-period": ("cpu", "realtimePeriod", NUMBER),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", NUMBER),
    "cpuset-cpus": ("cpu", "cpus", TEXT),
    "cpuset-mems": ("cpu", "mems", TEXT),
    "kernel-memory": ("memory", "kernel", SIZE),
    "kernel-memory-tcp": ("memory", "kernelTCP", SIZE),
    "memory": ("memory", "limit", SIZE),
    "memory-reservation": ("memory", "reservation", SIZE),
    "memory-swap": ("memory", "swap", SIZE),
    "pids-limit": ("pids", "limit", NUMBER),
}
UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}  # powers of 1024: go-units, RAMInBytes


def resources(invocation: Invocation, family: Family) -> str:
    """Return the object as JSON; "" if no flag is a limit, or if the runtime itself must refuse a value."""
    found: dict[str, dict[str, Any]] = {}
    runtime = runtimes.of(family)
    for name, text in invocation.options:
        if name not in FLAGS or (not text and runtime.empty_flag_is_unset):
            continue
        section, key, form = FLAGS[name]
        value = text if form == TEXT else _number(text, form == SIZE and runtime.units_in_flags)
        if value is None:
            return ""
        found.setdefault(section, {})[key] = value
    return dump(found) if found else ""


def _number(text: str, units: bool) -> int | None:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 20:
        return int(text)
    return _in_bytes(text) if units else None


def _in_bytes(text: str) -> int | None:
    """Return the bytes of `10M`, `1.5 GiB`, `4kb`; None for anything else."""
    number = text.rstrip("bBiIkKmMgGtTpP")
    unit = text[len(number) :].lower()
    unit = unit[: -len("ib")] if len(unit) == 3 and unit.endswith("ib") else unit[:-1] if unit.endswith("b") else unit
    number = number[:-1] if number.endswith(" ") else number
    whole, _, fraction = number.partition(".")
    if unit not in UNITS or not (whole.isascii() and whole.isdigit()) or not (f"0{fraction}".isascii()):
        return None
    if not f"0{fraction}".isdigit() or len(number) > 20:
        return None
    return int(float(number) * 1024 ** UNITS[unit])
