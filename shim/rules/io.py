"""`linux.resources.blockIO` (OCI runtime-spec, config-linux.md, "Block IO").

Kernel: cgroup-v1/blkio-controller.rst, cgroup-v2.rst "IO Interface Files", block/bfq-iosched.rst. The controller is
`blkio` on v1 and `io` on cgroup2; placements use the latter. Rates are bytes or operations per second.
"""

from __future__ import annotations

from shim.rules import throttle
from shim.rules.base import Rule
from shim.rules.fields import spec
from shim.rules.reachable import (
    beyond,
    expect,
    honoured,
    leftover,
    reach,
    rewritten,
    showing,
    unlisted,
    unset,
    unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Expectation, Outcome


WEIGHT = spec("blockIO.weight")
BFQ_WEIGHT = WEIGHT.changed(v1="blkio.bfq.weight", v2="io.bfq.weight")
LEAF_WEIGHT = spec("blockIO.leafWeight")
WEIGHT_DEVICE = spec("blockIO.weightDevice")
WEIGHT_FILES = ("blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight")
DEVICE_WEIGHT_FILES_V1 = ("blkio.weight_device", "blkio.bfq.weight_device")


def weight(case: Case) -> Outcome:
    """`weight`, 10 to 1000, 0 unset -> v1 blkio.weight or blkio.bfq.weight, v2 io.bfq.weight or io.weight.

    BFQ takes 1 to 1000 as it is; io.weight gets 1 + (weight - 10) * 9999 / 990, which wraps around below 10.
    """
    value = case.get(*WEIGHT.path)
    if value == 0:
        return unset(WEIGHT)
    if not reach(case, "io"):
        return beyond(case, WEIGHT, f"blockIO.weight {value}")
    plain, bfq = ("blkio.weight", "blkio.bfq.weight") if case.v1 else ("io.weight", "io.bfq.weight")
    if case.host.has(plain) is False and case.host.has(bfq) is False:
        reason = f"this kernel has neither {bfq} (BFQ is not loaded) nor {plain}"
        return unsupported(WEIGHT, "blockio-weight-unsupported", reason, f"blockIO.weight {value}")
    by_bfq = bool(case.host.has(bfq)) and not (case.v1 and case.host.has(plain) is not False)
    nearest = min(max(value, 1 if by_bfq else 10), 1000)
    shown = _weight_shown(case, nearest)
    if nearest != value:
        reason = f"{value} is outside {'1' if by_bfq else '10'} to 1000, which kernel or runtime refuses"
        return showing(rewritten(WEIGHT, nearest, "blockio-weight-clamped", reason), shown)
    caveat = "crun before 1.8.2 looks for blkio.weight only" if case.v1 and by_bfq and case.runtime.weight_file else ""
    field = BFQ_WEIGHT if by_bfq else WEIGHT
    return showing(honoured(case, field, "", caveat=caveat), shown)


def _weight_shown(case: Case, value: int) -> tuple[Expectation, ...]:
    """Return the file that shows the weight, if it is known which one the runtime uses."""
    if case.v1:
        found = [file for file in ("blkio.weight", "blkio.bfq.weight") if case.host.has(file)]
        return (expect(WEIGHT, 1, str(value), file=found[0]),) if found else ()
    if case.host.has("io.bfq.weight"):
        return (expect(WEIGHT, 2, f"default {value}", file="io.bfq.weight", shape="lines"),)
    if case.host.has("io.bfq.weight") is False and case.host.has("io.weight"):
        scaled = 1 + (value - 10) * 9999 // 990
        return (expect(WEIGHT, 2, f"default {scaled}", file="io.weight", shape="lines"),)
    return ()


def leaf_weight(case: Case) -> Outcome:
    """`leafWeight`, 10 to 1000 -> v1 blkio.leaf_weight, removed with CFQ in kernel 5.0; nothing on cgroup2."""
    value = case.get(*LEAF_WEIGHT.path)
    if value == 0 and case.runtime.zero_is_unset:
        return unset(LEAF_WEIGHT, "runc takes 0 as unset")
    lost = f"blockIO.leafWeight {value}" if value else ""
    if not case.v1:
        reason = "cgroup2 has no leaf weights: runc ignores the key, crun refuses it"
        return unsupported(LEAF_WEIGHT, "blockio-leaf-weight-v1-only", reason, lost)
    if not reach(case, "io"):
        return beyond(case, LEAF_WEIGHT, lost)
    if case.host.has("blkio.leaf_weight") is False:
        reason = "this kernel has no blkio.leaf_weight (CFQ, removed in 5.0)"
        return unsupported(LEAF_WEIGHT, "blockio-leaf-weight-unsupported", reason, lost)
    return honoured(case, LEAF_WEIGHT, str(value))


def weight_device(case: Case) -> Outcome:
    """`weightDevice`, list of {major, minor, weight 1 to 1000, leafWeight} -> blkio.bfq.weight_device, io.bfq.weight.

    Needs BFQ as the disk's scheduler. Leaf weights were removed with CFQ in kernel 5.0 and never existed on cgroup2.
    """
    entries = case.get(*WEIGHT_DEVICE.path)
    early = unlisted(WEIGHT_DEVICE, entries)
    if early:
        return early
    if not reach(case, "io"):
        return beyond(case, WEIGHT_DEVICE, "blockIO.weightDevice")
    files = DEVICE_WEIGHT_FILES_V1 if case.v1 else ("io.bfq.weight",)
    if all(case.host.has(file) is False for file in files):
        reason = f"this kernel has no {' and no '.join(files)} (BFQ is not loaded)"
        return unsupported(WEIGHT_DEVICE, "blockio-weight-device-unsupported", reason, "blockIO.weightDevice")
    without_leaf = not case.v1 or case.host.has("blkio.leaf_weight_device") is False
    fitting = [fit for fit in (_weighed(entry, without_leaf) for entry in entries) if fit is not None]
    shown = _device_weights(case, fitting)
    if fitting == entries:
        return showing(honoured(case, WEIGHT_DEVICE, ""), shown)
    reason = "weights of a device are 1 to 1000, and there are no leaf weights on this host"
    if not fitting:
        return unsupported(WEIGHT_DEVICE, "blockio-weight-device-fitted", reason, "blockIO.weightDevice")
    return showing(rewritten(WEIGHT_DEVICE, fitting, "blockio-weight-device-fitted", reason), shown)


def _weighed(entry: dict[str, Any], without_leaf: bool) -> dict[str, Any] | None:
    """Return the entry as the kernel takes it, None if it asks for nothing."""
    kept = {key: value for key, value in entry.items() if not (without_leaf and key == "leafWeight")}
    if (kept.get("weight") or 0) > 1000:
        kept["weight"] = 1000
    return kept if kept.get("weight") is not None or kept.get("leafWeight") is not None else None


def _device_weights(case: Case, entries: list[dict[str, Any]]) -> tuple[Expectation, ...]:
    version = 1 if case.v1 else 2
    if not case.host.has(WEIGHT_DEVICE.file(case)):
        return ()
    weights = {f"{entry['major']}:{entry['minor']}": entry.get("weight") for entry in entries}
    return tuple(
        expect(WEIGHT_DEVICE, version, f"{device} {value}", shape="lines") for device, value in weights.items() if value
    )


def emptiness(case: Case) -> Outcome:
    """The rest of `blockIO` without a reachable controller: crun opens its files for any such object."""
    return leftover(case, "blockIO", "io")


RULES: tuple[Rule, ...] = (
    Rule(field="blockIO.weight", apply=weight, probes=WEIGHT_FILES),
    Rule(field="blockIO.leafWeight", apply=leaf_weight, probes=("blkio.leaf_weight",)),
    Rule(
        field="blockIO.weightDevice",
        apply=weight_device,
        probes=(*DEVICE_WEIGHT_FILES_V1, "blkio.leaf_weight_device", "io.bfq.weight"),
    ),
    *throttle.RULES,
    Rule(field="blockIO", apply=emptiness),
)
