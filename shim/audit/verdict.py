"""From all values of one limit to a verdict: a decision table, top to bottom."""

from __future__ import annotations

from shim.audit import columns, traces, weakness
from shim.audit.case import OF_PODS, JudgedLimit, case_of, show
from shim.audit.limit import LOOSER, NONE, SAME, TIGHTER, WITHIN, relation, tightest
from shim.audit.row import (
    AT_RISK,
    CAPPED,
    CHANGED,
    ENFORCED,
    LOST_BEFORE,
    LOST_IN,
    ORDER,
    STRICTER,
    UNKNOWN,
    WEAKER,
    Row,
)
from shim.containers import container as states
from shim.containers.container import ALIVE, ASKED, CONFIG, GONE, KUBELET, REMEMBERED, SPEC, SYSTEMD
from shim.rules.base import KEPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.audit.subject import AuditedContainer

NO_CONFIG = "no config.json of it could be read"


def rows(subject: AuditedContainer) -> list[Row]:
    """Return all limits of a container, the worst first."""
    lost = traces.dropped(subject)
    found = traces.by_cgshim(subject)
    for said in columns.said(subject):
        keys = [*said.keys(), *(key for key in lost if key.startswith(said.kind.limits[0].key.split(".")[0]))]
        for key in dict.fromkeys(keys):
            case = case_of(subject, said, key)
            verdict = _judge(case, lost.get(key))
            if verdict:
                found.append(_row(case, *verdict))
    return sorted(found, key=lambda row: ORDER.index(row.verdict))


def _judge(case: JudgedLimit, trace: tuple[bool, str] | None) -> tuple[str, str] | None:
    """Return (verdict, why), None if there is nothing to report."""
    if trace and columns.is_nothing(case.limit, case.wish):
        return LOST_BEFORE if trace[0] else UNKNOWN, trace[1]
    if columns.is_nothing(case.limit, case.wish):
        return _unasked(case)
    if case.key == "pids.limit" and case.wish == 0:
        return _zero(case)
    if case.key == "oom-score-adj" and case.wish == 0 == case.now:
        return None  # the engines' own values if nothing was requested
    container = case.subject.container
    if container.state not in ALIVE or not container.pid:
        return _stopped(case, container.state)
    if case.now is None:
        return _unseen(case)
    found = relation(case.limit, case.now, case.wish)
    if found == SAME:
        return _holds(case)
    if found == TIGHTER and _cut_above(case):
        return CAPPED, _cut_above(case)
    if found == TIGHTER:
        return STRICTER, f"{_levels(case)}; {_who(case, 'the kernel has less than was asked')}"
    return _looser(case, found)


def _cut_above(case: JudgedLimit) -> str:
    """Return the ancestor whose set is too small for the requested one (v1: CPUs that were offline once), else ""."""
    above = case.above if case.limit.order == WITHIN else None
    if above is None or relation(case.limit, case.wish, above[1]) != LOOSER:
        return ""
    return f"{above[0]} has {show(case.limit, above[1])}"


def _unasked(case: JudgedLimit) -> tuple[str, str] | None:
    """Nothing was requested. Report a limit that the kernel has anyway."""
    if not case.limit.always or case.now in (None, NONE, *case.limit.free) or case.subject.container.helper:
        return None
    if not case.subject.container.records:
        return UNKNOWN, f"{_levels(case)}; there is no record of what was asked"
    pod = case.subject.container.record(KUBELET)
    stale = pod is not None and pod.value.get("allocated") and case.key in OF_PODS
    if stale:
        return STRICTER, f"the pod has no such limit any more ({pod.source if pod else ''})"
    if case.given is not None and not columns.is_nothing(case.limit, case.given):
        return None
    return STRICTER, _who(case, "nobody asked for it, as far as the records go")


