"""What cgshim itself asks of the real runtime once that has succeeded: its state of the container, and to delete it.

Only where something is wrong, so `subprocess` may be loaded. The children get the caller's environment, the runtime's
global flags, and the mask of shim.call.delegate.hold: a signal does not stop a deletion half-way.
"""

from __future__ import annotations

from shim.call.prepare import hiding
from shim.errors import ShimError
from shim.oci.text import Malformed, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.prepare import Call

PATIENCE = 30  # seconds


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
    if not isinstance(error, ShimError):
        from shim.call.faults import own_fault

        error = own_fault(error)
    invocation = this.invocation
    if invocation.command == "update":
        return _with(error, f"{this.runtime} has already applied the update: the container has its values")
    if invocation.command != "create" and not invocation.detach:
        return error
    failed, _ = _ask(this, "delete", "--force")
    done = f"delete --force {invocation.container_id}: {failed or 'done, the container is deleted'}"
    return _with(error, f"{this.runtime} {done}")


def _with(error: ShimError, line: str) -> ShimError:
    evidence = (*error.evidence, line)
    return ShimError(
        error.code, error.what, cause=error.cause, evidence=evidence, remedy=error.remedy, status=error.status
    )


def _ask(this: Call, *command: str) -> tuple[str, str]:
    """(why it failed or "", standard output) of a command for the container."""
    import subprocess

    before = this.invocation.arguments[: this.invocation.command_index]
    try:
        done = subprocess.run(
            [this.runtime, *before, *command, this.invocation.container_id],
            check=False,
            env=this.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=hiding(this),
            timeout=PATIENCE,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return " ".join(str(error).split()) or type(error).__name__, ""
    why = f"exit status {done.returncode}" if done.returncode else ""
    return why, done.stdout.decode("utf-8", "surrogateescape")
