"""Contents of cgroup2 files as classic OCI fields: one function a file, with the table `TRANSLATIONS`.

Each takes (case, key, value) and returns (edits, reason, lost). value: as Documentation/admin-guide/cgroup-v2.rst
allows it, stripped and not empty. A value without a counterpart raises Untranslatable: with a remedy if it is
malformed, without one if v1 cannot express it.
"""

from __future__ import annotations

from shim.rules.base import Edit
from shim.rules.sizes import LARGEST, NO_HOST_HAS, Untranslatable, number, size, together

MOST_WEIGHT = 1000
UNLIMITED_RATE = 2**64 - 1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.rules.base import Case

    Translation = Callable[["Case", str, str], "tuple[tuple[Edit, ...], str, str]"]


def _set(path: tuple[str, ...], value: Any) -> Edit:
    return Edit(op="set", path=path, value=value)


def _memory_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    wanted, limit, swap = size(key, value), case.get("memory", "limit") or 0, case.get("memory", "swap") or 0
    if case.operation == "update" and limit == 0 < swap and not case.get("unified", "memory.swap.max"):
        raise Untranslatable(f"memory.swap {swap} counts from the container's own limit, which is not in this update")
    wanted = wanted or 1  # runtimes read 0 as "unset"; a byte is rounded down to the same 0 by the kernel
    wanted = -1 if wanted >= NO_HOST_HAS else wanted  # cannot be added to, and limits nothing
    edits, lost = [_set(("memory", "limit"), wanted)], ""
    if 0 < limit <= swap and not case.get("unified", "memory.swap.max"):
        # On cgroup2 the classic pair would have become this much swap, whatever memory.max becomes later.
        more, lost = _swap_of_a_pair(wanted, swap - limit)
        edits.extend(more)
    return tuple(edits), "memory.max is memory.limit", lost


def _swap_of_a_pair(limit: int, allowed: int) -> tuple[tuple[Edit, ...], str]:
    """Swap of `allowed` bytes beside a memory limit other than the one that it was counted from."""
    if limit > 0:
        both = together(limit, allowed)
        return (_set(("memory", "swap"), both if both <= LARGEST else -1),), ""  # runtimes read no more than LARGEST
    if allowed == 0:
        instead = (Edit(op="remove", path=("memory", "swap")), _set(("memory", "swappiness"), 0))
        return instead, "swapping of this container under host-wide memory pressure"
    raise Untranslatable(f"v1 limits memory plus swap only, so {allowed} bytes of swap need a memory limit beside them")


def _memory_swap_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    allowed, most = size(key, value), case.get("memory", "limit") or 0
    if allowed < 0:
        return (_set(("memory", "swap"), -1),), "memory.swap.max=max is memory.swap -1", ""
    if 0 < most < NO_HOST_HAS:
        if most + allowed > LARGEST:  # more than the runtimes read, and more than any host has
            return (_set(("memory", "swap"), -1),), f"{most} + {allowed} is no limit", ""
        edits = (_set(("memory", "swap"), together(most, allowed)),)
        return edits, f"memory.swap counts memory plus swap: {most} + {allowed}", ""
    if allowed == 0:
        lost = "swapping of this container under host-wide memory pressure"
        reason = "v1 limits memory plus swap only; without a memory limit swappiness 0 is the nearest to no swap"
        return (_set(("memory", "swappiness"), 0),), reason, lost
    raise Untranslatable("v1 limits memory plus swap only, which needs a memory.max to add to")


