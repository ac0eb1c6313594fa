"""One intercepted call, start to end: the table of contents of the program.

Start-up is paid by every container, so this module and all that it imports keep to the allow-list of
tests/test_imports.py: no click, no pyroute2, none of the heavy parts of the standard library.
"""

from __future__ import annotations

import os
import sys

from shim import apply, argv, channel, delegate, rewrite, settings
from shim.errors import ShimError
from shim.oci import document
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.argv import Invocation
    from shim.plan import Plan
    from shim.rewrite import Rewrite
    from shim.settings import Settings

STDIN = "-"


class Call(Value):
    """What one call is about: its command line, the real runtime, the caller's environment and the settings."""

    invocation: Invocation
    runtime: str
    variables: dict[bytes, bytes]
    settings: Settings

    @property
    def family(self) -> str:
        """Which rules the real runtime plays by: "runc", "crun" or "other"."""
        return settings.family(self.runtime)


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
    made = _rewrite(this, document.read(path), path, rewrite.RESOURCES)
    rewrite.judge(made)
    if not made.plan.edits:
        return Prepared(arguments=list(invocation.arguments), notices=notices(made.plan))
    return _written(this, made.document, made.text(), notices(made.plan))


def _rewrite(this: Call, text: str, path: str, where: tuple[str, ...]) -> Rewrite:
    from shim.host.view import View

    asked = rewrite.Asked(
        runtime=this.runtime, family=this.family, command=this.invocation.command, driver=this.invocation.driver
    )
    return rewrite.of(document.load(text, path), where, asked, this.settings, View())


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
    made = _rewrite(this, text, path, rewrite.WHOLE)
    rewrite.judge(made)
    if not made.plan.edits and not from_stdin:
        return Prepared(arguments=list(invocation.arguments), notices=notices(made.plan))
    return Prepared(arguments=argv.with_resources(invocation, _in_memory(made.text())), notices=notices(made.plan))


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
