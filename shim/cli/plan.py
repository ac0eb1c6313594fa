"""`cgshimctl plan`: what an intercepted call would make of a configuration, without a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from shim.cli import bundles, completion, difference, findings, output, remedies, terminal
from shim.cli.engine_request import chosen_runtime, engine_option
from shim.cli.forms import TABLE, formatted
from shim.cli.hosts import view_of
from shim.cli.output import heading, say, table
from shim.engines import noprefix
from shim.engines.suitability import crun_refuses
from shim.errors import ShimError
from shim.oci import cgroups_path
from shim.planning import report, rewrite, settings
from shim.rules import runtimes
from shim.rules.base import KEPT
from shim.values import Value

if TYPE_CHECKING:
    from shim.engines.runtimes import ChosenRuntime
    from shim.oci.document import Document
    from shim.planning.rewrite import Rewrite

SHAPE = """\b
--json: one object
  schema        1
  config        the file's path
  host          layout, layout_evidence
  runtime       path, kind runc|crun|other, version "" (it is not asked), origin
  operation     create|run|update
  cgroup_manager  cgroupfs|systemd|disabled
  policy        value, origin
  ignored       [TEXT] annotations that have no say, and why
  warnings      [TEXT] what on this host may keep every container from starting
  refused       true or false
  refusal       null, or code, what, cause, evidence [TEXT], remedy [TEXT]
  notes         [{field, effect, kind guard|hint, code, reason, lost (if anything is)}], kept ones included;
                effect: kept, changed, dropped, unenforceable
  edits         [{op set|remove, path, old, new}]
  expectations  [{field, controller, version 1|2, file, value, rounding}] what the kernel has to show afterwards;
                rounding: the form in which the file shows it (page: bytes down to a page)
  diff          unified diff of the file, "" where nothing changes
  output        the file that was written, null if none was
"""


REMEDY = "name a bundle's directory, its config.json, or a container: cgshimctl plan --container NAME"


class Planned(Value):
    """One configuration's plan. refusal: None if the container would be started."""

    made: Rewrite
    runtime: ChosenRuntime
    refusal: ShimError | None
    text: str
    written: str | None = None
    warnings: tuple[str, ...] = ()


@click.command("plan", epilog=f"{SHAPE}\n{output.STATUSES}")
@click.argument("config", metavar="[CONFIG|BUNDLE]", required=False)
@click.option(
    "--container",
    metavar="NAME|ID",
    shell_complete=completion.containers,
    help="The config.json of this container on this host.",
)
@formatted
@click.option("--host", metavar="DIR", help="Plan for a captured host (cgshimctl capture) instead of this one.")
@click.option("--runtime", metavar="runc|crun|PATH", help="The real runtime. Default: the one in the settings.")
@engine_option
@click.option("--policy", type=click.Choice(settings.POLICIES), help="Instead of the settings and the annotation.")
@click.option(
    "--operation",
    type=click.Choice(["create", "run", "update"]),
    default="create",
    show_default=True,
    help="run adds a hook that reads the limits back; for update, CONFIG may be a file for --resources.",
)
@click.option(
    "--cgroup-manager",
    type=click.Choice(["cgroupfs", "systemd", "disabled"]),
    help="What creates the cgroup. Default: systemd if cgroupsPath has the form SLICE:PREFIX:NAME, else cgroupfs.",
)
@click.option("--output", "target", metavar="FILE", help="Write the new configuration there, atomically.")
def plan_command(target: str | None, form: str, **asked: Any) -> None:
    """Show what cgshim would change in CONFIG (or BUNDLE/config.json), and why.

    Fields that are honoured as they stand are left alone, and every other byte of the file stays as it is. The diff in
    the text form is laid out for reading; the one of --json is exact. --container names a container of any engine.

    With --output the new configuration is written; a refused one is not. The file that was read is overwritten only if
    --output names it by the very same path.
    """
    if (asked["config"] is None) == (asked["container"] is None):
        raise click.UsageError("name one of CONFIG, BUNDLE and --container")
    if asked["container"]:
        from shim.containers.resolve import configuration_of

        asked["config"] = configuration_of(asked["container"])
    planned = plan({**asked, "writes": target is not None})
    if target is not None and planned.refusal is None:
        bundles.write(planned.text, planned.made.document.path, target)
        planned = _with_output(planned, os.path.abspath(target))
    if form != TABLE:
        output.emit(shape(planned), form)
    else:
        show(planned)
    click.get_current_context().exit(output.REFUSED if planned.refusal else output.FINE)


def plan(asked: dict[str, Any]) -> Planned:
    """Read the document, look at the host, plan. Raises ShimError for a document that an intercepted call would
    refuse.
    """
    configured = settings.load(os.environ)
    runtime = chosen_runtime(configured, asked["runtime"], asked.get("engine"))
    path = located(asked["config"])
    loaded = bundles.loaded(path, REMEDY, runtime.family, stream=True)
    where = rewrite.WHOLE if asked["operation"] == "update" and _is_resources(loaded) else rewrite.RESOURCES
    call = rewrite.Asked(
        runtime=runtime.path,
        family=runtime.family,
        command=asked["operation"],
        driver=cgroups_path.driver(loaded.value, asked["cgroup_manager"] or ""),
        foreground=asked["operation"] == "run",
        looking=not asked.get("writes"),
    )
    made = rewrite.of(loaded, where, call, configured, view_of(asked["host"]))
    if asked["policy"]:
        made = rewrite.Rewrite(**{**made.__dict__, "policy": asked["policy"], "policy_origin": "--policy"})
    try:
        rewrite.judge(made)
    except ShimError as error:
        if made.plan.problems:
            raise
        return Planned(made=made, runtime=runtime, refusal=error, text=loaded.text)
    view = view_of(asked["host"])
    refusal = _by_runtime(made) if configured.crun_on_hybrid == settings.OFF else None
    starts = call.command != "update"
    refusal = refusal or (noprefix.refusal(view, runtime.path, runtime.family) if starts else None)
    unsure = noprefix.warning(view, runtime.family) if starts else ""
    text = loaded.text if refusal else made.text()
    return Planned(made=made, runtime=runtime, refusal=refusal, text=text, warnings=(unsure,) if unsure else ())


