"""The kernel's half of the model, second part: one container's cgroup, and what a write to its interface files does.

After Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst, and, where these are silent, the functions that they
describe: tg_set_cfs_bandwidth() (kernel/sched/core.c), tg_set_limit() (block/blk-throttle.c), mem_cgroup_resize_max()
(mm/memcontrol-v1.c). `test_model_itself.py` holds it against writes recorded on a kernel.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.model.kernel import (
    ADAPTERS,
    CPUS,
    DISKS,
    HUGE_PAGES,
    MOST_MICROSECONDS,
    MOST_PAGES,
    MOST_TASKS,
    NEEDED,
    NODES,
    PAGE,
    RATES,
    UNSIGNED,
    V1_RATES,
    Refused,
    invalid,
    lines,
    number,
    numbers,
    pages,
    ranges,
    size,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Default(NamedTuple):
    """What a file of a new cgroup shows, and how it takes a write: (cgroup, file, text) -> what it shows then."""

    shows: str
    takes: Callable[[Cgroup, str, str], str]


class Cgroup:
    """The interface files of one container, v1 and cgroup2 ones side by side, as {file: what reading it gives}."""

    def __init__(self, files: Iterable[str], kernel: tuple[int, int], beside: frozenset[str] = frozenset()) -> None:
        self.kernel = kernel
        self.files = {name: _default(name).shows for name in files}
        self.beside = beside  # those in the cgroup2 next to v1 hierarchies, to which no runtime writes

    def write(self, name: str, text: str, *, beside: bool = False) -> None:
        """One system call. Raises Refused. A write of no bytes never reaches the parser."""
        if name not in self.files or (name in self.beside) != beside:
            raise Refused(f"{name}: no such file", missing=True)
        if text:
            self.files[name] = _default(name).takes(self, name, text)

    def has(self, name: str) -> bool:
        """Is the interface file where the runtime looks for it?"""
        return name in self.files and name not in self.beside


def _memory2(group: Cgroup, name: str, text: str) -> str:
    count = pages(name, text, "max")
    if name == "memory.max" and count * PAGE < NEEDED:
        raise Refused(f"memory.max {text}: the OOM killer ends the container's first process")
    return "max" if count == MOST_PAGES else str(count * PAGE)


def _memory1(group: Cgroup, name: str, text: str) -> str:
    count = pages(name, text, "-1")
    if name == "memory.limit_in_bytes" and count * PAGE < NEEDED:
        raise Refused(f"{name} {text}: device or resource busy")
    limit, both = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
    if name == limit and group.has(both) and count > size(group.files[both]):
        raise invalid(name, text)
    if name == both and count < size(group.files[limit]):
        raise invalid(name, text)
    return str(count * PAGE)


def _swappiness(group: Cgroup, name: str, text: str) -> str:
    value = unsigned(name, text)
    if value > (100 if group.kernel < (5, 11) else 200):
        raise invalid(name, text)
    return str(value)


def _bit(group: Cgroup, name: str, text: str) -> str:
    if number(name, text) not in (0, 1):
        raise invalid(name, text)
    return str(number(name, text))


def _oom_control(group: Cgroup, name: str, text: str) -> str:
    return f"oom_kill_disable {_bit(group, name, text)}\nunder_oom 0\noom_kill 0"


def _hierarchy(group: Cgroup, name: str, text: str) -> str:
    if _bit(group, name, text) == "0" and group.kernel >= (5, 11):
        raise invalid(name, text)
    return text.strip()


def _any(group: Cgroup, name: str, text: str) -> str:
    return text.strip()


def _pids(group: Cgroup, name: str, text: str) -> str:
    if text.strip() == "max":
        return "max"
    value = number(name, text)
    if not 0 <= value <= MOST_TASKS:
        raise invalid(name, text)
    return str(value)


def _quota(name: str, word: str) -> int:
    if word == "max":
        return -1
    match = re.match(r"[0-9]+", word)
    if not match or not 1000 <= int(match.group()) <= MOST_MICROSECONDS:
        raise invalid(name, word)
    return int(match.group())


def _cpu_max(group: Cgroup, name: str, text: str) -> str:
    """QUOTA [PERIOD], read with sscanf: one word keeps the period, a third one is not looked at."""
    words = text.split()
    if not words:
        raise invalid(name, text)
    quota = _quota(name, words[0])
    period = group.files[name].split()[1]
    if len(words) > 1 and re.match(r"[0-9]+", words[1]):
        period = str(int(re.match(r"[0-9]+", words[1]).group()))  # type: ignore[union-attr]
    if not 1000 <= int(period) <= 1000000:
        raise invalid(name, text)
    _burst_fits(group, "cpu.max.burst", quota, name)
    return f"{'max' if quota < 0 else quota} {period}"


def _burst_fits(group: Cgroup, file: str, quota: int, name: str) -> None:
    if 0 <= quota < int(group.files.get(file, "0")):
        raise invalid(name, str(quota))


def _cfs_quota(group: Cgroup, name: str, text: str) -> str:
    value = number(name, text)
    quota = -1 if value < 0 else _quota(name, str(value))
    _burst_fits(group, "cpu.cfs_burst_us", quota, name)
    return str(quota)


def _cfs_period(group: Cgroup, name: str, text: str) -> str:
    if not 1000 <= unsigned(name, text) <= 1000000:
        raise invalid(name, text)
    return str(unsigned(name, text))


def _burst(group: Cgroup, name: str, text: str) -> str:
    value = unsigned(name, text)
    shown = group.files["cpu.max"].split()[0] if name == "cpu.max.burst" else group.files["cpu.cfs_quota_us"]
    quota = -1 if shown in ("max", "-1") else int(shown)
    if value > MOST_MICROSECONDS or (quota >= 0 and value > quota):
        raise invalid(name, text)
    return str(value)


def _shares(group: Cgroup, name: str, text: str) -> str:
    if group.files.get("cpu.idle") == "1":
        raise invalid(name, text)
    return str(min(max(unsigned(name, text), 2), 262144))


def _weight(group: Cgroup, name: str, text: str) -> str:
    value = unsigned(name, text)
    if group.files.get("cpu.idle") == "1" or not 1 <= value <= 10000:
        raise invalid(name, text)
    return str(value)


def _cpuset(group: Cgroup, name: str, text: str) -> str:
    return ranges(numbers(name, text, CPUS if name.endswith("cpus") else NODES))


def _huge(group: Cgroup, name: str, text: str) -> str:
    word = "max" if name.endswith(".max") else "-1"
    step = HUGE_PAGES[name.split(".")[1]] // PAGE
    count = pages(name, text, word) // step * step
    top = MOST_PAGES // step * step
    return "max" if count == top and word == "max" else str(count * PAGE)


def _nested(group: Cgroup, name: str, text: str) -> str:
    """io.max and rdma.max: `KEY NAME=VALUE ...`, what is not named stays, a line of nothing but `max` goes."""
    names = RATES if name == "io.max" else ("hca_handle", "hca_object")
    words = text.split()
    if not words or words[0] not in (DISKS if name == "io.max" else ADAPTERS):
        raise Refused(f"{name}: {text!r}: no such device")
    rows = lines(group.files[name])
    row = rows.setdefault(words[0], dict.fromkeys(names, "max"))
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if key not in names or not equals:
            raise invalid(name, text)
        row[key] = _rate(name, key, value)
    kept = {key: row for key, row in rows.items() if set(row.values()) != {"max"} or name == "rdma.max"}
    return "\n".join(" ".join([key, *(f"{one}={row[one]}" for one in names)]) for key, row in kept.items())


def _rate(name: str, key: str, text: str) -> str:
    if text == "max":
        return "max"
    value = unsigned(name, text)
    if name == "io.max" and (value == 0 or (value == 1 and key.endswith("bps"))):
        raise invalid(name, text)
    top = (1 << 31) - 1 if name == "rdma.max" else (1 << 32) - 1 if key.endswith("iops") else UNSIGNED - 1
    if name == "rdma.max" and value > top:
        raise invalid(name, text)
    return "max" if value >= top else str(value)


def _throttle(group: Cgroup, name: str, text: str) -> str:
    """v1: `MAJ:MIN RATE`, 0 takes the limit away."""
    words = text.split()
    if len(words) != 2 or words[0] not in DISKS:
        raise Refused(f"{name}: {text!r}: no such device")
    rows = dict(line.split() for line in group.files[name].splitlines())
    value = unsigned(name, words[1])
    top = (1 << 32) - 1 if "iops" in name else UNSIGNED - 1
    rows.pop(words[0], None)
    if 0 < value < top:
        rows[words[0]] = str(value)
    return "\n".join(f"{disk} {rate}" for disk, rate in rows.items())


def _io_weight(group: Cgroup, name: str, text: str) -> str:
    """`[default] WEIGHT` or `MAJ:MIN WEIGHT`; of a device bfq takes it only where bfq is its scheduler."""
    words = text.split()
    most = 10000 if name == "io.weight" else 1000
    if ":" in words[0]:
        if "bfq" in name or words[0] not in DISKS:
            raise Refused(f"{name}: {text!r}: operation not supported")
        device = words[1] if len(words) > 1 else ""
        if device != "default" and not 1 <= unsigned(name, device) <= most:
            raise invalid(name, text)
        return group.files[name]
    value = unsigned(name, words[-1])
    if not 1 <= value <= most:
        raise invalid(name, text)
    return f"default {value}" if name.startswith("io.") else str(value)


SHOWN_V1_UNLIMITED = str(MOST_PAGES * PAGE)
FILES: dict[str, Default] = {
    "memory.max": Default("max", _memory2),
    "memory.high": Default("max", _memory2),
    "memory.low": Default("0", _memory2),
    "memory.min": Default("0", _memory2),
    "memory.swap.max": Default("max", _memory2),
    "memory.oom.group": Default("0", _bit),
    "memory.limit_in_bytes": Default(SHOWN_V1_UNLIMITED, _memory1),
    "memory.memsw.limit_in_bytes": Default(SHOWN_V1_UNLIMITED, _memory1),
    "memory.soft_limit_in_bytes": Default(SHOWN_V1_UNLIMITED, _memory1),
    **{f"memory.{kind}.limit_in_bytes": Default(SHOWN_V1_UNLIMITED, _memory1) for kind in ("kmem", "kmem.tcp")},
    "memory.swappiness": Default("60", _swappiness),
    "memory.oom_control": Default("oom_kill_disable 0\nunder_oom 0\noom_kill 0", _oom_control),
    "memory.use_hierarchy": Default("1", _hierarchy),
    "cpu.max": Default("max 100000", _cpu_max),
    "cpu.max.burst": Default("0", _burst),
    "cpu.weight": Default("100", _weight),
    "cpu.idle": Default("0", _bit),
    "cpu.shares": Default("1024", _shares),
    "cpu.cfs_quota_us": Default("-1", _cfs_quota),
    "cpu.cfs_period_us": Default("100000", _cfs_period),
    "cpu.cfs_burst_us": Default("0", _burst),
    "cpuset.cpus": Default("", _cpuset),
    "cpuset.mems": Default("", _cpuset),
    "pids.max": Default("max", _pids),
    "io.max": Default("", _nested),
    "io.weight": Default("default 100", _io_weight),
    "io.bfq.weight": Default("default 100", _io_weight),
    "blkio.bfq.weight": Default("100", _io_weight),
    **{name: Default("", _throttle) for name in V1_RATES},
    "rdma.max": Default("\n".join(f"{one} hca_handle=max hca_object=max" for one in ADAPTERS), _nested),
}


@functools.cache
def _default(name: str) -> Default:
    """How a file behaves; a file that this model does not know takes anything."""
    if re.fullmatch(r"hugetlb\.[^.]+(\.rsvd)?\.(max|limit_in_bytes)", name):
        top = MOST_PAGES // (HUGE_PAGES[name.split(".")[1]] // PAGE) * HUGE_PAGES[name.split(".")[1]]
        return Default("max" if name.endswith(".max") else str(top), _huge)
    return FILES.get(name, Default("", _any))