def _zero(case: JudgedLimit) -> tuple[str, str]:
    why = "0 is unset to crun and to runc before 1.4; runc 1.4 and later make it 1; use -1 for no limit"
    return (STRICTER if isinstance(case.now, int) and case.now > 0 else UNKNOWN), why


def _stopped(case: JudgedLimit, state: str) -> tuple[str, str] | None:
    """The container does not run: only a request that the engine dropped at its last start can be reported."""
    dropped = case.column(ASKED) is not None and case.subject.container.record(CONFIG) and case.given is None
    if dropped:
        return LOST_BEFORE, "the engine did not pass it on at the last start"
    why = {GONE: "the container ended meanwhile", states.UNKNOWN: "no record that could be read says whether it runs"}
    return (UNKNOWN, why[state]) if state in why else None


def _unseen(case: JudgedLimit) -> tuple[str, str] | None:
    """A running container without a kernel value: no such file, no such cgroup, or no permission."""
    missing = case.said.hierarchy.missing
    if not case.passed_on:
        return UNKNOWN, f"{NO_CONFIG}; {missing or _place(case)}"
    if case.given is None and case.column(ASKED) is not None and not missing.startswith("cannot"):
        return LOST_BEFORE, f"config.json does not have it; {missing or 'its cgroup has no file for it either'}"
    if case.key == "devices" and case.said.hierarchy.version != 1:
        return None  # cgroup2: a BPF program, which only its loader can read
    if case.key == "memory.swap" and not case.subject.facts.swap:
        return ENFORCED, "the host has no swap space, so none can be used"
    if missing.startswith("no cgroup of its own"):
        return LOST_IN, missing
    if any(case.column(name) == case.wish for name in (REMEMBERED, SYSTEMD)):
        return CHANGED, f"its cgroup has no file for it any more ({missing or _place(case)}), though it was set"
    if missing:
        return (LOST_IN, missing) if case.said.hierarchy.version == 0 and case.limit.controller else (UNKNOWN, missing)
    return LOST_IN, f"its cgroup has no file for it: {_place(case)}"


def _holds(case: JudgedLimit) -> tuple[str, str]:
    """The own cgroup has it. Check that it is complete, permanent and effective."""
    weak = weakness.weakness(case.said, case.key, case.wish, case.subject.facts)
    if weak:
        return WEAKER, weak
    risk = _risk(case)
    if risk:
        return AT_RISK, risk
    if case.above and relation(case.limit, case.above[1], case.now) == TIGHTER:
        return CAPPED, f"{case.above[0]} has {show(case.limit, case.above[1])}"
    return ENFORCED, case.note


def _risk(case: JudgedLimit) -> str:
    """Return the risk that systemd, whose value differs from the kernel's, writes its own at the next daemon-reload."""
    record = case.subject.container.record(SYSTEMD)
    if record is None or not case.limit.property or case.own != (case.said.own[0][0] if case.said.own else ""):
        return ""
    thinks = case.column(SYSTEMD)
    if thinks is None and case.key.startswith(("cpuset", "memory.low", "memory.min", "memory.high")):
        return ""  # unchanged by systemd as long as its property is not set
    if thinks is not None and relation(case.limit, thinks, case.wish) in (SAME, TIGHTER):
        return ""
    if thinks is None and case.key in ("cpu.weight", "memory.reservation"):
        return ""
    if case.key == "memory.swap" and case.said.hierarchy.version == 1:
        return ""  # systemd has no setting for memory.memsw
    name = case.limit.property[0]
    return f"the unit has {name}={show(case.limit, thinks) if thinks is not None else 'nothing'} ({record.source})"


