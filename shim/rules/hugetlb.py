"""`linux.resources.hugepageLimits` (OCI runtime-spec, config-linux.md, "Huge page limits").

Kernel: cgroup-v1/hugetlb.rst, cgroup-v2.rst "HugeTLB Interface Files". Limits are bytes, rounded down to a page of the
size. The kernel names a size in its largest whole unit: 2 MiB pages are `2MB`, never `2048KB`.
"""

from __future__ import annotations

from shim.rules.base import CHANGED, GUARD, Edit, Outcome, Problem, Rule
from shim.rules.fields import spec
from shim.rules.outcomes import note
from shim.rules.reachable import beyond, expect, honoured, reach, rewritten, showing, unset
from shim.rules.sizes import with_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.rules.base import Case, Expectation

LIMITS = spec("hugepageLimits")
UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
DIGITS = 20  # of an unsigned 64-bit number
# Sizes that a refusal can name: those for base pages of 4, 16 and 64 KiB, and the contiguous ones of some kernels
# (hugetlbpage.rst).
COMMON_SIZES = ("64KB", "2MB", "32MB", "512MB", "1GB")
UNLIMITED = 2**63 - 2**31  # from about this value on the kernel shows its own number for "no limit"


def probes(resources: dict[str, Any]) -> tuple[str, ...]:
    """Return the interface files of the sizes that `resources` names, and of the common sizes for a refusal to name."""
    entries = resources.get("hugepageLimits")
    if not isinstance(entries, list) or not entries:
        return ()
    written = [entry.get("pageSize") for entry in entries if isinstance(entry, dict)]
    sizes = {kernel_name(size): None for size in (*written, *COMMON_SIZES) if isinstance(size, str)}
    return tuple(_file(size, version) for size in sizes if size for version in (1, 2))


def limits(case: Case) -> Outcome:
    """`hugepageLimits`, list of {pageSize, limit bytes} -> v1 hugetlb.SIZE.limit_in_bytes, v2 hugetlb.SIZE.max."""
    entries = case.get(*LIMITS.path)
    if not entries:
        return unset(LIMITS, "the list is empty")
    malformed = _malformed(entries)
    if malformed:
        return Outcome(problems=malformed)
    named = [{**entry, "pageSize": kernel_name(entry["pageSize"])} for entry in entries]
    unknown = _unknown(case, named, case.host.version("hugetlb"))
    if unknown:
        return Outcome(problems=unknown)
    version = reach(case, "hugetlb")
    if not version:
        limited = [entry for entry in named if entry["limit"] < UNLIMITED]
        lost = ", ".join(f"{entry['pageSize']} huge pages above {with_unit(entry['limit'])}" for entry in limited)
        return beyond(case, LIMITS, lost, _expected(named, 2))
    stated = _stated(case)  # cgroup2's own keys win over the classic field, as in the runtimes
    expected = tuple(one for one in _expected(named, version) if one.file not in stated)
    if case.operation == "update" and "hugepageLimits" in case.runtime.not_updated:
        return showing(_update_by_runc(case, named, version), expected)
    if named == entries:
        return showing(honoured(case, LIMITS, ""), expected)
    reason = "the kernel names a page size in its largest whole unit, and no runtime converts it"
    return showing(rewritten(LIMITS, named, "hugetlb-size-renamed", reason), expected)


def _update_by_runc(case: Case, named: list[dict[str, Any]], version: int) -> Outcome:
    """runc reads no hugepageLimits in an update, but it does read `unified`, which is cgroup2's."""
    if version == 1:
        reason = "runc does not read it in an update: what the container was created with stays, and is read back"
        return Outcome(notes=(note("hugepageLimits", "hugetlb-update-unread", GUARD, "kept", reason),))
    stated = _stated(case)
    wanted = {_file(entry["pageSize"], 2): str(entry["limit"]) for entry in named}
    edits = [Edit(op="set", path=("unified", file), value=text) for file, text in wanted.items() if file not in stated]
    reason = "runc does not read it in an update; cgroup2's own key carries it"
    return Outcome(
        edits=(Edit(op="remove", path=LIMITS.path), *edits),
        notes=(note("hugepageLimits", "hugetlb-by-unified", GUARD, CHANGED, reason),),
    )


def _stated(case: Case) -> list[str]:
    """Return the files for which `unified` has a value; an empty value is not written."""
    return [key for key, value in (case.get("unified") or {}).items() if value]


def kernel_name(size: str) -> str:
    """Return the size in its largest whole unit ("2048KB" -> "2MB"); "" if it is not a size."""
    digits, unit = size[:-2], size[-2:]
    if unit not in UNITS or not (digits.isascii() and digits.isdigit()) or len(digits) > DIGITS or int(digits) == 0:
        return ""
    count = int(digits) * UNITS[unit]
    largest = max((one for one in UNITS if count % UNITS[one] == 0), key=lambda one: UNITS[one])
    return f"{count // UNITS[largest]}{largest}"


def _bytes(name: str) -> int:
    return int(name[:-2]) * UNITS[name[-2:]]


def _file(size: str, version: int) -> str:
    return (LIMITS.v1 if version == 1 else LIMITS.v2).replace("<size>", size)


def _expected(named: list[dict[str, Any]], version: int) -> tuple[Expectation, ...]:
    stated = {entry["pageSize"]: entry["limit"] for entry in named}
    return tuple(
        expect(LIMITS, version, shown(size, limit), file=_file(size, version))
        for size, limit in stated.items()
        if limit < UNLIMITED or version == 2
    )


def shown(size: str, limit: int) -> str:
    """Return the limit as the kernel shows it, in whole pages of `size`."""
    return "max" if limit >= UNLIMITED else str(limit - limit % _bytes(size))


def _malformed(entries: list[dict[str, Any]]) -> tuple[Problem, ...]:
    found = []
    for number, entry in enumerate(entries):
        field = f"hugepageLimits[{number}]"
        size, limit = entry.get("pageSize"), entry.get("limit")
        if not kernel_name(size or ""):
            found.append(_problem(f"{field}.pageSize", f"{size!r} is not a page size", 'write it like "2MB" or "1GB"'))
        if limit is None:
            found.append(_problem(f"{field}.limit", f"{limit!r} is not a number of bytes", "write bytes, 0 or more"))
    return tuple(found)


def _unknown(case: Case, named: list[dict[str, Any]], version: int) -> tuple[Problem, ...]:
    """Return entries whose file is known to be missing. None from the host means that it could not be checked."""
    if not version:
        return ()
    sizes = [name.split(".")[1] for name, there in case.host.interface.items() if there and _sized(name, version)]
    remedy = f"use a size that this host has: {', '.join(sizes)}" if sizes else "see /sys/kernel/mm/hugepages for sizes"
    return tuple(
        _problem(f"hugepageLimits[{number}].pageSize", f"this kernel has no {file}", remedy)
        for number, file in enumerate(_file(entry["pageSize"], version) for entry in named)
        if case.host.has(file) is False
    )


def _sized(name: str, version: int) -> bool:
    parts = name.split(".")
    return len(parts) == 3 and parts[0] == "hugetlb" and parts[2] == _file("", version).rpartition(".")[2]


def _problem(field: str, what: str, remedy: str) -> Problem:
    return Problem(field=field, what=what, remedy=remedy)


RULES: tuple[Rule, ...] = (Rule(field="hugepageLimits", apply=limits),)
