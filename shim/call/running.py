"""Run the real runtime: capture its log, and hide cgroup2 from it if the settings say so."""

from __future__ import annotations

from shim.call import argv, delegate, runtime_log
from shim.call.prepare import hiding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.call.prepare import Call, Prepared
    from shim.call.runtime_log import RuntimeLog


def run(this: Call, prepared: Prepared, held: set[int]) -> tuple[int, RuntimeLog | None]:
    """Return the runtime's wait status and its log, None if no log was captured. held: the mask from
    shim.call.delegate.hold.
    """
    log = runtime_log.open_for(this.invocation, this.family)
    arguments, before_exec = _arguments(this, prepared, log), _before_exec(this, log)
    asked = _asked(this, prepared)
    if not before_exec or not prepared.made or not prepared.made.watched:
        return delegate.run(this.runtime, arguments, this.variables, before_exec, held, asked=asked), log
    from shim.enforce import private_view

    withdraw = private_view.announce(this.invocation.container_id)
    try:
        return delegate.run(this.runtime, arguments, this.variables, before_exec, held, asked=asked), log
    finally:
        withdraw()


def _asked(this: Call, prepared: Prepared) -> Callable[[int, int], None] | None:
    """Return the function that answers the hook of a `run`, None if no hook will ask."""
    waiting, made = prepared.waiting, prepared.made
    if waiting is None or made is None:
        return None
    return lambda hook, runtime: waiting.answer(hook, runtime, this.invocation.container_id, made)


def _arguments(this: Call, prepared: Prepared, log: RuntimeLog | None) -> list[str]:
    if log is None:
        return prepared.arguments
    as_given = this.invocation if prepared.arguments == list(this.invocation.arguments) else None
    return argv.with_log(as_given or argv.parse(prepared.arguments, "/"), log.path, "json")


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
