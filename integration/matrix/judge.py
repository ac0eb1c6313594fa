"""What the recorded results mean: outcomes of cases, and whatever breaks a promise."""

from __future__ import annotations

import re
from typing import Any

from integration.matrix.guest import cases

ENFORCED = "enforced"  # the kernel shows every value
IGNORED = "ignored"  # it runs, a value is missing, no report says so
DROPPED = "dropped with reason"  # it runs, a value is missing, the report says so
REFUSED = "refused with reason"  # it does not run, and says what and why
ERROR = "error"  # it does not run, for whatever the runtime says
HANG = "hang"
ABSENT = "no container at all"  # not even without limits

CASES = {case.name: case for case in cases.ALL}
VERDICT = re.compile(r"cgshim: .*\[([a-z0-9-]+)\]")
READ_BACK = "is not what the kernel shows"  # the report, when the runtime took a value and did nothing with it
# Some hints are asked for beside a limit; where that is lost, too, it decides.
GUARDS = frozenset({"memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max"})
ONE_OF = frozenset({"io.weight", "io.bfq.weight"})


class Known:
    """The lines of known.txt: refusals, and losses of hints, that are right because nothing can mend the host."""

    def __init__(self, text: str) -> None:
        lines = [line.split(None, 4) for line in text.splitlines() if line.strip() and not line.startswith("#")]
        self.rows = [(profile, case.replace("_", " "), runtime, code) for profile, case, runtime, code, _ in lines]

    def right(self, profile: str, verdict: Verdict) -> bool:
        """True if this refusal of this profile, or this loss of a hint, is one of them."""
        name = f"update {verdict.case.name}" if verdict.operation == "update" else verdict.case.name
        what = (profile, name, verdict.runtime, verdict.code)
        hint = verdict.outcome == DROPPED and verdict.case.kind == cases.HINT
        return (verdict.outcome == REFUSED or hint) and any(
            all(pattern in ("*", value) for pattern, value in zip(row, what)) for row in self.rows
        )


class Verdict:
    """The outcome of one case in one way; `code` is cgshim's, `text` what was printed."""

    def __init__(self, case: cases.Case, record: dict[str, Any], outcome: str, code: str = "") -> None:
        self.case = case
        self.operation: str = record["operation"]
        self.runtime: str = record["runtime"]
        self.through: str = record["through"]
        self.changed: dict[str, str] = record.get("changed", {})
        self.text: str = record.get("text", "") + " " + record.get("log", "")
        self.outcome = outcome
        self.code = code

    @property
    def key(self) -> tuple[str, str, str]:
        """What the same case has in common in all ways but the one."""
        return self.case.name, self.operation, self.runtime

    def __str__(self) -> str:
        return f"{self.operation} {self.case.name}, {self.runtime} {self.through}: {self.outcome}"


class Host:
    """What one profile's guest said of itself: what a child cgroup can have, and the baseline containers.

    layout, view: what the profile made of it.
    """

    def __init__(self, records: list[dict[str, Any]], layout: str = "", view: str = "") -> None:
        self.layout = layout
        self.view = view
        self.guest = first(records, "guest")
        self.truth = first(records, "truth")
        self.detected = first(records, "detected")
        self.lied_to = first(records, "lied to")
        self.baselines = {(r["runtime"], r["through"]): r for r in records if r["kind"] == "baseline"}
        below = first(records, "below") or self.truth  # what holds where the containers are made
        self.possible: dict[str, str] = dict(below.get("possible", {}))
        for baseline in self.baselines.values():
            self.possible = {**(baseline["settings"] or {}), **self.possible}

    def unlimited(self, runtime: str) -> dict[str, str]:
        """Settings of a container without limits, and of a cgroup with every controller."""
        for through in ("bare", "cgshim"):
            settings = self.baselines.get((runtime, through), {}).get("settings")
            if settings:
                return {**self.possible, **settings}
        return self.possible