def _looser(case: JudgedLimit, found: str) -> tuple[str, str]:
    """The own cgroup allows more (or something else): either an ancestor holds the limit, or it is lost."""
    if case.above and relation(case.limit, case.above[1], case.wish) in (SAME, TIGHTER):
        return CAPPED, f"its own cgroup has {show(case.limit, case.now)}; {case.above[0]} holds it"
    exclusive = case.subject.container.record(KUBELET)
    if case.key == "cpu.quota" and exclusive and exclusive.value.get("exclusive"):
        return ENFORCED, f"exclusive CPUs {exclusive.value['exclusive']}: for these the kubelet sets no quota"
    if not case.passed_on:
        return UNKNOWN, f"{NO_CONFIG}; {_levels(case)}"
    if case.given is None:
        return LOST_BEFORE, f"the engine was asked, config.json does not have it; {_levels(case)}"
    if case.subject.facts.outside:
        return UNKNOWN, f"{_levels(case)}; cgroups above this one's view cannot be seen"
    if _arrived_weaker(case):
        return LOST_BEFORE, f"config.json has {show(case.limit, case.now)}"
    refused = _refused(case)
    if refused:
        return LOST_IN, refused
    if _never_set(case):
        return LOST_IN, f"{_levels(case)}, which nobody set; the runtime's own record does not have it either"
    return CHANGED, _who(case, f"{_levels(case)}" if found == LOOSER else f"another value: {_levels(case)}")


def _arrived_weaker(case: JudgedLimit) -> bool:
    """Return whether the runtime was asked for less than the engine, and set that."""
    config, remembered = case.column(CONFIG), case.column(REMEMBERED)
    if config is None or case.column(ASKED) is None or relation(case.limit, config, case.now) != SAME:
        return False
    return remembered is None or relation(case.limit, remembered, config) == SAME


def _refused(case: JudgedLimit) -> str:
    """Return what the rules for this runtime on this host have on the field: a runtime that cannot set it did not."""
    notes = case.subject.plan.notes if case.subject.plan else ()
    for note in notes:
        if note.field == case.limit.field and note.effect != KEPT:
            return f"{case.subject.container.family} does not set it on this host: {note.reason}"
    return "" if not case.subject.container.hints.get("no-cgroup") else case.subject.container.hints["no-cgroup"]


def _never_set(case: JudgedLimit) -> bool:
    """runc records what it set; only values that an update erases may be missing although they were set."""
    has_record = any(one.kind == "runc" for one in case.subject.container.records)
    return has_record and case.column(REMEMBERED) is None and not case.limit.erased and _is_free(case)


def _who(case: JudgedLimit, text: str) -> str:
    """Return which party has the kernel's value: it set the value, or will set it again."""
    thinks, remembered = case.column(SYSTEMD), case.column(REMEMBERED)
    if thinks is not None and relation(case.limit, thinks, case.now) == SAME:
        return f"{text}; systemd has the same: {case.limit.property[0]}"
    if remembered is not None and relation(case.limit, remembered, case.now) == SAME:
        return f"{text}; the runtime's record has the same: an update that the engine's record does not have"
    return text


def _is_free(case: JudgedLimit) -> bool:
    """Return whether the kernel shows the default."""
    return case.now in case.limit.free or columns.is_nothing(case.limit, case.now)


def _levels(case: JudgedLimit) -> str:
    return f"its cgroup has {show(case.limit, case.now)}"


def _place(case: JudgedLimit) -> str:
    hierarchy = case.said.hierarchy
    return f"{hierarchy.mount}{case.own or (hierarchy.own[0].path if hierarchy.own else '')}"


def _row(case: JudgedLimit, verdict: str, why: str) -> Row:
    candidates = [(case.own, case.now)] if case.now is not None else []
    best = tightest(case.limit, [*candidates, *([case.above] if case.above else [])])
    asked = case.column(KUBELET)
    asked = case.column(ASKED) if asked is None else asked
    return Row(
        limit=case.key,
        unit=case.limit.unit,
        verdict=verdict,
        why=why,
        asked=case.column(SPEC) if asked is None else asked,
        configured=case.given,
        systemd=case.column(SYSTEMD),
        kernel=case.now,
        effective=best[1] if best else None,
        where=best[0] if best else "",
        hint=case.limit.hint,
    )
