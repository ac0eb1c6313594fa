"""`linux.resources.cpu.cpus` and `.mems` (OCI runtime-spec, config-linux.md, "CPU").

Kernel: cgroup-v1/cpusets.rst "List Format", cgroup-v2.rst "Cpuset Interface Files". Numbers of CPUs and memory nodes
as lists of ranges ("0-3,5", "0-6:1/2" for one of every two). Only the kernel knows whether they exist and, on v1,
whether the parent has them.
"""

from __future__ import annotations

from shim.rules.base import GUARD
from shim.rules.fields import spec
from shim.rules.outcomes import invalid, removed
from shim.rules.reachable import beyond, expect, honoured, known_absent, reach, unset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Case, Outcome
    from shim.rules.fields import FieldSpec

CPUS = spec("cpu.cpus")
MEMS = spec("cpu.mems")
WORDS = ("all", "N")  # bitmap_parselist() of newer kernels: every number, the last number
MOST = 65535  # far above any kernel's NR_CPUS (8192) and MAX_NUMNODES (1024), and small enough to expand
LONGEST = 1 << 16  # characters; the kernel takes 100 + 6 * NR_CPUS (cpuset_common_legacy_files, max_write_len)
LARGEST = 1 << 20  # numbers in one list after expansion, with repetitions
DIGITS = 10


def cpus(case: Case) -> Outcome:
    """`cpus`, list of CPU numbers, "" unset -> cpuset.cpus in both hierarchies."""
    return _list(case, CPUS, "CPUs")


def mems(case: Case) -> Outcome:
    """`mems`, list of memory node numbers, "" unset -> cpuset.mems in both hierarchies."""
    return _list(case, MEMS, "memory nodes")


def _list(case: Case, field: FieldSpec, what: str) -> Outcome:
    value = case.get(*field.path)
    if value == "" and case.runtime.opens_every_section and known_absent(case, "cpuset"):
        reason = "the empty string is unset, but crun opens the cpuset cgroup for it, which it cannot reach here"
        return removed(field.name, "cpuset-unset", GUARD, reason)
    if value == "":
        return unset(field, "the empty string is unset to runc and crun")
    shown = normalised(value) if isinstance(value, str) else None
    if shown is None and case.host.version("cpuset"):
        return invalid(field.name, f"{value!r} is not a list of {what}", 'write numbers and ranges, such as "0-3,5"')
    if shown is None or not reach(case, "cpuset"):
        expected = (expect(field, 2, shown),) if shown else ()
        return beyond(case, field, f"confinement to {what} {value}", expected)
    return honoured(case, field, shown)


def normalised(text: str) -> str | None:
    """Return the list as the kernel prints it ("0,1,3" -> "0-1,3"); "" if only the kernel knows, None if it is not a
    list.
    """
    numbers: set[int] = set()
    words = text.replace(",", " ").split() if len(text) <= LONGEST else []
    if not words:
        return None
    if any(part in WORDS for word in words for part in word.split(":")[0].split("-")):
        return ""
    work = 0
    for word in words:
        found = _numbers(word)
        if found is None:
            return None
        numbers.update(found)
        work += len(found)
        if work > LARGEST:
            return None
    return _ranges(sorted(numbers))


def _numbers(word: str) -> list[int] | None:
    """Return the numbers in "5", "0-3" or "0-6:1/2"; None for anything else."""
    span, colon, step = word.partition(":")
    first, dash, last = span.partition("-")
    used, slash, group = step.partition("/")
    written = [first, *([last] if dash else []), *([used, group] if colon else [])]
    digits = all(part.isascii() and part.isdigit() and len(part) <= DIGITS for part in written)
    if not digits or (colon and not (dash and slash)):
        return None
    low, high = int(first), int(last or first)
    take, every = (int(used), int(group)) if colon else (1, 1)
    if low > high or high > MOST or not 0 < take <= every:
        return None
    return [number for number in range(low, high + 1) if (number - low) % every < take]


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
