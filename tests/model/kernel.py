"""The kernel's half of the model, first part: how it reads numbers, sizes and lists, and how it prints them.

After Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst, and, where these are silent, the parsers that they
describe: page_counter_memparse() (mm/page_counter.c), kstrtoll(), bitmap_parselist() (lib/bitmap-str.c).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 4096
MOST_PAGES = ((1 << 63) - 1) // PAGE  # PAGE_COUNTER_MAX on 64 bit
UNSIGNED = 1 << 64
MOST_TASKS = 1 << 22  # PID_MAX_LIMIT on 64 bit
MOST_MICROSECONDS = (1 << 44) - 1  # MAX_BW, kernel/sched/sched.h
SUFFIXES = "KMGTPE"  # memparse(), lib/cmdline.c
CPUS, NODES = range(4), range(1)  # what the modelled machines have
DISKS = ("7:0", "8:0", "8:16")
ADAPTERS = ("mlx5_0", "rxe0")
HUGE_PAGES = {"2MB": 2 << 20, "1GB": 1 << 30}
NEEDED = 4 << 20  # below so many bytes no container starts: EBUSY on v1, the OOM killer on cgroup2
RATES = ("rbps", "wbps", "riops", "wiops")
V1_RATES = {
    "blkio.throttle.read_bps_device": "rbps",
    "blkio.throttle.write_bps_device": "wbps",
    "blkio.throttle.read_iops_device": "riops",
    "blkio.throttle.write_iops_device": "wiops",
}


class Refused(Exception):
    """The kernel or the runtime does not take it. missing: ENOENT, the interface file is not there."""

    def __init__(self, why: str, *, missing: bool = False, invalid: bool = False) -> None:
        super().__init__(why)
        self.missing = missing
        self.invalid = invalid


def invalid(name: str, text: str) -> Refused:
    """EINVAL."""
    return Refused(f"{name}: {text!r}: invalid argument", invalid=True)


def number(name: str, text: str) -> int:
    """kstrtoll() and kstrtoull() with base 0, white space around it stripped."""
    match = re.fullmatch(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text.strip())
    if not match:
        raise invalid(name, text)
    digits = match.group(2)
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") and digits != "0" else 10
    return int(digits, base) * (-1 if match.group(1) == "-" else 1)


def unsigned(name: str, text: str) -> int:
    """kstrtoull(): no sign, 64 bits."""
    value = number(name, text)
    if not 0 <= value < UNSIGNED:
        raise invalid(name, text)
    return value


def pages(name: str, text: str, word: str) -> int:
    """page_counter_memparse(): `word` or bytes with an optional suffix; nothing but white space is 0."""
    text = text.strip()
    if text == word:
        return MOST_PAGES
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]*)([KMGTPEkmgtpe]?)", text)
    if not match:
        raise invalid(name, text)
    digits, suffix = match.groups()
    count = number(name, digits) if digits else 0
    shift = 10 * (SUFFIXES.index(suffix.upper()) + 1) if suffix else 0
    return min((count << shift) % UNSIGNED // PAGE, MOST_PAGES)


def size(shown: str) -> int:
    """Pages of what a memory file shows, for comparisons inside the kernel."""
    return MOST_PAGES if shown == "max" else min(int(shown) // PAGE, MOST_PAGES)


def numbers(name: str, text: str, there: range) -> set[int]:
    """bitmap_parselist(): "0-1,3", also separated by white space, with "all", "N" and ":USED/GROUP"."""
    found: set[int] = set()
    for word in re.split(r"[,\s]+", text.strip()):
        match = re.fullmatch(r"(?:all|([0-9]+|N)(?:-([0-9]+|N))?)(?::([0-9]+)/([0-9]+))?", word)
        if word and not match:
            raise invalid(name, text)
        if word and match:
            first, last, used, group = match.groups()
            low = 0 if first is None else there[-1] if first == "N" else int(first)
            high = there[-1] if first is None or last == "N" else int(last) if last else low
            take, every = (int(used), int(group)) if used else (1, 1)
            if low > high or not 0 < take <= every or high not in there:
                raise invalid(name, text)
            found.update(one for one in range(low, high + 1) if (one - low) % every < take)
    return found


def ranges(found: Iterable[int]) -> str:
    """How the kernel prints a list: "0-1,3"."""
    parts: list[list[int]] = []
    for one in sorted(found):
        if parts and parts[-1][1] == one - 1:
            parts[-1][1] = one
        else:
            parts.append([one, one])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in parts)


def lines(shown: str) -> dict[str, dict[str, str]]:
    """A nested-keyed file, `KEY NAME=VALUE ...` a line, as {key: {name: value}}."""
    rows = [line.split() for line in shown.splitlines() if line.strip()]
    return {row[0]: dict(word.split("=", 1) for word in row[1:]) for row in rows}


def share(quota: str, period: str) -> Fraction | float:
    """CPUs' worth of time in one period; infinite without a quota. Raises Refused for a period of 0."""
    if not int(period):
        raise invalid("cpu.max", f"{quota} {period}")
    return float("inf") if quota in ("max", "-1") else Fraction(int(quota), int(period))
