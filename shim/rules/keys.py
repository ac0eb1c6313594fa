"""The files that `unified` names: what kind of limit each is, and in which form the kernel shows it.

Documentation/admin-guide/cgroup-v2.rst, the section of each controller. Keys that are not listed here may be limits:
they count as guards, and are read back in any form.
"""

from __future__ import annotations

from shim.rules.base import GUARD, HINT, Expectation
from shim.rules.sizes import Untranslatable, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Shape

# Tuning, and the form in which the file shows it; "" for what is not there to be read: an action, or the root's alone.
HINTS: dict[str, Shape | str] = {
    "memory.high": "page",
    "memory.low": "page",
    "memory.min": "page",
    "memory.oom.group": "number",
    "memory.swap.high": "page",
    "memory.zswap.max": "page",
    "memory.zswap.writeback": "number",
    "memory.reclaim": "",
    "cpu.weight": "number",
    "cpu.weight.nice": "number",
    "cpu.idle": "number",
    "cpu.max.burst": "number",
    "cpu.uclamp.min": "percent",
    "cpu.uclamp.max": "percent",
    "cpuset.cpus.partition": "exact",
    "cpuset.cpus.exclusive": "cpus",
    "io.weight": "lines",
    "io.bfq.weight": "lines",
    "io.latency": "lines",
    "io.prio.class": "exact",
    "io.cost.qos": "",
    "io.cost.model": "",
}
GUARDS: dict[str, Shape] = {
    "memory.max": "page",
    "memory.swap.max": "page",
    "cpu.max": "first-words",
    "cpuset.cpus": "cpus",
    "cpuset.mems": "cpus",
    "pids.max": "number",
    "io.max": "lines",
    "rdma.max": "lines",
    "misc.max": "lines",
    "dmem.max": "lines",
}
WITH_A_DEFAULT = ("io.weight", "io.bfq.weight")
MOST = {"rbps": (1 << 64) - 1, "wbps": (1 << 64) - 1, "riops": (1 << 32) - 1, "wiops": (1 << 32) - 1}


def kind(key: str) -> str:
    """GUARD or HINT."""
    return HINT if key in HINTS or key.startswith("cgroup.") else GUARD


def sets_nothing(key: str, value: str) -> bool:
    """No write at all, or one that leaves a list of CPUs as empty as it is in a new cgroup."""
    return value == "" or (not value.strip() and key.startswith("cpuset."))


def stripped(key: str, value: str) -> str:
    """The value as the kernel reads it, who takes white space alone for 0 where a size is expected (memparse())."""
    return value.strip() or ("0" if HINTS.get(key, GUARDS.get(key)) == "page" else "")


def expected(key: str, value: str) -> tuple[Expectation, ...]:
    """What cgroup2 must show after `value` was written to the file `key`; one for each line that it has."""
    shape = HINTS.get(key, GUARDS.get(key, "any-form"))
    if not value or not shape or key.startswith("cgroup."):
        return ()
    if key.startswith("hugetlb.") and key.endswith(".max"):
        return (_expectation(key, _whole_pages(key, value), "number"),)
    if shape == "lines":
        lines = (_line(key, line.split()) for line in value.splitlines())
        return tuple(_expectation(key, line, "lines") for line in lines if line)
    return (_expectation(key, value, shape),)


def _expectation(key: str, value: str, shape: str) -> Expectation:
    return Expectation(
        field=f"unified.{key}",
        kind=kind(key),
        controller=key.partition(".")[0],
        version=2,
        file=key,
        value=value,
        shape=shape,  # type: ignore[arg-type] # a word of the tables above
    )


def _whole_pages(key: str, value: str) -> str:
    """Bytes as the kernel shows them: down to whole pages of the size that the file is named after."""
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
    """One line as the kernel shows it; "" for what takes a line away."""
    if key in WITH_A_DEFAULT and len(words) == 1:
        return f"default {words[0]}"
    if key in WITH_A_DEFAULT and words[1:] == ["default"]:
        return ""
    return " ".join(_rate(word) for word in words)


def _rate(word: str) -> str:
    """`riops=4294967295` is all that io.max counts to, which it shows as `max`."""
    name, _, rate = word.partition("=")
    whole = name in MOST and rate.isascii() and rate.isdigit()
    return f"{name}=max" if whole and int(rate) >= MOST[name] else word
