"""The facts about memory on both layouts: whether something was killed, how often, and whether everything stands still.

v1 counts in `memory.oom_control` (`oom_kill` since Linux 4.13) and `memory.failcnt`, v2 in `memory.events`, whose
numbers include the descendants (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
"""

from __future__ import annotations

from shim.diagnose.explain import without_words
from shim.host.cgroup_files import flat_keyed
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis
    from shim.host.view import View


# If memory and memory+swap have the same limit, only the second counter moves.
FAILURES = ("memory.failcnt", "memory.memsw.failcnt")


class MemoryCounters(Value):
    """A cgroup's memory counters, since it was made; None: not on this layout.

    kills: processes killed by the OOM killer. events: times that the limit could not be kept by reclaiming.
    failures: times that the limit was hit. stuck: out of memory now, with the OOM killer switched off (v1).
    """

    kills: int | None
    events: int | None
    failures: int | None
    stuck: bool
    evidence: tuple[str, ...]


def pressure(view: View, directory: str) -> MemoryCounters | None:
    """Return the counters of the memory cgroup at `directory`, None if it has none (gone, or no memory controller)."""
    return _unified(view, directory) or _v1(view, directory)


def verdict(view: View, directory: str) -> Diagnosis | None:
    """Return what went wrong with memory in this cgroup, None if nothing did or nothing shows."""
    found = pressure(view, directory)
    if found is None:
        return None
    if found.stuck:
        return without_words("memory-oom-deadlock", found.evidence, {"path": directory})
    if found.kills:
        return without_words("container-oom-killed", found.evidence, {"count": str(found.kills)})
    return None


def _unified(view: View, directory: str) -> MemoryCounters | None:
    path = f"{directory}/memory.events"
    text = view.text(path)
    if text is None:
        return None
    counts = flat_keyed(text)
    return MemoryCounters(
        kills=counts.get("oom_kill"),
        events=counts.get("oom"),
        failures=counts.get("max"),
        stuck=False,
        evidence=(_quoted(path, text),),
    )


def _v1(view: View, directory: str) -> MemoryCounters | None:
    path = f"{directory}/memory.oom_control"
    text = view.text(path)
    if text is None:
        return None
    counts = flat_keyed(text)
    hits = {f"{directory}/{file}": (view.text(f"{directory}/{file}") or "").strip() for file in FAILURES}
    known = {file: int(count) for file, count in hits.items() if count.isdigit()}
    evidence = (_quoted(path, text), *(f"{file}: {count}" for file, count in known.items()))
    return MemoryCounters(
        kills=counts.get("oom_kill"),
        events=None,
        failures=sum(known.values()) if known else None,
        stuck=counts.get("under_oom") == 1 and counts.get("oom_kill_disable") == 1,
        evidence=evidence,
    )


def _quoted(path: str, text: str) -> str:
    return f"{path}: {' '.join(text.split())}"
