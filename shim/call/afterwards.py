"""After the runtime: pass on or explain its log, follow up the limits, and write the notices."""

from __future__ import annotations

from shim.call import channel
from shim.system import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.prepare import Call, Prepared
    from shim.call.runtime_log import RuntimeLog
    from shim.errors import Notice, ShimError


def finish(this: Call, prepared: Prepared, log: RuntimeLog | None, status: int) -> None:
    """Pass on or explain the runtime's log, follow up the limits, and write the notices.

    Whatever goes wrong after the runtime has succeeded, its container must not start with limits that nobody has
    checked.
    """
    try:
        if log:
            _settle(this, prepared, log, status)
        if status == 0 or (prepared.made and prepared.made.watched):  # a foreground run ends as the container ended
            _tell(this, prepared, _followed_up(this, prepared))
    except BaseException as error:
        if status != 0:
            raise
        raise _taken_back(this, error) from None  # the refusal's text includes its cause


def _taken_back(this: Call, error: BaseException) -> ShimError:
    try:
        from shim.call import real_runtime
    except Exception:  # memory or files ran out for a moment, and the container must not stay
        from shim.call import real_runtime
    return real_runtime.taken_back(this, error)


def _settle(this: Call, prepared: Prepared, log: RuntimeLog, status: int) -> None:
    """Pass on the runtime's log, or explain the failure in it. If the user's process failed, no error is left in the
    log.
    """
    if status == 0 or not log.text():
        log.hand_on()
        return
    try:
        from shim.call import failure

        failure.tell(this, prepared, log)
    except Exception as error:
        from shim.call.faults import traced

        traced(error)  # a fault in the explanation must not hide the runtime's own message
        log.hand_on()


def _followed_up(this: Call, prepared: Prepared) -> list[Notice]:
    """Bridge and verify a container whose process has not started, or one that was updated; return further notices."""
    made = prepared.made
    if prepared.waiting and _answered(prepared):
        return prepared.waiting.notices or []
    if made is not None and made.watched:
        from shim.state import hook_notices

        return hook_notices.take(this.invocation.container_id, environment())
    if made is None or made.asked.foreground or not (made.plan.expectations or made.plan.bridge):
        return []
    from shim.containers import state_files
    from shim.enforce.follow_up import InitEnded, Subject, follow_up
    from shim.host.view import View

    name = this.invocation.container_id
    pid = state_files.pid(this.invocation.pid_file, this.root, name)
    if not pid:
        from shim.call import real_runtime

        pid, said = real_runtime.pid(this)
        if not pid:
            from shim.enforce.unverified import without_process

            return without_process(name, made, said)
    subject = Subject(pid=pid, container=name, root=this.root)
    try:
        return follow_up(View(), subject, made)
    except InitEnded as ended:
        from shim.diagnose import init_ended

        return init_ended.notices(View(), subject, made, ended.fate)


def _answered(prepared: Prepared) -> bool:
    """Return whether this process answered the hook of a `run`, so that the hook's notices are known here."""
    return prepared.waiting is not None and prepared.waiting.notices is not None


def _tell(this: Call, prepared: Prepared, found: list[Notice]) -> None:
    """Write the notices to the engine's log and the system's. A hook has already written its own to the system's."""
    channel.notify(this.invocation, [*prepared.notices, *found])
    by_hook = prepared.made is not None and prepared.made.watched and not _answered(prepared)
    channel.tell_operators([*prepared.notices, *([] if by_hook else found)], this.invocation.container_id)
