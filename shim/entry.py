"""One intercepted call, start to end: the table of contents of the program.

Start-up is paid by every container, so this module and all that it imports keep to the allow-list of
tests/test_imports.py: no click, no pyroute2, none of the heavy parts of the standard library.
"""

from __future__ import annotations

import os
import sys

from shim import apply, argv, channel, delegate, report, settings
from shim.errors import ShimError
from shim.oci import checks, document
from shim.oci.edits import apply_to_text
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.argv import Invocation
    from shim.host.facts import Host
    from shim.plan import Plan
    from shim.settings import Settings

RESOURCES = ("linux", "resources")
STDIN = "-"


class Call(Value):
    """What one call is about: its command line, the real runtime, the caller's environment and the settings."""

    invocation: Invocation
    runtime: str
    variables: dict[bytes, bytes]
    settings: Settings

    @property
    def family(self) -> str:
        """ "runc", "crun" or "other": which rules the real runtime plays by."""
        name = os.path.basename(os.path.realpath(self.runtime)) + os.path.basename(self.runtime)
        return next((known for known in ("crun", "runc") if known in name), "other")


class Prepared(Value):
    """How the real runtime is to be called: its arguments, what to tell the log, and what to throw away after."""

    arguments: list[str]
    notices: list[tuple[str, str]] = []
    stand_in: str = ""


def main() -> None:
    """Run the call in sys.argv (runtime, loader state, the caller's arguments) and end as the real runtime ended."""
    runtime, loader_state, *arguments = sys.argv[1:]
    invocation = argv.parse(arguments, _working_directory())
    try:
        status = call(invocation, runtime, loader_state)
    except ShimError as error:
        channel.fail(invocation, error)
        os._exit(error.status)
    except Exception as error:
        channel.fail(invocation, own_fault(error))
        os._exit(1)
    delegate.exit_like(status)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def call(invocation: Invocation, runtime: str, loader_state: str) -> int:
    """Prepare, run the real runtime, follow up; its wait status."""
    variables = delegate.environment(loader_state)
    configured = settings.load(os.environ)
    this = Call(invocation=invocation, runtime=_real(runtime), variables=variables, settings=configured)
    prepared = _prepare(this)
    status = delegate.run(this.runtime, prepared.arguments, variables)
    if status == 0:
        channel.notify(invocation, prepared.notices)
    if prepared.stand_in and (status != 0 or (invocation.command == "run" and not invocation.detach)):
        apply.discard(prepared.stand_in)
    return status


def _real(runtime: str) -> str:
    if runtime:
        return runtime
    raise ShimError(
        "no-runtime",
        "no real runtime was found",
        evidence=("neither runc nor crun is in the standard directories",),
        remedy=("install runc or crun", 'or name one: {"runtime": "/path/to/runc"} in /etc/cgshim/config.json'),
    )


def _prepare(this: Call) -> Prepared:
    invocation = this.invocation
    as_it_stands = Prepared(arguments=list(invocation.arguments))
    if invocation.help or not invocation.container_id or invocation.command == "checkpoint":
        return as_it_stands
    if invocation.command == "update":
        return _prepare_update(this) if invocation.has_resources else as_it_stands
    return _prepare_bundle(this)


def _prepare_bundle(this: Call) -> Prepared:
    invocation = this.invocation
    path = invocation.document
    loaded = document.load(document.read(path), path)
    resources = _resources(loaded, RESOURCES)
    policy, origin = settings.policy_of(this.settings, loaded.value.get("annotations"))
    host, plan = planned(this, resources, str((loaded.value.get("linux") or {}).get("cgroupsPath") or ""))
    judge(plan, host, path, policy, origin)
    if not plan.edits:
        return Prepared(arguments=list(invocation.arguments), notices=notices(plan))
    text = rewritten(loaded, plan, _report(this, plan, resources, host, (policy, origin)))
    return _written(this, loaded, text, notices(plan))


def _resources(loaded: document.Document, path: tuple[str, ...]) -> dict[str, Any]:
    linux = loaded.value.get("linux")
    if linux is not None and not isinstance(linux, dict):
        raise document.unusable(loaded.path, f"linux: an object was expected, found {checks.kind(linux)}")
    resources = document.resources(loaded, path)
    problems = checks.check(resources)
    if problems:
        raise checks.refuse(problems, loaded.path)
    return resources


def planned(this: Call, resources: dict[str, Any], target: str) -> tuple[Host, Plan]:
    """The host, as far as these resources ask for it, and the plan for it."""
    from shim import plan
    from shim.host.detect import detect
    from shim.host.view import View

    wanted = plan.wanted(resources)
    host = detect(View(), wanted, target, controllers=plan.controllers(resources))
    operation = "update" if this.invocation.command == "update" else "create"
    return host, plan.make_plan(resources, host, this.family, operation, this.invocation.driver)


def judge(plan: Plan, host: Host, path: str, policy: str, origin: str) -> None:
    """Raise ShimError for values that nothing can take, and under `refuse` for guards that nothing can enforce."""
    if plan.problems:
        raise checks.refuse(
            tuple(problem.changed(field=f"linux.resources.{problem.field}") for problem in plan.problems), path
        )
    if not plan.unenforceable or policy == settings.WARN:
        return
    first = plan.unenforceable[0]
    more = len(plan.unenforceable) - 1
    lines = tuple(f"{n.field}: not limited would be {n.lost}: {n.reason}" for n in plan.unenforceable)
    raise ShimError(
        first.code,
        f"{path}: {first.field} cannot be enforced on this host" + (f" (and {more} more)" if more else ""),
        cause=f"{first.reason}; policy 'refuse' ({origin}) starts no container that would lose a limit",
        evidence=(*lines, f"cgroup layout {host.layout}: {host.layout_evidence}"),
        remedy=(
            f"leave {first.field} out, or run where it can be enforced (cgshimctl doctor says what this host has)",
            f'or accept the loss: annotation {settings.ANNOTATION}=warn, or {{"policy": "warn"}} in {settings.PATH}',
        ),
    )


