"""One intercepted call, start to end: the table of contents of the program.

Every container pays for start-up. So this module and all its imports keep to the allow-list of
tests/start/test_imports.py: no click, no pyroute2, none of the heavy modules of the standard library.
"""

from __future__ import annotations

import posix
import sys
from posix import _exit

from shim.call import afterwards, argv, channel, delegate, faults, running, self_call
from shim.call.prepare import Call, prepare
from shim.planning import settings
from shim.system import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.argv import Invocation


def main() -> None:
    """Run the call in sys.argv (runtime, loader state, the caller's arguments) and end as the real runtime ended."""
    runtime, loader_state, *arguments = sys.argv[1:]
    invocation = argv.parse(arguments, _working_directory())
    try:
        status = call(invocation, runtime, loader_state)
    except Exception as error:
        told = faults.as_shim_error(error)
        channel.fail(invocation, told)
        _exit(told.status)
    delegate.exit_like(status)


def call(invocation: Invocation, runtime: str, loader_state: str) -> int:
    """Prepare, run the real runtime, follow up; return its wait status."""
    this = _described(invocation, runtime, loader_state)
    prepared = prepare(this)
    started = False
    held = delegate.hold()  # signals wait until the limits are verified or the container is gone again
    try:
        status, log = running.run(this, prepared, held)
        afterwards.finish(this, prepared, log, status)
        started = status == 0 and (invocation.command != "run" or invocation.detach)
    finally:
        if prepared.stand_in and not started:
            from shim.call import stand_in

            stand_in.discard(prepared.stand_in)
    delegate.release(held)
    return status


def _described(invocation: Invocation, runtime: str, loader_state: str) -> Call:
    delegate.keep_ignored(loader_state)
    variables = delegate.environment(loader_state)
    configured = settings.load(environment(), runtime)
    return Call(
        invocation=invocation,
        runtime=self_call.checked(runtime, configured.runtime),
        family=settings.family(runtime),
        variables=variables,
        settings=configured,
    )


def _working_directory() -> str:
    try:
        return posix.getcwd()
    except OSError:
        return "/"