def _by_runtime(made: Rewrite) -> ShimError | None:
    """Return the runtime's refusal of this host for any configuration; None for an update, which is not refused."""
    why = crun_refuses(made.host) if runtimes.of(made.asked.family).refuses_hybrid else ""
    if not why or made.asked.operation == "update":
        return None
    return ShimError(
        findings.CRUN_HYBRID,
        "crun cannot start a container on this host",
        cause=why,
        evidence=(f"cgroup layout {made.host.layout}: {made.host.layout_evidence}",),
        remedy=(remedies.of(findings.CRUN_HYBRID, ""),),
    )


def located(config: str) -> str:
    """Return the absolute path of the file: CONFIG itself, or config.json of a bundle."""
    path = os.path.abspath(config)
    return os.path.join(path, "config.json") if os.path.isdir(path) else path


def _is_resources(loaded: Document) -> bool:
    return "linux" not in loaded.value and "ociVersion" not in loaded.value


def _with_output(planned: Planned, path: str) -> Planned:
    return planned.changed(written=path)


def shape(planned: Planned) -> dict[str, Any]:
    """Return the object of --json."""
    made = planned.made
    about = report.Circumstances(
        runtime=planned.runtime.path,
        operation=made.asked.command,
        policy=made.policy,
        policy_origin=made.policy_origin,
    )
    return {
        "config": made.document.path,
        "host": {"layout": made.host.layout, "layout_evidence": made.host.layout_evidence},
        "runtime": planned.runtime.shape(),
        "operation": made.asked.command,
        "cgroup_manager": made.asked.driver,
        "policy": {"value": made.policy, "origin": made.policy_origin},
        "ignored": list(made.ignored),
        "warnings": list(planned.warnings),
        "refused": planned.refusal is not None,
        "refusal": _refusal(planned.refusal),
        "notes": [report.note_object(note) for note in made.plan.notes],
        "edits": report.build(made.plan, made.resources, made.host, about)["edits"],
        "expectations": [
            {
                **{name: getattr(e, name) for name in ("field", "controller", "version", "file", "value")},
                "rounding": e.shape,  # its name since 0.1.0
            }
            for e in made.plan.expectations
        ],
        "diff": difference.exact(made.document.text, planned.text, os.path.basename(made.document.path)),
        "output": planned.written,
    }


def _refusal(error: ShimError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    texts = {"code": error.code, "what": error.what, "cause": error.cause}
    return {**texts, "evidence": list(error.evidence), "remedy": list(error.remedy)}


def show(planned: Planned) -> None:
    """Write the plan as text."""
    made = planned.made
    rows = [
        ("file", made.document.path),
        ("host", f"{made.host.layout} ({made.host.layout_evidence})"),
        ("runtime", f"{planned.runtime.path or 'none found'} ({planned.runtime.origin})"),
        ("policy", f"{made.policy} ({made.policy_origin})"),
    ]
    table(rows)
    changes = made.plan.changes
    if changes:
        heading("What would change, and why")
        table([(n.field, n.effect, n.reason, n.lost or "-") for n in changes], ("FIELD", "EFFECT", "REASON", "LOST"))
    kept = kept_fields(made)
    if kept:
        say()
        output.paragraph(f"Unchanged: {', '.join(kept)}.")
    for noted in (*made.ignored, *planned.warnings):
        say()
        output.paragraph(f"Note: {noted}.")
    _show_end(planned)


def kept_fields(made: Rewrite) -> list[str]:
    """Return the fields of the file that are honoured and not edited; rules also comment on fields made by other
    rules.
    """
    touched = [edit.path for edit in made.plan.edits]
    fields = dict.fromkeys(note.field for note in made.plan.notes if note.effect == KEPT)
    found = []
    for field in fields:
        section, _, rest = field.partition(".")
        path = (section, *((rest,) if section == "unified" else rest.split(".") if rest else ()))
        if _stands_in(made.resources, path) and not any(path[: len(edit)] == edit for edit in touched):
            found.append(field)
    return found


def _stands_in(value: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _show_end(planned: Planned) -> None:
    if planned.refusal:
        heading("The container would be refused; the file stays unchanged")
        output.failure(planned.refusal.text(), "red")
        return
    name = os.path.basename(planned.made.document.path)
    lines, reformatted = difference.readable(planned.made.document.text, planned.text, name, terminal.columns())
    if not lines:
        heading("Nothing to change: the file is passed on byte for byte.")
    else:
        heading(
            "The file, before and after" + (" (it is one long line; laid out here for reading)" if reformatted else "")
        )
        for line in lines:
            say(line, colour={"+": "green", "-": "red"}.get(line[:1]))
    if planned.written:
        say()
        say(f"Written: {planned.written}")
