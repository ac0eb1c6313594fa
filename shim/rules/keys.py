"""The files that `unified` may name: the kind of each limit, and the form in which the kernel shows it.

Documentation/admin-guide/cgroup-v2.rst, the section of each controller. A key that is not listed here may be a limit,
so it counts as a guard and is read back in any form.
"""

from __future__ import annotations

from shim.rules.base import GUARD, HINT, Expectation
from shim.rules.sizes import Untranslatable, size, unlimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Kind

# One line a key; `-` for none. Name, kind, form in which the file shows what was written (shim.rules.shapes; `-` for an
# action, or a file of the root alone), classic field for it on v1, Linux version that added the file, kernel option
# beside the controller's own, key that it requires, and, to the end of the line, a value to ask for
TABLE = """\
memory.max guard page memory.limit - - - 67108864
memory.swap.max guard page memory.swap - SWAP memory.max 0
memory.high hint page memory.reservation - - - 50331648
memory.low hint page memory.reservation - - - 33554432
memory.min hint page memory.reservation - - - 33554432
memory.oom.group hint number - 4.19 - - 1
memory.swap.high hint page - 5.8 SWAP - 33554432
memory.zswap.max hint page - 5.19 ZSWAP - 0
memory.zswap.writeback hint number - 6.8 ZSWAP - 0
memory.reclaim hint - - 5.19 - - 1M
cpu.max guard first-words cpu.quota,cpu.period - CFS_BANDWIDTH - 25000 50000
cpu.weight hint number cpu.shares - FAIR_GROUP_SCHED - 50
cpu.weight.nice hint number - - FAIR_GROUP_SCHED - 5
cpu.idle hint number cpu.idle 5.15 - - 1
cpu.max.burst hint number cpu.burst 5.14 CFS_BANDWIDTH cpu.max 10000
cpu.uclamp.min hint percent - 5.4 UCLAMP_TASK_GROUP - 10
cpu.uclamp.max hint percent - 5.4 UCLAMP_TASK_GROUP - 50
cpuset.cpus guard cpus cpu.cpus - - - 0
cpuset.mems guard cpus cpu.mems - - - 0
cpuset.cpus.partition hint exact - - - - root
cpuset.cpus.exclusive hint cpus - 6.7 - - 0
pids.max guard number pids.limit - - - 32
io.max guard lines blockIO.throttle* - BLK_DEV_THROTTLING - 8:0 rbps=1048576
io.weight hint lines blockIO.weight 5.4 BLK_CGROUP_IOCOST - 200
io.bfq.weight hint lines blockIO.weight - BFQ_GROUP_IOSCHED - 200
io.latency hint lines - 4.19 BLK_CGROUP_IOLATENCY - 8:0 target=75000
io.prio.class hint exact - 5.14 BLK_CGROUP_IOPRIO - idle
io.cost.qos hint - - 5.4 BLK_CGROUP_IOCOST - 8:0 enable=1
io.cost.model hint - - 5.4 BLK_CGROUP_IOCOST - 8:0 ctrl=auto
hugetlb.<size>.max guard number hugepageLimits 5.6 - - 67108864
hugetlb.<size>.rsvd.max guard number - 5.7 - - 67108864
rdma.max guard lines rdma - - - mlx5_0 hca_handle=2 hca_object=2000
misc.max guard lines - 5.13 - - res_a 1
dmem.max guard lines - 6.14 - - drm/0000:03:00.0/vram0 1073741824
"""
WITH_A_DEFAULT = ("io.weight", "io.bfq.weight")
# name in a line -> the number that means the same as "max", and which the kernel shows so.
MOST = {
    **dict.fromkeys(("rbps", "wbps"), (1 << 64) - 1),
    **dict.fromkeys(("riops", "wiops"), (1 << 32) - 1),
    **dict.fromkeys(("hca_handle", "hca_object"), (1 << 31) - 1),
}


LINES = {line.partition(" ")[0]: line for line in TABLE.splitlines()}


def line_of(key: str) -> str:
    """Return the table's line for a key, of `hugetlb.<size>.max` for any size; "" for a key that is not in it."""
    controller, _, rest = key.partition(".")
    return LINES.get(f"hugetlb.<size>.{rest.partition('.')[2]}" if controller == "hugetlb" else key, "")


def kind(key: str) -> Kind:
    """Return GUARD or HINT."""
    return HINT if key.startswith("cgroup.") or line_of(key).split(" ", 2)[1:2] == [HINT] else GUARD


def shape(key: str) -> str:
    """Return the form in which the file shows what was written, "any-form" for an unknown file, "" if it is never
    shown.
    """
    if key.startswith("cgroup."):
        return ""
    found = (line_of(key) or f"{key} {GUARD} any-form ").split(" ", 3)[2]
    return "" if found == "-" else found


def sets_nothing(key: str, value: str) -> bool:
    """Return whether nothing is written, or only an empty list of CPUs, which a new cgroup has anyway."""
    return value == "" or (not value.strip() and key.startswith("cpuset."))


def stripped(key: str, value: str) -> str:
    """Return the value as the kernel reads it.

    Where a size is expected, white space alone is 0 (memparse(), lib/cmdline.c), and a size above every page counter is
    `max` (PAGE_COUNTER_MAX, include/linux/page_counter.h).
    """
    found = value.strip()
    if shape(key) != "page":
        return found
    return "max" if unlimited(found) else found or "0"


def expected(key: str, value: str) -> tuple[Expectation, ...]:
    """Return what cgroup2 must show after `value` was written to the file `key`, one expectation for each line."""
    form = shape(key)
    if not value or not form:
        return ()
    if key.startswith("hugetlb.") and form == "number":
        return (_expectation(key, _whole_pages(key, value), form),)
    if form == "lines":
        lines = (_line(key, line.split()) for line in value.splitlines())
        return tuple(_expectation(key, line, "lines") for line in lines if line)
    return (_expectation(key, value, form),)


def _expectation(key: str, value: str, form: str) -> Expectation:
    return Expectation(
        field=f"unified.{key}",
        kind=kind(key),
        controller=key.partition(".")[0],
        version=2,
        file=key,
        value=value,
        shape=form,  # type: ignore[arg-type] # a word of the table
    )


def _whole_pages(key: str, value: str) -> str:
    """Return bytes as the kernel shows them, rounded down to whole pages of the size in the file's name."""
    from shim.rules import hugetlb

    page = key.split(".")[1]
    try:
        wanted = size(key, value)
    except Untranslatable:
        return value
    if wanted < 0 or not hugetlb.kernel_name(page):
        return value
    return hugetlb.shown(page, wanted)


def _line(key: str, words: list[str]) -> str:
    """Return one line as the kernel shows it; "" for a value that removes the line."""
    if key in WITH_A_DEFAULT and len(words) == 1:
        return f"default {words[0]}"
    if key in WITH_A_DEFAULT and words[1:] == ["default"]:
        return ""
    return " ".join(_rate(word) for word in words)


def _rate(word: str) -> str:
    """io.max counts no further than `riops=4294967295`, which it shows as `max`, rdma.max than 2147483647."""
    name, _, rate = word.partition("=")
    whole = name in MOST and rate.isascii() and rate.isdigit()
    return f"{name}=max" if whole and int(rate) >= MOST[name] else word
