"""One intercepted call, start to end: the table of contents of the program.

Start-up is paid by every container, so this module and all that it imports keep to the allow-list of
tests/start/test_imports.py: no click, no pyroute2, none of the heavy parts of the standard library.
"""

from __future__ import annotations

import posix
import sys
from posix import _exit

from shim.call import argv, channel, delegate, runtime_log, self_call
from shim.call.prepare import Call, hiding, prepare
from shim.errors import ShimError
from shim.planning import settings
from shim.system import basename, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.call.argv import Invocation
    from shim.call.prepare import Prepared
    from shim.call.runtime_log import RuntimeLog


def main() -> None:
    """Run the call in sys.argv (runtime, loader state, the caller's arguments) and end as the real runtime ended."""
    delegate.die_of_interrupts()
    runtime, loader_state, *arguments = sys.argv[1:]
    invocation = argv.parse(arguments, _working_directory())
    try:
        status = call(invocation, runtime, loader_state)
    except ShimError as error:
        told = _of_the_host(error) or error
        channel.fail(invocation, told)
        _exit(told.status)
    except Exception as error:
        channel.fail(invocation, _of_the_host(error) or own_fault(error))
        _exit(1)
    delegate.exit_like(status)


def _of_the_host(error: Exception) -> ShimError | None:
    """What is told instead where the host ran out of something; None for any other error."""
    if isinstance(error, ShimError) and error.__cause__ is None:
        return None
    from shim.start import exhaustion

    return exhaustion.told(error, exhaustion.OF_THE_PROCESS if isinstance(error, ShimError) else exhaustion.RESOURCES)


def _working_directory() -> str:
    try:
        return posix.getcwd()
    except OSError:
        return "/"


def call(invocation: Invocation, runtime: str, loader_state: str) -> int:
    """Prepare, run the real runtime, follow up; its wait status."""
    delegate.keep_ignored(loader_state)
    variables = delegate.environment(loader_state)
    configured = settings.load(environment(), runtime)
    runtime = _real(runtime)
    this = Call(
        invocation=invocation,
        runtime=runtime,
        family=settings.family(runtime),
        variables=variables,
        settings=configured,
    )
    prepared = prepare(this)
    log = runtime_log.open_for(invocation, this.family)
    held = delegate.hold()  # a signal waits until the limits are known to be there, or the container is gone again
    started = False
    try:
        status = _run(this, prepared, log, held)
        _finish(this, prepared, log, status)
        started = status == 0 and (invocation.command != "run" or invocation.detach)
    finally:
        if prepared.stand_in and not started:
            from shim.call import stand_in

            stand_in.discard(prepared.stand_in)
    delegate.release(held)
    return status


def _finish(this: Call, prepared: Prepared, log: RuntimeLog | None, status: int) -> None:
    """Hand on what the runtime said, follow up, tell what there is to tell.

    Whatever goes wrong once the runtime has succeeded, its container must not start with limits that nobody has seen.
    """
    try:
        if log:
            _settle(this, prepared, log, status)
        if status == 0 or (prepared.made and prepared.made.watched):  # a foreground run ends as the container ended
            _tell(this, prepared, _followed_up(this, prepared))
    except BaseException as error:
        if status != 0:
            raise
        from shim.call import real_runtime

        raise real_runtime.taken_back(this, error) from error


def _tell(this: Call, prepared: Prepared, found: list[tuple[str, str]]) -> None:
    """To the engine's log, and to the system's; what a hook found it has told operators itself."""
    channel.notify(this.invocation, [*prepared.notices, *found])
    by_hook = prepared.made is not None and prepared.made.watched
    channel.tell_operators([*prepared.notices, *([] if by_hook else found)], this.invocation.container_id)


def _arguments(this: Call, prepared: Prepared, log: RuntimeLog | None) -> list[str]:
    if log is None:
        return prepared.arguments
    as_given = this.invocation if prepared.arguments == list(this.invocation.arguments) else None
    return argv.with_log(as_given or argv.parse(prepared.arguments, "/"), log.path, "json")


def _settle(this: Call, prepared: Prepared, log: RuntimeLog, status: int) -> None:
    """Hand the runtime's log on, or explain what is in it; a failing process of the user's leaves no error there."""
    if status == 0 or not runtime_log.failure(log.text()):
        log.hand_on()
        return
    try:
        from shim.call import failure

        failure.tell(this, prepared, log)
    except Exception as error:
        own_fault(error)  # for CGSHIM_DEBUG: a fault in explaining must not cost the runtime's own words
        log.hand_on()


def _followed_up(this: Call, prepared: Prepared) -> list[tuple[str, str]]:
    """Bridge and verify a container whose process has not started, or that was updated; further notices."""
    made = prepared.made
    if made is not None and made.watched:
        from shim.state import hook_notices

        return hook_notices.take(this.invocation.container_id, environment())
    if made is None or made.asked.foreground or not (made.plan.expectations or made.plan.bridge):
        return []
    from shim.containers import state_files
    from shim.enforce.followup import Subject, follow_up, without_process
    from shim.host.view import View

    name = this.invocation.container_id
    pid = state_files.pid(this.invocation.pid_file, this.root, name)
    if not pid:
        from shim.call import real_runtime

        pid, said = real_runtime.pid(this)
        if not pid:
            return without_process(name, made, said)
    return follow_up(View(), Subject(pid=pid, container=name), made)


def _run(this: Call, prepared: Prepared, log: RuntimeLog | None, held: set[int]) -> int:
    arguments, before_exec = _arguments(this, prepared, log), _before_exec(this, log)
    if not before_exec or not prepared.made or not prepared.made.watched:
        return delegate.run(this.runtime, arguments, this.variables, before_exec, held)
    from shim.enforce import private_view

    withdraw = private_view.announce(this.invocation.container_id)
    try:
        return delegate.run(this.runtime, arguments, this.variables, before_exec, held)
    finally:
        withdraw()


def _before_exec(this: Call, log: RuntimeLog | None) -> Callable[[], None] | None:
    hide = hiding(this)
    if log is None or not log.has_stderr:
        return hide
    heard = log

    def settle_in() -> None:
        if hide:
            hide()
        heard.take_stderr()

    return settle_in


def _real(runtime: str) -> str:
    if runtime:
        settings.check_runtime(runtime, "the entry's file in /etc/cgshim/runtimes")  # the settings' has been by now
        self_call.refuse(runtime)
        return runtime
    raise ShimError(
        "no-runtime",
        "no real runtime was found",
        evidence=("neither runc nor crun is in the standard directories",),
        remedy=("install runc or crun", 'or name one: {"runtime": "/path/to/runc"} in /etc/cgshim/config.json'),
    )


def own_fault(error: BaseException) -> ShimError:
    """An exception that should never have been: one line for the engine, the traceback where CGSHIM_DEBUG says."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
    debug = environment().get("CGSHIM_DEBUG", "")
    if debug:
        import traceback

        try:
            with open(debug, "a", encoding="utf-8") as file:
                traceback.print_exception(type(error), error, error.__traceback__, file=file)
        except OSError:
            debug = ""
    report = f"the traceback in {debug}" if debug else "what CGSHIM_DEBUG=FILE writes"
    words = " ".join(str(error).split())
    return ShimError(
        "own-fault",
        f"a fault of cgshim itself: {type(error).__name__}: {words} ({where}); report it with {report}",
    )