def _memory_low(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    """memory.low and memory.min share one counterpart, which gets the stronger of the two."""
    both = {name: (case.get("unified", name) or "").strip() for name in ("memory.low", "memory.min")}
    sizes = [size(name, text) for name, text in both.items() if text]
    wanted = -1 if -1 in sizes else max(sizes)
    reason = f"{key} has its nearest equivalent in v1's soft limit"
    return (_set(("memory", "reservation"), wanted),), reason, "guaranteed protection"


def _memory_high(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    wanted = size(key, value)
    if wanted < 0:
        return (), "memory.high=max throttles nothing", ""
    if case.get("memory", "reservation") is not None:
        raise Untranslatable("v1's soft limit, the nearest to memory.high, is taken by the reservation")
    reason = "v1 has no throttling; its soft limit, which is reclaimed first, is the nearest equivalent"
    return (_set(("memory", "reservation"), wanted),), reason, "throttling above memory.high"


def _cpu_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    quota, *period = value.split()
    if len(period) > 1:
        raise Untranslatable(f"{value!r} has more than two words", "cpu.max takes 'QUOTA PERIOD' or 'max PERIOD'")
    words = " as quota, or 'max'"
    edits = [_set(("cpu", "quota"), -1 if quota == "max" else number(key, quota, 1, words=words))]
    if period:  # without one, the present period stays, as in the kernel
        edits.append(_set(("cpu", "period"), number(key, period[0], 1, words=" as period")))
    return tuple(edits), "cpu.max is cpu.quota and cpu.period", ""


def _cpu_weight(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    from shim.rules.weights import shares_of

    weight = number(key, value, 1, 10000)
    shares = shares_of(weight)
    return (_set(("cpu", "shares"), shares),), f"weight {weight} is {shares} shares", ""


def _plain(path: tuple[str, ...], least: int, most: int) -> Translation:
    def translate(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
        return (_set(path, number(key, value, least, most)),), f"{key} is {'.'.join(path)}", ""

    return translate


def _cpuset(path: tuple[str, ...]) -> Translation:
    def translate(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
        return (_set(path, value),), f"{key} is {'.'.join(path)}", ""

    return translate


def _pids_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    wanted = -1 if value == "max" else number(key, value, 0, 1 << 22, words=", or 'max'")
    if wanted == 0:
        # Runtimes read 0 as "unset". The kernel's 0 allows no fork, and 1 is as strict for a single process.
        return (_set(("pids", "limit"), 1),), "pids.max 0 is pids.limit 1: runtimes read 0 as unset", ""
    return (_set(("pids", "limit"), wanted),), "pids.max is pids.limit", ""


def _hugetlb_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    page, wanted = key.split(".")[1], size(key, value)
    others = [item for item in case.get("hugepageLimits") or [] if item.get("pageSize") != page]
    if wanted >= 0 or case.operation == "update":  # an update lifts the present limit
        others.append({"pageSize": page, "limit": LARGEST if wanted < 0 else wanted})
    if not others:
        return (Edit(op="remove", path=("hugepageLimits",)),), f"{key}=max sets no limit", ""
    return (_set(("hugepageLimits",), others),), f"{key} is hugepageLimits", ""


def _rdma_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    names = {"hca_handle": "hcaHandles", "hca_object": "hcaObjects"}
    devices = dict(case.get("rdma") or {})
    for line in filter(str.strip, value.splitlines()):
        device, *pairs = line.split()
        wanted = dict(devices.get(device) or {})  # unnamed words of a line are kept, as by the kernel
        for pair in pairs:
            name, _, amount = pair.partition("=")
            if name not in names:
                remedy = "rdma.max takes 'DEVICE hca_handle=N hca_object=N'"
                raise Untranslatable(f"{pair!r} is not an RDMA limit", remedy)
            if amount != "max":
                wanted[names[name]] = number(key, amount, 0, (1 << 31) - 1, words=", or 'max'")
            else:
                wanted.pop(names[name], None)
        devices[device] = wanted
    devices = {device: wanted for device, wanted in devices.items() if wanted}
    if not devices:
        return ((Edit(op="remove", path=("rdma",)),) if case.get("rdma") else ()), "rdma.max is rdma", ""
    return (_set(("rdma",), devices),), "rdma.max is rdma", ""


def _io_max(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    names = {
        "rbps": "throttleReadBpsDevice",
        "wbps": "throttleWriteBpsDevice",
        "riops": "throttleReadIOPSDevice",
        "wiops": "throttleWriteIOPSDevice",
    }
    lists = {name: list(case.get("blockIO", name) or []) for name in names.values()}
    touched = set()
    for line in filter(str.strip, value.splitlines()):
        major, minor, pairs = _device_line(key, line)
        for pair in pairs:
            name, _, rate = pair.partition("=")
            if name not in names:
                remedy = "io.max takes 'MAJ:MIN rbps=N wbps=N riops=N wiops=N'"
                raise Untranslatable(f"{pair!r} is not a throttle", remedy)
            device = {"major": major, "minor": minor}
            field = names[name]
            lists[field] = [item for item in lists[field] if (item["major"], item["minor"]) != (major, minor)]
            touched.add(field)
            if rate != "max":
                wanted = number(key, rate, 1, UNLIMITED_RATE, words=", or 'max'")
                lists[field].append({**device, "rate": wanted})
            elif case.operation == "update":
                lists[field].append({**device, "rate": 0})  # v1: removes the limit of this device
    edits = []
    for field in names.values():
        if field in touched and lists[field]:
            edits.append(_set(("blockIO", field), lists[field]))
        elif field in touched and case.get("blockIO", field):
            edits.append(Edit(op="remove", path=("blockIO", field)))
    return tuple(edits), "io.max is blockIO's throttle lists", ""


def _device_line(key: str, line: str) -> tuple[int, int, list[str]]:
    device, *pairs = line.split() or [""]
    major, colon, minor = device.partition(":")
    if not colon:
        raise Untranslatable(f"{line!r} does not begin with MAJ:MIN", f"{key} takes lines 'MAJ:MIN …'")
    return number(key, major), number(key, minor), pairs


def _io_weight(case: Case, key: str, value: str) -> tuple[tuple[Edit, ...], str, str]:
    if case.runtime.weight_file and case.host.has("blkio.weight") is not True:
        raise Untranslatable("crun before 1.8.2 knows no weight file but blkio.weight, and fails without it")
    edits: list[Edit] = []
    devices, most = [], 0
    for line in value.splitlines():
        words = line.split()
        if words[:1] == ["default"] or len(words) == 1:
            weight = _block_weight(case, key, words[-1])
            most = max(most, weight)
            edits.append(_set(("blockIO", "weight"), min(weight, MOST_WEIGHT)))
        elif words:
            major, minor, rest = _device_line(key, line)
            if rest[:1] != ["default"]:
                weight = _block_weight(case, key, (*rest, "")[0])
                most = max(most, weight)
                devices.append({"major": major, "minor": minor, "weight": min(weight, MOST_WEIGHT)})
    if devices:
        edits.append(_set(("blockIO", "weightDevice"), devices))
    lost = f"the share above {MOST_WEIGHT}, which is the most here" if most > MOST_WEIGHT else ""
    return tuple(edits), f"{key} is blockIO.weight", lost


def _block_weight(case: Case, key: str, value: str) -> int:
    """io.weight and BFQ's weight have the default 100 and, up to 1000, the same meaning; CFQ's default was 500."""
    if key == "io.bfq.weight":
        return number(key, value, 1, MOST_WEIGHT)
    weight = number(key, value, 1, 10000)
    if case.host.has("blkio.weight") is not True:
        return weight
    return 10 + (weight - 1) * 490 // 99 if weight <= 100 else 500 + (weight - 100) * 500 // 9900


TRANSLATIONS: dict[str, Translation] = {
    "memory.max": _memory_max,
    "memory.swap.max": _memory_swap_max,
    "memory.low": _memory_low,
    "memory.min": _memory_low,
    "memory.high": _memory_high,
    "cpu.max": _cpu_max,
    "cpu.weight": _cpu_weight,
    "cpu.idle": _plain(("cpu", "idle"), 0, 1),
    "cpu.max.burst": _plain(("cpu", "burst"), 0, LARGEST),
    "cpuset.cpus": _cpuset(("cpu", "cpus")),
    "cpuset.mems": _cpuset(("cpu", "mems")),
    "pids.max": _pids_max,
    "hugetlb.*.max": _hugetlb_max,
    "rdma.max": _rdma_max,
    "io.max": _io_max,
    "io.weight": _io_weight,
    "io.bfq.weight": _io_weight,
}
