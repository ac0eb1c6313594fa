"""The output of `cgshimctl doctor`: the verdict, what is wrong, what is worth knowing; with --all everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.cli import findings, host_checks, output, terminal
from shim.cli.output import heading, paragraph, say, table

if TYPE_CHECKING:
    from typing import Iterable

    from shim.cli.examination import Examination
    from shim.cli.findings import FieldOutcome
    from shim.host.facts import Fact
    from shim.host.inspection import Inspection

TITLES = {
    findings.REFUSED: "Refused: limits that cannot be enforced here",
    findings.UNTOUCHED: "Unknown layout: limits are passed to the runtime unchanged",
    findings.UNLIMITED: "Not enforced: started without these limits (policy warn)",
    findings.WEAKER: "Replaced by the nearest equivalent",
    findings.HINT_DROPPED: "Dropped with a notice: hints",
}
BRIEFLY = {
    findings.REFUSED: "refused if a container asks for it",
    findings.UNLIMITED: "not enforced (policy warn)",
    findings.WEAKER: "replaced by the nearest equivalent",
}
GRAVE = (findings.REFUSED, findings.UNTOUCHED, findings.UNLIMITED)


def show(made: Examination, *, everything: bool) -> None:
    """Write the whole text."""
    paragraph(verdict(made), bold=True, colour="red" if made.status else "green")
    _show_circumstances(made)
    wrong = [found for found in made.own if found.essential and found.outcome in GRAVE]
    if made.problems or wrong:
        heading("What is wrong")
        for problem in made.problems:
            output.failure(problem, "red")
        _show_rows(wrong)
    rest = [found for found in made.own if found not in wrong and found.outcome != findings.HINT_DROPPED]
    if everything:
        _show_everything(made)
        return
    if rest or made.ahead:
        heading("Worth knowing")
        host_checks.show(made.ahead)
        _show_names(rest)
    say()
    hidden = sum(found.outcome == findings.HINT_DROPPED for found in made.own)
    hints = f" and the {hidden} hints that are dropped here" if hidden else ""
    paragraph(f"--all shows every fact with its evidence, the reasons, other runtimes{hints}.")


def verdict(made: Examination) -> str:
    """Return the one line that says whether limits hold on this host."""
    family, host = made.runtime.family, made.inspected.host
    where = f"this host ({host.layout})"
    if made.problems:
        return "Not ready: the set-up is broken, so cgshim refuses containers until it is repaired."
    names = {found.name for found in made.refused}
    if any(found.outcome == findings.UNTOUCHED for found in made.refused):
        return f"Not ready: cgshim cannot tell which limits {family} would enforce on {where}."
    if findings.EVERY_CONTAINER in names:
        return f"Not ready: with {family}, every container would be refused on {where}."
    if findings.WITH_LIMITS in names:
        return f"Not ready: with {family}, every container that has a limit would be refused on {where}."
    missing = _controllers(found for found in made.refused if found.essential)
    if missing:
        return f"Not ready: with {family}, {where} cannot enforce every {_listed(missing)} limit."
    return _ready(made, where)


def _ready(made: Examination, where: str) -> str:
    family = made.runtime.family
    lost = _controllers(found for found in made.own if found.outcome == findings.UNLIMITED and found.essential)
    if lost:
        return f"Ready under the policy warn: containers start, but {_listed(lost)} limits are not all enforced."
    other = _controllers(made.refused)
    if other and made.strictly:
        return f"Not ready (--strict): with {family}, {where} cannot enforce every {_listed(other)} limit."
    return f"Ready: {family} can enforce {_listed(findings.ESSENTIAL, 'and')} limits on {where}."


def _controllers(found: Iterable[FieldOutcome]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.controller for one in found))


def _listed(names: tuple[str, ...], word: str = "or") -> str:
    """Return 'a, b or c'."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _show_circumstances(made: Examination) -> None:
    runtime, configured = made.runtime, made.configured
    version = f", {runtime.version}" if runtime.version else ""
    paragraph(f"runtime {runtime.path or 'none'} ({runtime.origin}{version})", "  ")
    paragraph(f"policy {configured.policy} ({configured.origins['policy']})", "  ")


