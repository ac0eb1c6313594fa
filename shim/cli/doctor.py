"""`cgshimctl doctor`: what this host can enforce, with the evidence, and what a container would lose on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from shim.cli import engine_problems, findings, host_checks, output, probes
from shim.cli.engine import engine_option, own_request, runtime_of_engine
from shim.cli.hosts import view_of
from shim.cli.output import heading, say, table
from shim.engines import runtimes
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.host.inspection import inspect
from shim.planning import settings
from shim.values import Value

if TYPE_CHECKING:
    from shim.cli.findings import FieldOutcome
    from shim.diagnose.diagnosis import Diagnosis
    from shim.engines.runtimes import Runtime
    from shim.host.facts import Fact
    from shim.host.inspection import Inspection
    from shim.planning.settings import Settings

SHAPE = """\b
--json: one object
  schema          1
  host            layout, layout_evidence, cgroup2 {mount, controllers},
                  controllers {NAME: {version 1|2|0, mount, evidence}},
                  facts {NAME: {value, evidence}}, contradictions [TEXT], hints [TEXT]
  runtime         path, kind runc|crun|other, version, origin, problem (if there is one)
  settings        {NAME: {value, origin}}
  findings        [{name, kind guard|hint, outcome, code, reason, lost, remedy, runtimes}], worst first;
                  outcome: refused, untouched (layout unknown, policy warn), not enforced (policy warn), weaker, dropped
  foreseen        [{code, verdict, cause, evidence, remedy, reference}] what fails here for containers that meet it,
                  gravest first; looked for on the running host only
  problems        [TEXT] what is broken in the set-up itself
  status          the exit status
