"""`cgshimctl doctor`: what this host can enforce, with the evidence, and what a container would lose on it."""

from __future__ import annotations

import os
from typing import Any

import click

from shim.cli import doctor_text, engine_problems, findings, host_checks, output
from shim.cli.engine_request import engine_option, own_request, runtime_of_engine
from shim.cli.examination import Examination
from shim.cli.forms import TABLE, formatted
from shim.cli.hosts import view_of
from shim.engines import runtimes
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.host.inspection import inspect
from shim.planning import settings

SHAPE = """\b
--json: one object
  schema          1
  host            layout, layout_evidence, cgroup2 {mount, controllers},
                  controllers {NAME: {version 1|2|0, mount, evidence}},
                  facts {NAME: {value, evidence}}, contradictions [TEXT], hints [TEXT]
  runtime         path, kind runc|crun|other, version, origin, problem (if there is one)
  settings        {NAME: {value, origin}}
  findings        [{name, kind guard|hint, outcome, code, reason, lost, remedy, runtimes, essential}], worst first;
                  outcome: refused, untouched (layout unknown, policy warn), not enforced (policy warn), weaker, dropped
  foreseen        [{code, verdict, cause, evidence, remedy, reference}] failures that containers will meet on this
                  host, gravest first; looked for on the running host only
  problems        [TEXT] what is broken in the set-up itself
  status          the exit status
  verdict         the first line of the text
"""


@click.command("doctor", epilog=f"{SHAPE}\n{output.STATUSES}")
@formatted
@click.option("--runtime", metavar="PATH", help="A path, or runc or crun. Default: the one in the settings.")
@engine_option
@click.option("--root-tree", metavar="DIR", help="Look at a captured host (cgshimctl capture) or another root tree.")
@click.option("--all", "everything", is_flag=True, help="Show every fact and every finding, for runc and for crun.")
@click.option("--strict", is_flag=True, help="Exit status 1 for rdma, misc, dmem, hugetlb and the like, too.")
def doctor_command(*, form: str, everything: bool, **asked: Any) -> None:
    """Show what this host can enforce, and what a container would be refused or lose here.

    The verdict comes first, then what is wrong, then what is worth knowing. --all adds every fact with its evidence.
    For each field of the OCI resources and each well-known cgroup2 key the planner itself is asked what it would do.
    Nothing is written, and no cgroup is created.

    The exit status applies to the selected runtime and the policy of the settings. It is 1 if every container would be
    refused, or a limit of memory, cpu, pids, cpuset or io; under the policy "warn" nothing is refused.
    """
    made = examine(asked["root_tree"], asked["runtime"], asked["engine"], strictly=asked["strict"])
    if form != TABLE:
        output.emit(shape(made), form)
    doctor_text.show(made, everything=everything)
    click.get_current_context().exit(made.status)


def examine(
    root_tree: str | None, wanted: str | None, engine: str | None = None, *, strictly: bool = False
) -> Examination:
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
        strictly=strictly,
    )


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
                name: {"value": fact.value, "evidence": fact.evidence}
                for name, fact in doctor_text.facts(made.inspected).items()
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
        "verdict": doctor_text.verdict(made),
    }
