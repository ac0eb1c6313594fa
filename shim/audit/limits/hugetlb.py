"""Huge pages, one limit for each page size (cgroup-v1/hugetlb.rst): pages that may be faulted in, or reserved."""

from __future__ import annotations

from shim.audit.limit import AT_MOST, Kind, Limit
from shim.audit.numbers import entries, section, shown, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

# The kernel's names of sizes; a host has files for those that its processor supports.
SIZES = ("64KB", "1MB", "2MB", "16MB", "32MB", "512MB", "1GB", "2GB", "16GB")
LIMITS = (Limit(key="hugetlb", unit="bytes", order=AT_MOST, controller="hugetlb", field="hugepageLimits"),)
ENDINGS = {1: ("limit_in_bytes", "rsvd.limit_in_bytes"), 2: ("max", "rsvd.max")}
FILES = {version: tuple(f"hugetlb.{size}.{end}" for size in SIZES for end in ENDINGS[version]) for version in ENDINGS}


def _oci(resources: dict[str, Any], version: int) -> Found:
    del version
    found: Found = {}
    for entry in entries(resources, "hugepageLimits"):
        if whole(entry.get("limit")) is not None:
            found[f"hugetlb {entry.get('pageSize')}"] = entry["limit"]
    for name, text in section(resources, "unified").items():
        value = shown(text) if name.startswith("hugetlb.") and name.endswith(".max") else None
        if value is not None and ".rsvd." not in name:
            found[f"hugetlb {name.split('.')[1]}"] = value
    return found


def _cri(asked: dict[str, Any], version: int) -> Found:
    del version
    listed = entries(asked, "hugepage_limits")
    return {f"hugetlb {e.get('page_size')}": e["limit"] for e in listed if whole(e.get("limit")) is not None}


def _runc(groups: dict[str, Any], version: int) -> Found:
    del version
    return {
        f"hugetlb {entry.get('page_size') or entry.get('Pagesize')}": entry["limit"]
        for entry in entries(groups, "hugetlb_limit")
        if whole(entry.get("limit")) is not None
    }


def _read(files: dict[str, str], version: int) -> Found:
    found: Found = {}
    for size in SIZES:
        for part, ending in zip(("", " reserved"), ENDINGS[version]):
            value = shown(files.get(f"hugetlb.{size}.{ending}"))
            if value is not None:
                found[f"hugetlb {size}{part}"] = value
    return found


def _v1(files: dict[str, str]) -> Found:
    return _read(files, 1)


def _v2(files: dict[str, str]) -> Found:
    return _read(files, 2)


KIND = Kind(limits=LIMITS, files=FILES, oci=_oci, cri=_cri, runc=_runc, kernel={1: _v1, 2: _v2})
