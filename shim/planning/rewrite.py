"""From a document to its plan and its new text, for an intercepted call and for `cgshimctl plan`.

Reads the host through the given view and writes nothing. It decides nothing either: `judge` decides whether the result
may be used.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.oci import checks, document, spelling
from shim.oci.edits import apply_to_text
from shim.planning import settings
from shim.rules.base import GUARD, Edit, Problem
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.errors import Notice
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.oci.document import Document
    from shim.planning.plan import Plan
    from shim.planning.settings import Settings
    from shim.rules.base import Driver, Operation
    from shim.rules.runtimes import Family

RESOURCES = ("linux", "resources")
ALWAYS = ("freezer",)  # a frozen ancestor blocks every start (shim.planning.preflight)
WHOLE: tuple[str, ...] = ()  # in a file for `update --resources` the resources object is the whole document


class Asked(Value):
    """The call that the rewrite is for.

    runtime: path of the real runtime. family: "runc", "crun" or "other". command: the runtime's subcommand. driver:
    "cgroupfs", "systemd" or "disabled". foreground: the runtime itself starts the user's process. looking: nothing will
    be started, and nothing may be left on the host, not even a key (shim.state.seal). waiting: where the hook of a
    `run` finds the process that answers it (shim.call.hook_answer), "" for none.
    """

    runtime: str
    family: Family
    command: str
    driver: Driver = "cgroupfs"
    foreground: bool = False
    looking: bool = False
    waiting: str = ""

    @property
    def operation(self) -> Operation:
        """The operation for the rules: "create" or "update"."""
        return "update" if self.command == "update" else "create"


class Rewrite(Value):
    """One document on one host. where: key path of its resources object, WHOLE if it is the document itself.

    trusting: annotations may loosen the settings. ignored: messages about annotations that do not count.
    """

    document: Document
    where: tuple[str, ...]
    resources: dict[str, Any]
    host: Host
    plan: Plan
    policy: str
    policy_origin: str
    asked: Asked
    trusting: bool = False
    ignored: tuple[str, ...] = ()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """(level, text) for annotations that are ignored."""
        return tuple(("warning", f"cgshim: {text}") for text in self.ignored)

    @property
    def prefix(self) -> str:
        """The text before a field in a message that names its place in the file."""
        return ".".join(self.where) or "resources"

    @property
    def refused(self) -> bool:
        """True if the policy refuses to start a container without these limits."""
        return bool(self.plan.unenforceable) and self.policy != settings.WARN

    @property
    def watched(self) -> bool:
        """True if the user's process starts before cgshim can verify: a hook has to (shim.planning.injection)."""
        guarded = any(expectation.kind == GUARD for expectation in self.plan.expectations)
        return self.asked.foreground and (guarded or bool(self.plan.bridge))

    @property
    def leaves(self) -> bool:
        """True if the bridge may use a cgroup that the runtime does not remove (shim.enforce.bridge)."""
        return bool(self.plan.bridge) and self.policy == settings.WARN

    def text(self) -> str:
        """The new text; the original one if there are no changes."""
        if not self.where:
            text = document.changeable(self.document, WHOLE) if self.plan.edits else self.document.text
            return apply_to_text(text, self.plan.edits)
        if not (self.plan.edits or self.watched or self.leaves):
            return self.document.text
        return self.document.replaced(_sections(self))


def of(
    loaded: Document,
    where: tuple[str, ...],
    asked: Asked,
    configured: Settings,
    view: View,
    *,
    beside: dict[str, Any] | None = None,
) -> Rewrite:
    """Return the rewrite of a document. Raises ShimError for resources or a policy that cannot be understood.

    beside: the container's annotations, for a document without annotations (WHOLE).
    """
    from shim.host.detect import detect
    from shim.planning import plan
    from shim.rules import runtimes

    if runtimes.of(asked.family).any_case:
        loaded = _in_any_case(loaded, where)
    resources = _resources(loaded, where)
    annotations = _annotations(loaded) if where else beside or {}
    kept, refused = _kept(loaded, asked) if where and settings.BRIDGE in annotations else ({}, "")
    everything = plan.completed(resources, kept)
    policy, origin, powerless = settings.policy_of(configured, annotations)
    target = checks.cgroups_path(loaded.value if where else None, loaded.path)
    host = detect(view, plan.wanted(everything), target, controllers=(*plan.controllers(everything), *ALWAYS))
    planned = plan.make_plan(resources, host, asked.family, asked.operation, asked.driver, kept=kept)
    return Rewrite(
        document=loaded,
        where=where,
        resources=resources,
        host=host,
        plan=_with_names(planned, loaded, asked.family) if where else planned,
        policy=policy,
        policy_origin=origin,
        asked=asked,
        trusting=configured.trusting,
        ignored=tuple(text for text in (powerless, refused) if text),
    )


def _kept(loaded: Document, asked: Asked) -> tuple[dict[str, str], str]:
    """Return the limits that the annotation keeps, and why it does not count."""
    from shim.planning import bridged_limits

    found = bridged_limits.read(loaded, looking=asked.looking)
    return found.limits, found.refused


