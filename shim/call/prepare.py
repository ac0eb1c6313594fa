"""Before the runtime: read, plan, judge and write the document; return the arguments for the runtime."""

from __future__ import annotations

import posix

from shim.call import argv
from shim.errors import ShimError
from shim.oci import cgroups_path, checks, document
from shim.planning import rewrite, settings
from shim.rules.base import apply_to_value
from shim.system import dirname, environment, exists, join
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.call.argv import Invocation
    from shim.call.hook_answer import Waiting
    from shim.errors import Notice
    from shim.planning.plan import Plan
    from shim.planning.rewrite import Rewrite
    from shim.planning.settings import Settings
    from shim.rules.runtimes import Family


class Call(Value):
    """One call: its command line, the real runtime, the caller's environment and the settings.

    family: whose rules apply to the real runtime: "runc", "crun" or "other".
    """

    invocation: Invocation
    runtime: str
    family: Family
    variables: dict[bytes, bytes]
    settings: Settings

    @property
    def root(self) -> str:
        """The directory in which the real runtime keeps its containers: --root, or the default."""
        if self.invocation.root:
            return self.invocation.root
        below = "/run" if posix.geteuid() == 0 else environment().get("XDG_RUNTIME_DIR", "/run")
        return f"{below}/{'crun' if self.family == 'crun' else 'runc'}"


def hiding(this: Call) -> Callable[[], None] | None:
    """Return what the runtime's process must call before exec; None for nothing (shim.enforce.private_view)."""
    if this.settings.crun_on_hybrid == settings.OFF:
        return None
    from shim.enforce import private_view

    return private_view.hide if private_view.applies(this.settings, this.runtime) else None


class Prepared(Value):
    """The arguments for the real runtime, and the values that the follow-up needs.

    made: the rewrite, None if no document was read. notices: (level, text) for the engine's log. stand_in: our own
    bundle in place of the caller's, "" if there is none. waiting: for the hook of a `run`.
    """

    arguments: list[str]
    made: Rewrite | None = None
    notices: tuple[Notice, ...] = ()
    stand_in: str = ""
    waiting: Waiting | None = None


def prepare(this: Call) -> Prepared:
    """Prepare the command. Raises ShimError if the call must not go on."""
    invocation = this.invocation
    as_it_stands = Prepared(arguments=list(invocation.arguments))
    if invocation.help or not invocation.container_id or invocation.command == "checkpoint":
        return as_it_stands
    checks.container(invocation.container_id)
    if invocation.command == "update":
        from shim.call import update

        return update.prepare(this)
    return _prepare_bundle(this)


def _prepare_bundle(this: Call) -> Prepared:
    invocation = this.invocation
    path = invocation.document
    before, identity = document.identified(path)
    made = rewritten(this, before, path, rewrite.RESOURCES)
    rewrite.judge(made)
    told = (*made.notices, *notices(made.plan), *_foreseen(this, made))
    waiting = None
    if made.watched:
        from shim.call.hook_answer import waiting_for_hook

        waiting = waiting_for_hook()
        made = made.changed(asked=made.asked.changed(waiting=waiting.place if waiting else ""))
    text = made.text()
    if text == made.document.text:
        return Prepared(arguments=list(invocation.arguments), made=made, notices=told)
    return _written(this, made, text, identity, told).changed(waiting=waiting)


def _foreseen(this: Call, made: Rewrite) -> tuple[Notice, ...]:
    """Find failures that the runtime would not report: raise an error for a certain one, return notices for the
    others.
    """
    from shim.host.view import View
    from shim.planning import preflight

    asked = preflight.Start(
        resources=apply_to_value(made.resources, made.plan.edits),  # the resources as the runtime gets them
        cgroups_path=cgroups_path.of(made.document.value),
        runtime=this.family,
        driver=this.invocation.driver,
        mounts=preflight.mounts_on_host(made.document.value),
    )
    found = preflight.hazards(asked, View(), made.host)
    if not found:
        return ()
    from shim.diagnose.preflight import diagnosed

    told = diagnosed(found)
    for hazard, diagnosis in zip(found, told):
        if hazard.certain:
            raise ShimError(
                diagnosis.code,
                diagnosis.verdict,
                cause=diagnosis.cause,
                evidence=diagnosis.evidence,
                remedy=diagnosis.remedy,
            )
    return tuple((hazard.level, f"cgshim: {diagnosis.verdict}") for hazard, diagnosis in zip(found, told))


def rewritten(
    this: Call, text: str, path: str, where: tuple[str, ...], beside: dict[str, str] | None = None
) -> Rewrite:
    """Return the rewrite of a document. path: for messages. where, beside: as in shim.planning.rewrite.of."""
    from shim.host.view import View

    invocation = this.invocation
    asked = rewrite.Asked(
        runtime=this.runtime,
        family=this.family,
        command=invocation.command,
        driver=invocation.driver,
        foreground=invocation.command == "run" or (invocation.command == "restore" and not invocation.detach),
    )
    return rewrite.of(document.load(text, path, reader=this.family), where, asked, this.settings, View(), beside=beside)


def _written(this: Call, made: Rewrite, text: str, identity: tuple[int, int], told: tuple[Notice, ...]) -> Prepared:
    from shim.oci import atomic

    invocation, loaded = this.invocation, made.document
    _refuse_in_use(this.root, invocation.container_id)
    try:
        atomic.replace(loaded.path, text.encode("utf-8", "surrogateescape"), identity)
        return Prepared(arguments=list(invocation.arguments), made=made, notices=told)
    except OSError as error:
        from shim.call import stand_in

        if document.errno_name(error) not in stand_in.NOT_WRITABLE or invocation.config:
            raise _not_written(loaded.path, error) from error
    from shim.state import files

    state, root = files.directory(environment()), this.root
    stand_in.discard_stale(state, root)
    place = stand_in.path_of(state, root, invocation.container_id)
    stand_in.make(loaded, text, invocation.bundle, place)
    return Prepared(arguments=argv.with_bundle(invocation, place), made=made, notices=told, stand_in=place)


def _refuse_in_use(root: str, container: str) -> None:
    """Refuse an id in use. The runtime would refuse it as well, but only after the live container's files had
    changed.
    """
    place = join(root, container)
    if not exists(place):
        return
    raise ShimError(
        "id-in-use",
        f"a container {container} already exists; nothing was changed",
        evidence=(f"{place}: exists",),
        remedy=(f"choose another id, or delete {container} first",),
    )


def _not_written(path: str, error: OSError) -> ShimError:
    name = document.errno_name(error)
    if name == "ESTALE":
        return ShimError(
            "unwritable-bundle",
            f"{path} was replaced by another file while it was read: {name}",
            cause="the changes were made for the file that was read; neither file was changed",
            evidence=(f"{path}: {name}",),
            remedy=("create the container again, and make sure that nothing else changes the bundle meanwhile",),
        )
    return ShimError(
        "unwritable-bundle",
        f"{path} needs changes for this host and cannot be written: {name}",
        cause="starting the container without the changes would lose limits or fail; the file is unchanged",
        evidence=(f"{path}: {name}",),
        remedy=(f"free some space in {dirname(path)} or make it writable",),
    )


def notices(plan: Plan) -> tuple[Notice, ...]:
    """Return (level, text) for the engine's log: a warning for a loss, otherwise information."""
    return tuple(
        (
            "warning" if note.lost else "info",
            f"cgshim: {note.field} {note.effect}: {note.reason}" + (f"; lost: {note.lost}" if note.lost else ""),
        )
        for note in plan.changes
    )