def _show_everything(made: Examination) -> None:
    _show_host(made.inspected)
    runtime, configured = made.runtime, made.configured
    heading("Runtime and settings")
    rows = [("runtime", runtime.path or "none found", runtime.origin)]
    rows += [("version", runtime.version, "")] if runtime.version else []
    rows.append(("kind", runtime.family, "by its name"))
    rows.append(("policy", configured.policy, configured.origins["policy"]))
    table(rows, indent="  ")
    if made.ahead:
        heading("Failures that containers will meet on this host")
        host_checks.show(made.ahead)
    for outcome, title in TITLES.items():
        found = [finding for finding in made.found if finding.outcome == outcome]
        if found:
            heading(title)
            table(_grouped(found), ("FIELD", "RUNTIME", "WHY, AND WHAT TO DO"), indent="  ")
    if not made.found:
        heading("Nothing is refused, replaced or dropped here.")
    say()
    paragraph(verdict(made))


def facts(inspected: Inspection) -> dict[str, Fact]:
    """Return the single facts by name."""
    host = inspected.host
    return {
        "swap_accounting": host.swap_accounting,
        "swap_present": host.swap_present,
        "psi": host.psi,
        "cgroup_view": host.cgroup_view,
        "cgroup_namespace": inspected.cgroup_namespace,
        "delegation": inspected.delegation,
        "user_namespace": host.user_namespace,
        "rootless": host.rootless,
    }


def _show_host(inspected: Inspection) -> None:
    host = inspected.host
    heading("Host")
    rows: list[tuple[str, str, str]] = [("cgroup layout", host.layout, host.layout_evidence)]
    for name, fact in facts(inspected).items():
        rows.append((name.replace("_", " "), _value(fact), fact.evidence))
    table(rows, ("FACT", "VALUE", "EVIDENCE"), indent="  ")
    heading("Controllers")
    versions = {0: "nowhere", 1: "v1", 2: "cgroup2"}
    placed = [(p.controller, versions[p.version], p.mount, p.evidence) for p in host.placements.values()]
    table(placed, ("CONTROLLER", "IN", "MOUNT", "EVIDENCE"), indent="  ")
    if inspected.contradictions:
        heading("Contradictions")
        for line in inspected.contradictions:
            paragraph(line, "  ")


def _value(fact: Fact) -> str:
    names = {True: "yes", False: "no", None: "unknown"}
    return names[fact.value] if fact.value is None or isinstance(fact.value, bool) else str(fact.value)


def _show_rows(found: list[FieldOutcome]) -> None:
    """Write findings about the selected runtime, which needs no column."""
    rows = [(names, (f"{_word(outcome)}: {why[0]}", *why[1:])) for names, outcome, why in _of_one(found)]
    table(rows, indent="  ")


def _show_names(found: list[FieldOutcome]) -> None:
    """Write the fields of each outcome; reasons and remedies are in --all."""
    for outcome, title in BRIEFLY.items():
        names = [one.name for one in found if one.outcome == outcome]
        if names:
            for line in output.wrapped(f"{title}: {', '.join(names)}", terminal.columns(), "  ", "  "):
                say(line)


def _word(outcome: str) -> str:
    return {findings.UNTOUCHED: "passed on unchanged", findings.WEAKER: "replaced"}.get(outcome, outcome)


def _of_one(found: list[FieldOutcome]) -> list[tuple[list[str], str, tuple[str, ...]]]:
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for finding in found:
        rows.setdefault((finding.outcome, _why(finding)), []).append(finding.name)
    return [(names, outcome, why) for (outcome, why), names in rows.items()]


def _grouped(found: list[FieldOutcome]) -> list[tuple[list[str], str, tuple[str, ...]]]:
    """Return a row for each reason, with all fields that share it."""
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for finding in found:
        rows.setdefault(("+".join(finding.runtimes), _why(finding)), []).append(finding.name)
    return [(names, runtime, why) for (runtime, why), names in rows.items()]


def _why(finding: FieldOutcome) -> tuple[str, ...]:
    key = finding.name.rpartition("unified.")[2]
    reason = finding.reason.replace(key, "this key") if finding.reason.endswith(f" {key}") else finding.reason
    lost = (f"lost: {finding.lost}",) if finding.outcome == findings.WEAKER else ()
    return (reason, *lost, f"remedy: {finding.remedy}")