def _in_any_case(loaded: Document, where: tuple[str, ...]) -> Document:
    """Return the document with keys that Go accepts in any case spelled as in the specification."""
    shape = spelling.DOCUMENT if where else spelling.RESOURCES
    if not spelling.odd(loaded.value, shape):
        return loaded
    return document.load(spelling.spelled(loaded.text, shape), loaded.path)


def _with_names(planned: Plan, loaded: Document, family: Family) -> Plan:
    """Return the plan, with a note if a key on the way to the resources differs in case."""
    way = (("linux",), ("linux", "resources"))
    found = [".".join(path) for path in loaded.spans if path not in way and tuple(map(str.lower, path)) in way]
    if not found:
        return planned
    from shim.rules import names, runtimes

    return planned.changed(notes=(*planned.notes, *names.around(found, runtimes.of(family))))


def _annotations(loaded: Document) -> dict[str, Any]:
    annotations = loaded.value.get("annotations")
    if annotations is not None and not isinstance(annotations, dict):
        raise document.unusable(loaded.path, f"annotations: an object was expected, found {checks.kind(annotations)}")
    return annotations or {}


def _resources(loaded: Document, where: tuple[str, ...]) -> dict[str, Any]:
    linux = loaded.value.get("linux") if where else None
    if linux is not None and not isinstance(linux, dict):
        raise document.unusable(loaded.path, f"linux: an object was expected, found {checks.kind(linux)}")
    resources = document.resources(loaded, where)
    problems = checks.check(resources, ".".join(where) or "resources")
    if problems:
        raise checks.refuse(problems, loaded.path)
    return resources


def judge(made: Rewrite) -> None:
    """Raise ShimError for values that are not possible, and under `refuse` for guards that cannot be enforced."""
    path, plan = made.document.path, made.plan
    if plan.problems:
        named = (Problem(field=f"{made.prefix}.{p.field}", what=p.what, remedy=p.remedy) for p in plan.problems)
        raise checks.refuse(tuple(named), path)
    if not made.refused:
        return
    first = plan.unenforceable[0]
    more = len(plan.unenforceable) - 1
    lines = tuple(f"{n.field} would be lost ({n.lost}): {n.reason}" for n in plan.unenforceable)
    verb = "makes no update" if made.asked.operation == "update" else "starts no container"
    raise ShimError(
        first.code,
        f"{path}: {first.field} cannot be enforced on this host" + (f" (and {more} more)" if more else ""),
        cause=f"{first.reason}; policy 'refuse' ({made.policy_origin}) {verb} that would lose a limit",
        evidence=(*lines, f"cgroup layout {made.host.layout}: {made.host.layout_evidence}"),
        remedy=(
            f"leave {first.field} out, or run where it can be enforced (cgshimctl doctor shows what this host has)",
            settings.acceptance(made.trusting),
        ),
    )


def _sections(made: Rewrite) -> dict[tuple[str, ...], str]:
    """Return the sections of the configuration that change, with their new texts."""
    loaded, sections = made.document, {}
    if made.plan.edits:
        annotations = loaded.section("annotations") if loaded.value.get("annotations") else "{}"
        sections[made.where] = apply_to_text(document.changeable(loaded, made.where), made.plan.edits)
        sections["annotations",] = apply_to_text(annotations, _annotation_edits(made))
    if made.watched or made.leaves:
        present = loaded.value.get("hooks")
        edits = _hook_edits(made, present if isinstance(present, dict) else {})
        if edits:
            sections["hooks",] = apply_to_text(loaded.section("hooks") if present else "{}", edits)
    return sections


def _hook_edits(made: Rewrite, present: dict[str, Any]) -> list[Edit]:
    from shim.planning import injection

    wanted = {}
    if made.watched:
        kept = any(limit.kind == GUARD for limit in made.plan.bridge)
        wanted[injection.STAGE] = injection.hook(
            made.asked.runtime, made.asked.driver, bridged=kept, waiting=made.asked.waiting
        )
    if made.leaves:
        wanted[injection.AFTER] = injection.cleanup(made.host.cgroup2_mount)
    lists = {stage: injection.injected(present, stage, entry) for stage, entry in wanted.items()}
    return [Edit(op="set", path=(stage,), value=hooks) for stage, hooks in lists.items() if present.get(stage) != hooks]


def _annotation_edits(made: Rewrite) -> list[Edit]:
    from shim.planning import report

    asked = made.asked
    about = report.Circumstances(
        runtime=asked.runtime, operation=asked.command, policy=made.policy, policy_origin=made.policy_origin
    )
    earlier = _annotations(made.document).get(report.ANNOTATION)
    value = report.annotation(report.build(made.plan, made.resources, made.host, about), earlier)
    edits = [Edit(op="set", path=(report.ANNOTATION,), value=value)]
    if made.plan.bridge:
        from shim.planning import bridged_limits

        value = bridged_limits.write(made.plan.bridge, made.document, seals=not made.asked.looking)
        edits.append(Edit(op="set", path=(bridged_limits.ANNOTATION,), value=value))
    return edits
