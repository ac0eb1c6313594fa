"""What cgshim itself asks of the real runtime once that has succeeded: its state of the container, and to delete it.

Only where something is wrong, which may be that files or memory have run out: everything that is needed is loaded at
once, and nothing of the standard library's. The children get the caller's environment, the runtime's global flags, and
the mask of shim.call.delegate.hold, and outlive this process: a signal does not stop a deletion half-way.
"""

from __future__ import annotations

import posix
import time

from shim.call import delegate, faults
from shim.call.prepare import hiding
from shim.errors import ShimError
from shim.oci.text import Malformed, parse
from shim.system import content, memory_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from shim.call.prepare import Call
else:
    import _signal as signal

PATIENCE = 30  # seconds
NOT_STARTED = "not started: "
TRIES, PAUSE = 5, 0.1  # seconds between them; a container without its limits must go, even if files have run out


def pid(this: Call) -> tuple[int, str]:
    """The pid of the container's init as `state` has it, and what was asked and answered; 0 if it does not say."""
    status, text = _ask(this, "state")
    asked = f"{this.runtime} state {this.invocation.container_id}"
    if status:
        return 0, f"{asked}: {status}"
    try:
        value = parse(text)
    except Malformed:
        return 0, f"{asked}: not JSON"
    found = value.get("pid") if isinstance(value, dict) else None
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        return found, f"{asked}: pid {found}"
    return 0, f"{asked}: pid {found!r}"


def taken_back(this: Call, error: BaseException) -> ShimError:
    """The refusal for an error after the runtime's success; the container is deleted, an updated one stays as it is.

    A foreground `run` or `restore` has ended already.
    """
    invocation = this.invocation
    if invocation.command == "update":
        done = f"{this.runtime} has already applied the update: the container has its values"
        return _with(faults.as_shim_error(error), done)
    if invocation.command != "create" and not invocation.detach:
        return faults.as_shim_error(error)
    for _ in range(TRIES):
        failed, _ = _ask(this, "delete", "--force")
        if not failed.startswith(NOT_STARTED):
            break
        time.sleep(PAUSE)
    done = f"delete --force {invocation.container_id}: {failed or 'done, the container is deleted'}"
    return _with(faults.as_shim_error(error), f"{this.runtime} {done}")


def _with(error: ShimError, line: str) -> ShimError:
    evidence = (*error.evidence, line)
    return ShimError(
        error.code, error.what, cause=error.cause, evidence=evidence, remedy=error.remedy, status=error.status
    )


def _ask(this: Call, *command: str) -> tuple[str, str]:
    """(why it failed or "", standard output) of a command for the container."""
    before = this.invocation.arguments[: this.invocation.command_index]
    arguments = [*before, *command, this.invocation.container_id]
    try:
        status, output = _heard(this, arguments)
    except (OSError, ShimError) as error:
        words = error.evidence[0] if isinstance(error, ShimError) else str(error)
        return f"{NOT_STARTED}{' '.join(words.split())}", ""
    if status is None:
        return f"no end after {PATIENCE} seconds", output
    code = delegate.exit_code(status)
    return f"exit status {code}" if code else "", output


def _heard(this: Call, arguments: list[str]) -> tuple[int | None, str]:
    """The wait status, None for a process that was ended for its slowness, and what it wrote to its standard output."""
    output = memory_file("answer", inheritable=False)
    hide = hiding(this)

    def settle_in() -> None:
        nothing = posix.open("/dev/null", posix.O_RDWR)
        for number, handle in enumerate((nothing, output, nothing)):
            posix.dup2(handle, number)
        if hide:
            hide()

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        setting = (mask, False, lambda: None, settle_in)
        status = _ended(delegate.start(this.runtime, arguments, this.variables, setting))
        return status, content(f"/proc/self/fd/{output}").decode("utf-8", "surrogateescape")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        posix.close(output)


def _ended(child: int) -> int | None:
    end = time.monotonic() + PATIENCE
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, max(0, end - time.monotonic()))
        done, status = posix.waitpid(child, posix.WNOHANG)
        if done:
            return status
        if time.monotonic() >= end:
            posix.kill(child, signal.SIGKILL)
            posix.waitpid(child, 0)
            return None