"""


class Examination(Value):
    """Everything that is shown."""

    inspected: Inspection
    runtime: Runtime
    configured: Settings
    found: tuple[FieldOutcome, ...]
    problems: tuple[str, ...]
    ahead: tuple[Diagnosis, ...] = ()

    @property
    def status(self) -> int:
        """Worst first: broken set-up, something refused under the chosen runtime, fine."""
        if self.problems:
            return output.BROKEN
        return output.REFUSED if self.refused else output.FINE

    @property
    def refused(self) -> tuple[FieldOutcome, ...]:
        """What the chosen runtime would not start, or nobody can answer for."""
        bad = (findings.REFUSED, findings.UNTOUCHED)
        return tuple(f for f in self.found if f.outcome in bad and self.runtime.family in f.runtimes)


@click.command("doctor", epilog=f"{SHAPE}\n{output.STATUSES}")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--runtime", metavar="PATH", help="The real runtime: a path, or runc or crun. Default: as the settings.")
@engine_option
@click.option("--root-tree", metavar="DIR", help="Look at a captured host (cgshimctl capture) or another root tree.")
@click.pass_context
def doctor_command(
    ctx: click.Context, as_json: bool, runtime: str | None, engine: str | None, root_tree: str | None
) -> None:
    """Show what this host can enforce, and what a container would be refused or lose here.

    Every fact comes with its evidence. For each field of the OCI resources and each well-known cgroup2 key the planner
    itself is asked what it would do under runc and under crun. Nothing is written, and no cgroup is made.

    The exit status speaks of the chosen runtime and the policy of the settings: under "warn" nothing is refused.
    """
    made = examine(root_tree, runtime, engine)
    if as_json:
        output.emit(shape(made))
    else:
        show(made)
    ctx.exit(made.status)


def examine(root_tree: str | None, wanted: str | None, engine: str | None = None) -> Examination:
    """Look at the host, the settings and the runtime, and ask the planner."""
    problems: list[str] = []
    try:
        configured = settings.load(os.environ)
    except ShimError as error:
        problems.append(error.text())
        configured = settings.Settings(origins=dict.fromkeys(settings.KEYS, "default"))
    runtime = runtime_of_engine(engine) if engine and not wanted else runtimes.chosen(configured, wanted)
    if root_tree is None:
        runtime = runtimes.with_version(runtime)
        problems.extend([runtime.problem] if runtime.problem else [])
        problems.extend(engine_problems.found(Tree(), own_request()) if not (engine or wanted) else ())
    inspected = inspect(view_of(root_tree), findings.questions())
    families = dict.fromkeys((*runtimes.NAMES, runtime.family))
    found = findings.find(inspected.host, families, configured.policy, configured.crun_on_hybrid)
    ahead = host_checks.look(runtime.family, tuple(f.code for f in found)) if root_tree is None else ()
    return Examination(
        inspected=inspected,
        runtime=runtime,
        configured=configured,
        found=found,
        problems=tuple(problems),
        ahead=ahead,
    )


def facts(inspected: Inspection) -> dict[str, Fact]:
    """The single facts by their names."""
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


def shape(made: Examination) -> dict[str, Any]:
    """The object of --json."""
    host = made.inspected.host
    placed = {
        place.controller: {"version": place.version, "mount": place.mount, "evidence": place.evidence}
        for place in host.placements.values()
    }
    configured = made.configured
    return {
        "host": {
            "layout": host.layout,
            "layout_evidence": host.layout_evidence,
            "cgroup2": {"mount": host.cgroup2_mount, "controllers": list(host.cgroup2_controllers)},
            "controllers": placed,
            "facts": {
                name: {"value": fact.value, "evidence": fact.evidence} for name, fact in facts(made.inspected).items()
            },
            "contradictions": list(made.inspected.contradictions),
            "hints": list(made.inspected.hints),
        },
        "runtime": made.runtime.shape(),
        "settings": {
            key: {"value": getattr(configured, key), "origin": configured.origins[key]} for key in settings.KEYS
        },
        "findings": [finding.shape() for finding in made.found],
        "foreseen": host_checks.shape(made.ahead),
        "problems": list(made.problems),
        "status": made.status,
    }


def show(made: Examination) -> None:
    """The same as text."""
    for problem in made.problems:
        output.failure(problem, "red")
    _show_host(made.inspected)
    runtime, configured = made.runtime, made.configured
    heading("Runtime and settings")
    chosen = runtime.path or "none found"
    rows = [("runtime", chosen, runtime.origin), ("version", runtime.version or "not known", "")]
    rows.append(("kind", runtime.family, "by its name"))
    rows.append(("policy", configured.policy, configured.origins["policy"]))
    table([row for row in rows if row[0] != "version" or runtime.version], indent="  ")
    host_checks.show(made.ahead)
    _show_findings(made)


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
        heading("What contradicts itself")
        for line in inspected.contradictions:
            output.paragraph(line, "  ")


def _value(fact: Fact) -> str:
    names = {True: "yes", False: "no", None: "unknown"}
    return names[fact.value] if fact.value is None or isinstance(fact.value, bool) else str(fact.value)


def _show_findings(made: Examination) -> None:
    titles = {
        findings.REFUSED: "Refused here: limits that nothing can enforce",
        findings.UNTOUCHED: "Not understood: limits are left to the runtime as they stand",
        findings.UNLIMITED: "Not enforced here, started all the same (policy warn)",
        findings.WEAKER: "Carried by the nearest that this host has",
        findings.HINT_DROPPED: "Dropped here: hints, with a notice",
    }
    for outcome, title in titles.items():
        found = [finding for finding in made.found if finding.outcome == outcome]
        if not found:
            continue
        heading(title)
        table(_grouped(found), ("FIELD", "RUNTIME", "WHY, AND WHAT TO DO"), indent="  ")
    if not made.found:
        heading("Nothing would be refused, weakened or dropped here.")
    else:
        say()
        output.paragraph(_verdict(made))


def _grouped(found: list[FieldOutcome]) -> list[tuple[list[str], str, tuple[str, ...]]]:
    """A row for each reason; fields that share one share the row."""
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for finding in found:
        key = finding.name.rpartition("unified.")[2]
        reason = finding.reason.replace(key, "this key") if finding.reason.endswith(f" {key}") else finding.reason
        lost = (f"lost: {finding.lost}",) if finding.outcome == findings.WEAKER else ()
        row = ("+".join(finding.runtimes), (reason, *lost, f"remedy: {finding.remedy}"))
        rows.setdefault(row, []).append(finding.name)
    return [(names, runtime, why) for (runtime, why), names in rows.items()]


def _verdict(made: Examination) -> str:
    family, count = made.runtime.family, len(made.refused)
    if any(f.outcome == findings.UNTOUCHED for f in made.refused):
        return f"With {family}, nobody can say here which limits would be enforced."
    if any(f.name == findings.EVERY_CONTAINER for f in made.refused):
        return f"With {family}, every container would be refused here."
    if any(f.name == findings.WITH_LIMITS for f in made.refused):
        return f"With {family}, every container that has a limit would be refused here."
    if count:
        return f"With {family}, {count} of the {len(probes.ALL)} limits asked about would be refused here."
    return f"With {family}, nothing would be refused here."
