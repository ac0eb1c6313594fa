"""Commands that cgshim itself gives to the real runtime after a success: `state`, and `delete` of the container.

Used only if something went wrong, possibly because files or memory ran out. So everything is imported beforehand, and
nothing of it from the standard library. The children get the caller's environment, the runtime's global flags and the
mask from shim.call.delegate.hold. They outlive this process, so a signal does not stop a deletion half-way.
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
TRIES, PAUSE = 5, 0.1  # seconds between attempts, because files may have run out and the container must go


def pid(this: Call) -> tuple[int, str]:
    """Return the pid of the container's init from `state`, 0 if it has none, and the command with its answer as
    evidence.
    """
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
    """Return the refusal for an error after the runtime's success. Deletes the container, but leaves an updated one as
    it is.

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
    """Run a command for the container; return why it failed or "", and its standard output."""
    before = this.invocation.arguments[: this.invocation.command_index]
    arguments = [*before, *command, this.invocation.container_id]
    try:
        status, output = _heard(this, arguments)
    except (OSError, ShimError) as error:
        words = error.evidence[0] if isinstance(error, ShimError) else str(error)
        return f"{NOT_STARTED}{' '.join(words.split())}", ""
    if status is None:
        return f"still running after {PATIENCE} seconds", output
    code = delegate.exit_code(status)
    return f"exit status {code}" if code else "", output


def _heard(this: Call, arguments: list[str]) -> tuple[int | None, str]:
    """Return the wait status, None if the process was killed after a timeout, and the standard output."""
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
