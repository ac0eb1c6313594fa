"""What guards mean: the same limit asked for in any notation, and read from any hierarchy, as one comparable value.

A guard is a name (`memory`, `swap`, `cpu`, `pids`, `cpus`, `mems`, `hugetlb.2MB`, `io.8:0.rbps`,
`rdma.mlx5_0.hca_handle`) and a value: bytes, tasks, CPUs' worth of time, bytes or operations a second, or a set of
CPU or node numbers. Absent means that nothing is asked for, or enforced. Sources: the runtime-spec's config-linux.md
for the fields, cgroup-v2.rst for the keys of `unified`, which win over the field for the same file.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Union

from tests.model import kernel
from tests.model.kernel import CPUS, DISKS, HUGE_PAGES, NODES, PAGE, RATES, V1_RATES

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = Union[int, float, Fraction, "frozenset[int]"]
Limits = dict[str, Value]
NONE = float("inf")

THROTTLES = dict(
    zip(("throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"), RATES)
)


def looser(name: str, found: Value, wanted: Value) -> bool:
    """Does `found` allow more than `wanted`. Two limits rounded to pages differ by up to one page from their own."""
    if isinstance(wanted, frozenset):
        return not (isinstance(found, frozenset) and found <= wanted)
    assert not isinstance(found, frozenset)
    return found > wanted + (PAGE if name == "swap" and wanted else 0)


def unlimited(name: str) -> Value:
    """What a cgroup without that guard allows."""
    return frozenset(CPUS) if name == "cpus" else frozenset(NODES) if name == "mems" else NONE


# --- enforced: from the interface files of one container ---------------------------------------------------------


def enforced(files: Mapping[str, str], *, swap: bool = True) -> Limits:
    """The guards that a container's interface files state; without a swap device there is nothing to swap to."""
    found: Limits = {}
    memory, both = _bytes(files, "memory.limit_in_bytes"), _bytes(files, "memory.memsw.limit_in_bytes")
    found["memory"] = min(memory, _bytes(files, "memory.max"))
    found["swap"] = both - memory if both < NONE and memory < NONE else _bytes(files, "memory.swap.max")
    if not swap:
        found["swap"] = 0
    quota, period = files.get("cpu.cfs_quota_us", "-1"), files.get("cpu.cfs_period_us", "100000")
    found["cpu"] = min(kernel.share(quota, period), kernel.share(*files.get("cpu.max", "max 100000").split()))
    shown = files.get("pids.max", "max")
    found["pids"] = _rounded("pids", NONE if shown == "max" else int(shown))
    for name, file, there in (("cpus", "cpuset.cpus", CPUS), ("mems", "cpuset.mems", NODES)):
        numbers = kernel.numbers(file, files.get(file, ""), there)
        found[name] = frozenset(numbers or there)
    for size in HUGE_PAGES:
        found[f"hugetlb.{size}"] = min(
            _bytes(files, f"hugetlb.{size}.max"), _bytes(files, f"hugetlb.{size}.limit_in_bytes")
        )
    found.update(_rates(files))
    return {name: value for name, value in found.items() if value != unlimited(name)}


def _bytes(files: Mapping[str, str], name: str) -> float:
    shown = files.get(name, "max")
    return NONE if shown == "max" or int(shown) >= 1 << 62 else int(shown)


def _rates(files: Mapping[str, str]) -> Limits:
    found: Limits = {}
    for disk, row in kernel.lines(files.get("io.max", "")).items():
        found.update({f"io.{disk}.{key}": int(value) for key, value in row.items() if value != "max"})
    for file, key in V1_RATES.items():
        for line in files.get(file, "").splitlines():
            disk, rate = line.split()
            found[f"io.{disk}.{key}"] = int(rate)
    for device, row in kernel.lines(files.get("rdma.max", "")).items():
        found.update({f"rdma.{device}.{key}": int(value) for key, value in row.items() if value != "max"})
    return found


# --- asked: from a resources object ------------------------------------------------------------------------------


class Meaningless(Exception):
    """Nobody can say what was meant: refusing it, or handing it on to be refused, is right."""


def asked(resources: Mapping[str, Any], *, zero_is_no_swap: bool = False, zero_tasks: int = 0) -> Limits:
    """The guards that a resources object asks for; {name: infinite} where it asks for no limit in so many words.

    zero_is_no_swap: what crun makes of memory.swap 0, unset elsewhere. zero_tasks: what pids.limit 0 means, 0 for
    unset; runc makes it 1 since 1.4. Raises Meaningless.
    """
    keys = {key: text for key, text in (resources.get("unified") or {}).items() if text}  # no byte, no write
    try:
        found = {**_memory(resources.get("memory") or {}, zero_is_no_swap), **_cpu(resources.get("cpu") or {})}
        tasks = (resources.get("pids") or {}).get("limit")
        if tasks or (tasks == 0 and zero_tasks):
            found["pids"] = zero_tasks if tasks == 0 else NONE if tasks < 0 else tasks
        for entry in resources.get("hugepageLimits") or ():
            found[f"hugetlb.{entry['pageSize']}"] = entry["limit"]
        found.update(_throttles(resources.get("blockIO") or {}))
        for device, row in (resources.get("rdma") or {}).items():
            names = {"hcaHandles": "hca_handle", "hcaObjects": "hca_object"}
            found.update({f"rdma.{device}.{names[key]}": value for key, value in row.items()})
        for key, text in keys.items():
            found.update(_key(key, text, resources))
    except (kernel.Refused, ValueError, IndexError) as error:
        raise Meaningless(str(error)) from error
    return {name: _rounded(name, value) for name, value in found.items()}


