"""The four throttle lists of `linux.resources.blockIO` (OCI runtime-spec, config-linux.md, "Block IO").

Kernel: cgroup-v1/blkio-controller.rst "Throttling/Upper limit policy files", cgroup-v2.rst "io.max". Rates are bytes or
operations per second.
"""

from __future__ import annotations

from shim.rules.base import GUARD, Rule
from shim.rules.fields import spec
from shim.rules.outcomes import removed
from shim.rules.reachable import beyond, expect, honoured, reach, rewritten, showing, unlisted, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Expectation, Outcome
    from shim.rules.fields import FieldSpec


READ_BPS = spec("blockIO.throttleReadBpsDevice")
WRITE_BPS = spec("blockIO.throttleWriteBpsDevice")
READ_IOPS = spec("blockIO.throttleReadIOPSDevice")
WRITE_IOPS = spec("blockIO.throttleWriteIOPSDevice")
THROTTLES = ((READ_BPS, "rbps"), (WRITE_BPS, "wbps"), (READ_IOPS, "riops"), (WRITE_IOPS, "wiops"))

UNLIMITED_RATE = 2**64 - 1  # tg_set_limit(), block/blk-throttle.c: the number that `max` stands for
UNLIMITED_IOPS = 2**32 - 1  # operations are cut to 32 bit there, and this is "max" again


def throttle_read_bps(case: Case) -> Outcome:
    """`throttleReadBpsDevice`, list of {major, minor, rate bytes/s} -> v1 ...read_bps_device, v2 io.max rbps."""
    return _throttle(case, READ_BPS, "rbps")


def throttle_write_bps(case: Case) -> Outcome:
    """`throttleWriteBpsDevice`, list of {major, minor, rate bytes/s} -> v1 ...write_bps_device, v2 io.max wbps."""
    return _throttle(case, WRITE_BPS, "wbps")


def throttle_read_iops(case: Case) -> Outcome:
    """`throttleReadIOPSDevice`, list of {major, minor, rate 1/s} -> v1 ...read_iops_device, v2 io.max riops."""
    return _throttle(case, READ_IOPS, "riops")


def throttle_write_iops(case: Case) -> Outcome:
    """`throttleWriteIOPSDevice`, list of {major, minor, rate 1/s} -> v1 ...write_iops_device, v2 io.max wiops."""
    return _throttle(case, WRITE_IOPS, "wiops")


def _throttle(case: Case, field: FieldSpec, word: str) -> Outcome:
    """v1 takes rate 0 for "no limit"; cgroup2 refuses 0, and 1 too in many kernels (block/blk-throttle.c)."""
    entries = case.get(*field.path)
    early = unlisted(field, entries, optional=("rate",))
    if early:
        return early
    rates = _rates(case, field)
    lost = ", ".join(f"{word} {rate} on device {device}" for device, rate in rates.items() if _limits(word, rate))
    version = reach(case, "io")
    if not version:
        return beyond(case, field, lost, _own_words(case, field, word, rates))
    shown = _lines_v1(field, rates) if version == 1 else _lines_v2(case, field)
    if case.host.has(field.file(case)) is False:
        reason = f"this kernel has no {field.file(case)} (CONFIG_BLK_DEV_THROTTLING)"
        return unsupported(field, "blockio-throttle-unsupported", reason, lost)
    fitting = entries if version == 1 else _fitting(case, entries)
    if fitting == entries:
        caveat = "runc before 1.3.6 does not read it in an update" if case.operation == "update" else ""
        return showing(honoured(case, field, "", caveat=caveat), shown)
    reason = "cgroup2 refuses 0, which means no limit on v1, and many kernels refuse 1, too"
    if not fitting:
        return removed(field.name, "blockio-rate-fitted", GUARD, reason)
    return showing(rewritten(field, fitting, "blockio-rate-fitted", reason), shown)


def _fitting(case: Case, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rates that cgroup2 takes: 1 becomes 2; 0 is removed for a new cgroup, which has no limit, else it becomes
    `max`.
    """
    found = []
    lifted = set()
    for entry in entries:
        device = (entry["major"], entry["minor"])
        stated = entry.get("rate") or 0  # runtimes read a missing rate as 0
        if stated == 0 and case.operation == "create" and device not in lifted:
            continue
        lifted.add(device)
        rate = {0: UNLIMITED_RATE, 1: 2}.get(stated, stated)
        found.append({**entry, "rate": rate})
    return found


def _lines_v1(field: FieldSpec, rates: dict[str, int]) -> tuple[Expectation, ...]:
    """Return `8:0 1048576` for each device that stays limited."""
    most = UNLIMITED_IOPS if "iops" in field.v1 else UNLIMITED_RATE
    return tuple(
        expect(field, 1, f"{device} {rate}", shape="lines") for device, rate in rates.items() if 0 < rate < most
    )


def _lines_v2(case: Case, field: FieldSpec) -> tuple[Expectation, ...]:
    """Return `8:0 rbps=1048576 wbps=max riops=max wiops=max` for each device of `field`: io.max has one line for all
    four.

    An update keeps the words that it does not name.
    """
    stated = {word: _rates(case, one) for one, word in THROTTLES}
    found = []
    for device in _rates(case, field):
        words = [f"{word}={_rate_v2(word, rates.get(device))}" for word, rates in stated.items() if device in rates]
        if case.operation == "create":
            words = [f"{word}={_rate_v2(word, rates.get(device))}" for word, rates in stated.items()]
        if not all(word.endswith("=max") for word in words):
            found.append(expect(field, 2, " ".join((device, *words)), shape="lines"))
    return tuple(found)


def _own_words(case: Case, field: FieldSpec, word: str, rates: dict[str, int]) -> tuple[Expectation, ...]:
    """Return `8:0 rbps=1048576`: the other lists may be gone from the resources by now, and io.max keeps unnamed
    words.
    """
    found = [(device, _rate_v2(word, rate)) for device, rate in rates.items()]
    limited = [(device, rate) for device, rate in found if rate != "max" or case.operation == "update"]
    return tuple(expect(field, 2, f"{device} {word}={rate}", shape="lines") for device, rate in limited)


def _limits(word: str, rate: int) -> bool:
    return _rate_v2(word, rate) != "max"


def _rate_v2(word: str, rate: int | None) -> str:
    most = UNLIMITED_IOPS if word.endswith("iops") else UNLIMITED_RATE
    return str(max(rate, 2)) if rate and rate < most else "max"


def _rates(case: Case, field: FieldSpec) -> dict[str, int]:
    """Return device -> rate, the last one if there are several; {} for a malformed list, which its own rule reports."""
    entries = case.get(*field.path) or []
    if unlisted(field, entries):
        return {}
    return {f"{entry['major']}:{entry['minor']}": entry.get("rate") or 0 for entry in entries}


RULES: tuple[Rule, ...] = (
    Rule(field="blockIO.throttleReadBpsDevice", apply=throttle_read_bps, probes=(READ_BPS.v1, "io.max")),
    Rule(field="blockIO.throttleWriteBpsDevice", apply=throttle_write_bps, probes=(WRITE_BPS.v1, "io.max")),
    Rule(field="blockIO.throttleReadIOPSDevice", apply=throttle_read_iops, probes=(READ_IOPS.v1, "io.max")),
    Rule(field="blockIO.throttleWriteIOPSDevice", apply=throttle_write_iops, probes=(WRITE_IOPS.v1, "io.max")),
)