def first(records: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The first record of a kind, {} if there is none."""
    return next((record for record in records if record["kind"] == kind), {})


def wanted(case: cases.Case, possible: dict[str, str]) -> tuple[cases.Files, list[str]]:
    """The files that must show the case's values on this host, and those that it does not have.

    Controller by controller, since on a hybrid host some are v1 and some are cgroup2.
    """
    expected: cases.Files = {}
    lost: list[str] = []
    for controller in dict.fromkeys(controller_of(name) for name in (*(case.v1 or {}), *(case.v2 or {}))):
        sides = [{n: v for n, v in (s or {}).items() if controller_of(n) == controller} for s in (case.v1, case.v2)]
        sides = [alternatives(side, possible) for side in sides]
        best = max(sides, key=lambda side: sum(name in possible for name in side))
        if case.v1_only and best is sides[1] and any(name in possible for name in best):
            lost.append(case.field)
        expected.update({name: value for name, value in best.items() if name in possible})
        lost += [name for name in best if name not in possible]
        if not best:
            lost.append(case.field)
    return expected, lost


def alternatives(side: cases.Files, possible: dict[str, str]) -> cases.Files:
    """Of io.weight and io.bfq.weight the runtimes take bfq's where it is loaded."""
    if not set(side) >= ONE_OF:
        return side
    kept = "io.bfq.weight" if "io.bfq.weight" in possible else "io.weight"
    return {name: value for name, value in side.items() if name == kept}


def controller_of(name: str) -> str:
    """`io` for `blkio.weight`: the two are one controller."""
    return name.partition(".")[0].replace("blkio", "io")


def shows(content: str | None, value: str | tuple[str, ...]) -> bool:
    """The content, or a line of it, is the value or one of its alternatives."""
    values = (value,) if isinstance(value, str) else value
    return content is not None and any(v == content or v in content.split("; ") for v in values)


def judged(record: dict[str, Any], host: Host) -> Verdict:
    """The outcome of one recorded case."""
    case = CASES[record["case"]]
    if record["status"]:
        code = VERDICT.search(record["text"] + record["log"])
        outcome = HANG if record["status"] == 124 else REFUSED if code else ERROR
        return Verdict(case, record, outcome, code.group(1) if code else "")
    unlimited = host.unlimited(record["runtime"])
    values = {**unlimited, **record["changed"]}
    expected, lost = wanted(case, host.possible)
    shown = all(shows(values.get(name), value) for name, value in expected.items())
    if shown and not lost and not case.invalid:
        return Verdict(case, record, ENFORCED)
    notes = [code for field, effect, code in record.get("report") or () if effect != "kept"]
    if record["through"] == "cgshim" and (notes or '"msg":"cgshim: ' in record["log"].replace('": "', '":"')):
        return Verdict(case, record, DROPPED, notes[0] if notes else "")
    return Verdict(case, record, IGNORED)


def verdicts(records: list[dict[str, Any]], shape: tuple[str, str]) -> tuple[Host, list[Verdict]]:
    """All outcomes of one profile; where not even a container without limits runs, its cases are ABSENT."""
    host = Host(records, *shape)
    found = [judged(record, host) for record in records if record["kind"] == "case"]
    ran = {(v.case.name, v.operation) for v in found}
    for (runtime, through), baseline in host.baselines.items():
        if baseline["settings"] is None:
            for name, operation in sorted(ran):
                record = {**baseline, "operation": operation, "runtime": runtime, "through": through}
                code = VERDICT.search(baseline["text"] + baseline["log"])
                found.append(Verdict(CASES[name], record, ABSENT, code.group(1) if code else ""))
    return host, found


def broken_promises(profile: str, host: Host, found: list[Verdict], known: Known) -> list[str]:
    """Everything that must not be, one line each."""
    bare = {v.key: v for v in found if v.through == "bare"}
    problems = [*detection(host), *without_limits(host)]
    for verdict in found:
        if verdict.through == "cgshim" and verdict.outcome != ABSENT and not known.right(profile, verdict):
            problem = lost_silently(verdict, host, bare.get(verdict.key)) or worse(verdict, bare.get(verdict.key))
            if problem:
                problems.append(f"{verdict}: {problem}; {tail(verdict.text)}".rstrip("; "))
    return problems + disagreements(found, host)


def tail(text: str) -> str:
    """The end of what was printed, on one line."""
    return " ".join(text.split())[-300:]


def lost_silently(verdict: Verdict, host: Host, bare: Verdict | None) -> str:
    """A guard is enforced or refused, a hint is enforced or dropped with a word."""
    case = verdict.case
    _, lost = wanted(case, host.possible)
    if verdict.outcome == HANG:
        return "the call hangs"
    if verdict.outcome == IGNORED:
        return "nothing says that it is ignored"
    if case.diagnosis and verdict.code != case.diagnosis:
        return f"the diagnosis is {case.diagnosis}, not {verdict.code or 'missing'}"
    if case.invalid:
        return "" if verdict.outcome in (REFUSED, ERROR) else "runs although nothing can take the value"
    if verdict.outcome == ERROR:
        return "fails without a diagnosis"
    if not lost and verdict.outcome != ENFORCED and not told(verdict, bare):
        return f"this host could enforce it ({verdict.code})"
    hint = case.kind == cases.HINT and not GUARDS & set(lost)
    if hint and verdict.outcome == REFUSED:
        return f"a hint was refused ({verdict.code})"
    if case.kind == cases.GUARD and verdict.outcome == DROPPED and not only_swap(lost):
        return f"a guard was dropped ({verdict.code})"
    return ""


def told(verdict: Verdict, bare: Verdict | None) -> bool:
    """What the runtime itself ignores: a guard was refused, the loss of a hint was reported."""
    if bare is None or bare.outcome == ENFORCED:
        return False
    if verdict.case.kind == cases.HINT:
        return verdict.outcome == DROPPED and (bare.outcome == IGNORED or READ_BACK in verdict.text)
    return verdict.outcome == REFUSED and bare.outcome == IGNORED


def only_swap(lost: list[str]) -> bool:
    """Nothing is missing but swap: it may hold by itself, or have a nearest substitute, and the report says so."""
    return set(lost) <= {"memory.memsw.limit_in_bytes", "memory.swap.max"}


def worse(verdict: Verdict, bare: Verdict | None) -> str:
    """What the bare runtime runs and enforces, cgshim runs and enforces with the same values."""
    if bare is None or bare.outcome != ENFORCED:
        return ""
    if verdict.outcome != ENFORCED:
        return f"the bare runtime enforces it, here it is {verdict.outcome} ({verdict.code})"
    if verdict.changed != bare.changed:
        return f"other values than the bare runtime: {verdict.changed}, not {bare.changed}"
    return ""


def disagreements(found: list[Verdict], host: Host) -> list[str]:
    """The runtimes enforce the same values through cgshim."""
    problems = []
    through = {v.key: v for v in found if v.through == "cgshim" and v.outcome == ENFORCED}
    for (name, operation, runtime), runc in through.items():
        crun = through.get((name, operation, "crun"))
        if runtime == "runc" and crun:
            for file in wanted(runc.case, host.possible)[0]:
                # Left at its default, a file shows no limit, for which a case may name several spellings.
                pair = runc.changed.get(file), crun.changed.get(file)
                if None not in pair and pair[0] != pair[1]:
                    values = f"{pair[0]} and {pair[1]}"
                    problems.append(f"{operation} {name}: {file} differs between runc and crun: {values}")
    return problems


def without_limits(host: Host) -> list[str]:
    """A container without limits runs wherever the bare runtime runs it, and a failure has a diagnosis."""
    problems = []
    for (runtime, through), baseline in host.baselines.items():
        if through == "cgshim" and baseline["settings"] is None:
            bare = host.baselines.get((runtime, "bare"), {})
            if bare.get("settings") is not None:
                problems.append(f"no limits, {runtime}: fails through cgshim only; {tail(baseline['text'])}")
            elif not VERDICT.search(baseline["text"] + baseline["log"]):
                problems.append(f"no limits, {runtime}: fails without a diagnosis; {tail(baseline['text'])}")
    return problems


def detection(host: Host) -> list[str]:
    """What was detected is what was found by trying."""
    if not host.detected:
        return []
    shape = ("layout", host.layout), ("cgroup_view", host.view)
    problems = [f"detection: {w} is {true}, not {host.detected[w]}" for w, true in shape if host.detected[w] != true]
    decisions = [key for key in host.lied_to if "evidence" not in key and key != "kind"]
    problems += [
        f"detection: /proc/cgroups decides {key}" for key in decisions if host.lied_to[key] != host.detected[key]
    ]
    if not host.truth["tried"]:
        return problems
    for name, version in host.truth["placements"].items():
        said = host.detected["placements"][name]
        if said != version:
            evidence = host.detected["evidence"].get(name, "")
            problems.append(f"detection: {name} is in {version or 'no'} hierarchy, not {said or 'none'}; {evidence}")
    for name in sorted((set(host.truth["files"]) ^ set(host.detected["files"])) - set(host.detected["unknown"])):
        there = "exists" if name in host.truth["files"] else "does not exist"
        problems.append(f"detection: {name} {there} in a child cgroup")
    accounting = bool(set(host.truth["files"]) & {"memory.memsw.limit_in_bytes", "memory.swap.max"})
    for what, true in (("swap_accounting", accounting), ("swaps", host.truth["swaps"])):
        if host.detected[what] != true:
            problems.append(f"detection: {what} is {true}, not {host.detected[what]}")
    return problems