def names_swap(changes: Mapping[str, Any], *, zero_too: bool) -> bool:
    """Does an update speak of swap. zero_too: memory.swap 0 is more than "unset"."""
    swap = (changes.get("memory") or {}).get("swap")
    return bool(swap) or (swap == 0 and zero_too) or bool((changes.get("unified") or {}).get("memory.swap.max"))


def merged(old: Mapping[str, Any], changes: Mapping[str, Any], *, zero_is_no_swap: bool) -> dict[str, Any]:
    """A container's resources and an update's as one object: what is not named, or called unset, stays."""
    found: dict[str, Any] = {key: dict(value) for key, value in old.items()}
    if not names_swap(changes, zero_too=zero_is_no_swap):
        found.get("memory", {}).pop("swap", None)
    for section, fields in changes.items():
        if isinstance(fields, list):
            found[section] = fields
        else:
            kept = {key: value for key, value in fields.items() if value or (key == "swap" and zero_is_no_swap)}
            found.setdefault(section, {}).update(kept)
    return found


def _rounded(name: str, value: Value) -> Value:
    """Down to what the kernel can hold, which is no loss: pages of memory, huge pages, 64 bits."""
    if isinstance(value, frozenset) or value == NONE:
        return value
    if name in ("memory", "swap"):
        return NONE if value >= 1 << 62 else int(value) // PAGE * PAGE
    if name.startswith("hugetlb."):
        step = HUGE_PAGES.get(name.split(".")[1], 1)
        return NONE if value >= 1 << 62 else int(value) // step * step
    if name.startswith("io.") and value >= ((1 << 32) - 1 if name.endswith("iops") else (1 << 64) - 1):
        return NONE
    if name.startswith("rdma.") and value >= (1 << 31) - 1:
        return NONE
    if name == "pids":  # with 1 a lone process cannot fork either, and runtimes have no other way to say 0
        return NONE if value >= kernel.MOST_TASKS else max(value, 1)
    return value


def _memory(section: Mapping[str, Any], zero_is_no_swap: bool) -> Limits:
    found: Limits = {}
    limit, swap = section.get("limit"), section.get("swap")
    if limit:
        found["memory"] = NONE if limit < 0 else limit
    if swap == 0 and zero_is_no_swap:
        found["swap"] = 0
    elif swap and swap < 0:
        found["swap"] = NONE
    elif swap:
        if not limit or 0 <= swap < limit:
            raise Meaningless("memory.swap counts memory plus swap")
        if limit >= 1 << 62:  # PAGE_COUNTER_MAX: no swap to cgroup2's runtimes, no limit at all to v1's kernels
            raise Meaningless("memory.swap counts from a limit that limits nothing")
        below = limit if zero_is_no_swap else max(limit, 0)  # crun subtracts even a negative one
        # The difference of the numbers, or of what v1 makes of each, whichever is more.
        found["swap"] = max(swap - below, swap // PAGE * PAGE - max(limit, 0) // PAGE * PAGE)
    return found


def _cpu(section: Mapping[str, Any]) -> Limits:
    found: Limits = {}
    quota, period = section.get("quota") or 0, section.get("period") or 100000
    if quota:
        found["cpu"] = NONE if quota < 0 else Fraction(quota, period)
    for key, there in (("cpus", CPUS), ("mems", NODES)):
        if section.get(key):
            found[key] = frozenset(kernel.numbers(key, section[key], there))
    return found


def _throttles(section: Mapping[str, Any]) -> Limits:
    found: Limits = {}
    for field, key in THROTTLES.items():
        for entry in section.get(field) or ():
            disk = f"{entry['major']}:{entry['minor']}"
            if disk not in DISKS:
                raise Meaningless(f"no disk {disk}")
            found[f"io.{disk}.{key}"] = entry.get("rate") or NONE  # 0 and absent: no limit
    return found


def _key(key: str, text: str, resources: Mapping[str, Any]) -> Limits:
    """One key of `unified`."""
    if key in ("memory.max", "memory.swap.max"):
        count = kernel.pages(key, text, "max") * PAGE
        return {"memory" if key == "memory.max" else "swap": NONE if count >= 1 << 62 else count}
    if key == "cpu.max":
        words = [*text.split(), str((resources.get("cpu") or {}).get("period") or 100000)]
        return {"cpu": kernel.share(words[0], str(kernel.number(key, words[1])))}
    if key == "pids.max":
        return {"pids": NONE if text.strip() == "max" else kernel.number(key, text)}
    if key in ("cpuset.cpus", "cpuset.mems"):
        name, there = (("cpus", CPUS), ("mems", NODES))[key == "cpuset.mems"]
        return {name: frozenset(kernel.numbers(key, text, there) or there)}
    if key.startswith("hugetlb.") and key.endswith(".max"):
        return {f"hugetlb.{key.split('.')[1]}": kernel.pages(key, text, "max") * PAGE}
    if key in ("io.max", "rdma.max"):
        rows = kernel.lines(text)
        prefix = key.partition(".")[0]
        return {
            f"{prefix}.{line}.{name}": NONE if value == "max" else kernel.number(key, value)
            for line, row in rows.items()
            for name, value in row.items()
        }
    return {}