def rewritten(loaded: document.Document, plan: Plan, made: dict[str, Any]) -> str:
    """The document's text with the plan's edits and the report in it."""
    from shim.rules.base import Edit

    annotations = loaded.value.get("annotations") or {}
    value = report.annotation(made, annotations.get(report.ANNOTATION))
    edit = Edit(op="set", path=(report.ANNOTATION,), value=value)
    old = loaded.section("annotations") if annotations else "{}"
    return loaded.replaced(
        {
            RESOURCES: apply_to_text(loaded.section(*RESOURCES), plan.edits),
            ("annotations",): apply_to_text(old, [edit]),
        }
    )


def _report(
    this: Call, plan: Plan, resources: dict[str, Any], host: Host, policy: tuple[str, str]
) -> dict[str, Any]:
    about = report.Circumstances(
        runtime=this.runtime, operation=this.invocation.command, policy=policy[0], policy_origin=policy[1]
    )
    return report.build(plan, resources, host, about)


def _written(this: Call, loaded: document.Document, text: str, told: list[tuple[str, str]]) -> Prepared:
    invocation = this.invocation
    try:
        apply.replace(loaded.path, text)
        return Prepared(arguments=list(invocation.arguments), notices=told)
    except OSError as error:
        if error.errno not in apply.NOT_WRITABLE or invocation.config:
            raise _not_written(loaded.path, error) from error
    state, root = apply.state_directory(os.environ), _runtime_root(this)
    apply.discard_stale(state, root)
    place = apply.stand_in(state, root, invocation.container_id)
    apply.alternative_bundle(loaded, text, invocation.bundle, place)
    return Prepared(arguments=argv.with_bundle(invocation, place), notices=told, stand_in=place)


def _runtime_root(this: Call) -> str:
    """Where the real runtime keeps its containers: --root, or its default."""
    if this.invocation.root:
        return this.invocation.root
    below = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/run")
    return f"{below}/{'crun' if this.family == 'crun' else 'runc'}"


def _not_written(path: str, error: OSError) -> ShimError:
    name = document.errno_name(error)
    return ShimError(
        "unwritable-bundle",
        f"{path} needs changes for this host and cannot be written: {name}",
        cause="starting the container without the changes would lose limits or fail; the file is as it was",
        evidence=(f"{path}: {name}",),
        remedy=(f"make room for and give write access to {os.path.dirname(path)}",),
    )


def _prepare_update(this: Call) -> Prepared:
    """`update --resources`: the file holds the resources object itself; standard input can be read only once."""
    invocation = this.invocation
    if not invocation.resources:
        return Prepared(arguments=list(invocation.arguments))
    from_stdin = invocation.resources == STDIN
    path = "standard input" if from_stdin else os.path.join(_working_directory(), invocation.resources)
    text = _stdin() if from_stdin else document.read(path)
    loaded = document.load(text, path)
    resources = document.resources(loaded, ())
    problems = checks.check(resources, "resources")
    if problems:
        raise checks.refuse(problems, path)
    host, plan = planned(this, resources, "")
    judge(plan, host, path, this.settings.policy, this.settings.origins["policy"])
    if plan.edits:
        text = apply_to_text(text, plan.edits)
    elif not from_stdin:
        return Prepared(arguments=list(invocation.arguments), notices=notices(plan))
    return Prepared(arguments=argv.with_resources(invocation, _in_memory(text)), notices=notices(plan))


def _stdin() -> str:
    parts = []
    while part := os.read(0, 65536):
        parts.append(part)
        if sum(map(len, parts)) > document.LARGEST:
            raise document.unusable("standard input", f"it has more than {document.LARGEST} bytes")
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _in_memory(text: str) -> str:
    """A path under which the child finds `text`: a memfd, so that nothing is left behind, whatever happens."""
    handle = os.memfd_create("resources", 0)  # no MFD_CLOEXEC: the child opens it through its own /proc/self/fd
    os.write(handle, text.encode("utf-8", "surrogateescape"))
    return f"/proc/self/fd/{handle}"


def notices(plan: Plan) -> list[tuple[str, str]]:
    """(level, text) for the engine's log: a warning where something is lost, information where nothing is."""
    return [
        (
            "warning" if note.lost else "info",
            f"cgshim: {note.field} {note.effect}: {note.reason}" + (f"; lost: {note.lost}" if note.lost else ""),
        )
        for note in plan.changes
    ]


def own_fault(error: Exception) -> ShimError:
    """An exception that should never have been: one line for the engine, the traceback where CGSHIM_DEBUG says."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
    debug = os.environ.get("CGSHIM_DEBUG", "")
    if debug:
        import traceback

        try:
            with open(debug, "a", encoding="utf-8") as file:
                traceback.print_exception(type(error), error, error.__traceback__, file=file)
        except OSError:
            debug = ""
    return ShimError(
        "own-fault",
        f"a fault of cgshim itself: {type(error).__name__}: {error} ({where})",
        evidence=(f"traceback in {debug}",) if debug else (),
        remedy=("report it with the file that CGSHIM_DEBUG=FILE writes", "the real runtime was not started"),
    )
