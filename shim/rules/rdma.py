"""`linux.resources.rdma` (OCI runtime-spec, config-linux.md, "RDMA").

Kernel: cgroup-v1/rdma.rst, cgroup-v2.rst "RDMA Interface Files": `rdma.max` has the same form in both hierarchies,
a line `DEVICE hca_handle=N hca_object=N`; numbers are 0 to 2147483647, the last of which it shows as `max`.
"""

from __future__ import annotations

from shim.rules.base import Rule
from shim.rules.fields import spec
from shim.rules.reachable import beyond, expect, honoured, reach, rewritten, showing, unset, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Expectation, Outcome

RDMA = spec("rdma")
WORDS = (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
MOST = 2**31 - 1


def rdma(case: Case) -> Outcome:
    """`rdma`, device -> {hcaHandles, hcaObjects}, each a count -> rdma.max in both hierarchies.

    runc since 1.1 sets it. crun neither reads the field nor enables the controller for a `unified` key.
    """
    devices = {device: counts or {} for device, counts in case.get("rdma").items()}  # null is no count, as in runc
    if not any(devices.values()):
        return unset(RDMA, "no device is named" if devices == {} else "no device has a count")
    fitting = {device: _fitting(counts) for device, counts in devices.items()}
    lost = "; ".join(_line(device, counts) for device, counts in fitting.items())
    version = reach(case, "rdma")
    if not (version and case.runtime.reads_rdma) and not any(map(_limits, fitting.values())):
        return unset(RDMA, f"counts of {MOST} and more mean no limit")
    if not version:
        return beyond(case, RDMA, f"RDMA resources: {lost}", _expected(fitting, 2))
    if not case.runtime.reads_rdma:
        reason = "crun does not read rdma, and does not enable the controller for unified keys either"
        return unsupported(RDMA, "rdma-unread", reason, f"RDMA resources: {lost}")
    expected = _expected(fitting, version)
    if fitting != devices:
        reason = f"counts above {MOST} are refused by the kernel, which shows {MOST} as max"
        return showing(rewritten(RDMA, fitting, "rdma-clamped", reason), expected)
    caveat = "runc before 1.1 does not read it"
    if case.operation == "update":
        caveat = "runc does not read it in an update: what the container was created with stays, and is read back"
    return showing(honoured(case, RDMA, "", caveat=caveat), expected)


def _fitting(counts: dict[str, Any]) -> dict[str, Any]:
    return {key: value if value is None else min(value, MOST) for key, value in counts.items()}


def _limits(counts: dict[str, Any]) -> bool:
    return any(counts[key] < MOST for key, _ in WORDS if counts.get(key) is not None)


def _line(device: str, counts: dict[str, Any]) -> str:
    words = [
        f"{word}={'max' if counts[key] >= MOST else counts[key]}" for key, word in WORDS if counts.get(key) is not None
    ]
    return " ".join((device, *words))


def _expected(devices: dict[str, Any], version: int) -> tuple[Expectation, ...]:
    return tuple(
        expect(RDMA, version, _line(device, counts), shape="lines") for device, counts in devices.items() if counts
    )


RULES: tuple[Rule, ...] = (Rule(field="rdma", apply=rdma),)
